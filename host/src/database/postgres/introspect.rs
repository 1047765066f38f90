//! What a server's catalog tells.

use async_trait::async_trait;

use super::super::{
    Access, Authority, Error, ErrorKind, Form, Introspection, Moved, NamedTable, Result, Server,
    Session, StrangeSchema, TableName, Value, texts, unquote,
};
use super::errors::NO_PRIVILEGE;
use super::home::{self, Surroundings};
use super::state::PostgresSession;
use super::text::quote_text;
use super::{catalog, schema, trust, trusted, verify};

#[async_trait]
impl Introspection for PostgresSession {
    fn server(&self) -> &Server {
        &self.server
    }

    fn journal_schema(&self) -> Option<&str> {
        Some(&self.target.home.journal)
    }

    fn own_schema(&self) -> Option<&str> {
        Some(&self.target.own_schema)
    }

    async fn has_journal_table(&mut self, name: &str) -> Result<bool> {
        if self.has_table_at_home(name).await? {
            return Ok(true);
        }
        if !self.find_home_again().await? {
            return Ok(false);
        }
        if self.access != Access::Read {
            // Others who work on it may be kept out by its name.
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "the journal is in the schema {} now: try again",
                    self.target.home.journal
                ),
            ));
        }
        self.has_table_at_home(name).await
    }

    async fn make_journal_schema(&mut self) -> Result<()> {
        let journal = self.target.home.journal.clone();
        let session: &mut dyn Session = self;
        let exists = "SELECT 1 WHERE pg_catalog.to_regnamespace($1) IS NOT NULL";
        if !session
            .rows(exists, &[journal.as_str().into()])
            .await?
            .is_empty()
        {
            return self.check_journal().await;
        }
        let make = format!("CREATE SCHEMA {journal}");
        let made = session.execute(Authority::Host, &make, &[]).await;
        made.map_err(|error| match error.code == NO_PRIVILEGE {
            true => Error {
                message: format!(
                    "the role may not make the schema {journal} for the journal ({}): let somebody who may run `CREATE SCHEMA \
                     {journal} AUTHORIZATION …` with the role's name, or `GRANT CREATE ON DATABASE …` to the role; or keep the \
                     journal beside the tables with `postgres.journal_schema`",
                    error.message
                ),
                ..error
            },
            false => error,
        })?;
        session
            .execute_later(&trust::protect_schema(&journal), &[])
            .await
    }

    async fn mark_journal(&mut self) -> Result<()> {
        let mark = self.target.home.mark();
        let session: &mut dyn Session = self;
        session.execute_later(&mark, &[]).await?;
        let protect = trust::protect(&self.target.home.journal);
        let session: &mut dyn Session = self;
        session.execute_later(&protect, &[]).await
    }

    async fn move_journal(&mut self) -> Result<Option<Moved>> {
        let surroundings = self.surroundings().await?;
        let Some(to) = surroundings.usual(&self.target.home.schema) else {
            return Ok(None);
        };
        let from = self.target.home.journal.clone();
        if from == to {
            return Ok(None);
        }
        let migrated = self.target.home.schema.clone();
        if surroundings.comes_first(&to, &migrated) {
            return Err(home::not_moved(&from, &to, &migrated));
        }
        self.target.home = self.target.home.moved_to(to.clone());
        self.make_journal_schema().await?;
        let session: &mut dyn Session = self;
        let readers = texts(&session.rows(&readers(&from), &[]).await?).unwrap_or_default();
        let tables = format!(
            "SELECT pg_catalog.quote_ident(relname) FROM pg_catalog.pg_class
             WHERE relkind IN ('r', 'p') AND {}",
            verify::is_of_journal(&from)
        );
        for table in texts(&session.rows(&tables, &[]).await?).unwrap_or_default() {
            let statement = format!("ALTER TABLE {from}.{table} SET SCHEMA {to}");
            session.execute(Authority::Host, &statement, &[]).await?;
        }
        let mut shut_out = Vec::new();
        for reader in readers {
            // Where the role may not, nothing is granted, without an error: a part of the transaction that fails would end it.
            let grant = format!(
                "DO $wasmigrate$ BEGIN GRANT USAGE ON SCHEMA {to} TO {reader};
                 EXCEPTION WHEN insufficient_privilege THEN NULL; END $wasmigrate$"
            );
            session.execute(Authority::Host, &grant, &[]).await?;
            let may = format!(
                "SELECT 1 WHERE pg_catalog.has_schema_privilege({}, {}::pg_catalog.regnamespace, 'USAGE')",
                quote_text(&match reader.as_str() {
                    "PUBLIC" => "public".to_owned(),
                    role => unquote(role),
                }),
                quote_text(&to)
            );
            if session.rows(&may, &[]).await?.is_empty() {
                shut_out.push(reader);
            }
        }
        self.mark_journal().await?;
        *self.database.known_target() = None;
        Ok(Some(Moved { from, to, shut_out }))
    }

    async fn journal_catalog(&mut self) -> Result<String> {
        let query = catalog::catalog(&self.target.home, self.target.is_superuser);
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &[]).await?;
        let cell = rows.first().and_then(|row| row.first()?.as_text());
        Ok(cell.unwrap_or_default().to_owned())
    }

    async fn strange_schemas(&mut self, schemas: &[&str]) -> Result<Vec<StrangeSchema>> {
        let role = self.database.0.options.role.as_deref();
        let parameters = [
            schemas.join(schema::SEPARATOR).into(),
            schema::SEPARATOR.into(),
            role.map_or(Value::Null, Value::from),
        ];
        let session: &mut dyn Session = self;
        let rows = session
            .rows(&trusted::strange_schemas(), &parameters)
            .await?;
        let strange = rows.iter().filter_map(|row| {
            Some(StrangeSchema {
                name: row.first()?.as_text()?.to_owned(),
                owner: row.get(1)?.as_text().map(str::to_owned),
            })
        });
        Ok(strange.collect())
    }

    async fn other_journals(&mut self) -> Result<Vec<String>> {
        let query = catalog::other_journals(&self.target.home);
        let session: &mut dyn Session = self;
        Ok(texts(&session.rows(&query, &[]).await?).unwrap_or_default())
    }

    async fn tables_named(&mut self, names: &[&str]) -> Result<Vec<NamedTable>> {
        // Reading a view would run what its owner wrote; what policies hide elsewhere is not known to be nothing. A role that can
        // make nothing only looks: it is told of the tables of those who are not trusted, and others are refused them.
        let query = format!(
            "WITH {}, writer AS (
                 SELECT FROM pg_database WHERE datname = current_database() AND has_database_privilege(oid, 'CREATE')
                 UNION ALL SELECT FROM pg_namespace WHERE nspname IN ($3, $4) AND has_schema_privilege(oid, 'CREATE')
             )
             SELECT nspname::text, relname::text,
                 (relkind IN ('r', 'p') AND has_schema_privilege(pg_namespace.oid, 'USAGE')
                     AND has_table_privilege(pg_class.oid, 'SELECT')
                     AND (nspname = $3 OR NOT row_security_active(pg_class.oid))
                     AND (relowner IN (SELECT role FROM trusted) AND nspowner IN (SELECT role FROM trusted)
                         OR EXISTS (SELECT FROM writer)))::text,
                 array_to_string(ARRAY(
                     SELECT lower(attname::text) FROM pg_attribute
                     WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped), $2)
             FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE relname = ANY (string_to_array($1, $2)::name[])
             AND relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname <> 'information_schema'
             AND left(nspname::text, 3) <> 'pg_' ORDER BY 1, 2",
            trusted::TRUSTED
        );
        let own = self.target.own_schema.clone();
        let parameters = [
            names.join(schema::SEPARATOR).into(),
            schema::SEPARATOR.into(),
            own.as_str().into(),
            unquote(&self.target.home.journal).into(),
        ];
        let session: &mut dyn Session = self;
        let rows = session.rows(&query, &parameters).await?;
        let tables = rows.iter().filter_map(|row| {
            let texts: Vec<&str> = row.iter().filter_map(Value::as_text).collect();
            let [schema_name, name, is_readable, columns] = texts.as_slice() else {
                return None;
            };
            Some(NamedTable {
                schema: (*schema_name != own).then(|| (*schema_name).to_owned()),
                name: (*name).to_owned(),
                columns: columns
                    .split(schema::SEPARATOR)
                    .map(str::to_owned)
                    .collect(),
                is_readable: *is_readable == "true",
            })
        });
        Ok(tables.collect())
    }

    async fn column_names(&mut self, table: TableName<'_>) -> Result<Option<Vec<String>>> {
        let own = self.target.own_schema.clone();
        let query = "SELECT lower(attname::pg_catalog.text) FROM pg_catalog.pg_class
                     JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
                     JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                     WHERE relname = $1 AND nspname = $2 AND relkind IN ('r', 'p')
                     AND pg_catalog.has_schema_privilege(pg_namespace.oid, 'USAGE')
                     AND pg_catalog.has_table_privilege(pg_class.oid, 'SELECT')";
        let session: &mut dyn Session = self;
        let schema = table.schema.map_or(own, str::to_owned);
        let rows = session
            .rows(query, &[table.name.into(), schema.into()])
            .await?;
        Ok(texts(&rows))
    }

    async fn check_readable(&mut self, table: TableName<'_>) -> Result<()> {
        self.check_history(table).await
    }

    async fn schema_lines(
        &mut self,
        authority: Authority,
        form: Form,
    ) -> Result<Vec<(String, String)>> {
        let own = self.target.home.schema.clone();
        let session: &mut dyn Session = self;
        if form == Form::Everything {
            return schema::read_everything(session, &own).await;
        }
        let query = schema::query(&own);
        let rows = session.rows_as(authority, &query, &[]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Value; 2]>::try_from(row).ok()? {
                [Value::Text(table), Value::Text(line)] => Some((table, line)),
                _ => None,
            })
            .collect())
    }

    async fn schema_digests(&mut self, schemas: &[String], form: Form) -> Result<Vec<[String; 3]>> {
        let session: &mut dyn Session = self;
        let names = schemas.join(schema::SEPARATOR);
        if form == Form::Everything {
            return schema::read_digests(session, &names).await;
        }
        let rows = session.rows(&schema::digests(), &[names.into()]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| match <[Value; 3]>::try_from(row).ok()? {
                [Value::Text(schema), Value::Text(table), Value::Text(digest)] => {
                    Some([schema, table, digest])
                }
                _ => None,
            })
            .collect())
    }

    async fn invalid_indexes(&mut self) -> Result<Vec<String>> {
        let query =
            "SELECT indexrelid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_index
                     WHERE NOT indisvalid ORDER BY 1";
        let session: &mut dyn Session = self;
        let rows = session.rows(query, &[]).await?;
        Ok(rows
            .iter()
            .filter_map(|row| row.first()?.as_text().map(str::to_owned))
            .collect())
    }
}

/// The roles besides their owner that can read tables of the journal in a schema, as identifiers; `PUBLIC` for all.
fn readers(schema: &str) -> String {
    format!(
        "SELECT DISTINCT CASE entry.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(rolname) END
         FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
         CROSS JOIN LATERAL pg_catalog.aclexplode(relacl) AS entry
         LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = entry.grantee
         WHERE relkind IN ('r', 'p') AND {} AND entry.privilege_type = 'SELECT' AND entry.grantee <> relowner
         AND CASE WHEN entry.grantee = 0 THEN pg_catalog.has_schema_privilege('public', space.oid, 'USAGE')
             ELSE pg_catalog.has_schema_privilege(entry.grantee, space.oid, 'USAGE') END",
        verify::is_of_journal(schema)
    )
}

impl PostgresSession {
    fn home_parameters(&self) -> [Value; 4] {
        let options = &self.database.0.options;
        [
            self.target.search_path.as_str().into(),
            options.journal_schema.clone().into(),
            options.role.clone().into(),
            self.target.names_in_path.as_str().into(),
        ]
    }

    /// Whether there is such a table where the journal was last found, which nobody else may have a hand in.
    pub(super) async fn has_table_at_home(&mut self, name: &str) -> Result<bool> {
        let journal = self.target.home.journal.clone();
        let query = format!(
            "SELECT 1 FROM pg_catalog.pg_class WHERE relname = $1 AND relkind IN ('r', 'p')
             AND relnamespace = pg_catalog.to_regnamespace({})::pg_catalog.oid",
            quote_text(&journal)
        );
        let session: &mut dyn Session = self;
        let has_table = !session.rows(&query, &[name.into()]).await?.is_empty();
        if !self.database.is_trusted(&journal) {
            // After it was seen, so that no other can have come in between.
            self.check_journal().await?;
            if has_table {
                self.database.remember_trusted(&journal);
            }
        }
        Ok(has_table)
    }

    async fn surroundings(&mut self) -> Result<Surroundings> {
        let parameters = self.home_parameters();
        let session: &mut dyn Session = self;
        let rows = session.rows(home::ASK, &parameters).await?;
        let answer = rows.iter().flatten().find_map(Value::as_text);
        Surroundings::read(answer.unwrap_or_default())
    }

    /// Looks for the journal where somebody has made it or moved it since this process first looked, before the target is
    /// taken for new. Whether it is elsewhere now, of which the session takes note.
    pub(super) async fn find_home_again(&mut self) -> Result<bool> {
        let home = self.surroundings().await?.home()?;
        if home == self.target.home {
            return Ok(false);
        }
        self.target.home = home;
        *self.database.known_target() = Some(self.target.clone());
        Ok(true)
    }
}
