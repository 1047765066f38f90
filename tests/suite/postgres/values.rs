//! Values of every type, there and back: as the cells of small results and parameters, in batches of a cursor, and in
//! bulk. What comes back is, to the server's own eyes, what was there.

use crate::hostile::component::{Component, must, sql};
use crate::place::Place;

/// A type and some of its values, as SQL.
type Values = (&'static str, &'static [&'static str]);

/// Types that have a binary form in bulk.
const PLAIN: [Values; 14] = [
    ("boolean", &["true", "false"]),
    ("smallint", &["0", "-32768", "32767"]),
    ("integer", &["0", "-2147483648", "2147483647"]),
    (
        "bigint",
        &["0", "-9223372036854775808", "9223372036854775807"],
    ),
    (
        "real",
        &[
            "0.1",
            "'-0'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "3.4028235e38",
            "1e-45",
            "16777217",
        ],
    ),
    (
        "double precision",
        &[
            "0.1",
            "'-0'",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "1.7976931348623157e308",
            "5e-324",
            "9007199254740993",
            "1e15",
            "123456789012345680",
        ],
    ),
    (
        "text",
        &[
            "''",
            "'plain'",
            "E'tab\\t line\\n back\\\\ quote\\' \\\\N \\\\.'",
            "'žluťoučký 統一碼 🦀 \u{301}'",
            "repeat('long ', 20000)",
        ],
    ),
    ("varchar", &["''", "'any length'"]),
    ("varchar(5)", &["''", "'Grüße'", "'🦀🦀🦀🦀🦀'"]),
    ("char(5)", &["''", "'ab'", "'five!'"]),
    ("name", &["'a_name'", "repeat('n', 63)"]),
    (
        "json",
        &[
            "'{\"a\":  1, \"a\": [null, \"\\u00e9\"]}'",
            "'null'",
            "'\"\"'",
        ],
    ),
    (
        "jsonb",
        &["'{\"b\": 1, \"a\": [1e400, {}]}'", "'null'", "'\"x\\ty\"'"],
    ),
    (
        "bytea",
        &[
            "''",
            "'\\x00ff5c27'",
            "decode(repeat('00ff5c', 1000), 'hex')",
        ],
    ),
];

/// Types that travel as the database's text.
const OTHER: [Values; 58] = [
    ("oid", &["0", "4294967295"]),
    (
        "numeric",
        &[
            "0",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "('-' || repeat('9', 1000) || '.' || repeat('1', 300))::numeric",
            "1e-300",
            "1.10",
        ],
    ),
    ("numeric(10,2)", &["-99999999.99", "0.5"]),
    (
        "money",
        &[
            "'-92233720368547758.08'",
            "'92233720368547758.07'",
            "'0.01'",
        ],
    ),
    ("\"char\"", &["''", "'a'"]),
    ("xml", &["'<a b=\"c\">é &amp; <!-- x --></a>'", "''"]),
    (
        "date",
        &[
            "'4714-11-24 BC'",
            "'5874897-12-31'",
            "'infinity'",
            "'-infinity'",
            "'2024-02-29'",
        ],
    ),
    ("time", &["'00:00'", "'24:00'", "'23:59:59.999999'"]),
    ("time(3)", &["'12:34:56.789'"]),
    ("timetz", &["'24:00:00-15:59'", "'00:00:00.000001+15:59'"]),
    (
        "timestamp",
        &[
            "'4714-11-24 00:00:00 BC'",
            "'294276-12-31 23:59:59.999999'",
            "'infinity'",
            "'-infinity'",
        ],
    ),
    (
        "timestamptz",
        &[
            "'4714-11-24 00:00:00+00 BC'",
            "'294276-12-31 23:59:59.999999+00'",
            "'infinity'",
            "'2024-03-31 02:30:00+02'",
        ],
    ),
    ("timestamptz(0)", &["'2024-06-30 23:59:59+00'"]),
    (
        "interval",
        &[
            "'0'",
            "'178000000 years'",
            "'-178000000 years'",
            "'1 mon -1 day 04:05:06.789'",
            "'-00:00:00.000001'",
        ],
    ),
    ("interval day to second(3)", &["'3 days 04:05:06.789'"]),
    (
        "uuid",
        &[
            "'00000000-0000-0000-0000-000000000000'",
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
        ],
    ),
    ("jsonpath", &["'$.a[*] ? (@ > 1)'"]),
    (
        "inet",
        &["'192.168.0.1/24'", "'::ffff:1.2.3.4'", "'2001:db8::/32'"],
    ),
    ("cidr", &["'10.0.0.0/8'", "'2001:db8::/32'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("bit(3)", &["B'101'"]),
    ("varbit", &["B''", "B'1010101010101'"]),
    ("point", &["'(0.1,-1e300)'", "'(Infinity,NaN)'"]),
    ("line", &["'{1,2,3}'"]),
    ("lseg", &["'[(1,2),(3,4)]'"]),
    ("box", &["'(3,4),(1,2)'"]),
    ("path", &["'[(1,2),(3,4)]'", "'((1,2),(3,4))'"]),
    ("polygon", &["'((0,0),(0,1),(1,1))'"]),
    ("circle", &["'<(0.1,2),3>'"]),
    ("tsvector", &["'a:1A fat:2B,4C \"it''s\"'::tsvector", "''"]),
    ("tsquery", &["'fat & (rat | !cat:AB) <2> dog'"]),
    ("int4range", &["'empty'", "'[1,10)'", "'(,)'"]),
    ("int8range", &["'[-9223372036854775808,0)'"]),
    ("numrange", &["'(1.10,2.200]'"]),
    ("tsrange", &["'[2024-01-01 00:00:00,infinity]'"]),
    (
        "tstzrange",
        &["'[2024-01-01 00:00:00+00,2025-01-01 00:00:00+00)'"],
    ),
    ("daterange", &["'[2024-01-01,2024-02-01)'"]),
    ("int4multirange", &["'{}'", "'{[1,3),[5,8)}'"]),
    (
        "tstzmultirange",
        &["'{[2024-01-01 00:00:00+00,2025-01-01 00:00:00+00)}'"],
    ),
    (
        "integer[]",
        &[
            "'{}'",
            "'{1,NULL,-3}'",
            "'{{1,2},{3,NULL}}'",
            "'[2:3]={7,8}'",
        ],
    ),
    (
        "text[]",
        &[
            "ARRAY['', 'NULL', NULL, 'a,b', '{\"q\"}', E'back\\\\slash\\n', '🦀']",
            "'{{a,b},{c,d}}'",
        ],
    ),
    ("bytea[]", &["ARRAY['\\x00ff'::bytea, NULL]"]),
    ("boolean[]", &["'{t,f,NULL}'"]),
    ("numeric(6,2)[]", &["'{1.10,NaN,NULL}'"]),
    (
        "timestamptz[]",
        &["'{\"2024-01-01 00:00:00+00\",infinity}'"],
    ),
    (
        "jsonb[]",
        &["ARRAY['{\"a\": \"b, c\"}'::jsonb, 'null'::jsonb]"],
    ),
    ("mood", &["'sad'", "'quite happy'"]),
    ("mood[]", &["'{sad,\"quite happy\",NULL}'"]),
    ("positive", &["1", "9223372036854775807"]),
    (
        "address",
        &[
            "ROW('Main St \"1\", (x)', 7, NULL)",
            "ROW('', NULL, '{a,b}')",
            "ROW(NULL, NULL, NULL)",
        ],
    ),
    (
        "address[]",
        &["ARRAY[ROW('a', 1, '{x,NULL}')::address, NULL]"],
    ),
    ("span", &["'[1.5,2.5)'"]),
    ("pg_lsn", &["'0/0'", "'FFFFFFFF/FFFFFFFF'"]),
    ("pg_snapshot", &["'10:20:10,14,15'"]),
    ("xid8", &["'18446744073709551615'"]),
    ("tid", &["'(0,1)'"]),
    ("regclass", &["'pg_catalog.pg_class'"]),
];

const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'quite happy');
    CREATE DOMAIN positive AS bigint CHECK (VALUE > 0);
    CREATE TYPE address AS (street text, number integer, tags text[]);
    CREATE TYPE span AS RANGE (subtype = float8);";

/// A table `original` with a column for each type and a row for each value, the last of which is NULL throughout, and
/// empty copies of it.
fn place_with(types: &[Values]) -> Place {
    let columns: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(position, (name, _))| format!("c{position} {name}"))
        .collect();
    let most = types.iter().map(|(_, values)| values.len()).max().unwrap();
    let rows: Vec<String> = (0..=most)
        .map(|row| {
            let cells: Vec<&str> = types
                .iter()
                .map(|(_, values)| match row {
                    row if row == most => "NULL",
                    row => values[row % values.len()],
                })
                .collect();
            format!("INSERT INTO original VALUES ({row}, {});", cells.join(", "))
        })
        .collect();
    let place = Place::new().with_data(&format!(
        "{TYPES} CREATE TABLE original (id integer PRIMARY KEY, {}); {}",
        columns.join(", "),
        rows.join("\n")
    ));
    COPIES.iter().fold(place, |place, copy| {
        place.with_data(&format!(
            "CREATE TABLE {copy} (LIKE original INCLUDING ALL)"
        ))
    })
}

const COPIES: [&str; 4] = ["by_cells", "by_batches", "in_bulk", "in_part"];

/// A component that reads the original in both ways and writes it in each.
fn copier(width: usize) -> Component {
    let mut component = Component::new();
    let mut names = Vec::new();
    for name in (0..width).map(|position| match position {
        0 => "id".to_owned(),
        position => format!("c{}", position - 1),
    }) {
        let address = component.put(name.as_bytes());
        for number in [address, name.len()] {
            names.extend(u32::try_from(number).unwrap().to_le_bytes());
        }
    }
    let names = component.put(&names);
    let parameters: Vec<String> = (1..=width).map(|number| format!("${number}")).collect();
    let insert = |copy: &str| format!("INSERT INTO {copy} VALUES ({})", parameters.join(", "));
    let give_up = "(if (call $refused) (then (return (call $give_up))))";
    // A list of rows, each of which is a list of values: just what is passed as parameters.
    let cells = must("$query_rows {{SELECT * FROM original ORDER BY id}}")
        + &format!(
            "(local.set $i (i32.load (i32.const 1040)))
             (local.set $handle (i32.load (i32.const 1044)))
             (loop $again
               (call $execute {{{{{}}}}} (i32.load (local.get $i)) (i32.load offset=4 (local.get $i)) (i32.const 1024))
               {give_up}
               (local.set $i (i32.add (local.get $i) (i32.const 8)))
               (local.set $handle (i32.sub (local.get $handle) (i32.const 1)))
               (br_if $again (local.get $handle)))",
            insert("by_cells")
        );
    // A batch comes back just as it is passed on. It is kept at 3200.
    let batch = "(i32.load (i32.const 3200)) (i32.load (i32.const 3204)) (i32.load (i32.const 3208)) (i32.const 1024)";
    let batches = must("$query {{SELECT * FROM original ORDER BY id}}")
        + "(local.set $handle (call $value))"
        + "(loop $again"
        + &must("$next (local.get $handle)")
        + &format!(
            "(memory.copy (i32.const 3200) (i32.const 1032) (i32.const 12))
             (if (i32.load (i32.const 3200)) (then
               (call $execute_many {{{{{}}}}} {batch}) {give_up}
               (call $load_rows {{{{in_bulk}}}} (i32.const {names}) (i32.const {width}) {batch}) {give_up}
               (call $load_rows {{{{public.in_part}}}} (i32.const {names}) (i32.const {width}) {batch}) {give_up}
               (br $again))))",
            insert("by_batches")
        );
    component.with("migrate", cells + &batches)
}

#[track_caller]
fn come_back(types: &[Values]) {
    let place = place_with(types);
    place.write_step("0001_copy.wasm", &copier(types.len() + 1).build());
    place.run(&["migrate"]).ends_with(0);
    let rows: i64 = place.one("SELECT count(*) FROM original");
    for copy in COPIES {
        assert_eq!(
            place.one::<i64>(&format!("SELECT count(*) FROM {copy}")),
            rows
        );
        for (position, (name, _)) in types.iter().enumerate() {
            let different = place.texts(&format!(
                "SELECT original.id || ': ' || coalesce(left(original.c{position}::text, 100), 'NULL') || ' became '
                     || coalesce(left(copy.c{position}::text, 100), 'NULL')
                 FROM original JOIN {copy} AS copy USING (id)
                 WHERE original.c{position}::text IS DISTINCT FROM copy.c{position}::text"
            ));
            assert_eq!(different, [""; 0], "{copy}: {name}");
        }
    }
}

#[test]
fn plain_types_come_back() {
    come_back(&PLAIN);
}

#[test]
fn other_types_come_back() {
    come_back(&OTHER);
}

#[test]
fn plain_types_among_others_come_back() {
    // In bulk, one column without a binary form has all of them sent as text.
    let mut types = PLAIN.to_vec();
    types.extend(&OTHER[..3]);
    come_back(&types);
}

#[test]
fn columns_tell_their_types() {
    let types = [
        ("boolean", "boolean"),
        ("int2", "smallint"),
        ("int", "integer"),
        ("int8", "bigint"),
        ("float4", "real"),
        ("float8", "double precision"),
        ("text", "text"),
        ("varchar", "character varying"),
        ("varchar(5)", "character varying(5)"),
        ("char(5)", "character(5)"),
        ("numeric", "numeric"),
        ("numeric(10,2)", "numeric(10,2)"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("timestamp", "timestamp without time zone"),
        ("date", "date"),
        ("uuid", "uuid"),
        ("jsonb", "jsonb"),
        ("bytea", "bytea"),
        ("int[]", "integer[]"),
        ("varchar(5)[]", "character varying(5)[]"),
        ("mood", "mood"),
        ("positive", "bigint"),
        ("address", "address"),
        ("bit(3)", "bit(3)"),
        ("\"char\"", "\"char\""),
        ("interval", "interval"),
    ];
    let columns: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(position, (name, _))| format!("c{position} {name}"))
        .collect();
    let place = Place::new().with_data(&format!(
        "{TYPES} CREATE TABLE typed ({})",
        columns.join(", ")
    ));
    // The columns of a small result, 16 bytes each: name and type.
    let body = must("$query_rows {{SELECT * FROM typed}}")
        + "(local.set $i (i32.load (i32.const 1032)))
           (local.set $handle (i32.load (i32.const 1036)))
           (loop $again
             (call $output (i32.const 1) (i32.load offset=8 (local.get $i)) (i32.load offset=12 (local.get $i)))
             (local.set $i (i32.add (local.get $i) (i32.const 16)))
             (local.set $handle (i32.sub (local.get $handle) (i32.const 1)))
             (br_if $again (local.get $handle)))";
    place.write_step("0001_tell.wasm", &Component::migrating(body).build());
    place.run(&["migrate"]).ends_with(0);
    let told = place.texts("SELECT line FROM wasmigrate_output ORDER BY sequence");
    let expected: Vec<&str> = types.iter().map(|(_, name)| *name).collect();
    assert_eq!(told, expected);
}

#[test]
fn settings_of_the_session_do_not_change_what_comes_back() {
    let types: Vec<Values> = OTHER
        .into_iter()
        .filter(|(name, _)| {
            [
                "date",
                "timestamp",
                "timestamptz",
                "interval",
                "numeric",
                "tstzrange",
            ]
            .contains(name)
        })
        .chain(
            PLAIN
                .into_iter()
                .filter(|(name, _)| ["bytea", "text"].contains(name)),
        )
        .collect();
    let place = place_with(&types);
    let settings = sql("SET bytea_output = 'escape'")
        + &sql("SET timezone = 'Asia/Kathmandu'")
        + &sql("SET intervalstyle = 'iso_8601'")
        + &sql("SET datestyle = 'ISO, DMY'");
    let copier = copier(types.len() + 1);
    let body = settings + &copier.body("migrate");
    place.write_step("0001_copy.wasm", &copier.with("migrate", body).build());
    place.run(&["migrate"]).ends_with(0);
    for copy in COPIES {
        let difference = format!(
            "SELECT count(*) FROM original AS a JOIN {copy} AS b USING (id) WHERE a IS DISTINCT FROM b"
        );
        assert_eq!(place.one::<i64>(&difference), 0, "{copy}");
    }
}
