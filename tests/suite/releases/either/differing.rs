//! What a reviewer sees of two releases.

use crate::releases::{push, shop};

/// A component that asks for more than the one of the shop.
const ASKS: &str = r#"(component
    (import "wasmigrate:migration/settings@0.1.0" (instance))
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f")))
    (export "migrate" (func $f)))"#;

#[test]
fn a_reviewer_sees_which_steps_differ_and_what_they_may_do() {
    let place = shop();
    place.run(&push("oci-layout:layout:1.0.0")).ends_with(0);
    place.write_step("0002_split.wasm", &wat::parse_str(ASKS).unwrap());
    place.write_step("0001_customers.down.sql", b"DROP TABLE customers CASCADE");
    place.write_step("0004_more.sql", b"SELECT 4");
    std::fs::remove_file(place.step("0003_notes.sqlite.sql")).unwrap();
    place.run(&push("oci-layout:layout:1.1.0")).ends_with(0);

    let releases = ["oci-layout:layout:1.0.0", "oci-layout:layout:1.1.0"];
    let diff = |more: &[&str]| {
        let all = [&["release", "diff"][..], &releases, more].concat();
        place.run(&all).ends_with(0)
    };
    let said = diff(&[]);
    for line in [
        "~ 0001_customers.sql",
        "    the file that undoes it differs",
        "~ 0002_split.wasm",
        "    + imports wasmigrate:migration/settings@0.1.0",
        "- 0003_notes.sqlite.sql",
        "+ 0004_more.sql",
        "2 unchanged",
    ] {
        assert!(said.stdout.contains(line), "{line}: {said:?}");
    }
    let json = diff(&["--json"]).json();
    assert_eq!(
        json["steps"][1]["imports_added"][0],
        "wasmigrate:migration/settings@0.1.0"
    );
    assert_eq!(json["steps"][2]["change"], "removed");
    assert_eq!(json["unchanged"], 2);
    let markdown = diff(&["--markdown"]).stdout;
    assert!(
        markdown.contains("| `0004_more.sql` | added |"),
        "{markdown}"
    );
    let same = [&["release", "diff"][..], &[releases[0]; 2]].concat();
    place.run(&same).ends_with(0).and_says("5 unchanged");
}
