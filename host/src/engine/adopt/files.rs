//! `import` where there are tenants, whose files have any name.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::findings::Findings;
use super::matching;
use super::record::{IMPORT, Record};
use super::settled::is_settled;
use super::{AdoptedFile, Adoption, ImportOrder, migrator, request, take_turn};
use crate::catalog::{SourceFile, SourceKind, StepFile};
use crate::database::{Access, Session, Stop};
use crate::engine::tenants::{self, TenancyOptions};
use crate::engine::{Engine, Observer, RunError};
use crate::foreign::Tool;
use crate::journal::{self, AppliedRecord, SourceRecord, StepState};

pub(super) async fn import(
    engine: &Engine,
    options: &TenancyOptions,
    order: &ImportOrder,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Adoption, RunError> {
    {
        // Who is refused, or has nothing to do, must not even open the target for writing.
        let mut session = engine.database.open(Access::Read, stop).await?;
        session.begin_read().await?;
        let plan = Plan::make(engine, options, order, &mut *session).await?;
        if order.dry_run || plan.is_done() {
            return Ok(plan.adoption(None));
        }
    }
    let (mut session, _) = take_turn(engine, observer, stop).await?;
    let plan = Plan::make(engine, options, order, &mut *session).await?;
    if plan.is_done() {
        return Ok(plan.adoption(None));
    }
    let run = plan.write(engine, order, &mut *session).await?;
    Ok(plan.adoption(Some(run)))
}

struct Plan {
    files: Vec<SourceFile>,
    /// What is to be written down of each file that is.
    new: Vec<(usize, String, Option<i64>)>,
    tenants: Vec<String>,
    remarks: Vec<String>,
    /// The files that the journal knows, by their paths.
    known: BTreeMap<String, SourceRecord>,
    /// The highest number of a file in the journal.
    last_source: i64,
    is_settled: bool,
}

impl Plan {
    async fn make(
        engine: &Engine,
        options: &TenancyOptions,
        order: &ImportOrder,
        session: &mut dyn Session,
    ) -> Result<Self, RunError> {
        let kind = engine.database.kind();
        let files = options.sources.scan(kind).map_err(RunError::files)?;
        let mut findings = match order.from {
            Tool::Migrator => migrator::compare(options, order, &files, session).await?,
            _ => versioned(order, &files, session).await?,
        };
        let has_tenants = journal::has_tenants(session).await?;
        let (sources, ours) = match has_tenants {
            true => (
                journal::read_sources(session).await?,
                journal::read_tenants(session).await?,
            ),
            false => Default::default(),
        };
        let is_migration = |source: &&SourceRecord| {
            SourceKind::from_journal(&source.kind).is_some_and(SourceKind::runs_once)
        };
        let last_source = sources.iter().map(|source| source.id).max().unwrap_or(0);
        let known: BTreeMap<String, SourceRecord> = sources
            .iter()
            .filter(is_migration)
            .map(|source| (source.key.clone(), source.clone()))
            .collect();
        let ids: Vec<i64> = known.values().map(|source| source.id).collect();
        let had: HashSet<(i64, String)> = match ids.is_empty() {
            true => HashSet::new(),
            false => journal::read_applied_of(session, &ids)
                .await?
                .into_iter()
                .map(|record| (record.source, record.tenant))
                .collect(),
        };
        let digests = engine.remembered_digests();
        let mut new = Vec::new();
        let mut looked_at = BTreeSet::new();
        for (place, tenant, at) in findings.applied {
            let Some(file) = files.get(place) else {
                continue;
            };
            let before = known.get(&file.key);
            if let Some(before) = before
                && looked_at.insert(place)
            {
                let is_same = digests.is_same(&file.as_step(0), &before.digest);
                if !is_same.map_err(RunError::files)? {
                    findings.problems.push(format!(
                        "`{}` has changed since it was written down as applied",
                        file.key
                    ));
                }
            }
            if !before.is_some_and(|source| had.contains(&(source.id, tenant.clone()))) {
                new.push((place, tenant, at));
            }
        }
        request::refuse(order.from, findings.problems)?;
        let is_new = |name: &String| options.tenant_select.is_none() && !ours.contains(name);
        findings.tenants.retain(is_new);
        Ok(Self {
            files,
            new,
            tenants: findings.tenants,
            remarks: findings.remarks,
            known,
            last_source,
            is_settled: is_settled(&journal::read(session).await?, session).await?,
        })
    }

    /// Whether there is nothing to write down. The first import says that it was made, if nothing else.
    fn is_done(&self) -> bool {
        self.new.is_empty() && self.tenants.is_empty() && self.is_settled
    }

    fn adoption(&self, run: Option<i64>) -> Adoption {
        let new = self.new.iter().filter_map(|(place, tenant, at)| {
            Some(AdoptedFile {
                name: self.files.get(*place)?.key.clone(),
                tenant: Some(tenant.clone()).filter(|tenant| !tenant.is_empty()),
                applied_at: *at,
            })
        });
        Adoption {
            run,
            files: new.collect(),
            remarks: self.remarks.clone(),
        }
    }

    async fn write(
        &self,
        engine: &Engine,
        order: &ImportOrder,
        session: &mut dyn Session,
    ) -> Result<i64, RunError> {
        let mut record = Record::begin(session, IMPORT, &engine.options).await?;
        record.tell(None, &request::origin(order));
        for remark in &self.remarks {
            record.tell(None, remark);
        }
        for tenant in &self.tenants {
            journal::write_tenant(session, tenant).await?;
            record.tell(None, &format!("tenant {tenant}"));
        }
        let ids = self.write_sources(engine, session).await?;
        let last = journal::last_applied(session).await?;
        let mut applied = Vec::with_capacity(self.new.len());
        for (id, (place, tenant, at)) in (last + 1..).zip(&self.new) {
            let Some(source) = ids.get(place) else {
                continue;
            };
            let at = at.unwrap_or(record.at);
            applied.push(AppliedRecord {
                id,
                source: *source,
                tenant: tenant.clone(),
                is_script: false,
                run: record.lease.run,
                state: StepState::Finalized,
                started_at: at,
                seed: 0,
                migrated_at: Some(at),
                finalized_at: Some(at),
                finalized_by: Some(record.lease.run),
            });
        }
        journal::write_applied(session, &applied).await?;
        self.tell(order.from, &mut record);
        Ok(record.commit(session).await?)
    }

    /// Tells what was written down, a line a file.
    fn tell(&self, tool: Tool, record: &mut Record) {
        let mut times: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, ..) in &self.new {
            *times.entry(*place).or_default() += 1;
        }
        for (place, times) in times {
            let Some(file) = self.files.get(place) else {
                continue;
            };
            let whom = match file.kind.is_for_tenants() {
                true => format!(", for tenants: {times}"),
                false => String::new(),
            };
            let line = format!("{} was applied by {}{whom}", file.key, tool.as_str());
            record.tell(None, &line);
        }
    }

    /// Writes down the files that the journal does not know; returns the numbers of all that are concerned.
    async fn write_sources(
        &self,
        engine: &Engine,
        session: &mut dyn Session,
    ) -> Result<BTreeMap<usize, i64>, RunError> {
        let mut ids = BTreeMap::new();
        let mut last = self.last_source;
        for (place, ..) in &self.new {
            let Some(file) = self.files.get(*place).filter(|_| !ids.contains_key(place)) else {
                continue;
            };
            let id = match self.known.get(&file.key) {
                Some(source) => source.id,
                None => {
                    last += 1;
                    let source = tenants::read_source(engine, file)?;
                    let record = tenants::source_record(last, &source);
                    journal::write_source(session, &record, &source.contents).await?;
                    last
                }
            };
            ids.insert(*place, id);
        }
        Ok(ids)
    }
}

/// Tools that know a file by its version, and no tenants.
async fn versioned(
    order: &ImportOrder,
    files: &[SourceFile],
    session: &mut dyn Session,
) -> Result<Findings, RunError> {
    let of_the_target = files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.kind == SourceKind::SingleMigration);
    let places: Vec<usize> = of_the_target.clone().map(|(place, _)| place).collect();
    let steps: Vec<StepFile> = of_the_target.map(|(_, file)| file.as_step(0)).collect();
    let history = request::history(order, session).await?;
    let matched = matching::compare(
        order.from,
        &history,
        &steps,
        &BTreeMap::new(),
        order.out_of_order,
    );
    let applied = matched.applied.into_iter();
    Ok(Findings {
        applied: applied
            .filter_map(|(place, at)| Some((*places.get(place)?, String::new(), at)))
            .collect(),
        tenants: Vec::new(),
        problems: matched.problems,
        remarks: matched.remarks,
    })
}
