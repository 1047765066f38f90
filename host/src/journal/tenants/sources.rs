//! The files, with what was in them, and our own list of tenants.

use super::super::cells::{columns, number, text};
use super::super::now;
use super::SourceRecord;
use crate::database::{Result, Session};
use crate::journal::tables::tables;

/// The tenants of our own table, by name.
pub async fn read_tenants(session: &mut dyn Session) -> Result<Vec<String>> {
    let rows = tables(session)
        .rows("SELECT name FROM wasmigrate_tenant ORDER BY name", &[])
        .await?;
    Ok(rows.iter().flatten().map(text).collect())
}

/// Adds a tenant to our own table. Where the list of tenants is another one, it says whose files were made.
pub async fn write_tenant(session: &mut dyn Session, name: &str) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_tenant (name, added_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[name.into(), now().into()],
        )
        .await
}

/// All files that were ever applied, the newest contents last.
pub async fn read_sources(session: &mut dyn Session) -> Result<Vec<SourceRecord>> {
    let rows = tables(session)
        .rows(
            "SELECT id, file_key, directory, file_name, kind, form, digest FROM wasmigrate_source ORDER BY id",
            &[],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let [id, key, directory, file_name, kind, form, digest] = columns(row)?;
            Ok(SourceRecord {
                id: number(&id),
                key: text(&key),
                directory: text(&directory),
                file_name: text(&file_name),
                kind: text(&kind),
                form: text(&form),
                digest: text(&digest),
            })
        })
        .collect()
}

/// Writes a file down, over what it held when it was not applied yet, or was called.
pub async fn write_source(
    session: &mut dyn Session,
    source: &SourceRecord,
    contents: &str,
) -> Result<()> {
    tables(session)
        .execute_later(
            "INSERT INTO wasmigrate_source (id, file_key, directory, file_name, kind, form, digest, contents)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (id) DO UPDATE SET file_key = excluded.file_key, directory = excluded.directory,
               file_name = excluded.file_name, kind = excluded.kind, digest = excluded.digest, contents = excluded.contents",
            &[
                source.id.into(),
                source.key.as_str().into(),
                source.directory.as_str().into(),
                source.file_name.as_str().into(),
                source.kind.as_str().into(),
                source.form.as_str().into(),
                source.digest.as_str().into(),
                contents.into(),
            ],
        )
        .await
}

/// Gives a file another kind.
pub async fn set_source_kind(session: &mut dyn Session, source: i64, kind: &str) -> Result<()> {
    tables(session)
        .execute_later(
            "UPDATE wasmigrate_source SET kind = $1 WHERE id = $2",
            &[kind.into(), source.into()],
        )
        .await
}
