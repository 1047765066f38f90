//! Steps in Python, run by the runner that was built with the host. Where that could not be built, these are left out.

mod either;
mod transform;

use std::sync::Once;

use super::either::imports::library;
use super::passes_its_tests;
use crate::place::{Place, given};
use crate::service::process::Service;
use crate::service::remote::Desk;
use crate::tenants::{Tenants as _, target};

/// A place whose cache, which all places share, has the runner.
pub fn place() -> Place {
    static INSTALLED: Once = Once::new();
    let place = Place::new();
    INSTALLED.call_once(|| install(&place));
    place
}

fn install(place: &Place) {
    let runner = given("WASMIGRATE_PYTHON_RUNNER");
    place
        .run(&["runner", "install", runner.to_str().unwrap()])
        .ends_with(0)
        .and_says("installed");
}

/// The step of the specification: messy lines in batches, with a checkpoint, its finalize and its reset.
const ORDERS: &str = r#""""parses order lines into purchases"""
import re
from wasmigrate import info, progress
from lib.names import tidy

PRICE = re.compile(r"(\d[\d.]*)(?:,(\d\d))?")


def count(db):
    return db.value("SELECT count(*) FROM order_line")


def migrate(db, resume):
    if resume is None:
        parse(db)
        db.checkpoint({"parsed": True})
    customers = db.execute("INSERT INTO customer_total (customer, cents) SELECT customer, sum(cents) FROM purchase GROUP BY customer")
    info("customers:", customers)


def finalize(db):
    db.execute("DROP TABLE order_line")


def reset(db):
    for table in "customer_total", "bad_line", "purchase":
        db.execute(f"DROP TABLE IF EXISTS {table}")


def parse(db):
    db.execute("CREATE TABLE purchase (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, item TEXT NOT NULL, quantity BIGINT NOT NULL, cents BIGINT NOT NULL)")
    db.execute("CREATE TABLE bad_line (id BIGINT PRIMARY KEY, reason TEXT NOT NULL)")
    db.execute("CREATE TABLE customer_total (customer TEXT PRIMARY KEY, cents BIGINT NOT NULL)")
    done = good = bad = 0
    for rows in db.batches("SELECT id, line FROM order_line ORDER BY id", size=7):
        purchases, bad_lines = [], []
        for id, line in rows:
            try:
                purchases.append((id, *parse_line(line)))
            except ValueError as reason:
                bad_lines.append((id, str(reason)))
        good += db.load("purchase", ["id", "customer", "item", "quantity", "cents"], purchases)
        bad += db.execute_many("INSERT INTO bad_line (id, reason) VALUES ($1, $2)", bad_lines)
        progress(done := done + len(rows))
    print(f"{good} purchases, {bad} bad lines")


def parse_line(line):
    parts = line.split("|")
    if len(parts) != 3:
        raise ValueError("not three parts")
    customer, what, price = parts
    quantity, x, item = what.strip().partition("x")
    if not x or not quantity.strip().isascii() or not quantity.strip().isdigit():
        raise ValueError("no quantity")
    price = price.strip()
    if not price.endswith("EUR"):
        raise ValueError("no currency")
    price = PRICE.fullmatch(price[:-3].strip())
    if not price:
        raise ValueError("no price")
    cents = int(price[1].replace(".", "") + (price[2] or "00"))
    customer, item, quantity = tidy(customer), item.strip(), int(quantity)
    if not customer or not item or quantity <= 0 or max(quantity, cents) >= 2**31:
        raise ValueError("something is empty, or too much")
    return customer, item, quantity, cents
"#;

const NAMES: &str = "def tidy(name: str) -> str:\n    return ' '.join(name.split())\n";

const LINES: &str = "-- wasmigrate:migrate
CREATE TABLE order_line (id BIGINT PRIMARY KEY, line TEXT NOT NULL);
INSERT INTO order_line VALUES (1, 'Żofia  K|2 x tea|1.200,50 EUR'), (2, '李|1x pot|7 EUR'), (3, 'nobody'),
    (4, 'a|1x b|2'), (5, ' Żofia K |1 x tea|3,25 EUR'), (6, 'a|0x b|2 EUR'), (7, 'a|1x b|2 EUR'), (8, 'b|1x b|2 EUR');
-- wasmigrate:reset
DROP TABLE order_line;
";

fn orders() -> Place {
    let place = place()
        .with_sql("0001_lines.sql", LINES)
        .with_sql("0002_orders.py", ORDERS);
    library(&place, "names.py", NAMES);
    place
}

#[test]
fn a_script_in_python_is_a_step_in_all_its_phases() {
    let place = orders();
    place.run(&["plan"]).ends_with(0).and_says("0002_orders");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("5 purchases, 3 bad lines")
        .and_says("customers: 4");
    assert_eq!(
        place.texts(
            "SELECT customer || ' ' || cents FROM customer_total ORDER BY cents DESC LIMIT 2"
        ),
        ["Żofia K 120375", "李 700"]
    );
    assert_eq!(
        place.texts("SELECT id || ' ' || reason FROM bad_line ORDER BY id"),
        [
            "3 not three parts",
            "4 no currency",
            "6 something is empty, or too much"
        ]
    );
    let status = place.run(&["status", "--json"]).ends_with(0).json();
    assert_eq!(status["steps"][1]["kind"], "py", "{status}");
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("run by the Python runner of wasmigrate");
    place.run(&["reset"]).ends_with(0);
    assert!(!place.has_table("purchase"));
    place.run(&["migrate"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
    assert!(!place.has_table("order_line"));
    // What is imported is a part of the step.
    place.run(&["verify"]).ends_with(0);
    library(&place, "names.py", &format!("{NAMES}# changed\n"));
    place.run(&["migrate"]).ends_with(2).and_says("0002_orders");
}

#[test]
fn a_script_in_python_passes_its_tests() {
    passes_its_tests(&orders());
}

#[test]
fn values_come_and_go_as_they_are() {
    let place = place().with_sql(
        "0001_values.py",
        r#"
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from wasmigrate import DatabaseError, info, setting

def migrate(db):
    db.execute("CREATE TABLE v (i BIGINT, f DOUBLE PRECISION, t TEXT, n NUMERIC(20, 2), b BOOLEAN, u TEXT)")
    uuid = UUID(int=5)
    row = 2**63 - 1, 0.5, "a'ü🦀", Decimal("12.50"), True, uuid
    db.execute("INSERT INTO v (i, f, t, n, b, u) VALUES ($1, $2, $3, $4, $5, $6)", row)
    db.load("v", ["t", "i", "u"], [{"i": -2**63, "t": None, "u": ""}, {"i": 0, "t": "ä", "u": "x"}, {"u": None, "t": "b", "i": None}])
    db.load("v", ["f", "b"], [])
    first = db.query("SELECT i, f, t, u FROM v WHERE f = $1", [0.5])[0]
    assert first.i == 2**63 - 1 and first[1] == 0.5 and first.t == "a'ü🦀" and first.u == str(uuid), first
    assert db.value("SELECT min(i) FROM v") == -2**63
    assert db.value("SELECT i FROM v WHERE i = 99") is None
    texts = [t for (t,) in db.rows("SELECT t FROM v WHERE t IS NOT NULL ORDER BY t")]
    assert sorted(texts) == ["a'ü🦀", "b", "ä"], texts
    for bad, kind in ([2**63], OverflowError), ([[]], TypeError), (["\ud83d"], ValueError), ("abc", TypeError):
        try:
            db.execute("SELECT $1", bad)
        except kind:
            continue
        raise AssertionError(bad)
    db.execute("CREATE TABLE once (id BIGINT UNIQUE)")
    db.execute("INSERT INTO once VALUES (1)")
    try:
        with db.savepoint():
            db.execute("INSERT INTO once VALUES (1)")
    except DatabaseError as error:
        info(error.kind, error.code is not None, error.constraint is not None)
    with db.savepoint():
        db.execute("INSERT INTO once VALUES (2)")
    assert db.value("SELECT max(id) FROM once") == 2
    assert setting("missing") is None
"#,
    );
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("constraint-violated True True");
    assert_eq!(place.one::<i64>("SELECT count(*) FROM v"), 4);
}

#[test]
fn a_script_in_python_runs_for_each_tenant_and_in_a_service() {
    let place = place();
    drop(place);
    let place = target()
        .with_tenants(&["acme", "beta"])
        .with_sql(
            "tenants/001_begin.sql",
            "CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL);",
        )
        .with_sql(
            "tenants/002_count.py",
            "from wasmigrate import setting\n\ndef migrate(db):\n    \
             db.load('counted', ['value', 'who'], [(7, setting('tenant'))])\n",
        );
    place.run(&["finalize", "--atomic"]).ends_with(0);
    assert_eq!(place.sum("beta"), "7");
    let place = orders();
    let service = Service::start(&place);
    let step = service.get("/api/v1/steps/2").json();
    assert_eq!(
        step["summary"], "parses order lines into purchases",
        "{step}"
    );
    Desk::of(&service).run(&["migrate"]).ends_with(0);
    assert!(place.has_table("purchase"));
}

#[test]
fn what_a_run_has_recorded_is_the_same_when_it_runs_again() {
    let script = "import random, time, uuid\n\
                  def migrate(db, resume):\n    \
                  if resume is None:\n        \
                  db.execute('CREATE TABLE seen (what TEXT)')\n        \
                  db.execute('INSERT INTO seen VALUES ($1)', [f'{random.random()} {uuid.uuid4()} {time.time()} {hash(\"a\")}'])\n        \
                  db.checkpoint(1)\n        raise Exception('again')\n    \
                  now = f'{random.random()} {uuid.uuid4()} {time.time()} {hash(\"a\")}'\n    \
                  assert db.value('SELECT what FROM seen') == now\n";
    let place = place().with_sql("0001_seen.py", script);
    place.run(&["migrate"]).ends_with(1).and_says("again");
    place.run(&["migrate"]).ends_with(0);
}

/// There are no files of zones that could be read: they are in the runner.
#[test]
fn time_zones_are_there() {
    let place = place().with_sql(
        "0001_zones.py",
        r#"from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def migrate(db):
    db.execute("CREATE TABLE v (at TEXT)")
    for zone in "Europe/Berlin", "America/Argentina/Buenos_Aires", "Japan":
        summer = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo(zone))
        db.execute("INSERT INTO v VALUES ($1)", [summer.astimezone(ZoneInfo("UTC")).isoformat()])
    assert {"Europe/Berlin", "Japan"} < available_timezones()
    for nowhere in "Europe/Nowhere", "zone.tab", "../lib/names.py":
        try:
            ZoneInfo(nowhere)
        except (ZoneInfoNotFoundError, ValueError):
            continue
        raise AssertionError(nowhere)
"#,
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT at FROM v ORDER BY at"),
        [
            "2026-07-01T03:00:00+00:00",
            "2026-07-01T10:00:00+00:00",
            "2026-07-01T15:00:00+00:00"
        ]
    );
}
