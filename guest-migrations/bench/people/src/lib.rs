//! Splits names and normalises phone numbers.

use wasmigrate_sdk::ToValue;
use wasmigrate_sdk::transform::*;

struct People;

impl Transform for People {
    const SUMMARY: &'static str = "splits names and normalises phone numbers";

    fn table() -> Table {
        Table::new("person")
            .input("name")
            .input("phone")
            .derives(Derived::new("given_name", "TEXT"))
            .derives(Derived::new("family_name", "TEXT").not_null())
            .derives(Derived::new("e164", "TEXT").replaces("phone"))
            .drops("name")
    }

    fn row(row: &Row, derived: &mut Derivation) -> Result<()> {
        let name = row.get::<&str>(0)?.trim_matches(' ');
        let (given, family) = match name.rsplit_once(' ') {
            Some((given, family)) => (Some(given.trim_end_matches(' ')), family),
            None => (None, name),
        };
        let phone = row.get::<Option<&str>>(1)?;
        let e164 = phone.and_then(|phone| normalised(phone.trim_matches(' ')));
        derived.push(&[given.to_value(), ValueRef::Text(family), e164.to_value()])
    }
}
wasmigrate_sdk::export_transform!(People);

/// The number as E.164 has it.
fn normalised(phone: &str) -> Option<String> {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    let number = if phone.starts_with('+') {
        digits
    } else if let Some(number) = digits.strip_prefix("00") {
        number.to_owned()
    } else {
        format!("49{}", digits.strip_prefix('0')?)
    };
    matches!(number.len(), 7..=15).then(|| format!("+{number}"))
}
