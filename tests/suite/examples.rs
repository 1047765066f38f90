//! The example steps on the real data that they are written for: IANA's registry of language subtags, Unicode's CLDR.

use serde_json::json;

use crate::place::Place;

const STEPS: [&str; 5] = [
    "0001_create_tables",
    "0002_parse_registry",
    "0003_split_territories",
    "0004_index_descriptions",
    "0005_cut_over_languages",
];

fn languages() -> Place {
    Place::new().with_legacy_data().with_examples()
}

/// The rows of a query, each as its cells with `|` between.
fn rows(place: &Place, query: &str) -> Vec<String> {
    let rows = place.connect().rows(query);
    rows.into_iter()
        .map(|row| {
            let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            cells.join("|")
        })
        .collect()
}

#[test]
fn the_plan_lists_the_steps_and_a_dry_run_counts_the_rows_and_keeps_none() {
    let place = languages();
    let before = place.everything();
    let mut plan = place.run(&["plan"]).ends_with(0).and_says("5 pending");
    for step in STEPS {
        plan = plan.and_says(step);
    }
    let rehearsed = place
        .run(&["plan", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(rehearsed["steps"], json!(STEPS));
    assert_eq!(
        rehearsed["rows_changed"],
        json!({
            // 8,213 new rows, and 1,077 changes of names and numbers of speakers.
            "language_new": 9290,
            "registry_release": 1,
            "search_trigram": 93364,
            "search_word": 15777,
            "subtag": 9778,
            "subtag_description": 10259,
            "subtag_prefix": 396,
            "territory": 258,
            "territory_language": 1589,
        })
    );
    assert_eq!(place.everything(), before);
}

#[test]
fn a_dry_run_in_the_middle_leaves_what_was_migrated() {
    let place = languages();
    let last = place.step("0005_cut_over_languages.wasm");
    let aside = place.path().join("aside.wasm");
    std::fs::rename(&last, &aside).unwrap();
    place.run(&["migrate"]).ends_with(0);
    std::fs::rename(&aside, &last).unwrap();
    let before = place.everything();
    place
        .run(&["plan", "--dry-run"])
        .ends_with(0)
        .and_says("language_new  9290 row changes");
    assert_eq!(place.everything(), before);
}

#[test]
fn from_the_old_data_to_the_new_tables() {
    let place = languages();
    // What SQL alone can tell beforehand.
    let languages_of_territories: i64 = place.one(Place::in_sql_of(
        "SELECT count(*) FROM territory_document, json_each(body, '$.languagePopulation')",
        "SELECT count(*) FROM territory_document, jsonb_each(body::jsonb -> 'languagePopulation')",
    ));
    let single_records: i64 = place.one(
        "SELECT count(*) FROM registry_record WHERE body LIKE 'Type:%' AND body NOT LIKE '%tag: %..%'",
    );
    let mut migrated = place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("9173 records are 9778 subtags")
        .and_says("8213 languages instead of 323")
        .and_says("the state is finalization_required");
    for step in STEPS {
        migrated = migrated.and_says(&format!("{step} migrated"));
    }
    // The application goes on with its tables.
    assert_eq!(place.one::<i64>("SELECT count(*) FROM language"), 323);
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM registry_record"),
        9173
    );
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalization_required")
        .and_says("0 finalized, 5 migrated, 0 pending");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do; the state is finalization_required");
    place
        .run(&["finalize"])
        .ends_with(0)
        .and_says("the state is finalized");

    let history = place.run(&["history", "--json"]).ends_with(0).json();
    let told: Vec<_> = history.as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 2);
    assert_eq!(
        [&told[0]["command"], &told[1]["command"]],
        ["finalize", "migrate"]
    );
    for run in told {
        assert_eq!(run["outcome"], "done");
        assert_eq!(run["attempts"].as_array().unwrap().len(), 5);
    }
    place
        .run(&["status"])
        .ends_with(0)
        .and_says("state   finalized")
        .and_says("5 finalized, 0 migrated, 0 pending");
    for command in ["migrate", "finalize", "reset"] {
        place
            .run(&[command])
            .ends_with(0)
            .and_says("nothing to do; the state is finalized");
    }
    subtags_are_those_of_the_registry(&place, single_records);
    territories_are_those_of_the_documents(&place, languages_of_territories);
    the_new_languages_are_in_place(&place);
    place.is_whole();
}

fn subtags_are_those_of_the_registry(place: &Place, single_records: i64) {
    // Ranges are four: qaa..qtz, Qaaa..Qabx, QM..QZ, XA..XZ.
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM subtag"),
        single_records + 520 + 50 + 14 + 26
    );
    assert_eq!(
        rows(
            place,
            "SELECT kind, count(*) FROM subtag GROUP BY kind ORDER BY kind"
        ),
        [
            "extlang|245",
            "grandfathered|26",
            "language|8732",
            "redundant|67",
            "region|342",
            "script|258",
            "variant|108",
        ]
    );
    assert_eq!(
        rows(
            place,
            "SELECT kind, code, added, deprecated, preferred_value, scope FROM subtag
             WHERE code IN ('haw', 'i-klingon', 'qaa', 'qtz', 'rozaj') ORDER BY code"
        ),
        [
            "language|haw|2005-10-16|||",
            "grandfathered|i-klingon|1999-05-26|2004-02-24|tlh|",
            "language|qaa|2005-10-16|||private-use",
            "language|qtz|2005-10-16|||private-use",
            "variant|rozaj|2005-10-16|||",
        ]
    );
    assert_eq!(
        place.texts(
            "SELECT text FROM subtag_description JOIN subtag ON subtag.id = subtag_id WHERE code = 'rozaj'
             ORDER BY position"
        ),
        ["Resian", "Resianic", "Rezijan"]
    );
    assert_eq!(
        place.texts("SELECT prefix FROM subtag_prefix JOIN subtag ON subtag.id = subtag_id WHERE code = 'rozaj'"),
        ["sl"]
    );
    assert_eq!(
        place.texts("SELECT file_date FROM registry_release"),
        ["2021-08-06"]
    );
    assert_eq!(
        place.texts("SELECT code FROM subtag JOIN search_word ON subtag_id = subtag.id WHERE word = 'rezijan' ORDER BY code"),
        ["rozaj", "sl-rozaj"]
    );
    assert_eq!(place.one::<i64>("SELECT count(*) FROM search_word"), 15777);
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM search_trigram"),
        93364
    );
}

fn territories_are_those_of_the_documents(place: &Place, languages: i64) {
    assert_eq!(place.one::<i64>("SELECT count(*) FROM territory"), 258);
    assert_eq!(
        place.one::<i64>("SELECT count(*) FROM territory_language"),
        languages
    );
    assert_eq!(
        rows(
            place,
            "SELECT * FROM territory WHERE code IN ('CH', 'XK') ORDER BY code"
        ),
        [
            "CH|Switzerland|8860570|733800000000|99",
            "XK|XK|1977090|23790000000|91.9"
        ]
    );
    assert_eq!(
        rows(
            place,
            "SELECT tag, status FROM official_language WHERE territory = 'CH' ORDER BY tag"
        ),
        [
            "de|official",
            "fr|official",
            "gsw|de_facto_official",
            "it|official",
            "rm|official_regional",
        ]
    );
}

fn the_new_languages_are_in_place(place: &Place) {
    assert_eq!(place.one::<i64>("SELECT count(*) FROM language"), 8213);
    assert_eq!(
        rows(
            place,
            "SELECT code, name, script, scope, territories, speakers FROM language
             WHERE code IN ('de', 'haw', 'sw', 'tok') ORDER BY code"
        ),
        [
            "de|German|Latn||27|141873197",
            "haw|Hawaiian|||1|30435",
            "sw|Swahili (macrolanguage)|Latn|macrolanguage|9|194102079",
            "tok|tok|||0|0",
        ]
    );
    // They refer to the table that was swapped, and cascade.
    assert_eq!(
        place.one::<i64>(
            "SELECT count(*) FROM locale JOIN language ON language.code = locale.language"
        ),
        766
    );
    for table in ["registry_record", "territory_document", "language_new"] {
        assert!(!place.has_table(table), "{table}");
    }
}

#[test]
fn reset_brings_the_old_content_back_and_migrate_makes_the_same_again() {
    let place = languages();
    let before = place.content();
    place.run(&["migrate"]).ends_with(0);
    let migrated = place.content();
    place
        .run(&["reset"])
        .ends_with(0)
        .and_says("0001_create_tables reset")
        .and_says("the state is migration_required");
    assert!(place.content() == before, "reset left something behind");
    place.run(&["migrate"]).ends_with(0);
    assert!(place.content() == migrated, "the second migrate differs");
    place.run(&["finalize"]).ends_with(0);

    let at_once = languages();
    at_once.run(&["finalize"]).ends_with(0);
    assert!(place.content() == at_once.content(), "the detour differs");
}

mod postgres {
    use super::languages;
    use crate::application::Application;
    use crate::place::given;

    #[test]
    fn the_rows_are_those_that_sqlite_has() {
        let place = languages();
        place.run(&["finalize"]).ends_with(0);
        std::fs::copy(given("WASMIGRATE_LEGACY"), place.database()).unwrap();
        place
            .run(&["finalize", "--database", "sqlite:wasmigrate.db"])
            .ends_with(0);
        let mut file = Application::open_file(&place.database());
        let mut server = place.connect();
        let tables = file.rows(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'wasmigrate%' ORDER BY name",
        );
        assert_eq!(tables.len(), 11, "{tables:?}");
        for table in tables.into_iter().flatten().flatten() {
            let query = format!("SELECT * FROM {table}");
            let [mut here, mut there] = [server.rows(&query), file.rows(&query)];
            here.sort();
            there.sort();
            assert!(!here.is_empty(), "{table}");
            assert_eq!(here.len(), there.len(), "{table}");
            for (here, there) in here.iter().zip(&there) {
                assert_eq!(here, there, "{table}");
            }
        }
    }
}
