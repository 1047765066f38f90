//! One target, many tenants: each has what the files say, exactly once, whatever happens meanwhile.

mod adding;
mod atomic;
mod components;
mod drift;
mod finalizing;
mod gone;
mod history;
mod killed;
mod late;
mod left_lines;
mod lines;
mod once;
mod only_failed;
mod outside;
mod parallel;
mod phases;
mod plan;
mod removing;
mod scripts;
mod service;
mod tried_again;
mod waiting;

use crate::application::{self, Application, Kind};
use crate::place::Place;

/// A place whose files are in `single`, `tenants`, `scripts` (for the target) and `views` (for tenants).
pub fn target() -> Place {
    at(Place::new())
}

/// The same where it is.
fn at(place: Place) -> Place {
    let place = place
        .with_variable("WASMIGRATE_SOURCES_SINGLE_MIGRATIONS", "single")
        .with_variable("WASMIGRATE_SOURCES_TENANT_MIGRATIONS", "tenants")
        .with_variable("WASMIGRATE_SOURCES_SINGLE_SCRIPTS", "scripts")
        .with_variable("WASMIGRATE_SOURCES_TENANT_SCRIPTS", "views");
    for directory in ["single", "tenants", "scripts", "views"] {
        std::fs::create_dir_all(place.path().join("migrations").join(directory)).unwrap();
    }
    place
}

/// A table that counts how often it was written to, in each tenant.
pub fn counting() -> Place {
    target().with_sql(
        "tenants/001_begin.sql",
        "CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL);
         INSERT INTO {schema}.counted VALUES (1, '{schema}');",
    )
}

/// Another file for tenants that would not bear being applied twice.
const ADD: &str = "INSERT INTO {schema}.counted VALUES (10, '{schema}');";

pub trait Tenants {
    fn with_tenants(self, names: &[&str]) -> Self;
    fn copy_with_tenants(&self) -> Self;
    fn of_tenant(&self, tenant: &str) -> Application;
    fn sum(&self, tenant: &str) -> String;
}

impl Tenants for Place {
    /// Adds tenants, one after the other.
    fn with_tenants(self, names: &[&str]) -> Self {
        for name in names {
            self.run(&["tenants", "add", name]).ends_with(0);
        }
        self
    }

    /// Another place that is the same in all, with the directories of files and the files of tenants.
    fn copy_with_tenants(&self) -> Self {
        let copy = self.copy();
        let from = self.path().join(".");
        let copied = std::process::Command::new("cp")
            .args([std::path::Path::new("-a"), &from, copy.path()])
            .status();
        assert!(copied.unwrap().success());
        copy
    }

    /// A connection to a tenant's data.
    fn of_tenant(&self, tenant: &str) -> Application {
        match application::kind() {
            Kind::Sqlite => {
                let directory = self.path().join("wasmigrate.db.tenants");
                Application::open_file(&directory.join(format!("{tenant}.db")))
            }
            Kind::Postgres => {
                let mut application = self.connect();
                application.run(&format!("SET search_path = \"{tenant}\""));
                application
            }
        }
    }

    /// The sum of what was counted; nothing when there is no such table.
    fn sum(&self, tenant: &str) -> String {
        let mut application = self.of_tenant(tenant);
        let tables = Place::in_sql_of(
            "SELECT count(*) FROM sqlite_master WHERE name = 'counted'",
            "SELECT count(to_regclass('counted'))",
        );
        if first(&mut application, tables) == "0" {
            return String::new();
        }
        first(
            &mut application,
            "SELECT CAST(sum(value) AS TEXT) FROM counted",
        )
    }
}

fn first(application: &mut Application, query: &str) -> String {
    let row = application.rows(query).into_iter().next();
    row.and_then(|row| row.into_iter().next().flatten())
        .unwrap_or_default()
}

fn names(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("tenant_{number}"))
        .collect()
}

/// Adds many tenants at once, as an application that registers them itself.
fn register(place: &Place, names: &[String]) {
    // Makes our own tables.
    place.run(&["tenants", "add", &names[0]]).ends_with(0);
    let mut application = place.connect();
    for name in &names[1..] {
        if application::kind() == Kind::Postgres {
            application.run(&format!("CREATE SCHEMA {name}"));
        }
        application.run(&format!(
            "INSERT INTO wasmigrate_tenant VALUES ('{name}', 0)"
        ));
    }
}
