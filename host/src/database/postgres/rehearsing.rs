//! What a rehearsal asks a server: its counters, its content, and where its sequences stand.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::super::content::is_journal;
use super::super::{
    Access, Action, Authority, Content, Deed, Rehearsing, Result, SequenceState, Session, Shape,
    TableName, Trait, Value, quote, unquote,
};
use super::state::PostgresSession;
use super::text::quote_text;
use super::triggers_off::{self, On};
use super::{content, shape, traits};

/// What the server's counters tell of a transaction.
const DEEDS: &str = "SELECT schemaname::pg_catalog.text, relname::pg_catalog.text,
    coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0, n_tup_ins + n_tup_upd + n_tup_del > 0
    FROM pg_catalog.pg_stat_xact_user_tables";

#[async_trait]
impl Rehearsing for PostgresSession {
    async fn rows_changed(&mut self) -> Result<BTreeMap<String, u64>> {
        if self.access != Access::Rehearsal
            || self
                .transaction
                .as_ref()
                .is_none_or(|transaction| transaction.has_failed)
        {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "SELECT CASE WHEN schemaname = {schema} THEN relname ELSE schemaname || '.' || relname END,
             n_tup_ins + n_tup_upd + n_tup_del
             FROM pg_catalog.pg_stat_xact_user_tables WHERE n_tup_ins + n_tup_upd + n_tup_del > 0",
            schema = quote_text(&unquote(&self.target.home.schema)),
        );
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let [table, rows] = <[Value; 2]>::try_from(row).ok()?;
                Some((
                    table.as_text()?.to_owned(),
                    u64::try_from(rows.as_integer()?).ok()?,
                ))
            })
            .collect())
    }

    async fn deeds(&mut self) -> Result<BTreeSet<Deed>> {
        let mut deeds = BTreeSet::new();
        let own_schema = unquote(&self.target.home.schema);
        let session: &mut dyn Session = self;
        for row in session.rows(DEEDS, &[]).await? {
            let [
                Value::Text(schema),
                Value::Text(table),
                Value::Boolean(is_read),
                Value::Boolean(is_written),
            ] = &*row
            else {
                continue;
            };
            let table = match *schema == own_schema {
                true => table.clone(),
                false => format!("{schema}.{table}"),
            };
            for (action, is_done) in [(Action::Read, *is_read), (Action::Write, *is_written)] {
                if is_done && !is_journal(&table) {
                    deeds.insert(Deed {
                        action,
                        table: table.clone(),
                        column: None,
                    });
                }
            }
        }
        Ok(deeds)
    }

    async fn content_without_rows(&mut self) -> Result<Content> {
        content::schema(self).await
    }

    fn table_name(&self, name: &str) -> String {
        content::full_name(name)
    }

    async fn shapes(&mut self) -> Result<BTreeMap<String, Shape>> {
        shape::shapes(self).await
    }

    async fn traits(&mut self) -> Result<Vec<Trait>> {
        traits::traits(self).await
    }

    async fn hold_to_read(&mut self, tables: &[&str]) -> Result<BTreeSet<String>> {
        let names: Vec<(String, String)> = tables
            .iter()
            .map(|table| content::schema_and_name(table))
            .collect();
        let names: Vec<TableName<'_>> = names
            .iter()
            .map(|(schema, name)| TableName {
                schema: Some(schema),
                name,
            })
            .collect();
        let objections = self.lock_to_read(&names).await?.into_iter();
        let withheld = objections.filter_map(|(place, _)| tables.get(place));
        Ok(withheld.map(|table| (*table).to_owned()).collect())
    }

    async fn sequences(&mut self) -> Result<Vec<SequenceState>> {
        let query =
            "SELECT pg_catalog.format('%I.%I', schemaname, sequencename), last_value, start_value
                     FROM pg_catalog.pg_sequences ORDER BY 1";
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                let [name, last, start] = <[Value; 3]>::try_from(row).ok()?;
                Some(SequenceState {
                    name: name.as_text()?.to_owned(),
                    last: last.as_integer(),
                    start: start.as_integer()?,
                })
            })
            .collect())
    }

    async fn set_sequences(&mut self, states: &[SequenceState]) -> Result<()> {
        let query = "SELECT setval(to_regclass($1::text), $2::bigint, $3::boolean) WHERE to_regclass($1::text) IS NOT NULL";
        let session: &mut dyn Session = self;
        for SequenceState { name, last, start } in states {
            let parameters = [
                name.as_str().into(),
                last.unwrap_or(*start).into(),
                last.is_some().into(),
            ];
            session.rows(query, &parameters).await?;
        }
        Ok(())
    }

    async fn count_from_rows(&mut self, table: &str, column: &str) -> Result<()> {
        let name = content::full_name(table);
        let query = format!(
            "SELECT setval(pg_get_serial_sequence($1, $2), greatest(max({}), 1)) FROM {name} HAVING max({0}) IS NOT NULL",
            quote(column)
        );
        let parameters = [name.as_str().into(), column.into()];
        let session: &mut dyn Session = self;
        session.rows(&query, &parameters).await.map(|_| ())
    }

    async fn reverse_stored_rows(&mut self) -> Result<()> {
        let role = self.database.0.options.role.as_deref().map(quote_text);
        let tables = format!(
            "SELECT pg_catalog.format('%I.%I', nspname, relname), (SELECT pg_catalog.quote_ident(attname) FROM pg_attribute
                 WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                 AND attidentity <> 'a' LIMIT 1), pg_catalog.pg_has_role({}, relowner, 'USAGE')
             FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE relkind = 'r' AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'
             AND relname NOT LIKE 'wasmigrate\\_%' ORDER BY 3",
            role.as_deref().unwrap_or("current_user"),
        );
        let session: &mut dyn Session = self;
        for row in session.rows(&tables, &[]).await? {
            let [
                Value::Text(table),
                Value::Text(column),
                Value::Boolean(is_of_steps),
            ] = &*row
            else {
                continue;
            };
            // Checks and computed columns run with it. The role of steps has hung none onto a table that is not its own.
            let authority = match is_of_steps {
                true => Authority::Step,
                false => Authority::Application,
            };
            // A row that is updated goes after all others, wherever there is room. Triggers are the application's, and
            // would see a change where there is none.
            let update = format!(
                "FOR wasmigrate_place IN SELECT ctid FROM {table} ORDER BY ctid DESC LOOP
                     UPDATE {table} SET {column} = {column} WHERE ctid = wasmigrate_place;
                 END LOOP;"
            );
            let script = triggers_off::around(std::slice::from_ref(table), On::Update, &update);
            self.run(authority, &script, std::iter::empty())?;
        }
        Ok(())
    }

    async fn held_locks(&mut self) -> Result<Vec<(String, String)>> {
        let query = format!(
            "SELECT {}, mode
             FROM pg_locks JOIN pg_class ON pg_class.oid = relation JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE pid = pg_backend_pid() AND granted AND relkind IN ('r', 'p') AND mode <> 'AccessShareLock'",
            content::named("nspname", "relname")
        );
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Value; 2]>::try_from(row).ok()? {
                [Value::Text(table), Value::Text(mode)] => Some((table, mode)),
                _ => None,
            })
            .collect())
    }
}
