//! Output, progress, settings and chance, as functions that the prelude takes.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

use rquickjs::{Ctx, Function, Object, Result};

thread_local! {
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Adds the functions to the object that the prelude takes.
pub(crate) fn offer<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    // The host gives what it has recorded of the run, so that a second try is the same.
    RANDOM.set(RandomState::new().hash_one(0) | 1);
    host.set("random", Function::new(ctx.clone(), random)?)?;
    host.set("output", Function::new(ctx.clone(), output)?)?;
    host.set("progress", Function::new(ctx.clone(), progress)?)?;
    host.set("setting", Function::new(ctx.clone(), setting)?)?;
    host.set("settings", Function::new(ctx.clone(), all_settings)?)
}

/// A number from 0 up to 1: Marsaglia's xorshift64*, as QuickJS has it.
#[allow(
    clippy::cast_precision_loss,
    reason = "53 bits are what a number holds"
)]
fn random() -> f64 {
    let mut state = RANDOM.get();
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    RANDOM.set(state);
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(feature = "step")]
fn output(level: String, text: String) {
    use wasmigrate_sdk::{Level, report};
    let level = match level.as_str() {
        "debug" => Level::Debug,
        "warning" => Level::Warning,
        "error" => Level::Error,
        _ => Level::Info,
    };
    report::output(level, text);
}

/// A transformation imports nothing; what it prints is output all the same.
#[cfg(not(feature = "step"))]
#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they become output of the step"
)]
fn output(level: String, text: String) {
    match level.as_str() {
        "warning" | "error" => eprintln!("{text}"),
        _ => println!("{text}"),
    }
}

#[cfg(feature = "step")]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked before"
)]
fn progress(ctx: Ctx<'_>, done: f64, total: Option<f64>) -> Result<()> {
    let count = |number: f64| match number.is_finite() && number >= 0.0 {
        true => Ok(number as u64),
        false => Err(rquickjs::Exception::throw_range(
            &ctx,
            &format!("progress is counted from 0 on, not {number}"),
        )),
    };
    wasmigrate_sdk::report::progress(count(done)?, total.map(count).transpose()?);
    Ok(())
}

/// The host knows how far a transformation is.
#[cfg(not(feature = "step"))]
fn progress(_: f64, _: Option<f64>) {}

#[cfg(feature = "step")]
fn setting(name: String) -> Option<String> {
    wasmigrate_sdk::settings::get(&name)
}

#[cfg(feature = "step")]
fn all_settings(ctx: Ctx<'_>) -> Result<Object<'_>> {
    let object = Object::new(ctx)?;
    for (name, value) in wasmigrate_sdk::settings::all() {
        object.set(name, value)?;
    }
    Ok(object)
}

#[cfg(not(feature = "step"))]
const NO_SETTINGS: &str = "a transformation has no settings: it is a function of its row alone";

#[cfg(not(feature = "step"))]
fn setting(ctx: Ctx<'_>, _: String) -> Result<()> {
    Err(rquickjs::Exception::throw_type(&ctx, NO_SETTINGS))
}

#[cfg(not(feature = "step"))]
fn all_settings(ctx: Ctx<'_>) -> Result<()> {
    Err(rquickjs::Exception::throw_type(&ctx, NO_SETTINGS))
}
