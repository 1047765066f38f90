//! For whom a script is due although nothing is to be migrated: a run that migrated something did not come to its end, and
//! the script has not run for them since.

use std::collections::BTreeSet;

use super::RunError;
use super::snapshot::{File, Missing, TenantSnapshot, some};
use super::tenant_database::open_tenant;
use crate::database::{Session, TenantPlace};
use crate::engine::Engine;
use crate::journal::{self, SourceRecord};

/// Takes note of the scripts that are due.
pub(super) async fn read(
    snapshot: &mut TenantSnapshot,
    engine: &Engine,
    sources: &[SourceRecord],
    session: &mut dyn Session,
) -> Result<(), RunError> {
    if !snapshot.files.iter().any(|file| file.kind().is_script()) {
        return Ok(());
    }
    // What was applied is not read through where everything went well.
    if !journal::has_unfinished(session).await? {
        return Ok(());
    }
    let own = match snapshot.place {
        TenantPlace::Database => snapshot.tenants.clone(),
        TenantPlace::Schema => Vec::new(),
    };
    let mut runs = journal::migrating_runs(session, snapshot.last_reset).await?;
    runs.extend(&snapshot.migrating_runs);
    let Some((run, was_followed)) = journal::last_unfinished(session, &runs).await? else {
        return Ok(());
    };
    let mut had = journal::read_scripts_since(session, run).await?;
    for tenant in own {
        let Some(mut session) = open_tenant(engine, &tenant).await? else {
            continue;
        };
        if journal::has_tenants(&mut *session).await? {
            had.extend(journal::read_scripts_since(&mut *session, run).await?);
        }
        session.rollback().await?;
    }
    // Nobody owes a script that came after a run that was done.
    let known: BTreeSet<&str> = sources.iter().map(|source| &*source.key).collect();
    let is_owed = |file: &File| !was_followed || known.contains(&*file.source.key);
    let tenants = &snapshot.tenants;
    for (file, missing) in snapshot.files.iter().zip(&mut snapshot.missing) {
        if !file.kind().is_script() || !is_owed(file) {
            continue;
        }
        let lacks = |tenant: &str| !had.contains(&(file.source.key.clone(), tenant.to_owned()));
        *missing = match file.kind().is_for_tenants() {
            true => {
                let all = tenants.iter().enumerate();
                some(
                    all.filter(|(_, tenant)| lacks(tenant))
                        .map(|(number, _)| number)
                        .collect(),
                )
            }
            false if lacks("") => Missing::All,
            false => Missing::Nobody,
        };
    }
    Ok(())
}
