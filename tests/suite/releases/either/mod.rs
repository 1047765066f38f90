//! What a release is has nothing to do with a database.

mod attacked;
mod copied;
mod deceived;
mod differing;
mod logins;
mod pushed;
mod reached;
mod references;
mod signed;
mod stated;
