//! `inspect`: what a component is, and what it may do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::release_steps::options;
use super::terminal::{Terminal, printable_lines};
use super::{CommandError, GlobalArguments, Manner, REFUSED, release};
use crate::catalog::{Allowances, Role, StepFile, StepKind};
use crate::config::Config;
use crate::database::Sqlite;
use crate::engine::Inspection;
use crate::releases::{ReleaseReference, ResolvedRelease, is_reference};
use crate::sandbox::{Phases, Transformation, is_wasi};

#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// The component or the script, or a release such as oci://HOST/REPOSITORY:VERSION
    #[arg(value_name = "STEP")]
    step: PathBuf,
    /// The step of a release to look at: its number or its name
    #[arg(long = "step", value_name = "STEP")]
    of_release: Option<String>,
    /// Print the world that the component was built for, with all its types
    #[arg(long)]
    wit: bool,
}

pub(super) async fn run(
    global: &GlobalArguments,
    arguments: &InspectArguments,
    terminal: &Terminal,
) -> Result<u8, CommandError> {
    let config = global.config()?;
    let Some(path) = path(global, &config, arguments, terminal)? else {
        return Ok(0);
    };
    let empty = Arc::new(Sqlite::empty(config.session_limits()));
    let engine = super::engine(
        config,
        empty,
        Allowances::default(),
        Manner::default(),
        None,
        None,
    );
    let file_name = path.display().to_string();
    let file = StepFile {
        index: 0,
        name: file_name.clone(),
        kind: form(&path),
        file_name,
        path,
        undo: None,
        metadata: None,
        role: Role::default(),
    };
    let inspection = engine
        .inspect(&file)
        .await
        .map_err(|failure| CommandError {
            status: REFUSED,
            message: format!("`{}`: {failure}", file.file_name),
            failure: Some(Box::new(failure)),
        })?;
    if terminal.json() {
        terminal.document(&inspection);
    } else {
        show(&file.file_name, &inspection, arguments.wit, terminal);
    }
    Ok(0)
}

/// The file to look at; none where a release was named, which is shown.
fn path(
    global: &GlobalArguments,
    config: &Config,
    arguments: &InspectArguments,
    terminal: &Terminal,
) -> Result<Option<PathBuf>, CommandError> {
    let named = arguments.step.to_string_lossy();
    if !is_reference(&named) {
        return match arguments.of_release {
            None => Ok(Some(arguments.step.clone())),
            Some(_) => Err(anyhow::anyhow!(
                "`--step` is for releases such as oci://HOST/REPOSITORY:VERSION: leave it out"
            )
            .into()),
        };
    }
    let options = options(config);
    let resolved = ResolvedRelease::checked(&ReleaseReference::parse(&named)?, &options)?;
    match &arguments.of_release {
        Some(step) => {
            let path = release::step(&resolved, step, &options)?;
            let is_sql = path
                .extension()
                .is_some_and(|ending| ending.eq_ignore_ascii_case("sql"));
            if !is_sql {
                return Ok(Some(path));
            }
            release::show_sql(&path, terminal)?;
            Ok(None)
        }
        None => {
            let trust = global.source.policy(config)?;
            release::show(&resolved, trust.as_ref(), &options, terminal)?;
            Ok(None)
        }
    }
}

/// The form of a file by its ending; what has none of a script is taken for a component.
fn form(step: &Path) -> StepKind {
    let is_of = |kind: &StepKind| {
        let ending = kind.ending().trim_start_matches('.');
        let extension = step.extension();
        extension.is_some_and(|extension| extension.eq_ignore_ascii_case(ending))
    };
    let mut scripts = StepKind::ALL.into_iter().filter(|kind| kind.is_script());
    scripts.find(is_of).unwrap_or(StepKind::Wasm)
}

fn show(file_name: &str, inspection: &Inspection, with_wit: bool, terminal: &Terminal) {
    let transaction = match (&inspection.transformation, inspection.transactional) {
        (Some(_), _) => "each chunk of rows in one of its own",
        (None, true) => "runs inside a transaction",
        (None, false) => "runs outside a transaction",
    };
    terminal.line(&format!("file         {file_name}"));
    terminal.line(&format!("description  {}", inspection.summary));
    terminal.line(&format!("size         {} bytes", inspection.size));
    terminal.line(&format!("sha256       {}", inspection.digest));
    terminal.line(&format!("transaction  {transaction}"));
    if let Some(phases) = inspection.phases {
        terminal.line(&format!("phases       {}", names(phases)));
    }
    if let Some(transformation) = &inspection.transformation {
        terminal.line(&format!("transforms   {}", columns(transformation)));
    }
    terminal.line("it may");
    for ability in &inspection.interface.abilities {
        terminal.line(&format!("  {ability}"));
    }
    if inspection.interface.abilities.is_empty() {
        terminal.line("  do nothing but compute");
    }
    terminal.line("imports");
    let imports = inspection.interface.imports.iter();
    let (wasi, own): (Vec<_>, Vec<_>) = imports.partition(|import| is_wasi(import));
    for import in own {
        terminal.line(&format!("  {import}"));
    }
    if !wasi.is_empty() {
        let interfaces = match wasi.len() {
            1 => "1 interface".to_owned(),
            many => format!("{many} interfaces"),
        };
        terminal.line(&format!(
            "  {interfaces} of WASI, which grant nothing (--wit lists them)"
        ));
    }
    terminal.line("exports");
    for export in &inspection.interface.exports {
        terminal.line(&format!("  {export}"));
    }
    if !with_wit {
        return;
    }
    terminal.line("wit");
    // A component may carry any text as documentation.
    for line in inspection.world.lines() {
        terminal.line(format!("  {}", printable_lines(line)).trim_end());
    }
}

/// The phases that a step has.
fn names(phases: Phases) -> String {
    let mut names = vec!["migrate"];
    names.extend(phases.finalize.then_some("finalize"));
    names.push(if phases.reset { "reset" } else { "no reset" });
    names.join(", ")
}

/// The columns that a transformation makes of which.
fn columns(transformation: &Transformation) -> String {
    let derived: Vec<String> = transformation
        .derived
        .iter()
        .map(|column| {
            let required = if column.nullable { "" } else { " NOT NULL" };
            let name = format!("{} {}{required}", column.name, column.type_name);
            match &column.replaces {
                Some(replaced) => format!("{name} in the place of {replaced}"),
                None => name,
            }
        })
        .collect();
    let dropped = match transformation.dropped.is_empty() {
        true => String::new(),
        false => format!("; drops {}", transformation.dropped.join(", ")),
    };
    let rows = match &transformation.filter {
        Some(filter) => format!(", where {filter}"),
        None => String::new(),
    };
    printable_lines(&format!(
        "{}: {} → {}{dropped}{rows}",
        transformation.table,
        transformation.inputs.join(", "),
        derived.join(", ")
    ))
}
