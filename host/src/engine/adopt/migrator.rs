//! The history of migrator, file by file and tenant by tenant.

use std::collections::{BTreeMap, BTreeSet};

use super::ImportOrder;
use super::findings::Findings;
use super::request::refused;
use crate::catalog::{Digests, SourceFile, SourceKind};
use crate::database::Session;
use crate::engine::RunError;
use crate::engine::tenants::{TenancyOptions, check_tenant_name};
use crate::foreign::{self, MigratorRow};
use crate::output::counted;

/// Lays its history beside the files.
pub(super) async fn compare(
    options: &TenancyOptions,
    order: &ImportOrder,
    files: &[SourceFile],
    session: &mut dyn Session,
) -> Result<Findings, RunError> {
    let table = super::request::table(order);
    let history = foreign::read_migrator(session, &table).await;
    let history = history.map_err(refused)?;
    let mut findings = Findings::default();
    let names = history.tenants.iter().collect::<BTreeSet<_>>();
    for name in &names {
        match check_tenant_name(name) {
            Ok(()) => findings.tenants.push((*name).clone()),
            Err(why) => findings.problems.push(why),
        }
    }
    let by_key: BTreeMap<&str, usize> = files
        .iter()
        .enumerate()
        .map(|(place, file)| (&*file.key, place))
        .collect();
    let mut scripts = 0;
    let mut seen = BTreeSet::new();
    let mut strangers = BTreeSet::new();
    let mut said = BTreeSet::new();
    let mut judged = BTreeMap::new();
    for row in &history.rows {
        let kind = match row.kind {
            1 => SourceKind::SingleMigration,
            2 => SourceKind::TenantMigration,
            _ => {
                scripts += 1;
                continue;
            }
        };
        let key = key(options, kind, row);
        let place = key.as_deref().and_then(|key| by_key.get(key).copied());
        let Some((place, file)) = place.and_then(|place| Some((place, files.get(place)?))) else {
            let gone = format!("{}/{}", row.source_dir, row.name);
            if said.insert(gone.clone()) {
                findings.problems.push(format!(
                    "`{gone}` was applied, but there is no such file under `{}`: put it back",
                    options.sources.base.display()
                ));
            }
            continue;
        };
        let is_same = *judged
            .entry(place)
            .or_insert_with(|| is_same(file, row, &mut findings));
        if kind == SourceKind::TenantMigration && !names.contains(&row.schema) {
            // Another list of tenants may still have it.
            if options.tenant_select.is_none() {
                strangers.insert(&row.schema);
                continue;
            }
        }
        let tenant = match kind {
            SourceKind::TenantMigration => row.schema.clone(),
            _ => String::new(),
        };
        // migrator may have applied the same twice.
        if is_same && seen.insert((place, tenant.clone())) {
            findings.applied.push((place, tenant, row.applied_at));
        }
    }
    if scripts > 0 {
        findings.remarks.push(format!(
            "not written down: {} of scripts; scripts run at every apply",
            counted(scripts, "run", "runs")
        ));
    }
    for stranger in strangers {
        findings.remarks.push(format!(
            "what was applied for `{stranger}` is not written down: it is no tenant any more"
        ));
    }
    Ok(findings)
}

/// The path by which we know the file. Its directory may have been elsewhere when it was applied.
fn key(options: &TenancyOptions, kind: SourceKind, row: &MigratorRow) -> Option<String> {
    let directories = match kind {
        SourceKind::TenantMigration => &options.sources.tenant_migrations,
        _ => &options.sources.single_migrations,
    };
    let parts = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
        parts.map(str::to_owned).collect()
    };
    let applied = parts(&row.source_dir);
    let fitting = directories.iter().map(|directory| parts(directory));
    let fitting = fitting.filter(|directory| applied.ends_with(directory));
    let mut path = fitting.max_by_key(Vec::len)?;
    path.push(row.name.clone());
    Some(path.join("/"))
}

/// Whether the file is still what was applied; a difference is a problem.
fn is_same(file: &SourceFile, row: &MigratorRow, findings: &mut Findings) -> bool {
    let problem = match Digests::forgetful().of(&file.as_step(0)) {
        Ok(now) if now == row.checksum => return true,
        Ok(now) => format!(
            "`{}` has changed since migrator applied it: its checksum was {} and is {now}; restore the file and put the change \
             into a new one",
            file.key, row.checksum
        ),
        Err(error) => error.to_string(),
    };
    findings.problems.push(problem);
    false
}
