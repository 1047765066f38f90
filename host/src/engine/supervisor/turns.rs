//! How much is answered at the same time.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// How many questions are answered at the same time. On a server, each takes a connection, of which it has few: they are
/// the application's and the run's, too.
const QUESTIONS: usize = 8;

/// How many answers that go on for as long as somebody reads them are given at the same time. They are counted apart, so that
/// slow readers hold up none but each other.
const LONG_QUESTIONS: usize = 4;

/// How many questions are answered at the same time for which files are read, which take as long as these are. They hold up none
/// but each other.
const QUESTIONS_ABOUT_FILES: usize = 2;

/// How many probes are answered at the same time. They wait for nothing else.
const PROBES: usize = 2;

/// How many components describe themselves at the same time. They are strangers' code, and may take their time: they hold up
/// none but each other.
const DESCRIPTIONS: usize = 2;

/// Who may answer now.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) questions: Arc<Semaphore>,
    pub(super) long_questions: Arc<Semaphore>,
    pub(super) questions_about_files: Arc<Semaphore>,
    pub(super) probes: Arc<Semaphore>,
    pub(super) descriptions: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        Self {
            questions: turns(QUESTIONS),
            long_questions: turns(LONG_QUESTIONS),
            questions_about_files: turns(QUESTIONS_ABOUT_FILES),
            probes: turns(PROBES),
            descriptions: turns(DESCRIPTIONS),
        }
    }
}
