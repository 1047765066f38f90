//! What is looked for before a commit, inside the transaction.
//!
//! Whatever a step ran, in however many functions and blocks, the server still knows what its transaction did: which one
//! it is, which locks it holds, and which rows of the catalog it wrote. A table cannot be changed, in its rows or its
//! shape, without a lock that lasts until the transaction's end; the host itself writes to its journal only after this
//! look. First everything is brought forward that would otherwise run at the commit, after the look: deferred triggers,
//! and cursors that outlive the transaction. Whatever puts itself off again finds a transaction that may not write; a server
//! that lets a trigger take that off again is asked whether any trigger is left.

use super::home::Home;
use super::text::quote_text;
use crate::database::{Error, ErrorKind, JOURNAL_PREFIX, Result};

/// The text of a failed cast by which the server says that a step was where it must not be.
pub(super) const TAMPERED: &str = "wasmigrate-tampered";

/// What brings forward all that a step can have set in motion.
pub(super) const BEFORE: [&str; 3] = ["SET CONSTRAINTS ALL IMMEDIATE", "CLOSE ALL", "UNLISTEN *"];

/// What puts the session's settings back, before the first statement of a transaction and before the look.
pub(super) const CLEAN: [&str; 3] = ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"];

/// What makes names and operators in the host's own statements mean what PostgreSQL has, whatever a step has made, and lets no
/// policy of anybody run in them: the server refuses to read a table whose policies would. Without a transaction it holds
/// until the end of what is sent together.
pub(super) const OWN_NAMES: &str = "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true), pg_catalog.set_config('row_security', 'off', true)";

/// Remembers in which schema tables are made that are named without one.
pub(super) const KEEP_SCHEMA: &str = "SELECT pg_catalog.set_config('wasmigrate.schema', coalesce(pg_catalog.current_schema()::pg_catalog.text, ''), true)";

/// Remembers which names the step uses, before the host speaks in between.
pub(super) const KEEP_NAMES: &str = "SELECT pg_catalog.set_config('wasmigrate.search_path',
     pg_catalog.current_setting('search_path'), true), pg_catalog.set_config('wasmigrate.row_security',
     pg_catalog.current_setting('row_security'), true)";

/// Gives them back to it.
pub(super) const GIVE_NAMES_BACK: &str = "SELECT pg_catalog.set_config('search_path',
     pg_catalog.current_setting('wasmigrate.search_path'), true), pg_catalog.set_config('row_security',
     pg_catalog.current_setting('wasmigrate.row_security'), true)";

/// Lets policies run in statements of steps again, as the connection says.
pub(super) const POLICIES_OF_CONNECTION: &str = "RESET row_security";

/// Lets the server keep the plans of the statements that it keeps, instead of planning the first five times for what their
/// parameters are. <https://www.postgresql.org/docs/current/sql-prepare.html>
pub(super) const OWN_PLANS: &str = "SET LOCAL plan_cache_mode = force_generic_plan";

/// Lets statements of steps be planned as the connection says.
pub(super) const PLANS_OF_CONNECTION: &str = "RESET plan_cache_mode";

/// Remembers which schemas the connection's search path has, to be compared with what they were when the target was looked up.
pub(super) const KEEP_SCHEMAS: &str = "pg_catalog.set_config('wasmigrate.schemas',
     pg_catalog.current_schemas(false)::pg_catalog.text, true)";

/// What else makes a transaction fit for the next step, when several share it.
pub(super) const AFTER: &str = "SET CONSTRAINTS ALL DEFERRED";

/// The journal's tables and indexes, as they were at the beginning, and what there was of other targets' journals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JournalTables {
    /// Their names and numbers, as the server writes them down.
    names: String,
    numbers: Vec<u32>,
    /// What else is said of them, and who may do more with them than read.
    rights: String,
    /// The numbers of the tables of other targets in the database.
    others: Vec<u32>,
    /// The tables by which journals are found, and their comments, which say whose they are.
    found_by: Vec<u32>,
    comments: String,
    /// What publications have of all of them, by number.
    publications: Vec<u32>,
    /// The schemas of all of them, each with its number and its name.
    schemas: Vec<(String, String)>,
    /// The views on all of them, and on these.
    views: Vec<u32>,
}

impl JournalTables {
    /// Reads what [`journal`] answers.
    pub(super) fn read(answer: &str) -> Result<Self> {
        let unexpected = || Error::new(ErrorKind::Other, "the server does not list its tables");
        let cells: [Option<String>; 9] = serde_json::from_str(answer).map_err(|_| unexpected())?;
        let cells = cells.map(Option::unwrap_or_default);
        let [
            names,
            own,
            rights,
            others,
            found_by,
            comments,
            publications,
            schemas,
            views,
        ] = cells;
        let numbers = |list: &str| {
            let numbers = list.split(',').filter(|number| !number.is_empty());
            let numbers: std::result::Result<_, _> = numbers.map(str::parse).collect();
            numbers.map_err(|_| unexpected())
        };
        Ok(Self {
            names,
            numbers: numbers(&own)?,
            rights,
            others: numbers(&others)?,
            found_by: numbers(&found_by)?,
            comments,
            publications: numbers(&publications)?,
            schemas: match &*schemas {
                "" => Vec::new(),
                schemas => serde_json::from_str(schemas).map_err(|_| unexpected())?,
            },
            views: numbers(&views)?,
        })
    }

    /// Whether these are all journals, as [`JOURNALS`] tells.
    pub(super) fn are_all(&self, journals: &str) -> bool {
        let mut known = self.found_by.clone();
        known.sort_unstable();
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        known.join(",") == journals
    }

    /// Whether there are any of the target itself.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }
}

/// A query for the journals in the database: the numbers of the tables by which they are found.
pub(super) const JOURNALS: &str =
    "SELECT coalesce(pg_catalog.string_agg(oid::pg_catalog.text, ',' ORDER BY oid), '')
    FROM pg_catalog.pg_class WHERE relname OPERATOR(pg_catalog.=) 'wasmigrate_journal'
    AND relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,i}' AS pg_catalog.\"char\"[]))";

/// A query for [`JournalTables`]. It is asked before names mean what PostgreSQL has.
pub(super) fn journal(schema: &str) -> String {
    let schema = format!(
        "coalesce(pg_catalog.to_regnamespace({})::pg_catalog.oid, '0')",
        quote_text(schema)
    );
    let own = format!("FILTER (WHERE relnamespace OPERATOR(pg_catalog.=) {schema})");
    let found_by =
        format!("FILTER (WHERE relname OPERATOR(pg_catalog.=) '{JOURNAL_PREFIX}journal')");
    format!(
        r#"SELECT pg_catalog.json_build_array({NAMES} {own}, {NUMBERS} {own}, {RIGHTS} {own},
            pg_catalog.string_agg(pg_class.oid::pg_catalog.text, ',') FILTER (WHERE relnamespace OPERATOR(pg_catalog.<>) {schema}
                AND relkind OPERATOR(pg_catalog.=) ANY (CAST('{{r,p}}' AS pg_catalog."char"[]))),
            {NUMBERS} {found_by}, ({comments}), (
                SELECT pg_catalog.string_agg(oid::pg_catalog.text, ',') FROM pg_catalog.pg_publication_rel
                WHERE prrelid OPERATOR(pg_catalog.=) ANY (pg_catalog.array_agg(pg_class.oid))
            ), pg_catalog.jsonb_agg(DISTINCT pg_catalog.jsonb_build_array(
                relnamespace::pg_catalog.text, relnamespace::pg_catalog.regnamespace::pg_catalog.text))::pg_catalog.text, ({VIEWS})
        )::pg_catalog.text FROM pg_catalog.pg_class WHERE {}"#,
        has_name_of_journal(),
        comments = comments(&format!("pg_catalog.array_agg(pg_class.oid) {found_by}")),
    )
}

/// A query for the views on all journals, and on these: mostly none.
const VIEWS: &str = "WITH RECURSIVE view AS (
        SELECT ev_class AS oid FROM pg_catalog.pg_depend JOIN pg_catalog.pg_rewrite ON pg_rewrite.oid OPERATOR(pg_catalog.=) objid
        WHERE refobjid OPERATOR(pg_catalog.=) ANY (pg_catalog.array_agg(pg_class.oid))
        AND refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        AND classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
        UNION SELECT ev_class FROM view JOIN pg_catalog.pg_depend ON refobjid OPERATOR(pg_catalog.=) view.oid
        JOIN pg_catalog.pg_rewrite ON pg_rewrite.oid OPERATOR(pg_catalog.=) objid
        WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        AND classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    ) SELECT pg_catalog.string_agg(oid::pg_catalog.text, ',') FROM view";

/// A query for the comments on tables, which are given as an expression for an array of numbers.
fn comments(tables: &str) -> String {
    format!(
        "SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', objoid, description), ',' ORDER BY objoid)
         FROM pg_catalog.pg_description WHERE objoid OPERATOR(pg_catalog.=) ANY ({tables})
         AND classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass AND objsubid OPERATOR(pg_catalog.=) 0"
    )
}

/// Whether a row of `pg_class` is a table or an index.
const HAS_ROWS: &str =
    r#"relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,i}' AS pg_catalog."char"[]))"#;

const NAMES: &str = r#"pg_catalog.string_agg(
    CASE WHEN relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,i}' AS pg_catalog."char"[]))
    THEN relname::pg_catalog.text OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) pg_class.oid::pg_catalog.text END,
    ',' ORDER BY pg_class.oid)"#;

const NUMBERS: &str = r#"pg_catalog.string_agg(
    CASE WHEN relkind OPERATOR(pg_catalog.=) ANY (CAST('{r,p,i}' AS pg_catalog."char"[]))
    THEN pg_class.oid::pg_catalog.text END, ',')"#;

/// The rights that a list gives, as a text. Reading is no harm, whoever may; that the owner may do everything is of the rights.
macro_rules! rights_given {
    ($list:literal) => {
        concat!(
            "(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', grantee, privilege_type, is_grantable), ','
                ORDER BY grantee, privilege_type, is_grantable)
             FROM pg_catalog.aclexplode(",
            $list,
            ") AS entry WHERE grantee OPERATOR(pg_catalog.=) relowner OR is_grantable
             OR privilege_type OPERATOR(pg_catalog.<>) 'SELECT')"
        )
    };
}

/// What the catalog says of the tables themselves but for what the server counts, and who may do what, where that is not what a
/// table has as long as nobody has said anything. The columns by their names: to make JSON of a row takes ten times as long.
pub(super) const RIGHTS: &str = concat!(
    "pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_class.oid, relname, relnamespace, reltype, reloftype, relowner, relam,
    reltablespace, reltoastrelid, relhasindex, relisshared, relpersistence, relkind, relnatts, relchecks, relhasrules, relhastriggers,
    relhassubclass, relrowsecurity, relforcerowsecurity, relispopulated, relreplident, relispartition, relrewrite,
    coalesce(reloptions::pg_catalog.text, ''), coalesce(relpartbound::pg_catalog.text, ''),
    CASE WHEN relacl IS NOT NULL THEN (
        SELECT CASE WHEN given OPERATOR(pg_catalog.<>) usual THEN given END FROM (SELECT coalesce(",
    rights_given!("relacl"),
    ", 'nobody') AS given, ",
    rights_given!("pg_catalog.acldefault('r', relowner)"),
    " AS usual OFFSET 0) AS rights) END), ';' ORDER BY pg_class.oid)"
);

/// Whether a row of `pg_class` is of the journal: a table, or an index of it.
pub(super) fn is_of_journal(schema: &str) -> String {
    format!(
        "{} AND relnamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace({})::pg_catalog.oid",
        has_name_of_journal(),
        quote_text(schema)
    )
}

/// Whether a row of `pg_class` is a table of another target's journal.
pub(super) fn is_of_another_journal(home: &Home) -> String {
    format!(
        "relkind IN ('r', 'p') AND {} AND relnamespace <> coalesce(to_regnamespace({})::oid, '0')",
        has_name_of_journal(),
        quote_text(&home.journal)
    )
}

/// Whether a row of `pg_class` is of any journal.
pub(super) fn has_name_of_journal() -> String {
    // The prefix's last letter is an underscore, which a backtick follows.
    let after = JOURNAL_PREFIX.replace('_', "`");
    format!(
        "relname OPERATOR(pg_catalog.>=) '{JOURNAL_PREFIX}' AND relname OPERATOR(pg_catalog.<) '{after}'"
    )
}

/// Whether this transaction, or a part of it under a savepoint, wrote a row of the catalog. (Rows of others that are not
/// committed are not seen at all.)
const IS_OURS: &str = "CASE WHEN age(xmin) > 0 THEN false
    ELSE txid_status(txid_current() - age(xmin)) = 'in progress' END";

/// The catalogs of all databases of the server, which a step has no business in: the settings with which sessions begin, roles,
/// databases.
pub(super) const OF_THE_SERVER: &str =
    "'{pg_db_role_setting,pg_authid,pg_auth_members,pg_database,pg_tablespace}'::regclass[]";

/// A query for the catalogs of the whole server that the open transaction has changed.
pub(super) fn changed_on_server() -> String {
    format!(
        "SELECT relation::regclass::text FROM pg_lock_status()
         WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode <> 'AccessShareLock'
         AND relation = ANY ({OF_THE_SERVER})
         UNION ALL SELECT 'pg_database' FROM pg_database WHERE {IS_OURS}
         UNION ALL SELECT 'pg_tablespace' FROM pg_tablespace WHERE {IS_OURS}"
    )
}

/// A statement that fails when the transaction is not the one that its parameter names, or has touched a journal, or what
/// belongs to the whole server. (`GRANT` on a database keeps no lock until the commit, so that its row is looked at.)
///
/// Two kinds of lock are no sign of harm: that of reading, and that of `ANALYZE`, which conflicts with neither rows nor
/// readers; what else takes the latter, or none as `GRANT` does, shows in the catalog. Names are looked up by the server's
/// functions, lock by lock: planning a join with its catalogs, in each transaction anew, would take longer than all else
/// that the host does in it. With the search path that was set before, a table's name comes with its schema; no journal
/// may be touched in any, because it is another target's, or a later session could take it for this one's. What is renamed or
/// removed is known by its number: $2 are the numbers that were found to be of no journal, and all journals are known that the
/// snapshot $3 has. `own_schema` is the schema in which steps make their tables; from [`KEEP_SCHEMA`] it is known where the next
/// one would. What is asked of columns is asked table by table: the plan is kept, and one that reads all columns of the database was
/// the cheaper as long as that was empty.
pub(super) fn statement(home: &Home, journal: &JournalTables, own_schema: &str) -> String {
    let schema = &home.journal;
    // What a step does to the schema that it works in is its own affair.
    let schema_of_journal = match *schema == home.schema || journal.is_empty() {
        true => "NULL".to_owned(),
        false => format!(
            "SELECT '{TAMPERED} schema' FROM pg_namespace AS space WHERE space.oid = to_regnamespace({space}) AND {IS_OURS}
             UNION ALL SELECT '{TAMPERED} schema' FROM pg_default_acl WHERE defaclnamespace = to_regnamespace({space})
             AND {IS_OURS} LIMIT 1",
            space = quote_text(schema)
        ),
    };
    let all = [&*journal.numbers, &journal.others].concat();
    format!(
        "WITH held AS MATERIALIZED (
            SELECT relation, mode, relation::regclass::text AS name, classid, objid FROM pg_lock_status()
            WHERE pid = pg_backend_pid() AND locktype IN ('relation', 'object')
            AND (mode <> 'AccessShareLock' OR relation >= 16384)
        )
        SELECT CAST(CASE
            WHEN txid_current() <> $1 THEN '{TAMPERED} transaction'
            WHEN coalesce(names, '') <> {known} THEN '{TAMPERED} journal'
            ELSE coalesce((
                SELECT '{TAMPERED} ' || CASE
                    WHEN relation = ANY ({all}) AND name = relation::text THEN 'journal'
                    WHEN name = relation::text THEN 'removed'
                    WHEN {by_others} THEN 'unknown'
                    ELSE regexp_replace(name, '^.*[.]', '') END FROM held
                WHERE mode NOT IN ('ShareUpdateExclusiveLock', 'AccessShareLock')
                AND (relation = ANY ({all}) OR relation = ANY ({OF_THE_SERVER}) OR name ~ '{NAME}'
                    OR mode = 'AccessExclusiveLock' AND relation <> ALL ($2::oid[])
                    AND (name = relation::text OR {by_others}))
                ORDER BY relation LIMIT 1
            ), CASE WHEN changed IS NOT NULL AND (SELECT {RIGHTS} FROM pg_class WHERE {of_journal}) <> {rights}
                THEN '{TAMPERED} {rights_of}' || changed END, (
                SELECT '{TAMPERED} ' || regexp_replace(own::regclass::text, '^.*[.]', '') FROM unnest({tables}) AS own
                WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = own AND attnum > 0 AND {IS_OURS} OFFSET 0) LIMIT 1
            ), (
                SELECT '{TAMPERED} publication' FROM pg_publication_rel
                WHERE {IS_OURS} AND (prrelid = ANY ({all}) OR prrelid::regclass::text ~ '{NAME}') LIMIT 1
            ), (
                SELECT '{TAMPERED} statistics' FROM pg_statistic_ext
                WHERE {IS_OURS} AND (stxrelid = ANY ({all}) OR stxrelid::regclass::text ~ '{NAME}') LIMIT 1
            ), (
                SELECT '{TAMPERED} journal' FROM pg_description
                WHERE objoid = ANY ({tables}) AND classoid = 'pg_class'::regclass AND {IS_OURS} LIMIT 1
            ), ({schema_of_journal}), ({in_extension}), ({seen_through}), ({unpublished}), ({no_comment}), ({others}), (
                SELECT '{TAMPERED} pg_database' FROM pg_database WHERE {IS_OURS} LIMIT 1
            ), (
                SELECT '{TAMPERED} pg_tablespace' FROM pg_tablespace WHERE {IS_OURS} LIMIT 1
            ), (
                SELECT '{TAMPERED} target ' || quote_ident(schema) || ' before ' || quote_ident({own_schema})
                FROM current_setting('wasmigrate.schema') AS schema WHERE schema NOT IN ('', {own_schema})
            ), '0') END AS integer), pg_advisory_unlock_all()
         FROM (
            SELECT {NAMES} AS names, min(CASE WHEN {HAS_ROWS} AND {IS_OURS} THEN relname END) AS changed
            FROM pg_class WHERE {of_journal}
         ) AS journal",
        // The row of a table's `tableoid` is as old as the table.
        by_others = format_args!(
            "relation >= 16384 AND name !~ '{NAME}' AND EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = relation AND attnum = -6 AND NOT {IS_OURS}
                AND NOT txid_visible_in_snapshot(txid_current() - age(xmin), $3::txid_snapshot))"
        ),
        rights_of = if *schema == home.schema { "rights " } else { "" },
        known = quote_text(&journal.names),
        own_schema = quote_text(own_schema),
        rights = quote_text(&journal.rights),
        tables = array(&journal.numbers),
        all = array(&all),
        in_extension = in_extension(home, journal, &array(&all)),
        seen_through = seen_through(journal, &array(&all)),
        unpublished = unpublished(journal),
        no_comment = no_comment(journal),
        others = others(home, journal),
        of_journal = is_of_journal(schema),
    )
}

/// The names of a journal's tables and indexes, as the server writes them.
const NAME: &str = "(^|[.])\"?wasmigrate_";

fn array(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("'{{{}}}'::oid[]", numbers.join(","))
}

/// A query that finds something when the transaction has taken a journal's table out of a publication: what is removed is locked.
fn unpublished(journal: &JournalTables) -> String {
    if journal.publications.is_empty() {
        return "NULL".to_owned();
    }
    format!(
        "SELECT '{TAMPERED} publication' FROM held WHERE classid = 'pg_publication_rel'::regclass AND objid = ANY ({}) LIMIT 1",
        array(&journal.publications)
    )
}

/// A query that finds something when the transaction has made a journal a part of an extension: its tables, their types, its
/// schema. Whoever does so keeps the lock that a comment takes, and few do.
fn in_extension(home: &Home, journal: &JournalTables, all: &str) -> String {
    let of_a_step = |(_, name): &&(String, String)| *name == home.schema;
    let schemas = journal.schemas.iter().filter(|schema| !of_a_step(schema));
    let schemas: Vec<&str> = schemas.map(|(number, _)| &**number).collect();
    format!(
        "SELECT '{TAMPERED} extension' FROM held WHERE mode = 'ShareUpdateExclusiveLock' AND CASE coalesce(classid, 'pg_class'::regclass)
            WHEN 'pg_class'::regclass THEN relation = ANY ({all}) OR name ~ '{NAME}'
            WHEN 'pg_namespace'::regclass THEN held.objid = ANY ('{{{}}}'::oid[])
            WHEN 'pg_type'::regclass THEN EXISTS (
                SELECT FROM pg_type AS made JOIN pg_class ON reltype IN (made.oid, typelem)
                WHERE made.oid = held.objid AND (pg_class.oid = ANY ({all}) OR {}))
            ELSE false END
         AND EXISTS (
            SELECT FROM pg_depend AS part WHERE part.classid = coalesce(held.classid, 'pg_class'::regclass)
            AND part.objid = coalesce(relation, held.objid) AND refclassid = 'pg_extension'::regclass AND {}) LIMIT 1",
        schemas.join(","),
        has_name_of_journal(),
        IS_OURS.replace("xmin", "part.xmin"),
    )
}

/// A query that finds something when the transaction has made a view on a journal, or a rule that names one, or has changed a view
/// on one: whoever may write through it writes with its owner's rights. What a view reads is locked until the transaction ends. A
/// materialized view carries none.
fn seen_through(journal: &JournalTables, all: &str) -> String {
    let views = array(&journal.views);
    let made = format!(
        "SELECT '{TAMPERED} view' FROM held WHERE mode = 'AccessShareLock'
         AND (relation = ANY ({all}) OR relation = ANY ({views}) OR name ~ '{NAME}') AND EXISTS (
            SELECT FROM pg_depend AS named JOIN pg_rewrite ON pg_rewrite.oid = named.objid JOIN pg_class ON pg_class.oid = ev_class
            WHERE named.refclassid = 'pg_class'::regclass AND named.refobjid = held.relation
            AND named.classid = 'pg_rewrite'::regclass AND relkind <> 'm' AND {}) LIMIT 1",
        IS_OURS.replace("xmin", "named.xmin"),
    );
    if journal.views.is_empty() {
        return made;
    }
    format!(
        "({made}) UNION ALL (SELECT '{TAMPERED} view' FROM pg_class WHERE oid = ANY ({views}) AND {IS_OURS} LIMIT 1)
         UNION ALL (SELECT '{TAMPERED} view' FROM pg_attribute WHERE attrelid = ANY ({views}) AND {IS_OURS} LIMIT 1) LIMIT 1"
    )
}

/// A query that finds something when the transaction has taken away, or changed, what says of which schema a journal is. Another
/// target's own host may do so: then this transaction has no lock on the table.
fn no_comment(journal: &JournalTables) -> String {
    let found_by = array(&journal.found_by);
    let held = "FROM held WHERE mode = 'ShareUpdateExclusiveLock' AND relation";
    format!(
        "(SELECT '{TAMPERED} journal' WHERE coalesce(({}), '') <> {} AND EXISTS (SELECT {held} = ANY ({found_by})))
         UNION ALL (SELECT '{TAMPERED} journal' {held} <> ALL ({found_by})
            AND name ~ '(^|[.])wasmigrate_journal$' AND NOT EXISTS (
                SELECT FROM pg_description WHERE objoid = relation AND classoid = 'pg_class'::regclass AND NOT {IS_OURS})
            LIMIT 1) LIMIT 1",
        comments(&found_by),
        quote_text(&journal.comments)
    )
}

/// A query that finds something when the transaction has given rights on other targets' journals or taken them, or has
/// renamed their schemas. They may have been made since the host has looked. In a schema with other tables, too, rights are the
/// affair of whoever works there.
fn others(home: &Home, journal: &JournalTables) -> String {
    let of_others = |(_, name): &&(String, String)| *name != home.journal;
    let renamed = journal.schemas.iter().filter(of_others);
    let renamed = renamed.map(|(number, name)| {
        let (name, space) = (quote_text(name), quote_text(number));
        format!(
            "(space.oid = {space} AND (space.oid::regnamespace::text <> {name} OR nspname ~ '^wasmigrate(_|$)'))"
        )
    });
    // Whose journal came since may have had any name.
    let known: Vec<&str> = journal
        .schemas
        .iter()
        .map(|(number, _)| &**number)
        .collect();
    let unknown = format!(
        "(space.oid <> ALL ('{{{}}}'::oid[]) AND EXISTS (SELECT FROM pg_class AS made
            WHERE relname = 'wasmigrate_journal' AND relnamespace = space.oid AND NOT {}))",
        known.join(","),
        IS_OURS.replace("xmin", "made.xmin"),
    );
    let schemas: Vec<String> = renamed.chain([unknown]).collect();
    let given = |list: &str| {
        format!(
            "EXISTS (SELECT FROM aclexplode({list}) WHERE grantee <> relowner AND privilege_type <> 'SELECT')"
        )
    };
    let is_of_others = is_of_another_journal(home);
    format!(
        "(SELECT '{TAMPERED} ' || relname FROM pg_class WHERE {is_of_others} AND {IS_OURS}
            AND ({} OR relacl IS NOT NULL AND NOT relacl @> acldefault('r', relowner)) LIMIT 1)
         UNION ALL (SELECT '{TAMPERED} ' || relname FROM pg_class JOIN pg_attribute AS part ON attrelid = pg_class.oid
            WHERE {is_of_others} AND attacl IS NOT NULL AND {} AND {} LIMIT 1)
         UNION ALL (SELECT '{TAMPERED} schema' FROM pg_namespace AS space WHERE {IS_OURS} AND ({}) LIMIT 1) LIMIT 1",
        given("relacl"),
        IS_OURS.replace("xmin", "part.xmin"),
        given("attacl"),
        schemas.join(" OR "),
    )
}
