//! What a table is beside its columns and rows, piece by piece: defaults, rules of foreign keys, what is checked, who may do
//! what. A piece is told apart by what it says and not by a name that a database makes up. How they are read is each
//! database's own.

/// What a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// The type of a column.
    Type,
    /// That a column takes no NULL.
    NotNull,
    /// What a column has where nothing is said, or that the database numbers it.
    Default,
    /// By which rules a column is compared.
    Collation,
    /// That no number is given twice.
    Autoincrement,
    /// The primary key.
    PrimaryKey,
    /// That values are unique.
    Unique,
    /// A reference, with what happens when its target changes.
    ForeignKey,
    /// A condition on rows.
    Check,
    /// An index.
    Index,
    /// A comment.
    Comment,
    /// Rights that were given.
    Grants,
    /// That rows are seen by policy.
    RowSecurity,
    /// What the planner is told to learn.
    Statistics,
    /// How it is stored.
    Storage,
}

/// A piece of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trait {
    /// The table, as contents call it.
    pub table: String,
    /// What it is.
    pub aspect: Aspect,
    /// The columns that it is about; none for the whole table.
    pub columns: Vec<String>,
    /// What it says.
    pub says: String,
    /// The table that it refers to, or the sequence that numbers it, where there is one.
    pub target: Option<String>,
    /// Its own name, where it has one.
    pub name: Option<String>,
    /// The number that the next row gets, where a sequence numbers it.
    pub next: Option<i64>,
}
