//! Databases that were migrated before wasmigrate came: by hand, or by another tool.

mod ahead;
mod baseline;
mod begun;
mod crash;
mod import;
mod migrator;
mod more_tools;
mod sections;
mod service;
mod sources;
mod tool;
mod unadopted;
