//! Puts a table of all languages in the place of the application's own short list.
//!
//! The application keeps its table `language` while this step fills `language_new` beside it. The cut-over takes over
//! what the application wrote meanwhile and swaps the two under the old name. The table `locale` refers to `language`
//! and cascades: a swap that deletes rows on the way would empty it.

mod name;

use wasmigrate_sdk::{Kind, prelude::*};

struct CutOverLanguages;

impl Step for CutOverLanguages {
    const SUMMARY: &'static str = "puts a table of all languages in the place of the short list";

    fn check(database: &Database) -> Result<()> {
        let look = match database.server().kind {
            Kind::Sqlite => {
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'language_new')"
            }
            _ => "SELECT to_regclass('language_new') IS NOT NULL",
        };
        let taken: bool = database.query_value(look, params![])?;
        ensure!(
            !taken,
            "there is a table language_new already: rename or drop it"
        );
        let nameless: i64 = database.query_value(
            "SELECT count(*) FROM language WHERE trim(name) = ''",
            params![],
        )?;
        ensure!(
            nameless == 0,
            "{nameless} rows of the table language have no name: give them one"
        );
        let alike: i64 = database.query_value(
            "SELECT count(*) - count(DISTINCT name) FROM language",
            params![],
        )?;
        ensure!(
            alike == 0,
            "{alike} rows of the table language have the name of another: give them one of their own"
        );
        Ok(())
    }

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        database.execute(
            "CREATE TABLE language_new (
                 code TEXT NOT NULL PRIMARY KEY,
                 name TEXT NOT NULL CHECK (trim(name) <> ''),
                 full_name TEXT NOT NULL,
                 script TEXT,
                 scope TEXT,
                 deprecated INTEGER NOT NULL DEFAULT 0 CHECK (deprecated IN (0, 1)),
                 territories BIGINT NOT NULL DEFAULT 0,
                 speakers BIGINT NOT NULL DEFAULT 0
             )",
            params![],
        )?;
        let added = add_missing(database)?;
        count_speakers(database)?;
        info!("{added} languages instead of {}", legacy_count(database)?);
        Ok(())
    }
}

impl Finalize for CutOverLanguages {
    fn finalize(database: &Database) -> Result<()> {
        let added = add_missing(database)?;
        if added > 0 {
            info!("{added} languages were added since");
        }
        count_speakers(database)?;
        swap_tables(database)?;
        database
            .execute(
                "CREATE UNIQUE INDEX language_name ON language (name)",
                params![],
            )
            .context("two languages have one name")?;
        let languages: i64 = database.query_value("SELECT count(*) FROM language", params![])?;
        info!("the table language has {languages} rows now");
        Ok(())
    }
}

impl Reset for CutOverLanguages {
    fn reset(database: &Database) -> Result<()> {
        database.execute("DROP TABLE IF EXISTS language_new", params![])?;
        Ok(())
    }
}
export!(CutOverLanguages);

fn swap_tables(database: &Database) -> Result<()> {
    let drop_old = "DROP TABLE language";
    let rename_new = "ALTER TABLE language_new RENAME TO language";
    let statements: &[&str] = match database.server().kind {
        // It refers by name, and finds the new table afterwards.
        Kind::Sqlite => &[drop_old, rename_new],
        // It refers to the table itself, which cannot be dropped meanwhile.
        _ => &[
            "ALTER TABLE locale DROP CONSTRAINT locale_language_fkey",
            drop_old,
            rename_new,
            "ALTER TABLE locale ADD CONSTRAINT locale_language_fkey
             FOREIGN KEY (language) REFERENCES language (code) ON DELETE CASCADE",
        ],
    };
    for statement in statements {
        database.execute(statement, params![])?;
    }
    Ok(())
}

fn legacy_count(database: &Database) -> Result<i64> {
    database.query_value("SELECT count(*) FROM language", params![])
}

/// Adds the languages that the new table does not have yet, and gives all of them their names.
fn add_missing(database: &Database) -> Result<u64> {
    let mut added = add_from_registry(database)?;
    added += add_from_application(database)?;
    settle_names(database)?;
    Ok(added)
}

fn add_from_registry(database: &Database) -> Result<u64> {
    let mut languages = database.loader(
        "language_new",
        &["code", "name", "full_name", "script", "scope", "deprecated"],
    );
    let mut done = 0;
    let missing = database.query(
        "SELECT code, text, suppress_script, scope, deprecated
         FROM subtag JOIN subtag_description ON subtag_id = subtag.id AND position = 1
         WHERE kind = 'language' AND scope IS DISTINCT FROM 'private-use'
           AND code NOT IN (SELECT code FROM language_new)
         ORDER BY code",
        params![],
    )?;
    for row in missing {
        let row = row?;
        let full_name: &str = row.get("text")?;
        languages.push(params![
            row.get::<&str>("code")?,
            name::short(full_name),
            full_name,
            row.get::<Option<&str>>("suppress_script")?,
            row.get::<Option<&str>>("scope")?,
            i64::from(row.get::<Option<&str>>("deprecated")?.is_some())
        ])?;
        done += 1;
        progress(done, None);
    }
    languages.finish()
}

/// The application's languages stay, whatever the registry knows.
fn add_from_application(database: &Database) -> Result<u64> {
    let unknown = database.query_rows(
        "SELECT code FROM language WHERE code NOT IN (SELECT code FROM language_new) ORDER BY code",
        params![],
    )?;
    for row in &unknown {
        warning!(
            "the registry does not know the language {}: it stays as it is",
            row.get::<&str>("code")?
        );
    }
    database.execute(
        "INSERT INTO language_new (code, name, full_name)
         SELECT code, name, name FROM language WHERE code NOT IN (SELECT code FROM language_new)",
        params![],
    )
}

/// Names must tell languages apart: the application's own names first, then the short ones where they are enough.
fn settle_names(database: &Database) -> Result<()> {
    for statement in [
        "UPDATE language_new SET name = language.name FROM language
         WHERE language.code = language_new.code AND language.name <> language_new.name",
        "UPDATE language_new SET name = full_name
         WHERE code NOT IN (SELECT code FROM language)
           AND name IN (SELECT name FROM language_new GROUP BY name HAVING count(*) > 1)",
        "UPDATE language_new SET name = name || ' [' || code || ']'
         WHERE code NOT IN (SELECT code FROM language)
           AND name IN (SELECT name FROM language_new GROUP BY name HAVING count(*) > 1)",
    ] {
        let changed = database.execute(statement, params![])?;
        debug!("{changed} names changed");
    }
    Ok(())
}

fn count_speakers(database: &Database) -> Result<()> {
    // Halves are rounded up everywhere: PostgreSQL rounds those of floating-point numbers to the even neighbour.
    database.execute(
        "UPDATE language_new SET territories = counted.territories, speakers = counted.speakers
         FROM (
             SELECT language,
                    count(DISTINCT territory) AS territories,
                    CAST(round(CAST(sum(population * population_percent / 100) AS NUMERIC)) AS BIGINT) AS speakers
             FROM territory_language JOIN territory ON territory.code = territory_language.territory
             GROUP BY language
         ) AS counted
         WHERE counted.language = language_new.code",
        params![],
    )?;
    Ok(())
}
