//! What reads the bytes of others, as functions that a fuzzer can call: see `fuzz/`. No input may make one of them panic, loop,
//! or take memory out of proportion.

use crate::catalog::SqlStep;
use crate::config;
use crate::database::{
    Batch, ColumnData, ColumnValues, Database, DatabaseSettings, Location, PostgresOptions,
    SessionLimits, Value,
};
use crate::engine::{BaselineOrder, Event, ImportOrder, Overview, RepairOrder};
use crate::{releases, sandbox};

/// What reads bytes.
pub type Target = fn(&[u8]);

/// All of them, by the names of the fuzz targets and their corpora.
pub const TARGETS: [(&str, Target); 7] = [
    ("scripts", scripts),
    ("batches", batches),
    ("components", components),
    ("bodies", bodies),
    ("settings", settings),
    ("urls", urls),
    ("registries", registries),
];

fn database_settings() -> DatabaseSettings {
    DatabaseSettings {
        limits: SessionLimits {
            value_bytes: 1 << 20,
            lock_wait: std::time::Duration::ZERO,
            deadline: std::time::Duration::ZERO,
        },
        postgres: PostgresOptions::default(),
        create: false,
    }
}

fn database(url: &str) -> Option<Box<dyn Database>> {
    Some(match Location::parse(url, &database_settings()).ok()? {
        Location::File(file) => Box::new(file),
        Location::Server(server) => Box::new(server),
    })
}

/// The files of SQL steps: annotations, sections, and the words of both databases.
pub fn scripts(bytes: &[u8]) {
    let parsed = SqlStep::parse("0001_fuzzed", bytes);
    let whole = String::from_utf8_lossy(bytes).into_owned();
    let mut texts = vec![whole];
    if let Ok(step) = parsed {
        let sections = [step.migrate, step.finalize, step.reset];
        texts.extend(sections.into_iter().flatten().map(|section| section.text));
    }
    for url in ["sqlite:fuzzed.db", "postgres://fuzzed@localhost/fuzzed"] {
        let Some(database) = database(url) else {
            continue;
        };
        for text in &texts {
            let mut made = std::collections::BTreeSet::new();
            let _ = database.advise(text, false, &mut made);
            let _ = database.judge(text, &mut |_| true);
            let _ = database.judge(text, &mut |_| false);
        }
    }
    for text in &texts {
        crate::database::substitute(text, &['\n'], "{schema}", "\"a\"", "a", "a");
    }
}

/// Batches that components make.
pub fn batches(bytes: &[u8]) {
    let mut input = Input(bytes);
    let batch = Batch {
        row_count: input.number(),
        columns: (0..input.number().min(8)).map(|_| input.column()).collect(),
    };
    if batch.check().is_err() {
        return;
    }
    // What was checked can be read.
    for column in &batch.columns {
        for row in 0..batch.row_count.min(1_000) {
            let _ = column.cell(row);
        }
    }
    if batch.row_count < 1_000 {
        let rows: Vec<usize> = (0..batch.row_count).rev().collect();
        let _ = batch.select(&rows).append(&batch).into_rows().count();
    }
}

/// Files that claim to be components, as far as the host reads them itself.
pub fn components(bytes: &[u8]) {
    sandbox::read_foreign(bytes);
}

/// The bodies of requests, and what a service tells its clients.
pub fn bodies(bytes: &[u8]) {
    let _ = serde_json::from_slice::<RepairOrder>(bytes);
    let _ = serde_json::from_slice::<BaselineOrder>(bytes);
    let _ = serde_json::from_slice::<ImportOrder>(bytes);
    let _ = serde_json::from_slice::<Overview>(bytes);
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        let _ = serde_json::to_string(&event);
    }
}

/// Configuration files.
pub fn settings(bytes: &[u8]) {
    config::read_foreign(&String::from_utf8_lossy(bytes));
}

/// What names a database.
pub fn urls(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for url in [
        text.to_string(),
        format!("sqlite:{text}"),
        format!("postgres://{text}"),
    ] {
        let _ = Location::parse(&url, &database_settings());
    }
    crate::output::without_secrets(&text);
}

/// What registries answer, and what those write who push to them.
pub fn registries(bytes: &[u8]) {
    releases::read_foreign(bytes);
}

/// Bytes that are taken for numbers and texts.
struct Input<'b>(&'b [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Small, and now and then any number at all.
    fn number(&mut self) -> usize {
        match self.byte() {
            255 => (0..4).fold(0, |number, _| (number << 8) | usize::from(self.byte())),
            small => usize::from(small),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.number().min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }

    fn ends(&mut self) -> Vec<u32> {
        let length = self.number().min(self.0.len());
        let number = |_| u32::try_from(self.number()).unwrap_or(u32::MAX);
        (0..length).map(number).collect()
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn column(&mut self) -> ColumnData {
        let validity = self.bytes();
        let values = match self.byte() % 6 {
            0 => ColumnValues::Booleans(self.bytes().iter().map(|byte| byte % 2 == 1).collect()),
            1 => ColumnValues::Integers(self.bytes().into_iter().map(i64::from).collect()),
            2 => ColumnValues::Floats(self.bytes().into_iter().map(f64::from).collect()),
            3 => ColumnValues::Texts {
                ends: self.ends(),
                data: self.text(),
            },
            4 => ColumnValues::Bytes {
                ends: self.ends(),
                data: self.bytes(),
            },
            _ => ColumnValues::Mixed(
                (0..self.byte())
                    .map(|_| match self.byte() % 3 {
                        0 => Value::Null,
                        1 => Value::Text(self.text()),
                        _ => Value::Bytes(self.bytes()),
                    })
                    .collect(),
            ),
        };
        ColumnData { validity, values }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    /// How long each target is tried here; `WASMIGRATE_FUZZ_SECONDS` says how long otherwise.
    const TIME: Duration = Duration::from_millis(1_500);

    /// How long one input may take, in a build that is not optimized, on a machine that has much else to do.
    const MOST_TIME: Duration = Duration::from_secs(10);

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        let files = fs::read_dir(directory.join(target)).unwrap();
        let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// Another input, made of one or two that are known.
    fn mutated(random: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
        let one = |random: &mut StdRng| corpus[random.random_range(0..corpus.len())].clone();
        let mut input = one(random);
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..=input.len());
            match random.random_range(0..7) {
                0 => input.truncate(at),
                1 => input.insert(at, random.random()),
                2 if at < input.len() => input[at] = random.random(),
                3 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
                4 => {
                    let other = one(random);
                    let from = random.random_range(0..=other.len());
                    let to = random.random_range(from..=other.len().min(from + 64));
                    input.splice(at..at, other[from..to].iter().copied());
                }
                5 => {
                    let end = random.random_range(at..=input.len());
                    input.drain(at..end);
                }
                _ => {
                    let signs = b"'\"$`;:/?@[]{}()<>-\\\0\n\xff\xc3\x80";
                    input.insert(at, signs[random.random_range(0..signs.len())]);
                }
            }
        }
        input
    }

    fn fuzz(name: &str) {
        let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
        let seconds = std::env::var("WASMIGRATE_FUZZ_SECONDS").ok();
        let seconds = seconds.map(|seconds| seconds.parse::<u64>().unwrap());
        let time = seconds.map_or(TIME, Duration::from_secs);
        let corpus = corpus(name);
        let seed = seconds.map_or(7, |_| rand::random());
        let mut random = StdRng::seed_from_u64(seed);
        let (began, mut tried) = (Instant::now(), 0_u64);
        let known = corpus
            .iter()
            .cloned()
            .map(Some)
            .chain(std::iter::repeat(None));
        for input in known {
            let is_known = input.is_some();
            let input = input.unwrap_or_else(|| mutated(&mut random, &corpus));
            let since = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
            if outcome.is_err() || since.elapsed() > MOST_TIME {
                let file = std::env::temp_dir().join(format!("fuzzed-{name}"));
                fs::write(&file, &input).unwrap();
                panic!(
                    "the target {name} fails, after {tried} inputs, of {}",
                    file.display()
                );
            }
            tried += 1;
            if !is_known && began.elapsed() > time {
                break;
            }
        }
        // Seen with `--nocapture`.
        let _ = writeln!(std::io::stderr(), "{name}: {tried} inputs");
    }

    #[test]
    fn scripts_of_all_forms_are_read() {
        fuzz("scripts");
    }

    #[test]
    fn batches_of_all_forms_are_read() {
        fuzz("batches");
    }

    #[test]
    fn components_of_all_forms_are_read() {
        fuzz("components");
    }

    #[test]
    fn bodies_of_all_forms_are_read() {
        fuzz("bodies");
    }

    #[test]
    fn settings_of_all_forms_are_read() {
        fuzz("settings");
    }

    #[test]
    fn answers_of_registries_of_all_forms_are_read() {
        fuzz("registries");
    }

    #[test]
    fn urls_of_all_forms_are_read() {
        fuzz("urls");
    }
}
