//! What commands act on: the target itself, or a running host that does so in its place.

use std::sync::Arc;

use super::CommandError;
use super::terminal::Terminal;
use crate::client::Client;
use crate::database::Stop;
use crate::engine::{
    Adoption, BaselineOrder, Broken, Engine, Extent, HistoryEntry, ImportOrder, NewTenant,
    Observer, Order, Overview, Rehearsal, Repair, RepairOrder, Report, StepAdvice, TenantAdded,
    TenantOverview, TenantRemoved, Verified,
};
use crate::journal::{BadRow, OutputLine, ReleaseRecord};

/// How many lines of output are read at once.
const PAGE: u32 = 1_000;

/// What a target is called together with the schema that is migrated in it.
pub(super) fn place(name: &str, schema: Option<&str>) -> String {
    match schema {
        Some(schema) => format!("{name}, schema {schema}"),
        None => name.to_owned(),
    }
}

/// Where a command is done.
pub(super) enum Target {
    /// In this process.
    Here(Box<Engine>),
    /// In the host that `--host` names.
    There {
        client: Client,
        /// Whether to wait for a run in progress.
        wait: bool,
    },
}

impl Target {
    /// What it is called, for whoever gives a command. A host is not asked for its database: that could take long.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Here(engine) => engine.target_name().to_owned(),
            Self::There { client, .. } => client.address(),
        }
    }

    /// The release that the steps are of, where that is known here.
    pub(super) fn source(&self) -> Option<&ReleaseRecord> {
        match self {
            Self::Here(engine) => engine.source(),
            Self::There { .. } => None,
        }
    }

    /// What the operator should know of where the steps come from, where that is known here.
    pub(super) fn source_warning(&self) -> Option<&str> {
        match self {
            Self::Here(engine) => engine.source_warning(),
            Self::There { .. } => None,
        }
    }

    /// Whether the command begins a new database.
    pub(super) fn is_new(&self) -> bool {
        match self {
            Self::Here(engine) => engine.target_is_new(),
            Self::There { .. } => false,
        }
    }

    /// Says what a command is about to change: the database, and the schema where there are several. Where the target cannot
    /// be reached, it still says which.
    pub(super) async fn announce(
        &self,
        terminal: &Terminal,
        stop: &Stop,
    ) -> Result<Option<String>, CommandError> {
        let schema = match self {
            Self::Here(engine) => engine.target_schema(&terminal.observer(), stop).await,
            Self::There { .. } => Ok(None),
        };
        let known = schema.as_ref().ok().and_then(Option::as_deref);
        let new = match self.is_new() {
            true => " (a new database: there is no such file)",
            false => "",
        };
        terminal.target(&format!("{}{new}", place(&self.name(), known)));
        if let Some(source) = self.source() {
            terminal.source(source);
        }
        if let Some(warning) = self.source_warning() {
            terminal.warning(warning);
        }
        match schema {
            // What the command does next ends for the same reason, and says it.
            Err(_) if stop.is_cancelled() => Ok(None),
            schema => Ok(schema?),
        }
    }

    pub(super) async fn overview(&self) -> Result<Overview, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.overview().await?,
            Self::There { client, .. } => client.overview()?,
        })
    }

    pub(super) async fn advice(&self) -> Result<Vec<StepAdvice>, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.advice().await?,
            Self::There { client, .. } => client.advice()?,
        })
    }

    pub(super) async fn history(
        &self,
        most: u32,
        output: bool,
    ) -> Result<Vec<HistoryEntry>, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.history(i64::MAX, most, output).await?,
            Self::There { client, .. } => client.history(most, output)?,
        })
    }

    /// A page of a run's output, after the line numbered `after`; none when there is no more.
    pub(super) async fn output(
        &self,
        run: i64,
        after: i64,
    ) -> Result<Vec<OutputLine>, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.output(run, after, PAGE).await?,
            Self::There { client, .. } => client.output(run, after)?.0,
        })
    }

    /// Pauses the run, or resumes it; returns its number.
    pub(super) async fn pause(&self, pause: bool) -> Result<i64, CommandError> {
        Ok(match (self, pause) {
            (Self::Here(engine), true) => engine.pause().await?,
            (Self::Here(engine), false) => engine.resume().await?,
            (Self::There { client, .. }, _) => client.pause(pause)?,
        })
    }

    /// Who holds the lease, and who is about to begin a run.
    pub(super) async fn lease(&self) -> Result<Broken, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.lease_and_beginning().await?,
            Self::There { client, .. } => client.lease()?,
        })
    }

    /// Takes the lease from whoever holds it.
    pub(super) async fn break_lease(&self, reason: &str) -> Result<Broken, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.break_lease(reason).await?,
            Self::There { client, .. } => client.break_lease(reason)?,
        })
    }

    pub(super) async fn bad_rows(
        &self,
        after: (u64, &str),
        most: u32,
    ) -> Result<Vec<BadRow>, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.bad_rows(after, most).await?,
            Self::There { client, .. } => client.bad_rows(after, most)?,
        })
    }

    pub(super) async fn tenants(&self) -> Result<Vec<TenantOverview>, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.tenants().await?,
            Self::There { client, .. } => client.tenants()?,
        })
    }

    pub(super) async fn add_tenant(
        &self,
        tenant: &NewTenant,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<TenantAdded, CommandError> {
        Ok(match self {
            Self::Here(engine) => {
                let added = engine.add_tenant(tenant.clone(), observer, stop);
                TenantAdded::new(&tenant.name, &added.await?)
            }
            Self::There { client, .. } => client.add_tenant(tenant)?,
        })
    }

    pub(super) async fn remove_tenant(
        &self,
        name: &str,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<TenantRemoved, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.remove_tenant(name, observer, stop).await?,
            Self::There { client, .. } => client.remove_tenant(name)?,
        })
    }

    pub(super) async fn verify(&self) -> Result<Verified, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.verify().await?,
            Self::There { client, .. } => client.verify()?,
        })
    }

    pub(super) async fn baseline(
        &self,
        order: &BaselineOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Adoption, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.baseline(order, observer, stop).await?,
            Self::There { client, .. } => client.baseline(order)?,
        })
    }

    pub(super) async fn repair(
        &self,
        order: &RepairOrder,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Repair, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.repair(order, observer, stop).await?,
            Self::There { client, .. } => client.repair(order)?,
        })
    }

    pub(super) async fn import(
        &self,
        order: &ImportOrder,
        observer: &dyn Observer,
        stop: &Stop,
    ) -> Result<Adoption, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.import(order, observer, stop).await?,
            Self::There { client, .. } => client.import(order)?,
        })
    }

    pub(super) async fn rehearse(
        &self,
        extent: Extent,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Rehearsal, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.rehearse(&extent, observer, stop).await?,
            Self::There { client, .. } => client.rehearse(&extent)?,
        })
    }

    pub(super) async fn run(
        &self,
        order: Order,
        observer: Arc<dyn Observer>,
        stop: &Stop,
    ) -> Result<Report, CommandError> {
        Ok(match self {
            Self::Here(engine) => engine.run(order, observer, stop).await?,
            Self::There { client, wait } => client.run(order, *wait, &*observer, stop).await?,
        })
    }
}
