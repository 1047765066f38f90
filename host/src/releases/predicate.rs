//! What statements about a release are called: <https://in-toto.io>

/// Short names of statements that are common, as cosign has them.
const SHORT: [(&str, &str); 3] = [
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("spdxjson", "https://spdx.dev/Document"),
];

/// The type of a statement, which may be named shortly.
pub fn predicate_type(named: &str) -> String {
    let known = SHORT.iter().find(|(short, _)| *short == named);
    known.map_or(named, |(_, whole)| whole).to_owned()
}
