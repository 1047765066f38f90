//! From what the compiler writes to a component on disk.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// Every WebAssembly file starts with this.
const MAGIC: &[u8] = b"\0asm";
/// What follows tells a core module from a component.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// Writes the component of a compiled guest, if it is another one than there is already.
///
/// The target `wasm32-wasip2` gives components; a core module carries the contract in a section of its own, from which
/// the component is made here.
pub(super) fn make(artifact: &Path, destination: &Path) -> Result<()> {
    let compiled = fs::read(artifact)
        .with_context(|| format!("could not read the compiled guest {}", artifact.display()))?;
    let component = match compiled.strip_prefix(MAGIC) {
        Some(rest) if rest.starts_with(CORE_MODULE) => encode(&compiled)
            .with_context(|| format!("could not make a component of {}", artifact.display()))?,
        _ => compiled,
    };
    write_if_changed(destination, &component)
}

fn encode(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(module)?
        .encode()
}

/// Writes a file, if its content is another one than there is already; whoever reads it sees all of it or nothing.
pub(super) fn write_if_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    fs::write(&partial, content)
        .and_then(|()| fs::rename(&partial, path))
        .with_context(|| format!("could not write {}", path.display()))
}
