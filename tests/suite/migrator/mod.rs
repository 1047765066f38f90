//! The REST API v1 of the tool *migrator*, as its clients know it, and what that tool gets wrong.

mod postgres;
mod settings;
