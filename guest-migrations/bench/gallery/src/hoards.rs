//! Memory that grows with the data.

use wasmigrate_sdk::prelude::*;

/// How much a heap may hold before it is collected, as language runtimes do it.
const COLLECTED: usize = 3_000;

/// Greets everyone. The mistake: it keeps all rows, and more, until the end.
pub(crate) fn greets(database: &Database, is_wrong: bool) -> Result<()> {
    let mut loader = database.loader("greeting", &["person_id", "greeting"]);
    let mut kept: Vec<String> = Vec::new();
    for row in database.query("SELECT id FROM person ORDER BY id", params![])? {
        let id: i64 = row?.get("id")?;
        kept.push(format!("{id} {}", " ".repeat(1_000)));
        if !is_wrong && kept.len() == COLLECTED {
            kept.clear();
        }
        loader.push(params![id, "hello"])?;
    }
    loader.finish()?;
    info!("{} are kept", kept.len());
    Ok(())
}
