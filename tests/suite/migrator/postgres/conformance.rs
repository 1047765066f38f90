//! The specification, row by row: each request with the answer that is fixed for it, byte by byte.

use sha2::{Digest as _, Sha256};

use super::{APPLY, Fleet, get, post, request};

const INVALID: &str =
    r#"{"error":"Invalid request, please see documentation for valid JSON payload"}"#;

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file as answers show it.
fn file(directory: &str, name: &str, kind: u8, contents: Option<&str>, text: &str) -> String {
    let contents = contents.map_or_else(String::new, |contents| {
        format!("\"contents\":{},", serde_json::to_string(contents).unwrap())
    });
    format!(
        r#"{{"name":"{name}","sourceDir":"BASE/{directory}","file":"BASE/{directory}/{name}","migrationType":{kind},{contents}"checkSum":"{}"}}"#,
        sha256(text)
    )
}

const FILES: [(&str, &str, u8, &str); 4] = [
    ("ref", "201.sql", 1, "create schema {schema};\n"),
    (
        "tenants",
        "301.sql",
        2,
        "create table {schema}.module (id integer);\n",
    ),
    (
        "ref-scripts",
        "401.sql",
        3,
        "create table if not exists ref.run (at text);\n",
    ),
    (
        "tenants-scripts",
        "501.sql",
        4,
        "insert into {schema}.module values (1);\n",
    ),
];

fn fleet() -> Fleet {
    let fleet = Fleet::new();
    for (directory, name, _, text) in FILES {
        fleet.write(&format!("{directory}/{name}"), text);
    }
    fleet
}

/// All files in their order, as answers show them.
fn files(with_contents: bool, kinds: &[u8]) -> String {
    let files = FILES.iter().filter(|(_, _, kind, _)| kinds.contains(kind));
    let files: Vec<String> = files
        .map(|(directory, name, kind, text)| {
            file(directory, name, *kind, with_contents.then_some(*text), text)
        })
        .collect();
    files.join(",")
}

fn results(counts: [u64; 9], version: &str) -> String {
    let [
        tenants,
        single,
        tenant,
        tenant_total,
        grand,
        scripts,
        tenant_scripts,
        scripts_total,
        scripts_grand,
    ] = counts;
    format!(
        r#"{{"results":{{"startedAt":"*","duration":*,"tenants":{tenants},"singleMigrations":{single},"tenantMigrations":{tenant},"tenantMigrationsTotal":{tenant_total},"migrationsGrandTotal":{grand},"singleScripts":{scripts},"tenantScripts":{tenant_scripts},"tenantScriptsTotal":{scripts_total},"scriptsGrandTotal":{scripts_grand},"versionId":{version}}}"#
    )
}

#[test]
fn every_answer_is_what_clients_know() {
    let fleet = fleet();
    let service = fleet.serve();
    let all = [1, 2, 3, 4];
    let with =
        |results: String, files: String| format!("{results},\"appliedMigrations\":[{files}]}}");
    let tenant = r#"{"name":"one","mode":"apply","response":"RESPONSE"}"#;
    let cases: Vec<(&str, &str, String, u16, String)> = vec![
        (
            "GET",
            "/v1/migrations/source",
            String::new(),
            200,
            format!("[{}]", files(true, &all)),
        ),
        (
            "GET",
            "/v1/migrations/applied",
            String::new(),
            200,
            "[]".to_owned(),
        ),
        ("GET", "/v1/tenants", String::new(), 200, "[]".to_owned()),
        (
            "POST",
            "/v1/migrations",
            r#"{"mode":"dry-run","response":"list"}"#.to_owned(),
            200,
            with(
                results([0, 1, 0, 0, 1, 1, 0, 0, 1], "0"),
                files(false, &[1, 3]),
            ),
        ),
        (
            "GET",
            "/v1/migrations/applied",
            String::new(),
            200,
            "[]".to_owned(),
        ),
        (
            "POST",
            "/v1/migrations",
            APPLY.to_owned(),
            200,
            with(
                results([0, 1, 0, 0, 1, 1, 0, 0, 1], "1"),
                files(true, &[1, 3]),
            ),
        ),
        (
            "POST",
            "/v1/tenants",
            tenant.replace("RESPONSE", "list"),
            200,
            with(
                results([1, 0, 1, 1, 1, 0, 1, 1, 1], "2"),
                files(false, &[2, 4]),
            ),
        ),
        (
            "POST",
            "/v1/tenants",
            tenant.replace("one", "two").replace("RESPONSE", "summary"),
            200,
            format!("{}}}", results([1, 0, 1, 1, 1, 0, 1, 1, 1], "3")),
        ),
        (
            "GET",
            "/v1/tenants",
            String::new(),
            200,
            r#"["one","two"]"#.to_owned(),
        ),
        (
            "POST",
            "/v1/migrations",
            r#"{"mode":"apply","response":"summary"}"#.to_owned(),
            200,
            format!("{}}}", results([2, 0, 0, 0, 0, 1, 1, 2, 3], "4")),
        ),
    ];
    for (method, path, body, status, expected) in cases {
        let answer = request(method, path, &body).send(service.address());
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert_eq!(
            fleet.masked(&answer.body),
            expected,
            "{method} {path} {body}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/json; charset=utf-8"),
            "{method} {path}"
        );
    }
    let applied = fleet.masked(&get(&service, "/v1/migrations/applied").body);
    let row = |(directory, name, kind, text): (&str, &str, u8, &str), schema: &str| {
        let file = file(directory, name, kind, Some(text), text);
        let file = file.strip_suffix('}').unwrap();
        format!(r#"{file},"id":*,"schema":"{schema}","appliedAt":"*","created":"*"}}"#)
    };
    let expected = [
        row(FILES[0], "ref"),
        row(FILES[1], "one"),
        row(FILES[1], "two"),
        row(FILES[2], "ref-scripts"),
        row(FILES[2], "ref-scripts"),
        row(FILES[3], "one"),
        row(FILES[3], "two"),
        row(FILES[3], "one"),
        row(FILES[3], "two"),
    ];
    assert_eq!(applied, format!("[{}]", expected.join(",")));
}

#[test]
fn nothing_to_apply_counts_nothing() {
    let fleet = fleet();
    fleet.remove("ref-scripts/401.sql");
    fleet.remove("tenants-scripts/501.sql");
    let service = fleet.serve();
    super::apply(&service);
    super::add(&service, "one");
    for mode in ["apply", "sync", "dry-run"] {
        let body = format!(r#"{{"mode":"{mode}","response":"full"}}"#);
        let answer = post(&service, "/v1/migrations", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let expected = format!("{}}}", results([0; 9], "0"));
        assert_eq!(fleet.masked(&answer.body), expected, "{mode}");
    }
}

#[test]
fn a_body_with_any_flaw_is_invalid() {
    let fleet = fleet();
    let service = fleet.serve();
    for body in [
        "",
        "null",
        "[]",
        "\"apply\"",
        "{",
        "{}",
        r#"{"mode":"apply"}"#,
        r#"{"response":"full"}"#,
        r#"{"mode":"Apply","response":"full"}"#,
        r#"{"mode":"apply","response":"FULL"}"#,
        r#"{"mode":"","response":"full"}"#,
        r#"{"mode":null,"response":"full"}"#,
        r#"{"mode":1,"response":"full"}"#,
        r#"{"mode":["apply"],"response":"full"}"#,
        r#"{"mode":"apply","response":"full"} trailing"#,
        r#"{"mode":"apply","response":"full",}"#,
        "mode=apply&response=full",
    ] {
        for path in ["/v1/migrations", "/v1/tenants"] {
            let answer = post(&service, path, body);
            assert_eq!(
                (answer.status, &*answer.body),
                (400, INVALID),
                "{path} {body}"
            );
        }
    }
    for name in [
        "",
        r#""name":"","#,
        r#""name":null,"#,
        r#""name":7,"#,
        r#""name":{},"#,
    ] {
        let body = format!(r#"{{{name}"mode":"apply","response":"full"}}"#);
        let answer = post(&service, "/v1/tenants", &body);
        assert_eq!((answer.status, &*answer.body), (400, INVALID), "{body}");
    }
    assert!(!fleet.has_schema("ref"), "something was applied");
}

#[test]
fn what_does_not_matter_in_a_body_does_not_count() {
    let fleet = fleet();
    let service = fleet.serve();
    for (media_type, body) in [
        (
            "application/json",
            r#"{"MODE":"dry-run","Response":"summary"}"#,
        ),
        ("text/plain", r#"{"mode":"dry-run","response":"summary"}"#),
        (
            "image/png",
            " {\"mode\":\"dry-run\",\"response\":\"summary\",\"more\":{\"a\":[1,null]}}\n",
        ),
        // Of several, the last counts, in whichever case.
        (
            "text/plain",
            r#"{"mode":"apply","MoDe":"dry-run","response":"x","response":"summary"}"#,
        ),
    ] {
        let answer = request("POST", "/v1/migrations", body)
            .with("Content-Type", media_type)
            .send(service.address());
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
    }
    let tenant = r#"{"NAME":"one","mode":"dry-run","RESPONSE":"summary"}"#;
    assert_eq!(post(&service, "/v1/migrations", APPLY).status, 200);
    assert_eq!(post(&service, "/v1/tenants", tenant).status, 200);
    assert!(!fleet.has_schema("one"), "a rehearsal stayed");
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let fleet = fleet();
    let more = "port: 8181\nwebHookURL: http://127.0.0.1:9/services/T0/SECRET\n\
                webHookHeaders:\n- 'X-Token: SECRET'\n- 'Content-Type: text/plain'\n";
    fleet.configure(more);
    let file = fleet.place.path().join("migrator.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("user=app ", "user=app password=SECRET "),
    )
    .unwrap();
    let service = fleet.serve();
    let answer = get(&service, "/v1/config");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/x-yaml; charset=utf-8")
    );
    assert!(!answer.body.contains("SECRET"), "{}", answer.body);
    for line in [
        "driver: postgres",
        "singleMigrations:\n- ref\n",
        "tenantScripts:\n- tenants-scripts\n",
        "pathPrefix: /\n",
        "webHookURL: http://127.0.0.1:9/*****\n",
    ] {
        assert!(
            answer.body.contains(line),
            "`{line}` is not in {}",
            answer.body
        );
    }
    let keys: Vec<&str> = answer
        .body
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .filter(|key| !key.starts_with('-'))
        .collect();
    assert_eq!(
        keys,
        [
            "baseLocation",
            "driver",
            "dataSource",
            "singleMigrations",
            "tenantMigrations",
            "singleScripts",
            "tenantScripts",
            "port",
            "pathPrefix",
            "webHookURL",
            "webHookHeaders"
        ]
    );
}
