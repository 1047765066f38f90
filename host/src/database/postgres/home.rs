//! Where the target is in its database, and where its journal.
//!
//! The journal has a schema of its own beside the one that is migrated: whatever is granted on the latter's tables, dumped of
//! them or listed does not meet the host's. Where the operator wants it there, or an earlier version has put it there, it is
//! found there.

use serde::Deserialize;

use super::super::{Error, ErrorKind, Result, unquote};
use super::text::quote_text;

/// What [`Surroundings`] are read from. Asks with the schemas of the search path, the schema that the operator names for the
/// journal, the role of the steps, and the names in the search path, whether there are such schemas or not.
///
/// What follows from the facts is worked out here: to plan a query for it takes the server longer than all else that it does
/// before a run.
pub(super) const ASK: &str = "
SELECT json_build_array(coalesce((
    SELECT json_agg(json_build_array(json_build_array(home, quote_ident(home)), json_build_array(usual, quote_ident(usual)))
        ORDER BY number)
    FROM (SELECT home::text, number, CASE
        WHEN home = 'public' THEN 'wasmigrate'
        WHEN octet_length(home::text) > 44 THEN 'wasmigrate_' || md5(home::text)
        ELSE 'wasmigrate_' || home
    END AS usual FROM unnest($1::name[]) WITH ORDINALITY AS path (home, number)) AS path
), '[]'), coalesce((
    SELECT json_agg(json_build_array(json_build_array(nspname, quote_ident(nspname)), (
            SELECT substring(description FROM '^journal of (.*)$') FROM pg_description
            WHERE objoid = pg_class.oid AND classoid = 'pg_class'::regclass AND objsubid = 0
        ), pg_has_role(relowner, 'USAGE'), coalesce((
            SELECT json_agg(home) FROM unnest($1::name[]) AS home WHERE has_schema_privilege(relowner, home::text, 'CREATE')
        ), '[]')) ORDER BY nspname)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'wasmigrate_journal' AND relkind IN ('r', 'p')
), '[]'), CASE WHEN $2::text IS NOT NULL THEN json_build_array($2::text, quote_ident($2::text)) END,
    json_build_array(current_user, session_user, $3::text), coalesce((
    SELECT json_agg(json_build_array(name, quote_ident(name)) ORDER BY number)
    FROM unnest($4::text[]) WITH ORDINALITY AS path (name, number)
), '[]'))::text";

/// A schema by its name, and the same as an identifier in quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name {
    plain: String,
    quoted: String,
}

impl Name {
    /// The same with an ending that needs no quotes.
    fn with(&self, ending: &str) -> Self {
        let quoted = match self.quoted.strip_suffix('"') {
            Some(quoted) => format!("{quoted}{ending}\""),
            None => format!("{}{ending}", self.quoted),
        };
        Self {
            plain: format!("{}{ending}", self.plain),
            quoted,
        }
    }
}

/// A schema of the search path, and where the journal of it is usually.
#[derive(Clone, Debug, Deserialize)]
struct Part {
    home: Name,
    usual: Name,
}

/// A journal in the database.
#[derive(Clone, Debug, Deserialize)]
struct Journal {
    place: Name,
    /// Of which schema it says to be.
    owner: Option<String>,
    /// Whether its role is this connection's or one that it is a member of.
    is_ours: bool,
    /// The schemas of the search path in which its role may make tables.
    creates_in: Vec<String>,
}

/// The search path and the journals in the database.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Surroundings {
    path: Vec<Part>,
    journals: Vec<Journal>,
    /// Where the operator wants the journal.
    named: Option<Name>,
    /// The roles by whose names a schema could come first: the connection's, and that of the steps.
    roles: Vec<Option<String>>,
    names_in_path: Vec<Name>,
}

/// Whose the journal of a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    New,
    Known,
    OfAnotherRole,
}

/// What comes after the usual name of a journal's schema where steps would make their tables in a schema of that name.
const APART: &str = "_journal";

impl Surroundings {
    /// Reads what the server answers to [`ASK`].
    pub(super) fn read(answer: &str) -> Result<Self> {
        serde_json::from_str(answer).map_err(|error| {
            Error::new(
                ErrorKind::Other,
                format!("the server does not tell where the journal is: {error}"),
            )
        })
    }

    /// The migrated schema and that of its journal. It is the first of the search path with a journal, and only else the first
    /// of all. Where steps would not make their tables in it, nothing is done: the journal would say of one schema what has
    /// happened in another.
    pub(super) fn home(&self) -> Result<Home> {
        let known = self.homes().find_map(|part| {
            let (place, found) = self.journal_of(part)?;
            Some((&part.home, place, found))
        });
        let new = || {
            let part = self.homes().next()?;
            Some((&part.home, self.new_journal(part), Found::New))
        };
        let first = self.path.first().map(|part| &part.home);
        let Some(((home, place, found), first)) = known.or_else(new).zip(first) else {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "no schema of the search path exists; create one, or name another with `options=-csearch_path%3D…`",
            ));
        };
        let missing = self.missing();
        let other = missing.unwrap_or(first);
        let is_apart = place != *home;
        let obstacle = match found {
            _ if home.plain.starts_with("pg_") || home.plain == "information_schema" => {
                "of the server"
            }
            _ if missing.is_some() => "missing",
            _ if found == Found::OfAnotherRole => "of another role",
            _ if self.holds_journal_of_another(home) => "of another journal",
            _ if found == Found::New
                && is_apart
                && (place == *first || self.is_role(&place.plain)) =>
            {
                "of steps"
            }
            _ if is_apart && place == *first => "moved before",
            _ if home != first => "later",
            _ if found == Found::New
                && self.journals.iter().any(|journal| journal.place == place) =>
            {
                "taken"
            }
            _ => "",
        };
        Home::unless(obstacle, home, &place, other)
    }

    /// Where a new journal of a migrated schema would be, all as identifiers in quotes.
    pub(super) fn usual(&self, migrated: &str) -> Option<String> {
        let part = self.homes().find(|part| part.home.quoted == migrated)?;
        Some(self.new_journal(part).quoted)
    }

    /// Whether the schema of a journal comes before the migrated one in the search path, or does so in that of a role by its name,
    /// all as identifiers in quotes.
    pub(super) fn comes_first(&self, journal: &str, migrated: &str) -> bool {
        let place = |schema: &str| {
            self.names_in_path
                .iter()
                .position(|name| name.quoted == schema)
        };
        let is_before = match (place(journal), place(migrated)) {
            (Some(journal), Some(migrated)) => journal < migrated,
            (journal, None) => journal.is_some(),
            (None, Some(_)) => false,
        };
        journal != migrated && (is_before || self.is_role(&unquote(journal)))
    }

    /// Whether a schema of this name is in the search path.
    pub(super) fn has(&self, schema: &str) -> bool {
        self.path.iter().any(|part| part.home.plain == schema)
    }

    /// The schemas of the search path but for those of the others' journals.
    fn homes(&self) -> impl Iterator<Item = &Part> {
        self.path.iter().filter(|part| {
            let is_of = |other: &Part| {
                part.home == other.usual || part.home.plain == other.usual.with(APART).plain
            };
            !self.path.iter().any(is_of)
        })
    }

    /// Where the journal of a schema is, if there is one.
    fn journal_of(&self, part: &Part) -> Option<(Name, Found)> {
        let home = &part.home.plain;
        let known = |journal: &Journal| Some((journal.place.clone(), Found::Known));
        let usual = [&part.usual, &part.usual.with(APART), &part.home];
        for place in self.named.iter().chain(usual) {
            let is_there = |journal: &&Journal| {
                journal.place == *place && journal.owner.as_ref().is_none_or(|owner| owner == home)
            };
            if let Some(journal) = self.journals.iter().find(is_there) {
                return known(journal);
            }
        }
        let elsewhere = || {
            self.journals
                .iter()
                .filter(|journal| journal.owner.as_ref() == Some(home))
        };
        if let Some(journal) = elsewhere().find(|journal| journal.is_ours) {
            return known(journal);
        }
        let could_work_there = |journal: &&Journal| journal.creates_in.contains(home);
        match self.named {
            Some(_) => None,
            None => elsewhere()
                .find(could_work_there)
                .map(|journal| (journal.place.clone(), Found::OfAnotherRole)),
        }
    }

    fn new_journal(&self, part: &Part) -> Name {
        match &self.named {
            Some(named) => named.clone(),
            None if self.is_role(&part.usual.plain) => part.usual.with(APART),
            None => part.usual.clone(),
        }
    }

    /// Whether a schema comes first for a role by its name (`"$user"`).
    fn is_role(&self, schema: &str) -> bool {
        let mut roles = self.roles.iter().flatten();
        roles.any(|role| role == schema)
    }

    fn holds_journal_of_another(&self, home: &Name) -> bool {
        home.plain != "public"
            && self.journals.iter().any(|journal| {
                journal.place == *home
                    && journal
                        .owner
                        .as_ref()
                        .is_some_and(|owner| *owner != home.plain)
            })
    }

    /// The first schema by its name that the search path names and that has a journal, but that is not there.
    fn missing(&self) -> Option<&Name> {
        let is_missing = |name: &&Name| {
            let has_journal =
                |journal: &Journal| journal.is_ours && journal.owner.as_ref() == Some(&name.plain);
            self.path.iter().all(|part| part.home != **name)
                && self.journals.iter().any(has_journal)
        };
        self.names_in_path.iter().filter(is_missing).min()
    }
}

/// Why the journal is not moved to a schema that would come before the migrated one, all as identifiers in quotes.
pub(super) fn not_moved(journal: &str, to: &str, migrated: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the journal stays in the schema {journal}: {to} would come before {migrated} in the search path, by its own name or by \
         that of the role (`\"$user\"`), so that steps would make their tables in it; name another schema with \
         `postgres.journal_schema`"
        ),
    )
}

/// The schema that would be migrated is found by `"$user"` alone, and belongs to somebody who may have made it for that. The
/// schema as an identifier in quotes.
pub(super) fn of_a_stranger(schema: &str, owner: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the schema {schema} comes first in the search path only because it has the role's name (`\"$user\"`), and it belongs \
             to the role {owner}, who could run anything in the name of this connection's role there, and who is neither that \
             role nor one that it is a member of, the owner of the database or a superuser: if {schema} is to be migrated, put \
             `options=-csearch_path%3D{schema}` in the URL; if not, name the schema that is, such as \
             `options=-csearch_path%3Dpublic`, or let {owner} or a superuser drop {schema}"
        ),
    )
}

/// A schema has come before the one that is migrated, both as identifiers in quotes, since the host has looked.
pub(super) fn comes_before(schema: &str, migrated: &str) -> Error {
    Error::not_permitted(format!(
        "the schema {schema} would come before {migrated} in the search path from now on, so that later steps would make their \
         tables in {schema}, while the journal is that of {migrated}; nothing of this is kept: to go on with {migrated}, put \
         `options=-csearch_path%3D{migrated}` in the URL; to migrate {schema} as a target with a journal of its own, make it \
         first and put `options=-csearch_path%3D{schema}` there"
    ))
}

/// A schema to migrate, and that of its journal, as identifiers in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) schema: String,
    pub(super) journal: String,
    /// The journal's schema without quotes, where steps work in another.
    apart: Option<String>,
}

impl Home {
    fn new(schema: String, journal: String) -> Self {
        let apart = (journal != schema).then(|| unquote(&journal));
        Self {
            schema,
            journal,
            apart,
        }
    }

    /// The same with the journal elsewhere.
    pub(super) fn moved_to(&self, journal: String) -> Self {
        Self::new(self.schema.clone(), journal)
    }

    /// The schemas, unless something is in the way, which is about the other one.
    fn unless(obstacle: &str, home: &Name, place: &Name, other: &Name) -> Result<Self> {
        let [schema, journal, other] = [home, place, other].map(|name| &name.quoted);
        let refused = |message: String| Err(Error::new(ErrorKind::Unavailable, message));
        match obstacle {
            "" => Ok(Self::new(schema.clone(), journal.clone())),
            "of the server" => refused(format!(
                "the schema {schema}, which comes first in the search path, is the server's own: name the schema to migrate with \
                 `options=-csearch_path%3D…` in the URL"
            )),
            "missing" => refused(format!(
                "the search path names the schema {other}, which has a journal, but the schema is not there, or the role has no \
                 USAGE on it, so that steps would work in {schema}: make it visible again, or name the schema to migrate with \
                 `options=-csearch_path%3D{schema}` in the URL"
            )),
            "of another role" => refused(format!(
                "the schema {journal} holds a journal of {schema} which belongs to another role: connect as that role or as a \
                 member of it, or, if it is not the journal of this target, name the schema of its journal with \
                 `postgres.journal_schema`"
            )),
            "of another journal" => refused(format!(
                "the schema {schema}, which comes first in the search path, holds the journal of another schema: name the schema \
                 to migrate with `options=-csearch_path%3D…` in the URL"
            )),
            "later" => refused(format!(
                "the journal in the schema {journal} is that of {schema}, but {other} comes before it in the search path now, so \
                 that steps would make their tables in {other}: to go on with {schema}, put `options=-csearch_path%3D{schema}` \
                 in the URL; to migrate {other} as a target with a journal of its own, `options=-csearch_path%3D{other}`"
            )),
            "moved before" => refused(format!(
                "the journal's schema {journal} comes first in the search path of the role, so that steps would make their tables in it: put \
                 `options=-csearch_path%3D{schema}` in the URL. With that, and with another schema as `postgres.journal_schema`, \
                 `wasmigrate repair --move-journal` moves the journal, after which the option may go again"
            )),
            "taken" => refused(format!(
                "the schema {journal} holds the journal of another schema than {schema}: name one for this target with \
                 `postgres.journal_schema`"
            )),
            _ => refused(format!(
                "the journal's schema {journal} comes first in the search path of the role, so that steps would make their tables \
                 in it: name the schema to migrate with `options=-csearch_path%3D{schema}` in the URL, or another schema with \
                 `postgres.journal_schema`"
            )),
        }
    }

    /// The journal's schema where it is apart from the tables of steps, which have nothing to do in it.
    pub(super) fn apart(&self) -> Option<&str> {
        self.apart.as_deref()
    }

    /// A statement that writes down of which schema the journal is.
    pub(super) fn mark(&self) -> String {
        let owner = format!("journal of {}", unquote(&self.schema));
        format!(
            "COMMENT ON TABLE {}.wasmigrate_journal IS {}",
            self.journal,
            quote_text(&owner)
        )
    }
}
