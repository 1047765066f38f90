//! The comment lines that take a SQL file apart: our own, and those of tools whose files run here as they are.
//!
//! Another tool's line is read as that tool reads it. What it takes for a comment is one here, and what it would undo is
//! never run to migrate.

/// Whose lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `-- wasmigrate:migrate`, `finalize`, `reset`, `no-transaction`, `accept`.
    Own,
    /// `-- migrate:up`, `-- migrate:down`: <https://github.com/amacneil/dbmate#creating-migrations>.
    Dbmate,
    /// `-- +goose Up`, `-- +goose Down`: <https://pressly.github.io/goose/documentation/annotations/>.
    Goose,
}

/// A part of a SQL file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Migrate,
    Finalize,
    Reset,
}

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Finalize => "finalize",
            Self::Reset => "reset",
        }
    }
}

/// What such a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Annotation {
    /// A section begins. With `transactional` false, it asks to run outside a transaction.
    Section {
        dialect: Dialect,
        part: Part,
        transactional: bool,
    },
    /// What migrates runs outside a transaction.
    NoTransaction,
    /// It says something of a statement that is not for this room.
    Remark,
    /// It asks for what there is not; why.
    Unknown(String),
}

/// Reads one line; none for all that is no such comment.
pub(super) fn annotation(line: &str) -> Option<Annotation> {
    own(line).or_else(|| dbmate(line)).or_else(|| goose(line))
}

fn own(line: &str) -> Option<Annotation> {
    let comment = line.trim().strip_prefix("--")?.trim_start();
    let name = comment.strip_prefix("wasmigrate:")?.trim();
    let section = |part| Annotation::Section {
        dialect: Dialect::Own,
        part,
        transactional: true,
    };
    Some(match name {
        "migrate" => section(Part::Migrate),
        "finalize" => section(Part::Finalize),
        "reset" => section(Part::Reset),
        "no-transaction" => Annotation::NoTransaction,
        // The reason may follow.
        accept if accept.starts_with("accept") => Annotation::Remark,
        other => Annotation::Unknown(format!(
            "`wasmigrate:{other}` is no section: there are migrate, finalize and reset, and `wasmigrate:no-transaction`"
        )),
    })
}

fn dbmate(line: &str) -> Option<Annotation> {
    // An indented line is a comment to dbmate.
    let directive = line
        .strip_prefix("--")?
        .trim_start()
        .strip_prefix("migrate:")?;
    let mut words = directive.split_whitespace();
    let part = match words.next()? {
        "up" if directive.starts_with("up") => Part::Migrate,
        "down" if directive.starts_with("down") => Part::Reset,
        _ => return None,
    };
    Some(Annotation::Section {
        dialect: Dialect::Dbmate,
        part,
        transactional: words.all(|option| option != "transaction:false"),
    })
}

fn goose(line: &str) -> Option<Annotation> {
    let command = line.strip_prefix("--")?.trim().strip_prefix("+goose")?;
    let command = command.trim();
    let section = |part| Annotation::Section {
        dialect: Dialect::Goose,
        part,
        transactional: true,
    };
    Some(match command.to_ascii_lowercase().as_str() {
        "up" => section(Part::Migrate),
        "down" => section(Part::Reset),
        "no transaction" => Annotation::NoTransaction,
        // Where a statement ends is known without.
        "statementbegin" | "statementend" | "envsub off" => Annotation::Remark,
        _ => Annotation::Unknown(format!(
            "`+goose {command}` is not known here: there are Up, Down, StatementBegin, StatementEnd and NO TRANSACTION"
        )),
    })
}
