//! From what a compiler makes to a component: a core module is given the types of the contract, and what stands in for WASI's first
//! preview where a language's library asks for it.

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::Error;
use crate::contract;

/// What tells that a module is of a world: its exports. The first that fits is the one.
const WORLDS: [(&str, &[&str]); 3] = [
    ("wasmigrate:migration/step@0.2.0", &contract::STEP_EXPORTS),
    (
        "wasmigrate:migration/step@0.1.0",
        &["describe", "check", "count", "migrate", "finalize", "reset"],
    ),
    (TRANSFORM, &["describe", "transform"]),
];

const TRANSFORM: &str = "wasmigrate:migration/transform@0.1.0";

/// The component of what a compiler has made.
pub(super) fn of(compiled: Vec<u8>, name: &str) -> Result<Vec<u8>, Error> {
    if Parser::is_component(&compiled) {
        return Ok(compiled);
    }
    encoded(compiled).map_err(|error| Error::NoStep {
        name: name.to_owned(),
        why: format!("{error:#}"),
    })
}

fn encoded(mut module: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let (imports, exports) = names(&module)?;
    let exports_all = |functions: &[&str]| {
        functions
            .iter()
            .all(|function| exports.iter().any(|export| export == function))
    };
    let (world, _) = WORLDS
        .into_iter()
        .find(|(_, functions)| exports_all(functions))
        .ok_or_else(|| {
            anyhow::anyhow!(
                "it exports neither the functions of a step (`migrate` …) nor those of a transformation (`transform`)"
            )
        })?;
    let ours = |import: &&String| import.starts_with("wasmigrate:migration/");
    if let Some(import) = imports.iter().find(ours).filter(|_| world == TRANSFORM) {
        anyhow::bail!(
            "a transformation is a function of its row alone, and this one calls `{import}`"
        );
    }
    let mut resolve = Resolve::default();
    let mut packages = Vec::new();
    for package in contract::packages() {
        packages.push(resolve.push_str("wasmigrate.wit", &package)?);
    }
    let world = resolve.select_world(&packages, Some(world))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module)?;
    if imports
        .iter()
        .any(|import| import == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME)
    {
        encoder.adapter(
            WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )?;
    }
    encoder.encode()
}

/// The modules that it imports from, and what it exports.
fn names(module: &[u8]) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports.push(import?.module.to_owned());
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    exports.push(export?.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
