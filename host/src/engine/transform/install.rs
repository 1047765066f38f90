//! What a transformation adds to a table's schema, and takes away again.
//!
//! The capture is a table of keys, into which triggers write the key of each row that is inserted or changed in what the
//! function sees. It only ever grows until the drain takes out what it has read, so that the application never waits for
//! it. Its names are not the journal's: the application writes to it.

use super::plan::{Plan, list};
use crate::database::{Durability, Kind, Session, quote};
use crate::engine::failure::Failure;
use crate::journal::{Fenced, Lease};

/// Gives the capture of an earlier version of the host what is new in it.
pub(super) async fn secure(
    session: &mut dyn Session,
    plan: &Plan,
    lease: &Lease,
) -> Result<(), Failure> {
    let statements = plan.install_function();
    if statements.is_empty() {
        return Ok(());
    }
    let begun = session.begin(Durability::Deferred).await;
    begun.map_err(Failure::from_database)?;
    let committed = async {
        for statement in &statements {
            session.execute_later(statement, &[]).await?;
        }
        session.verify().await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        fenced.commit().await
    };
    committed.await.map_err(Failure::from_database)
}

impl Plan {
    /// The table into which triggers write the keys of rows that change.
    pub(super) fn capture(&self) -> String {
        format!("{}capture_of_step_{}", self.schema, self.index)
    }

    /// Adds the derived columns and the capture of changes.
    pub(super) fn install(&self) -> Vec<String> {
        let add = self.derived().iter().map(|column| {
            let name = quote(&column.name);
            format!("ADD COLUMN {name} {}", column.type_name)
        });
        let mut statements: Vec<String> = match self.kind {
            Kind::Sqlite => add
                .map(|add| format!("ALTER TABLE {} {add}", self.table))
                .collect(),
            Kind::Postgres => {
                let add: Vec<String> = add.collect();
                vec![format!("ALTER TABLE {} {}", self.table, add.join(", "))]
            }
        };
        let keys: Vec<String> = (self.captured_keys().iter())
            .zip(&self.key)
            .map(|(name, column)| format!("{name} {}", column.type_name))
            .collect();
        let id = match self.kind {
            Kind::Sqlite => "id INTEGER PRIMARY KEY",
            Kind::Postgres => "id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        };
        statements.push(format!(
            "CREATE TABLE {} ({id}, {})",
            self.capture(),
            keys.join(", ")
        ));
        statements.extend(self.install_triggers());
        statements
    }

    /// Adds the triggers of the capture.
    pub(super) fn install_triggers(&self) -> Vec<String> {
        let (index, capture, table) = (self.index, self.capture(), &self.table);
        match self.kind {
            Kind::Sqlite => {
                let insert = self.capture_new_key();
                // A key that is the rowid can be changed by each of its names: https://www.sqlite.org/rowidtable.html
                let names = self.watched.iter().map(String::as_str);
                let watched = list(names.chain(["rowid", "oid", "_rowid_"]));
                [
                    ("insert", "INSERT".to_owned()),
                    ("update", format!("UPDATE OF {watched}")),
                ]
                .map(|(name, event)| {
                    format!("CREATE TRIGGER {capture}_{name} AFTER {event} ON {table} BEGIN {insert} END")
                })
                .to_vec()
            }
            Kind::Postgres => {
                let watched = |row: &str| {
                    let columns: Vec<String> = self
                        .watched
                        .iter()
                        .map(|name| format!("{row}.{}", quote(name)))
                        .collect();
                    format!("ROW({})", columns.join(", "))
                };
                let mut statements = self.install_function();
                statements.extend([
                    format!(
                        "CREATE TRIGGER capture_of_step_{index}_insert AFTER INSERT ON {table}
                         FOR EACH ROW EXECUTE FUNCTION {capture}()"
                    ),
                    // Compares the bytes, which every type has, and sees what other triggers changed, too:
                    // https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
                    format!(
                        "CREATE TRIGGER capture_of_step_{index}_update AFTER UPDATE ON {table}
                         FOR EACH ROW WHEN (pg_catalog.record_image_ne({}, {})) EXECUTE FUNCTION {capture}()",
                        watched("OLD"),
                        watched("NEW")
                    ),
                    // Replication applies changes without the ordinary triggers.
                    format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER capture_of_step_{index}_insert"),
                    format!("ALTER TABLE {table} ENABLE ALWAYS TRIGGER capture_of_step_{index}_update"),
                ]);
                statements
            }
        }
    }

    /// On a server, the function of the triggers, in the place of one that an earlier version of the host has made.
    ///
    /// Whoever changes the application's rows need not have a right to the capture: the function runs in the name of the
    /// host. So it serves this table alone, whoever has hung it onto another one, and whatever that one's columns are
    /// converted by.
    pub(super) fn install_function(&self) -> Vec<String> {
        let (capture, Some(number)) = (self.capture(), &self.table_number) else {
            return Vec::new();
        };
        // Its number does not change when it is renamed, its name does not when it is restored from a dump.
        let name = self.table.replace('\'', "''");
        let is_this = match self.has_parts {
            false => format!("TG_RELID = {number} OR TG_RELID = pg_catalog.to_regclass('{name}')"),
            true => format!(
                "EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(TG_RELID) WHERE relid = {number}
                 OR relid = pg_catalog.to_regclass('{name}'))"
            ),
        };
        let body = format!(
            "BEGIN
               IF ({is_this}) IS NOT TRUE THEN
                 RAISE EXCEPTION 'the capture of step {} is for the table % alone', '{name}';
               END IF;
               {}
               RETURN NULL;
             END",
            self.index,
            self.capture_new_key()
        );
        let mut quotes = String::from("$capture$");
        while body.contains(&quotes) {
            quotes.insert(1, '_');
        }
        let mut statements = vec![
            format!(
                "CREATE OR REPLACE FUNCTION {capture}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                 SET search_path = pg_catalog, pg_temp AS {quotes}{body}{quotes}"
            ),
            format!("REVOKE ALL ON FUNCTION {capture}() FROM PUBLIC"),
        ];
        // Partitions that the table's owner makes get the triggers.
        statements.extend(
            self.table_owner
                .as_ref()
                .map(|owner| format!("GRANT EXECUTE ON FUNCTION {capture}() TO {}", quote(owner))),
        );
        statements
    }

    /// Inserts the key of a trigger's row into the capture.
    fn capture_new_key(&self) -> String {
        let new_keys: Vec<String> = self
            .key
            .iter()
            .map(|column| format!("NEW.{}", quote(&column.name)))
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({});",
            self.capture(),
            self.captured_keys().join(", "),
            new_keys.join(", ")
        )
    }

    /// Removes the triggers of the capture.
    pub(super) fn remove_triggers(&self) -> Vec<String> {
        let (index, capture) = (self.index, self.capture());
        ["insert", "update"]
            .map(|name| match self.kind {
                Kind::Sqlite => format!("DROP TRIGGER IF EXISTS {capture}_{name}"),
                Kind::Postgres => format!(
                    "DROP TRIGGER IF EXISTS capture_of_step_{index}_{name} ON {}",
                    self.table
                ),
            })
            .to_vec()
    }

    /// Removes the capture of changes.
    pub(super) fn remove_capture(&self) -> Vec<String> {
        let capture = self.capture();
        let mut statements = self.remove_triggers();
        if self.kind == Kind::Postgres {
            statements.push(format!("DROP FUNCTION IF EXISTS {capture}()"));
        }
        statements.push(format!("DROP TABLE IF EXISTS {capture}"));
        statements
    }

    /// Removes the derived columns.
    pub(super) fn remove_columns(&self) -> Vec<String> {
        let columns = self.present.iter().rev();
        columns
            .map(|name| format!("ALTER TABLE {} DROP COLUMN {}", self.table, quote(name)))
            .collect()
    }

    /// Puts the derived columns in the place of the old ones, and demands values where there must be some.
    pub(super) fn cut_over(&self) -> Vec<String> {
        let alter = format!("ALTER TABLE {}", self.table);
        let set_not_null: Vec<String> = self
            .required()
            .map(|name| format!("ALTER COLUMN {} SET NOT NULL", quote(name)))
            .collect();
        let mut statements = Vec::new();
        match self.kind {
            Kind::Sqlite => {
                statements.extend(set_not_null.iter().map(|set| format!("{alter} {set}")));
            }
            // All at once, so that the table is read through once at most; and before the proof is taken away.
            Kind::Postgres => {
                if !set_not_null.is_empty() {
                    statements.push(format!("{alter} {}", set_not_null.join(", ")));
                }
                statements.push(format!("{alter} {}", self.remove_demands().join(", ")));
            }
        }
        statements.extend(self.cut_over_empty());
        statements
    }

    /// The same before there are any values.
    pub(super) fn cut_over_empty(&self) -> Vec<String> {
        let alter = format!("ALTER TABLE {}", self.table);
        let replaced = self
            .derived()
            .iter()
            .filter_map(|column| column.replaces.as_ref());
        let drop = self.description.dropped.iter().chain(replaced);
        let mut statements: Vec<String> = drop
            .map(|name| format!("{alter} DROP COLUMN {}", quote(name)))
            .collect();
        for column in self.derived() {
            if let Some(replaced) = &column.replaces {
                statements.push(format!(
                    "{alter} RENAME COLUMN {} TO {}",
                    quote(&column.name),
                    quote(replaced)
                ));
            }
        }
        statements
    }

    /// What the capture calls the columns of the key.
    pub(super) fn captured_keys(&self) -> Vec<String> {
        (0..self.key.len())
            .map(|number| format!("key_{number}"))
            .collect()
    }
}
