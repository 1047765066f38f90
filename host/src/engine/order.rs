//! What an operator asks for.

use super::extent::Extent;
use super::options::Options;
use super::state::Command;
use super::{Engine, Replacement};
use crate::catalog::Allowances;
use crate::journal::{Commander, RequestKey};

/// A command, and how its operator wants it done.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to do.
    pub command: Command,
    /// With how many of the steps.
    pub extent: Extent,
    /// Whether steps may run that come before one that was applied.
    pub out_of_order: bool,
    /// What the operator knows of, besides what the options of the engine say.
    pub allowances: Allowances,
    /// What to do with a transformation that was begun by another component; [`Replacement::Refuse`] for what the options say.
    pub replacement: Replacement,
    /// Whether whoever reads the run's output later wants the debug lines, too.
    pub verbose: bool,
    /// Who gives it; none for whom the options name.
    pub by: Option<Commander>,
    /// The request that it came with, where its sender may repeat it.
    pub request: Option<RequestKey>,
}

impl Order {
    /// A command, done as usual.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            extent: Extent::All,
            out_of_order: false,
            allowances: Allowances::default(),
            replacement: Replacement::Refuse,
            verbose: false,
            by: None,
            request: None,
        }
    }
}

impl Engine {
    /// The same engine, at the same work, that lets pass what the operator of an order knows of, and knows who that is; none where
    /// that is nothing.
    pub(super) fn allowing(&self, order: &Order) -> Option<Self> {
        let Allowances {
            missing, changed, ..
        } = order.allowances;
        let is_usual = !missing && !changed && order.replacement == Replacement::Refuse;
        if is_usual && order.by.is_none() && order.request.is_none() {
            return None;
        }
        let options = &self.options;
        let options = Options {
            allowances: Allowances {
                missing: options.allowances.missing || missing,
                changed: options.allowances.changed || changed,
                ..options.allowances
            },
            replacement: match order.replacement {
                Replacement::Refuse => options.replacement,
                replacement => replacement,
            },
            commander: order.by.as_ref().unwrap_or(&options.commander).clone(),
            request: order.request.clone(),
            ..options.clone()
        };
        Some(self.at_the_same_work(options))
    }

    /// The same engine, at the same work, whose commands this one gives.
    pub fn commanded_by(&self, commander: Commander) -> Self {
        self.at_the_same_work(Options {
            commander,
            ..self.options.clone()
        })
    }

    fn at_the_same_work(&self, options: Options) -> Self {
        let engine = self.on(std::sync::Arc::clone(&self.database), options.last);
        Self {
            options,
            work: std::sync::Arc::clone(&self.work),
            ..engine
        }
    }
}
