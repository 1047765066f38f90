//! Where the target stands, for whoever asks.

use super::overview::{self, Overview};
use super::{Engine, RunError, adopt, tenants};
use crate::catalog::StepFile;
use crate::database::Stop;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    All,
    WithoutTexts,
}

impl Engine {
    /// Where the target stands. Changes nothing, and makes no target that is not there.
    pub async fn overview(&self) -> Result<Overview, RunError> {
        self.overview_of(Look::All).await
    }

    /// The same, but for what is wrong with the text of pending files: to find that out takes as long as they are.
    pub async fn glance(&self) -> Result<Overview, RunError> {
        self.overview_of(Look::WithoutTexts).await
    }

    async fn overview_of(&self, look: Look) -> Result<Overview, RunError> {
        if let Some(tenancy) = &self.options.tenancy {
            let mut overview = tenants::overview(self, tenancy, look).await?;
            if let Some(why) = self.unadopted().await? {
                overview.problems.push(why);
                overview.commands.clear();
            }
            if overview.last_run.is_some() {
                overview.repairs = self.repairs().await?;
            }
            return Ok(overview);
        }
        let catalog = self.catalog()?;
        let mut snapshot = self.snapshot(&Stop::default()).await?;
        let catalog = self.fitting(&catalog, &snapshot);
        self.supersede(&catalog, &mut snapshot);
        let problems = self.problems(&catalog, &snapshot, self.remembered_digests());
        let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.extend(adopt::unadopted(self, &snapshot, &Stop::default()).await?);
        let is_pending = |file: &&StepFile| !snapshot.steps.contains_key(&file.index);
        if look == Look::All {
            problems.extend(self.unfit(catalog.steps.values().filter(is_pending)));
        }
        let repairs = match snapshot.last_run {
            None => Vec::new(),
            Some(_) => self.repairs().await?,
        };
        Ok(Overview {
            repairs,
            source: self.source().cloned(),
            source_warning: self.source_warning().map(str::to_owned),
            ..overview::overview(self.database.name(), catalog, snapshot, problems, |lease| {
                self.seems_at_work(lease)
            })
        })
    }
}
