//! C: a clang with libc for WebAssembly, or `zig cc`, which has all of that in itself.

use std::fs;
use std::path::{Path, PathBuf};

use super::tool::{Tool, run};
use super::{Error, Place, zig};

/// The variable that names a compiler, with arguments where it needs them.
const VARIABLE: &str = "WASMIGRATE_CC";
const TESTED: &str = "clang 14, and zig cc of Zig 0.17";

const ARGUMENTS: [&str; 6] = [
    "-std=gnu11",
    "-O2",
    "-Wall",
    // Functions to be called, and no `main`.
    "-mexec-model=reactor",
    // The names of functions stay, so that a backtrace can tell them.
    "-Wl,--strip-debug",
    "-o",
];

pub(super) fn compile(place: &Place<'_>) -> Result<Vec<u8>, Error> {
    let (compiler, libraries) = compiler()?;
    let sdk = place.sdk_of("c")?;
    let output = place.output()?;
    let mut command = compiler.command();
    command
        .arg("--target=wasm32-wasi")
        .args(ARGUMENTS)
        .arg(&output)
        .arg("-I")
        .arg(&sdk)
        .args(sources(&place.sources)?)
        .args(sources(&sdk)?)
        .args(libraries);
    zig::keep_in(&mut command, place)?;
    run(&mut command, place)?;
    fs::read(&output).map_err(Error::reading(&output))
}

/// The compiler, and the libraries that it does not find by itself.
fn compiler() -> Result<(Tool, &'static [&'static str]), Error> {
    if let Some(named) = Tool::of_variable(VARIABLE) {
        return Ok((named, &[]));
    }
    let clang = Tool::new(&["clang"]);
    if is_complete(&clang) {
        // printf of `long double`; what stands in for it in Debian's libc would write to a standard error that is not there.
        return Ok((clang, &["-lc-printscan-long-double"]));
    }
    zig::tool()
        .map(|zig| (zig.and("cc"), &[][..]))
        .ok_or_else(|| Error::MissingTool {
            what: "a C compiler for WebAssembly",
            install: format!(
                "`apt-get install clang lld wasi-libc libclang-rt-dev-wasm32` on Debian, `pip install ziglang` elsewhere; \
                 {VARIABLE} may name another"
            ),
            tested: TESTED,
        })
}

/// Whether a clang has all that belongs to it: Debian has it in four packages.
fn is_complete(clang: &Tool) -> bool {
    let finds = |what: &str| {
        let said = clang.says(&["--target=wasm32-wasi", what]);
        said.is_some_and(|path| Path::new(path.trim()).is_absolute())
    };
    finds("--print-prog-name=wasm-ld")
        && finds("--print-file-name=libc-printscan-long-double.a")
        && clang
            .says(&["--target=wasm32-wasi", "--print-libgcc-file-name"])
            .is_some_and(|path| Path::new(path.trim()).is_file())
}

/// The files of C in a directory, in order.
fn sources(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(Error::reading(directory))? {
        let path = entry.map_err(Error::reading(directory))?.path();
        if path.extension().is_some_and(|ending| ending == "c") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
