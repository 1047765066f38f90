//! Tenants: new ones, those that there are, and names that want to do harm.

use serde_json::json;

use super::{Fleet, add, apply, get, post, refused};

fn order(name: &str) -> String {
    json!({ "name": name, "mode": "apply", "response": "summary" }).to_string()
}

#[test]
fn a_tenant_that_there_is_already_is_told_so_and_nothing_runs_twice() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    for name in ["one", "ONE", "One"] {
        let answer = post(&service, "/v1/tenants", &order(name));
        refused(&answer, 409, name);
    }
    assert_eq!(get(&service, "/v1/tenants").body, r#"["one"]"#);
    assert_eq!(fleet.count("ref.told"), 1);
    assert_eq!(apply(&service)["tenants"], 1);
}

#[test]
fn a_tenant_that_came_another_way_gets_what_it_lacks() {
    let fleet = Fleet::new().with_files();
    fleet.place.connect().run(
        "create table customers (name text primary key, active boolean not null); create schema late; create schema one",
    );
    fleet.configure(
        "tenantSelectSQL: select name from customers where active order by name\n\
         tenantInsertSQL: insert into customers (name, active) values ($1, true)\n",
    );
    let service = fleet.serve();
    apply(&service);
    add(&service, "one");
    fleet
        .place
        .connect()
        .run("insert into customers values ('late', true), ('gone', false)");
    assert_eq!(get(&service, "/v1/tenants").body, r#"["late","one"]"#);
    let results = apply(&service);
    assert_eq!(results["tenantMigrationsTotal"], 1, "{results}");
    assert_eq!(fleet.count("late.module"), 0);
    let active: String = fleet
        .place
        .one("SELECT active::text FROM customers WHERE name = 'one'");
    assert_eq!(active, "true");
}

#[test]
fn no_name_is_executed() {
    let fleet = Fleet::new().with_files();
    let service = fleet.serve();
    apply(&service);
    fleet
        .place
        .connect()
        .run("create table victim (id integer); create schema bystander");
    let long = "a".repeat(63);
    let too_long = "a".repeat(64);
    let much_too_long = "a".repeat(300);
    let names = [
        "x; drop table victim; --",
        "x\"; drop table victim; --",
        "x'; drop table victim; --",
        "x'); drop table victim; --",
        "x.module (id integer); drop table victim; create table x",
        "\"",
        "'",
        "''",
        "$$",
        "$1",
        "{schema}",
        "a b",
        " ",
        "a\nb",
        "a\u{0}b",
        "a/b",
        "../a",
        "a\\b",
        "-- a",
        "/* a",
        "pg_catalog",
        "pg_temp",
        "information_schema",
        "bystander\"",
        "Ünïcode",
        "名前",
        "🦀",
        "select",
        "user",
        "table",
        "order",
        "MixedCase",
        "with-dash",
        "with.dot",
        "1digit",
        &long,
        &too_long,
        &much_too_long,
    ];
    let mut served = Vec::new();
    for name in names {
        let answer = post(&service, "/v1/tenants", &order(name));
        match answer.status {
            200 => {
                assert!(!name.contains('\''), "{name}");
                served.push(name);
                // The server folds a plain name.
                let spellings = format!("('{name}', '{}')", name.to_ascii_lowercase());
                let told = format!("ref.told WHERE tenant IN {spellings}");
                assert_eq!(fleet.count(&told), 1, "{name}");
                let tables =
                    format!("pg_tables WHERE tablename = 'module' AND schemaname IN {spellings}");
                assert_eq!(fleet.count(&tables), 1, "{name}");
            }
            400 => assert!(answer.json()["error"].is_string(), "{name}: {answer:?}"),
            _ => panic!("{name}: {answer:?}"),
        }
    }
    for name in ["select", "user", "Ünïcode", "MixedCase", long.as_str()] {
        assert!(served.contains(&name), "{name} is not served: {served:?}");
    }
    for name in [too_long.as_str(), "pg_catalog", "a\u{0}b", "\""] {
        assert!(!served.contains(&name), "{name}");
    }
    assert!(fleet.place.has_table("victim"));
    assert_eq!(fleet.count("pg_namespace WHERE nspname = 'bystander'"), 1);
    // They are tenants as all others.
    let known = get(&service, "/v1/tenants").json();
    assert_eq!(known.as_array().unwrap().len(), served.len(), "{known}");
    fleet.write(
        "tenants/302.sql",
        "insert into {schema}.module values (1);\n",
    );
    let results = apply(&service);
    assert_eq!(results["tenantMigrationsTotal"], served.len(), "{results}");
}

#[test]
fn names_from_a_query_are_judged_before_anything_runs() {
    let fleet = Fleet::new().with_files();
    fleet
        .place
        .connect()
        .run("create table victim (id integer)");
    fleet.configure("tenantSelectSQL: \"select 'x\\\"; drop table victim; --'::text\"\n");
    let service = fleet.serve();
    refused(
        &post(&service, "/v1/migrations", super::APPLY),
        409,
        "drop table victim",
    );
    assert!(fleet.place.has_table("victim"));
    assert!(!fleet.has_schema("ref"), "something was applied");
}
