//! What is said of a step that was where it must not be.

use super::home;
use super::verify::TAMPERED;
use crate::database::Error;

/// What the step did where it must not be: the message quotes `wasmigrate-tampered WHAT`.
pub(super) fn tampered(message: &str) -> Error {
    let what = message
        .split_once(TAMPERED)
        .map_or(message, |(_, what)| what)
        .trim_matches([' ', '»', '«', '“', '”']);
    let what = what.strip_suffix('"').unwrap_or(what);
    if let Some((schema, own)) = what
        .strip_prefix("target ")
        .and_then(|what| what.split_once(" before "))
    {
        return home::comes_before(schema, own);
    }
    let what = match what {
        "transaction" => "it left the transaction that the host had opened for it".to_owned(),
        "journal" => "it removed, renamed or replaced tables that belong to the host".to_owned(),
        "pg_db_role_setting" => {
            "it changed the settings with which sessions begin (`ALTER ROLE … SET`, `ALTER DATABASE … SET`)".to_owned()
        }
        "pg_authid" | "pg_auth_members" => {
            "it changed roles, which belong to the whole server".to_owned()
        }
        "pg_database" | "pg_tablespace" => {
            "it changed a database as a whole (`ALTER DATABASE`, `GRANT … ON DATABASE`)".to_owned()
        }
        "schema" => "it changed the schema of the journal, which belongs to the host".to_owned(),
        "extension" => "it made the journal, which belongs to the host, a part of an extension".to_owned(),
        "view" => {
            "it made or changed a view on tables that belong to the host, or a rule that names them, through which others could write"
                .to_owned()
        }
        "publication" => {
            "it changed which tables are published of those that belong to the host".to_owned()
        },
        "statistics" => "it made statistics of tables that belong to the host".to_owned(),
        "prepared" => {
            "it removed or replaced statements that the host had prepared in the session".to_owned()
        }
        "removed" => {
            "what waited for the end of its transaction, such as a deferred trigger, has removed tables, of which the host cannot \
             tell any more whose they were: let it run within the step, by `SET CONSTRAINTS ALL IMMEDIATE` as its last statement"
                .to_owned()
        }
        "unknown" => {
            "it changed a table that somebody else has made meanwhile, of which the host cannot tell whether it was a journal's: \
             run it again"
                .to_owned()
        }
        "commit" => "it left something behind that would write at the commit".to_owned(),
        table => match table.strip_prefix("rights ") {
            Some(table) => format!(
                "it changed or locked `{table}`, which belongs to the host, as a GRANT or REVOKE on all tables of the schema does: \
                 `wasmigrate repair --move-journal` moves the journal to a schema of its own, where these do not meet it"
            ),
            None => format!("it changed or locked `{table}`, which belongs to the host"),
        },
    };
    Error::not_permitted(format!(
        "the step tampered with the host: {what}; everything it did is rolled back"
    ))
}
