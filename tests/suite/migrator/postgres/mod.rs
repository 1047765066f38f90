//! Over real HTTP, with a configuration file in that tool's form, and requests without any secret, as its clients send them.

mod applying;
mod conformance;
mod history;
mod negotiation;
mod tenants;
mod together;
mod unreachable;
mod webhook;

use std::path::PathBuf;

use serde_json::Value;
use url::Url;

use crate::place::Place;
use crate::service::client::{Answer, Request};
use crate::service::process::{Service, TOKEN};

/// Applies all that is new.
const APPLY: &str = r#"{"mode":"apply","response":"full"}"#;

/// A database, and the files of a fleet under `base`.
struct Fleet {
    place: Place,
}

impl Fleet {
    /// No files yet.
    fn new() -> Self {
        Self::at(Place::new())
    }

    fn at(place: Place) -> Self {
        let fleet = Self { place };
        for directory in ["ref", "tenants", "ref-scripts", "tenants-scripts"] {
            std::fs::create_dir_all(fleet.base().join(directory)).unwrap();
        }
        fleet.configure("");
        fleet
    }

    /// One single migration that makes its schema, one for tenants with a table, and a script of each kind that counts.
    fn with_files(self) -> Self {
        self.write("ref/201.sql", "create schema {schema};\n");
        self.write(
            "ref/202.sql",
            "create table {schema}.run (at text);\ncreate table {schema}.told (tenant text);\n",
        );
        self.write(
            "tenants/301.sql",
            "create table {schema}.module (id integer);\n",
        );
        self.write(
            "ref-scripts/401.sql",
            "insert into ref.run values ('single');\n",
        );
        self.write(
            "tenants-scripts/501.sql",
            "insert into ref.told values ('{schema}');\n",
        );
        self
    }

    fn base(&self) -> PathBuf {
        self.place.path().join("base")
    }

    /// Writes a file; its path is relative to the base.
    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.base().join(path), content).unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.base().join(path)).unwrap();
    }

    /// Writes the configuration, with more lines than every one has.
    fn configure(&self, more: &str) {
        self.configure_with(&self.base().display().to_string(), more);
    }

    fn configure_with(&self, base: &str, more: &str) {
        let url = Url::parse(&self.place.url()).unwrap();
        let text = format!(
            "baseLocation: {base}\n\
             driver: postgres\n\
             dataSource: \"user=app dbname={} host=127.0.0.1 port={} sslmode=disable connect_timeout=5\"\n\
             singleMigrations:\n- ref\n\
             tenantMigrations:\n- tenants\n\
             singleScripts:\n- ref-scripts\n\
             tenantScripts:\n- tenants-scripts\n{more}",
            url.path().trim_start_matches('/'),
            url.port().unwrap(),
        );
        std::fs::write(self.place.path().join("migrator.yaml"), text).unwrap();
    }

    /// Starts the service as a user of that tool would, but on a free port.
    fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    fn serve_with(&self, arguments: &[&str]) -> Service {
        let mut command = self.place.command(&["serve", "--config", "migrator.yaml"]);
        command.args(["--listen", "127.0.0.1:0"]);
        command.args(arguments);
        command.env_remove("WASMIGRATE_DATABASE");
        Service::spawn(command)
    }

    /// The same with a token, which it demands.
    fn serve_with_token(&self) -> Service {
        std::fs::write(self.place.path().join("token"), TOKEN).unwrap();
        self.serve_with(&["--token-file", "token"])
    }

    /// How many rows a table has.
    #[track_caller]
    fn count(&self, table: &str) -> i64 {
        self.place.one(&format!("SELECT count(*) FROM {table}"))
    }

    /// Whether there is such a schema.
    fn has_schema(&self, name: &str) -> bool {
        let schemas = self.place.texts("SELECT nspname FROM pg_namespace");
        schemas.iter().any(|schema| schema == name)
    }

    /// An answer without what is different each time: times, durations, numbers of rows and the base's path.
    fn masked(&self, body: &str) -> String {
        let mut text = body.replace(&self.base().display().to_string(), "BASE");
        for (key, end) in [
            ("\"startedAt\":\"", '"'),
            ("\"appliedAt\":\"", '"'),
            ("\"created\":\"", '"'),
            ("\"duration\":", ','),
            ("\"id\":", ','),
        ] {
            text = masked_behind(&text, key, end);
        }
        text
    }
}

fn masked_behind(text: &str, key: &str, end: char) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(key) {
        let (value, behind) = after.split_once(end).unwrap();
        assert!(!value.is_empty(), "{key} in {text}");
        masked.push_str(&format!("{before}{key}*{end}"));
        rest = behind;
    }
    masked + rest
}

/// A request without any secret.
fn request(method: &str, path: &str, body: &str) -> Request {
    let mut request = Request::get(path).without("Authorization");
    request.method = method.to_owned();
    request.body = body.as_bytes().to_vec();
    request
}

#[track_caller]
fn get(service: &Service, path: &str) -> Answer {
    request("GET", path, "").send(service.address())
}

#[track_caller]
fn post(service: &Service, path: &str, body: &str) -> Answer {
    request("POST", path, body).send(service.address())
}

/// Applies all that is new, which must do; returns the results.
#[track_caller]
fn apply(service: &Service) -> Value {
    let answer = post(service, "/v1/migrations", APPLY);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"].clone()
}

/// Adds a tenant, which must do; returns the results.
#[track_caller]
fn add(service: &Service, name: &str) -> Value {
    let body = serde_json::json!({ "name": name, "mode": "apply", "response": "summary" });
    let answer = post(service, "/v1/tenants", &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"].clone()
}

/// Demands an error with this status and text.
#[track_caller]
fn refused(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(error.contains(text), "`{text}` is not in {error}");
}
