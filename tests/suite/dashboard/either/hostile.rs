//! What a step prints is text, whatever it looks like and however much it is.

use serde_json::json;

use super::super::browser::Browser;
use crate::hostile::component::Component;
use crate::place::Place;
use crate::service::process::Service;

const MARKUP: &str =
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>";

#[test]
fn markup_and_ten_megabytes_of_output_do_no_harm() {
    let place = Place::new()
        .with_variable("WASMIGRATE_LIMITS_OUTPUT_LINES", "200000")
        .with_variable("WASMIGRATE_LIMITS_OUTPUT_BYTES", "20000000");
    let flood = format!(
        "(call $output (i32.const 1) {{{{{MARKUP}}}}})
         (local.set $i (i32.const 100000))
         (loop $again
           (call $output (i32.const 1) {{{{{}}}}})
           (local.set $i (i32.sub (local.get $i) (i32.const 1)))
           (br_if $again (local.get $i)))
         (call $output (i32.const 2) {{{{</div><b>the last line</b>}}}})",
        "0123456789".repeat(10)
    );
    place.write_step("0001_flood.wasm", &Component::migrating(flood).build());
    let name = format!("0002_{MARKUP}").replace('/', "_") + ".sql";
    let place = place.with_sql(&name, "CREATE TABLE fine (id INTEGER);");
    let service = Service::start(&place);
    let browser = Browser::open(&service);
    browser.click("#migrate");
    browser.sees("#stepper [aria-current]", "Finalization required");
    browser.sees("#output-count", "100,002 lines");
    browser.sees("#lines", "</div><b>the last line</b>");
    let drawn = browser.evaluate(
        "return document.querySelectorAll('#lines .line').length",
        &[],
    );
    assert!(drawn.as_u64().unwrap() < 200, "{drawn} lines are drawn");
    browser.evaluate("document.getElementById('lines').scrollTop = 0", &[]);
    browser.sees("#lines .line:first-child .text", MARKUP);
    assert_eq!(
        browser.evaluate(
            "return document.getElementById('output-follow').ariaPressed",
            &[]
        ),
        json!("false")
    );
    browser.type_into("#output-search", "THE LAST");
    browser.sees("#output-count", "1 of 100,002 lines");
    browser.sees("#lines mark", "the last");
    browser.sees(".steps", "<img src=x");
    browser.pictures("flooded");
    browser.is_accessible();
    let foreign = browser.evaluate(
        "return document.querySelectorAll('main img, main script, #lines b').length",
        &[],
    );
    assert_eq!(foreign, json!(0));
    let title = browser.evaluate("return document.title", &[]);
    assert!(
        title.as_str().unwrap().starts_with("Finalization required"),
        "{title}"
    );
    browser.is_content();
}
