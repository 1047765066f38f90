//! What is expected after a step, in files beside the fixture.
//!
//! `people.0007.after.json` names tables with their rows, or queries with theirs; columns that it does not name are not
//! compared. `people.0007.after.sql` is a script that makes the database that is expected, rows and schema. A fixture that
//! is a directory has them inside it, without its name. Values are compared by what they mean, so that the files hold for
//! every database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::checks::Case;
use super::declarations::Declarations;
use super::fixture::{self, TableRows};
use super::report::Finding;
use super::scratch::ScratchServer;
use super::snapshot::{Words, canonical, differences, logical};
use super::trial::{Trial, snapshot};
use super::{Error, parallel};
use crate::catalog::write_over;
use crate::database::{Access, Authority, Content, Database, Row, Stop, Table, Value};

const WORDS: Words = Words {
    extra: "was not expected",
    missing: "was expected and is not there",
};

/// Tables with more rows are accepted by their number alone.
const MOST_ROWS: usize = 200;

const ADVICE: &str = "fix the step, or accept the result with `--accept` when it is right";

/// What came of a comparison.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) finding: Option<Finding>,
    pub(super) notes: Vec<String>,
    /// Whether anything was expected.
    pub(super) is_expected: bool,
}

pub(super) fn compare(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    accept: bool,
) -> Result<Compared, Error> {
    let mut compared = Compared::default();
    let mut texts = Vec::new();
    let step = trial.step.index;
    let json = case.fixture.expected(step, "json");
    if let Some(path) = json.as_ref().filter(|path| path.exists()) {
        compared.is_expected = true;
        texts.extend(differences_from_json(trial, case, declarations, path)?);
    }
    if let Some(path) = case
        .fixture
        .expected(step, "sql")
        .filter(|path| path.exists())
    {
        compared.is_expected = true;
        texts.extend(differences_from_script(trial, case, declarations, &path)?);
    }
    let Some(path) = json.filter(|_| accept) else {
        if !texts.is_empty() {
            compared.finding = Some(Finding {
                place: case.place(),
                message: format!("the result is not what was expected: {}", texts.join("; ")),
                details: Vec::new(),
                advice: ADVICE.to_owned(),
            });
        }
        return Ok(compared);
    };
    if path.exists() && texts.is_empty() {
        return Ok(compared);
    }
    write(trial, case, &path)?;
    compared.notes.push(match texts.is_empty() {
        true => format!("accepted into {}", path.display()),
        false => format!("accepted into {}: {}", path.display(), texts.join("; ")),
    });
    compared.is_expected = true;
    Ok(compared)
}

/// What a file of expectations names.
#[derive(Default)]
struct Entries {
    queries: Map<String, Json>,
    tables: Map<String, Json>,
}

impl Entries {
    fn read(case: &Case, path: &Path) -> Result<Self, Error> {
        let failed = |why: String| refused(path, why);
        let text = (case.fixture.read(path)).map_err(|error| failed(error.to_string()))?;
        let document = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let Json::Object(entries) = document else {
            return Err(failed(
                "it must be an object of tables or queries".to_owned(),
            ));
        };
        let (queries, tables) = entries
            .into_iter()
            .partition(|(name, _)| name.contains(char::is_whitespace));
        Ok(Self { queries, tables })
    }
}

fn refused(path: &Path, why: String) -> Error {
    Error::Fixture(format!("`{}`: {why}", path.display()))
}

fn differences_from_json(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    path: &Path,
) -> Result<Vec<String>, Error> {
    let failed = |why: String| refused(path, why);
    let Entries { queries, tables } = Entries::read(case, path)?;
    let mut texts = Vec::new();
    let text = Json::Object(tables).to_string();
    let tables = fixture::rows_from_json(path, "", &text)?;
    let expected = of_rows(&tables);
    let mut found = Content::default();
    for (name, table) in &expected.tables {
        let Some(whole) = case.undisturbed.finalized.tables.get(name) else {
            texts.push(format!("the table {name} {}", WORDS.missing));
            continue;
        };
        if let Some(column) = table
            .columns
            .iter()
            .find(|column| !whole.columns.contains(column))
        {
            texts.push(format!("the column {name}.{column} {}", WORDS.missing));
        }
        found
            .tables
            .insert(name.clone(), narrowed(whole, &table.columns));
    }
    let mut different = differences(&logical(&expected), &logical(&found), WORDS);
    case.except_incomparable(trial, declarations, &mut different)?;
    texts.extend(different.into_iter().map(|difference| difference.text));
    for (query, rows) in queries {
        let found: Vec<Vec<Option<String>>> = ask(case, path, &query)?
            .iter()
            .map(|row| row.iter().map(canonical).collect())
            .collect();
        let expected: Vec<Vec<Option<String>>> = match rows {
            Json::Array(rows) => rows.iter().map(cells).collect(),
            _ => {
                return Err(failed(format!(
                    "`{query}`: its rows must be a list of lists"
                )));
            }
        };
        if found != expected {
            texts.push(format!(
                "`{query}` gives {} instead of {}",
                lines(&found),
                lines(&expected)
            ));
        }
    }
    Ok(texts)
}

/// The cells of a row that is expected, by what they mean.
fn cells(row: &Json) -> Vec<Option<String>> {
    let cell = |cell: &Json| canonical(&fixture::from_value(cell));
    match row {
        Json::Array(cells) => cells.iter().map(cell).collect(),
        single => vec![cell(single)],
    }
}

fn lines(rows: &[Vec<Option<String>>]) -> String {
    let row = |row: &Vec<Option<String>>| {
        let cells: Vec<&str> = row
            .iter()
            .map(|cell| cell.as_deref().unwrap_or("NULL"))
            .collect();
        format!("({})", cells.join(", "))
    };
    match rows {
        [] => "no rows".to_owned(),
        rows => rows.iter().take(5).map(row).collect::<Vec<_>>().join(" "),
    }
}

fn ask(case: &Case, path: &Path, query: &str) -> Result<Vec<Vec<Value>>, Error> {
    parallel::wait(rows_of(&*case.undisturbed.database.database(), query))?
        .map_err(|error| refused(path, format!("`{query}`: {error}")))
}

async fn rows_of(database: &dyn Database, query: &str) -> crate::database::Result<Vec<Vec<Value>>> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let rows = session.rows_as(Authority::Application, query, &[]).await;
    session.rollback().await?;
    rows
}

/// Makes the database that a script describes, and compares all of it.
fn differences_from_script(
    trial: &Trial<'_>,
    case: &Case,
    declarations: &Declarations,
    path: &Path,
) -> Result<Vec<String>, Error> {
    let failed = |why: String| Error::Fixture(format!("`{}`: {why}", path.display()));
    let text = (case.fixture.read(path)).map_err(|error| failed(error.to_string()))?;
    let server: Arc<ScratchServer> = case.base.server();
    let database = server.make()?;
    parallel::wait(database.restore(&text))?
        .map_err(|error| failed(format!("line {}: {}", error.line, error.error.message)))?;
    let expected = snapshot(&*database.database())?;
    let mut different = differences(&expected, &case.undisturbed.finalized, WORDS);
    case.except_incomparable(trial, declarations, &mut different)?;
    Ok(different
        .into_iter()
        .map(|difference| difference.text)
        .collect())
}

fn of_rows(tables: &[TableRows]) -> Content {
    let mut snapshot = Content::default();
    for rows in tables {
        let table = Table {
            columns: rows.columns.clone(),
            key: Vec::new(),
            rows: rows.rows.iter().cloned().map(Row::new).collect(),
        };
        snapshot.tables.insert(rows.table.clone(), table);
    }
    snapshot
}

/// Some columns of a table, in the order in which they are named.
fn narrowed(table: &Table, columns: &[String]) -> Table {
    let positions: Vec<usize> = columns
        .iter()
        .filter_map(|column| table.columns.iter().position(|own| own == column))
        .collect();
    let row = |row: &Row| {
        Row::new(
            positions
                .iter()
                .filter_map(|position| row.cells.get(*position).cloned())
                .collect(),
        )
    };
    Table {
        columns: columns
            .iter()
            .filter(|column| table.columns.contains(column))
            .cloned()
            .collect(),
        key: Vec::new(),
        rows: table.rows.iter().map(row).collect(),
    }
}

/// Writes what the step made or changed as what is expected, and what the file named before, with its new values.
fn write(trial: &Trial<'_>, case: &Case, path: &Path) -> Result<(), Error> {
    let named = match path.exists() {
        true => Entries::read(case, path)?,
        false => Entries::default(),
    };
    let unstable = case.unstable(trial)?;
    let mut document: BTreeMap<String, Json> = BTreeMap::new();
    for (name, table) in &case.undisturbed.finalized.tables {
        let named = named.tables.get(name);
        if named.is_none() && case.before.tables.get(name) == Some(table) {
            continue;
        }
        let named = named.and_then(columns_of);
        let is_kept = |column: &String| match &named {
            Some(named) => named.contains(column),
            None => !unstable.contains(&format!("{name}.{column}")),
        };
        let columns: Vec<String> = table
            .columns
            .iter()
            .filter(|column| is_kept(column))
            .cloned()
            .collect();
        if table.rows.len() > MOST_ROWS || columns.is_empty() {
            let count = Json::from(table.rows.len());
            let query = format!("SELECT count(*) FROM {name}");
            document.insert(query, Json::Array(vec![Json::Array(vec![count])]));
            continue;
        }
        let rows = narrowed(table, &columns).rows;
        let object = |row: &Row| {
            let cells = columns.iter().zip(&row.cells);
            Json::Object(
                cells
                    .map(|(column, value)| (column.clone(), fixture::to_json(value)))
                    .collect(),
            )
        };
        document.insert(name.clone(), rows.iter().map(object).collect());
    }
    for query in named.queries.keys() {
        let rows = ask(case, path, query)?;
        let rows = rows
            .iter()
            .map(|row| row.iter().map(fixture::to_json).collect::<Json>());
        document.insert(query.clone(), rows.collect());
    }
    let failed = |why: String| Error::Fixture(format!("cannot write `{}`: {why}", path.display()));
    let mut text =
        serde_json::to_string_pretty(&document).map_err(|error| failed(error.to_string()))?;
    text.push('\n');
    if std::fs::symlink_metadata(path).is_ok() {
        (case.fixture.check(path)).map_err(|error| failed(error.to_string()))?;
    }
    let parent = path.parent().unwrap_or(path);
    case.fixture
        .check_directory(parent)
        .and_then(|()| write_over(path, &text))
        .map_err(|error| failed(error.to_string()))
}

/// The columns that the rows of a table name; none when the table is to be empty.
fn columns_of(rows: &Json) -> Option<BTreeSet<String>> {
    let rows = rows.as_array()?.iter().filter_map(Json::as_object);
    let columns: BTreeSet<String> = rows.flat_map(Map::keys).cloned().collect();
    (!columns.is_empty()).then_some(columns)
}
