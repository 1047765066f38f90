//! A function for some rows only, which computes columns at once.

use wasmigrate_sdk::Batch;
use wasmigrate_sdk::transform::*;

struct Grown;

impl Transform for Grown {
    const SUMMARY: &'static str = "counts the years of people who are of age";

    fn table() -> Table {
        Table::new("person")
            .input("age")
            .derives(Derived::new("years_of_age", "BIGINT"))
            .only_where("age >= 18 AND NOT is_secret")
    }

    fn rows(mut rows: Batch) -> Result<Batch, Vec<RejectedRow>> {
        let mut ages = rows.take_integers(0)?;
        for age in &mut ages.values {
            *age -= 18;
        }
        rows.put(0, ages)?;
        Ok(rows)
    }
}
wasmigrate_sdk::export_transform!(Grown);
