//! Who is trusted in a database.

/// Whose things are as good as the host's own: of its role, of roles of which it is a member, of superusers, and of the owner
/// of the database, who settles much of what happens in it anyway. What a superuser may do as anybody does not count. Whoever
/// made a role is a member of it from version 16 on, without being able to act as it; that does not count either.
pub(super) const TRUSTED: &str = "RECURSIVE member (role) AS (
    SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user)
    UNION SELECT roleid FROM pg_auth_members AS granted JOIN member ON granted.member = role
    WHERE coalesce((to_jsonb(granted) ->> 'inherit_option')::boolean, true)
    OR coalesce((to_jsonb(granted) ->> 'set_option')::boolean, true)
), trusted (role) AS (
    SELECT role FROM member
    UNION SELECT oid FROM pg_roles WHERE rolsuper OR rolname = 'pg_database_owner'
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()
)";

/// A query for which of the schemas $1, joined by $2, are not there, or belong to somebody who is neither trusted nor the role $3
/// of the steps: the name, and the owner.
pub(super) fn strange_schemas() -> String {
    format!(
        "WITH {TRUSTED} SELECT name::text, pg_get_userbyid(nspowner)::text
         FROM unnest(string_to_array($1, $2)::name[]) AS name LEFT JOIN pg_namespace ON nspname = name
         WHERE nspowner IS NULL OR nspowner NOT IN (SELECT role FROM trusted)
         AND pg_get_userbyid(nspowner)::text <> coalesce($3, '') ORDER BY 1"
    )
}
