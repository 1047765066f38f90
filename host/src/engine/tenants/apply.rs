//! One apply: migrate and finalize at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::drive;
use super::rehearse;
use super::request::{RunRequest, TenancyReport};
use super::work::Work;
use super::{Applied, ApplyError, ApplyMode, ApplyOrder, SourceKind, name};
use crate::database::Stop;
use crate::engine::Engine;
use crate::engine::event::Observer;
use crate::engine::extent::Extent;
use crate::journal;

pub(in crate::engine) async fn apply(
    engine: &Engine,
    order: ApplyOrder,
    observer: Arc<dyn Observer>,
    stop: &Stop,
) -> Result<Applied, ApplyError> {
    let options = engine.tenancy()?;
    if let Some(name) = &order.new_tenant {
        name::check(name).map_err(ApplyError::TenantName)?;
    }
    let (started_at, began) = (journal::now(), Instant::now());
    let report = match order.mode {
        ApplyMode::DryRun => {
            let new_tenant = order.new_tenant.as_deref();
            rehearse::rehearse(
                engine,
                options,
                (Work::Apply, &Extent::All),
                new_tenant,
                observer,
                stop,
            )
            .await?
            .0
        }
        mode => {
            let request = RunRequest {
                work: match mode {
                    ApplyMode::Sync => Work::Sync,
                    ApplyMode::Apply | ApplyMode::DryRun => Work::Apply,
                },
                extent: Extent::All,
                strategy: order.strategy.unwrap_or_else(|| options.strategy.clone()),
                new_tenant: order.new_tenant.as_deref(),
                adopts_schema: order.adopts_schema,
                verbose: false,
                waits: true,
            };
            drive::drive(engine, options, &request, observer, stop).await?
        }
    };
    if let Some(failure) = report.failure {
        return Err(ApplyError::Failed(Box::new(failure)));
    }
    Ok(applied(report, started_at, began))
}

fn applied(report: TenancyReport, started_at: i64, began: Instant) -> Applied {
    let mut files: BTreeMap<SourceKind, u64> = BTreeMap::new();
    let mut runs: BTreeMap<SourceKind, u64> = BTreeMap::new();
    let mut sources = Vec::with_capacity(report.files.len());
    for (source, times) in report.files {
        *files.entry(source.file.kind).or_default() += 1;
        *runs.entry(source.file.kind).or_default() += times;
        sources.push(source);
    }
    Applied {
        run: report.run,
        started_at,
        duration: began.elapsed(),
        tenants: report.tenants,
        had: report.had,
        files,
        runs,
        sources,
    }
}
