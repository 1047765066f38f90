//! What a developer does with this repository, in one command each.
//!
//! `cargo xtask demo` and `cargo xtask test` need nothing before them: they build, and fetch what is missing.

mod audit;
mod bench;
mod bill;
mod cargo;
mod compare;
mod dataset;
mod demo;
mod guests;
mod libraries;
mod python;
#[cfg(test)]
mod structure;
mod test;
mod zig;

use clap::{Parser, Subcommand};

/// The tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build host and steps, and migrate the example's database before your eyes
    Demo,
    /// Build everything and run every test
    Test {
        /// Passed on to the test binaries: a part of a test's name, `--nocapture` …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
    /// Measure, in the release profile, and print ratios
    Bench {
        /// What to measure; all when nothing is named
        #[arg(value_enum)]
        parts: Vec<bench::Part>,
        /// How many tenants with how many files, such as 10x1000; may be given again [default: the published sizes]
        #[arg(long, value_name = "TENANTSxFILES")]
        size: Vec<bench::Size>,
    },
    /// Run a directory of SQL files by the host and by the database's own shell, and compare what they leave
    Compare {
        /// The directory
        directory: std::path::PathBuf,
        /// The shell that says what is right
        #[arg(long, value_enum)]
        oracle: compare::Oracle,
    },
    /// Check that all libraries are as deny.toml allows
    Audit,
    /// Print the software bill of materials of the host, in the form of CycloneDX
    Sbom,
    /// Build the example steps and say where they are
    Guests,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Demo => demo::run(),
        Task::Test { filter } => test::run(&filter),
        Task::Bench { parts, size } => bench::run(&parts, &size),
        Task::Compare { directory, oracle } => compare::run(&directory, oracle),
        Task::Audit => audit::run(),
        Task::Sbom => {
            cargo::say(&serde_json::to_string_pretty(&bill::of_host()?)?);
            Ok(())
        }
        Task::Guests => {
            let built = guests::build(&cargo::target_directory()?)?;
            cargo::say(&built.migrations.display().to_string());
            Ok(())
        }
    }
}
