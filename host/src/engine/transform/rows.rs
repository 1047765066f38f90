//! How a transformation's rows are counted, split, read and written.

use super::plan::Plan;
use crate::database::{Kind, quote};

impl Plan {
    /// How many rows are concerned.
    pub(super) fn count(&self) -> String {
        format!(
            "SELECT count(*) FROM {} WHERE true{}",
            self.table,
            self.condition()
        )
    }

    /// The key of the last of so many rows behind another key. SQLite passes over the others without a look at them.
    pub(super) fn border(&self, has_lower: bool, rows_of_part: u64) -> String {
        let keys = self.key_columns();
        let behind = match has_lower {
            true => format!("({keys}) > ({})", numbers(1, self.key.len())),
            false => "true".to_owned(),
        };
        format!(
            "SELECT {keys} FROM {} WHERE {behind}{} ORDER BY {keys} LIMIT 1 OFFSET {}",
            self.table,
            self.condition(),
            rows_of_part.saturating_sub(1)
        )
    }

    /// The last key of all parts of the table but the last, as a part of a server's pages has them:
    /// <https://www.postgresql.org/docs/current/sql-select.html#SQL-FROM>
    pub(super) fn sampled_borders(&self, parts: u64, percent: f64) -> String {
        let keys = self.key_columns();
        format!(
            "SELECT {keys} FROM (
                SELECT {keys}, row_number() OVER (ORDER BY {keys}) AS number_of_row, count(*) OVER () AS number_of_rows
                FROM {} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0) WHERE true{}
             ) AS numbered
             WHERE number_of_row * {parts} / number_of_rows > (number_of_row - 1) * {parts} / number_of_rows
               AND number_of_row < number_of_rows ORDER BY {keys}",
            self.table,
            self.condition()
        )
    }

    /// A row whose key is not whole, which nothing could name.
    pub(super) fn nameless(&self) -> Option<String> {
        let nullable = self.key.iter().filter(|column| column.nullable);
        let conditions: Vec<String> = nullable
            .map(|column| format!("{} IS NULL", quote(&column.name)))
            .collect();
        (!conditions.is_empty()).then(|| {
            format!(
                "SELECT 1 FROM {} WHERE {} LIMIT 1",
                self.table,
                conditions.join(" OR ")
            )
        })
    }

    /// A row that has no value where it must have one, though no change of it waits in the capture.
    pub(super) fn unset(&self) -> Option<String> {
        let conditions: Vec<String> = self
            .required()
            .map(|name| format!("{} IS NULL", quote(name)))
            .collect();
        (!conditions.is_empty()).then(|| {
            format!(
                "SELECT {} FROM {} AS concerned WHERE ({}) AND {} LIMIT 1",
                self.key_columns(),
                self.table,
                conditions.join(" OR "),
                self.is_not_captured()
            )
        })
    }

    /// The concerned rows behind a key that look as if nobody had computed them, in the order of the key: no change of them
    /// waits in the capture, and a value is missing that must be there, or all are where none must.
    pub(super) fn rows_without_values(&self, has_lower: bool, most: usize) -> String {
        let missing: Vec<String> = self
            .required()
            .map(|name| format!("{} IS NULL", quote(name)))
            .collect();
        let missing = match missing.is_empty() {
            true => self.each_is("IS NULL").join(" AND "),
            false => missing.join(" OR "),
        };
        let condition = format!("({missing}) AND {}", self.is_not_captured());
        self.rows_where(&condition, has_lower, false, most)
    }

    /// Whether no change of a row of `concerned` waits in the capture.
    fn is_not_captured(&self) -> String {
        let same: Vec<String> = self
            .captured_keys()
            .iter()
            .zip(&self.key)
            .map(|(captured, column)| {
                // Two columns with different collations cannot be compared by either.
                let collation = match column.is_collatable {
                    true => " COLLATE pg_catalog.\"C\"",
                    false => "",
                };
                format!(
                    "captured.{captured} = concerned.{}{collation}",
                    quote(&column.name)
                )
            })
            .collect();
        format!(
            "NOT EXISTS (SELECT 1 FROM {} AS captured WHERE {})",
            self.capture(),
            same.join(" AND ")
        )
    }

    /// The rows behind one key and up to another: what tells the version of each, its key, its inputs.
    pub(super) fn rows_between(&self, has_lower: bool, has_upper: bool, most: usize) -> String {
        self.rows_where("true", has_lower, has_upper, most)
    }

    fn rows_where(&self, condition: &str, has_lower: bool, has_upper: bool, most: usize) -> String {
        let keys = self.key_columns();
        let width = self.key.len();
        let mut condition = condition.to_owned();
        let mut next = 1;
        if has_lower {
            condition.push_str(&format!(" AND ({keys}) > ({})", numbers(next, width)));
            next += width;
        }
        if has_upper {
            condition.push_str(&format!(" AND ({keys}) <= ({})", numbers(next, width)));
        }
        format!(
            "SELECT {} FROM {} AS concerned WHERE {condition}{} ORDER BY {keys} LIMIT {most}",
            self.selected(),
            self.table,
            self.condition()
        )
    }

    /// Captured changes, the oldest first: their numbers and keys.
    pub(super) fn captured(&self, most: usize) -> String {
        format!(
            "SELECT id, {} FROM {} ORDER BY id LIMIT {most}",
            self.captured_keys().join(", "),
            self.capture()
        )
    }

    /// How many captured changes there are, counted up to a limit.
    pub(super) fn count_captured(&self, limit: i64) -> String {
        format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT {limit}) AS captured",
            self.capture()
        )
    }

    /// The rows of so many keys.
    pub(super) fn rows_of(&self, count: usize) -> String {
        format!(
            "SELECT {} FROM {} AS concerned WHERE {}{}",
            self.selected(),
            self.table,
            self.has_key_among(count),
            self.condition()
        )
    }

    /// Takes the derived values from those rows of so many keys that are not concerned any more.
    pub(super) fn clear(&self, count: usize) -> Option<String> {
        let set: Vec<String> = self
            .derived()
            .iter()
            .map(|column| format!("{} = NULL", quote(&column.name)))
            .collect();
        Some(format!(
            "UPDATE {} SET {} WHERE {}",
            self.table,
            set.join(", "),
            self.is_to_clear(count)?
        ))
    }

    /// The keys of those of so many rows that [`Plan::clear`] has left as they were, because something kept it from them.
    pub(super) fn uncleared(&self, count: usize) -> Option<String> {
        let (keys, table) = (self.key_columns(), &self.table);
        let is_to_clear = self.is_to_clear(count)?;
        Some(format!("SELECT {keys} FROM {table} WHERE {is_to_clear}"))
    }

    fn is_to_clear(&self, count: usize) -> Option<String> {
        let filter = self.description.filter.as_ref()?;
        let has_key = self.has_key_among(count);
        let has_value = self.each_is("IS NOT NULL").join(" OR ");
        Some(format!(
            "{has_key} AND ({filter}) IS NOT TRUE AND ({has_value})"
        ))
    }

    /// This said of each derived column.
    fn each_is(&self, what: &str) -> Vec<String> {
        let derived = self.derived().iter();
        derived
            .map(|column| format!("{} {what}", quote(&column.name)))
            .collect()
    }

    /// Captures so many keys.
    pub(super) fn capture_keys(&self, count: usize) -> String {
        let width = self.key.len();
        let keys: Vec<String> = (0..count)
            .map(|key| format!("({})", numbers(key * width + 1, width)))
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.capture(),
            self.captured_keys().join(", "),
            keys.join(", ")
        )
    }

    fn has_key_among(&self, count: usize) -> String {
        let width = self.key.len();
        let keys: Vec<String> = (0..count)
            .map(|key| format!("({})", numbers(key * width + 1, width)))
            .collect();
        let keys = keys.join(", ");
        match self.kind {
            Kind::Sqlite => format!("({}) IN (VALUES {keys})", self.key_columns()),
            Kind::Postgres => format!("({}) IN ({keys})", self.key_columns()),
        }
    }

    /// How many columns of a selected row come before the inputs.
    pub(super) fn columns_before_inputs(&self) -> usize {
        self.key.len() + self.columns_before_key()
    }

    /// How many columns of a selected row come before the key.
    pub(super) fn columns_before_key(&self) -> usize {
        self.version().len()
    }

    /// What tells a row and its version from all others, and the types of that. SQLite has nothing of the kind.
    fn version(&self) -> &'static [(&'static str, &'static str)] {
        match (self.kind, self.has_parts) {
            (Kind::Sqlite, _) => &[],
            (Kind::Postgres, false) => &[("ctid", "tid"), ("xmin", "xid")],
            (Kind::Postgres, true) => &[("ctid", "tid"), ("xmin", "xid"), ("tableoid", "oid")],
        }
    }

    fn selected(&self) -> String {
        let version = self
            .version()
            .iter()
            .map(|(name, _)| format!("concerned.{name}"));
        let columns = self.key.iter().map(|column| &column.name);
        let columns = columns.chain(&self.description.inputs);
        let columns = columns.map(|name| format!("concerned.{}", quote(name)));
        version.chain(columns).collect::<Vec<_>>().join(", ")
    }

    /// Writes derived columns into rows that are still as they were read: whatever changed them meanwhile was captured.
    pub(super) fn write(&self) -> String {
        match self.kind {
            Kind::Sqlite => self.write_each(),
            Kind::Postgres => self.write_all(),
        }
    }

    /// Row by row, without a look at what is there: the derived values, then the key.
    pub(super) fn write_each_blindly(&self) -> String {
        let (set, has_key) = (self.set_each(), self.has_key_of_each());
        format!("UPDATE {} SET {set} WHERE {has_key}", self.table)
    }

    fn set_each(&self) -> String {
        let set: Vec<String> = (1..)
            .zip(self.derived())
            .map(|(number, column)| format!("{} = ?{number}", quote(&column.name)))
            .collect();
        set.join(", ")
    }

    fn has_key_of_each(&self) -> String {
        let has_key: Vec<String> = (self.derived().len() + 1..)
            .zip(&self.key)
            .map(|(number, column)| format!("{} = ?{number}", quote(&column.name)))
            .collect();
        has_key.join(" AND ")
    }

    /// Row by row: the derived values, then the key, then the inputs. A row that has its values already is not written: a
    /// trigger that notes every change could make it wait for the drain again and again.
    fn write_each(&self) -> String {
        let (unchanged, differs) = self.compare_each();
        format!(
            "UPDATE {} SET {} WHERE {} AND {unchanged} AND ({differs})",
            self.table,
            self.set_each(),
            self.has_key_of_each(),
        )
    }

    /// Row by row: captures a row that is there but not written. The same parameters as for [`Plan::write`], where one row
    /// is written after the other.
    pub(super) fn capture_each_unwritten(&self) -> String {
        let (unchanged, differs) = self.compare_each();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} WHERE {} AND NOT ({unchanged} AND NOT ({differs}))",
            self.capture(),
            self.captured_keys().join(", "),
            self.key_columns(),
            self.table,
            self.has_key_of_each(),
        )
    }

    /// Whether a row's inputs are as they were read, and whether its derived values are not yet what is to be written.
    fn compare_each(&self) -> (String, String) {
        let width = self.derived().len();
        // Two texts that a column's collation calls the same are different to the function.
        let unchanged = (width + 1 + self.key.len()..)
            .zip(&self.description.inputs)
            .map(|(number, name)| format!("{} COLLATE BINARY IS ?{number}", quote(name)));
        let differs: Vec<String> = (1..)
            .zip(self.derived())
            .map(|(number, column)| {
                format!("{} COLLATE BINARY IS NOT ?{number}", quote(&column.name))
            })
            .collect();
        let unchanged: Vec<String> = unchanged.collect();
        (unchanged.join(" AND "), differs.join(" OR "))
    }

    /// All at once, from arrays: what tells the rows, then the derived values. As there, nothing is written twice; bytes are
    /// compared, because two values can be equal and not the same. Returns the places of the rows that were written, from 1.
    fn write_all(&self) -> String {
        let Arrays {
            rows,
            is_same,
            set,
            differs,
        } = self.arrays();
        format!(
            "UPDATE {} AS concerned SET {set} FROM {rows} WHERE {is_same} AND {differs} RETURNING derived.place",
            self.table
        )
    }

    /// The places of those rows, from 1, that are still as they were read and have these values: the same arrays as for
    /// [`Plan::write`], on a server.
    pub(super) fn unchanged_and_written(&self) -> String {
        let Arrays {
            rows,
            is_same,
            differs,
            ..
        } = self.arrays();
        format!(
            "SELECT derived.place FROM {rows} JOIN {} AS concerned ON {is_same} WHERE NOT {differs}",
            self.table
        )
    }

    fn arrays(&self) -> Arrays {
        let version = self.version();
        let mut arrays = Vec::new();
        let mut names = Vec::new();
        let mut same = Vec::new();
        for (number, (name, type_name)) in (1..).zip(version) {
            arrays.push(unnest(number, &format!("pg_catalog.{type_name}")));
            names.push(format!("row_{name}"));
            same.push(format!("concerned.{name} = derived.row_{name}"));
        }
        let mut set = Vec::new();
        let mut old = Vec::new();
        let mut new = Vec::new();
        let columns = self.derived().iter().zip(&self.derived_types).enumerate();
        for (place, (column, type_name)) in columns {
            let number = version.len() + place + 1;
            names.push(format!("value_{place}"));
            // An array of arrays would come apart into its last elements.
            let (element, cast) = match type_name.ends_with(']') {
                true => ("pg_catalog.text", format!("::{type_name}")),
                false => (type_name.as_str(), String::new()),
            };
            arrays.push(unnest(number, element));
            let name = quote(&column.name);
            set.push(format!("{name} = derived.value_{place}{cast}"));
            old.push(format!("concerned.{name}"));
            new.push(match self.stored_types.get(place) {
                // A cast would cut off what is too long, and so hide that it is.
                Some(stored) if !is_cut(type_name) => format!("derived.value_{place}::{stored}"),
                _ => format!("derived.value_{place}{cast}"),
            });
        }
        names.push("place".to_owned());
        Arrays {
            rows: format!(
                "ROWS FROM ({}) WITH ORDINALITY AS derived ({})",
                arrays.join(", "),
                names.join(", ")
            ),
            is_same: same.join(" AND "),
            set: set.join(", "),
            differs: format!(
                "pg_catalog.record_image_ne(ROW({}), ROW({}))",
                old.join(", "),
                new.join(", ")
            ),
        }
    }
}

/// Words for rows that come as arrays.
struct Arrays {
    /// The rows, as `derived`.
    rows: String,
    /// Whether a row of the table is one of them, and as it was read.
    is_same: String,
    /// What is set in it.
    set: String,
    /// Whether that would change it.
    differs: String,
}

/// The elements of an array. The server must not know how many there are: for many it would rather read the whole table
/// than look up rows by their places.
fn unnest(number: usize, element: &str) -> String {
    format!("pg_catalog.unnest((SELECT ${number}::{element}[]))")
}

/// Whether a cast to a type with a length cuts a value off: <https://www.postgresql.org/docs/current/datatype-character.html>
fn is_cut(type_name: &str) -> bool {
    ["character", "bpchar", "bit", "\"bit\""]
        .iter()
        .any(|cut| type_name.starts_with(cut))
}

/// So many parameters in a row, from this number.
fn numbers(first: usize, count: usize) -> String {
    let numbers: Vec<String> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    numbers.join(", ")
}
