//! Endings of what is known to stand beside steps without being one.

/// What stands beside a file and says something of it.
pub(super) const COMPANIONS: [&str; 11] = [
    "asc", "license", "map", "md", "md5", "meta", "sha1", "sha256", "sha512", "sig", "snap",
];

/// What people keep among migrations that nobody takes for one, whatever it is called: texts for readers, pictures, rows, files of
/// databases.
pub(super) const PAPERS: [&str; 35] = [
    "adoc", "csv", "db", "doc", "docx", "drawio", "eml", "gif", "htm", "html", "jpeg", "jpg",
    "log", "markdown", "mmd", "odg", "ods", "odt", "org", "parquet", "pdf", "png", "pptx", "puml",
    "rst", "rtf", "svg", "tsv", "webp", "xls", "xlsm", "xlsx", "xps", "zip", "7z",
];

/// What stands beside files of migrations whose names need no number, and is none: settings, and what tools keep.
const SETTINGS: [&str; 18] = [
    "bat",
    "cfg",
    "cmd",
    "conf",
    "env",
    "ini",
    "json",
    "json5",
    "lock",
    "mod",
    "properties",
    "sum",
    "tar",
    "tgz",
    "toml",
    "txt",
    "work",
    "xml",
];

/// Whether a file with this ending stands among migrations without being one.
pub(super) fn stands_beside(ending: &str) -> bool {
    COMPANIONS.contains(&ending) || PAPERS.contains(&ending) || SETTINGS.contains(&ending)
}
