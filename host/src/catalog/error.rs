//! What can be wrong with the files, and what to do about it.

use std::path::PathBuf;

/// What a step may be called, for messages.
pub(super) const FORMS: &str = "a step is named NNNN_name.sql, NNNN_name.wasm, NNNN_name.js, V1_2__name.sql or R__name.sql, or is a \
                                directory NNNN_name with up.sql or migration.sql";

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the messages")]
pub enum Error {
    /// The directory cannot be read.
    #[error("cannot read the migrations in `{}`: {source}; pass the right directory with `--migrations`", .directory.display())]
    Directory {
        directory: PathBuf,
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", .path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Two files claim one place in the order.
    #[error(
        "two steps have the index {index}: `{first}` and `{second}`; give one of them an index of its own{}",
        if *hint { "; for different databases, write `.sqlite.sql` or `.postgres.sql` at the end of the names" } else { "" }
    )]
    DuplicateIndex {
        index: String,
        first: String,
        second: String,
        /// Whether they seem to be for different databases.
        hint: bool,
    },
    /// Two files are the same step, which has no number.
    #[error("`{first}` and `{second}` are both the step `{name}`: give one of them another name")]
    DuplicateName {
        name: String,
        first: String,
        second: String,
    },
    /// Some files are numbered, and others have versions.
    #[error(
        "`{number}` has a number and `{version}` a version, so that their order is not known: name all of them in one manner"
    )]
    TwoManners { number: String, version: String },
    /// Steps have another order for the tool that they are written for.
    #[error(
        "`{first}` comes before `{second}` for {tool}, which compares names as texts, and after it here, where their numbers are \
         compared: rename those with shorter numbers, so that all are of the same length and in the order that is meant: {names}"
    )]
    TextOrder {
        tool: &'static str,
        first: String,
        second: String,
        names: String,
    },
    /// What stands in the directory is not understood.
    #[error("`{}` holds what would not be run:\n{}\n{hint}", .directory.display(), listed(.files))]
    Strange {
        directory: PathBuf,
        files: Vec<Strange>,
        hint: &'static str,
    },
    /// There is something, but no step.
    #[error("`{}` holds no step, only {found}; {}", .directory.display(), FORMS)]
    NoStep { directory: PathBuf, found: String },
    /// There is something in a directory of sources, but nothing that could run.
    #[error(
        "`{}` of `sources.{setting}` holds no file .sql, .wasm or .js that could run, only {found}",
        .directory.display()
    )]
    NoSource {
        setting: &'static str,
        directory: PathBuf,
        found: String,
    },
    /// The numbers in names are in another order than the names.
    #[error(
        "`{first}` comes before `{second}` in the order of their names, and after it by the numbers in them: write numbers of the \
         same length, such as 02 before 10, or say `order = \"names\"` under `[sources]` when that order is meant"
    )]
    Numbers { first: String, second: String },
    /// The names of files do not say in which order they are meant.
    #[error(
        "`{first}` comes before `{second}` in the order of their names, and after it by their versions: say which is meant with \
         `order = \"versions\"` or `order = \"names\"` under `[sources]`"
    )]
    Order { first: String, second: String },
    /// A file has no version, though they are to be the order.
    #[error(
        "`{0}` has no version in its name, and `sources.order` says that versions are the order"
    )]
    NoVersion(String),
    /// A file was not applied, though one after it was.
    #[error(
        "`{step}` was never applied, but `{later}` after it was: steps are applied in order; give it an index above {highest}, \
         or pass `--out-of-order`"
    )]
    Gap {
        step: String,
        later: String,
        highest: String,
    },
    /// A step was not applied, and is in a baseline alone.
    #[error(
        "{lost} was never applied here, and its file is gone: `{baseline}` stands for it on new databases alone, and {last} was \
         applied here; put the files of the steps up to that baseline back, and run them first"
    )]
    OutOfReach {
        lost: String,
        baseline: String,
        last: String,
    },
    /// A step is among those that a baseline stands for by their places, and is none of them.
    #[error(
        "`{step}` is at or below `{baseline}`, which does not stand for it: a new database would never get it; give it a number \
         above {through}, or, when it belongs there, remove that baseline and make it anew with `wasmigrate squash`"
    )]
    NotInBaseline {
        step: String,
        baseline: String,
        through: String,
    },
    /// A step has changed since a baseline was made of it.
    #[error(
        "`{step}` has changed since `{baseline}` was made of it: its SHA-256 was {squashed} and is {now}; restore the file, or \
         remove that baseline and make it anew with `wasmigrate squash`"
    )]
    SquashedChanged {
        step: String,
        baseline: String,
        squashed: String,
        now: String,
    },
    /// It cannot be told which sources of steps there are.
    #[error("the sources of steps beside the migrations cannot be read: {0}")]
    StepSources(std::io::Error),
    /// There are sources of a step, and no component of them.
    #[error(
        "`{}` was never built, so that its step would be left out: run `wasmigrate build`, or move the sources away",
        .directory.display()
    )]
    NotBuilt { directory: PathBuf },
    /// A step was applied, and its file is gone.
    #[error(
        "step {label} was applied, but its file is gone: put it back, or pass `--allow-missing`; when it is gone for good, \
         `wasmigrate repair --remove {label} --reason …` writes that down"
    )]
    Missing { label: String },
    /// A file was applied, and has another name now.
    #[error(
        "`{before}` was applied and is gone, and `{now}`, which was never applied, holds the same: if it was renamed, `wasmigrate \
         repair --accept {now} --reason …` writes the new name down; if they are two, put `{before}` back, or let `wasmigrate \
         repair --remove {before} --reason …` write down that it is gone for good, and `{now}` will run"
    )]
    Renamed { before: String, now: String },
    /// A step was begun and is not done, and its file is gone.
    #[error(
        "step {label} was begun and is not done, and its file is gone: put it back, and run `migrate` or `reset`; when it is gone for \
         good, `wasmigrate repair --remove {label} --reason …` writes that down, and what the step has done stays"
    )]
    MissingBegun { label: String },
    /// A transformation is not finalized, and its file is gone.
    #[error(
        "step {label} has computed rows and is not finalized, and its file is gone: put it back, and run `finalize` or `reset`; when it \
         is gone for good, `wasmigrate repair --remove {label} --reason …` removes the columns that it has derived"
    )]
    MissingTransformation { label: String },
    /// A step was applied, and its file is another one now.
    #[error(
        "`{step}` has changed since it was applied: its SHA-256 was {applied} and is {now}; restore the file and put the change \
         into a new step, or pass `--allow-changed`; when the change is right, `wasmigrate repair --accept {step} --reason …` \
         accepts it for good"
    )]
    Changed {
        step: String,
        applied: String,
        now: String,
    },
    /// A step was begun and is not done, and its file is another one now.
    #[error(
        "`{step}` has changed since it was begun: its SHA-256 was {begun} and is {now}; restore the file and run `migrate` or \
         `reset`; or pass `--allow-changed`: what is left of the step then runs from the file that is there now"
    )]
    ChangedBegun {
        step: String,
        begun: String,
        now: String,
    },
    /// A transformation was begun and is not finalized, and its file is another one now.
    #[error(
        "`{step}` has changed since it began to compute rows: its SHA-256 was {begun} and is {now}; restore the file; or pass \
         `--replace` to `migrate` or `finalize`, which keeps what is computed and continues with the file that is there now, or \
         `--restart`, which computes all rows anew"
    )]
    ChangedTransformation {
        step: String,
        begun: String,
        now: String,
    },
    /// A directory of files for tenants cannot be read.
    #[error("cannot read the directory `{}` of `sources.{setting}`: {source}", .directory.display())]
    SourceDirectory {
        setting: &'static str,
        directory: PathBuf,
        source: std::io::Error,
    },
    /// The directory of seeds cannot be read.
    #[error("cannot read the directory `{}` of `seeds`: {source}", .directory.display())]
    Seeds {
        directory: PathBuf,
        source: std::io::Error,
    },
    /// A directory of files for tenants is configured twice.
    #[error(
        "`sources.{setting}` names the directory `{directory}`, which is configured before: name it once"
    )]
    DirectoryTwice {
        setting: &'static str,
        directory: String,
    },
    /// A file of a new step cannot be made.
    #[error("cannot make `{}`: {source}", .path.display())]
    New {
        path: PathBuf,
        source: std::io::Error,
    },
    /// There is a project already, or something in its place.
    #[error("{} is there already: a project is begun once, and `wasmigrate new` begins the next step; nothing was made", path.display())]
    ProjectExists { path: PathBuf },
    /// A new step cannot be called so.
    #[error("a step cannot be called so: `{name}` {why}")]
    NewName { name: String, why: String },
    /// A SQL file cannot be taken apart.
    #[error("`{label}`, line {line}: {why}")]
    Sql {
        label: String,
        line: usize,
        why: String,
    },
}

/// A file that is not understood.
#[derive(Clone, Debug)]
pub struct Strange {
    /// The file's name.
    pub file_name: String,
    /// What it is instead of a step.
    pub why: String,
}

fn listed(files: &[Strange]) -> String {
    let lines = files
        .iter()
        .map(|file| format!("  `{}` {}", file.file_name, file.why));
    lines.collect::<Vec<_>>().join("\n")
}
