//! What a database has besides its schemas, and what changes what is in them: casts, default privileges without a schema,
//! foreign servers with their wrappers and user mappings, and security labels.

use super::pieces::{comments, is, is_own, number};

/// The least number of what was made after the database itself: `FirstNormalObjectId` in `src/include/access/transam.h`.
const FIRST_OWN: u32 = 16_384;

/// What stands in the place of such a thing's schema.
const NOWHERE: &str = "CAST(0 AS pg_catalog.oid)";

/// The catalog by whose name it is said that there is something of all this.
pub(super) const HUNG: &str = "pg_database";

fn is_late(column: &str) -> String {
    format!("{column} OPERATOR(pg_catalog.>=) CAST({FIRST_OWN} AS pg_catalog.oid)")
}

fn has_no_schema() -> String {
    is("defaclnamespace", NOWHERE)
}

/// That catalog, where there is something of all this.
pub(super) fn hung() -> String {
    format!(
        "CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_cast WHERE {}) OR EXISTS (SELECT FROM pg_catalog.pg_default_acl WHERE {})
         OR EXISTS (SELECT FROM pg_catalog.pg_foreign_data_wrapper) OR EXISTS (SELECT FROM pg_catalog.pg_seclabel) THEN '{HUNG}' END",
        is_late("pg_cast.oid"),
        has_no_schema()
    )
}

/// All of it.
pub(super) fn pieces() -> [String; 8] {
    [
        casts(),
        default_privileges(),
        wrappers(),
        options(
            "foreign-data wrapper",
            "fdwname",
            "fdwoptions",
            "pg_foreign_data_wrapper",
        ),
        servers(),
        options("server", "srvname", "srvoptions", "pg_foreign_server"),
        mappings(),
        security_labels(),
    ]
}

fn casts() -> String {
    format!(
        "SELECT {NOWHERE}, 'cast', pg_catalog.concat(pg_catalog.format_type(castsource, NULL), ' as ',
             pg_catalog.format_type(casttarget, NULL)), 'whole', pg_catalog.json_build_array(pg_catalog.concat('method ', castmethod,
             ' context ', castcontext, ' function ', castfunc::pg_catalog.regprocedure), {})::pg_catalog.text, NULL
         FROM pg_catalog.pg_cast WHERE {} AND {}",
        comments("pg_cast", "pg_cast.oid"),
        is_late("pg_cast.oid"),
        is_own(&number("pg_cast"), "pg_cast.oid")
    )
}

fn default_privileges() -> String {
    format!(
        "SELECT {NOWHERE}, 'default acl', pg_catalog.concat('of ', pg_catalog.pg_get_userbyid(defaclrole), ' in every schema on ',
             defaclobjtype), 'whole', pg_catalog.json_build_array(pg_catalog.concat('grants: ', defaclacl))::pg_catalog.text, NULL
         FROM pg_catalog.pg_default_acl WHERE {}",
        has_no_schema()
    )
}

fn wrappers() -> String {
    format!(
        "SELECT {NOWHERE}, 'foreign-data wrapper', fdwname::pg_catalog.text, 'whole', pg_catalog.json_build_array(
             pg_catalog.concat('owner ', pg_catalog.pg_get_userbyid(fdwowner)), {},
             {})::pg_catalog.text, NULL
         FROM pg_catalog.pg_foreign_data_wrapper WHERE {}",
        comments("pg_foreign_data_wrapper", "pg_foreign_data_wrapper.oid"),
        given("fdwacl"),
        is_own(&number("pg_foreign_data_wrapper"), "pg_foreign_data_wrapper.oid")
    )
}

fn servers() -> String {
    format!(
        "SELECT {NOWHERE}, 'server', srvname::pg_catalog.text, 'whole', pg_catalog.json_build_array(
             pg_catalog.concat('owner ', pg_catalog.pg_get_userbyid(srvowner)), {},
             {}, pg_catalog.concat_ws(' ', 'of', (SELECT fdwname FROM
             pg_catalog.pg_foreign_data_wrapper WHERE {}), srvtype, srvversion))::pg_catalog.text, NULL
         FROM pg_catalog.pg_foreign_server WHERE {}",
        comments("pg_foreign_server", "pg_foreign_server.oid"),
        given("srvacl"),
        is("pg_foreign_data_wrapper.oid", "srvfdw"),
        is_own(&number("pg_foreign_server"), "pg_foreign_server.oid")
    )
}

/// The rights that are given, where there is a list of them.
fn given(list: &str) -> String {
    format!("CASE WHEN {list} IS NOT NULL THEN pg_catalog.concat('grants: ', {list}) END")
}

/// A row for each option, whose value may be a password.
fn options(kind: &str, name: &str, options: &str, catalog: &str) -> String {
    format!(
        "SELECT {NOWHERE}, '{kind}', {name}::pg_catalog.text, 'option', pg_catalog.json_build_array(said)::pg_catalog.text, NULL
         FROM pg_catalog.{catalog}, pg_catalog.unnest({options}) AS said"
    )
}

fn mappings() -> String {
    let name = "pg_catalog.concat('of ', usename, ' for ', srvname)";
    let made = format!(
        "SELECT {NOWHERE}, 'user mapping', {name}, 'whole', pg_catalog.json_build_array()::pg_catalog.text, NULL
         FROM pg_catalog.pg_user_mappings"
    );
    let options = options("user mapping", name, "umoptions", "pg_user_mappings");
    format!("{made} UNION ALL {options}")
}

fn security_labels() -> String {
    format!(
        "SELECT {NOWHERE}, 'security label', pg_catalog.concat('of ', provider, ' on ', named.type, ' ', named.identity), 'whole',
             pg_catalog.json_build_array(label)::pg_catalog.text, NULL
         FROM pg_catalog.pg_seclabel, pg_catalog.pg_identify_object(classoid, objoid, objsubid) AS named"
    )
}
