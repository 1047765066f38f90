//! Builds the runners, which are components with an interpreter written in C in them. Without a compiler that makes
//! WebAssembly of C the rest is built all the same; scripts are refused then, with the reason.
//!
//! What was built is kept in the target directory by the digest of all that it is made of, for all profiles together: the
//! times of files, which a fresh clone has anew, do not matter.

#[path = "build/python.rs"]
mod python;

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

const GUESTS: &str = "../../guest-migrations";
const TARGET: &str = "wasm32-wasip2";

/// A component: the guest, and how it is built.
struct Part {
    name: &'static str,
    package: &'static str,
    /// The feature that says which world it has.
    world: Option<&'static str>,
    profile: &'static str,
}

const PARTS: [Part; 3] = [
    Part {
        name: "javascript_step",
        package: "wasmigrate-javascript-runner",
        world: Some("step"),
        profile: "runner",
    },
    Part {
        name: "javascript_transform",
        package: "wasmigrate-javascript-runner",
        world: Some("transform"),
        profile: "runner",
    },
    Part {
        name: "typescript",
        package: "wasmigrate-typescript-eraser",
        world: None,
        profile: "eraser",
    },
];

/// What the runners are made of, below `guest-migrations`.
const SOURCES: [&str; 8] = [
    "runners/javascript",
    "runners/typescript",
    "runners/wit",
    "sdk/src",
    "sdk/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "../wit",
];

/// Where Debian's package `wasi-libc` has the headers of C.
const HEADERS: &str = "/usr/include/wasm32-wasi";

/// Programs for C are installed here: when there was none, cargo looks here whether that has changed.
const PROGRAMS: &str = "/usr/bin";

/// Why there is no runner, and what to watch for a change of that.
struct Missing {
    why: String,
    watched: Option<PathBuf>,
}

/// A runner, compressed.
struct Runner {
    digest: String,
    deflated: Vec<u8>,
}

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={GUESTS}/{source}");
    }
    for variable in ["WASMIGRATE_CLANG", "WASMIGRATE_WASI_HEADERS"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo names no OUT_DIR"))?;
    let out = PathBuf::from(out);
    let (runners, missing) = match runners(&out) {
        Ok(runners) => (runners.map(Some), String::new()),
        Err(missing) => {
            if let Some(watched) = &missing.watched {
                println!("cargo:rerun-if-changed={}", watched.display());
            }
            let why = missing.why.replace('\n', " ");
            println!("cargo:warning=migrations in JavaScript cannot be run: {why}");
            (PARTS.map(|_| None), why)
        }
    };
    for (part, runner) in PARTS.iter().zip(runners) {
        let (digest, deflated) =
            runner.map_or_else(Default::default, |runner| (runner.digest, runner.deflated));
        fs::write(out.join(part.name), deflated)?;
        let name = part.name.to_uppercase();
        println!("cargo:rustc-env=WASMIGRATE_{name}_DIGEST={digest}");
    }
    println!("cargo:rustc-env=WASMIGRATE_RUNNERS_MISSING={missing}");
    let (digest, missing) = match python::build(&shared(&out)) {
        Ok(digest) => (digest, String::new()),
        Err(why) => (String::new(), why.replace('\n', " ")),
    };
    println!("cargo:rustc-env=WASMIGRATE_PYTHON_DIGEST={digest}");
    println!("cargo:rustc-env=WASMIGRATE_PYTHON_MISSING={missing}");
    Ok(())
}

/// What is built for all profiles together: beside `target/debug/build/wasmigrate-runners-…/out`.
fn shared(out: &Path) -> PathBuf {
    out.ancestors().nth(4).unwrap_or(out).join("runners")
}

fn runners(out: &Path) -> Result<[Runner; 3], Missing> {
    let tools = Tools::find()?;
    let failed = |what: &Path| {
        let what = what.display().to_string();
        move |error: io::Error| Missing {
            why: format!("{what}: {error}"),
            watched: None,
        }
    };
    let shared = shared(out);
    fs::create_dir_all(&shared).map_err(failed(&shared))?;
    // Two builds at once, say for two profiles, would write to the same files.
    let lock = File::create(shared.join("lock")).map_err(failed(&shared))?;
    lock.lock().map_err(failed(&shared))?;
    let kept = shared.join(key(&tools).map_err(failed(Path::new(GUESTS)))?);
    if !kept.exists() {
        let made = shared.join("made");
        let _ = fs::remove_dir_all(&made);
        fs::create_dir_all(&made).map_err(failed(&made))?;
        for part in &PARTS {
            let component = build(&tools, &shared, part)?;
            let deflated = miniz_oxide::deflate::compress_to_vec(&component, 9);
            fs::write(made.join(part.name), deflated).map_err(failed(&made))?;
            fs::write(
                made.join(format!("{}.sha256", part.name)),
                hexadecimal(&component),
            )
            .map_err(failed(&made))?;
        }
        fs::rename(&made, &kept).map_err(failed(&kept))?;
    }
    let [step, transform, typescript] = PARTS.map(|part| {
        Ok(Runner {
            digest: fs::read_to_string(kept.join(format!("{}.sha256", part.name)))?,
            deflated: fs::read(kept.join(part.name))?,
        })
    });
    Ok([
        step.map_err(failed(&kept))?,
        transform.map_err(failed(&kept))?,
        typescript.map_err(failed(&kept))?,
    ])
}

/// The digest of all that the runners are made of.
fn key(tools: &Tools) -> io::Result<String> {
    digest_of(&SOURCES, "build.rs", &[&tools.clang, &tools.rustc])
}

/// The digest of files below the guests, of the file that builds them, and of the versions of programs.
fn digest_of(sources: &[&str], builder: &str, programs: &[&str]) -> io::Result<String> {
    let mut files = Vec::new();
    for source in sources {
        find_files(&Path::new(GUESTS).join(source), &mut files)?;
    }
    files.push(PathBuf::from(builder));
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content = fs::read(&file)?;
        digest.update(format!("{} {}\n", file.display(), hexadecimal(&content)));
    }
    for program in programs {
        digest.update(Command::new(program).arg("--version").output()?.stdout);
    }
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        // Types for editors are in no component.
        let name = path.to_string_lossy();
        if !name.ends_with(".d.ts") && !name.ends_with(".pyi") {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        // What somebody has built by hand is no source.
        if entry
            .file_name()
            .is_none_or(|name| name != "target" && name != "__pycache__")
        {
            find_files(&entry, files)?;
        }
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn build(tools: &Tools, shared: &Path, part: &Part) -> Result<Vec<u8>, Missing> {
    let missing = |why: String| Missing { why, watched: None };
    let guests = fs::canonicalize(GUESTS).map_err(|error| missing(format!("{GUESTS}: {error}")))?;
    let home =
        env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| format!("{home}/.cargo")));
    let prefixes = [
        (guests.display().to_string(), "/guests"),
        (home.unwrap_or_default(), "/cargo"),
        (shared.display().to_string(), "/target"),
    ];
    // The same component wherever it is built.
    let rust: Vec<String> = prefixes
        .iter()
        .map(|(from, to)| format!("--remap-path-prefix={from}={to}"))
        .collect();
    let c: Vec<String> = prefixes
        .iter()
        .map(|(from, to)| format!("-ffile-prefix-map={from}={to}"))
        .collect();
    let target = shared.join("cargo");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&guests)
        .args(["build", "--quiet", "--locked", "--target", TARGET])
        .args(["--package", part.package, "--profile", part.profile])
        .args(part.world.iter().flat_map(|world| ["--features", world]))
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"))
        .env("RQUICKJS_SYS_NO_WASI_SDK", "1")
        .env("CC_wasm32_wasip2", &tools.clang)
        .env(
            "CFLAGS_wasm32_wasip2",
            format!(
                "--target=wasm32-wasi -isystem {} {}",
                tools.headers,
                c.join(" ")
            ),
        )
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS");
    let output = cargo
        .output()
        .map_err(|error| missing(format!("cargo cannot be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said
            .lines()
            .find(|line| line.contains("error"))
            .unwrap_or("no reason was given");
        return Err(missing(format!("the runner cannot be built: {line}")));
    }
    let component = target
        .join(TARGET)
        .join(part.profile)
        .join(format!("{}.wasm", part.package.replace('-', "_")));
    fs::read(&component).map_err(|error| missing(format!("{}: {error}", component.display())))
}

/// What compiles the runners.
struct Tools {
    rustc: String,
    clang: String,
    headers: String,
}

impl Tools {
    fn find() -> Result<Self, Missing> {
        let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        Ok(Self {
            clang: clang()?,
            headers: headers()?,
            rustc: has_target(&rustc).map(|()| rustc)?,
        })
    }
}

/// A clang that makes WebAssembly: that of the variable, or the newest that is installed.
fn clang() -> Result<String, Missing> {
    let makes_wasm = |name: &String| {
        let asked = Command::new(name).arg("--print-targets").output();
        asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("wasm32"))
    };
    if let Ok(clang) = env::var("WASMIGRATE_CLANG") {
        return match makes_wasm(&clang) {
            true => Ok(clang),
            false => Err(Missing {
                why: format!("`{clang}` of WASMIGRATE_CLANG is no clang that makes WebAssembly"),
                watched: None,
            }),
        };
    }
    let names = std::iter::once("clang".to_owned())
        .chain((11..30).rev().map(|version| format!("clang-{version}")));
    names.into_iter().find(makes_wasm).ok_or_else(|| Missing {
        why: "there is no clang that makes WebAssembly (Debian: clang)".to_owned(),
        watched: Some(PROGRAMS.into()),
    })
}

fn headers() -> Result<String, Missing> {
    let headers = env::var("WASMIGRATE_WASI_HEADERS").unwrap_or_else(|_| HEADERS.to_owned());
    if Path::new(&headers).join("stdlib.h").exists() {
        return Ok(headers);
    }
    Err(Missing {
        why: format!("there are no C headers for WebAssembly in {headers} (Debian: wasi-libc)"),
        watched: Path::new(&headers)
            .ancestors()
            .find(|ancestor| ancestor.is_dir())
            .map(Path::to_owned),
    })
}

fn has_target(rustc: &str) -> Result<(), Missing> {
    let library = |arguments: &[&str]| {
        let asked = Command::new(rustc)
            .args(["--print", "target-libdir"])
            .args(arguments)
            .output();
        let answer = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        PathBuf::from(answer.unwrap_or_default())
    };
    match library(&["--target", TARGET]).is_dir() {
        true => Ok(()),
        false => Err(Missing {
            why: format!("the installed Rust has no target {TARGET}: `rustup target add {TARGET}`"),
            // `lib/rustlib`, with a directory for each target
            watched: library(&[]).ancestors().nth(2).map(Path::to_owned),
        }),
    }
}
