//! From a [`Step`] to the functions that a component exports.

use std::marker::PhantomData;
use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::bindings::wasmigrate::migration::types::{Description, Failure};
use crate::bindings::{Guest, wasmigrate::migration::report::Level};
use crate::database::Database;
use crate::error::Result;
use crate::position::Resume;
use crate::report;
use crate::step::Step;

/// Makes a component of a type that implements [`Step`]. Once in each crate.
///
/// It does nothing on other targets than WebAssembly, so that the crate's own tests can run natively.
#[macro_export]
macro_rules! export {
    ($step:ty) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $crate::export::Adapter<$step>;
    $crate::bindings::export_world!(Exported with_types_in $crate::bindings);
        };
        // Without this, a step's functions would be unused where no component is made.
        #[cfg(not(target_family = "wasm"))]
        const _: () = $crate::export::is_a_step::<$step>();
    };
}

/// Asks the compiler whether a type is a step.
pub const fn is_a_step<S: Step>() {}

/// The exports of the world `step`, by the functions of a [`Step`].
pub struct Adapter<S>(PhantomData<S>);

impl<S: Step> Guest for Adapter<S> {
    fn describe() -> Description {
        report_panics();
        Description {
            summary: S::SUMMARY.to_owned(),
            transactional: S::TRANSACTIONAL,
        }
    }

    fn check() -> Result<(), Failure> {
        run(|database| S::check(database))
    }

    fn count() -> Result<Option<u64>, Failure> {
        run(|database| S::count(database))
    }

    fn migrate(resume: Option<Vec<u8>>) -> Result<(), Failure> {
        run(|database| S::migrate(database, Resume::new(resume)))
    }

    fn finalize() -> Result<(), Failure> {
        run(|database| S::finalize(database))
    }

    fn reset() -> Result<(), Failure> {
        run(|database| S::reset(database))
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
