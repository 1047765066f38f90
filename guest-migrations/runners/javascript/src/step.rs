//! A script as a step.

use rquickjs::{Coerced, Ctx, Exception, Function, Result, Value};
use wasmigrate_sdk::bindings::wasmigrate::migration::types::{Description, Failure};
use wasmigrate_sdk::bindings::{Guest, phases};

use crate::Runner;
use crate::script::{Restored, Script, finish, function};

/// What a reset says that a script has not.
const NO_RESET: &str = "has no reset";

impl Guest for Runner {
    fn describe() -> Description {
        let described = with_script(|_, script| {
            let summary: Option<String> = script.exports.get("summary")?;
            let transactional: Option<bool> = script.exports.get("transactional")?;
            Ok(Description {
                summary: summary.unwrap_or_default(),
                transactional: transactional.unwrap_or(true),
            })
        });
        or_trap(described)
    }

    fn check() -> std::result::Result<(), Failure> {
        with_script(|ctx, script| {
            if let Some(check) = function(&script.exports, "check")? {
                call(ctx, &check, (script.database,))?;
            }
            Ok(())
        })
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked before"
    )]
    fn count() -> std::result::Result<Option<u64>, Failure> {
        with_script(|ctx, script| {
            let Some(count) = function(&script.exports, "count")? else {
                return Ok(None);
            };
            let counted = call(ctx, &count, (script.database,))?;
            if counted.is_undefined() || counted.is_null() {
                return Ok(None);
            }
            let number = counted.get::<Coerced<f64>>()?.0;
            match number.is_finite() && number >= 0.0 {
                true => Ok(Some(number as u64)),
                false => Err(Exception::throw_type(
                    ctx,
                    "the export `count` returns how many rows there are, or nothing",
                )),
            }
        })
    }

    fn migrate(resume: Option<Vec<u8>>) -> std::result::Result<(), Failure> {
        with_script(|ctx, script| {
            let Some(migrate) = function(&script.exports, "migrate")? else {
                return Err(Exception::throw_type(
                    ctx,
                    "the script exports no `migrate`",
                ));
            };
            let resume = match resume {
                Some(kept) => {
                    let kept = String::from_utf8_lossy(&kept).into_owned();
                    script.resumed.call((kept,))?
                }
                None => Value::new_undefined(ctx.clone()),
            };
            call(ctx, &migrate, (script.database, resume))?;
            Ok(())
        })
    }

    fn finalize() -> std::result::Result<(), Failure> {
        with_script(|ctx, script| {
            if let Some(finalize) = function(&script.exports, "finalize")? {
                call(ctx, &finalize, (script.database,))?;
            }
            Ok(())
        })
    }

    fn reset() -> std::result::Result<(), Failure> {
        let done = with_script(|ctx, script| match function(&script.exports, "reset")? {
            Some(reset) => call(ctx, &reset, (script.database,)).map(|_| true),
            None => Ok(false),
        })?;
        match done {
            true => Ok(()),
            false => Err(Failure {
                message: NO_RESET.to_owned(),
                retryable: false,
                cause: None,
            }),
        }
    }
}

impl phases::Guest for Runner {
    fn has_finalize() -> bool {
        exports("finalize")
    }

    fn has_reset() -> bool {
        exports("reset")
    }
}

/// Whether the script exports this function.
fn exports(name: &str) -> bool {
    or_trap(with_script(|_, script| {
        Ok(function(&script.exports, name)?.is_some())
    }))
}

/// What a function of the contract returns that has no failure: the message becomes part of the trap's.
#[allow(clippy::panic, reason = "a trap is the only way to say that")]
fn or_trap<T>(told: std::result::Result<T, Failure>) -> T {
    told.unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn with_script<T>(
    act: impl for<'js> FnOnce(&Ctx<'js>, Restored<'js>) -> Result<T>,
) -> std::result::Result<T, Failure> {
    let script = Script::load().map_err(|message| Failure {
        message,
        retryable: false,
        cause: None,
    })?;
    script
        .with_exports(act)
        .map_err(crate::failure::Thrown::into_failure)
}

/// Calls a function of the script and waits for what it promises.
fn call<'js, A>(ctx: &Ctx<'js>, function: &Function<'js>, arguments: A) -> Result<Value<'js>>
where
    A: rquickjs::function::IntoArgs<'js>,
{
    let value: Value<'js> = function.call(arguments)?;
    finish(ctx, value)
}

wasmigrate_sdk::bindings::export_world!(Runner with_types_in wasmigrate_sdk::bindings);
wasmigrate_sdk::bindings::phases::export_phases_world!(Runner with_types_in wasmigrate_sdk::bindings::phases);
