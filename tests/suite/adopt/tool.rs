//! A tool, what it ran, and what it left in the database: see `histories/README.md`.

use crate::place::Place;

/// A tool and its files.
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
    /// Whether the files' names are no NNNN_name.
    needs_sources: bool,
}

const USERS: &str = include_str!("histories/sqlx/20240101090000_create_users.up.sql");
const NO_USERS: &str = include_str!("histories/sqlx/20240101090000_create_users.down.sql");
const ORDERS: &str = include_str!("histories/sqlx/20240215100000_add_orders.up.sql");
const NO_ORDERS: &str = include_str!("histories/sqlx/20240215100000_add_orders.down.sql");
const NOTES: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n";
const UP_USERS: &str = include_str!("histories/dbmate/20240101090000_create_users.sql");
const UP_ORDERS: &str = include_str!("histories/dbmate/20240215100000_add_orders.sql");
const UP_NOTES: &str = "-- migrate:up\nCREATE TABLE notes (id BIGINT PRIMARY KEY);\n-- migrate:down\nDROP TABLE notes;\n";

/// sqlx, as it names files by itself.
pub const SQLX: Tool = Tool {
    name: "sqlx",
    table: "_sqlx_migrations",
    files: &[
        ("20240101090000_create_users.up.sql", USERS),
        ("20240101090000_create_users.down.sql", NO_USERS),
        ("20240215100000_add_orders.up.sql", ORDERS),
        ("20240215100000_add_orders.down.sql", NO_ORDERS),
    ],
    new: ("20240301000000_add_notes.up.sql", NOTES),
    history: || {
        Place::in_sql_of(
            include_str!("histories/sqlx.sqlite.sql"),
            include_str!("histories/sqlx.postgres.sql"),
        )
        .to_owned()
    },
    needs_sources: true,
};

/// golang-migrate, with files that have times.
pub const GOLANG_MIGRATE: Tool = Tool {
    name: "golang-migrate",
    table: "schema_migrations",
    history: || {
        Place::in_sql_of(
            include_str!("histories/golang_migrate.sqlite.sql"),
            include_str!("histories/golang_migrate.postgres.sql"),
        )
        .to_owned()
    },
    ..SQLX
};

/// dbmate, as it names files by itself.
pub const DBMATE: Tool = Tool {
    name: "dbmate",
    table: "schema_migrations",
    files: &[
        ("20240101090000_create_users.sql", UP_USERS),
        ("20240215100000_add_orders.sql", UP_ORDERS),
    ],
    new: ("20240301000000_add_notes.sql", UP_NOTES),
    history: || {
        Place::in_sql_of(
            include_str!("histories/dbmate.sqlite.sql"),
            include_str!("histories/dbmate.postgres.sql"),
        )
        .to_owned()
    },
    needs_sources: true,
};

pub const FLYWAY: Tool = Tool {
    name: "flyway",
    table: "flyway_schema_history",
    files: &[
        (
            "V1_0__create_users.sql",
            include_str!("histories/flyway/V1_0__create_users.sql"),
        ),
        (
            "V1_1__add_orders.sql",
            include_str!("histories/flyway/V1_1__add_orders.sql"),
        ),
    ],
    new: ("V2__add_notes.sql", NOTES),
    history: || {
        Place::in_sql_of(
            include_str!("histories/flyway.sqlite.sql"),
            include_str!("histories/flyway.postgres.sql"),
        )
        .to_owned()
    },
    needs_sources: true,
};

/// sqlx with files that are numbered (`sqlx migrate add --sequential`).
pub const NUMBERED_SQLX: Tool = Tool {
    files: &[
        ("0001_create_users.up.sql", USERS),
        ("0001_create_users.down.sql", NO_USERS),
        ("0002_add_orders.up.sql", ORDERS),
        ("0002_add_orders.down.sql", NO_ORDERS),
    ],
    new: ("0003_add_notes.up.sql", NOTES),
    history: || numbered(&(SQLX.history)(), "1", "2"),
    needs_sources: false,
    ..SQLX
};

/// golang-migrate with files that are numbered (`migrate create -seq`).
pub const NUMBERED_GOLANG_MIGRATE: Tool = Tool {
    name: GOLANG_MIGRATE.name,
    table: GOLANG_MIGRATE.table,
    history: || numbered(&(GOLANG_MIGRATE.history)(), "1", "2"),
    ..NUMBERED_SQLX
};

/// dbmate with files that are numbered by hand.
pub const NUMBERED_DBMATE: Tool = Tool {
    files: &[
        ("0001_create_users.sql", UP_USERS),
        ("0002_add_orders.sql", UP_ORDERS),
    ],
    new: ("0003_add_notes.sql", UP_NOTES),
    history: || numbered(&(DBMATE.history)(), "0001", "0002"),
    needs_sources: false,
    ..DBMATE
};

/// The same, with their files as they are among `migrations`.
pub fn as_steps(tool: Tool) -> Tool {
    Tool {
        needs_sources: false,
        ..tool
    }
}

/// All of them with files as they name them by themselves.
pub const NAMED: [Tool; 4] = [SQLX, GOLANG_MIGRATE, DBMATE, FLYWAY];

/// Those whose files can be named NNNN_name.
pub const NUMBERED: [Tool; 3] = [NUMBERED_SQLX, NUMBERED_GOLANG_MIGRATE, NUMBERED_DBMATE];

/// The same history with other versions.
fn numbered(history: &str, first: &str, second: &str) -> String {
    history
        .replace("20240101090000", first)
        .replace("20240215100000", second)
}

/// Lets files of any name in the place's directory be served.
pub fn with_sources(place: &Place) {
    let settings = "[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n";
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
}

impl Tool {
    /// A database that the tool has migrated, beside its files.
    pub fn place(self) -> Place {
        let place = Place::new().with_data(USERS).with_data(ORDERS);
        let place = place.with_data(&(self.history)());
        for (file_name, text) in self.files {
            place.write_step(file_name, text.as_bytes());
        }
        if self.needs_sources {
            with_sources(&place);
        }
        place
    }

    /// Adds the file that the tool did not run yet.
    pub fn with_new_file(self, place: Place) -> Place {
        let (file_name, text) = self.new;
        place.with_sql(file_name, text)
    }
}
