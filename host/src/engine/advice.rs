//! What to say about the pending steps before they run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::overview;
use super::{Engine, RunError};
use crate::catalog::{Catalog, Digests, SqlStep, StepKind};
use crate::database::{Advice, Stop};
use crate::journal::{Phase, Snapshot};

/// What to say about one statement of a pending step.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StepAdvice {
    /// The step, as `NNNN_name`.
    pub step: String,
    /// When the statement runs.
    pub phase: Phase,
    /// The statement, with its line in the step's file.
    #[serde(flatten)]
    pub advice: Advice,
}

impl StepAdvice {
    /// The danger and where it is, in one line.
    pub fn danger(&self) -> String {
        format!(
            "{}, line {}: {}",
            self.step, self.advice.line, self.advice.danger
        )
    }
}

impl Engine {
    /// What to say about the statements of pending SQL steps; what components will run nobody can tell.
    pub async fn advice(&self) -> Result<Vec<StepAdvice>, RunError> {
        let catalog = self.catalog()?;
        let snapshot = self.snapshot(&Stop::default()).await?;
        self.advice_on(&catalog, &snapshot)
    }

    /// Refuses a run that there is something to say about, when the operator wants that.
    pub(super) fn refuse_dangers(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
    ) -> Result<(), RunError> {
        if !self.options.strict {
            return Ok(());
        }
        let advice = self.advice_on(catalog, snapshot)?;
        if advice.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = advice
            .iter()
            .map(|advice| format!("{}; {}", advice.danger(), advice.advice.recipe))
            .collect();
        Err(RunError::Refused(format!(
            "{}\nnothing was changed; leave out `--strict` to run it all the same",
            told.join("\n")
        )))
    }

    fn advice_on(
        &self,
        catalog: &Catalog,
        snapshot: &Snapshot,
    ) -> Result<Vec<StepAdvice>, RunError> {
        let mut made = BTreeSet::new();
        let mut all = Vec::new();
        let sql = |file: &&crate::catalog::StepFile| file.kind == StepKind::Sql;
        for file in overview::pending(catalog, snapshot).filter(sql) {
            let (bytes, _) = Digests::forgetful().read(file).map_err(RunError::files)?;
            let step = SqlStep::of(file, &bytes).map_err(RunError::files)?;
            for (phase, section) in [
                (Phase::Migrate, &step.migrate),
                (Phase::Finalize, &step.finalize),
            ] {
                let Some(section) = section else { continue };
                let is_finalize = phase == Phase::Finalize;
                for mut advice in self.database.advise(&section.text, is_finalize, &mut made) {
                    advice.line += section.first_line - 1;
                    all.push(StepAdvice {
                        step: format!("{:04}_{}", file.index, file.name),
                        phase,
                        advice,
                    });
                }
            }
        }
        Ok(all)
    }
}
