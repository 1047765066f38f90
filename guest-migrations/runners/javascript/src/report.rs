//! Output, progress and settings, as functions that the prelude takes.

use rquickjs::{Ctx, Exception, Function, Object, Result};
use wasmigrate_sdk::{Level, report, settings};

/// Adds the functions to the object that the prelude takes.
pub(crate) fn offer<'js>(ctx: &Ctx<'js>, host: &Object<'js>) -> Result<()> {
    host.set("output", Function::new(ctx.clone(), output)?)?;
    host.set("progress", Function::new(ctx.clone(), progress)?)?;
    host.set("setting", Function::new(ctx.clone(), setting)?)?;
    host.set("settings", Function::new(ctx.clone(), all_settings)?)
}

fn output(level: String, text: String) {
    let level = match level.as_str() {
        "debug" => Level::Debug,
        "warning" => Level::Warning,
        "error" => Level::Error,
        _ => Level::Info,
    };
    report::output(level, text);
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked before"
)]
fn progress(ctx: Ctx<'_>, done: f64, total: Option<f64>) -> Result<()> {
    let count = |number: f64| match number.is_finite() && number >= 0.0 {
        true => Ok(number as u64),
        false => Err(Exception::throw_range(
            &ctx,
            &format!("progress is counted from 0 on, not {number}"),
        )),
    };
    report::progress(count(done)?, total.map(count).transpose()?);
    Ok(())
}

fn setting(name: String) -> Option<String> {
    settings::get(&name)
}

fn all_settings(ctx: Ctx<'_>) -> Result<Object<'_>> {
    let object = Object::new(ctx)?;
    for (name, value) in settings::all() {
        object.set(name, value)?;
    }
    Ok(object)
}
