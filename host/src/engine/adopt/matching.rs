//! Another tool's history, laid beside the files.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Baseline, StepFile, StepKind, Version, read_step_file, runs_last};
use crate::foreign::{Checksums, FileVersion, History, Tool};

/// What fits, and what does not.
#[derive(Debug, Default)]
pub(super) struct Matched {
    /// The files that were applied, by their place, with the time where the tool keeps it.
    pub(super) applied: BTreeMap<usize, Option<i64>>,
    /// The place of the baseline that stands for what was applied and has no file any more, with the time.
    pub(super) baseline: Option<(u64, Option<i64>)>,
    /// What forbids to take the history over.
    pub(super) problems: Vec<String>,
    /// What its operator ought to know.
    pub(super) remarks: Vec<String>,
}

/// Compares the files, in the order in which they run here, with what the tool did. A baseline stands for what is not there any
/// more, on a database that has all that it stands for. With `out_of_order`, a file may run that comes before what was applied.
pub(super) fn compare(
    tool: Tool,
    history: &History,
    files: &[StepFile],
    baselines: &BTreeMap<u64, Baseline>,
    out_of_order: bool,
) -> Matched {
    let mut matched = Matched {
        remarks: history.remarks.clone(),
        ..Matched::default()
    };
    let versions = matched.versions(tool, files);
    let by_version: BTreeMap<&Version, usize> = versions
        .iter()
        .map(|(version, place)| (version, *place))
        .collect();
    let checksums = match Checksums::of(tool, files) {
        Ok(checksums) => checksums,
        Err(error) => {
            matched.refuse(format!("cannot read the files: {error}"));
            return matched;
        }
    };
    let last = history.entries.iter().map(|entry| &entry.version).max();
    let last = last.max(history.through.as_ref());
    let had = baselines.values().rfind(|baseline| {
        let version = baseline.version();
        version.is_some() && version.as_ref() <= last
    });
    for entry in &history.entries {
        match by_version.get(&entry.version) {
            _ if entry.flaw.is_some() => {
                let flaw = entry.flaw.as_deref().unwrap_or_default();
                matched.refuse(format!("version {} {flaw}", entry.label));
            }
            None if had.is_some_and(|baseline| stands_for(baseline, &entry.version)) => {}
            None => matched.refuse(format!(
                "version {} was applied, but there is no file of it: put it back, or a baseline that stands for it",
                entry.label
            )),
            Some(place) => {
                if let Some(problem) = files
                    .get(*place)
                    .zip(entry.checksum.as_deref())
                    .and_then(|(file, applied)| changed(tool, &checksums, applied, file))
                {
                    matched.refuse(problem);
                }
                matched.applied.insert(*place, entry.applied_at);
            }
        }
    }
    matched.take_repeatable(tool, history, files, &checksums);
    if let Some(through) = &history.through {
        for (_, place) in versions.iter().filter(|(version, _)| version <= through) {
            matched.applied.entry(*place).or_default();
        }
    }
    matched.take_baseline(tool, history, files, &checksums, had);
    if last.is_some()
        && matched.is_nothing(files)
        && let Some(baseline) = baselines.values().next_back()
    {
        matched.refuse(format!(
            "`{}` would run, because nothing of what {} applied has a file here; it stands for later steps, too, which were \
             not applied: put the files of all of them back",
            baseline.file.file_name,
            tool.as_str()
        ));
    }
    for (version, place) in &versions {
        let is_included =
            had.is_some_and(|baseline| matched.baseline.is_some() && stands_for(baseline, version));
        if matched.applied.contains_key(place)
            || is_included
            || last.is_none_or(|last| version > last)
        {
            continue;
        }
        let Some(file) = files.get(*place) else {
            continue;
        };
        let older = format!(
            "`{}` is older than the last that {} applied, and was not applied itself",
            file.file_name,
            tool.as_str()
        );
        match tool.runs_older_ones() || out_of_order {
            true => matched.remarks.push(format!("{older}: it runs next")),
            false => matched.refuse(format!(
                "{older}: give it a version of its own after that, move it away, or pass `--out-of-order`"
            )),
        }
    }
    matched
}

/// Whether a baseline stands for a version.
fn stands_for(baseline: &Baseline, version: &Version) -> bool {
    let named = baseline.squashed.iter();
    let mut named = named.filter_map(|step| Version::parse(&step.index.to_string()));
    match (baseline.squashed.is_empty(), version.index()) {
        (true, _) => baseline.version().is_some_and(|last| *version <= last),
        (false, index) => {
            index.is_some_and(|index| baseline.includes(index)) || named.any(|it| it == *version)
        }
    }
}

impl Matched {
    /// Whether nothing was applied of the steps that run once.
    fn is_nothing(&self, files: &[StepFile]) -> bool {
        let mut applied = self.applied.keys().filter_map(|place| files.get(*place));
        self.baseline.is_none() && !applied.any(|file| !runs_last(file.index))
    }

    /// Takes the baseline as applied where it comes after all files that are.
    fn take_baseline(
        &mut self,
        tool: Tool,
        history: &History,
        files: &[StepFile],
        checksums: &Checksums,
        had: Option<&Baseline>,
    ) {
        let Some(baseline) = had else {
            return;
        };
        let applied = self.applied.keys().filter_map(|place| files.get(*place));
        let once = applied.filter(|file| !runs_last(file.index));
        if once.map(|file| file.index).max() >= Some(baseline.file.index) {
            return;
        }
        let begun = history.begun_with.as_ref();
        let begun = begun.filter(|entry| Some(&entry.version) == baseline.version().as_ref());
        let changed = begun
            .and_then(|entry| entry.checksum.as_deref())
            .and_then(|applied| changed(tool, checksums, applied, &baseline.file));
        self.problems.extend(changed);
        let at = begun.and_then(|entry| entry.applied_at);
        self.baseline = Some((baseline.file.index, at));
    }

    fn refuse(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Takes the files as applied that the tool runs again when they change, where they have not changed since.
    fn take_repeatable(
        &mut self,
        tool: Tool,
        history: &History,
        files: &[StepFile],
        checksums: &Checksums,
    ) {
        for entry in &history.repeatable {
            let is_it = |file: &StepFile| {
                tool.version_of(file) == FileVersion::Repeatable
                    && file.file_name == entry.file_name
            };
            let Some((place, file)) = files.iter().enumerate().find(|(_, file)| is_it(file)) else {
                continue;
            };
            match changed(tool, checksums, &entry.checksum, file) {
                None => _ = self.applied.insert(place, entry.applied_at),
                Some(_) => self.remarks.push(format!(
                    "`{}` has changed since {} ran it: it runs next",
                    file.file_name,
                    tool.as_str()
                )),
            }
        }
    }

    /// The version of each SQL file, in the order of the files, which must be that of the versions.
    fn versions(&mut self, tool: Tool, files: &[StepFile]) -> Vec<(Version, usize)> {
        let mut versions: Vec<(Version, usize)> = Vec::new();
        let mut seen = BTreeSet::new();
        // Components are ours.
        let sql = files.iter().enumerate();
        for (place, file) in sql.filter(|(_, file)| file.kind == StepKind::Sql) {
            let version = match tool.version_of(file) {
                FileVersion::Is(version) => version,
                FileVersion::Repeatable => continue,
                FileVersion::Otherwise(what) => {
                    self.refuse(format!("`{}` {what}", file.file_name));
                    continue;
                }
                FileVersion::Nothing => {
                    self.refuse(format!(
                        "`{}` is no migration to {}, and would run here: move it away, or add it when the import is done",
                        file.file_name,
                        tool.as_str()
                    ));
                    continue;
                }
            };
            if !seen.insert(version.clone()) {
                self.refuse(format!(
                    "`{}` has the version of another file: give it one of its own",
                    file.file_name
                ));
                continue;
            }
            if let Some((last, before)) = versions.last()
                && *last > version
                && let Some(before) = files.get(*before)
            {
                self.refuse(format!(
                    "`{}` comes before `{}` here, in the order of their names: write the numbers with as many digits, such as \
                     02 and 10; they are the same versions to {}",
                    before.file_name,
                    file.file_name,
                    tool.as_str()
                ));
            }
            versions.push((version, place));
        }
        versions
    }
}

/// Why the file is not the one that was applied, when it is not.
fn changed(tool: Tool, checksums: &Checksums, applied: &str, file: &StepFile) -> Option<String> {
    let bytes = match read_step_file(&file.path) {
        Ok(bytes) => bytes,
        Err(error) => return Some(format!("cannot read `{}`: {error}", file.path.display())),
    };
    let mut possible = checksums.of_file(file, &bytes);
    possible.extend(checksums.of_file(file, &without_own_lines(&bytes)));
    let now = possible.first()?;
    let what = match tool {
        Tool::Atlas => format!("`{}` or a file before it", file.file_name),
        _ => format!("`{}`", file.file_name),
    };
    (!possible.iter().any(|possible| possible == applied)).then(|| {
        format!(
            "{what} has changed since {} applied it: its checksum was {applied} and is {now}; restore the file and put the \
             change into a new one",
            tool.as_str()
        )
    })
}

/// A file without the lines that speak to the host: the other tool has not seen them.
fn without_own_lines(bytes: &[u8]) -> Vec<u8> {
    let is_own = |line: &[u8]| {
        let text = line.trim_ascii_start().strip_prefix(b"--");
        text.is_some_and(|text| text.trim_ascii_start().starts_with(b"wasmigrate:"))
    };
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| !is_own(line))
        .flatten()
        .copied()
        .collect()
}
