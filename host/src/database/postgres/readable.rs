//! Whether tables that the host did not make can be read: other tools' histories, and what is sampled.
//!
//! Whoever owns a table can have code of theirs run when it is read: policies, expressions in indexes, views in its place. Nothing
//! keeps that from being added between a look and the reading, but for the table that is locked. So what belongs to somebody
//! who is not trusted is not read at all, and neither is what lies in a schema of theirs: whoever owns that could put another
//! table in the place of one that is locked.

use super::super::{Error, ErrorKind, Result, Session, TableName, Value, quote};
use super::state::PostgresSession;
use super::trusted::TRUSTED;

/// What speaks against reading a table.
pub(super) struct Objection {
    kind: String,
    /// Whose the table is, or the schema.
    role: String,
}

/// A query for what speaks against reading tables, by their schemas and names: the place of each in the list from 1 on, what it
/// is, and whose the table or its schema is. What a name stands for is asked as a statement that reads it would.
fn objections() -> String {
    format!(
        "WITH {TRUSTED}, judged AS (
             SELECT place, relowner, nspowner, CASE
                 WHEN relkind IS NULL THEN 'gone'
                 WHEN relkind NOT IN ('r', 'p') THEN 'no table'
                 WHEN relowner NOT IN (SELECT role FROM trusted) THEN 'owner'
                 WHEN nspowner NOT IN (SELECT role FROM trusted) THEN 'schema'
                 WHEN row_security_active(pg_class.oid) THEN 'policy'
             END AS kind
             FROM ROWS FROM (json_array_elements_text($1::json), json_array_elements_text($2::json)) WITH ORDINALITY
                 AS asked (space, name, place)
             LEFT JOIN pg_class ON pg_class.oid = to_regclass(format('%I.%I', space, name)) AND relname = name
             LEFT JOIN pg_namespace ON pg_namespace.oid = relnamespace
         )
         SELECT place::bigint, kind, coalesce(pg_get_userbyid(CASE kind WHEN 'schema' THEN nspowner ELSE relowner END)::text, '')
         FROM judged WHERE kind IS NOT NULL"
    )
}

impl PostgresSession {
    /// Locks those tables that can be read, so that they are what is read; returns what speaks against the others, by their place
    /// in the list. They stay readable until the transaction ends.
    pub(super) async fn lock_to_read(
        &mut self,
        tables: &[TableName<'_>],
    ) -> Result<Vec<(usize, Objection)>> {
        // Nobody waits for a lock of those who are not trusted.
        let mut objections = self.objections(tables).await?;
        let is_fine = |place: usize| !objections.iter().any(|(other, _)| *other == place);
        let places: Vec<usize> = (0..tables.len()).filter(|place| is_fine(*place)).collect();
        let fine: Vec<TableName<'_>> = places
            .iter()
            .filter_map(|place| tables.get(*place).copied())
            .collect();
        if fine.is_empty() {
            return Ok(objections);
        }
        let names: Vec<String> = fine
            .iter()
            .map(|table| {
                let schema = table.schema.unwrap_or(&self.target.own_schema);
                format!("ONLY {}.{}", quote(schema), quote(table.name))
            })
            .collect();
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        let session: &mut dyn Session = self;
        session.execute_later(&lock, &[]).await?;
        let changed = self.objections(&fine).await?.into_iter();
        objections.extend(
            changed.filter_map(|(place, objection)| Some((*places.get(place)?, objection))),
        );
        Ok(objections)
    }

    async fn objections(&mut self, tables: &[TableName<'_>]) -> Result<Vec<(usize, Objection)>> {
        let own = &*self.target.own_schema;
        let schemas: Vec<&str> = tables
            .iter()
            .map(|table| table.schema.unwrap_or(own))
            .collect();
        let names: Vec<&str> = tables.iter().map(|table| table.name).collect();
        // No separator will do: whoever makes a table chooses its name.
        let parameters = [json(&schemas), json(&names)];
        let session: &mut dyn Session = self;
        let rows = session.rows(&objections(), &parameters).await?;
        let objections = rows.into_iter().filter_map(|row| {
            let [place, kind, role] = <[Value; 3]>::try_from(row).ok()?;
            let place = usize::try_from(place.as_integer()?).ok()?.checked_sub(1)?;
            let objection = Objection {
                kind: kind.as_text()?.to_owned(),
                role: role.as_text()?.to_owned(),
            };
            Some((place, objection))
        });
        Ok(objections.collect())
    }

    /// Refuses to read a history that somebody else could have forged, or in which something of theirs would run. It stays
    /// what it is until the transaction ends.
    pub(super) async fn check_history(&mut self, table: TableName<'_>) -> Result<()> {
        let found = self.lock_to_read(&[table]).await?;
        let schema = table.schema.unwrap_or(&self.target.own_schema);
        let name = format!("{}.{}", quote(schema), quote(table.name));
        match found.first() {
            None => Ok(()),
            Some((_, objection)) => Err(Error::new(
                ErrorKind::Unavailable,
                objection.of_history(&name),
            )),
        }
    }
}

fn json(texts: &[&str]) -> Value {
    Value::Text(serde_json::Value::from(texts).to_string())
}

impl Objection {
    fn of_history(&self, name: &str) -> String {
        let role = &self.role;
        let looks = format!("the table {name} looks like the history of another migration tool");
        let stranger = "who is neither this connection's role nor a role that it is a member of, the owner of the database or a \
                        superuser: it may be forged, and is not read. If it is that history";
        let otherwise = "rename it, or pass over it by `wasmigrate baseline`";
        match self.kind.as_str() {
            "owner" => format!(
                "{looks} and belongs to the role {role}, {stranger}, connect as {role} or as a member of it; if not, let {role}, the \
                 owner of its schema or a superuser drop or {otherwise}"
            ),
            "schema" => format!(
                "{looks} and lies in a schema of the role {role}, {stranger}, connect as a member of {role}, or let a superuser give \
                 the schema to this role; if not, drop or {otherwise}"
            ),
            "policy" => format!(
                "{looks}, belongs to the role {role} and has a row-level security policy, which would run in the name of this \
                 connection's role: it is not read. If it is that history, connect as {role}; if not, let its owner, or the \
                 owner of its schema, drop or {otherwise}"
            ),
            _ => format!("{looks}, and was changed while it was looked at: try again"),
        }
    }
}
