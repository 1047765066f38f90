//! Arguments that all commands have, and what they make of the settings.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::arguments::{
    AllowanceArguments, Manner, ReleaseAllowances, TenancyArguments, TransformArguments,
};
use super::release_steps::SourceArguments;
use super::target::Target;
use super::{credentials, watchers};
use crate::catalog::Allowances;
use crate::client::Client;
use crate::config::{Config, ENVIRONMENT};
use crate::database;
use crate::engine::{Engine, NativeFunction};
use crate::http::Credentials;
use crate::input;

#[derive(Clone, Debug, Args)]
pub(super) struct GlobalArguments {
    /// The configuration file; `wasmigrate.toml` when it is there
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The environment, a table `[env.NAME]` of the configuration file; WASMIGRATE_ENV names it, too
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) env: Option<String>,
    /// The target, as sqlite:PATH or postgres://USER@HOST/NAME [default: DATABASE_URL, also from `.env`]
    #[arg(long, global = true, value_name = "URL")]
    pub(super) database: Option<String>,
    /// Make the SQLite file when it is not there; implied where `--database` names it for a command that runs steps
    #[arg(long, global = true)]
    pub(super) create: bool,
    /// The directory of the steps, or a release, as oci://HOST/REPOSITORY:VERSION@sha256:… or oci-layout:PATH:VERSION
    /// [default: migrations]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) migrations: Option<PathBuf>,
    #[command(flatten)]
    pub(super) source: SourceArguments,
    /// The directory of compiled components and other caches
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) cache: Option<PathBuf>,
    /// A value for the steps; may be given again
    #[arg(long = "set", global = true, value_name = "NAME=VALUE", value_parser = setting)]
    pub(super) settings: Vec<(String, String)>,
    /// Run the command on the wasmigrate service at this URL, such as http://127.0.0.1:9002
    #[arg(long, global = true, value_name = "URL")]
    pub(super) host: Option<String>,
    /// The file whose whole content is the password of the service; INTERNAL_AUTH_PASSWORD_FILE names it, too
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// The file with the token of the service
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[arg(skip)]
    pub(super) native: Option<NativeFunction>,
}

impl GlobalArguments {
    /// Flags over variables over the file.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        if self
            .env
            .as_deref()
            .is_some_and(|name| name.trim().is_empty())
        {
            anyhow::bail!(
                "`--env` names no environment: give the name of a table [env.NAME], or leave it out"
            );
        }
        let environment = self.env.clone().map(|name| (ENVIRONMENT.to_owned(), name));
        let variables = std::env::vars().chain(environment);
        let mut config = Config::load(self.config.as_deref(), variables)?;
        if let Some(database) = &self.database {
            config.database.clone_from(database);
            config.database_origin = "--database".to_owned();
        }
        if let Some(migrations) = &self.migrations {
            config.migrations.clone_from(migrations);
        }
        if let Some(trust) = &self.source.trust {
            // No switch takes the place of the rules.
            if !config.trust.as_os_str().is_empty() && !input::is_same_file(&config.trust, trust) {
                bail!(
                    "`--trust` names other rules than the configuration, whose `{}` hold: change `trust` there, or leave `--trust` out",
                    config.trust.display()
                );
            }
            config.trust.clone_from(trust);
        }
        if let Some(cache) = &self.cache {
            config.cache.clone_from(cache);
        }
        if let Some(file) = &self.password_file {
            config.serve.password_file.clone_from(file);
        }
        if let Some(file) = &self.token_file {
            config.serve.token_file.clone_from(file);
        }
        config.create |= self.create;
        config.settings.extend(self.settings.iter().cloned());
        let open = config.open_secrets();
        config.warnings.extend(open);
        Ok(config)
    }

    /// Refuses steps that the command names where the settings name others.
    pub(super) fn refuse_other_steps(&self, config: &Config) -> anyhow::Result<()> {
        match &self.migrations {
            Some(_) => Ok(config.refuse_steps_beside_sources("`--migrations`")?),
            None => Ok(()),
        }
    }

    /// What a command acts on.
    pub(super) fn target(
        &self,
        allowances: AllowanceArguments,
        manner: Manner,
    ) -> anyhow::Result<Target> {
        let Some(host) = &self.host else {
            let engine = self.engine(allowances.into(), manner)?;
            return Ok(Target::Here(Box::new(engine)));
        };
        if manner.strict {
            bail!(
                "a running host is as strict as its settings say: `--strict` is for runs in this process"
            );
        }
        let of_transform = match manner.becomes_run {
            true => manner.transform.without_replacement(),
            false => manner.transform,
        };
        if of_transform != TransformArguments::default() {
            bail!(
                "a running host transforms as its settings say: `--workers`, `--max-rows-per-second`, `--on-bad-row` and \
                 `--max-bad-rows` are for runs in this process"
            );
        }
        if manner.tenancy != TenancyArguments::default() {
            bail!(
                "a running host goes from tenant to tenant as its settings say: `--atomic`, `--parallel`, `--canary`, \
                 `--stop-after` and `--only-failed` are for runs in this process"
            );
        }
        if self.database.is_some() || self.migrations.is_some() {
            bail!(
                "`--host` names a host that has its own database and steps: leave out `--database` and `--migrations`"
            );
        }
        if !manner.becomes_run && (allowances.allow_missing || allowances.allow_changed) {
            bail!(
                "a running host accepts differences between files and journal for `migrate`, `finalize` and `reset` alone: run \
                 the command where the files are"
            );
        }
        if !self.settings.is_empty() {
            bail!(
                "a running host passes on the settings of its own file: `--set` is for runs in this process"
            );
        }
        if self.cache.is_some() {
            bail!("a running host has caches of its own: `--cache` is for runs in this process");
        }
        if self.source.trust.is_some() || self.source.key.is_some() {
            bail!(
                "a running host trusts whom its settings say: `--trust` and `--key` are for runs in this process"
            );
        }
        if self.source.offline
            || self.source.locked
            || manner.release != ReleaseAllowances::default()
        {
            bail!(
                "a running host takes its steps from where its settings say: `--offline`, `--locked`, `--allow-older` and `--adopt-lineage` are for \
                 runs in this process"
            );
        }
        if self.create {
            bail!("`--create` makes a SQLite file in this process: leave it out with `--host`");
        }
        let host = match host.split_once("://") {
            Some(("http" | "https", _)) => host.clone(),
            // What is neither a URL nor an address may be a secret in the wrong place.
            None if host
                .contains(|letter: char| letter.is_whitespace() || "@=".contains(letter)) =>
            {
                bail!("`--host` takes a URL such as http://127.0.0.1:9002")
            }
            Some(_) => bail!("`--host` takes a URL that begins with http:// or https://"),
            None => format!("http://{host}"),
        };
        let mut serve = self.config()?.serve;
        // What readers of a service may have is nothing to a client.
        serve.read_token_file = PathBuf::new();
        let credentials = Credentials::new(credentials::secrets(&serve, &[])?);
        Ok(Target::There {
            client: Client::new(&host, credentials.header()),
            wait: manner.wait,
        })
    }

    pub(super) fn engine(&self, allowances: Allowances, manner: Manner) -> anyhow::Result<Engine> {
        let mut config = self.config()?;
        self.refuse_other_steps(&config)?;
        config.strict |= manner.strict;
        manner.transform.override_in(&mut config.transform);
        manner.tenancy.override_in(&mut config.tenants);
        if manner.tenancy != TenancyArguments::default() && config.tenancy(false).is_none() {
            bail!(
                "`--atomic`, `--parallel`, `--canary`, `--stop-after` and `--only-failed` are for targets with tenants: name \
                 the directories of their migrations under `[sources]`"
            );
        }
        if let Some(fault) = config
            .database_fault
            .as_deref()
            .filter(|_| config.database.is_empty())
        {
            bail!("{fault}");
        }
        if config.database.is_empty() {
            bail!(
                "no target is named: pass `--database sqlite:PATH` or `--database postgres://USER@HOST/NAME`, or set DATABASE_URL \
                 (in `.env`, too) or `database` in wasmigrate.toml"
            );
        }
        let database = database::open(&config.database, &config.database_settings())
            .map_err(|why| anyhow::anyhow!("{}: {why}", config.database_origin))?;
        let gate = watchers::gate(&config.gate)?;
        if !manner.without_steps {
            let may_be_old = manner.looks_only || manner.is_service;
            self.source.fetch_steps(&mut config, may_be_old)?;
        }
        manner.release.override_in(&mut config.release)?;
        Ok(super::engine(
            config,
            database,
            allowances,
            manner,
            gate,
            self.native,
        ))
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
