//! From a [`Step`] to the functions that a component exports.

use std::marker::PhantomData;
use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::bail;
use crate::bindings::wasmigrate::migration::types::{Description, Failure};
use crate::bindings::{Guest, phases, wasmigrate::migration::report::Level};
use crate::database::Database;
use crate::error::Result;
use crate::position::Resume;
use crate::report;
use crate::step::{Finalize, Reset, Step};

/// Makes a component of a type that implements [`Step`] and, where it has these phases, [`Finalize`] and [`Reset`]. Once in
/// each crate.
///
/// It does nothing on other targets than WebAssembly, so that the crate's own tests can run natively.
#[macro_export]
macro_rules! export {
    ($step:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            #[allow(unused_imports, reason = "for a step that has all phases")]
            use $crate::export::WithoutPhases as _;

            struct WasmigratePhases;
            impl $crate::export::Phases for WasmigratePhases {
                type Step = $step;
                const FINALIZE: ::core::option::Option<$crate::export::Phase> =
                    $crate::export::PhasesOf::<$step>::FINALIZE;
                const RESET: ::core::option::Option<$crate::export::Phase> =
                    $crate::export::PhasesOf::<$step>::RESET;
            }
            type WasmigrateStep = $crate::export::Adapter<WasmigratePhases>;
            $crate::bindings::export_world!(WasmigrateStep with_types_in $crate::bindings);
            $crate::bindings::phases::export_phases_world!(WasmigrateStep with_types_in $crate::bindings::phases);
        };
        // Without this, a step's functions would be unused where no component is made.
        #[cfg(not(target_family = "wasm"))]
        const _: () = $crate::export::is_a_step::<$step>();
    };
}

/// Asks the compiler whether a type is a step.
pub const fn is_a_step<S: Step>() {}

/// A phase that not every step has.
pub type Phase = fn(&Database) -> Result<()>;

/// A step, and the phases that it has.
pub trait Phases {
    /// The step.
    type Step: Step;
    /// Its `finalize`, if it has one.
    const FINALIZE: Option<Phase>;
    /// Its `reset`, if it has one.
    const RESET: Option<Phase>;
}

/// Tells which phases a step has. What a type has of its own hides what it has of a trait: so these constants are those of
/// [`WithoutPhases`] just where the step does not implement the trait of the phase.
pub struct PhasesOf<S>(PhantomData<S>);

impl<S: Finalize> PhasesOf<S> {
    /// The step's `finalize`.
    pub const FINALIZE: Option<Phase> = Some(S::finalize);
}

impl<S: Reset> PhasesOf<S> {
    /// The step's `reset`.
    pub const RESET: Option<Phase> = Some(S::reset);
}

/// What [`PhasesOf`] a step has where the step lacks the phase.
pub trait WithoutPhases {
    /// No `finalize`.
    const FINALIZE: Option<Phase> = None;
    /// No `reset`.
    const RESET: Option<Phase> = None;
}

impl<S> WithoutPhases for PhasesOf<S> {}

/// The exports of the world `step`, by the functions of a [`Step`] and its phases.
pub struct Adapter<P>(PhantomData<P>);

impl<P: Phases> Guest for Adapter<P> {
    fn describe() -> Description {
        report_panics();
        Description {
            summary: P::Step::SUMMARY.to_owned(),
            transactional: P::Step::TRANSACTIONAL,
        }
    }

    fn check() -> Result<(), Failure> {
        run(|database| P::Step::check(database))
    }

    fn count() -> Result<Option<u64>, Failure> {
        run(|database| P::Step::count(database))
    }

    fn migrate(resume: Option<Vec<u8>>) -> Result<(), Failure> {
        run(|database| P::Step::migrate(database, Resume::new(resume)))
    }

    fn finalize() -> Result<(), Failure> {
        run(|database| P::FINALIZE.map_or(Ok(()), |finalize| finalize(database)))
    }

    fn reset() -> Result<(), Failure> {
        run(|database| match P::RESET {
            Some(reset) => reset(database),
            // A host that knows only 0.1 of the contract learns it here, before anything was asked of the database.
            None => bail!("has no reset"),
        })
    }
}

impl<P: Phases> phases::Guest for Adapter<P> {
    fn has_finalize() -> bool {
        P::FINALIZE.is_some()
    }

    fn has_reset() -> bool {
        P::RESET.is_some()
    }
}

#[allow(clippy::result_large_err, reason = "the contract has this form")]
fn run<T>(call: impl FnOnce(&mut Database) -> Result<T>) -> Result<T, Failure> {
    report_panics();
    let mut database = Database::new();
    let outcome = call(&mut database)?;
    database.check_nothing_lost()?;
    Ok(outcome)
}

/// A panic ends a component with a bare trap. The message and the place would be lost with it.
fn report_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(report_panic)));
}

fn report_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    match panic.location() {
        Some(place) => report::output(Level::Error, format_args!("panicked at {place}: {message}")),
        None => report::output(Level::Error, format_args!("panicked: {message}")),
    }
}
