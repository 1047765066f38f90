//! Components of the world `transform`: a pure function over batches.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings::transform::wasmigrate::migration::transformations as wit;
use super::bindings::transform::{Transform, TransformPre};
use super::bindings::transformer::{Transformer, TransformerPre};
use super::bindings::wasmigrate::migration::types::Batch as GivenBatch;
use super::error::{self, StopError};
use super::limits::{Limiter, Limits};
use super::modules::Modules;
use super::output::{Output, OutputWriter};
use super::{Component, Error, Recorded, Sandbox, StepHost, World, convert, to_usize, wasi};
use crate::database::{Batch, DerivedColumn, Stop};

/// What a transformation says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformation {
    /// What it does, in one sentence.
    pub summary: String,
    /// The table.
    pub table: String,
    /// The columns that name a row; none for the primary key.
    pub key: Vec<String>,
    /// The columns that the function is given.
    pub inputs: Vec<String>,
    /// The columns that it returns.
    pub derived: Vec<DerivedColumn>,
    /// Old columns that finalize drops.
    pub dropped: Vec<String>,
    /// A condition for the rows that are concerned.
    pub filter: Option<String>,
}

/// A row for which the function has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number in the batch, from 0.
    pub row: usize,
    /// Why.
    pub message: String,
}

/// What a function made of a batch.
pub type Transformed = Result<Batch, Vec<Rejected>>;

/// The data of a transformation's store: nothing of the host's.
pub(super) struct TransformState {
    pub(super) limits: Limits,
    pub(super) limiter: Limiter,
    pub(super) table: ResourceTable,
    pub(super) wasi: WasiCtx,
    pub(super) output: Output,
    /// The script, where the component is a runner of one.
    pub(super) script: Option<Modules>,
}

impl WasiView for TransformState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// A linker that offers what language runtimes insist on, and nothing else.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<TransformState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Ok(linker)
}

/// A transformation, linked.
pub(super) enum Linked {
    /// A component of the world `transform`.
    Component(TransformPre<TransformState>),
    /// A runner of several worlds.
    Runner(TransformerPre<TransformState>),
}

impl Linked {
    async fn instantiate(&self, store: &mut Store<TransformState>) -> wasmtime::Result<Function> {
        Ok(match self {
            Self::Component(linked) => Function::Component(linked.instantiate_async(store).await?),
            Self::Runner(linked) => Function::Runner(linked.instantiate_async(store).await?),
        })
    }
}

/// The same, instantiated.
enum Function {
    Component(Transform),
    Runner(Transformer),
}

impl Function {
    async fn describe(
        &self,
        store: &mut Store<TransformState>,
    ) -> wasmtime::Result<wit::Transformation> {
        match self {
            Self::Component(function) => function.call_describe(store).await,
            Self::Runner(function) => function.call_describe_transformation(store).await,
        }
    }

    async fn transform(
        &self,
        store: &mut Store<TransformState>,
        rows: &GivenBatch,
    ) -> wasmtime::Result<Result<GivenBatch, Vec<wit::RejectedRow>>> {
        match self {
            Self::Component(function) => function.call_transform(store, rows).await,
            Self::Runner(function) => function.call_transform(store, rows).await,
        }
    }
}

/// A transformation at work, in a store of its own. Several of one component may work at the same time.
pub struct TransformInstance {
    store: Store<TransformState>,
    function: Function,
    stop: Stop,
}

impl<H: StepHost> Sandbox<H> {
    /// An instance of a component of the world `transform`.
    pub async fn transform_instance(
        &self,
        component: &Component<H>,
        writer: Arc<dyn OutputWriter>,
        recorded: Recorded,
        stop: &Stop,
    ) -> Result<TransformInstance, Error> {
        let World::Transform(transform) = &component.world else {
            return Err(Error::Host("the component is no transformation".to_owned()));
        };
        let output = Output::new(writer, &self.limits);
        let state = TransformState {
            limits: self.limits.clone(),
            limiter: Limiter::new(&self.limits),
            table: ResourceTable::new(),
            wasi: wasi::context(recorded, &output),
            output,
            script: component.modules(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        self.bound(&mut store, stop);
        let instantiated = tokio::select! {
            biased;
            instance = transform.instantiate(&mut store) => instance,
            reason = stop.stopped() => Err(StopError(reason).into()),
        };
        let function = instantiated.map_err(|error| {
            let output = &store.data().output;
            error::classify(error, &self.limits).after(|| output.last_lines())
        })?;
        Ok(TransformInstance {
            store,
            function,
            stop: stop.clone(),
        })
    }
}

impl TransformInstance {
    /// How much memory the component has, in bytes. It never gives any back.
    pub fn memory(&self) -> u64 {
        self.store.data().limiter.used as u64
    }

    /// Asks the component what it is.
    pub async fn describe(&mut self) -> Result<Transformation, Error> {
        let described = tokio::select! {
            biased;
            described = self.function.describe(&mut self.store) => described,
            reason = self.stop.stopped() => Err(StopError(reason).into()),
        };
        let TransformState { limits, output, .. } = self.store.data();
        let described = described
            .map_err(|error| error::classify(error, limits).after(|| output.last_lines()))?;
        let most = to_usize(limits.output_line_bytes);
        let mut described = transformation(described);
        described.summary = crate::output::cut(&described.summary, most);
        Ok(described)
    }

    /// Computes the derived columns of a batch: as many rows, in the same order. After an error the instance cannot be
    /// used again.
    pub async fn transform(&mut self, rows: Batch, width: usize) -> Result<Transformed, Error> {
        let row_count = rows.row_count;
        let rows = rows.into();
        self.store.data().output.forget();
        let transformed = tokio::select! {
            biased;
            transformed = self.function.transform(&mut self.store, &rows) => transformed,
            reason = self.stop.stopped() => Err(StopError(reason).into()),
        };
        let TransformState { limits, output, .. } = self.store.data();
        let most = to_usize(limits.output_line_bytes);
        let transformed = transformed
            .map_err(|error| error::classify(error, limits).after(|| output.last_lines()))?;
        match transformed {
            Err(rejected) if rejected.is_empty() => Err(failed(format!(
                "the function failed and named no row{}",
                error::written(&output.last_lines())
            ))),
            Err(rejected) => Ok(Err(rejected
                .into_iter()
                .map(|rejected| Rejected {
                    row: rejected.row as usize,
                    message: crate::output::cut(&rejected.message, most),
                })
                .collect())),
            Ok(batch) => {
                let batch = convert::batch(batch).map_err(|error| contract(error.message))?;
                if batch.row_count != row_count || batch.columns.len() != width {
                    return Err(contract(format!(
                        "it was given {row_count} rows and returned {}, with {} columns instead of {width}",
                        batch.row_count,
                        batch.columns.len(),
                    )));
                }
                Ok(Ok(batch))
            }
        }
    }
}

/// The function did not keep to the contract.
fn contract(why: String) -> Error {
    failed(format!("the function's answer does not fit: {why}"))
}

fn failed(message: String) -> Error {
    Error::Failed {
        message,
        retryable: false,
        cause: None,
        statement: None,
    }
}

fn transformation(described: wit::Transformation) -> Transformation {
    Transformation {
        summary: described.summary,
        table: described.table,
        key: described.key,
        inputs: described.inputs,
        derived: described
            .derived
            .into_iter()
            .map(|column| DerivedColumn {
                name: column.name,
                type_name: column.type_name,
                nullable: column.nullable,
                replaces: column.replaces,
            })
            .collect(),
        dropped: described.dropped,
        filter: described.filter,
    }
}

/// Whether a component exports the function of a transformation.
pub(super) fn is_transformation(exports: &[String]) -> bool {
    exports.iter().any(|export| export == "transform")
}

/// Links a component of the world `transform`.
pub(super) fn link(
    linker: &Linker<TransformState>,
    component: &wasmtime::component::Component,
) -> wasmtime::Result<Linked> {
    linker
        .instantiate_pre(component)
        .and_then(TransformPre::new)
        .map(Linked::Component)
}
