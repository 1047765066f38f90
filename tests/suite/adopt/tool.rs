//! A tool, what it ran, and what it left in the database: see `histories/README.md`.

use crate::place::Place;

/// Steps named as each tool numbers them when it is asked to, which are named NNNN_name, too.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// As `--from` names it.
    pub name: &'static str,
    /// Its table.
    pub table: &'static str,
    /// The files that it ran.
    pub files: &'static [(&'static str, &'static str)],
    /// A file that it did not run yet.
    pub new: (&'static str, &'static str),
    history: fn() -> String,
}

const USERS: &str = include_str!("histories/sqlx/20240101090000_create_users.up.sql");
const NO_USERS: &str = include_str!("histories/sqlx/20240101090000_create_users.down.sql");
const ORDERS: &str = include_str!("histories/sqlx/20240215100000_add_orders.up.sql");
const NO_ORDERS: &str = include_str!("histories/sqlx/20240215100000_add_orders.down.sql");
const NOTES: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n";

const PAIRS: &[(&str, &str)] = &[
    ("0001_create_users.up.sql", USERS),
    ("0001_create_users.down.sql", NO_USERS),
    ("0002_add_orders.up.sql", ORDERS),
    ("0002_add_orders.down.sql", NO_ORDERS),
];

pub const SQLX: Tool = Tool {
    name: "sqlx",
    table: "_sqlx_migrations",
    files: PAIRS,
    new: ("0003_add_notes.up.sql", NOTES),
    history: || {
        Place::in_sql_of(
            include_str!("histories/sqlx.sqlite.sql"),
            include_str!("histories/sqlx.postgres.sql"),
        )
        .replace("20240101090000", "1")
        .replace("20240215100000", "2")
    },
};

pub const GOLANG_MIGRATE: Tool = Tool {
    name: "golang-migrate",
    table: "schema_migrations",
    files: PAIRS,
    new: ("0003_add_notes.up.sql", NOTES),
    history: || {
        Place::in_sql_of(
            include_str!("histories/golang_migrate.sqlite.sql"),
            include_str!("histories/golang_migrate.postgres.sql"),
        )
        .replace("20240215100000", "2")
    },
};

pub const DBMATE: Tool = Tool {
    name: "dbmate",
    table: "schema_migrations",
    files: &[
        (
            "0001_create_users.sql",
            include_str!("histories/dbmate/20240101090000_create_users.sql"),
        ),
        (
            "0002_add_orders.sql",
            include_str!("histories/dbmate/20240215100000_add_orders.sql"),
        ),
    ],
    new: (
        "0003_add_notes.sql",
        "-- migrate:up\nCREATE TABLE notes (id BIGINT PRIMARY KEY);\n-- migrate:down\nDROP TABLE notes;\n",
    ),
    history: || {
        Place::in_sql_of(
            include_str!("histories/dbmate.sqlite.sql"),
            include_str!("histories/dbmate.postgres.sql"),
        )
        .replace("20240101090000", "0001")
        .replace("20240215100000", "0002")
    },
};

/// Those whose files can be named NNNN_name.
pub const NUMBERED: [Tool; 3] = [SQLX, GOLANG_MIGRATE, DBMATE];

impl Tool {
    /// A database that the tool has migrated, beside its files.
    pub fn place(self) -> Place {
        let place = Place::new().with_data(USERS).with_data(ORDERS);
        let place = place.with_data(&(self.history)());
        for (file_name, text) in self.files {
            place.write_step(file_name, text.as_bytes());
        }
        place
    }

    /// Adds the file that the tool did not run yet.
    pub fn with_new_file(self, place: Place) -> Place {
        let (file_name, text) = self.new;
        place.with_sql(file_name, text)
    }
}
