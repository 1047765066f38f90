//! Everything that makes a schema what it is, in its second form.
//!
//! What a table is made of, and which kinds of things there are besides, is asked at once; those kinds are asked after that,
//! where there are any: a query that knows them all would take the server longer to understand than to answer.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::{Result, Session, Value};
use super::pieces::{OTHERS, Scope, event_triggers, publications, relations, schemas};
use super::{whole, words};
use crate::database::JOURNAL_PREFIX;
use crate::database::content::text;

/// What the columns of each piece are called.
const COLUMNS: &str = " (space, kind, name, piece, cells, hung)";

/// The lines of a schema, an identifier in quotes: the name of a thing, and a line of what makes it what it is.
pub(in super::super) async fn read(
    session: &mut dyn Session,
    schema: &str,
) -> Result<Vec<(String, String)>> {
    let scope = Scope::One(schema);
    let mut rows = session
        .rows(
            &found(&[relations(&scope), schemas(&scope, &whole::hung())]),
            &[],
        )
        .await?;
    let pieces = further(&scope, &rows);
    if !pieces.is_empty() {
        rows.extend(session.rows(&found(&pieces), &[]).await?);
    }
    let mut lines = Vec::new();
    for row in &rows {
        let [kind, name, piece, cells] = [0, 1, 2, 3].map(|number| text(row, number));
        if name.starts_with(JOURNAL_PREFIX) {
            continue;
        }
        let name = words::name(&kind, &name);
        let of_it = words::lines(&piece, &cells);
        lines.extend(of_it.into_iter().map(|line| (name.clone(), line)));
    }
    Ok(lines)
}

/// The things in the schemas of these names, joined by [`super::SEPARATOR`]: the schema, the thing, and a digest of it.
pub(in super::super) async fn read_digests(
    session: &mut dyn Session,
    schemas: &str,
) -> Result<Vec<[String; 3]>> {
    let rows = session.rows(&digests(), &[schemas.into()]).await?;
    let rows = rows.iter().map(|row| {
        let [schema, kind, name, digest] = [0, 1, 2, 3].map(|number| text(row, number));
        [schema, words::name(&kind, &name), digest]
    });
    Ok(rows.collect())
}

/// One row a thing: the schema, its kind, its name, and a digest.
fn digests() -> String {
    let scope = Scope::Named;
    let mut pieces = vec![relations(&scope), schemas(&scope, &whole::hung())];
    pieces.extend(OTHERS.iter().map(|(_, piece)| piece(&scope)));
    format!(
        "SELECT nspname::pg_catalog.text, found.kind, found.name,
         pg_catalog.md5(pg_catalog.string_agg(found.cells, pg_catalog.chr(10) ORDER BY found.piece, found.cells COLLATE pg_catalog.\"C\"))
         FROM ({}) AS found{COLUMNS}
         JOIN pg_catalog.pg_namespace ON pg_namespace.oid OPERATOR(pg_catalog.=) found.space
         GROUP BY nspname, found.kind, found.name ORDER BY 1, 2, 3",
        pieces.join(" UNION ALL ")
    )
}

fn found(pieces: &[String]) -> String {
    format!(
        "SELECT kind, name, piece, cells, hung FROM ({}) AS found{COLUMNS}",
        pieces.join(" UNION ALL ")
    )
}

/// The queries for the kinds of things that there are besides.
fn further(scope: &Scope<'_>, rows: &[Vec<Value>]) -> Vec<String> {
    let mut catalogs = BTreeSet::new();
    for row in rows {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for catalog in text(row, 4).split(' ').filter(|name| !name.is_empty()) {
            *times.entry(catalog.to_owned()).or_default() += 1;
        }
        let kind = text(row, 0);
        // The query of a view is a rule of its own.
        if ["v", "m"].contains(&&*kind) && times.get("pg_rewrite") == Some(&1) {
            times.remove("pg_rewrite");
        }
        // Relations are known, and whatever else a schema has that is neither a routine nor a type is of the others.
        if kind == "schema" {
            let known = [
                "pg_class",
                "pg_proc",
                "pg_type",
                "pg_publication",
                "pg_event_trigger",
                whole::HUNG,
            ];
            if times.keys().any(|catalog| !known.contains(&&**catalog)) {
                catalogs.insert("pg_namespace".to_owned());
            }
        }
        if words::has_parent(&text(row, 3)) {
            catalogs.insert("pg_inherits".to_owned());
        }
        catalogs.extend(times.into_keys());
    }
    let mut pieces: Vec<String> = OTHERS
        .iter()
        .filter(|(catalog, _)| catalogs.contains(*catalog))
        .map(|(_, piece)| piece(scope))
        .collect();
    if catalogs.contains("pg_publication") {
        pieces.push(publications());
    }
    if catalogs.contains("pg_event_trigger") {
        pieces.push(event_triggers());
    }
    if catalogs.contains(whole::HUNG) {
        pieces.extend(whole::pieces());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::super::full_names::is_in_full;
    use super::*;

    #[test]
    fn every_piece_is_in_full_names() {
        for scope in [Scope::One("\"a\"\"b'c\""), Scope::Named] {
            let others = OTHERS.map(|(_, piece)| piece(&scope));
            let rest = [
                relations(&scope),
                schemas(&scope, &whole::hung()),
                publications(),
                event_triggers(),
            ];
            for piece in others.iter().chain(&rest).chain(&whole::pieces()) {
                assert!(is_in_full(piece), "{piece}");
            }
        }
        // The names of its columns look like a call.
        let digests = digests().replace(COLUMNS, "");
        assert!(is_in_full(&digests), "{digests}");
    }
}
