//! `${NAME}` in the values of our own file: what the variable holds.
//!
//! `${NAME:-text}` has a value for when there is no such variable, and `$${` stands for `${` itself. What has another form,
//! such as `${summary.tenants}`, is none of ours.

use toml::{Table, Value};

use super::dotenv::is_name;

/// Keys whose values have places of their own.
const TEMPLATES: [&str; 3] = ["template", "webhook_template", "placeholder"];

/// Puts the values of variables into a table.
pub(super) fn substitute(
    table: &mut Table,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(), String> {
    for (key, value) in table.iter_mut() {
        if !TEMPLATES.contains(&&**key) {
            within(value, variable).map_err(|why| format!("`{key}`: {why}"))?;
        }
    }
    Ok(())
}

fn within(value: &mut Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if text.contains("${") {
                *text = substituted(text, variable)?;
            }
            Ok(())
        }
        Value::Array(values) => values
            .iter_mut()
            .try_for_each(|value| within(value, variable)),
        Value::Table(table) => substitute(table, variable),
        _ => Ok(()),
    }
}

fn substituted(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut written = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            written.push_str(before);
            written.push_str("${");
            rest = after;
            continue;
        }
        written.push_str(before);
        let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
        let (name, otherwise) = match inner.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inner, None),
        };
        if !is_name(name) || !after.contains('}') {
            written.push_str("${");
            rest = after;
            continue;
        }
        let found = variable(name).filter(|value| otherwise.is_none() || !value.is_empty());
        match (found, otherwise) {
            (Some(value), _) => written.push_str(&value),
            (None, Some(otherwise)) => written.push_str(otherwise),
            (None, None) => {
                return Err(format!(
                    "the variable {name} is not set; set it, write `${{{name}:-…}}` with a value for that case, or `$${{` for the characters"
                ));
            }
        }
        rest = behind;
    }
    written.push_str(rest);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_stand_for_their_values() {
        let variable = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expected) in [
            ("x${A}y${A}", "x1y1"),
            ("${B:-two}", "two"),
            ("${A:-two}", "1"),
            ("$${A}", "${A}"),
            ("${a.b} ${ $A", "${a.b} ${ $A"),
        ] {
            assert_eq!(substituted(text, &variable).unwrap(), expected);
        }
        assert!(
            substituted("${B}", &variable)
                .unwrap_err()
                .contains("variable B is not set")
        );
    }
}
