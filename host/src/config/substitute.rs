//! `${NAME}` in the values of our own file: what the variable holds.
//!
//! `${NAME:-text}` has a text for when there is no such variable, which may hold others, and `$${` stands for `${` itself. Other
//! forms of the shell are refused; what is none, such as `${summary.tenants}`, is none of ours.

use toml::{Table, Value};

use super::reference::{Reference, reference};

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
        let (name, otherwise, following) = match reference(after) {
            Reference::Variable {
                name,
                otherwise,
                rest,
            } => (name, otherwise, rest),
            Reference::None => {
                written.push_str("${");
                rest = after;
                continue;
            }
            Reference::Unknown(why) => {
                return Err(format!("{why}, or `$${{` for the characters"));
            }
        };
        let found = variable(name).filter(|value| otherwise.is_none() || !value.is_empty());
        match (found, otherwise) {
            (Some(value), _) => written.push_str(&value),
            (None, Some(otherwise)) => written.push_str(&substituted(otherwise, variable)?),
            (None, None) => {
                return Err(format!(
                    "the variable {name} is not set; set it, write `${{{name}:-…}}` with a value for that case, or `$${{` for the characters"
                ));
            }
        }
        rest = following;
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
            ("${B:-${A}-${C:-3}}x", "1-3x"),
            ("${A:-${B}}", "1"),
        ] {
            assert_eq!(substituted(text, &variable).unwrap(), expected);
        }
        for text in ["${B:-${C}}", "${A-x}", "${A", "x${A:-${B}"] {
            assert!(substituted(text, &variable).is_err(), "{text}");
        }
        assert!(
            substituted("${B}", &variable)
                .unwrap_err()
                .contains("variable B is not set")
        );
    }
}
