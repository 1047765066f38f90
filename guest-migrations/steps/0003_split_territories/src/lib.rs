//! Takes the JSON documents about territories apart into tables.

mod document;

use std::collections::BTreeSet;

use wasmigrate_sdk::prelude::*;

use crate::document::Territory;

struct SplitTerritories;

impl Step for SplitTerritories {
    const SUMMARY: &'static str = "takes the JSON documents about territories apart into tables";

    fn check(database: &Database) -> Result<()> {
        let rows: i64 = database.query_value("SELECT count(*) FROM territory", params![])?;
        ensure!(
            rows == 0,
            "the table territory, which the documents are split into, has {rows} rows already: remove them"
        );
        for row in database.query("SELECT code, body FROM territory_document", params![])? {
            parse(&row?)?;
        }
        Ok(())
    }

    fn count(database: &Database) -> Result<Option<u64>> {
        database.query_value("SELECT count(*) FROM territory_document", params![])
    }

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        let split = split_documents(database)?;
        info!(
            "{} territories have {} languages",
            split.territories, split.languages
        );
        for code in &split.without_name {
            warning!(
                "the registry has no name for the territory {code}: its code takes the place of one"
            );
        }
        let unknown = split.unknown_languages(database)?;
        if !unknown.is_empty() {
            warning!(
                "the registry does not know these languages: {}",
                unknown.join(", ")
            );
        }
        Ok(())
    }
}

impl Finalize for SplitTerritories {
    fn finalize(database: &Database) -> Result<()> {
        // The application went on changing documents until now, and they are few: take them apart again.
        clear(database)?;
        let split = split_documents(database)?;
        database.execute("DROP TABLE territory_document", params![])?;
        info!("{} territories were taken over", split.territories);
        Ok(())
    }
}

impl Reset for SplitTerritories {
    fn reset(database: &Database) -> Result<()> {
        clear(database)
    }
}
export!(SplitTerritories);

/// What came out of the documents.
#[derive(Default)]
struct Split {
    territories: u64,
    languages: u64,
    without_name: Vec<String>,
    distinct_languages: BTreeSet<String>,
}

impl Split {
    /// The languages that the registry does not have.
    fn unknown_languages(&self, database: &Database) -> Result<Vec<&str>> {
        let mut unknown = Vec::new();
        for language in &self.distinct_languages {
            let known: bool = database.query_value(
                "SELECT EXISTS (SELECT 1 FROM subtag WHERE kind = 'language' AND code = $1)",
                params![language],
            )?;
            if !known {
                unknown.push(language.as_str());
            }
        }
        Ok(unknown)
    }
}

fn split_documents(database: &Database) -> Result<Split> {
    let mut split = Split::default();
    let mut territories = database.loader(
        "territory",
        &[
            "code",
            "name",
            "population",
            "gross_domestic_product",
            "literacy_percent",
        ],
    );
    let mut languages = database.loader(
        "territory_language",
        &[
            "territory",
            "tag",
            "language",
            "script",
            "population_percent",
            "writing_percent",
            "literacy_percent",
            "status",
        ],
    );
    let documents = database.query(
        "SELECT code, body FROM territory_document ORDER BY code",
        params![],
    )?;
    for row in documents {
        let row = row?;
        let code: &str = row.get("code")?;
        let territory = parse(&row)?;
        let name = region_name(database, code)?;
        territories.push(params![
            code,
            name.as_deref().unwrap_or(code),
            territory.population,
            territory.gross_domestic_product,
            territory.literacy_percent
        ])?;
        if name.is_none() {
            split.without_name.push(code.to_owned());
        }
        for (tag, spoken) in &territory.languages {
            languages.push(params![
                code,
                tag.to_string(),
                tag.language,
                tag.script,
                spoken.population_percent,
                spoken.writing_percent,
                spoken.literacy_percent,
                spoken.status
            ])?;
            split.distinct_languages.insert(tag.language.clone());
        }
        split.territories += 1;
        progress(split.territories, None);
    }
    territories.finish()?;
    split.languages = languages.finish()?;
    Ok(split)
}

fn parse(row: &Row) -> Result<Territory> {
    let code: &str = row.get("code")?;
    Territory::parse(row.get("body")?)
        .with_context(|| format!("could not read the document about the territory {code}"))
}

/// A territory's name in the registry: its first description. One that the registry leaves to private use (`XK`) has
/// none.
fn region_name(database: &Database, code: &str) -> Result<Option<String>> {
    let found = database.query_optional(
        "SELECT text FROM subtag_description JOIN subtag ON subtag.id = subtag_id
         WHERE kind = 'region' AND code = $1 AND position = 1 AND text <> 'Private use'",
        params![code],
    )?;
    found.map(|row| row.get(0)).transpose()
}

fn clear(database: &Database) -> Result<()> {
    database.execute("DELETE FROM territory_language", params![])?;
    database.execute("DELETE FROM territory", params![])?;
    Ok(())
}
