//! Pieces of the schema: what can stand for what, and how they are told.

use crate::database::{Aspect, Trait};

/// What can stand for each other.
pub(super) fn family(piece: &Trait) -> Aspect {
    match piece.aspect {
        Aspect::PrimaryKey => Aspect::Unique,
        other => other,
    }
}

/// Whether one does what the other one did.
pub(super) fn is_alike(piece: &Trait, other: &Trait) -> bool {
    let is_index = |piece: &Trait| {
        matches!(
            piece.aspect,
            Aspect::Index | Aspect::Unique | Aspect::PrimaryKey
        )
    };
    family(piece) == family(other) || is_index(piece) && is_index(other)
}

/// Whether no statement could take it away but one that writes the whole anew without it.
pub(super) fn is_only_left_out(piece: &Trait) -> bool {
    match piece.aspect {
        Aspect::Default | Aspect::NotNull | Aspect::Collation | Aspect::Autoincrement => true,
        Aspect::Check | Aspect::Unique | Aspect::PrimaryKey | Aspect::ForeignKey => {
            piece.name.is_none()
        }
        _ => false,
    }
}

/// What declarations may call it.
pub(super) fn subjects(piece: &Trait) -> Vec<String> {
    let columns = piece.columns.iter();
    let mut subjects: Vec<String> = columns
        .map(|column| format!("{}.{column}", piece.table))
        .collect();
    subjects.extend(piece.name.clone());
    subjects.push(piece.table.clone());
    subjects
}

/// A piece in words.
pub(super) fn described(piece: &Trait) -> String {
    let Trait {
        table,
        aspect,
        columns,
        says,
        name,
        ..
    } = piece;
    let place = match &**columns {
        [] => table.clone(),
        [column] => format!("{table}.{column}"),
        columns => format!("{table} ({})", columns.join(", ")),
    };
    let name = name
        .as_ref()
        .map_or_else(String::new, |name| format!(" {name}"));
    match aspect {
        Aspect::Type => format!("the type of {place}"),
        Aspect::NotNull => format!("NOT NULL of {place}"),
        Aspect::Default => format!("the default `{says}` of {place}"),
        Aspect::Collation => format!("the collation `{says}` of {place}"),
        Aspect::Autoincrement => format!("AUTOINCREMENT of {place}"),
        Aspect::PrimaryKey => format!("the primary key{name} of {place}"),
        Aspect::Unique => format!("the uniqueness{name} of {place}"),
        Aspect::ForeignKey => format!("the foreign key{name} of {place}"),
        Aspect::Check => format!("the condition{name} `{says}` of {table}"),
        Aspect::Index => format!("the index{name} `{says}` of {table}"),
        Aspect::Comment => format!("the comment `{says}` on {place}"),
        Aspect::Grants => format!("the rights `{says}` on {place}"),
        Aspect::RowSecurity => format!("row level security of {place}"),
        Aspect::Statistics => format!("the statistics target of {place}"),
        Aspect::Storage => format!("the storage of {place}"),
    }
}
