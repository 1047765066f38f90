//! `tenants`: the tenants of a target, and where each stands; `tenants add` adds one, and `tenants remove` removes one.

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::run::{cancel_on_signal, watch};
use super::target::Target;
use super::terminal::{Terminal, printable_lines, time};
use super::{AllowanceArguments, CommandError, GlobalArguments, Manner};
use crate::database::Stop;
use crate::engine::{NewTenant, TenantOverview};
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
        /// Take over a schema, or a file, that exists
        #[arg(long)]
        adopt: bool,
        /// Write the files for tenants down as applied in it, and run none of them
        #[arg(long)]
        applied: bool,
    },
    /// Remove a tenant from all further runs; its data stays as it is, and the history keeps what was applied for it
    Remove {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &TenantsArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let manner = Manner {
        // Whoever removes a tenant may not know that a run serves it just now.
        wait: !matches!(arguments.command, Some(TenantsCommand::Remove { .. })),
        ..Manner::default()
    };
    let target = global.target(AllowanceArguments::default(), manner)?;
    let stop = Stop::default();
    match &arguments.command {
        None | Some(TenantsCommand::List) => {
            list(&target.tenants().await?, terminal);
            Ok(0)
        }
        Some(TenantsCommand::Add {
            name,
            adopt,
            applied,
        }) => {
            begin(&target, terminal, &stop).await?;
            let tenant = NewTenant {
                name: name.clone(),
                adopt: *adopt,
                applied: *applied,
            };
            add(&target, &tenant, terminal, &stop).await
        }
        Some(TenantsCommand::Remove { name }) => {
            begin(&target, terminal, &stop).await?;
            remove(&target, name, terminal, &stop).await
        }
    }
}

/// Says what is worked on, and ends when it is told to.
async fn begin(target: &Target, terminal: &Terminal, stop: &Stop) -> Result<(), CommandError> {
    if let Target::Here(_) = target {
        cancel_on_signal(stop)?;
        watch(stop)?;
    }
    target.announce(terminal, stop).await?;
    Ok(())
}

/// Adds a tenant.
async fn add(
    target: &Target,
    tenant: &NewTenant,
    terminal: &Terminal,
    stop: &Stop,
) -> Result<u8, CommandError> {
    let added = target
        .add_tenant(tenant, Arc::clone(&terminal.observer()), stop)
        .await?;
    let done = match tenant.applied {
        true => ("wrote", " down as applied in it"),
        false => ("applied", " to it"),
    };
    match terminal.json() {
        true => terminal.document(&added),
        false => terminal.line(&format!(
            "added the tenant {}, and {} {}{}{}",
            tenant.name,
            done.0,
            counted(added.files, "file", "files"),
            done.1,
            match usize::try_from(added.had).unwrap_or(usize::MAX) {
                0 => String::new(),
                had => format!("; it had {} already", counted(had, "file", "files")),
            }
        )),
    }
    Ok(0)
}

/// Removes a tenant.
async fn remove(
    target: &Target,
    name: &str,
    terminal: &Terminal,
    stop: &Stop,
) -> Result<u8, CommandError> {
    let observer = Arc::clone(&terminal.observer());
    let removed = target.remove_tenant(name, observer, stop).await?;
    match terminal.json() {
        true => terminal.document(&removed),
        false => terminal.line(&format!(
            "removed the tenant {name}: its data stays where it is, and the history keeps what was applied for it"
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
