//! Why a step gives up, and what the host said before.

use std::any::Any;
use std::fmt;

use crate::bindings::wasmigrate::migration::types::Failure;
use crate::{Cause, DatabaseError};

/// The result of nearly everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed: words for the operator, and the host's error where one led to it.
///
/// `?` makes one of every standard error. A step that can go on after some failures looks at the [`cause`](Error::cause):
///
/// ```no_run
/// # use wasmigrate_sdk::prelude::*;
/// # fn example(database: &Database) -> Result<()> {
/// let savepoint = database.savepoint()?;
/// match database.execute("INSERT INTO tag(name) VALUES (?)", params!["blue"]) {
///     Ok(_) => savepoint.release()?,
///     Err(error) if error.constraint() == Some("tag.name") => info!("blue is there already"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
// In a box, so that a `Result` of something small stays small.
pub struct Error(Box<Inner>);

struct Inner {
    message: String,
    cause: Option<Cause>,
    retryable: bool,
}

impl Error {
    /// An error in the step's own words. `bail!` is the shorter form.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            message: message.into(),
            cause: None,
            retryable: false,
        }))
    }

    pub(crate) fn from_host(cause: Cause) -> Self {
        Self(Box::new(Inner {
            message: describe(&cause),
            retryable: matches!(cause, Cause::Busy(_)),
            cause: Some(cause),
        }))
    }

    /// What the host said, when it was the host that failed.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.0.cause.as_ref()
    }

    /// What the database said, when it was the database that failed.
    #[must_use]
    pub fn database(&self) -> Option<&DatabaseError> {
        match self.cause()? {
            Cause::ConstraintViolated(said)
            | Cause::Syntax(said)
            | Cause::Busy(said)
            | Cause::Other(said) => Some(said),
            Cause::LimitExceeded(_)
            | Cause::Cancelled
            | Cause::NotPermitted(_)
            | Cause::InvalidArgument(_) => None,
        }
    }

    /// The name of the constraint that does not hold, when that is what failed.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self.cause()? {
            Cause::ConstraintViolated(said) => said.constraint.as_deref(),
            _ => None,
        }
    }

    /// Says that the same step may succeed when it is tried again. A database that is busy says so by itself.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Whether the same step may succeed when it is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Puts what was attempted before the message.
    #[must_use]
    pub fn context(mut self, attempted: impl fmt::Display) -> Self {
        self.0.message = format!("{attempted}: {}", self.0.message);
        self
    }
}

/// The host's error in words.
fn describe(cause: &Cause) -> String {
    match cause {
        Cause::ConstraintViolated(said)
        | Cause::Syntax(said)
        | Cause::Busy(said)
        | Cause::Other(said) => {
            let mut text = said.message.clone();
            if !said.code.is_empty() {
                text.push_str(&format!(" ({})", said.code));
            }
            for more in [&said.detail, &said.hint].into_iter().flatten() {
                text.push_str("; ");
                text.push_str(more);
            }
            text
        }
        Cause::LimitExceeded(limit) => {
            format!("the limit {} of {} was reached", limit.name, limit.value)
        }
        Cause::Cancelled => "the run was cancelled".to_owned(),
        Cause::NotPermitted(reason) | Cause::InvalidArgument(reason) => reason.clone(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

// `Error` is no `std::error::Error` itself, or this would overlap with `From<T> for T`.
impl<E: std::error::Error + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        match (&error as &dyn Any).downcast_ref::<Cause>() {
            Some(cause) => Self::from_host(cause.clone()),
            None => Self::new(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Inner {
            message,
            cause,
            retryable,
        } = *error.0;
        Self {
            message,
            retryable,
            cause,
        }
    }
}

/// Says what was attempted when something fails.
pub trait Context<T> {
    /// Puts what was attempted before the message of an error.
    ///
    /// # Errors
    /// When there was one before.
    fn context(self, attempted: impl fmt::Display) -> Result<T>;

    /// The same, for words that cost something to make.
    ///
    /// # Errors
    /// When there was one before.
    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, attempted: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(attempted))
    }

    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| error.into().context(attempted()))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, attempted: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error::new(attempted.to_string()))
    }

    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T> {
        self.ok_or_else(|| Error::new(attempted().to_string()))
    }
}

/// Gives up with a message: `bail!("row {id} has no name")`.
#[macro_export]
macro_rules! bail {
    ($($text:tt)+) => {
        return ::core::result::Result::Err($crate::Error::new(::std::format!($($text)+)))
    };
}

/// Gives up with a message unless something holds: `ensure!(rows > 0, "nothing to migrate")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            $crate::bail!($($text)+);
        }
    };
}
