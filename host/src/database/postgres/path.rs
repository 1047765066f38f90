//! The search path in which steps work.
//!
//! The server looks through that of the connection anew for each statement. Whoever may make schemas could make one that it
//! names, such as the one for which `"$user"` stands, while a step runs, and have tables and functions of their own found
//! first. So steps get the schemas by name that were there when the host looked.

use super::home::Surroundings;
use super::trusted::TRUSTED;
use crate::database::quote;

/// What stands for the role's own name.
const USER: &str = "$user";

/// The connection's own search path, as it is written down.
pub(super) struct WrittenPath {
    parts: Vec<Part>,
}

/// A name in it.
struct Part {
    name: String,
    /// Whether it is there for `"$user"`, so that nobody has chosen it.
    is_implied: bool,
}

impl WrittenPath {
    /// Reads the setting. `user` is the role in whose name steps work.
    pub(super) fn read(setting: &str, user: &str) -> Self {
        let part = |name: String| match name == USER {
            true => Part {
                name: user.to_owned(),
                is_implied: true,
            },
            false => Part {
                name,
                is_implied: false,
            },
        };
        Self {
            parts: names(setting).into_iter().map(part).collect(),
        }
    }

    /// The names in it, as an array in text, whether there are such schemas or not.
    /// <https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO>
    pub(super) fn names_as_array(&self) -> String {
        let escaped = |part: &Part| part.name.replace('\\', "\\\\").replace('"', "\\\"");
        let names: Vec<String> = self
            .parts
            .iter()
            .map(|part| format!("\"{}\"", escaped(part)))
            .collect();
        format!("{{{}}}", names.join(","))
    }

    /// The schema that `"$user"` stands for, if it is there.
    pub(super) fn implied<'p>(&'p self, surroundings: &Surroundings) -> Option<&'p str> {
        let is_there = |part: &&Part| part.is_implied && surroundings.has(&part.name);
        let part = self.parts.iter().find(is_there)?;
        Some(&part.name)
    }

    /// Whether a schema is in it without having been named.
    pub(super) fn only_implies(&self, schema: &str) -> bool {
        let mut parts = self.parts.iter().filter(|part| part.name == schema);
        parts.all(|part| part.is_implied)
    }

    /// The path of steps: the migrated schema, which comes first, and what is after it. A schema that is named there may be
    /// made by a step; that for `"$user"` counts only if nobody `is_stranger` who owns it.
    pub(super) fn of_steps(
        &self,
        migrated: &str,
        surroundings: &Surroundings,
        is_stranger: bool,
    ) -> String {
        let after = self.parts.iter().skip_while(|part| part.name != migrated);
        let counts = |part: &&Part| match part.is_implied {
            true => !is_stranger && surroundings.has(&part.name),
            false => true,
        };
        let after = after.skip(1).filter(counts).map(|part| &*part.name);
        let path: Vec<String> = std::iter::once(migrated).chain(after).map(quote).collect();
        path.join(", ")
    }
}

/// The names in a setting, which the server has accepted.
/// <https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH>
fn names(setting: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut characters = setting.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ',' => names.push(std::mem::take(&mut name)),
            '"' => {
                while let Some(quoted) = characters.next() {
                    if quoted == '"' && characters.next_if_eq(&'"').is_none() {
                        break;
                    }
                    name.push(quoted);
                }
            }
            character if character.is_whitespace() => {}
            character => name.push(character.to_ascii_lowercase()),
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

/// A query for the owner of the schema $1, unless that is the role $2 of the steps, or somebody who is trusted.
pub(super) fn stranger() -> String {
    format!(
        "WITH {TRUSTED} SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace
         WHERE nspname = $1 AND nspowner NOT IN (SELECT role FROM trusted)
         AND pg_get_userbyid(nspowner) <> coalesce($2, '')"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        for (setting, expected) in [
            ("\"$user\", public", &["$user", "public"][..]),
            ("$user,Shop", &["$user", "shop"]),
            ("\"a, b\", \"c\"\"d\" ,E", &["a, b", "c\"d", "e"]),
            ("\"\"", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(setting), expected, "{setting}");
        }
    }

    #[test]
    fn names_are_an_array_whatever_is_in_them() {
        for (setting, expected) in [
            ("\"$user\", Public", r#"{"app","public"}"#),
            (r#""a,b", "c""d", "e\f""#, r#"{"a,b","c\"d","e\\f"}"#),
            ("", "{}"),
        ] {
            let path = WrittenPath::read(setting, "app");
            assert_eq!(path.names_as_array(), expected, "{setting}");
        }
    }
}
