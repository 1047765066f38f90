//! Takes the types out of TypeScript, so that JavaScript is left.
//!
//! swc's eraser, which Node.js uses for the same, in a component of its own: what reads the texts of strangers stays in the sandbox.
//! It writes blanks where types were, so that all else has the line and the column that its author sees. What has a meaning when
//! the program runs (enums, namespaces, parameter properties) is no type: it is refused.

mod bindings;

use std::sync::{Arc, Mutex, PoisonError};

use swc_common::errors::{DiagnosticBuilder, Emitter, Handler};
use swc_common::sync::Lrc;
use swc_common::{GLOBALS, Globals, SourceMap};
use swc_ts_fast_strip::{Mode, Options, operate};

use bindings::Guest;

/// What swc says of what cannot be erased, and what it means for whoever wrote it.
const UNSUPPORTED: &str = "is not supported in strip-only mode";
const MORE_THAN_A_TYPE: &str =
    "is more than a type and cannot be taken out: write it in JavaScript";

struct Eraser;

impl Guest for Eraser {
    fn erase(name: String, text: String) -> Result<String, String> {
        let sources: Lrc<SourceMap> = Lrc::default();
        let first = First::default();
        let told = Problems {
            sources: sources.clone(),
            name: name.clone(),
            first: first.clone(),
        };
        let handler = Handler::with_emitter(true, false, Box::new(told));
        let options = Options {
            module: Some(true),
            mode: Mode::StripOnly,
            ..Options::default()
        };
        let erased = GLOBALS.set(&Globals::new(), || {
            operate(&sources, &handler, text, options)
        });
        erased.map(|erased| erased.code).map_err(|error| {
            let first = first
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            first.unwrap_or_else(|| format!("{} ({name})", error.message))
        })
    }
}

/// The first problem, with its place.
#[derive(Clone, Default)]
struct First(Arc<Mutex<Option<String>>>);

/// Hears what is wrong with a text.
struct Problems {
    sources: Lrc<SourceMap>,
    name: String,
    first: First,
}

impl Emitter for Problems {
    fn emit(&mut self, problem: &mut DiagnosticBuilder<'_>) {
        let mut first = self.first.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_some() {
            return;
        }
        let place = problem.span.primary_span().map(|span| {
            let place = self.sources.lookup_char_pos(span.lo);
            format!(", line {}, column {}", place.line, place.col.0 + 1)
        });
        let message = problem.message();
        let message = message
            .trim_end_matches('.')
            .replace(UNSUPPORTED, MORE_THAN_A_TYPE);
        let name = &self.name;
        *first = Some(format!("{message} ({name}{})", place.unwrap_or_default()));
    }
}
