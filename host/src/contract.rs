//! The text of the contract between a step and its host, for those who build steps.

/// Its files, by their paths in `wit/`: those of 0.1, and what 0.2 adds to them.
pub const FILES: [(&str, &str); 7] = [
    ("database.wit", include_str!("../../wit/database.wit")),
    ("report.wit", include_str!("../../wit/report.wit")),
    ("settings.wit", include_str!("../../wit/settings.wit")),
    ("step.wit", include_str!("../../wit/step.wit")),
    ("transform.wit", include_str!("../../wit/transform.wit")),
    ("types.wit", include_str!("../../wit/types.wit")),
    ("0.2/step.wit", include_str!("../../wit/0.2/step.wit")),
];

/// With what the files of each version begin. A version needs those before it.
const PACKAGES: [&str; 2] = [
    "package wasmigrate:migration@0.1.0;\n",
    "package wasmigrate:migration@0.2.0;\n",
];

/// What a step exports, of all versions together.
pub const STEP_EXPORTS: [&str; 8] = [
    "describe",
    "has-finalize",
    "has-reset",
    "check",
    "count",
    "migrate",
    "finalize",
    "reset",
];

/// Each version as one text.
pub fn packages() -> [String; 2] {
    PACKAGES.map(|package| {
        let texts = FILES.iter();
        let texts = texts.filter_map(|(_, text)| text.strip_prefix(package));
        format!("{package}{}", texts.collect::<String>())
    })
}
