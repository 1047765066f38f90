//! SQL steps: one file with sections.
//!
//! A line `-- wasmigrate:migrate`, `-- wasmigrate:finalize` or `-- wasmigrate:reset` begins a section; a file without
//! such a line is all migrate. With a line `-- wasmigrate:no-transaction` the statements of migrate run outside a
//! transaction.

use super::Error;

const MARKER: &str = "wasmigrate:";

/// A part of a SQL file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The statements.
    pub text: String,
    /// The line of the file on which the text begins, from 1.
    pub first_line: usize,
}

/// The line that takes migrate out of the transaction.
const NO_TRANSACTION: &str = "no-transaction";

/// The line that accepts what there is to say about the next statement; the reason may follow.
const ACCEPT: &str = "accept";

/// A SQL step, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlStep {
    /// The comment at the top of the file, in one line.
    pub summary: String,
    /// Whether `migrate` runs in a transaction.
    pub transactional: bool,
    /// What `migrate` runs.
    pub migrate: Option<Section>,
    /// What `finalize` runs.
    pub finalize: Option<Section>,
    /// What `reset` runs.
    pub reset: Option<Section>,
}

impl SqlStep {
    /// Takes a file apart; `label` names it in errors.
    pub fn parse(label: &str, bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| Error::Sql {
            label: label.to_owned(),
            line: 1 + bytes
                .iter()
                .take(error.valid_up_to())
                .filter(|byte| **byte == b'\n')
                .count(),
            why: "the file is not UTF-8".to_owned(),
        })?;
        if let Some((before, _)) = text.split_once('\0') {
            return Err(Error::Sql {
                label: label.to_owned(),
                line: 1 + before.matches('\n').count(),
                why: "there is a NUL byte, at which the database would stop reading".to_owned(),
            });
        }
        let mut step = Self {
            summary: summary(text),
            transactional: true,
            migrate: None,
            finalize: None,
            reset: None,
        };
        let mut section: Option<(&str, Section)> = None;
        let mut before = Section {
            text: String::new(),
            first_line: 1,
        };
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let name = marker(line);
            step.transactional &= name != Some(NO_TRANSACTION);
            let is_section = |name: &&str| *name != NO_TRANSACTION && !name.starts_with(ACCEPT);
            let Some(name) = name.filter(is_section) else {
                let current = section.as_mut().map_or(&mut before, |(_, section)| section);
                current.text.push_str(line);
                continue;
            };
            if let Some((name, section)) = section.take() {
                step.put(name, section);
            }
            let taken = match name {
                "migrate" => step.migrate.is_some(),
                "finalize" => step.finalize.is_some(),
                "reset" => step.reset.is_some(),
                other => {
                    return Err(Error::Sql {
                        label: label.to_owned(),
                        line: number,
                        why: format!(
                            "`{MARKER}{other}` is no section: there are migrate, finalize and reset, and `{MARKER}{NO_TRANSACTION}`"
                        ),
                    });
                }
            };
            if taken {
                return Err(Error::Sql {
                    label: label.to_owned(),
                    line: number,
                    why: format!("a second section `{name}`"),
                });
            }
            section = Some((
                name,
                Section {
                    text: String::new(),
                    first_line: number + 1,
                },
            ));
        }
        match section {
            None => step.put("migrate", before),
            Some((name, section)) => {
                if let Some(line) = first_statement_line(&before.text) {
                    return Err(Error::Sql {
                        label: label.to_owned(),
                        line,
                        why: format!(
                            "a statement before the first section: begin it with `-- {MARKER}migrate`"
                        ),
                    });
                }
                step.put(name, section);
            }
        }
        Ok(step)
    }

    fn put(&mut self, name: &str, section: Section) {
        match name {
            "migrate" => self.migrate = Some(section),
            "finalize" => self.finalize = Some(section),
            _ => self.reset = Some(section),
        }
    }
}

fn marker(line: &str) -> Option<&str> {
    line.trim()
        .strip_prefix("--")?
        .trim_start()
        .strip_prefix(MARKER)
        .map(str::trim)
}

fn first_statement_line(text: &str) -> Option<usize> {
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let line = line.trim();
        (!line.is_empty() && !line.starts_with("--")).then_some(number)
    })
}

fn summary(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .take_while(|line| line.starts_with("--") && marker(line).is_none())
        .map(|line| line.trim_start_matches('-').trim())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SqlStep, String> {
        SqlStep::parse("0001_a.sql", text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_marker_all_is_migrate() {
        let step = parse("-- Makes a table.\n-- With one column.\nCREATE TABLE a (b);\n").unwrap();
        assert_eq!(step.summary, "Makes a table. With one column.");
        assert_eq!(step.migrate.unwrap().first_line, 1);
        assert_eq!(step.finalize, None);
        assert_eq!(step.reset, None);
    }

    #[test]
    fn sections_keep_their_place_in_the_file() {
        let step = parse(
            "-- Top.\n-- wasmigrate:migrate\nA;\n--wasmigrate: reset\n-- wasmigrate:finalize\nB;\n",
        )
        .unwrap();
        assert_eq!(
            step.migrate,
            Some(Section {
                text: "A;\n".into(),
                first_line: 3
            })
        );
        assert_eq!(step.reset.unwrap().text, "");
        assert_eq!(step.finalize.unwrap().first_line, 6);
    }

    #[test]
    fn migrate_may_run_outside_a_transaction() {
        let step = parse("-- Top.\n-- wasmigrate:no-transaction\nA;\n").unwrap();
        assert!(!step.transactional);
        assert_eq!(step.summary, "Top.");
        assert_eq!(step.migrate.unwrap().first_line, 1);
        assert!(parse("A;").unwrap().transactional);
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = parse("-- wasmigrate:up\nA;").unwrap_err();
        assert!(error.contains("line 1") && error.contains("migrate, finalize and reset"));
        let error = parse("-- wasmigrate:reset\n-- wasmigrate:reset\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("second"));
        let error = parse("\nA;\n-- wasmigrate:reset\nB;").unwrap_err();
        assert!(error.contains("line 2") && error.contains("before the first section"));
        let error = SqlStep::parse("0001_a.sql", b"-- x\n\xff").unwrap_err();
        assert!(error.to_string().contains("line 2"));
    }
}
