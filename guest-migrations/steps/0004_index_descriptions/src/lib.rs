//! Makes the descriptions of subtags searchable: by word, and by parts of words for those who cannot spell them.
//!
//! It is the long step of the migration, so it commits as it goes. The position it resumes from is the last subtag
//! whose words are in the index, and it commits together with those words.

mod words;

use std::collections::BTreeSet;

use wasmigrate_sdk::{Kind, prelude::*, settings};

/// Subtags between two checkpoints, where the setting `index_descriptions.chunk` does not say otherwise.
const CHUNK: u32 = 500;

struct IndexDescriptions;

impl Step for IndexDescriptions {
    const SUMMARY: &'static str =
        "makes the descriptions of subtags searchable by word and by trigram";

    fn check(database: &Database) -> Result<()> {
        chunk()?;
        // An earlier step makes this table; the host checks again when that step is done.
        database.query_rows(
            "SELECT subtag_id, text FROM subtag_description LIMIT 0",
            params![],
        )?;
        Ok(())
    }

    fn count(database: &Database) -> Result<Option<u64>> {
        let counted = database.query_value(
            "SELECT count(DISTINCT subtag_id) FROM subtag_description",
            params![],
        );
        match counted {
            // The table is made by an earlier step of the same run.
            Err(error) if matches!(error.cause(), Some(Cause::Syntax(_))) => Ok(None),
            counted => counted,
        }
    }

    fn migrate(database: &mut Database, resume: Resume) -> Result<()> {
        if resume.is_fresh() {
            create_tables(database)?;
        }
        let mut last: i64 = resume.position()?.unwrap_or(0);
        let total: u64 = database.query_value(
            "SELECT count(DISTINCT subtag_id) FROM subtag_description",
            params![],
        )?;
        let mut done: u64 = database.query_value(
            "SELECT count(DISTINCT subtag_id) FROM subtag_description WHERE subtag_id <= $1",
            params![last],
        )?;
        if done > 0 {
            info!("went on behind subtag {last}: {done} of {total} were indexed before");
        }
        let chunk = chunk()?;
        while let Some(indexed) = index_chunk(database, last, chunk)? {
            last = indexed.last;
            done += indexed.subtags;
            database.checkpoint(&last)?;
            progress(done, total);
        }
        info!("{done} subtags are searchable");
        Ok(())
    }
}

impl Finalize for IndexDescriptions {
    fn finalize(database: &Database) -> Result<()> {
        // Earlier steps may have added subtags in their own cut-over.
        let last: Option<i64> =
            database.query_value("SELECT max(subtag_id) FROM search_word", params![])?;
        let mut last = last.unwrap_or(0);
        while let Some(indexed) = index_chunk(database, last, CHUNK)? {
            info!("{} subtags were added since", indexed.subtags);
            last = indexed.last;
        }
        // What was deleted meanwhile must not be found.
        for table in ["search_word", "search_trigram"] {
            database.execute(
                &format!("DELETE FROM {table} WHERE subtag_id NOT IN (SELECT id FROM subtag)"),
                params![],
            )?;
        }
        Ok(())
    }
}

impl Reset for IndexDescriptions {
    fn reset(database: &Database) -> Result<()> {
        database.execute("DROP TABLE IF EXISTS search_trigram", params![])?;
        database.execute("DROP TABLE IF EXISTS search_word", params![])?;
        Ok(())
    }
}
export!(IndexDescriptions);

fn chunk() -> Result<u32> {
    let chunk = settings::parse("index_descriptions.chunk")?.unwrap_or(CHUNK);
    ensure!(
        chunk > 0,
        "the setting index_descriptions.chunk must be at least 1"
    );
    Ok(chunk)
}

fn create_tables(database: &Database) -> Result<()> {
    // SQLite then keeps the rows in the index alone.
    let option = match database.server().kind {
        Kind::Sqlite => "WITHOUT ROWID",
        _ => "",
    };
    for (table, column) in [("search_word", "word"), ("search_trigram", "trigram")] {
        database.execute(
            &format!(
                "CREATE TABLE {table} (
                     {column} TEXT NOT NULL,
                     subtag_id BIGINT NOT NULL REFERENCES subtag (id) ON DELETE CASCADE,
                     PRIMARY KEY ({column}, subtag_id)
                 ) {option}"
            ),
            params![],
        )?;
    }
    Ok(())
}

/// What went into the index.
struct Indexed {
    last: i64,
    subtags: u64,
}

/// Indexes the next subtags behind `after`; none when there are no more.
fn index_chunk(database: &Database, after: i64, chunk: u32) -> Result<Option<Indexed>> {
    let bounds = database.query_one(
        "SELECT max(subtag_id), count(*) FROM (
             SELECT DISTINCT subtag_id FROM subtag_description
             WHERE subtag_id > $1 ORDER BY subtag_id LIMIT $2
         ) AS next",
        params![after, chunk],
    )?;
    let Some(last) = bounds.get::<Option<i64>>(0)? else {
        return Ok(None);
    };
    let mut index = Index::open(database);
    let descriptions = database.query(
        "SELECT subtag_id, text FROM subtag_description
         WHERE subtag_id > $1 AND subtag_id <= $2 ORDER BY subtag_id, position",
        params![after, last],
    )?;
    for row in descriptions {
        let row = row?;
        index.add(row.get("subtag_id")?, row.get("text")?)?;
    }
    index.finish()?;
    Ok(Some(Indexed {
        last,
        subtags: bounds.get(1)?,
    }))
}

/// The two tables of the index, and the words of the subtag at hand: one word in two descriptions is one row.
struct Index<'database> {
    words: wasmigrate_sdk::Loader<'database>,
    trigrams: wasmigrate_sdk::Loader<'database>,
    subtag: i64,
    subtag_words: BTreeSet<String>,
}

impl<'database> Index<'database> {
    fn open(database: &'database Database) -> Self {
        Self {
            words: database.loader("search_word", &["word", "subtag_id"]),
            trigrams: database.loader("search_trigram", &["trigram", "subtag_id"]),
            subtag: 0,
            subtag_words: BTreeSet::new(),
        }
    }

    fn add(&mut self, subtag: i64, description: &str) -> Result<()> {
        if subtag != self.subtag {
            self.write_subtag()?;
            self.subtag = subtag;
        }
        self.subtag_words.extend(words::words(description));
        Ok(())
    }

    fn write_subtag(&mut self) -> Result<()> {
        let words = std::mem::take(&mut self.subtag_words);
        let trigrams: BTreeSet<_> = words
            .iter()
            .flat_map(|word| words::trigrams(word))
            .collect();
        for word in &words {
            self.words.push(params![word, self.subtag])?;
        }
        for trigram in &trigrams {
            self.trigrams.push(params![trigram, self.subtag])?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.write_subtag()?;
        self.words.finish()?;
        self.trigrams.finish()?;
        Ok(())
    }
}
