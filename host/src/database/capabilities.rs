//! What a database can do, as values: whoever needs to know asks for the one property that matters, and not which database
//! it is. A new database then says what it can, and nobody else has to learn its name.

use super::Form;

/// What a database can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How many transactions may write at the same time.
    pub writers: Writers,
    /// What becomes of statements that change the schema.
    pub schema_changes: SchemaChanges,
    /// Whether there are statements that refuse to run inside a transaction, so that a step may ask to run outside one.
    pub has_statements_outside_transactions: bool,
    /// Whether a change of a table's shape writes all of its rows anew.
    pub schema_change_rewrites_table: bool,
    /// Where the data of a tenant is.
    pub tenants: TenantPlace,
    /// Whether numbers of sequences stay taken when a transaction is rolled back.
    pub keeps_sequences_on_rollback: bool,
    /// Whether it can give the rows of queries without `ORDER BY` in another order on purpose.
    pub reverses_unordered_rows: bool,
    /// Whether its clock gives steps whole seconds: a time that a step keeps then differs only in another one.
    pub clock_counts_seconds: bool,
    /// What ends a comment that begins with two dashes.
    pub line_ends: &'static [char],
    /// Whether there are strings in which a backslash is an escape.
    pub strings_may_escape: bool,
    /// The form in which a run keeps what it leaves.
    pub schema_form: Form,
    /// How the columns of the host's own tables are declared.
    pub columns: ColumnTypes,
    /// How tables of others are read.
    pub expressions: Expressions,
    /// An expression for the time by the database's own clock, in milliseconds since 1970: all hosts see the same.
    pub clock: &'static str,
}

/// How many transactions may write at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// One: a transaction that may write has the only write lock from its beginning. Others read beside it, each one state of
    /// the target; whoever computes for long before it writes reads in a transaction of its own.
    One,
    /// Many: they wait for each other where they lock the same rows or tables.
    Many,
}

/// What becomes of statements that change the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaChanges {
    /// They commit and roll back with the transaction.
    InTransaction,
    /// They commit at once, together with all that the transaction did before.
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "no supported database does so yet")
    )]
    CommitImplicitly,
}

/// Where the data of a tenant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantPlace {
    /// In a schema of the target: one transaction may change several tenants.
    Schema,
    /// In a database of its own beside the target, see [`super::Database::tenant`]: nothing commits together with another
    /// tenant's or with the target.
    Database,
}

/// How the columns of the host's own tables are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnTypes {
    /// A whole number that is the table's key.
    pub key: &'static str,
    /// A text of bytes.
    pub bytes: &'static str,
    /// What is written after the columns of a table whose rows are kept in the order of its key.
    pub clustered: &'static str,
}

/// How a database writes what has no common form. `{}` stands for the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expressions {
    /// Bytes in hexadecimal.
    pub hexadecimal: &'static str,
    /// A time in milliseconds since 1970.
    pub milliseconds: &'static str,
}

impl Capabilities {
    /// Whether a transaction that may write keeps all other writers out from its beginning.
    pub fn has_one_writer(&self) -> bool {
        self.writers == Writers::One
    }

    /// Whether tenants are databases of their own beside the target.
    pub fn has_tenant_databases(&self) -> bool {
        self.tenants == TenantPlace::Database
    }

    /// What has to be written after a query so that nobody changes its rows before the transaction ends, and others may look
    /// at them, too. Nothing where there is one writer.
    pub fn share_lock(&self) -> &'static str {
        match self.writers {
            Writers::One => "",
            Writers::Many => " FOR SHARE",
        }
    }

    /// The same, where only one at a time may do what it is about to do.
    pub fn update_lock(&self) -> &'static str {
        match self.writers {
            Writers::One => "",
            Writers::Many => " FOR UPDATE",
        }
    }
}
