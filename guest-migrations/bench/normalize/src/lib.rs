//! Splits a name, puts an e-mail address into one form and adds up: what migrations of data do most.

use wasmigrate_sdk::transform::*;

struct Normalize;

impl Transform for Normalize {
    const SUMMARY: &'static str = "splits names and normalises addresses";

    fn table() -> Table {
        Table::new("customer")
            .input("name")
            .input("email")
            .input("debit")
            .input("credit")
            .derives(Derived::new("given_name", "TEXT"))
            .derives(Derived::new("family_name", "TEXT").not_null())
            .derives(Derived::new("address", "TEXT").replaces("email"))
            .derives(Derived::new("balance", "BIGINT").not_null())
            .drops("debit")
            .drops("credit")
    }

    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let name = row.get::<&str>("name")?.trim();
        let (given, family) = match name.rsplit_once(' ') {
            Some((given, family)) => (ValueRef::Text(given.trim_end()), family),
            None => (ValueRef::Null, name),
        };
        let address = row
            .get::<Option<&str>>("email")?
            .map(|email| email.trim().to_lowercase());
        let balance = row.get::<i64>("credit")? - row.get::<i64>("debit")?;
        derived.push(&[
            given,
            ValueRef::Text(family),
            address.as_deref().map_or(ValueRef::Null, ValueRef::Text),
            ValueRef::Integer(balance),
        ])
    }
}
wasmigrate_sdk::export_transform!(Normalize);
