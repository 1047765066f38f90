//! Bytes as text between two lines: <https://www.rfc-editor.org/rfc/rfc7468>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many letters a line has.
const LINE: usize = 64;

/// The first block of one of these labels, with its label.
pub(super) fn read(text: &str, labels: &[&'static str]) -> Option<(&'static str, Vec<u8>)> {
    labels.iter().find_map(|label| {
        let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
        let (inner, _) = rest.split_once(&format!("-----END {label}-----"))?;
        let letters: String = inner.split_whitespace().collect();
        Some((*label, STANDARD.decode(letters).ok()?))
    })
}

/// A block with this label.
pub(super) fn write(label: &str, bytes: &[u8]) -> String {
    let letters = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
