//! The text of the contract between a step and its host, for those who build steps.

/// Its files, by name.
pub const FILES: [(&str, &str); 6] = [
    ("database.wit", include_str!("../../wit/database.wit")),
    ("report.wit", include_str!("../../wit/report.wit")),
    ("settings.wit", include_str!("../../wit/settings.wit")),
    ("step.wit", include_str!("../../wit/step.wit")),
    ("transform.wit", include_str!("../../wit/transform.wit")),
    ("types.wit", include_str!("../../wit/types.wit")),
];

/// With what each of them begins.
const PACKAGE: &str = "package wasmigrate:migration@0.1.0;\n";

/// All of them as one text.
pub fn whole() -> String {
    let texts = FILES.iter();
    let texts = texts.map(|(_, text)| text.strip_prefix(PACKAGE).unwrap_or(text));
    format!("{PACKAGE}{}", texts.collect::<String>())
}
