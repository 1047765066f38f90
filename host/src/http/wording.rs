//! Messages for whoever speaks HTTP: what they say of options of the command line, in words of the API.

/// Words about options, and about the fields that are the same here.
const FIELDS: [(&str, &str); 11] = [
    ("pass `--out-of-order`", "pass `\"out_of_order\": true`"),
    ("pass `--allow-missing`", "pass `\"allow_missing\": true`"),
    ("pass `--allow-changed`", "pass `\"allow_changed\": true`"),
    (
        "run `migrate --allow-changed`",
        "run `migrate` with `\"allow_changed\": true`",
    ),
    ("pass `--replace`", "pass `\"replacement\": \"continue\"`"),
    ("or `--restart`", "or `\"replacement\": \"restart\"`"),
    ("say why with `--reason`", "say why in `reason`"),
    ("(`--to STEP`)", "(`to`)"),
    ("`--to` names", "`to` names"),
    ("leave out `--through`", "leave out `through`"),
    ("say `--through none`", "say `\"through\": \"none\"`"),
];

/// What is said of options that have no field.
const OPTIONS: &str = " (what begins with `--` is an option of the command line)";

/// A message of the host's in words of the API.
pub(super) fn in_words_of_api(message: &str) -> String {
    let mut text = message.to_owned();
    for (option, field) in FIELDS {
        text = text.replace(option, field);
    }
    let names_option = text.split('`').skip(1).step_by(2).any(|code| {
        code.split(' ')
            .any(|word| word.starts_with("--") && word.len() > 2)
    });
    if names_option {
        text.push_str(OPTIONS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_fields_or_are_said_to_be_options() {
        for (message, expected) in [
            ("a step failed", "a step failed".to_owned()),
            (
                "give it an index above 5, or pass `--out-of-order`",
                "give it an index above 5, or pass `\"out_of_order\": true`".to_owned(),
            ),
            (
                "put it back, or pass `--allow-missing`",
                "put it back, or pass `\"allow_missing\": true`".to_owned(),
            ),
            (
                "put it back, or pass `--no-wait`",
                format!("put it back, or pass `--no-wait`{OPTIONS}"),
            ),
            (
                "statement: `SELECT 1 -- a`",
                "statement: `SELECT 1 -- a`".to_owned(),
            ),
        ] {
            assert_eq!(in_words_of_api(message), expected);
        }
    }
}
