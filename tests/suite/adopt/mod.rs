//! Databases that were migrated before wasmigrate came: by hand, or by another tool.

mod baseline;
mod crash;
mod import;
mod sections;
mod service;
mod tool;
mod unadopted;
