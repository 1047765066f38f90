//! Collateral: what the step takes along without saying so. The pieces of the schema before and after, without what its
//! statements name: what a rebuilt table has lost, what CASCADE dropped beside what was named.
//!
//! What can only be left out, such as a default in the new definition of a table, may be just what the step is for. It is told
//! where the step changes the table in some other way, too.

use std::collections::BTreeSet;
use std::time::Instant;

use super::super::declarations::Declarations;
use super::super::milliseconds;
use super::super::report::{Check, CheckReport, Finding, Part};
use super::Case;
use super::pieces::{described, family, is_alike, is_only_left_out, subjects};
use super::said::{Said, words};
use crate::database::{Aspect, Content, Object, Trait};

const ADVICE: &str = "make it again in the step, as it was, or name it where it is dropped; if nobody needs it any more, name it in \
                      `collateral` of the step's .test.toml";

/// What belongs to no column and is told by its name.
const NAMED_OBJECTS: [&str; 11] = [
    "trigger",
    "rule",
    "policy",
    "view",
    "materialized view",
    "routine",
    "domain",
    "enum",
    "range",
    "type",
    "foreign table",
];

/// Something that is not as it was.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Loss {
    /// What a declaration calls it, and its table.
    subjects: Vec<String>,
    text: String,
}

/// What the step has changed without naming it, in all places.
pub(in crate::rehearsal) fn report(cases: &[Case], declarations: &Declarations) -> CheckReport {
    let began = Instant::now();
    let mut part = Part::default();
    for case in cases {
        let finding = find(case, declarations);
        let is_new = |finding: &Finding| {
            !part
                .findings
                .iter()
                .any(|own| own.message == finding.message)
        };
        let finding = finding.filter(is_new);
        part.findings.extend(finding);
    }
    part.milliseconds = milliseconds(began.elapsed());
    let summary = match part.findings.is_empty() {
        true => "nothing of the schema is gone without being named",
        false => "the schema before and after, without what the step names",
    };
    part.report(Check::Collateral, summary.to_owned())
}

fn find(case: &Case, declarations: &Declarations) -> Option<Finding> {
    let undisturbed = &case.undisturbed;
    let comparison = Comparison {
        before: Side::of(&case.before, &case.traits),
        after: Side::of(&undisturbed.finalized, &undisturbed.traits),
        said: Said::of(&undisturbed.seen.said),
    };
    let mut losses = comparison.losses();
    let allowed = declarations.collateral();
    losses.retain(|loss| !loss.subjects.iter().any(|name| allowed.contains(name)));
    let (first, others) = losses.split_first()?;
    Some(Finding {
        place: case.place(),
        message: format!("{}, and no statement of the step says so", first.text),
        details: (others.iter())
            .map(|loss| format!("also: {}", loss.text))
            .collect(),
        advice: ADVICE.to_owned(),
    })
}

/// A schema.
struct Side<'s> {
    content: &'s Content,
    traits: &'s [Trait],
}

impl<'s> Side<'s> {
    fn of(content: &'s Content, traits: &'s [Trait]) -> Self {
        Self { content, traits }
    }

    fn of_table(&self, table: &str) -> impl Iterator<Item = &'s Trait> {
        let traits = self.traits.iter();
        let table = table.to_owned();
        traits.filter(move |piece| piece.table == table)
    }

    fn has_table(&self, table: &str) -> bool {
        self.of_table(table).next().is_some()
    }

    fn has_column(&self, table: &str, column: &str) -> bool {
        self.of_table(table)
            .any(|piece| piece.aspect == Aspect::Type && is_same(&piece.columns, &[column]))
    }

    /// The same piece, whatever it says.
    fn counterpart(&self, piece: &Trait) -> Option<&'s Trait> {
        let mut candidates: Vec<&Trait> = self
            .of_table(&piece.table)
            .filter(|other| {
                family(other) == family(piece) && is_same(&other.columns, &piece.columns)
            })
            .collect();
        // Several conditions or indexes can be about the same columns.
        candidates.sort_by_key(|other| other.says != piece.says);
        let is_told_by_text = matches!(piece.aspect, Aspect::Check | Aspect::Index);
        candidates
            .into_iter()
            .find(|other| !is_told_by_text || other.says == piece.says)
    }
}

/// Columns by their names, in any case.
fn is_same(columns: &[String], others: &[impl AsRef<str>]) -> bool {
    columns.len() == others.len()
        && (columns.iter().zip(others)).all(|(one, other)| one.eq_ignore_ascii_case(other.as_ref()))
}

struct Comparison<'s> {
    before: Side<'s>,
    after: Side<'s>,
    said: Said,
}

impl Comparison<'_> {
    fn losses(&self) -> Vec<Loss> {
        let mut losses = Vec::new();
        let tables: BTreeSet<&str> = self
            .before
            .traits
            .iter()
            .map(|piece| &*piece.table)
            .collect();
        for table in tables {
            match self.after.has_table(table) {
                true => losses.extend(self.of_table(table)),
                false if self.said.names(table) || self.went_with_schema(table) => {}
                false => losses.push(Loss {
                    subjects: vec![table.to_owned()],
                    text: format!("the table {table} is gone"),
                }),
            }
        }
        losses.extend(self.of_objects());
        losses
    }

    fn went_with_schema(&self, table: &str) -> bool {
        let schema = table.split_once('.').map(|(schema, _)| schema);
        schema.is_some_and(|schema| {
            let has = |content: &Content| {
                let mut objects = content.objects.keys();
                objects.any(|object| object.kind == "schema" && object.name == schema)
            };
            has(self.before.content) && !has(self.after.content) && self.said.names(schema)
        })
    }

    fn of_table(&self, table: &str) -> Vec<Loss> {
        let mut losses = Vec::new();
        let mut unsaid: Vec<(&Trait, Loss)> = Vec::new();
        for piece in self.before.of_table(table) {
            if piece.aspect == Aspect::Type {
                losses.extend(self.column(piece));
                continue;
            }
            let Some((text, is_left_out)) = self.lost(piece) else {
                continue;
            };
            let loss = Loss {
                subjects: subjects(piece),
                text,
            };
            match is_left_out {
                true => unsaid.push((piece, loss)),
                false => losses.push(loss),
            }
        }
        let is_changed = !losses.is_empty() || self.is_changed_otherwise(table);
        let aspects: BTreeSet<Aspect> = unsaid.iter().map(|(piece, _)| piece.aspect).collect();
        let said_of_null = self.said.text.contains("not null");
        for (piece, loss) in unsaid {
            let is_beside = is_changed || aspects.len() > 1;
            // Which columns take NULL is written again with each of them.
            let is_meant = piece.aspect == Aspect::NotNull && said_of_null && losses.is_empty();
            if is_beside && !is_meant {
                losses.push(loss);
            }
        }
        losses
    }

    fn column(&self, piece: &Trait) -> Option<Loss> {
        let [column] = &*piece.columns else {
            return None;
        };
        let is_there = self.after.has_column(&piece.table, column);
        if is_there || self.said.names(column) {
            return None;
        }
        let name = format!("{}.{column}", piece.table);
        Some(Loss {
            text: format!("the column {name} is gone"),
            subjects: vec![name, piece.table.clone()],
        })
    }

    /// What is to be said of a piece that is not there any more, unless it went with its columns, something else of its kind
    /// came, or a statement names it; and whether it is only left out.
    fn lost(&self, piece: &Trait) -> Option<(String, bool)> {
        let there = |column: &String| self.after.has_column(&piece.table, column);
        let is_gone = match &*piece.columns {
            [] => self.is_about_what_is_gone(piece),
            columns => !columns.iter().any(there),
        };
        if is_gone {
            return None;
        }
        let counterpart = self.after.counterpart(piece);
        if let Some(other) = counterpart {
            if piece.aspect == Aspect::ForeignKey {
                return self.changed_reference(piece, other);
            }
            return None;
        }
        let is_new = |other: &&Trait| self.before.counterpart(other).is_none();
        let shares = |other: &Trait| {
            let has = |column: &String| {
                piece
                    .columns
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(column))
            };
            piece.columns.is_empty() || other.columns.is_empty() || other.columns.iter().any(has)
        };
        let is_replaced = self
            .after
            .of_table(&piece.table)
            .filter(is_new)
            .any(|other| is_alike(piece, other) && shares(other));
        let is_named = piece
            .name
            .as_ref()
            .is_some_and(|name| self.said.names(name));
        if is_replaced
            || is_named
            || self.said.speaks_of(piece.aspect)
            || self.has_other_type(piece)
        {
            return None;
        }
        Some((
            format!("{} is gone", described(piece)),
            is_only_left_out(piece),
        ))
    }

    /// Whether a piece without columns of its own speaks of one that is gone.
    fn is_about_what_is_gone(&self, piece: &Trait) -> bool {
        let says = piece.says.to_lowercase();
        let said: BTreeSet<&str> = words(&says).collect();
        let types = self.before.of_table(&piece.table);
        let mut columns = types.filter(|other| other.aspect == Aspect::Type);
        columns.any(|other| {
            let mut columns = other.columns.iter();
            columns.any(|column| {
                said.contains(&*column.to_lowercase())
                    && !self.after.has_column(&piece.table, column)
            })
        })
    }

    /// A default may not fit the new type of its column.
    fn has_other_type(&self, piece: &Trait) -> bool {
        if !matches!(
            piece.aspect,
            Aspect::Default | Aspect::Collation | Aspect::Storage
        ) {
            return false;
        }
        let type_of = |side: &Side<'_>| {
            let mut traits = side.of_table(&piece.table);
            let own = traits.find(|other| {
                other.aspect == Aspect::Type && is_same(&other.columns, &piece.columns)
            });
            own.map(|own| own.says.clone())
        };
        type_of(&self.before) != type_of(&self.after)
    }

    fn changed_reference(&self, piece: &Trait, other: &Trait) -> Option<(String, bool)> {
        let target = |piece: &Trait| piece.target.clone().unwrap_or_default();
        let (was, is) = (target(piece), target(other));
        let own = described(piece);
        if !self.after.has_table(&is) && self.before.has_table(&was) && !is.is_empty() {
            return Some((
                format!("{own} refers to {is} now, which is not there"),
                false,
            ));
        }
        let has_moved = was != is && self.after.has_table(&was);
        if has_moved && !self.said.names(&piece.table) {
            return Some((format!("{own} refers to {is} instead of {was}"), false));
        }
        let lost = ["ON DELETE", "ON UPDATE", "DEFERRABLE"]
            .into_iter()
            .find(|rule| piece.says.contains(rule) && !other.says.contains(rule))?;
        if self.said.speaks_of(Aspect::ForeignKey) {
            return None;
        }
        let rule = piece.says.get(piece.says.find(lost)?..)?;
        Some((format!("{own} has lost `{rule}`"), true))
    }

    /// Whether something comes to a table, or columns go or have other types.
    fn is_changed_otherwise(&self, table: &str) -> bool {
        let comes =
            (self.after.of_table(table)).any(|piece| self.before.counterpart(piece).is_none());
        let changes = self.before.of_table(table).any(|piece| {
            let other = self.after.counterpart(piece);
            piece.aspect == Aspect::Type && other.is_none_or(|other| other.says != piece.says)
        });
        comes || changes
    }

    fn of_objects(&self) -> Vec<Loss> {
        let after = &self.after.content.objects;
        let mut losses = Vec::new();
        for (object, definition) in &self.before.content.objects {
            let is_of_lost_table = !object.table.is_empty()
                && object.name != object.table
                && !self.after.has_table(&object.table);
            let kind = object.kind.as_str();
            if !NAMED_OBJECTS.contains(&kind) || is_of_lost_table {
                continue;
            }
            let bare = object.name.split('(').next().unwrap_or_default();
            if self.said.names(bare) || self.went_with_schema(&object.name) {
                continue;
            }
            let same = |other: &&Object| other.kind == object.kind && other.name == object.name;
            let now = after.keys().find(same).and_then(|other| after.get(other));
            let owner = match object.table.is_empty() {
                true => String::new(),
                false => format!(" of {}", object.table),
            };
            let what = format!("the {kind} {}{owner}", object.name);
            let text = match now {
                None => format!("{what} is gone"),
                Some(now) if kind == "trigger" && is_switched_off(definition, now) => {
                    format!("{what} is switched off")
                }
                Some(_) => continue,
            };
            let mut subjects = vec![object.name.clone()];
            subjects.extend(Some(object.table.clone()).filter(|table| !table.is_empty()));
            losses.push(Loss { subjects, text });
        }
        losses
    }
}

/// Whether a trigger of PostgreSQL, whose definition ends with how it fires, does so no longer.
fn is_switched_off(before: &str, now: &str) -> bool {
    now.ends_with(" D") && !before.ends_with(" D")
}
