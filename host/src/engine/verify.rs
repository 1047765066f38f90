//! Whether files, journal and target are as the last run left them.

use super::{Engine, RunError, tenants};
use crate::catalog::{Digests, runs_last};
use crate::database::{self, Access, Authority, Form, Schema, Session, Stop};
use crate::journal::{self, Outcome, RunRecord};

/// What was compared, and found to be as it was.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Verified {
    /// How many steps have the files that they were run from.
    pub verified: usize,
    /// The run at whose end the schema was the same; none when there was no run.
    pub schema_of_run: Option<i64>,
}

/// How a schema differs from what a run left.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct SchemaDifference {
    /// The run.
    pub run: i64,
    /// What is gone, with `-` before it, and what is new, with `+`; nothing when all is as it was.
    pub lines: Vec<String>,
}

impl Engine {
    /// Compares the journal with the files, all of which are read, and with what the target looks like.
    pub async fn verify(&self) -> Result<Verified, RunError> {
        if let Some(why) = self.unadopted().await? {
            return Err(RunError::Refused(why));
        }
        if let Some(tenancy) = &self.options.tenancy {
            let (verified, problems, tenants) = tenants::verify(self, tenancy).await?;
            if !problems.is_empty() {
                return Err(RunError::Files(problems));
            }
            let schema_of_run = self.compare_schema().await?;
            self.compare_tenants(&tenants).await?;
            return Ok(Verified {
                verified,
                schema_of_run,
            });
        }
        let catalog = self.catalog()?;
        let snapshot = self.snapshot(&Stop::default()).await?;
        let catalog = self.fitting(&catalog, &snapshot);
        let problems = self.problems(&catalog, &snapshot, &Digests::forgetful());
        if !problems.is_empty() {
            return Err(RunError::Files(problems));
        }
        Ok(Verified {
            verified: snapshot
                .steps
                .keys()
                .filter(|index| !runs_last(**index))
                .count(),
            schema_of_run: self.compare_schema().await?,
        })
    }

    /// How what the target looks like differs from what the last run left whose end was kept.
    pub async fn schema_difference(&self) -> Result<SchemaDifference, RunError> {
        let mut difference = SchemaDifference::default();
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let Some((run, kept)) = journal::read_schema(&mut *session).await? else {
            return Err(RunError::Refused(
                "what the schema was is not known: no run has kept it".to_owned(),
            ));
        };
        difference.run = journal::run_of_schema(&mut *session, run).await?;
        if let Some(schema) = unlike(&mut *session, &kept).await? {
            difference.lines = database::changed_lines(&kept, &schema);
        }
        session.rollback().await?;
        let tenants = match &self.options.tenancy {
            Some(tenancy) => tenants::verify(self, tenancy).await?.2,
            None => Vec::new(),
        };
        for name in tenants {
            if let Some((_, kept, schema)) = self.kept_of_tenant(&name).await? {
                let lines = database::changed_lines(&kept, &schema);
                if !lines.is_empty() {
                    difference.lines.push(format!("  tenant {name}"));
                    difference.lines.extend(lines);
                }
            }
        }
        Ok(difference)
    }

    /// The schema as text, in the form of the database's own program for that, without the journal.
    pub async fn dump_schema(&self) -> Result<String, RunError> {
        Ok(self.database.dump_schema(&Stop::default()).await?)
    }

    /// What the last run left in the database that a tenant has of its own, with its number, and what it looks like now; none
    /// where it has no such database, or nothing was kept.
    async fn kept_of_tenant(&self, name: &str) -> Result<Option<(i64, Schema, Schema)>, RunError> {
        let Some(database) = self.database.tenant(name) else {
            return Ok(None);
        };
        let mut session = database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let Some((run, kept)) = journal::read_schema(&mut *session).await? else {
            return Ok(None);
        };
        let schema = session.schema_as(Authority::Host, kept.form()).await?;
        session.rollback().await?;
        Ok(Some((run, kept, schema)))
    }

    /// Compares what the databases of tenants look like, where they have such, with what the last run left in each.
    async fn compare_tenants(&self, tenants: &[String]) -> Result<(), RunError> {
        let (mut differences, mut last) = (Vec::new(), 0);
        for name in tenants {
            if let Some((run, kept, schema)) = self.kept_of_tenant(name).await? {
                last = last.max(run);
                let changed = database::differences(&kept, &schema);
                differences.extend(changed.iter().map(|line| format!("tenant {name}: {line}")));
            }
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(RunError::Drifted {
                run: last,
                differences,
            }),
        }
    }

    /// Compares what the target looks like with what the last run left; returns that run, when it was kept.
    async fn compare_schema(&self) -> Result<Option<i64>, RunError> {
        let mut session = self.database.open(Access::Read, &Stop::default()).await?;
        session.begin_read().await?;
        let last_run = journal::read_runs(&mut *session, i64::MAX, 1).await?.pop();
        let kept = journal::read_schema(&mut *session).await?;
        let Some(last) = last_run else {
            return Ok(None);
        };
        // A run that was cut off, or goes on, has changed what the one before left.
        let Some((run, kept)) = kept.filter(|(run, _)| *run == last.id) else {
            return Err(RunError::Refused(unjudged(&last)));
        };
        let run = journal::run_of_schema(&mut *session, run).await?;
        let schema = unlike(&mut *session, &kept).await?;
        session.rollback().await?;
        match schema.map(|schema| database::differences(&kept, &schema)) {
            Some(differences) => Err(RunError::Drifted { run, differences }),
            None => Ok(Some(run)),
        }
    }
}

/// Why nobody can say whether the schema was changed.
fn unjudged(last: &RunRecord) -> String {
    let why = match last.outcome {
        None | Some(Outcome::Interrupted) => {
            "was interrupted or is in progress: nobody can tell its changes from those of others before the next run has ended"
        }
        Some(_) => "did not keep it: the next run that ends does",
    };
    format!(
        "what the schema was is not known, and so not whether it was changed: run {} {why}",
        last.id
    )
}

/// What the target looks like, in the form that was kept; none when that is as it was.
async fn unlike(session: &mut dyn Session, kept: &Schema) -> database::Result<Option<Schema>> {
    let mut schema = journal::whole_schema_in(session, kept.form()).await?;
    database::without_tenants_unless(&mut schema, kept);
    if schema == *kept {
        return Ok(None);
    }
    // An earlier version kept what names mean to the connection.
    if kept.form() == Form::Tables {
        let earlier = session
            .schema_as(Authority::Application, Form::Tables)
            .await?;
        if *kept == earlier {
            return Ok(None);
        }
    }
    Ok(Some(schema))
}
