//! Work on all cores.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// Does the work for each item, on as many threads as there are cores; the results are in the order of the items. Threads
/// of their own, because each runs a small runtime, into which a pool that steals work could not be entered twice.
pub(super) fn each<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let count = items.len();
    let queue: Mutex<VecDeque<(usize, T)>> = Mutex::new(items.into_iter().enumerate().collect());
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(count));
    let worker = || {
        loop {
            let next = queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some((number, item)) = next else {
                return;
            };
            let result = work(item);
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((number, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..cores.min(count) {
            scope.spawn(worker);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Runs a future to its end on this thread.
pub(super) fn wait<F: Future>(future: F) -> Result<F::Output, super::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| super::Error::Setup(format!("cannot start a runtime: {error}")))?;
    Ok(runtime.block_on(future))
}
