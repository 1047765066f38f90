//! Steps that run after all that have a number: repeatable ones, `R__name.sql` as Flyway names them, whenever their content is
//! another one than the last time, and then seeds. Each are in the order of their names.
//!
//! Each is known by an index as all steps are: one above all that a file's name can say, made from its name. So it stays the
//! same step whatever else is in the directory. Such an index is exact as a 64-bit float, too, for those who read JSON so.

use super::{Catalog, StepFile, sha256};

/// What the names of repeatable steps begin with.
const PREFIX: &str = "R__";

/// The least index of a step without a number.
const FIRST: u64 = 1 << 63;

/// The least index of a seed.
const FIRST_SEED: u64 = FIRST | 1 << 62;

/// How many hexadecimal digits of a name's digest are in the index, and where they begin.
const DIGITS: usize = 12;
const SHIFT: u32 = 62 - 4 * 12;

/// Whether the step with this index has no number, and runs after all that have one. It has no finalize and no reset.
pub fn runs_last(index: u64) -> bool {
    index >= FIRST
}

/// Whether the step with this index is a seed.
pub fn is_seed(index: u64) -> bool {
    index >= FIRST_SEED
}

/// Sorts steps by how they run: those with a number by that, then the repeatable ones by name, then seeds by name.
pub fn running_order(index: u64, name: &str) -> (u8, &str, u64) {
    match runs_last(index) {
        true => (1 + u8::from(is_seed(index)), name, index),
        false => (0, "", index),
    }
}

/// Whether a file of this name is repeatable.
pub(super) fn is_repeatable_name(stem: &str) -> bool {
    stem.strip_prefix(PREFIX)
        .is_some_and(|name| !name.is_empty())
}

/// The index of the repeatable step with this name.
pub(super) fn repeatable_index(name: &str) -> u64 {
    FIRST | hashed(name)
}

/// The index of the seed with this name.
pub(super) fn seed_index(name: &str) -> u64 {
    FIRST_SEED | hashed(name)
}

fn hashed(name: &str) -> u64 {
    let digest = sha256(name.as_bytes());
    let digits = digest.get(..DIGITS).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default() << SHIFT
}

impl Catalog {
    /// The steps that have a number, in order.
    pub fn numbered(&self) -> impl DoubleEndedIterator<Item = &StepFile> {
        self.steps.range(..FIRST).map(|(_, step)| step)
    }

    /// The steps that run after those: what is repeatable, and seeds.
    pub fn unnumbered(&self) -> Vec<&StepFile> {
        let mut steps: Vec<&StepFile> = self.steps.range(FIRST..).map(|(_, step)| step).collect();
        steps.sort_by(|one, other| {
            running_order(one.index, &one.name).cmp(&running_order(other.index, &other.name))
        });
        steps
    }

    /// Leaves out what comes after `last`, which may be one before a repeatable step, and baselines that go further.
    pub(crate) fn cut_after(&mut self, last: u64) {
        self.baselines.retain(|index, _| *index <= last);
        let is_after = |index: u64| index > last;
        self.unbuilt
            .retain(|step| !step.index.is_some_and(is_after));
        if !runs_last(last) {
            self.steps.retain(|index, _| *index <= last);
            return;
        }
        let mut kept: Vec<u64> = Vec::new();
        for step in self.unnumbered() {
            if step.index == last + 1 {
                break;
            }
            kept.push(step.index);
            if step.index == last {
                break;
            }
        }
        self.steps
            .retain(|index, _| !runs_last(*index) || kept.contains(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_above_all_others_and_exact_as_a_float() {
        for index in [
            repeatable_index("R__views"),
            repeatable_index("R__ü"),
            seed_index("seeds/a"),
        ] {
            assert!(runs_last(index));
            // A float has 53 bits for 64.
            assert_eq!(index % (1 << 11), 0);
        }
        assert_ne!(repeatable_index("R__a"), repeatable_index("R__b"));
        assert!(!runs_last(i64::MAX as u64));
        assert!(!is_repeatable_name("R__") && !is_repeatable_name("R1__a"));
    }

    #[test]
    fn they_run_last_and_by_name() {
        let mut names = ["R__b", "R__a", "V2", "V1"].map(|name| match is_repeatable_name(name) {
            true => (repeatable_index(name), name),
            false => (name[1..].parse().unwrap(), name),
        });
        names.sort_by_key(|(index, name)| running_order(*index, name));
        assert_eq!(names.map(|(_, name)| name), ["V1", "V2", "R__a", "R__b"]);
    }
}
