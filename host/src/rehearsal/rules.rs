//! Rules that say what a step may do: `write:users.email`, `read:*`, `drop:*`.

use std::fmt;
use std::str::FromStr;

use crate::database::{Action, Deed};

/// An action on tables or columns; `*` stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    action: Option<Action>,
    table: String,
    column: Option<String>,
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let explain = || {
            format!(
                "`{text}` is no rule: write it as ACTION:TABLE or ACTION:TABLE.COLUMN, such as write:users.email, where the \
                 action is read, write, create, alter, drop or *"
            )
        };
        let (action, subject) = text.trim().split_once(':').ok_or_else(explain)?;
        let action = match action {
            "*" => None,
            name => Some(
                [
                    Action::Read,
                    Action::Write,
                    Action::Create,
                    Action::Alter,
                    Action::Drop,
                ]
                .into_iter()
                .find(|action| action.as_str() == name)
                .ok_or_else(explain)?,
            ),
        };
        let (table, column) = match subject.split_once('.') {
            Some((table, column)) => (table, Some(column.to_owned())),
            None => (subject, None),
        };
        if table.is_empty() || column.as_deref() == Some("") {
            return Err(explain());
        }
        Ok(Self {
            action,
            table: table.to_owned(),
            column: column.filter(|column| column != "*"),
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.action.map_or("*", Action::as_str),
            self.table
        )?;
        match &self.column {
            Some(column) => write!(formatter, ".{column}"),
            None => Ok(()),
        }
    }
}

impl Rule {
    /// The rules of a list: one a line, with `#` before comments. The error names the line.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let mut rules = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                rules.push(
                    line.parse()
                        .map_err(|error| format!("line {number}: {error}"))?,
                );
            }
        }
        Ok(rules)
    }

    /// Whether the deed is one that the rule forbids. Where the database does not tell the column, only a rule for the
    /// whole table does.
    pub(super) fn forbids(&self, deed: &Deed) -> bool {
        self.is_about(deed) && (self.column.is_none() || self.column == deed.column)
    }

    /// Whether the deed is one that the rule allows. Where the database does not tell the column, a rule for any column
    /// does.
    pub(super) fn allows(&self, deed: &Deed) -> bool {
        self.is_about(deed)
            && (self.column.is_none() || deed.column.is_none() || self.column == deed.column)
    }

    fn is_about(&self, deed: &Deed) -> bool {
        self.action.is_none_or(|action| action == deed.action)
            && (self.table == "*" || self.table.eq_ignore_ascii_case(&deed.table))
    }
}

/// A deed as a rule says it.
pub(super) fn spelled(deed: &Deed) -> String {
    match &deed.column {
        Some(column) => format!("{}:{}.{column}", deed.action.as_str(), deed.table),
        None => format!("{}:{}", deed.action.as_str(), deed.table),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(action: Action, table: &str, column: Option<&str>) -> Deed {
        Deed {
            action,
            table: table.to_owned(),
            column: column.map(str::to_owned),
        }
    }

    #[test]
    fn a_rule_is_about_what_it_names() {
        let rule: Rule = "write:users.email".parse().unwrap();
        assert!(rule.forbids(&deed(Action::Write, "users", Some("email"))));
        assert!(!rule.forbids(&deed(Action::Write, "users", Some("name"))));
        assert!(!rule.forbids(&deed(Action::Read, "users", Some("email"))));
        assert!(!rule.forbids(&deed(Action::Write, "users", None)));
        assert!(rule.allows(&deed(Action::Write, "users", None)));
        let any: Rule = "*:*".parse().unwrap();
        assert!(any.forbids(&deed(Action::Drop, "orders", None)));
    }

    #[test]
    fn what_is_no_rule_is_told() {
        for text in ["users", "wirte:users", "write:", "write:users."] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
        let error = Rule::list("read:*\n\n# all\nwrong\n").unwrap_err();
        assert!(error.starts_with("line 4: `wrong`"), "{error}");
    }
}
