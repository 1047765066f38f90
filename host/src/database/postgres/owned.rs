//! `REASSIGN OWNED` and `DROP OWNED` of the role that owns the journal.

use super::super::{Error, Result};
use super::lexer::{Kind, Token};

/// Words for whoever a session works as.
const ONESELF: [&str; 3] = ["CURRENT_ROLE", "CURRENT_USER", "SESSION_USER"];

/// Refuses what would take the journal along with all else that its owner has. `user` is the role that the host connects as.
pub(super) fn check(tokens: &[Token<'_>], user: &str) -> Result<()> {
    let [first, owned, by, roles @ ..] = tokens else {
        return Ok(());
    };
    if !first.is_any(&["REASSIGN", "DROP"]) || !owned.is("OWNED") || !by.is("BY") {
        return Ok(());
    }
    let is_owner = |token: &&Token<'_>| {
        let is_name = matches!(token.kind, Kind::Word | Kind::Quoted);
        is_name && (token.is_any(&ONESELF) || token.name().as_deref() == Some(user))
    };
    let of = roles.iter().take_while(|token| !token.is("TO"));
    let Some(owner) = of.into_iter().find(is_owner) else {
        return Ok(());
    };
    let (what, would, way) = match first.is("DROP") {
        true => (
            "DROP OWNED",
            "drop all that the role owns in this database and take its rights away",
            "DROP by name what is meant",
        ),
        false => (
            "REASSIGN OWNED",
            "give away all that the role owns in this database",
            "ALTER … OWNER TO … for each thing that is meant",
        ),
    };
    Err(Error::not_permitted(format!(
        "not permitted: {what} BY {}: it would {would}, the journal of the host among it: write {way}",
        owner.text
    )))
}
