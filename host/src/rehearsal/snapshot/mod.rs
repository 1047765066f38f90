//! The content of a database, read and compared: how two contents differ, told in words (`difference`), and what a value
//! means whichever database keeps it (`logical`).

mod difference;
mod logical;

pub(super) use difference::{Difference, Words, counted, differences, shown};
pub(super) use logical::{canonical, logical};

use crate::database::{self, Access, Content, Database, Stop, Trait};

/// Reads the content of a database, and what its tables are beside that.
pub(super) async fn take_with_traits(
    database: &dyn Database,
) -> database::Result<(Content, Vec<Trait>)> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let content = session.content().await;
    let traits = session.traits().await;
    session.rollback().await?;
    Ok((content?, traits?))
}

/// Reads the content of a database.
pub(super) async fn take(database: &dyn Database) -> database::Result<Content> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let content = session.content().await;
    session.rollback().await?;
    content
}
