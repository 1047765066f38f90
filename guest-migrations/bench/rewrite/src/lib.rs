//! Rewrites a large table through column batches: the fast way, without a thought for a single row's allocation.
//!
//! Reads `source(id, a, b, c, d)`, adds one to `a`, trims `b` and writes it large, and loads `target(id, a, b, c, d)`.

use wasmigrate_sdk::{Texts, prelude::*};

const ROWS_AT_ONCE: u32 = 10_000;
const COLUMNS: [&str; 5] = ["id", "a", "b", "c", "d"];

struct Rewrite;

impl Step for Rewrite {
    const SUMMARY: &'static str = "rewrites a large table through column batches";

    fn count(database: &Database) -> Result<Option<u64>> {
        database.query_value("SELECT count(*) FROM source", params![])
    }

    fn migrate(database: &mut Database, _: Resume) -> Result<()> {
        let mut done = 0;
        let batches = database.query_batches(
            "SELECT id, a, b, c, d FROM source ORDER BY id",
            params![],
            ROWS_AT_ONCE,
        )?;
        for batch in batches {
            let mut batch = batch?;
            let mut numbers = batch.take_integers(1)?;
            for number in &mut numbers.values {
                *number = number.wrapping_add(1);
            }
            batch.put(1, numbers)?;
            let texts = batch.take_texts(2)?;
            batch.put(2, trimmed_and_large(&texts))?;
            done += database.load("target", &COLUMNS, &batch)?;
            progress(done, None);
        }
        Ok(())
    }
}

impl Reset for Rewrite {
    fn reset(database: &Database) -> Result<()> {
        database.execute("DELETE FROM target", params![])?;
        Ok(())
    }
}
export!(Rewrite);

/// The letters of a whole column are made large in one pass, where they are all ASCII.
fn trimmed_and_large(texts: &Texts) -> Texts {
    let mut changed = Texts::with_capacity(texts.len(), texts.data().len());
    if texts.data().is_ascii() {
        for text in texts.iter() {
            changed.push(text.map(str::trim));
        }
        changed.make_ascii_uppercase();
    } else {
        for text in texts.iter() {
            match text {
                Some(text) => changed.push_with(|buffer| {
                    buffer.extend(text.trim().chars().flat_map(char::to_uppercase));
                }),
                None => changed.push(None),
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(texts: &[Option<&str>]) -> Vec<Option<String>> {
        let mut column = Texts::default();
        for text in texts {
            column.push(*text);
        }
        let changed = trimmed_and_large(&column);
        changed.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn texts_are_trimmed_and_large() {
        let expected = [Some("AB".to_owned()), None, Some(String::new())];
        assert_eq!(changed(&[Some(" ab "), None, Some(" ")]), expected);
        let expected = [Some("STRASSE É".to_owned()), None];
        assert_eq!(changed(&[Some("straße é "), None]), expected);
    }
}
