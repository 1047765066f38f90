//! What a script throws, in words for the operator.

use std::cell::RefCell;
use std::collections::VecDeque;

use rquickjs::{CaughtError, Ctx, Exception, Object, Value};
use wasmigrate_sdk::Cause;
use wasmigrate_sdk::bindings::wasmigrate::migration::types::Failure;

use crate::script::BUILT_IN;

/// The property of a thrown error that leads back to what the host said.
const CAUSE: &str = "hostError";

/// How many errors of the host are remembered, for a script that keeps one and throws it later.
const REMEMBERED: usize = 64;

/// Something that was thrown.
pub(crate) struct Thrown {
    /// What, and where.
    pub(crate) message: String,
    /// Who called whom, one line a function, the innermost first. Only what is in scripts.
    pub(crate) stack: Vec<String>,
    /// What the host said, when that is what was thrown.
    pub(crate) cause: Option<Cause>,
    /// Whether another try may succeed.
    pub(crate) retryable: bool,
}

impl Thrown {
    pub(crate) fn of<'js>(ctx: &Ctx<'js>, error: CaughtError<'js>) -> Self {
        match error {
            CaughtError::Error(error) => Self::text(error.to_string()),
            CaughtError::Exception(exception) => Self::exception(&exception),
            CaughtError::Value(value) => Self::text(format!("{} was thrown", shown(ctx, &value))),
        }
    }

    fn text(message: String) -> Self {
        Self {
            message,
            stack: Vec::new(),
            cause: None,
            retryable: false,
        }
    }

    fn exception(exception: &Exception<'_>) -> Self {
        let object = exception.as_object();
        let name: String = object.get("name").unwrap_or_else(|_| "Error".to_owned());
        let message = exception.message().unwrap_or_default();
        let stack = exception.stack().unwrap_or_default();
        let stack: Vec<String> = stack
            .lines()
            .map(|line| line.trim().trim_start_matches("at ").to_owned())
            .filter(|line| line.contains(':') && !line.contains(&format!("({BUILT_IN}:")))
            .collect();
        let remembered = object
            .get::<_, Option<u32>>(CAUSE)
            .ok()
            .flatten()
            .and_then(recall);
        let retryable = object.get::<_, Option<bool>>("retryable").ok().flatten();
        // What was thrown on purpose needs no name in front of it.
        let mut text = match name.as_str() {
            "Error" | "DatabaseError" => message,
            _ => format!("{name}: {message}"),
        };
        if let Some(place) = stack.first() {
            text = format!("{text} ({})", place_of(place));
        }
        Self {
            message: text,
            stack,
            retryable: retryable.unwrap_or(matches!(remembered, Some(Cause::Busy(_)))),
            cause: remembered,
        }
    }

    /// The failure of a step. The stack is written to its output, where it says more than the place.
    pub(crate) fn into_failure(self) -> Failure {
        if self.stack.len() > 1 {
            wasmigrate_sdk::report::output(
                wasmigrate_sdk::Level::Error,
                format_args!("{}\n    at {}", self.message, self.stack.join("\n    at ")),
            );
        }
        Failure {
            message: self.message,
            retryable: self.retryable,
            cause: self.cause,
        }
    }
}

/// `helper (0001_bad.js:7:12)` as `0001_bad.js, line 7, column 12, in helper`.
fn place_of(frame: &str) -> String {
    let (function, place) = match frame.split_once(" (") {
        Some((function, place)) => (Some(function), place.trim_end_matches(')')),
        None => (None, frame),
    };
    let mut parts = place.rsplitn(3, ':');
    let (column, line, file) = (parts.next(), parts.next(), parts.next());
    let mut text = match (file, line, column) {
        (Some(file), Some(line), Some(column)) => format!("{file}, line {line}, column {column}"),
        _ => place.to_owned(),
    };
    if let Some(function) = function
        && !matches!(function, "<anonymous>" | "<eval>" | "<module>")
    {
        text.push_str(", in ");
        text.push_str(function);
    }
    text
}

/// A thrown value that is no error, as `String()` shows it.
fn shown<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    let text = ctx
        .globals()
        .get::<_, rquickjs::Function<'js>>("String")
        .and_then(|string| string.call::<_, String>((value.clone(),)));
    // What cannot be shown throws again.
    let _ = ctx.catch();
    text.unwrap_or_else(|_| value.type_name().to_owned())
}

/// Why a module is not found.
pub(crate) fn describe(base: &str, name: &str) -> String {
    if name.starts_with('.') {
        return format!(
            "{base} imports '{name}', which is not there: a script may import files under `lib/` of its directory"
        );
    }
    format!(
        "{base} imports '{name}': a script may import '{BUILT_IN}' and files under `lib/` of its directory, no packages"
    )
}

thread_local! {
    static CAUSES: RefCell<(u32, VecDeque<(u32, Cause)>)> = const { RefCell::new((0, VecDeque::new())) };
}

fn recall(number: u32) -> Option<Cause> {
    CAUSES.with_borrow(|(_, causes)| {
        let mut causes = causes.iter();
        causes
            .find(|(known, _)| *known == number)
            .map(|(_, cause)| cause.clone())
    })
}

fn remember(cause: Cause) -> u32 {
    CAUSES.with_borrow_mut(|(last, causes)| {
        *last = last.wrapping_add(1);
        causes.push_back((*last, cause));
        if causes.len() > REMEMBERED {
            causes.pop_front();
        }
        *last
    })
}

/// Throws what the host said, as a `DatabaseError` with its parts.
pub(crate) fn throw(ctx: &Ctx<'_>, cause: Cause) -> rquickjs::Error {
    let error = wasmigrate_sdk::Error::from(cause.clone());
    let thrown = Exception::from_message(ctx.clone(), &error.to_string());
    let thrown = thrown.and_then(|thrown| {
        let object: &Object<'_> = thrown.as_object();
        object.set("name", "DatabaseError")?;
        object.set("kind", kind(&cause))?;
        if let Some(said) = error.database() {
            object.set("code", said.code.as_str())?;
            object.set("detail", said.detail.as_deref())?;
            object.set("hint", said.hint.as_deref())?;
            object.set("table", said.table.as_deref())?;
            object.set("column", said.column.as_deref())?;
            object.set("constraint", said.constraint.as_deref())?;
        }
        object.set(CAUSE, remember(cause))?;
        Ok(thrown)
    });
    match thrown {
        Ok(thrown) => thrown.throw(),
        Err(error) => error,
    }
}

fn kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::ConstraintViolated(_) => "constraint-violated",
        Cause::Syntax(_) => "syntax",
        Cause::Busy(_) => "busy",
        Cause::LimitExceeded(_) => "limit-exceeded",
        Cause::Cancelled => "cancelled",
        Cause::NotPermitted(_) => "not-permitted",
        Cause::InvalidArgument(_) => "invalid-argument",
        Cause::Other(_) => "other",
    }
}
