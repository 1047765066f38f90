//! What a component could do, told from its imports alone.

use std::fmt::Write as _;

use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::Component;
use wit_component::WitPrinter;

use crate::contract::STEP_EXPORTS;
use crate::output::cut;

/// What a component imports and exports.
#[derive(Clone, Debug, Serialize)]
pub struct Interface {
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
    /// What that lets it do, in words.
    pub abilities: Vec<&'static str>,
}

impl Interface {
    /// Leaves what a script's runner has for itself out: a script reaches none of it.
    pub(super) fn hide_the_runner(&mut self) {
        self.imports
            .retain(|import| import.starts_with("wasmigrate:migration/"));
        let is_step = self.exports.iter().any(|export| export == "migrate");
        self.exports.retain(|export| match is_step {
            true => STEP_EXPORTS.contains(&&**export),
            false => export != "inspect",
        });
        self.abilities = abilities(&self.imports, &self.exports);
    }

    /// What a script that is a transformation reaches of a runner for both worlds.
    pub(super) fn as_transformation(&self) -> Self {
        let is_data = |import: &&String| {
            ["/types@", "/transformations@"]
                .iter()
                .any(|data| import.contains(data))
        };
        let imports: Vec<String> = self.imports.iter().filter(is_data).cloned().collect();
        let exports = vec!["describe".to_owned(), "transform".to_owned()];
        Self {
            abilities: abilities(&imports, &exports),
            imports,
            exports,
        }
    }
}

/// The interfaces of WASI that the host offers, with nothing behind them.
const WASI: [&str; 6] = [
    "wasi:cli",
    "wasi:clocks",
    "wasi:filesystem",
    "wasi:io",
    "wasi:random",
    "wasi:sockets",
];

const OURS: [&str; 5] = ["database", "report", "settings", "types", "transformations"];

pub(super) fn interface(engine: &Engine, component: &Component) -> Interface {
    let component_type = component.component_type();
    let imports: Vec<String> = component_type
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let exports: Vec<String> = component_type
        .exports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let abilities = abilities(&imports, &exports);
    Interface {
        imports,
        exports,
        abilities,
    }
}

/// The world that a component was made for, as text of WIT with all its interfaces; only their names where its types have no
/// such text.
pub fn world(component: &[u8], interface: &Interface) -> String {
    written(component).unwrap_or_else(|_| names(interface))
}

pub(super) fn written(component: &[u8]) -> anyhow::Result<String> {
    let decoded = wit_component::decode(component)?;
    let packages = decoded.resolve().packages.iter();
    let others: Vec<_> = packages
        .map(|(id, _)| id)
        .filter(|id| *id != decoded.package())
        .collect();
    let mut printer = <WitPrinter>::default();
    printer.print(decoded.resolve(), decoded.package(), &others)?;
    Ok(printer.output.to_string())
}

fn names(interface: &Interface) -> String {
    let mut world = "world root {\n".to_owned();
    for (direction, names) in [
        ("import", &interface.imports),
        ("export", &interface.exports),
    ] {
        for name in names {
            let _ = writeln!(world, "  {direction} {name};");
        }
    }
    world.push_str("}\n");
    world
}

/// The imports that the host does not offer.
pub(super) fn unknown_imports(imports: &[String]) -> Vec<&str> {
    imports
        .iter()
        .map(String::as_str)
        .filter(|import| !is_offered(import))
        .collect()
}

/// Names that are said in an error, each of any length.
const SAID_NAMES: usize = 10;
const SAID_BYTES: usize = 500;

/// Names as an error says them: a component may have a million.
pub(super) fn some(names: &[&str]) -> String {
    let said = names.iter().take(SAID_NAMES);
    let said: Vec<String> = said.map(|name| cut(name, SAID_BYTES)).collect();
    match names.len().checked_sub(SAID_NAMES) {
        None | Some(0) => said.join(", "),
        Some(others) => format!("{} and {others} more", said.join(", ")),
    }
}

/// Whether an import is one of WASI, which language runtimes ask for, and which grants nothing.
pub fn is_wasi(import: &str) -> bool {
    import.starts_with("wasi:")
}

fn is_offered(import: &str) -> bool {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    if package == "wasmigrate:migration" {
        return OURS.contains(&interface) && version.starts_with("0.1.");
    }
    WASI.contains(&package) && version.starts_with("0.2.")
}

/// What a component may do that imports and exports these.
pub fn abilities(imports: &[String], exports: &[String]) -> Vec<&'static str> {
    let imports_from = |start: &str| imports.iter().any(|import| import.starts_with(start));
    let mut abilities = Vec::new();
    if super::transform::is_transformation(exports) {
        abilities.push("compute columns of a table from others, as a pure function: the host reads and writes them");
    }
    if imports_from("wasmigrate:migration/database") {
        abilities.push("read and change the database, inside the transaction that the host opens");
    }
    if imports_from("wasmigrate:migration/report") {
        abilities.push("write output, report progress, set checkpoints");
    }
    if imports_from("wasmigrate:migration/settings") {
        abilities.push("read the settings that the operator passes");
    }
    if imports.iter().any(|import| is_wasi(import)) {
        abilities.push(
            "start its language's runtime: no files, network, environment or arguments; standard output becomes output \
             of the step; the clock shows the recorded start of the run, and random numbers come from a recorded seed",
        );
    }
    abilities
}
