//! SQL steps: one file with sections.
//!
//! A line `-- wasmigrate:migrate`, `-- wasmigrate:finalize` or `-- wasmigrate:reset` begins a section; a file without
//! such a line is all migrate. With a line `-- wasmigrate:no-transaction` the statements of migrate run outside a
//! transaction. Files of other tools that take a file apart are taken for what they are: *up* is migrate, *down* is reset.

use super::Error;
use super::annotation::{self, Annotation, Dialect, Part, annotation, misplaced};
use super::below::Below;
use super::comment::{self, Place};
use super::likeness;

/// What sqlx takes for `-- wasmigrate:no-transaction` when a file begins so.
const SQLX_NO_TRANSACTION: &str = "-- no-transaction";

/// Why a line is refused that may be a mark or a part of a string.
const UNCLEAR: &str = "whether this line begins a section or is a part of a string depends on how the database reads what is \
                       above: write the string without this line, or with its parts joined by `||`";

/// A part of a SQL file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The statements.
    pub text: String,
    /// The line of the file on which the text begins, from 1.
    pub first_line: usize,
    /// The name of the file beside the step's own in which it stands; none where it stands in that.
    pub file_name: Option<String>,
}

/// A SQL step, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlStep {
    /// The comment at the top of the file, in one line.
    pub summary: String,
    /// Whether `migrate` runs in a transaction.
    pub transactional: bool,
    /// Whether it asks for the operator's values to be put in, whatever the settings say.
    pub placeholders: bool,
    /// What is to be written down when it runs.
    pub notes: Vec<String>,
    /// What `migrate` runs.
    pub migrate: Option<Section>,
    /// What `finalize` runs.
    pub finalize: Option<Section>,
    /// What `reset` runs.
    pub reset: Option<Section>,
    /// Whether the part that undoes has no statement, so that it undoes nothing and is none.
    pub reset_is_empty: bool,
    /// Whether the part that undoes runs outside a transaction.
    pub is_undone_outside: bool,
}

impl SqlStep {
    /// Takes a file apart; `label` names it in errors.
    pub fn parse(label: &str, bytes: &[u8]) -> Result<Self, Error> {
        Self::parse_in(label, bytes, None)
    }

    /// The same of a file whose statements are all of one part by its name.
    pub(super) fn parse_in(label: &str, bytes: &[u8], whole: Option<Part>) -> Result<Self, Error> {
        let text = text(label, bytes)?;
        let mut step = Self {
            summary: summary(text),
            transactional: !text.starts_with(SQLX_NO_TRANSACTION),
            placeholders: false,
            notes: Vec::new(),
            migrate: None,
            finalize: None,
            reset: None,
            reset_is_empty: false,
            is_undone_outside: false,
        };
        let mistake = |line, why| Error::Sql {
            label: label.to_owned(),
            line,
            why,
        };
        let scan = comment::scan(text);
        let below = Below::of(text, &scan);
        let refused = scan.inner.iter().find_map(|comment| {
            let why = misplaced(comment.text)
                .or_else(|| likeness::of_inner(&below, comment.line, comment.text));
            Some((comment.line, why?))
        });
        if let Some((line, why)) = refused {
            return Err(mistake(line, why));
        }
        let mut begun: Option<(Dialect, Part, Section)> = None;
        let mut before = Section {
            first_line: 1,
            ..Section::default()
        };
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            let is_sqlxs = number == 1 && !step.transactional;
            let found = match (annotation(line).filter(|_| !is_sqlxs), scan.place(number)) {
                (Some(mark), Place::Data) => match cut_by_others(&mark, begun.as_ref()) {
                    None => None,
                    Some(why) => return Err(mistake(number, why)),
                },
                (Some(mark), Place::Unclear) if mark != Annotation::Remark => {
                    return Err(mistake(number, UNCLEAR.to_owned()));
                }
                (found, _) => found,
            };
            let (dialect, part, transactional) = match found {
                Some(Annotation::Section {
                    dialect,
                    part,
                    transactional,
                }) => (dialect, part, transactional),
                Some(Annotation::Divider(dialect)) => {
                    if begun.is_none() {
                        let above = std::mem::take(&mut before);
                        begun = Some((dialect, Part::Migrate, above));
                    }
                    (dialect, Part::Reset, true)
                }
                Some(Annotation::Unknown(why)) => return Err(mistake(number, why)),
                other => {
                    if other.is_none() && scan.place(number) == Place::Sql {
                        let inside = begun.as_ref().map(|(_, part, _)| *part).or(whole);
                        if let Some(why) = likeness::objection(line, &below, number, inside) {
                            return Err(mistake(number, why));
                        }
                    }
                    step.transactional &= other != Some(Annotation::NoTransaction);
                    step.placeholders |= other == Some(Annotation::Placeholders);
                    let current = begun.as_mut().map_or(&mut before, |(.., section)| section);
                    current.text.push_str(line);
                    continue;
                }
            };
            let first = begun.as_ref().map_or(dialect, |(dialect, ..)| *dialect);
            if first != dialect {
                let why =
                    "sections are begun in the manner of another tool than above: keep to one";
                return Err(mistake(number, why.to_owned()));
            }
            if let Some((_, part, section)) = begun.take() {
                *step.section(part) = Some(section);
            }
            if step.section(part).is_some() {
                return Err(mistake(
                    number,
                    format!("a second section `{}`", part.as_str()),
                ));
            }
            match part {
                Part::Migrate => step.transactional &= transactional,
                Part::Reset => step.is_undone_outside |= !transactional,
                Part::Finalize => {}
            }
            let section = Section {
                first_line: number + 1,
                ..Section::default()
            };
            begun = Some((dialect, part, section));
        }
        let Some((dialect, part, section)) = begun else {
            step.migrate = Some(before);
            return Ok(step);
        };
        if let Some(line) = comment::scan(&before.text).first_statement() {
            let first = annotation::first_line(dialect, text);
            let why = format!("a statement before the first section: begin it with `{first}`");
            return Err(mistake(line, why));
        }
        let last_line = section.first_line - 1;
        *step.section(part) = Some(section);
        if dialect != Dialect::Own && step.migrate.is_none() {
            let why = "there is a part that undoes, and none that it could undo";
            return Err(mistake(last_line, why.to_owned()));
        }
        if let Some(reset) = step.reset.take() {
            step.undo_by(reset);
        }
        Ok(step)
    }

    /// Takes a section for the one that undoes, unless it undoes nothing.
    pub(super) fn undo_by(&mut self, section: Section) {
        self.reset_is_empty = comment::scan(&section.text).first_statement().is_none();
        self.reset = Some(section).filter(|_| !self.reset_is_empty);
    }

    /// Whether neither `migrate` nor `finalize` has a statement.
    pub fn does_nothing(&self) -> bool {
        let sections = [&self.migrate, &self.finalize];
        let has_statement =
            |section: &Section| comment::scan(&section.text).first_statement().is_some();
        !sections.into_iter().flatten().any(has_statement)
    }

    fn section(&mut self, part: Part) -> &mut Option<Section> {
        match part {
            Part::Migrate => &mut self.migrate,
            Part::Finalize => &mut self.finalize,
            Part::Reset => &mut self.reset,
        }
    }
}

/// Why a line in a string is refused: the tool whose marks the file has would take it for one.
fn cut_by_others(mark: &Annotation, begun: Option<&(Dialect, Part, Section)>) -> Option<String> {
    let (Annotation::Section { dialect, .. } | Annotation::Divider(dialect)) = mark else {
        return None;
    };
    let is_theirs = begun.is_some_and(|(begun, ..)| begun == dialect) && *dialect != Dialect::Own;
    is_theirs.then(|| {
        "this line is in a string, and the tool that the file is written for takes it for the beginning of a section: write the \
         string without it"
            .to_owned()
    })
}

/// The text of a file, unless the database would read another one.
pub(super) fn text<'b>(label: &str, bytes: &'b [u8]) -> Result<&'b str, Error> {
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Sql {
        label: label.to_owned(),
        line: 1 + bytes
            .iter()
            .take(error.valid_up_to())
            .filter(|byte| **byte == b'\n')
            .count(),
        why: "the file is not UTF-8".to_owned(),
    })?;
    // It says how the file is written, and is no part of it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.split_once('\0') {
        None => Ok(text),
        Some((before, _)) => Err(Error::Sql {
            label: label.to_owned(),
            line: 1 + before.matches('\n').count(),
            why: "there is a NUL byte, at which the database would stop reading".to_owned(),
        }),
    }
}

fn summary(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .take_while(|line| line.starts_with("--") && annotation(line).is_none())
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
                first_line: 3,
                file_name: None
            })
        );
        // Nothing is undone by nothing.
        assert_eq!(step.reset, None);
        assert!(step.reset_is_empty);
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
    fn files_of_dbmate_and_goose_keep_what_they_undo_apart() {
        for (text, is_transactional) in [
            ("-- migrate:up\nA;\n\n-- migrate:down\nB;\n", true),
            (
                "--migrate:up transaction:false\nA;\n\n-- migrate:down\nB;\n",
                false,
            ),
            (
                "-- migrate:up\nA;\n\n-- migrate:down transaction:false\nB;\n",
                true,
            ),
            ("-- +goose Up\nA;\n\n-- +goose Down\nB;\n", true),
            (
                "-- +goose NO TRANSACTION\n-- +goose Up\nA;\n\n-- +goose Down\nB;\n",
                false,
            ),
        ] {
            let step = parse(text).unwrap();
            assert_eq!(step.migrate.unwrap().text, "A;\n\n", "{text}");
            assert_eq!(step.reset.unwrap().text, "B;\n", "{text}");
            assert_eq!(step.finalize, None, "{text}");
            assert_eq!(step.transactional, is_transactional, "{text}");
        }
        assert!(!parse("-- no-transaction\nA;").unwrap().transactional);
    }

    #[test]
    fn files_of_other_tools_keep_what_they_undo_apart() {
        for (text, is_transactional) in [
            ("-- +migrate Up\nA;\n-- +migrate Down\nB;\n", true),
            (
                "-- +migrate Up notransaction\nA;\n-- +migrate Down\nB;\n",
                false,
            ),
            ("-- +micrate Up\nA;\n-- +micrate Down\nB;\n", true),
            ("-- Up Migration\nA;\n-- Down Migration\nB;\n", true),
            ("-- rambler up\nA;\n-- rambler down\nB;\n", true),
            ("-- ==== UP ====\nA;\n-- ==== DOWN ====\nB;\n", true),
            ("-- !Ups\nA;\n-- !Downs\nB;\n", true),
            ("-- Up\nA;\n-- Down\nB;\n", true),
            ("A;\n---- create above / drop below ----\nB;\n", true),
            ("A;\n-- //@UNDO\nB;\n", true),
        ] {
            let step = parse(text).unwrap();
            assert_eq!(step.migrate.unwrap().text, "A;\n", "{text}");
            assert_eq!(step.reset.unwrap().text, "B;\n", "{text}");
            assert_eq!(step.transactional, is_transactional, "{text}");
        }
        let step = parse("-- // Adds a.\nA;\n---- tern: disable-tx ----\n").unwrap();
        assert!(!step.transactional);
        assert!(!parse("-- atlas:txmode none\n\nA;").unwrap().transactional);
    }

    #[test]
    fn sections_of_ours_are_known_in_any_case() {
        for line in [
            "-- Wasmigrate:Finalize",
            "--WASMIGRATE : finalize",
            "  -- wasmigrate: finalize  ",
            "--- wasmigrate:finalize",
        ] {
            let step = parse(&format!("-- wasmigrate:migrate\nA;\n{line}\nB;\n")).unwrap();
            assert_eq!(step.finalize.unwrap().text, "B;\n", "{line}");
        }
    }

    #[test]
    fn what_looks_like_a_section_and_is_none_is_refused_with_its_line() {
        for line in [
            "-- wasmigrate finalize",
            "-- wasmigrate-finalize",
            "-- @wasmigrate finalize",
            "-- wasmigrate:finalise",
            "-- wasmigrate:acceptance",
            "-- Wasmigrate:Accept it",
            "-- finalize (Wasmigrate)",
            "/* wasmigrate:finalize */",
            "/*\n * wasmigrate:reset\n */",
            "SELECT 1; -- wasmigrate:finalize",
            "SELECT 1; /* wasmigrate:finalize */",
            "-- Migrate:Down",
            "-- migrate: down",
            "  -- migrate:down",
            "-- migrate:downwards",
            "-- migrate:up transaction:fals",
            "/* migrate:down */",
            "-- +goose Dwn",
            "  -- +goose Down",
            "/* +goose Down */",
            "-- +other Down",
            "-- goose down",
            "-- Down migration of the users",
            "-- == DOWN ==",
            "-- [down]",
            "-- undo",
            "-- Rollback:",
            "---- create above, drop below ----",
            "--liquibase formatted sql",
            "--changeset ada:1",
            "-- no-transaction",
            "-- atlas:delimiter \\n\\n",
        ] {
            let error = parse(&format!("A;\nB;\n{line}\nC;\n")).unwrap_err();
            assert!(error.contains("line 3"), "{line}: {error}");
        }
        for line in [
            "-- Down below we go on.",
            "-- migrate users to the new table",
            "-- rollback is not possible here",
            "SELECT '-- wasmigrate:finalize', 'a';",
            "SELECT $$ a -- wasmigrate $$;",
            "SELECT 1; -- up to date",
            "-- wasmigrate:accept the table is small",
            "/* wasmigrate:accept the table is small */",
            "--> statement-breakpoint",
        ] {
            let text = format!("A;\nB;\n{line}\nC;\n");
            assert_eq!(parse(&text).unwrap().migrate.unwrap().text, text);
        }
        let error = parse("-- wasmigrate:migrate\nA;\n-- wasmigrate:finalize\rB;\n").unwrap_err();
        assert!(error.contains("line 3"), "{error}");
    }

    #[test]
    fn what_is_in_a_string_begins_no_section() {
        for text in [
            "DO $$\n-- wasmigrate:no-transaction\n$$;\n",
            "INSERT INTO a VALUES ('\n-- wasmigrate:placeholders\n');\n",
            "INSERT INTO a VALUES ('\n-- migrate:down\n');\n",
            "COPY a FROM stdin;\n-- undo it's\n\\.\n",
        ] {
            let step = parse(text).unwrap();
            assert_eq!(step.migrate.unwrap().text, text);
            assert!(step.transactional && !step.placeholders, "{text}");
            assert_eq!(step.reset, None, "{text}");
        }
        let step = parse("COPY a FROM stdin;\nit's\n\\.\nB;\n").unwrap();
        assert_eq!(step.reset, None);
        for text in [
            "-- migrate:up\nINSERT INTO a VALUES ('\n-- migrate:down\n');\n",
            "SELECT 'a\\';\nSELECT '\n-- wasmigrate:reset\n';\n",
        ] {
            assert!(parse(text).unwrap_err().contains("line 3"), "{text}");
        }
        let text = "-- wasmigrate:migrate\nCOPY a FROM stdin;\nit's\n\\.\n-- wasmigrate:reset\nSELECT 'a';\n";
        assert_eq!(parse(text).unwrap().reset.unwrap().text, "SELECT 'a';\n");
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let error = parse("-- migrate:up\nA;\n-- wasmigrate:reset\nB;").unwrap_err();
        assert!(error.contains("line 3") && error.contains("another tool"));
        let error = parse("-- migrate:down\nA;").unwrap_err();
        assert!(error.contains("line 1") && error.contains("none that it could undo"));
        let error = parse("-- +goose ENVSUB ON\n-- +goose Up\nA;").unwrap_err();
        assert!(error.contains("line 1") && error.contains("ENVSUB ON"));
        let error = parse("A;\n-- migrate:up\nB;").unwrap_err();
        assert!(error.contains("line 1") && error.contains("`-- migrate:up`"));
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
