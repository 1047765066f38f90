//! Whether a trigger still waits for the commit, on servers where one could write in it.

/// The first version of the server that lets nothing take off a transaction's read-only mode.
pub(super) const KEEPS_READ_ONLY: u32 = 16;

/// Whether a trigger may wait for the commit, in a query over the locks of the transaction on relations: no lock that changes rows
/// ends before it.
pub(super) const MAY_WAIT: &str = r#"pg_catalog.bool_or(CASE
    WHEN mode OPERATOR(pg_catalog.=) ANY ('{RowShareLock,ShareUpdateExclusiveLock,ShareLock}'::pg_catalog.text[]) THEN false
    ELSE EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid OPERATOR(pg_catalog.=) relation
        AND (tgdeferrable OR tgconstraint OPERATOR(pg_catalog.<>) '0')) END)"#;

/// Fails where a trigger still waits for the commit, on servers before [`KEEPS_READ_ONLY`]: no table can be altered whose
/// triggers wait. All tables are asked that the transaction may have changed and that have such triggers, but for those whose
/// triggers plainly run nothing of a step: keys, where there is nothing but what the server brings along in any table that is
/// looked at meanwhile. A foreign key can be altered after its check was put off, by its partitioned table, so that what is said
/// of it does not count. Its check is a query over both tables, and to plan that works out expressions of indexes, checks,
/// statistics and partition keys: also those of the tables above and below, as far as tables inherit. A block is planned anew
/// each time: what most tables do not have is asked for alone, first.
pub(super) const NOTHING_WAITS: &str = "DO $wasmigrate$ DECLARE held oid; BEGIN
    FOR held IN
        SELECT DISTINCT relation FROM pg_lock_status()
        WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode NOT IN
            ('AccessShareLock', 'RowShareLock', 'ShareUpdateExclusiveLock', 'ShareLock')
    LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = held AND (tgdeferrable OR tgconstraint <> 0));
        CONTINUE WHEN NOT EXISTS (
            SELECT FROM pg_trigger LEFT JOIN pg_constraint ON pg_constraint.oid = tgconstraint
            WHERE tgrelid = held AND (tgdeferrable OR tgconstraint <> 0)
            AND (contype IS NULL OR contype NOT IN ('f', 'u', 'p'))
        ) AND NOT EXISTS (
            WITH RECURSIVE family (member) AS (
                (SELECT held UNION SELECT unnest(ARRAY[conrelid, confrelid]) FROM pg_trigger
                    JOIN pg_constraint ON pg_constraint.oid = tgconstraint AND contype = 'f' WHERE tgrelid = held)
                UNION SELECT relative FROM family CROSS JOIN LATERAL (
                    SELECT inhparent FROM pg_inherits WHERE inhrelid = member
                    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = member
                ) AS near (relative)
            ), looked_at (tables) AS (
                SELECT array_agg(member) FROM family
            )
            SELECT FROM looked_at JOIN pg_depend ON objid = ANY (tables || ARRAY(
                SELECT indexrelid FROM pg_index WHERE indrelid = ANY (tables)
                UNION ALL SELECT oid FROM pg_constraint WHERE conrelid = ANY (tables)
                UNION ALL SELECT oid FROM pg_statistic_ext WHERE stxrelid = ANY (tables)
                UNION ALL SELECT oid FROM pg_policy WHERE polrelid = ANY (tables)
            ))
            WHERE classid = ANY ('{pg_class,pg_constraint,pg_statistic_ext,pg_policy}'::regclass[])
            AND refobjid >= 16384 AND refclassid <> ALL ('{pg_class,pg_constraint,pg_namespace}'::regclass[])
        );
        EXECUTE format('ALTER TABLE %s RESET (parallel_workers)', held::regclass);
    END LOOP; END $wasmigrate$";
