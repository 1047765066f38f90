//! The queries that [`super::everything`] is put together from.
//!
//! Each row says of which schema it is, a kind and a name, which piece of it this is, and what the catalogs say of it as a JSON
//! list, which [`super::words`] reads. Lists instead of words, lookups by number instead of joins, and no catalog that is not
//! needed: to parse and plan a query takes a session longer than to run it.
//!
//! Where a server of an earlier version lacks a column, its name means that of [`ABSENT`].

use super::super::text::quote_text;
use crate::database::JOURNAL_PREFIX;

/// What columns hold that came with version 14 and 15.
const ABSENT: &str = r#"(SELECT CAST('' AS pg_catalog."char") AS attcompression, CAST(NULL AS pg_catalog.pg_node_tree) AS prqual,
    CAST(NULL AS pg_catalog.int2vector) AS prattrs) AS absent"#;

/// Which schemas are looked at.
pub(super) enum Scope<'s> {
    /// The one with this name, an identifier in quotes.
    One(&'s str),
    /// Those that the parameter names.
    Named,
}

impl Scope<'_> {
    fn holds(&self, column: &str) -> String {
        match self {
            Self::One(schema) => format!(
                "{column} OPERATOR(pg_catalog.=) {}::pg_catalog.regnamespace::pg_catalog.oid",
                quote_text(schema)
            ),
            Self::Named => format!(
                "{column} OPERATOR(pg_catalog.=) ANY (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname
                 OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array($1, pg_catalog.chr(31))::pg_catalog.name[]))"
            ),
        }
    }
}

pub(super) fn is(column: &str, value: &str) -> String {
    format!("{column} OPERATOR(pg_catalog.=) {value}")
}

fn is_one_of(column: &str, letters: &str) -> String {
    format!(r#"{column} OPERATOR(pg_catalog.=) ANY (CAST('{{{letters}}}' AS pg_catalog."char"[]))"#)
}

/// The number of a catalog.
pub(super) fn number(catalog: &str) -> String {
    format!("'pg_catalog.{catalog}'::pg_catalog.regclass::pg_catalog.oid")
}

/// A list of lists.
fn list(cells: &str, rows: &str, order: &str) -> String {
    format!(
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array({cells}) ORDER BY {order}) FROM {rows})"
    )
}

pub(super) fn comments(catalog: &str, object: &str) -> String {
    let rows = format!(
        "pg_catalog.pg_description WHERE {} AND {}",
        is("classoid", &number(catalog)),
        is("objoid", object)
    );
    list("objsubid, description", &rows, "objsubid")
}

/// The rights that a list gives; nothing where it gives what is given without one.
fn grants(list: &str, kind: &str, owner: &str) -> String {
    let default = format!("pg_catalog.acldefault({kind}, {owner})");
    format!(
        "CASE WHEN {list} OPERATOR(pg_catalog.@>) {default} AND {default} OPERATOR(pg_catalog.@>) {list} THEN NULL
         ELSE (SELECT pg_catalog.json_agg(entry ORDER BY entry::pg_catalog.text) FROM pg_catalog.unnest({list}) AS entry) END"
    )
}

/// That something is of no extension.
pub(super) fn is_own(catalog: &str, object: &str) -> String {
    format!(
        "(SELECT true FROM pg_catalog.pg_depend AS extension WHERE {} AND {} AND {}) IS NULL",
        is("extension.classid", catalog),
        is("extension.objid", object),
        is("extension.deptype", "'e'")
    )
}

/// That a row of `pg_class` is something of the application's.
fn is_relation(scope: &Scope<'_>) -> String {
    format!(
        "{} AND {} AND pg_catalog.left(relname::pg_catalog.text, {}) OPERATOR(pg_catalog.<>) '{JOURNAL_PREFIX}' AND {}",
        scope.holds("relnamespace"),
        is_one_of("relkind", "r,p,v,m,f,S"),
        JOURNAL_PREFIX.len(),
        is_own(&number("pg_class"), "relation.oid")
    )
}

/// What puts together the query for a piece.
type Query = fn(&Scope<'_>) -> String;

/// Every piece but relations and schemas, by the catalog in which the server says that there is such a thing.
pub(super) const OTHERS: [(&str, Query); 8] = [
    ("pg_policy", policies),
    ("pg_rewrite", rules),
    ("pg_inherits", parents),
    ("pg_foreign_table", foreign_tables),
    ("pg_publication_rel", published),
    ("pg_proc", routines),
    ("pg_type", types),
    ("pg_namespace", others),
];

/// Tables, views and sequences; with them, which catalogs have more of them.
pub(super) fn relations(scope: &Scope<'_>) -> String {
    let default = format!(
        "CASE WHEN atthasdef THEN (SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef WHERE {} AND {}) END",
        is("adrelid", "attrelid"),
        is("adnum", "attnum")
    );
    let columns = list(
        &format!(
            "attname, pg_catalog.format_type(atttypid, atttypmod), attnotnull, {default}, attgenerated, attidentity,
             attcollation::pg_catalog.regcollation, atttypid, attlen, attstorage, attcompression, attstattarget, attinhcount,
             attoptions, attfdwoptions, attacl, attnum"
        ),
        &format!(
            "pg_catalog.pg_attribute WHERE {} AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped",
            is("attrelid", "relation.oid")
        ),
        "attnum",
    );
    let constraints = list(
        &format!(
            "conname, pg_catalog.pg_get_constraintdef(oid), {}",
            comments("pg_constraint", "pg_constraint.oid")
        ),
        &format!(
            "pg_catalog.pg_constraint WHERE {}",
            is("conrelid", "relation.oid")
        ),
        "conname",
    );
    let indexes = list(
        &format!(
            "pg_catalog.pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident, {}",
            comments("pg_class", "indexrelid")
        ),
        &format!(
            "pg_catalog.pg_index WHERE {}",
            is("indrelid", "relation.oid")
        ),
        "indexrelid::pg_catalog.regclass::pg_catalog.text",
    );
    let triggers = list(
        &format!(
            "pg_catalog.pg_get_triggerdef(oid), tgenabled, {}",
            comments("pg_trigger", "pg_trigger.oid")
        ),
        // Those of the server's own count where somebody has switched them off.
        &format!(
            "pg_catalog.pg_trigger WHERE {} AND (NOT tgisinternal OR tgenabled OPERATOR(pg_catalog.<>) 'O')",
            is("tgrelid", "relation.oid")
        ),
        "tgname",
    );
    let owners = list(
        "refobjid::pg_catalog.regclass, refobjsubid",
        &format!(
            "pg_catalog.pg_depend WHERE {} AND {} AND {} AND {}",
            is("classid", &number("pg_class")),
            is("objid", "relation.oid"),
            is("refclassid", &number("pg_class")),
            is_one_of("deptype", "a,i")
        ),
        "refobjsubid",
    );
    // The function for this wants the right to use the sequence.
    let sequence = format!(
        "(SELECT pg_catalog.concat_ws(',', '', seqstart, seqmin, seqmax, seqincrement, seqcycle, seqcache,
          pg_catalog.format_type(seqtypid, NULL)) FROM pg_catalog.pg_sequence WHERE {})",
        is("seqrelid", "relation.oid")
    );
    format!(
        "SELECT relnamespace, relkind::pg_catalog.text, relname::pg_catalog.text, 'relation',
         pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(relowner), {grants}, {comments}, relpersistence, relrowsecurity, relforcerowsecurity, reloptions, relreplident,
             CASE WHEN reltablespace OPERATOR(pg_catalog.<>) 0 THEN
                 (SELECT spcname FROM pg_catalog.pg_tablespace WHERE {tablespace}) END,
             CASE WHEN {is_partitioned} THEN pg_catalog.concat('partitioned by ', pg_catalog.pg_get_partkeydef(oid))
                 WHEN {is_view} THEN pg_catalog.concat('view ', pg_catalog.pg_get_viewdef(oid))
                 WHEN {is_sequence} THEN {sequence} END,
             CASE WHEN {is_sequence} THEN {owners} ELSE {columns} END, {constraints},
             CASE WHEN relhasindex THEN {indexes} END, CASE WHEN relhastriggers THEN {triggers} END)::pg_catalog.text,
         pg_catalog.concat_ws(' ', {hung}, CASE WHEN relispartition OR relhassubclass THEN 'pg_inherits' END,
             CASE WHEN {is_foreign} THEN 'pg_foreign_table' END)
         FROM pg_catalog.pg_class AS relation CROSS JOIN {ABSENT} WHERE {is_relation}",
        grants = grants(
            "relacl",
            &format!(
                r#"CASE WHEN {} THEN CAST('s' AS pg_catalog."char") ELSE 'r' END"#,
                is("relkind", "'S'")
            ),
            "relowner"
        ),
        comments = comments("pg_class", "relation.oid"),
        is_sequence = is("relkind", "'S'"),
        is_partitioned = is("relkind", "'p'"),
        is_foreign = is("relkind", "'f'"),
        is_view = is_one_of("relkind", "v,m"),
        tablespace = is("pg_tablespace.oid", "reltablespace"),
        hung = hung("pg_class", "relation.oid", "OPERATOR(pg_catalog.<>) 'n'"),
        is_relation = is_relation(scope),
    )
}

/// The catalogs that have something hung onto an object.
fn hung(catalog: &str, object: &str, how: &str) -> String {
    format!(
        "(SELECT pg_catalog.string_agg(classid::pg_catalog.regclass::pg_catalog.text, ' ') FROM pg_catalog.pg_depend
          WHERE {} AND {} AND deptype {how})",
        is("refclassid", &number(catalog)),
        is("refobjid", object)
    )
}

/// The schemas themselves; with each, which catalogs have something in it, or something that is of the whole database.
pub(super) fn schemas(scope: &Scope<'_>, further: &str) -> String {
    format!(
        "SELECT oid, 'schema', '', 'schema', pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(nspowner), {}, {})::pg_catalog.text,
         pg_catalog.concat_ws(' ', {}, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_publication WHERE puballtables)
             THEN 'pg_publication' END, CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_depend WHERE {})
             THEN 'pg_event_trigger' END, {further})
         FROM pg_catalog.pg_namespace WHERE {}",
        grants("nspacl", "'n'", "nspowner"),
        comments("pg_namespace", "pg_namespace.oid"),
        hung("pg_namespace", "pg_namespace.oid", "IS NOT NULL"),
        is("classid", &number("pg_event_trigger")),
        scope.holds("pg_namespace.oid")
    )
}

/// A piece of a relation: its cells, and the catalog that has it with the column for the relation's number.
fn of_relation(scope: &Scope<'_>, piece: &str, cells: &str, catalog: &str, column: &str) -> String {
    format!(
        "SELECT relnamespace, relkind::pg_catalog.text, relname::pg_catalog.text, '{piece}',
         pg_catalog.json_build_array({cells})::pg_catalog.text, NULL
         FROM pg_catalog.{catalog} AS piece JOIN pg_catalog.pg_class AS relation ON {} CROSS JOIN {ABSENT} WHERE {}",
        is(column, "relation.oid"),
        is_relation(scope)
    )
}

fn policies(scope: &Scope<'_>) -> String {
    let cells = format!(
        "polname, polpermissive, polcmd, polroles::pg_catalog.regrole[], pg_catalog.pg_get_expr(polqual, polrelid),
         pg_catalog.pg_get_expr(polwithcheck, polrelid), {}",
        comments("pg_policy", "piece.oid")
    );
    of_relation(scope, "policy", &cells, "pg_policy", "polrelid")
}

fn rules(scope: &Scope<'_>) -> String {
    let cells = format!(
        "pg_catalog.pg_get_ruledef(piece.oid), ev_enabled, {}",
        comments("pg_rewrite", "piece.oid")
    );
    let rules = of_relation(scope, "rule", &cells, "pg_rewrite", "ev_class");
    format!("{rules} AND rulename OPERATOR(pg_catalog.<>) '_RETURN'")
}

fn parents(scope: &Scope<'_>) -> String {
    let cells =
        "inhparent::pg_catalog.regclass, pg_catalog.pg_get_expr(relpartbound, relation.oid)";
    of_relation(scope, "parent", cells, "pg_inherits", "inhrelid")
}

fn foreign_tables(scope: &Scope<'_>) -> String {
    let cells = format!(
        "(SELECT srvname FROM pg_catalog.pg_foreign_server WHERE {}), ftoptions",
        is("pg_foreign_server.oid", "ftserver")
    );
    of_relation(scope, "foreign", &cells, "pg_foreign_table", "ftrelid")
}

/// What a publication publishes.
const PUBLISHES: &str =
    "pg_catalog.json_build_array(pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot)";

fn published(scope: &Scope<'_>) -> String {
    let publication = |cell: &str| {
        format!(
            "(SELECT {cell} FROM pg_catalog.pg_publication WHERE {})",
            is("pg_publication.oid", "prpubid")
        )
    };
    let cells = format!(
        "{}, {}, (SELECT pg_catalog.json_build_array(pg_catalog.pg_get_expr(prqual, prrelid), prattrs)
          FROM pg_catalog.pg_publication_rel AS published WHERE {})",
        publication("pubname"),
        publication(PUBLISHES),
        is("published.oid", "piece.oid")
    );
    of_relation(scope, "published", &cells, "pg_publication_rel", "prrelid")
}

/// What is in a schema, by the catalog that has it: a schema's members depend on it.
fn members(scope: &Scope<'_>, catalog: &str) -> String {
    format!(
        "pg_catalog.pg_depend AS member JOIN pg_catalog.{catalog} AS piece ON {} WHERE {} AND {} AND {} AND {}",
        is("piece.oid", "member.objid"),
        is("member.refclassid", &number("pg_namespace")),
        scope.holds("member.refobjid"),
        is("member.classid", &number(catalog)),
        is_own("member.classid", "member.objid")
    )
}

fn routines(scope: &Scope<'_>) -> String {
    format!(
        "SELECT member.refobjid, CASE WHEN {is_aggregate} THEN 'aggregate' WHEN {is_procedure} THEN 'procedure' ELSE 'function' END,
         pg_catalog.concat(proname, '(', pg_catalog.oidvectortypes(proargtypes), ')'), 'routine',
         pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(proowner), {}, {},
             CASE WHEN {is_aggregate} THEN (SELECT pg_catalog.concat_ws(' ', aggkind, aggtransfn, aggfinalfn, aggcombinefn,
                 aggtranstype::pg_catalog.regtype, agginitval, aggsortop::pg_catalog.regoperator, aggmtransfn, aggminvtransfn,
                 aggmfinalfn, proparallel) FROM pg_catalog.pg_aggregate WHERE aggfnoid::pg_catalog.oid
                 OPERATOR(pg_catalog.=) piece.oid) ELSE pg_catalog.pg_get_functiondef(piece.oid) END)::pg_catalog.text, NULL
         FROM {}",
        grants("proacl", "'f'", "proowner"),
        comments("pg_proc", "piece.oid"),
        members(scope, "pg_proc"),
        is_aggregate = is("prokind", "'a'"),
        is_procedure = is("prokind", "'p'")
    )
}

fn types(scope: &Scope<'_>) -> String {
    let of_type = |column: &str| is(column, "piece.oid");
    format!(
        "SELECT member.refobjid, 'type', typname::pg_catalog.text, 'type',
         pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(typowner), {}, {},
             typtype, CASE WHEN {} THEN pg_catalog.format_type(typbasetype, typtypmod) END, typnotnull, typdefault,
             typcollation::pg_catalog.regcollation, {}, {}, {}, {})::pg_catalog.text, NULL
         FROM {}",
        grants("typacl", "'T'", "typowner"),
        comments("pg_type", "piece.oid"),
        is("typtype", "'d'"),
        list(
            &format!(
                "conname, pg_catalog.pg_get_constraintdef(oid), {}",
                comments("pg_constraint", "pg_constraint.oid")
            ),
            &format!("pg_catalog.pg_constraint WHERE {}", of_type("contypid")),
            "conname"
        ),
        list(
            "enumlabel",
            &format!("pg_catalog.pg_enum WHERE {}", of_type("enumtypid")),
            "enumsortorder"
        ),
        list(
            "pg_catalog.format_type(rngsubtype, NULL), rngcollation::pg_catalog.regcollation, rngcanonical, rngsubdiff",
            &format!("pg_catalog.pg_range WHERE {}", of_type("rngtypid")),
            "rngsubtype"
        ),
        list(
            "attname, pg_catalog.format_type(atttypid, atttypmod), attcollation::pg_catalog.regcollation",
            &format!(
                "pg_catalog.pg_attribute WHERE {} AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped",
                is("attrelid", "typrelid")
            ),
            "attnum"
        ),
        members(scope, "pg_type"),
    )
}

/// Whatever else is in a schema: what it is built on, and of some kinds what they are.
fn others(scope: &Scope<'_>) -> String {
    let is_of = |catalog: &str| is("classid", &number(catalog));
    let is_it = |column: &str| is(column, "member.objid");
    format!(
        "SELECT member.refobjid, named.type, named.identity, 'other', pg_catalog.json_build_array(
             {built_on}, {comments},
             CASE WHEN member.{is_statistics} THEN pg_catalog.pg_get_statisticsobjdef(member.objid)
                 WHEN member.{is_extension} THEN (SELECT pg_catalog.concat('version ', extversion) FROM pg_catalog.pg_extension WHERE {extension}) END,
             CASE WHEN member.{is_default} THEN (SELECT defaclacl FROM pg_catalog.pg_default_acl WHERE {default}) END
         )::pg_catalog.text, NULL
         FROM pg_catalog.pg_depend AS member, pg_catalog.pg_identify_object(member.classid, member.objid, 0) AS named
         WHERE {in_namespace} AND {in_scope} AND {own} AND NOT member.classid OPERATOR(pg_catalog.=) ANY (CAST(
             '{{pg_catalog.pg_class,pg_catalog.pg_proc,pg_catalog.pg_type}}' AS pg_catalog.regclass[])::pg_catalog.oid[])",
        built_on = list(
            "base.type, base.identity",
            &format!(
                "pg_catalog.pg_depend AS built,
                 pg_catalog.pg_identify_object(built.refclassid, built.refobjid, built.refobjsubid) AS base
                 WHERE {} AND {} AND NOT {}",
                is("built.classid", "member.classid"),
                is("built.objid", "member.objid"),
                is("built.refclassid", &number("pg_namespace"))
            ),
            "base.type, base.identity"
        ),
        comments = list(
            "objsubid, description",
            &format!(
                "pg_catalog.pg_description WHERE {} AND {}",
                is("classoid", "member.classid"),
                is("objoid", "member.objid")
            ),
            "objsubid"
        ),
        is_statistics = is_of("pg_statistic_ext"),
        is_extension = is_of("pg_extension"),
        extension = is_it("pg_extension.oid"),
        is_default = is_of("pg_default_acl"),
        default = is_it("pg_default_acl.oid"),
        in_namespace = is("member.refclassid", &number("pg_namespace")),
        in_scope = scope.holds("member.refobjid"),
        own = is_own("member.classid", "member.objid"),
    )
}

/// The publications of all tables, which the schema's are among.
pub(super) fn publications() -> String {
    format!(
        "SELECT CAST(0 AS pg_catalog.oid), 'publication', pubname::pg_catalog.text, 'publication',
         {PUBLISHES}::pg_catalog.text, NULL FROM pg_catalog.pg_publication WHERE puballtables"
    )
}

/// The event triggers, which fire for the schema's changes, too.
pub(super) fn event_triggers() -> String {
    format!(
        "SELECT CAST(0 AS pg_catalog.oid), 'event trigger', evtname::pg_catalog.text, 'event trigger',
         pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(evtowner), evtevent, evtfoid::pg_catalog.regprocedure, evtenabled,
             evttags, {})::pg_catalog.text, NULL
         FROM pg_catalog.pg_event_trigger WHERE {}",
        comments("pg_event_trigger", "pg_event_trigger.oid"),
        is_own(&number("pg_event_trigger"), "pg_event_trigger.oid")
    )
}
