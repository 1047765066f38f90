//! What the catalog says of journals: compared before and after a step that runs outside a transaction, where nothing else tells
//! what it did.

use super::home::Home;
use super::hung::{HUNG, Hung};
use super::text::quote_text;
use super::verify::{RIGHTS, has_name_of_journal, is_of_another_journal, is_of_journal};

/// A query for what the catalog says of the journal's tables and what is hung onto them, as one short text. Statistics and the
/// places of files do not count, and who may read does not either.
pub(super) fn catalog(home: &Home, is_superuser: bool) -> String {
    let of_journal = is_of_journal(&home.journal);
    let hung: Vec<String> = HUNG
        .iter()
        .map(|Hung { catalog, table, .. }| {
            format!(
                "(SELECT string_agg(xmin::text, ',' ORDER BY xmin::text) FROM {catalog} WHERE {table} IN (
                    SELECT oid FROM pg_class WHERE {of_journal}))"
            )
        })
        .collect();
    // What a step does to the schema that it works in is its own affair.
    let schema = match home.apart() {
        None => "NULL".to_owned(),
        Some(schema) => format!(
            "(SELECT string_agg(defaults.xmin::text, ',' ORDER BY defaults.xmin::text)
                FROM pg_default_acl AS defaults JOIN pg_namespace ON pg_namespace.oid = defaclnamespace WHERE nspname = {name}),
             (SELECT xmin::text FROM pg_namespace WHERE nspname = {name}),
             (SELECT string_agg(part.xmin::text, ',' ORDER BY part.xmin::text) FROM pg_depend AS part JOIN pg_namespace
                ON pg_namespace.oid = objid WHERE classid = 'pg_namespace'::regclass AND nspname = {name})",
            name = quote_text(schema)
        ),
    };
    // Nobody else may look at what passwords are stored as.
    let password = match is_superuser {
        true => "(SELECT md5(rolpassword) FROM pg_authid WHERE rolname = current_user)",
        false => "NULL",
    };
    format!(
        "SELECT md5(concat_ws(';', {RIGHTS}, {}, {schema}, ({}), {AROUND}, {password})) FROM pg_class WHERE {of_journal}",
        hung.join(", "),
        views()
    )
}

/// A query for what may be written through to any journal: views on it and on these, and what has rules that name it. Who may read
/// does not count, and a materialized view writes nothing.
fn views() -> String {
    let given = |list: &str| {
        format!(
            "(SELECT string_agg(concat_ws(' ', grantee, privilege_type), ',' ORDER BY grantee, privilege_type)
              FROM aclexplode({list}) WHERE privilege_type <> 'SELECT')"
        )
    };
    format!(
        "WITH RECURSIVE seen (oid, rule) AS (
             SELECT ev_class, pg_rewrite.oid FROM pg_class AS own JOIN pg_depend ON refobjid = own.oid
             JOIN pg_rewrite ON pg_rewrite.oid = objid
             WHERE refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass AND {has_name} AND own.relkind IN ('r', 'p')
             UNION SELECT ev_class, pg_rewrite.oid FROM seen JOIN pg_depend ON refobjid = seen.oid
             JOIN pg_rewrite ON pg_rewrite.oid = objid
             WHERE refclassid = 'pg_class'::regclass AND classid = 'pg_rewrite'::regclass
         ) SELECT string_agg(concat_ws(' ', rule, seen.oid, relowner, {}, (
             SELECT string_agg(concat_ws(' ', attnum, {}), ',' ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = seen.oid AND attacl IS NOT NULL)), ';' ORDER BY rule, seen.oid)
         FROM seen JOIN pg_class AS view ON view.oid = seen.oid WHERE view.relkind <> 'm'",
        given("relacl"),
        given("attacl"),
        has_name = has_name_of_journal().replace("relname", "own.relname"),
    )
}

/// What is said of the database, of the settings with which its sessions begin, of the connection's role, of who else may
/// act as it, and as whom it may act.
const AROUND: &str = "(
    SELECT concat_ws(' ', datname, datdba, datallowconn, datconnlimit, datistemplate, datacl) FROM pg_database
    WHERE datname = current_database()
), (
    SELECT string_agg(setting::text, ',' ORDER BY setting::text) FROM pg_db_role_setting AS setting
    WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user))
), (
    SELECT concat_ws(' ', oid, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
        rolconnlimit, rolvaliduntil) FROM pg_roles WHERE rolname = current_user
), (
    SELECT string_agg(member::text, ',' ORDER BY member) FROM pg_auth_members
    WHERE roleid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
), (
    SELECT string_agg(concat_ws(' ', roleid, admin_option), ',' ORDER BY roleid) FROM pg_auth_members
    WHERE member = (SELECT oid FROM pg_roles WHERE rolname = current_user)
)";

/// A query for the tables of other targets' journals, and whose they are.
pub(super) fn other_journals(home: &Home) -> String {
    format!(
        "SELECT concat_ws(' ', oid, relnamespace::regnamespace, relname, relowner, relacl) FROM pg_class WHERE {}",
        is_of_another_journal(home)
    )
}
