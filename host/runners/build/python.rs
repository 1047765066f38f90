//! Builds the runner of scripts in Python: CPython in a component, made by componentize-py.
//!
//! It is 20 MB, and no part of the binary: that knows its digest alone, and takes no other (`wasmigrate runner install`). What was
//! built stands in the target directory as `runners/python.wasm`. Two builds of the same sources differ, for the picture of the
//! interpreter's memory has its random seeds in it; so whoever releases a binary releases the runner that was built with it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{GUESTS, digest_of, hexadecimal};

/// What it is made of, below `guest-migrations`.
const SOURCES: [&str; 3] = ["runners/python", "runners/wit", "../wit"];

/// The package with IANA's time zones, and where it has them.
const ZONES: &str = "tzdata";
const ZONES_WITHIN: &str = "tzdata/zoneinfo";

/// The variable that names the program, and its name elsewhere.
const VARIABLE: &str = "COMPONENTIZE_PY";
const PROGRAM: &str = "componentize-py";

/// Builds it into the directory that all profiles share, and returns its digest; otherwise says why not.
pub(crate) fn build(shared: &Path) -> Result<String, String> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={GUESTS}/{source}");
    }
    println!("cargo:rerun-if-changed=build/python.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: io::Error| format!("{what}: {error}")
    };
    let tools = shared.join("tools");
    fs::create_dir_all(&tools).map_err(failed(&tools))?;
    println!("cargo:rerun-if-changed={}", tools.display());
    let program = program(&tools)?;
    let zones = zones(&program)?;
    let key = digest_of(&SOURCES, "build/python.rs", &[&program]).map_err(failed(shared))?;
    let kept = shared.join(format!("python-{key}.wasm"));
    if !kept.exists() {
        make(&program, &zones, &shared.join("python"), &kept)?;
    }
    let component = fs::read(&kept).map_err(failed(&kept))?;
    let current = shared.join("python.wasm");
    if fs::read(&current).is_ok_and(|old| old == component) {
        return Ok(hexadecimal(&component));
    }
    fs::copy(&kept, &current).map_err(failed(&current))?;
    Ok(hexadecimal(&component))
}

/// That of the variable, the one that the tasks have installed, or one that is installed for all.
fn program(tools: &Path) -> Result<String, String> {
    let works = |program: &String| {
        let asked = Command::new(program).arg("--version").output();
        asked.is_ok_and(|output| output.status.success())
    };
    if let Ok(named) = env::var(VARIABLE) {
        return match works(&named) {
            true => Ok(named),
            false => Err(format!("`{named}` of {VARIABLE} cannot be run")),
        };
    }
    let installed = tools.join("python/bin").join(PROGRAM);
    let mut programs = [installed.display().to_string(), PROGRAM.to_owned()].into_iter();
    programs.find(works).ok_or_else(|| {
        format!("there is no `{PROGRAM}` (`pip install {PROGRAM}`), which {VARIABLE} may name")
    })
}

/// The time zones, in a package that is installed beside the program.
fn zones(program: &str) -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|directory| directory.join(program));
    let program = programs.find_map(|program| program.canonicalize().ok());
    let installation = program
        .as_deref()
        .and_then(|program| program.ancestors().nth(2));
    let libraries = installation.and_then(|directory| fs::read_dir(directory.join("lib")).ok());
    let libraries = libraries.into_iter().flatten().flatten();
    let mut zones = libraries.flat_map(|library| {
        // Debian has its own name for the second.
        ["site-packages", "dist-packages"]
            .map(|packages| library.path().join(packages).join(ZONES_WITHIN))
    });
    zones
        .find(|zones| zones.is_dir())
        .ok_or_else(|| format!("there is no `{ZONES}` beside `{PROGRAM}` (`pip install {ZONES}`)"))
}

/// Makes the component, in a directory of its own: nothing else on this machine is taken for a part of it.
fn make(program: &str, zones: &Path, directory: &Path, component: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("the runner of Python cannot be built: {error}");
    let _ = fs::remove_dir_all(directory);
    let guests = Path::new(GUESTS);
    let copies = [
        ("runners/python/wasmigrate", "app/wasmigrate"),
        ("runners/python/wasmigrate_runner", "app/wasmigrate_runner"),
        ("runners/python/wit", "wit"),
        ("runners/wit", "wit/deps/runner"),
        ("../wit", "wit/deps/migration"),
        ("../wit/0.2", "wit/deps/migration-0.2"),
    ];
    for (from, to) in copies {
        copy(&guests.join(from), &directory.join(to)).map_err(failed)?;
    }
    let main = "runner.py";
    fs::copy(
        guests.join("runners/python").join(main),
        directory.join("app").join(main),
    )
    .map_err(failed)?;
    copy_whole(zones, &directory.join("app/zones")).map_err(failed)?;
    let made = directory.join("made.wasm");
    let output = Command::new(program)
        .current_dir(directory)
        .args(["--wit-path", "wit", "--world", "python", "componentize"])
        .args(["--python-path", "app", "runner", "--output"])
        .arg(&made)
        .output()
        .map_err(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().rfind(|line| !line.trim().is_empty());
        return Err(failed(io::Error::other(
            line.unwrap_or("no reason was given").to_owned(),
        )));
    }
    fs::rename(&made, component).map_err(failed)
}

/// Copies the files of a directory; what Python keeps beside them is none of them.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let files = entries(from)?;
    for file in files.iter().filter(|file| file.is_file()) {
        if let Some(name) = file.file_name() {
            fs::copy(file, to.join(name))?;
        }
    }
    Ok(())
}

/// Copies a directory with those in it.
fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    copy(from, to)?;
    for directory in entries(from)?.iter().filter(|entry| entry.is_dir()) {
        if let Some(name) = directory.file_name() {
            copy_whole(directory, &to.join(name))?;
        }
    }
    Ok(())
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect()
}
