//! What can hang onto a table and run code when somebody reads or writes its rows. One list for all who look: at what a step
//! did before its commit, and at the journal before it is used.

/// A kind of thing that the catalog keeps about a table.
pub(super) struct Hung {
    pub(super) catalog: &'static str,
    /// The column with the number of the table.
    pub(super) table: &'static str,
    /// Which of its rows run what the server does not bring along; none where they run nothing.
    harmful: Option<Harm>,
}

struct Harm {
    rows: &'static str,
    /// What it is called.
    name: &'static str,
}

const fn harmless(catalog: &'static str, table: &'static str) -> Hung {
    Hung {
        catalog,
        table,
        harmful: None,
    }
}

const fn harmful(
    catalog: &'static str,
    table: &'static str,
    rows: &'static str,
    name: &'static str,
) -> Hung {
    Hung {
        catalog,
        table,
        harmful: Some(Harm { rows, name }),
    }
}

/// All of it. Planning a query already works out the parts of expressions that are constant, whoever wrote them. Numbers below
/// 16384 are those of what the server brings along. The conditions stand in statements of the host,
/// in which names mean what PostgreSQL has.
pub(super) const HUNG: [Hung; 14] = [
    harmful(
        "pg_attribute",
        "attrelid",
        "attnum > 0 AND NOT attisdropped AND (atttypid >= 16384 OR attgenerated = 'v')",
        "a column that is computed, or whose type is not built in",
    ),
    harmful(
        "pg_attrdef",
        "adrelid",
        r"pg_get_expr(adbin, adrelid) !~ '^(-?[0-9]+|''[^'']*''(::[a-z ]+)?)$'",
        "a default or computed column",
    ),
    harmful(
        "pg_constraint",
        "conrelid",
        "contype NOT IN ('p', 'u', 'n', 'f')",
        "a check, an exclusion or a constraint trigger",
    ),
    harmful(
        "pg_index",
        "indrelid",
        "indexprs IS NOT NULL OR indpred IS NOT NULL
         OR EXISTS (SELECT FROM unnest(indclass::oid[]) AS class WHERE class >= 16384)",
        "an index with an expression, a condition or operators that are not built in",
    ),
    harmful("pg_trigger", "tgrelid", "NOT tgisinternal", "a trigger"),
    harmful("pg_rewrite", "ev_class", "true", "a rule"),
    harmful(
        "pg_policy",
        "polrelid",
        "true",
        "a row-level security policy",
    ),
    harmful(
        "pg_inherits",
        "inhparent",
        "true",
        "a table that inherits from it",
    ),
    harmful(
        "pg_inherits",
        "inhrelid",
        "true",
        "a table that it inherits from",
    ),
    harmful(
        "pg_statistic_ext",
        "stxrelid",
        "to_jsonb(pg_statistic_ext) ->> 'stxexprs' IS NOT NULL",
        "statistics of an expression",
    ),
    harmless("pg_publication_rel", "prrelid"),
    harmless("pg_description", "objoid"),
    harmless("pg_seclabel", "objoid"),
    harmless("pg_depend", "objid"),
];

/// A query for what hangs onto tables and would run something: the number of the table as `hung_on`, what it is as `harm`, and
/// its place in the list as `place`. `tables` is an expression for an array of numbers. Each catalog is asked alone, because
/// planning joins of them takes longer than all else in a session that has little to do.
pub(super) fn harm(tables: &str) -> String {
    let probes: Vec<String> = (1..)
        .zip(&HUNG)
        .filter_map(|(place, hung)| Some((place, hung, hung.harmful.as_ref()?)))
        .map(|(place, hung, harm)| {
            format!(
                "SELECT {table} AS hung_on, '{name}' AS harm, {place} AS place FROM pg_catalog.{catalog}
                 WHERE {table} = ANY ({tables}) AND ({rows})",
                table = hung.table,
                name = harm.name,
                catalog = hung.catalog,
                rows = harm.rows
            )
        })
        .collect();
    probes.join("\nUNION ALL ")
}
