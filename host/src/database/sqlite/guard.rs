//! The authorizer: what a step's statement may do, and which tables it touches.
//!
//! SQLite asks it while a statement is prepared, and again whenever a change of the schema makes it prepare the statement
//! anew. Statements of the host pass unasked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

use super::super::{Action, Authority, Deed, JOURNAL_PREFIX};
use super::pragma;

/// The pragmas that only read, whatever their argument, and only what a step may know.
const READING_PRAGMAS: [&str; 13] = [
    "collation_list",
    "compile_options",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// The pragmas that only read as long as they are given no value. Full-text and spatial indexes ask for two of them.
const PLAIN_PRAGMAS: [&str; 3] = ["data_version", "encoding", "page_size"];

/// The pragmas that an application keeps its own data with, and the one that the host puts back.
const ALLOWED_PRAGMAS: [&str; 3] = ["application_id", "legacy_alter_table", "user_version"];
/// How SQLite's table-valued functions begin that are called after pragmas: a table of such a name would come first.
pub(super) const PRAGMA_PREFIX: &str = "pragma_";

/// Functions that reach outside the database.
const FORBIDDEN_FUNCTIONS: [&str; 2] = ["load_extension", "fts3_tokenizer"];

const SAVEPOINT: &str = "SAVEPOINT: a step in SQL is kept or undone as a whole: take it out, or split the step; in a component, \
     open savepoints through the `savepoint` resource";

/// What one statement touches, learned while it is prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Tables whose rows it may write.
    pub(super) tables: BTreeSet<String>,
    /// Whether it renames or drops a table or a column, so that any foreign key may now point elsewhere.
    pub(super) shape: bool,
    /// Whether it makes triggers, which run when others write.
    pub(super) triggers: bool,
    /// Whether it makes temporary objects, which would outlive the transaction on this connection.
    pub(super) temporary: bool,
    /// The table that the statement itself names, rather than one of its triggers.
    pub(super) main_table: Option<String>,
}

/// The state shared with SQLite's callback.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    authority: Authority,
    interruptible: bool,
    touched: Touched,
    /// All that steps' statements were meant to do.
    deeds: BTreeSet<Deed>,
    denied: Option<String>,
    /// Whether a step has switched `legacy_alter_table`.
    legacy: bool,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            authority: Authority::Host,
            interruptible: false,
            touched: Touched::default(),
            deeds: BTreeSet::new(),
            denied: None,
            legacy: false,
        })))
    }

    /// The callback to register with SQLite.
    pub(super) fn authorizer(
        &self,
    ) -> impl for<'r> FnMut(AuthContext<'r>) -> Authorization + Send + 'static {
        let guard = self.clone();
        move |context| guard.authorize(&context)
    }

    /// Says in whose name the statements run that follow.
    pub(super) fn act_for(&self, authority: Authority) {
        let mut state = self.state();
        state.authority = authority;
        state.interruptible = authority == Authority::Step;
        state.denied = None;
    }

    /// Lets the host's own statements that follow be interrupted, too.
    pub(super) fn allow_interruption(&self) {
        self.state().interruptible = true;
    }

    /// Whether a reason to stop ends the statement that runs. The host's bookkeeping must still be done then.
    pub(super) fn is_interruptible(&self) -> bool {
        self.state().interruptible
    }

    /// What was touched by the statements prepared since the last call.
    pub(super) fn take_touched(&self) -> Touched {
        std::mem::take(&mut self.state().touched)
    }

    /// All that was meant to be done in the name of steps.
    pub(super) fn deeds(&self) -> BTreeSet<Deed> {
        self.state().deeds.clone()
    }

    /// Why the last statement was refused, if the authorizer refused it.
    pub(super) fn take_denied(&self) -> Option<String> {
        self.state().denied.take()
    }

    /// Whether a step has switched `legacy_alter_table` since the last call.
    pub(super) fn take_legacy(&self) -> bool {
        std::mem::take(&mut self.state().legacy)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.state();
        match (state.authority, context.accessor) {
            (Authority::Host, Some(accessor)) if writes(&context.action) => {
                state.denied = Some(format!(
                    "the trigger `{accessor}` would write in the name of the host"
                ));
                return Authorization::Deny;
            }
            (Authority::Host | Authority::Application, _) => return Authorization::Allow,
            (Authority::Step, _) => {}
        }
        if let Err(reason) = permit(&context.action) {
            state.denied = Some(reason);
            return Authorization::Deny;
        }
        state.touched.note(context);
        if let AuthAction::Pragma { pragma_name, .. } = &context.action {
            state.legacy |= pragma_name.eq_ignore_ascii_case("legacy_alter_table");
        }
        if let Some(deed) = deed(&context.action) {
            state.deeds.insert(deed);
        }
        Authorization::Allow
    }
}

impl Touched {
    /// Adds what another statement touches.
    pub(super) fn add(&mut self, other: &Self) {
        for table in &other.tables {
            if !self.tables.contains(table) {
                self.tables.insert(table.clone());
            }
        }
        self.shape |= other.shape;
        self.triggers |= other.triggers;
        self.temporary |= other.temporary;
    }

    fn note(&mut self, context: &AuthContext<'_>) {
        match context.action {
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name }
                if !table_name.starts_with("sqlite_") =>
            {
                self.tables.insert(table_name.to_owned());
                if context.accessor.is_none() && self.main_table.is_none() {
                    self.main_table = Some(table_name.to_owned());
                }
            }
            AuthAction::CreateTable { table_name } => {
                self.tables.insert(table_name.to_owned());
            }
            AuthAction::AlterTable { .. } | AuthAction::DropTable { .. } => self.shape = true,
            AuthAction::CreateTrigger { .. } => self.triggers = true,
            AuthAction::CreateTempTable { .. }
            | AuthAction::CreateTempIndex { .. }
            | AuthAction::CreateTempTrigger { .. }
            | AuthAction::CreateTempView { .. } => self.temporary = true,
            AuthAction::CreateVtable { .. } => {
                self.temporary |= context.database_name == Some("temp")
            }
            _ => {}
        }
    }
}

/// What a step is about to do to a table that is not SQLite's own.
fn deed(action: &AuthAction<'_>) -> Option<Deed> {
    let (action, table, column) = match *action {
        AuthAction::Read {
            table_name,
            column_name,
        } => (Action::Read, table_name, Some(column_name)),
        AuthAction::Update {
            table_name,
            column_name,
        } => (Action::Write, table_name, Some(column_name)),
        AuthAction::Insert { table_name } | AuthAction::Delete { table_name } => {
            (Action::Write, table_name, None)
        }
        AuthAction::CreateTable { table_name } | AuthAction::CreateVtable { table_name, .. } => {
            (Action::Create, table_name, None)
        }
        AuthAction::DropTable { table_name } | AuthAction::DropVtable { table_name, .. } => {
            (Action::Drop, table_name, None)
        }
        AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::DropTrigger { table_name, .. } => (Action::Alter, table_name, None),
        _ => return None,
    };
    (!table.starts_with("sqlite_")).then(|| Deed {
        action,
        table: table.to_owned(),
        column: column.filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

fn writes(action: &AuthAction<'_>) -> bool {
    matches!(
        action,
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. }
    )
}

/// Whether a step may do this; the error says what it tried and why not.
fn permit(action: &AuthAction<'_>) -> Result<(), String> {
    match action {
        AuthAction::Transaction { operation } => Err(format!(
            "{}: the host begins and ends the transaction of a step",
            operation_name(*operation)
        )),
        AuthAction::Savepoint { .. } => Err(SAVEPOINT.to_owned()),
        AuthAction::Attach { .. } => Err("ATTACH: a step works on the target alone".to_owned()),
        AuthAction::Detach { .. } => Err("DETACH: a step works on the target alone".to_owned()),
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let is_among = |pragmas: &[&str]| {
                pragmas
                    .iter()
                    .any(|pragma| pragma_name.eq_ignore_ascii_case(pragma))
            };
            if is_among(&["writable_schema"]) {
                Err(
                    "PRAGMA writable_schema: a step cannot write SQLite's own table; a dump says this of a virtual table: \
                     write its CREATE VIRTUAL TABLE in place of the lines up to `PRAGMA writable_schema=OFF`"
                        .to_owned(),
                )
            } else if is_among(&READING_PRAGMAS)
                || is_among(&ALLOWED_PRAGMAS)
                || (pragma_value.is_none() && is_among(&PLAIN_PRAGMAS))
            {
                Ok(())
            } else {
                Err(format!(
                    "PRAGMA {pragma_name}: a step may use only the reading pragmas ({}, {}) and {}",
                    READING_PRAGMAS.join(", "),
                    PLAIN_PRAGMAS.join(", "),
                    ALLOWED_PRAGMAS.join(", ")
                ))
            }
        }
        AuthAction::Function { function_name } => {
            if FORBIDDEN_FUNCTIONS
                .iter()
                .any(|forbidden| function_name.eq_ignore_ascii_case(forbidden))
            {
                Err(format!(
                    "{function_name}(): a step cannot load code or reach outside the database"
                ))
            } else {
                Ok(())
            }
        }
        AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::CreateTempTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::DropTempTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateVtable { table_name, .. }
        | AuthAction::DropVtable { table_name, .. }
        | AuthAction::CreateView {
            view_name: table_name,
        }
        | AuthAction::CreateTempView {
            view_name: table_name,
        }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::CreateTempIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::CreateTempTrigger { table_name, .. }
        | AuthAction::DropTrigger { table_name, .. } => {
            if begins_with(table_name, PRAGMA_PREFIX) && makes(action) {
                Err(format!(
                    "`{table_name}`: names that begin with `{PRAGMA_PREFIX}` are those of SQLite's own functions"
                ))
            } else if begins_with(table_name, JOURNAL_PREFIX) {
                Err(format!(
                    "`{table_name}`: a step may read the journal, but tables that begin with `{JOURNAL_PREFIX}` belong to \
                     the host"
                ))
            } else {
                Ok(())
            }
        }
        AuthAction::Unknown { code, .. } => {
            Err(format!("action {code} of SQLite is not known to the host"))
        }
        _ => Ok(()),
    }
}

/// The same of a statement by its first words, in lower case and without quotes.
pub(super) fn permit_words(words: &[&str]) -> Result<(), String> {
    let operation = match words {
        ["vacuum", ..] => {
            return Err(
                "VACUUM: it refuses the transaction of a step: put it into a file of its own, without other statements"
                    .to_owned(),
            );
        }
        ["attach", ..] => return permit(&AuthAction::Attach { filename: "" }),
        ["detach", ..] => return permit(&AuthAction::Detach { database_name: "" }),
        ["rollback", "to", ..] | ["rollback", "transaction", "to", ..] => {
            return Err(SAVEPOINT.to_owned());
        }
        ["savepoint" | "release", ..] => return Err(SAVEPOINT.to_owned()),
        ["begin", ..] => TransactionOperation::Begin,
        ["rollback", ..] => TransactionOperation::Rollback,
        ["commit" | "end", ..] => TransactionOperation::Release,
        _ => {
            return match pragma::pragma(words) {
                None => {
                    let mut acts = named(words).into_iter().chain(renamed(words));
                    acts.try_for_each(|act| permit(&act))
                }
                Some((pragma_name, pragma_value)) => permit(&AuthAction::Pragma {
                    pragma_name,
                    pragma_value,
                })
                .map_err(|error| match pragma::why_not(pragma_name) {
                    Some(why) => format!("PRAGMA {pragma_name}: {why}"),
                    None => error,
                }),
            };
        }
    };
    permit(&AuthAction::Transaction { operation })
}

/// What a statement does to the table that it names first, or which function it begins with, as far as its first words tell.
fn named<'w>(words: &[&'w str]) -> Option<AuthAction<'w>> {
    let table = |words: &[&'w str]| match words {
        ["if", "exists", rest @ ..] | ["if", "not", "exists", rest @ ..] | rest => match rest {
            [_, ".", name, ..] | [name, ..] => Some(*name),
            [] => None,
        },
    };
    match words {
        [
            "create",
            "temp" | "temporary" | "virtual",
            "table" | "view",
            rest @ ..,
        ]
        | ["create", "table" | "view", rest @ ..] => {
            table(rest).map(|table_name| AuthAction::CreateTable { table_name })
        }
        ["drop", "table" | "view", rest @ ..] => {
            table(rest).map(|table_name| AuthAction::DropTable { table_name })
        }
        ["alter", "table", rest @ ..] => table(rest).map(|table_name| AuthAction::AlterTable {
            database_name: "main",
            table_name,
        }),
        ["insert" | "replace", "into", rest @ ..] | ["insert", "or", _, "into", rest @ ..] => {
            table(rest).map(|table_name| AuthAction::Insert { table_name })
        }
        ["delete", "from", rest @ ..] => {
            table(rest).map(|table_name| AuthAction::Delete { table_name })
        }
        ["update", "or", _, rest @ ..] | ["update", rest @ ..] => {
            table(rest).map(|table_name| AuthAction::Update {
                table_name,
                column_name: "",
            })
        }
        ["select", function_name, "(", ..] => Some(AuthAction::Function { function_name }),
        _ => None,
    }
}

/// The table that a statement makes of another one by its new name.
fn renamed<'w>(words: &[&'w str]) -> Option<AuthAction<'w>> {
    match words {
        ["alter", "table", _, "rename", "to", table_name]
        | ["alter", "table", _, ".", _, "rename", "to", table_name] => {
            Some(AuthAction::CreateTable { table_name })
        }
        _ => None,
    }
}

fn makes(action: &AuthAction<'_>) -> bool {
    matches!(
        action,
        AuthAction::CreateTable { .. }
            | AuthAction::CreateTempTable { .. }
            | AuthAction::CreateVtable { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::CreateTempView { .. }
    )
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn operation_name(operation: TransactionOperation) -> &'static str {
    match operation {
        TransactionOperation::Begin => "BEGIN",
        TransactionOperation::Rollback => "ROLLBACK",
        // SQLite's name for it is COMMIT; rusqlite knows no such operation.
        _ => "COMMIT",
    }
}
