//! Passwords in the wrong place of a connection string. What is not the password is shown here, or known to everybody on the
//! server: so it must not hold one.

use crate::output::names_a_password;

/// Refuses a value that holds what looks like a password, because the string was not taken apart where its writer meant it.
pub(super) fn refuse(name: &str, value: &str) -> Result<(), String> {
    if matches!(name, "user" | "host" | "port" | "dbname") && value.contains("${") {
        return Err(format!(
            "the database's `{name}` holds `${{`, for which nobody has put in a value: `${{NAME}}` and `${{NAME:-text}}` are understood \
             in wasmigrate.toml and .env alone"
        ));
    }
    let is_misplaced = match name {
        "password" => false,
        // A socket without a file begins with this sign.
        "host" => value
            .split(',')
            .any(|host| host.trim().trim_start_matches('@').contains('@')),
        // To libpq, a whole connection string may stand here.
        "dbname" => {
            value.contains("://")
                || value
                    .split_once(':')
                    .is_some_and(|(_, rest)| rest.contains('@'))
        }
        _ => false,
    };
    match is_misplaced || (name != "password" && names_a_password(value)) {
        true => Err(format!(
            "the database's `{name}` holds what looks like a password (it is not shown): a URL has it before the host, as in \
             postgres://USER:PASSWORD@HOST/NAME, and its parameters after a `?` with `&` between them; pairs such as `host=HOST \
             password=PASSWORD` have spaces between them"
        )),
        false => Ok(()),
    }
}

/// Refuses a user with a colon, after which there is a password in most cases.
pub(super) fn refuse_in_user(name: &str, value: &str) -> Result<(), String> {
    match name == "user" && value.contains(':') {
        true => Err(
            "the database's `user` has a colon in it: give a password as `password`; for a role whose name has a colon, write \
             postgres://USER@HOST/NAME with %3A for the colon"
                .to_owned(),
        ),
        false => Ok(()),
    }
}
