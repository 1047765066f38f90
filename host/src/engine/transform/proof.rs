//! Proves before the cut-over that no required value is missing: the server need not read the table through for that while
//! nobody else can use it.
//!
//! A server takes a check that it has found to hold for a proof
//! (<https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL>), and finds that
//! out beside the application. But the application goes on inserting rows without derived values, until the drain has
//! computed them. So the columns get a default until the cut-over: a value that another row has.

use super::drain::Drain;
use super::lock::{keep_vacuum_away, lock_table};
use super::plan::Plan;
use crate::database::{Durability, Result, Session, Value, quote};
use crate::engine::failure::Failure;
use crate::journal::{Fenced, Lease};

/// A default that is longer makes each row of the application that much longer.
const LONGEST_DEFAULT: usize = 100;

/// Proves it where it can, in transactions of its own. Every row has its values, or waits in the capture.
pub(super) async fn prove(
    drain: &mut Drain<'_>,
    session: &mut dyn Session,
    lease: &Lease,
) -> std::result::Result<(), Failure> {
    let plan = drain.plan;
    // Rows that are not concerned have no values.
    let rewrites = session.server().capabilities.schema_change_rewrites_table;
    if rewrites || plan.has_parts || plan.description.filter.is_some() {
        return Ok(());
    }
    session.begin_read().await.map_err(Failure::from_database)?;
    let defaults = defaults(session, plan).await;
    session.rollback().await.map_err(Failure::from_database)?;
    let Some(defaults) = defaults.map_err(Failure::from_database)? else {
        return Ok(());
    };
    let locked = async {
        session.begin(Durability::Deferred).await?;
        lock_table(session, plan, drain.function.stop).await
    };
    locked.await.map_err(Failure::from_database)?;
    drain.all(session).await?;
    let proven = async {
        session.execute_later(&plan.demand(&defaults), &[]).await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        fenced.commit().await?;
        session.begin(Durability::Deferred).await?;
        keep_vacuum_away(session, plan).await?;
        session.execute_later(&plan.validate(), &[]).await?;
        let fenced = Fenced::of_steps(session, lease).verify().await?;
        fenced.commit().await
    };
    proven.await.map_err(Failure::from_database)
}

/// A default for each required column, as words of SQL; none where one of them cannot have one.
async fn defaults(session: &mut dyn Session, plan: &Plan) -> Result<Option<Vec<String>>> {
    let mut defaults = Vec::new();
    for name in plan.required() {
        if !session
            .rows(&plan.is_bound(name), &[name.into()])
            .await?
            .is_empty()
        {
            return Ok(None);
        }
        let found = session.rows(&plan.some_value(name), &[]).await?;
        match found
            .first()
            .and_then(|row| row.first())
            .map(Value::as_text)
        {
            Some(Some(default)) => defaults.push(default.to_owned()),
            _ => return Ok(None),
        }
    }
    Ok(Some(defaults).filter(|defaults| !defaults.is_empty()))
}

impl Plan {
    /// The derived columns that must not be null.
    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        let required = self.derived().iter().filter(|column| !column.nullable);
        required.map(|column| column.name.as_str())
    }

    /// What takes the demands away again; from all columns, because another component may have demanded others.
    pub(super) fn remove_demands(&self) -> Vec<String> {
        self.derived()
            .iter()
            .flat_map(|column| {
                [
                    format!("DROP CONSTRAINT IF EXISTS {}", self.demand_on(&column.name)),
                    format!("ALTER COLUMN {} DROP DEFAULT", quote(&column.name)),
                ]
            })
            .collect()
    }

    /// What the check is called that a column has a value.
    fn demand_on(&self, name: &str) -> String {
        let place = self.derived().iter().position(|column| column.name == name);
        // No longer than a name may be, whatever the column is called.
        format!("capture_of_step_{}_{}", self.index, place.unwrap_or(0))
    }

    /// Adds defaults and checks, which hold for what is written from now on.
    fn demand(&self, defaults: &[String]) -> String {
        let demands = self.required().zip(defaults).map(|(name, default)| {
            let (demand, column) = (self.demand_on(name), quote(name));
            format!(
                "DROP CONSTRAINT IF EXISTS {demand}, ALTER COLUMN {column} SET DEFAULT {default}, \
                 ADD CONSTRAINT {demand} CHECK ({column} IS NOT NULL) NOT VALID"
            )
        });
        let demands: Vec<String> = demands.collect();
        format!("ALTER TABLE {} {}", self.table, demands.join(", "))
    }

    /// Lets the server find out that the checks hold for all rows.
    fn validate(&self) -> String {
        let validate = self
            .required()
            .map(|name| format!("VALIDATE CONSTRAINT {}", self.demand_on(name)));
        let validate: Vec<String> = validate.collect();
        format!("ALTER TABLE {} {}", self.table, validate.join(", "))
    }

    /// Something that two rows with the same value would break, or that a default could: rows for a column `$1` that has
    /// one.
    fn is_bound(&self, name: &str) -> String {
        let table = self.table.replace('\'', "''");
        let demand = self.demand_on(name);
        format!(
            "SELECT 1 FROM pg_catalog.pg_attribute AS field
             WHERE field.attrelid = '{table}'::pg_catalog.regclass AND field.attname = $1 AND (
               EXISTS (SELECT 1 FROM pg_catalog.pg_index AS index WHERE index.indrelid = field.attrelid
                 AND (index.indisunique OR index.indisexclusion)
                 AND (field.attnum = ANY (index.indkey) OR index.indexprs IS NOT NULL OR index.indpred IS NOT NULL))
               OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint AS bound WHERE bound.conrelid = field.attrelid
                 AND field.attnum = ANY (bound.conkey) AND bound.conname <> '{demand}'))"
        )
    }

    /// Some value that a column has, as words of SQL.
    fn some_value(&self, name: &str) -> String {
        let column = quote(name);
        format!(
            "SELECT pg_catalog.quote_literal({column}::pg_catalog.text) FROM {}
             WHERE pg_catalog.octet_length({column}::pg_catalog.text) <= {LONGEST_DEFAULT} LIMIT 1",
            self.table
        )
    }
}
