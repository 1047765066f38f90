//! Components that run for tenants: what they are told of their tenant, and what is kept of them.

use super::{Tenants as _, first, target};
use crate::application::{self, Kind};
use crate::hostile::component::{Component, sql};
use crate::place::built_guest;

/// Writes a setting as a line of output.
fn says(setting: &str) -> String {
    format!(
        "(call $get {{{{{setting}}}}} (i32.const 1200))
         (if (i32.eqz (i32.load8_u (i32.const 1200))) (then (return (call $fail {{{{not set}}}} (i32.const 0)))))
         (call $output (i32.const 1) (i32.load (i32.const 1204)) (i32.load (i32.const 1208)))\n"
    )
}

#[test]
fn a_component_is_told_its_tenant_and_works_where_that_is() {
    for how in [
        &["finalize", "--atomic"][..],
        &["finalize", "--parallel", "2"],
    ] {
        let place = target().with_tenants(&["Acme", "a-b"]);
        place.write_step(
            "tenants/001.sql",
            b"CREATE TABLE {schema}.seen (value INTEGER);",
        );
        let component = Component::migrating(
            says("tenant") + &says("schema") + &sql("INSERT INTO seen VALUES (7)"),
        )
        .defining(
            "(import \"wasmigrate:migration/settings@0.1.0\" \"get\" (func $get (param i32 i32 i32)))",
        );
        place.write_step("tenants/002.wasm", &component.build());
        place.write_step(
            "tenants/003.sql",
            b"INSERT INTO {schema}.seen SELECT value + 1 FROM {schema}.seen;",
        );
        place.run(how).ends_with(0);
        let mut lines = place.texts("SELECT line FROM wasmigrate_output");
        lines.sort();
        let expected = match application::kind() {
            Kind::Postgres => ["Acme", "a-b", "a-b", "acme"],
            Kind::Sqlite => ["Acme", "a-b", "main", "main"],
        };
        assert_eq!(lines, expected);
        for schema in ["acme", "a-b"] {
            let tenant = match (application::kind(), schema) {
                (Kind::Sqlite, "acme") => "Acme",
                _ => schema,
            };
            let sum = first(
                &mut place.of_tenant(tenant),
                "SELECT CAST(sum(value) AS TEXT) FROM seen",
            );
            assert_eq!(sum, "15", "{tenant}");
        }
    }
}

#[test]
fn a_component_is_kept_as_its_world_in_wit() {
    let place = target().with_sql(
        "tenants/001.sql",
        "CREATE TABLE {schema}.one (value INTEGER);",
    );
    let place = place.with_guest("tenants/002.wasm", "one");
    let place = place.with_tenants(&["acme"]);
    let kept = place
        .texts("SELECT contents FROM wasmigrate_source WHERE form = 'wasm'")
        .join("");
    let inspection = place
        .run(&["inspect", "--json", built_guest("one").to_str().unwrap()])
        .ends_with(0)
        .json();
    assert_eq!(kept, inspection["world"].as_str().unwrap());
    for text in [
        "import wasmigrate:migration/database@0.1.0;",
        "package wasmigrate:migration@0.1.0 {",
        "interface database {",
        "export migrate: func(",
    ] {
        assert!(kept.contains(text), "no `{text}` in {kept}");
    }
}
