//! Every test: the host's own, the black-box suite, the guests'.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use wasmigrate_test_server::{Cluster, Durability, TEMPLATE};

use crate::cargo::{self, say};
use crate::{dataset, guests, python, zig};

pub(crate) fn run(filter: &[String]) -> Result<()> {
    require_programs()?;
    let target = cargo::target_directory()?;
    // First, for it sees to the target of Rust that the host's runners are built for, too.
    let built = guests::build(&target)?;
    python::prepare(&target);
    cargo::build_host(false)?;
    let python = python::runner(&target);
    let zig = zig::prepare(&target);
    let legacy = legacy_database(&target)?;
    let mut tests = cargo::cargo();
    tests
        .args(["test", "--workspace", "--exclude", "wasmigrate-tests", "--"])
        .args(filter);
    cargo::run(&mut tests)?;
    // A few tests are sooner done with the build that is there.
    if filter.is_empty() {
        cargo::build_host_of_suite()?;
    }
    let mut template = Cluster::start(Durability::None)?;
    template.stop()?;
    let server = Cluster::start(Durability::None)?;
    // What fails on one database does not hide what fails on the other.
    let mut outcome = Ok(());
    for database in ["sqlite", "postgres"] {
        say(&format!("the black-box suite on {database}"));
        // A module called `either` tests what is the same on each of them.
        let skipped: &[&str] = match database {
            "sqlite" => &["--skip", "postgres::"],
            _ => &["--skip", "sqlite::", "--skip", "either::"],
        };
        let mut suite = cargo::cargo();
        suite
            .args(["test", "--package", "wasmigrate-tests", "--"])
            .args(skipped)
            .args(filter)
            .env("WASMIGRATE_GUESTS", &built.bench)
            .env("WASMIGRATE_EXAMPLES", &built.migrations)
            .env("WASMIGRATE_LEGACY", &legacy)
            .env("WASMIGRATE_TEST_ON", database)
            .env(TEMPLATE, template.data())
            .env(
                "WASMIGRATE_TEST_POSTGRES",
                server.url("postgres", "postgres"),
            );
        match &python {
            Some(runner) => suite.env("WASMIGRATE_PYTHON_RUNNER", runner),
            None => suite.args(["--skip", "python::"]),
        };
        match &zig {
            Some(program) => suite.env(zig::VARIABLE, program),
            None => suite.args(["--skip", "projects::zig::"]),
        };
        if env::var_os(THREADS).is_none() {
            suite.env(THREADS, threads().to_string());
        }
        outcome = outcome.and(cargo::run(&mut suite));
    }
    drop(server);
    outcome?;
    let mut guest_tests = cargo::cargo();
    guest_tests
        .args(["test", "--"])
        .args(filter)
        .current_dir(guests::sources())
        .env("CARGO_TARGET_DIR", target.join("guest-tests"));
    cargo::run(&mut guest_tests)
}

/// The variable that says how many tests run at the same time.
const THREADS: &str = "RUST_TEST_THREADS";

/// Two tests a core: each waits about half of its time, for a lease that runs out, a lock that is not to be had, a clock.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) * 2
}

/// The database that the example steps are written for; each test takes a copy.
fn legacy_database(target: &Path) -> Result<PathBuf> {
    let directory = target.join("guests");
    let (path, fresh) = (directory.join("legacy.db"), directory.join("legacy.new.db"));
    if fresh.exists() {
        fs::remove_file(&fresh).with_context(|| format!("cannot remove {}", fresh.display()))?;
    }
    dataset::build(&fresh)?;
    fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What the tests need beside Rust: strace, with which the crash tests kill the host at chosen system calls, a PostgreSQL
/// server, a pooler for it, a browser with its driver, what makes WebAssembly of C: of that in the runner of JavaScript, and of
/// steps; a registry of container images with what keeps its passwords, a tool that copies images; a proxy before several
/// services, what judges the rules of alerts, and what
/// renders manifests.
fn require_programs() -> Result<()> {
    let missing = |package: &&str| match *package {
        "postgresql" => !Path::new("/usr/lib/postgresql").exists(),
        "chromium-driver" => !Path::new("/usr/bin/chromedriver").exists(),
        "llvm" => !Path::new("/usr/bin/llvm-ar").exists(),
        "wasi-libc" => !Path::new("/usr/include/wasm32-wasi/stdlib.h").exists(),
        "lld" => !Path::new("/usr/bin/wasm-ld").exists(),
        "libclang-rt-dev-wasm32" => !has_builtins(),
        "prometheus" => !Path::new("/usr/bin/promtool").exists(),
        "kubernetes-client" => !Path::new("/usr/bin/kubectl").exists(),
        "nginx-light" => !Path::new("/usr/sbin/nginx").exists(),
        "apache2-utils" => !Path::new("/usr/bin/htpasswd").exists(),
        package => !["/usr/bin", "/usr/sbin"]
            .iter()
            .any(|path| Path::new(path).join(package).exists()),
    };
    let packages: Vec<&str> = [
        "strace",
        "postgresql",
        "pgbouncer",
        "chromium-headless-shell",
        "chromium-driver",
        "clang",
        "llvm",
        "wasi-libc",
        "lld",
        "libclang-rt-dev-wasm32",
        "docker-registry",
        "skopeo",
        "apache2-utils",
        "nginx-light",
        "prometheus",
        "kubernetes-client",
    ]
    .into_iter()
    .filter(missing)
    .collect();
    if packages.is_empty() {
        return Ok(());
    }
    if Path::new("/usr/bin/apt-get").exists() {
        say(&format!(
            "installing what the tests need: {}",
            packages.join(", ")
        ));
        for arguments in [
            &["update", "-qq"][..],
            &["install", "-y", "-qq", "--no-install-recommends"],
        ] {
            let packages = if arguments.len() > 2 {
                &packages[..]
            } else {
                &[]
            };
            // What went wrong shows in the look below.
            let _ = Command::new("apt-get")
                .args(arguments)
                .args(packages)
                .env("DEBIAN_FRONTEND", "noninteractive")
                .status();
        }
    }
    match packages.into_iter().find(missing) {
        None => Ok(()),
        Some(package) => {
            bail!("the tests need {package}: install it with the system's package manager")
        }
    }
}

/// Whether the clang that is installed has the functions that it calls in WebAssembly.
fn has_builtins() -> bool {
    let mut clang = Command::new("clang");
    let clang = clang.args(["--target=wasm32-wasi", "--print-libgcc-file-name"]);
    clang.output().is_ok_and(|said| {
        let path = String::from_utf8_lossy(&said.stdout).into_owned();
        Path::new(path.trim()).is_file()
    })
}
