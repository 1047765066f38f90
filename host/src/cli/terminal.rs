//! What people and machines read: plain lines, progress bars, JSON.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use console::style;
use indicatif::MultiProgress;
use serde::Serialize;

use super::bars::Bars;
use super::shown;
use super::standard_output;
use crate::engine::{Event, Failure, Observer};
use crate::journal::{Outcome, Phase, ReleaseRecord};
use crate::output::{Level, counted, printable};

/// Where a command writes.
pub(super) struct Terminal {
    json: bool,
    bars: Option<MultiProgress>,
    /// The environment of the settings.
    environment: OnceLock<String>,
}

fn warning(message: &str) -> String {
    format!(
        "{} {}",
        style("warning:").yellow(),
        printable_lines(message)
    )
}

impl Terminal {
    pub(super) fn new(json: bool) -> Self {
        let interactive =
            !json && standard_output::is_terminal() && std::io::stderr().is_terminal();
        Self {
            json,
            bars: interactive.then(MultiProgress::new),
            environment: OnceLock::new(),
        }
    }

    /// Whether answers are for machines.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Writes a line of the answer.
    pub(super) fn line(&self, text: &str) {
        self.write(&shown::text(text));
    }

    fn write(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| standard_output::line(text)),
            None => standard_output::line(text),
        }
    }

    /// Says what a command is about to change. In JSON, each command says it in its own way.
    pub(super) fn target(&self, name: &str) {
        if !self.json {
            self.line(&format!("target  {name}"));
            self.say_environment();
        }
    }

    /// Says of which release the steps are. In JSON, each command says it in its own way.
    pub(super) fn source(&self, release: &ReleaseRecord) {
        if !self.json {
            let signed = match release.signers.as_slice() {
                [] => String::new(),
                signers => format!("  signed by {}", signers.join(", ")),
            };
            self.line(&format!("source  {}{signed}", release.reference));
        }
    }

    /// Takes note of the environment that is in force.
    pub(super) fn in_environment(&self, name: Option<&str>) {
        if let Some(name) = name {
            // It is said once.
            let _ = self.environment.set(name.to_owned());
        }
    }

    /// The environment that is in force, when one is.
    pub(super) fn environment(&self) -> Option<&str> {
        self.environment.get().map(String::as_str)
    }

    /// Says that it is.
    pub(super) fn say_environment(&self) {
        if let Some(name) = self.environment() {
            self.line(&format!("env     {name}"));
        }
    }

    /// Writes a text of many lines as it is; on a terminal without what could steer it.
    pub(super) fn whole(&self, text: &str) {
        match standard_output::is_terminal() {
            true => standard_output::text(&printable_lines(text)),
            false => standard_output::text(text),
        }
    }

    /// Writes one JSON document on a line.
    pub(super) fn document(&self, value: &impl Serialize) {
        match shown::json(value) {
            Ok(text) => self.write(&text),
            Err(error) => self.error(&format!("cannot write the answer: {error}"), None),
        }
    }

    /// Says what the operator should know beside the answer, which may be redirected to a file or be read by a program.
    pub(super) fn warning(&self, message: &str) {
        let text = shown::text(&warning(message));
        let write = || {
            // Nobody is left to tell when the reader has gone away.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    /// A warning that is a part of the answer.
    pub(super) fn warning_line(&self, message: &str) {
        self.line(&warning(message));
    }

    /// Says why a command failed; for machines as a document, so that each finds it where it reads.
    pub(super) fn error(&self, message: &str, failure: Option<&Failure>) {
        if self.json {
            let document =
                serde_json::json!({"event": "error", "message": message, "failure": failure});
            self.line(&document.to_string());
            return;
        }
        let text = shown::text(&format!(
            "{} {}",
            style("error:").red().bold().for_stderr(),
            printable_lines(message)
        ));
        let write = || {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
        if let Some(failure) = failure {
            self.failure_details(failure);
        }
    }

    /// What a failure says beyond its message.
    fn failure_details(&self, failure: &Failure) {
        let mut lines = Vec::new();
        if let Some(statement) = &failure.statement {
            let place = failure
                .line
                .map_or_else(String::new, |line| format!(" (line {line})"));
            lines.push(format!("  statement{place}: {}", shortened(statement)));
        }
        if let Some(database) = &failure.database {
            if !failure.message.contains(&database.message) {
                lines.push(format!("  database: {}", database.message));
            }
            if !database.code.is_empty() {
                lines.push(format!("  code: {}", database.code));
            }
            for (name, text) in [("detail", &database.detail), ("hint", &database.hint)] {
                if let Some(text) = text {
                    lines.push(format!("  {name}: {text}"));
                }
            }
        }
        if failure.last_lines.len() > 1 {
            lines.push("  what the component wrote last:".to_owned());
            lines.extend(failure.last_lines.iter().map(|line| format!("    {line}")));
        }
        if !failure.backtrace.is_empty() {
            lines.push("  backtrace of the component:".to_owned());
            for (number, frame) in failure.backtrace.iter().enumerate() {
                lines.push(format!("    {number}: {frame}"));
            }
        }
        for line in lines {
            // Statements, messages and names of functions are the step's own words.
            let shown = shown::text(&printable_lines(&line));
            let _ = writeln!(std::io::stderr().lock(), "{shown}");
        }
    }

    /// An observer of runs that writes as this terminal does.
    pub(super) fn observer(&self) -> Arc<dyn Observer> {
        if self.json {
            Arc::new(JsonLines)
        } else {
            Arc::new(Lines {
                bars: self.bars.as_ref().map(|bars| Bars::new(bars.clone())),
                told: Mutex::new(None),
            })
        }
    }
}

/// Words that may come from a step, without what could steer the terminal.
pub(super) fn printable_lines(text: &str) -> String {
    text.split('\n')
        .map(printable)
        .collect::<Vec<_>>()
        .join("\n")
}

/// A statement in one line of bearable length.
pub(super) fn shortened(statement: &str) -> String {
    const MOST: usize = 300;
    let mut line = printable(&statement.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.len() > MOST {
        line.truncate(line.floor_char_boundary(MOST));
        line.push_str(" …");
    }
    line
}

/// A time in milliseconds since 1970, as people read it.
pub(super) fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).map_or_else(
        |_| String::from("?"),
        |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// A duration in milliseconds, as people read it.
pub(super) fn duration(milliseconds: i64) -> String {
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!(
            "{} min {} s",
            milliseconds / 60_000,
            milliseconds % 60_000 / 1_000
        ),
    }
}

/// Every event as one JSON document on a line of standard output.
struct JsonLines;

impl Observer for JsonLines {
    fn notify(&self, event: &Event) {
        if let Ok(text) = shown::json(event) {
            standard_output::line(&text);
        }
    }
}

/// Lines for people, with bars below them on a terminal.
struct Lines {
    bars: Option<Bars>,
    /// Whom we wait for, so that it is said once.
    told: Mutex<Option<String>>,
}

impl Lines {
    fn line(&self, text: &str) {
        let text = shown::text(text);
        match &self.bars {
            Some(bars) => bars.suspend(|| standard_output::line(&text)),
            None => standard_output::line(&text),
        }
    }
}

impl Observer for Lines {
    fn notify(&self, event: &Event) {
        if let Some(bars) = &self.bars {
            bars.notify(event);
        }
        match event {
            Event::Waiting {
                holder,
                run: None,
                message: Some(message),
            } => self.line(&format!(
                "waiting for {holder}: {}",
                printable_lines(message)
            )),
            Event::Waiting {
                holder,
                run,
                message,
            } => {
                let run = run.map_or_else(String::new, |run| format!(" (run {run})"));
                let why = message.as_deref().map(printable_lines);
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                let line = format!("waiting for {holder}{run}{why}");
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                // Who is waited for is looked at again and again.
                if told.as_ref() != Some(&line) {
                    self.line(&line);
                    *told = Some(line);
                }
            }
            Event::RunStarted {
                run,
                command,
                steps,
                ..
            } => self.line(&format!(
                "run {run}: {command}, {}",
                counted(*steps, "step", "steps")
            )),
            Event::Paused { waits_for } => self.line(&format!("the run is paused: {waits_for}")),
            Event::Resumed => self.line("the run continues"),
            Event::Warning { message } => {
                self.line(&format!("{} {message}", style("warning:").yellow()));
            }
            Event::Loading {
                step,
                compiling: true,
                ..
            } => self.line(&format!("compiling {step}")),
            Event::Output { step, line } => {
                let mark = match line.level {
                    Level::Debug => return,
                    Level::Info => style("│").dim(),
                    Level::Warning => style("warning:").yellow(),
                    Level::Error => style("error:").red(),
                };
                self.line(&format!("{step} {mark} {}", line.line));
            }
            Event::StepStarted {
                step,
                resumed: true,
                ..
            } => self.line(&format!("{step} continues from its last checkpoint")),
            Event::StepEnded {
                step,
                phase,
                outcome,
                milliseconds,
                rolled_back,
            } => {
                let (mark, word) = match (outcome, phase) {
                    _ if *rolled_back => {
                        self.line(&format!("{} {step} rolled back", style("✗").red()));
                        return;
                    }
                    (Outcome::Done, Phase::Finalize) => (style("✓").green(), "finalized"),
                    (Outcome::Done, Phase::Reset) => (style("✓").green(), "reset"),
                    (Outcome::Done, _) => (style("✓").green(), "migrated"),
                    (Outcome::Cancelled, _) => (style("✗").red(), "cancelled"),
                    (_, _) => (style("✗").red(), "failed"),
                };
                self.line(&format!(
                    "{mark} {step} {word} in {}",
                    duration(*milliseconds)
                ));
            }
            Event::Retrying {
                step,
                attempt,
                delay_milliseconds,
                message,
            } => self.line(&format!(
                "{step} is tried again (attempt {attempt}) in {delay_milliseconds} ms: {}",
                printable_lines(message)
            )),
            Event::Loading { .. }
            | Event::Prepared { .. }
            | Event::StepStarted { .. }
            | Event::StepRan { .. }
            | Event::Progress { .. }
            | Event::Pace { .. }
            | Event::Checkpoint { .. }
            | Event::RunEnded { .. } => {}
        }
    }
}
