//! The content of a database, read and compared: how two contents differ, told in words (`difference`), and what a value
//! means whichever database keeps it (`logical`).

mod difference;
mod logical;

pub(super) use difference::{Difference, Words, counted, differences, shown};
pub(super) use logical::{canonical, logical};

use crate::database::{self, Access, Content, Database, Stop};

/// Reads the content of a database.
pub(super) async fn take(database: &dyn Database) -> database::Result<Content> {
    let mut session = database.open(Access::Read, &Stop::default()).await?;
    session.begin_read().await?;
    let content = session.content().await;
    session.rollback().await?;
    content
}
