//! For whom a file for the target itself waits: tenants that have not done all files before it.

use std::collections::BTreeSet;

use super::work::{Schedule, Task, Waiting, Wave};
use crate::journal::Phase;

impl Waiting {
    /// In words, where `key` is the file's path and `name` tells a tenant's name.
    pub(super) fn in_words<'n>(
        &self,
        key: &str,
        name: impl Fn(usize) -> Option<&'n str>,
    ) -> String {
        let first = self.tenants.iter().find_map(|tenant| name(*tenant));
        let others = match self.tenants.len() {
            0 | 1 => String::new(),
            2 => " and another tenant".to_owned(),
            all => format!(" and {} other tenants", all - 1),
        };
        format!(
            "`{key}` is for the target itself and waits for `{}`{others}, and whatever comes after it waits for it",
            first.unwrap_or_default()
        )
    }
}

/// The same of tenants that the operator does not want.
pub(super) fn not_wanted(waiting: &str) -> String {
    format!("{waiting}; what it waits for has not failed: run it without `--only-failed`")
}

/// Whether the wave with this number is for the target itself and must wait: for tenants whose tasks before it are `not_done`.
pub(super) fn waits(
    waves: &[Wave],
    number: usize,
    not_done: impl Fn(&Task) -> bool,
) -> Option<Waiting> {
    let here = waves.get(number)?.first()?;
    if here.tenant.is_some() {
        return None;
    }
    // What was migrated late is finalized late, wherever it stands in the order.
    let comes_first = |task: &Task| task.phases == [Phase::Finalize] && task.file < here.file;
    let before = waves.iter().enumerate().flat_map(|(at, wave)| {
        let tasks = wave.iter();
        tasks.filter(move |task| at < number || comes_first(task))
    });
    let tenants: BTreeSet<usize> = before
        .filter(|task| not_done(task))
        .filter_map(|task| task.tenant)
        .collect();
    (!tenants.is_empty()).then_some(Waiting {
        file: here.file,
        tenants,
    })
}

impl Schedule {
    /// Leaves all tenants out but those that are wanted, and what has to wait for the others.
    pub(super) fn keep_tenants(&mut self, is_wanted: impl Fn(usize) -> bool) {
        let is_left_out = |task: &Task| task.tenant.is_some_and(|tenant| !is_wanted(tenant));
        self.waiting = cut(&mut self.first, is_left_out);
        match self.waiting {
            Some(_) => self.finalize.clear(),
            None => self.waiting = cut(&mut self.finalize, is_left_out),
        }
        self.retain(|task| !is_left_out(task));
    }
}

/// Cuts where a wave waits for what is left out.
fn cut(waves: &mut Vec<Wave>, is_left_out: impl Fn(&Task) -> bool) -> Option<Waiting> {
    let all = 0..waves.len();
    let (number, waiting) = all
        .filter_map(|number| Some((number, waits(waves, number, &is_left_out)?)))
        .next()?;
    waves.truncate(number);
    Some(waiting)
}

#[cfg(test)]
mod tests {
    use super::super::SourceKind::{SingleMigration, TenantMigration};
    use super::super::snapshot::{Missing, TenantSnapshot};
    use super::super::work::{Work, schedule};
    use super::*;

    /// A file for the target between two for tenants, of which these lack the first.
    fn left_of(lacking: Vec<usize>, wanted: usize) -> (Vec<usize>, Option<Waiting>) {
        let files = [
            ("one", TenantMigration),
            ("shared", SingleMigration),
            ("two", TenantMigration),
        ];
        let mut snapshot = TenantSnapshot::of(&files, &["acme", "beta"]);
        snapshot.missing = vec![Missing::Some(lacking), Missing::All, Missing::All];
        let mut schedule = schedule(&snapshot, Work::Finalize, None);
        schedule.keep_tenants(|tenant| tenant == wanted);
        let files = schedule.tasks().map(|task| task.file).collect();
        (files, schedule.waiting)
    }

    #[test]
    fn what_is_left_out_keeps_back_only_what_comes_after_it() {
        let waiting = Waiting {
            file: 1,
            tenants: BTreeSet::from([1]),
        };
        assert_eq!(left_of(vec![0, 1], 0), (vec![0], Some(waiting.clone())));
        assert_eq!(left_of(vec![0], 0), (vec![0, 1, 2, 0, 1, 2], None));
        assert_eq!(left_of(vec![1], 0), (vec![], Some(waiting)));
    }
}
