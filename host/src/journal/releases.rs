//! The releases that steps were of, and which run was of which.

use serde::{Deserialize, Serialize};

use super::cells::{columns, integer, number, text};
use super::tables::tables;
use super::{now, schema};
use crate::database::{Result, Session, Value};

/// A release, as it is remembered when it is gone from where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleaseRecord {
    /// Where it was taken from.
    pub reference: String,
    /// The digest of its index, as `sha256:…`.
    pub digest: String,
    /// The application that it is for.
    pub lineage: String,
    /// Its version.
    pub version: String,
    /// Who has signed it, of those who had to: each with its key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// The digest of the rules by which that was enough; none where there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
}

const COLUMNS: &str = "release.reference, release.digest, release.lineage, release.version, release.signers, release.policy_digest";

/// Writes down that a run is of a release.
pub async fn write_release(
    session: &mut dyn Session,
    run: i64,
    release: &ReleaseRecord,
) -> Result<()> {
    let signers = release.signers.join("\n");
    let rows = tables(session)
        .rows(
            "SELECT id FROM wasmigrate_release
             WHERE reference = $1 AND digest = $2 AND lineage = $3 AND version = $4 AND coalesce(signers, '') = $5
             AND coalesce(policy_digest, '') = $6
             ORDER BY id LIMIT 1",
            &[
                release.reference.clone().into(),
                release.digest.clone().into(),
                release.lineage.clone().into(),
                release.version.clone().into(),
                signers.clone().into(),
                release.policy_digest.clone().unwrap_or_default().into(),
            ],
        )
        .await?;
    let id = match rows.iter().flatten().next() {
        Some(id) => {
            let id = number(id);
            let statement = "UPDATE wasmigrate_release SET used_at = $1 WHERE id = $2";
            tables(session)
                .execute_later(statement, &[now().into(), id.into()])
                .await?;
            id
        }
        None => {
            let next = "SELECT coalesce(max(id), 0) + 1 FROM wasmigrate_release";
            let id = integer(&tables(session).rows(next, &[]).await?, 0);
            tables(session)
                .execute_later(
                    "INSERT INTO wasmigrate_release (id, reference, digest, lineage, version, signers, policy_digest, first_run, used_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    &[
                        id.into(),
                        release.reference.clone().into(),
                        release.digest.clone().into(),
                        release.lineage.clone().into(),
                        release.version.clone().into(),
                        signers.into(),
                        release.policy_digest.clone().into(),
                        run.into(),
                        now().into(),
                    ],
                )
                .await?;
            id
        }
    };
    let statement = "UPDATE wasmigrate_run SET release = $1 WHERE id = $2";
    tables(session)
        .execute_later(statement, &[id.into(), run.into()])
        .await
}

/// The release of the newest run that was of one.
pub async fn read_last_release(session: &mut dyn Session) -> Result<Option<ReleaseRecord>> {
    let last = "run.id = (SELECT max(id) FROM wasmigrate_run WHERE release IS NOT NULL)";
    Ok(read(session, last, &[]).await?.pop())
}

/// The release of a run; none when it was of none.
pub async fn read_release_of(session: &mut dyn Session, run: i64) -> Result<Option<ReleaseRecord>> {
    Ok(read(session, "run.id = $1", &[run.into()]).await?.pop())
}

/// All releases of an application, by their first runs.
pub async fn read_releases(session: &mut dyn Session, lineage: &str) -> Result<Vec<ReleaseRecord>> {
    let of_lineage = "release.lineage = $1 AND run.id = release.first_run";
    read(session, of_lineage, &[lineage.into()]).await
}

async fn read(
    session: &mut dyn Session,
    condition: &str,
    parameters: &[Value],
) -> Result<Vec<ReleaseRecord>> {
    let version = schema::version(session).await?;
    if version.is_none_or(|version| version < schema::SIXTH) {
        return Ok(Vec::new());
    }
    let rows = tables(session)
        .rows(
            &format!(
                "SELECT {COLUMNS} FROM wasmigrate_run AS run JOIN wasmigrate_release AS release ON release.id = run.release
                 WHERE {condition} ORDER BY release.id"
            ),
            parameters,
        )
        .await?;
    let read = |row| {
        let [reference, digest, lineage, version, signers, policy_digest] = columns(row)?;
        let signers = signers.as_text().unwrap_or_default().lines();
        Ok(ReleaseRecord {
            reference: text(&reference),
            digest: text(&digest),
            lineage: text(&lineage),
            version: text(&version),
            signers: signers.map(str::to_owned).collect(),
            policy_digest: policy_digest.as_text().map(str::to_owned),
        })
    };
    rows.into_iter().map(read).collect()
}
