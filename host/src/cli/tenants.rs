//! `tenants`: the tenants of a target, and where each stands; `tenants add` adds one.

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::run::{cancel_on_signal, watch};
use super::target::Target;
use super::terminal::{Terminal, printable_lines, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::TenantOverview;
use crate::output::counted;

#[derive(Debug, Args)]
pub(super) struct TenantsArguments {
    #[command(subcommand)]
    command: Option<TenantsCommand>,
}

#[derive(Debug, Subcommand)]
enum TenantsCommand {
    /// List the tenants (the default)
    List,
    /// Add a tenant, and apply the files for tenants to it
    Add {
        /// Its name
        name: String,
        /// Take over a schema that exists
        #[arg(long)]
        adopt: bool,
    },
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &TenantsArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        wait: true,
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    let Some(TenantsCommand::Add { name, adopt }) = &arguments.command else {
        list(&target.tenants().await?, terminal);
        return Ok(0);
    };
    let stop = Stop::default();
    if let Target::Here(_) = target {
        cancel_on_signal(&stop)?;
        watch(&stop)?;
    }
    target.announce(terminal, &stop).await?;
    let added = target
        .add_tenant(name, *adopt, Arc::clone(&terminal.observer()), &stop)
        .await?;
    match terminal.json() {
        true => terminal.document(&added),
        false => terminal.line(&format!(
            "added the tenant {name}, and applied {} to it",
            counted(added.files, "file", "files")
        )),
    }
    Ok(0)
}

fn list(tenants: &[TenantOverview], terminal: &Terminal) {
    if terminal.json() {
        terminal.document(&tenants);
        return;
    }
    if tenants.is_empty() {
        terminal.line("no tenants");
    }
    show(tenants.iter(), terminal);
}

/// One line a tenant.
pub(super) fn show<'t>(
    tenants: impl Iterator<Item = &'t TenantOverview> + Clone,
    terminal: &Terminal,
) {
    let widths = tenants.clone().map(|tenant| tenant.name.chars().count());
    let width = widths.max().unwrap_or(0);
    for tenant in tenants {
        let state = match (&tenant.failure, tenant.pending, tenant.unfinalized) {
            (Some(failure), ..) => format!("failed: {}", printable_lines(&failure.to_string())),
            (None, 0, 0) => "up to date".to_owned(),
            (None, 0, unfinalized) => format!("{unfinalized} to finalize"),
            (None, pending, 0) => format!("{pending} pending"),
            (None, pending, unfinalized) => format!("{pending} pending, {unfinalized} to finalize"),
        };
        let when = tenant.applied_at.map_or_else(String::new, time);
        terminal.line(&format!(
            "  {:width$}  {:5} applied  {when:19}  {state}",
            tenant.name, tenant.applied
        ));
    }
}
