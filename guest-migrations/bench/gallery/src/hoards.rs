//! Memory that grows with the data.

use wasmigrate_sdk::prelude::*;

/// Greets everyone. The mistake: it keeps all rows, and more, before it writes the first.
pub(crate) fn greets(database: &Database, is_wrong: bool) -> Result<()> {
    let mut loader = database.loader("greeting", &["person_id", "greeting"]);
    let mut kept: Vec<String> = Vec::new();
    for row in database.query("SELECT id FROM person ORDER BY id", params![])? {
        let id: i64 = row?.get("id")?;
        if is_wrong {
            kept.push(format!("{id} {}", " ".repeat(1_000)));
        }
        loader.push(params![id, "hello"])?;
    }
    loader.finish()?;
    info!("{} are kept", kept.len());
    Ok(())
}
