//! What steps in compiled languages are compiled with. It comes with the host, so that there is nothing to fetch and its version fits.

use crate::contract;

/// Files of the SDK in Rust, which are in this repository below `guest-migrations/sdk`.
macro_rules! rust {
    ($($file:literal),+ $(,)?) => {
        [$((concat!("sdk/rust/", $file), include_str!(concat!("../../../../guest-migrations/sdk/", $file)))),+]
    };
}

/// Files of another, which are below `sdk`.
macro_rules! sdk {
    ($($file:literal),+ $(,)?) => {
        [$((concat!("sdk/", $file), include_str!(concat!("../../../../sdk/", $file)))),+]
    };
}

const RUST: [(&str, &str); 25] = rust![
    "Cargo.toml",
    "README.md",
    "src/batch.rs",
    "src/batches.rs",
    "src/bindings.rs",
    "src/builder.rs",
    "src/cells.rs",
    "src/database.rs",
    "src/error.rs",
    "src/export.rs",
    "src/from_value.rs",
    "src/lib.rs",
    "src/loader.rs",
    "src/lost.rs",
    "src/position.rs",
    "src/report.rs",
    "src/row.rs",
    "src/rows.rs",
    "src/savepoint.rs",
    "src/settings.rs",
    "src/step.rs",
    "src/texts.rs",
    "src/transform.rs",
    "src/validity.rs",
    "src/value.rs",
];

const C: [(&str, &str); 11] = sdk![
    "c/README.md",
    "c/wasmigrate.h",
    "c/contract.h",
    "c/cells.c",
    "c/database.c",
    "c/failure.c",
    "c/memory.c",
    "c/query.c",
    "c/step.c",
    "c/transform.c",
    "c/writer.c",
];

const ZIG: [(&str, &str); 11] = sdk![
    "zig/README.md",
    "zig/build.zig",
    "zig/build.zig.zon",
    "zig/wasmigrate.zig",
    "zig/contract.zig",
    "zig/database.zig",
    "zig/failure.zig",
    "zig/memory.zig",
    "zig/rows.zig",
    "zig/step.zig",
    "zig/writer.zig",
];

/// Files with their paths in the directory of projects.
pub(super) type Files = Vec<(String, String)>;

/// The SDK in Rust, with the contract that it generates its bindings from. In a workspace of its own it says itself what it has there
/// from the workspace.
pub(super) fn rust() -> Files {
    let mut files = all(&RUST);
    for (name, text) in &mut files {
        if name.ends_with("Cargo.toml") {
            *text = on_its_own(text);
        }
    }
    let contract = contract::FILES.iter();
    files.extend(contract.map(|(name, text)| (format!("wit/{name}"), (*text).to_owned())));
    files
}

/// The SDK in C.
pub(super) fn c() -> Files {
    all(&C)
}

/// The SDK in Zig.
pub(super) fn zig() -> Files {
    all(&ZIG)
}

fn all(files: &[(&str, &str)]) -> Files {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}

/// The manifest of a crate outside of a workspace.
fn on_its_own(manifest: &str) -> String {
    let mut manifest = manifest.replace("\n[lints]\nworkspace = true\n", "");
    for (name, value) in [
        ("version", concat!('"', env!("CARGO_PKG_VERSION"), '"')),
        ("edition", "\"2024\""),
        ("rust-version", "\"1.95\""),
        ("license", "\"Apache-2.0\""),
        ("publish", "false"),
    ] {
        manifest = manifest.replace(
            &format!("\n{name}.workspace = true"),
            &format!("\n{name} = {value}"),
        );
    }
    manifest
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_whole_of_each_sdk_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (directory, prefix, ending, files) in [
            ("guest-migrations/sdk/src", "sdk/rust/src/", "rs", rust()),
            ("sdk/c", "sdk/c/", "c", c()),
            ("sdk/c", "sdk/c/", "h", c()),
            ("sdk/zig", "sdk/zig/", "zig", zig()),
        ] {
            for entry in std::fs::read_dir(root.join(directory)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|it| it == ending) {
                    let name = path.file_name().unwrap().to_str().unwrap();
                    let name = format!("{prefix}{name}");
                    assert!(files.iter().any(|(file, _)| *file == name), "{name}");
                }
            }
        }
    }

    #[test]
    fn the_crate_stands_on_its_own() {
        let files = rust();
        let (_, manifest) = files
            .iter()
            .find(|(name, _)| name.ends_with("Cargo.toml"))
            .unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("\nrust-version = \"1."), "{manifest}");
    }
}
