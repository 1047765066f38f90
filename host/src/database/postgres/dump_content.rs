//! A database as the script that makes it again, by PostgreSQL's own program.
//! <https://www.postgresql.org/docs/current/app-pgdump.html>

use super::super::{Error, ErrorKind, Result, quote};
use super::lexer::Rules;
use super::pg_dump::{self, PROGRAM};
use super::pool::Postgres;
use super::statements;

/// The schemas of journals.
const JOURNALS: &str = "wasmigrate*";

impl Postgres {
    /// The whole content without the journal, as `pg_dump` writes it, with the rights of others. It can be made again by
    /// another role, in a database in which `schema` is there.
    pub fn dump_content(&self, schema: Option<&str>) -> Result<String> {
        let mut command = pg_dump::command(self)?;
        command.args(["--no-owner", "--exclude-schema", JOURNALS]);
        if let Some(schema) = &self.0.options.journal_schema {
            command.args(["--exclude-schema", schema]);
        }
        let failed = |message: String| Error::new(ErrorKind::Other, message);
        let output = command.output();
        let output = output.map_err(|error| pg_dump::not_started(&error))?;
        match output.status.success() {
            true => {
                let script = String::from_utf8(output.stdout)
                    .map_err(|_| failed(format!("what `{PROGRAM}` writes is not UTF-8")))?;
                for_another_role(&script, &self.0.address.user, schema)
            }
            false => Err(failed(
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            )),
        }
    }
}

/// The script without what is only so because this role has made it, and this schema for it.
fn for_another_role(script: &str, role: &str, schema: Option<&str>) -> Result<String> {
    let names = [role.to_owned(), quote(role)];
    let made = schema.map(|schema| [schema.to_owned(), quote(schema)]);
    let pieces = statements::split(script, Rules::default());
    let pieces = pieces.map_err(|mistake| mistake.of(script).error)?;
    let mut written = String::with_capacity(script.len());
    let mut done = 0;
    for piece in pieces {
        let statement = script.get(piece.at.clone()).unwrap_or_default();
        let makes = |name: &String| statement == format!("CREATE SCHEMA {name}");
        if made.iter().flatten().any(makes) {
            written.push_str(script.get(done..piece.sent.start).unwrap_or_default());
            written.push('\n');
            done = piece.sent.end;
        } else if let Some(changed) = names
            .iter()
            .find_map(|name| of_whoever_runs(statement, name))
        {
            written.push_str(script.get(done..piece.at.start).unwrap_or_default());
            written.push_str(&changed);
            done = piece.at.end;
        }
    }
    written.push_str(script.get(done..).unwrap_or_default());
    Ok(written)
}

/// A statement about rights that names this role, for whoever runs it; none where it names another.
fn of_whoever_runs(statement: &str, role: &str) -> Option<String> {
    let defaults = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {role} ");
    let (begin, rest) = match statement.strip_prefix(&*defaults) {
        Some(rest) => ("ALTER DEFAULT PRIVILEGES ", rest),
        None if statement.starts_with("GRANT ") || statement.starts_with("REVOKE ") => {
            ("", statement)
        }
        None => return None,
    };
    for word in ["TO", "FROM"] {
        for option in ["", " WITH GRANT OPTION"] {
            if let Some(before) = rest.strip_suffix(&*format!(" {word} {role}{option}")) {
                return Some(format!("{begin}{before} {word} CURRENT_USER{option}"));
            }
        }
    }
    (!begin.is_empty()).then(|| format!("{begin}{rest}"))
}
