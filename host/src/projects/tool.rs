//! The tools of languages: found, run, and named when they are missing.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, Place};

/// A program with its first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tool(Vec<String>);

impl Tool {
    pub(super) fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|&word| word.to_owned()).collect())
    }

    /// That of an environment variable, which may have arguments.
    pub(super) fn of_variable(name: &str) -> Option<Self> {
        let value = std::env::var(name).ok()?;
        let words: Vec<&str> = value.split_whitespace().collect();
        (!words.is_empty()).then(|| Self::new(&words))
    }

    /// The same with one more argument.
    pub(super) fn and(mut self, argument: &str) -> Self {
        self.0.push(argument.to_owned());
        self
    }

    pub(super) fn command(&self) -> Command {
        let mut words = self.0.iter();
        let program = words.next().map_or("", String::as_str);
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null());
        command
    }

    /// What it says when it is asked; none when it is not there, or refuses.
    pub(super) fn says(&self, question: &[&str]) -> Option<String> {
        let output = self.command().args(question).output().ok()?;
        let said = output.status.success();
        said.then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Runs a tool in the directory of the sources. What it says is for the user, and its output is returned.
pub(super) fn run(command: &mut Command, place: &Place<'_>) -> Result<Vec<u8>, Error> {
    let tool = Path::new(command.get_program());
    let tool = tool.file_stem().unwrap_or(tool.as_os_str());
    let tool = tool.to_string_lossy().into_owned();
    let output = command
        .current_dir(&place.sources)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            tool: tool.clone(),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Failed {
        name: place.name.to_owned(),
        tool,
        status: output.status,
    })
}
