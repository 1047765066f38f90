//! The comment lines that take a SQL file apart: our own, and those of tools whose files run here as they are.
//!
//! What a tool would undo is never run to migrate. So a comment that looks like such a line and is none is refused: with a
//! small mistake in it, all below would be taken for more of the same.

/// Whose lines they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `-- wasmigrate:migrate`, `finalize`, `reset`, `no-transaction`, `accept`.
    Own,
    /// `-- migrate:up`, `-- migrate:down`: <https://github.com/amacneil/dbmate#creating-migrations>.
    Dbmate,
    /// `-- +goose Up`, `-- +goose Down`: <https://pressly.github.io/goose/documentation/annotations/>. sql-migrate
    /// (<https://github.com/rubenv/sql-migrate#writing-migrations>) and micrate write the same with their own names.
    Goose,
    /// `-- Up Migration`, `-- Down Migration`: <https://salsita.github.io/node-pg-migrate/migrations/>.
    NodePgMigrate,
    /// `-- rambler up`, `-- rambler down`: <https://github.com/elwinar/rambler#migrations>.
    Rambler,
    /// `-- ==== UP ====`, `-- ==== DOWN ====`: <https://github.com/mbucc/shmig>.
    Shmig,
    /// `-- !Ups`, `-- !Downs`: <https://www.playframework.com/documentation/latest/Evolutions>.
    Play,
    /// `-- Up`, `-- Down`: <https://github.com/kriasoft/node-sqlite#migrations>.
    NodeSqlite,
    /// `---- create above / drop below ----`: <https://github.com/jackc/tern#migrations>.
    Tern,
    /// `-- //@UNDO`: <https://mybatis.org/migrations/newcmd.html>.
    Mybatis,
}

impl Dialect {
    /// The line that begins with what migrates.
    pub(super) fn first_line(self) -> &'static str {
        match self {
            Self::Own => "-- wasmigrate:migrate",
            Self::Dbmate => "-- migrate:up",
            Self::Goose => "-- +goose Up",
            Self::NodePgMigrate => "-- Up Migration",
            Self::Rambler => "-- rambler up",
            Self::Shmig => "-- ==== UP ====",
            Self::Play => "-- !Ups",
            Self::NodeSqlite => "-- Up",
            // What migrates has no line.
            Self::Tern | Self::Mybatis => "",
        }
    }
}

/// The line that begins with what migrates, of the tool whose marks a text has.
pub(super) fn first_line(dialect: Dialect, text: &str) -> String {
    let tools = ["goose", "migrate", "micrate"];
    let is_there = |tool: &&&str| {
        let mark = format!("+{tool} ");
        text.lines()
            .any(|line| goose(line).is_some() && line.contains(&mark))
    };
    match (dialect, tools.iter().find(is_there)) {
        (Dialect::Goose, Some(tool)) => format!("-- +{tool} Up"),
        _ => dialect.first_line().to_owned(),
    }
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
    /// What is above migrates, what is below undoes it.
    Divider(Dialect),
    /// What migrates runs outside a transaction.
    NoTransaction,
    /// The operator's values are put into the file.
    Placeholders,
    /// It says something of a statement that is not for this room.
    Remark,
    /// It asks for what there is not; why.
    Unknown(String),
}

fn section(dialect: Dialect, part: Part) -> Annotation {
    Annotation::Section {
        dialect,
        part,
        transactional: true,
    }
}

/// Reads one line; none for all that is no such comment.
pub(super) fn annotation(line: &str) -> Option<Annotation> {
    let trimmed = line.trim();
    trimmed.strip_prefix("--")?;
    let comment = trimmed.trim_start_matches('-').trim();
    let found = own(comment)
        .or_else(|| dbmate(line))
        .or_else(|| goose(line))
        .or_else(|| atlas(comment))
        .or_else(|| few_words(trimmed))
        .or_else(|| mark(comment).map(Annotation::Unknown))?;
    // To PostgreSQL it ends a comment, to SQLite it does not.
    match trimmed.contains('\r') && found != Annotation::Remark {
        true => Some(Annotation::Unknown(
            "the line ends with a carriage return alone: end lines with a newline".to_owned(),
        )),
        false => Some(found),
    }
}

/// Why a comment that is no line of its own is refused; none when nothing speaks against it.
pub(super) fn misplaced(comment: &str) -> Option<String> {
    let line = comment.trim_matches(|letter: char| letter.is_whitespace() || letter == '*');
    let is_mark = match own(line) {
        Some(Annotation::Remark) => false,
        Some(_) => true,
        None => {
            let comment = format!("-- {line}");
            let found = dbmate(&comment).or_else(|| goose(&comment));
            found.is_some() || few_words(&comment).is_some() || mark(line).is_some()
        }
    };
    is_mark.then(|| {
        "this comment looks like the beginning of a section, which must be a line of its own that begins with `--`".to_owned()
    })
}

fn own(comment: &str) -> Option<Annotation> {
    let lower = comment.to_ascii_lowercase();
    if !lower.contains("wasmigrate") {
        return None;
    }
    let word = lower
        .strip_prefix("wasmigrate")
        .and_then(|rest| rest.trim_start().strip_prefix(':'))
        .map(str::trim);
    Some(match word {
        Some("migrate") => section(Dialect::Own, Part::Migrate),
        Some("finalize") => section(Dialect::Own, Part::Finalize),
        Some("reset") => section(Dialect::Own, Part::Reset),
        Some("no-transaction") => Annotation::NoTransaction,
        Some("placeholders") => Annotation::Placeholders,
        // The reason may follow.
        _ if comment
            .strip_prefix("wasmigrate:accept")
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')) =>
        {
            Annotation::Remark
        }
        Some(other) => Annotation::Unknown(format!(
            "`wasmigrate:{other}` is no section: there are migrate, finalize and reset, `wasmigrate:no-transaction` and \
             `wasmigrate:placeholders`"
        )),
        None if is_of_a_dump(comment) => Annotation::Unknown(
            "the dump holds the journal of wasmigrate, which is no part of what is migrated: leave it out, by `pg_dump \
             --exclude-schema=wasmigrate`, or `--exclude-table='wasmigrate_*'` where it is among the other tables"
                .to_owned(),
        ),
        None => Annotation::Unknown(
            "the comment names wasmigrate and begins no section: write `-- wasmigrate:migrate`, `-- wasmigrate:finalize` or \
             `-- wasmigrate:reset`, or leave the name out"
                .to_owned(),
        ),
    })
}

/// Whether a comment is one that `pg_dump` writes before each thing.
fn is_of_a_dump(comment: &str) -> bool {
    let named = comment.strip_prefix("Data for ").unwrap_or(comment);
    named.starts_with("Name: ") && named.contains("; Type: ") && named.contains("; Schema: ")
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
    let mut transactional = true;
    for option in words {
        match option {
            "transaction:true" => {}
            "transaction:false" => transactional = false,
            other => {
                return Some(Annotation::Unknown(format!(
                    "`{other}` is not known here: there are transaction:true and transaction:false"
                )));
            }
        }
    }
    Some(Annotation::Section {
        dialect: Dialect::Dbmate,
        part,
        transactional,
    })
}

fn goose(line: &str) -> Option<Annotation> {
    let comment = line.strip_prefix("--")?.trim().strip_prefix('+')?;
    let (tool, command) = comment.split_once(char::is_whitespace)?;
    if !matches!(tool, "goose" | "migrate" | "micrate") {
        return None;
    }
    let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(match command.to_ascii_lowercase().as_str() {
        "up" => section(Dialect::Goose, Part::Migrate),
        "down" => section(Dialect::Goose, Part::Reset),
        "up notransaction" => Annotation::Section {
            dialect: Dialect::Goose,
            part: Part::Migrate,
            transactional: false,
        },
        "down notransaction" => Annotation::Section {
            dialect: Dialect::Goose,
            part: Part::Reset,
            transactional: false,
        },
        "no transaction" => Annotation::NoTransaction,
        // Where a statement ends is known without.
        "statementbegin" | "statementend" | "envsub off" => Annotation::Remark,
        _ => Annotation::Unknown(format!(
            "`+{tool} {command}` is not known here: there are Up, Down, StatementBegin, StatementEnd and NO TRANSACTION"
        )),
    })
}

/// Atlas: <https://atlasgo.io/versioned/apply#transaction-configuration>.
fn atlas(comment: &str) -> Option<Annotation> {
    let directive = comment.strip_prefix("atlas:")?;
    let words: Vec<&str> = directive.split_whitespace().collect();
    Some(match words.as_slice() {
        ["txmode", "none"] => Annotation::NoTransaction,
        ["txmode", "file" | "all"] | ["nolint", ..] => Annotation::Remark,
        _ => Annotation::Unknown(format!(
            "`atlas:{directive}` is not known here: there are `atlas:txmode none` and `atlas:nolint`"
        )),
    })
}

/// Lines that are a few words, in any case and with any blanks.
fn few_words(trimmed: &str) -> Option<Annotation> {
    let line = trimmed.to_ascii_lowercase();
    let words: Vec<&str> = line.split_whitespace().collect();
    let after_dashes = line.trim_start_matches(['-', ' ', '\t']);
    let after_dashes: Vec<&str> = after_dashes.split_whitespace().collect();
    if let [direction @ ("up" | "down"), "migration", more @ ..] = after_dashes.as_slice() {
        let part = match *direction {
            "up" => Part::Migrate,
            _ => Part::Reset,
        };
        // To the tool, any text may follow; to a reader, that is a remark.
        return Some(match more.is_empty() {
            true => section(Dialect::NodePgMigrate, part),
            false => Annotation::Unknown(
                "this comment would begin a section to node-pg-migrate: write nothing after `Migration`, or put it differently"
                    .to_owned(),
            ),
        });
    }
    Some(match words.as_slice() {
        ["--", "rambler", "up"] => section(Dialect::Rambler, Part::Migrate),
        ["--", "rambler", "down"] => section(Dialect::Rambler, Part::Reset),
        ["--", "====", "up", "===="] => section(Dialect::Shmig, Part::Migrate),
        ["--", "====", "down", "===="] => section(Dialect::Shmig, Part::Reset),
        ["--" | "---", "!ups"] | ["--", "---", "!ups"] => section(Dialect::Play, Part::Migrate),
        ["--" | "---", "!downs"] | ["--", "---", "!downs"] => section(Dialect::Play, Part::Reset),
        ["--", "up"] => section(Dialect::NodeSqlite, Part::Migrate),
        ["--", "down"] => section(Dialect::NodeSqlite, Part::Reset),
        ["----", "create", "above", "/", "drop", "below", "----"] => {
            Annotation::Divider(Dialect::Tern)
        }
        ["----", "tern:", "disable-tx", "----"] => Annotation::NoTransaction,
        ["--", "//@undo"] | ["--//@undo"] | ["--", "//", "@undo"] => {
            Annotation::Divider(Dialect::Mybatis)
        }
        _ => return None,
    })
}

/// Why a comment cannot be passed over: it looks like a line of a tool that takes files apart.
fn mark(comment: &str) -> Option<String> {
    let lower = comment.to_ascii_lowercase();
    if lower.starts_with("liquibase formatted")
        || (lower.starts_with("changeset ") && lower.contains(':'))
    {
        return Some(
            "this is a changelog of Liquibase, whose changesets and rollbacks are not known here: write a file for each \
             changeset, with `-- wasmigrate:migrate` and `-- wasmigrate:reset`"
                .to_owned(),
        );
    }
    let words: Vec<&str> = lower
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    if matches!(
        words.as_slice(),
        ["no", "transaction"] | ["notransaction"] | ["disable", "tx"] | ["tern", "disable", "tx"]
    ) {
        return Some(
            "this comment asks for no transaction where it does not count: write `-- wasmigrate:no-transaction`".to_owned(),
        );
    }
    let is_direction = |word: &str| {
        matches!(
            word,
            "up" | "ups" | "down" | "downs" | "undo" | "rollback" | "revert"
        )
    };
    let begins_with_colon = |tool: &str| {
        lower
            .strip_prefix(tool)
            .and_then(|rest| rest.trim_start().strip_prefix(':'))
            .is_some_and(|rest| {
                ["up", "down"]
                    .iter()
                    .any(|word| rest.trim_start().starts_with(word))
            })
    };
    let is_mark = match words.as_slice() {
        [word] => is_direction(word),
        [tool, word]
            if matches!(
                *tool,
                "goose" | "migrate" | "micrate" | "rambler" | "dbmate" | "migration" | "section"
            ) =>
        {
            is_direction(word)
        }
        [word, "migration" | "section" | "script" | "sql"] => is_direction(word),
        _ => false,
    } || begins_with_colon("migrate")
        || (lower.starts_with('+') && words.get(1).is_some_and(|word| is_direction(word)))
        || lower.contains("@undo")
        || (lower.contains("create above") || lower.contains("drop below"));
    is_mark.then(|| {
        "this comment looks like the beginning of a section, and is none that is known here: write `-- wasmigrate:migrate` or \
         `-- wasmigrate:reset`, or put the comment differently"
            .to_owned()
    })
}
