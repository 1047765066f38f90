//! The checksums that tools keep of files.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha384};

use super::file::own_name;
use super::{FileVersion, Tool, flyway};
use crate::catalog::{StepFile, StepKind, hexadecimal, read_step_file, sha256};

/// The checksums of some files, as a tool would write them.
pub struct Checksums {
    tool: Tool,
    /// Those of all files before each one with it, where the tool keeps such.
    sums: BTreeMap<String, String>,
}

impl Checksums {
    /// Those of a tool. Reads all files where one checksum stands for several.
    pub fn of(tool: Tool, files: &[StepFile]) -> std::io::Result<Self> {
        let mut sums = BTreeMap::new();
        if tool == Tool::Atlas {
            let sql = files.iter().filter(|file| file.kind == StepKind::Sql);
            let mut named: Vec<_> = sql.map(|file| (own_name(file), file)).collect();
            named.sort_by(|(one, _), (other, _)| one.cmp(other));
            // https://github.com/ariga/atlas/blob/master/sql/migrate/dir.go, `NewHashFile`
            let mut sum = Sha256::new();
            for (name, file) in named {
                sum.update(&name);
                sum.update(read_step_file(&file.path)?);
                sums.insert(name, STANDARD.encode(sum.clone().finalize()));
            }
        }
        Ok(Self { tool, sums })
    }

    /// The checksums that a file may have; none when the tool keeps none.
    pub fn of_file(&self, file: &StepFile, bytes: &[u8]) -> Vec<String> {
        match self.tool {
            Tool::Flyway => vec![flyway::checksum(bytes).to_string()],
            // https://docs.rs/sqlx-core/latest/sqlx_core/migrate/struct.Migration.html
            Tool::Sqlx => vec![hexadecimal(&Sha384::digest(bytes))],
            Tool::Prisma => in_all_line_ends(bytes)
                .iter()
                .map(|bytes| sha256(bytes))
                .collect(),
            Tool::Refinery => refinery(self.tool, file, bytes),
            Tool::Atlas => self
                .sums
                .get(&own_name(file))
                .cloned()
                .into_iter()
                .collect(),
            Tool::Migrator
            | Tool::GolangMigrate
            | Tool::Dbmate
            | Tool::Goose
            | Tool::Diesel
            | Tool::Rails
            | Tool::NodePgMigrate
            | Tool::SqlMigrate => Vec::new(),
        }
    }
}

/// The file as it is, and as it would be where its lines end in the other way: Prisma takes all of them for the same file.
/// <https://github.com/prisma/prisma-engines/blob/main/schema-engine/connectors/schema-connector/src/checksum.rs>
fn in_all_line_ends(bytes: &[u8]) -> [Vec<u8>; 3] {
    let text = String::from_utf8_lossy(bytes);
    let unix = text.replace("\r\n", "\n");
    let windows = unix.replace('\n', "\r\n");
    [bytes.to_vec(), unix.into_bytes(), windows.into_bytes()]
}

/// SipHash of name, version and text, as Rust hashes them; the version has 32 bits, or 64 by a feature of refinery.
/// <https://github.com/rust-db/refinery/blob/main/refinery_core/src/runner.rs>, `Migration::unapplied`
fn refinery(tool: Tool, file: &StepFile, bytes: &[u8]) -> Vec<String> {
    let name = own_name(file);
    let name = name.split_once("__").map_or("", |(_, name)| name);
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    let FileVersion::Is(version) = tool.version_of(file) else {
        return Vec::new();
    };
    let Ok(version) = version.to_string().parse::<i64>() else {
        return Vec::new();
    };
    let hash = |version: &[u8]| {
        let hashed = [name.as_bytes(), &[0xff], version, bytes, &[0xff]].concat();
        sip_hash(&hashed).to_string()
    };
    let short = i32::try_from(version)
        .ok()
        .map(|version| hash(&version.to_le_bytes()));
    short
        .into_iter()
        .chain([hash(&version.to_le_bytes())])
        .collect()
}

/// SipHash-1-3 with keys of 0: <https://github.com/veorq/SipHash>.
fn sip_hash(bytes: &[u8]) -> u64 {
    let mut state: [u64; 4] = [
        0x736f_6d65_7073_6575,
        0x646f_7261_6e64_6f6d,
        0x6c79_6765_6e65_7261,
        0x7465_6462_7974_6573,
    ];
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    last[7] = bytes.len().to_le_bytes()[0];
    for chunk in chunks.iter().chain([&last]) {
        let word = u64::from_le_bytes(*chunk);
        state[3] ^= word;
        round(&mut state);
        state[0] ^= word;
    }
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state.into_iter().fold(0, |sum, part| sum ^ part)
}

fn round(state: &mut [u64; 4]) {
    let [a, b, c, d] = *state;
    let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
    let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
    let a = a.rotate_left(32);
    let (c, a) = (c.wrapping_add(b), a.wrapping_add(d));
    let (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
    *state = [a, b, c.rotate_left(32), d];
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;
    use crate::catalog::Role;

    #[test]
    fn refinery_hashes_as_rust_does() {
        for text in ["", "CREATE TABLE a (b INT);\n", "12345678", "1234567"] {
            let mut hasher = DefaultHasher::new();
            "initial".hash(&mut hasher);
            3_i32.hash(&mut hasher);
            text.hash(&mut hasher);
            let file = StepFile {
                index: 0,
                name: String::new(),
                kind: StepKind::Sql,
                file_name: String::new(),
                path: "V3__initial.sql".into(),
                undo: None,
                metadata: None,
                role: Role::default(),
            };
            let checksums = refinery(Tool::Refinery, &file, text.as_bytes());
            assert_eq!(checksums[0], hasher.finish().to_string());
        }
    }
}
