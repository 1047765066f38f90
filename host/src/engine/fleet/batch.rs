//! Pieces in SQL that share a transaction, run without waiting for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::atomic::Failed;
use super::crew::{Crew, finish};
use super::work::Piece;
use crate::catalog::Section;
use crate::database::{Listener, Script, ScriptError, Session};
use crate::engine::event::Unit;
use crate::engine::failure::Failure;
use crate::engine::program::{self, Program};
use crate::engine::transaction::{Meter, RunContext, StepOutput};
use crate::journal::{self, AppliedRecord, Phase, StepState};
use crate::output::Level;
use crate::sandbox;

/// How many pieces are run together at most.
const MOST_PIECES: usize = 256;

/// How many bytes of SQL they have together, unless one of them has more.
const MOST_BYTES: usize = 1 << 20;

/// Some pieces of which each has something to say in SQL.
pub(super) struct Batch<'b> {
    pieces: Vec<&'b Piece>,
    turns: Vec<Turn>,
}

/// One phase of one piece.
struct Turn {
    /// The place of the piece.
    piece: usize,
    phase: Phase,
    section: Section,
    is_first: bool,
}

impl<'b> Batch<'b> {
    /// The first pieces of these, as far as they can be run together; none when the first cannot.
    pub(super) fn next(
        crew: &Crew<'_>,
        rest: &[&'b Piece],
        is_here: impl Fn(&Piece) -> bool,
    ) -> Option<Self> {
        // Who hears each statement wants to know how long it took, too.
        if crew.observer.hears_statements() {
            return None;
        }
        let mut batch = Self {
            pieces: Vec::new(),
            turns: Vec::new(),
        };
        let mut bytes = 0;
        for piece in rest.iter().take(MOST_PIECES) {
            let Some(turns) = batch.turns(crew, piece).filter(|_| is_here(piece)) else {
                break;
            };
            bytes += turns
                .iter()
                .map(|turn| turn.section.text.len())
                .sum::<usize>();
            batch.pieces.push(piece);
            batch.turns.extend(turns);
            if bytes >= MOST_BYTES {
                break;
            }
        }
        (!batch.pieces.is_empty()).then_some(batch)
    }

    /// What a piece has to say; none when that is nothing, not in SQL, or cannot be said for its tenant.
    fn turns(&self, crew: &Crew<'_>, piece: &Piece) -> Option<Vec<Turn>> {
        let Program::Sql(sql) = &crew.loaded.get(&piece.file)?.program else {
            return None;
        };
        let mut turns = Vec::new();
        for phase in piece.phases {
            let rendered = crew.render(sql, piece, *phase).ok()?;
            let sql = rendered.as_ref().unwrap_or(sql);
            if let Some(section) = program::section(sql, *phase) {
                turns.push(Turn {
                    piece: self.pieces.len(),
                    phase: *phase,
                    section: section.clone(),
                    is_first: turns.is_empty(),
                });
            }
        }
        (!turns.is_empty()).then_some(turns)
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &'b Piece> {
        self.pieces.iter().copied()
    }

    /// Runs the pieces in the open transaction, with a context for each; `begins` is told of each that begins. Returns their
    /// rows as they are then.
    pub(super) async fn perform(
        &self,
        crew: &Crew<'_>,
        contexts: &[Arc<RunContext>],
        session: &mut dyn Session,
        begins: &mut (dyn FnMut(&Piece) + Send),
    ) -> Result<Vec<AppliedRecord>, Failed> {
        let scripts: Vec<Script<'_>> = self
            .turns
            .iter()
            .map(|turn| Script {
                text: &turn.section.text,
                is_fresh: turn.is_first,
            })
            .collect();
        let mut course = Course::new(self, crew, contexts, begins);
        session.listen(Some(Arc::clone(&course.audience) as _));
        course.begin();
        let performed = session
            .execute_scripts(&scripts, &mut |place, done| course.progress(place, done))
            .await;
        let result = match (performed, crew.stop.reason()) {
            (Err((place, error)), _) => Err(self.failed(crew, place, error)),
            (Ok(()), Some(reason)) => {
                let failure = Failure::from_sandbox(sandbox::Error::Stopped(reason));
                Err(self.of(crew, self.turns.last(), failure))
            }
            (Ok(()), None) => Ok(()),
        };
        crew.stop.set_deadline(None);
        result?;
        course.pass_over(self.turns.len());
        Ok(course.records)
    }

    fn failed(&self, crew: &Crew<'_>, place: usize, error: ScriptError) -> Failed {
        let turn = self.turns.get(place);
        let first_line = turn.map_or(1, |turn| turn.section.first_line);
        let failure = Failure::from_script(error, first_line, crew.stop.reason());
        self.of(crew, turn, failure)
    }

    /// The failure, said of the piece whose turn it was.
    fn of(&self, crew: &Crew<'_>, turn: Option<&Turn>, failure: Failure) -> Failed {
        let found = turn.and_then(|turn| Some((turn, *self.pieces.get(turn.piece)?)));
        match found {
            Some((turn, piece)) => {
                let failure = crew.say(failure, piece, turn.phase, crew.stop);
                (Some(piece.clone()), failure)
            }
            None => (None, failure),
        }
    }
}

/// How far the turns of a batch are.
struct Course<'c> {
    batch: &'c Batch<'c>,
    crew: &'c Crew<'c>,
    /// Told of each piece that begins.
    begins: &'c mut (dyn FnMut(&Piece) + Send),
    /// The turn that runs.
    turn: usize,
    meters: Vec<Meter>,
    audience: Arc<Audience>,
    records: Vec<AppliedRecord>,
}

impl<'c> Course<'c> {
    fn new(
        batch: &'c Batch<'c>,
        crew: &'c Crew<'c>,
        contexts: &[Arc<RunContext>],
        begins: &'c mut (dyn FnMut(&Piece) + Send),
    ) -> Self {
        let (mut meters, mut outputs) = (Vec::new(), Vec::new());
        for turn in &batch.turns {
            let piece = batch.pieces.get(turn.piece);
            let loaded = piece.and_then(|piece| crew.loaded.get(&piece.file));
            if let (Some(loaded), Some(context)) = (loaded, contexts.get(turn.piece)) {
                meters.push(Meter::new(context, &loaded.step.label, None));
                outputs.push(StepOutput::new(context, &loaded.step, turn.phase));
            }
        }
        Self {
            batch,
            crew,
            begins,
            turn: 0,
            meters,
            audience: Arc::new(Audience {
                outputs,
                turn: AtomicUsize::new(0),
            }),
            records: batch.pieces().map(|piece| crew.record(piece)).collect(),
        }
    }

    /// So many bytes of a turn are done.
    fn progress(&mut self, turn: usize, done: usize) {
        self.pass_over(turn);
        // The last statement of a turn may end with it.
        if self.turn > turn {
            return;
        }
        let section = self.batch.turns.get(turn).map(|turn| &turn.section);
        let total = section.map_or(0, |section| section.text.len());
        if let Some(meter) = self.meters.get_mut(turn) {
            meter.progress(done as u64, Some(total as u64), Unit::Bytes);
        }
        if done >= total {
            self.end();
        }
    }

    /// Ends all turns before this one: those without a statement tell nothing.
    fn pass_over(&mut self, turn: usize) {
        while self.turn < turn {
            self.end();
        }
    }

    /// The turn that runs begins, with a deadline of its own.
    fn begin(&mut self) {
        self.audience.turn.store(self.turn, Ordering::Relaxed);
        let Some(turn) = self.batch.turns.get(self.turn) else {
            return;
        };
        let stop = self.crew.stop;
        stop.set_deadline(Some(self.crew.engine.deadline()));
        if !turn.is_first {
            return;
        }
        if let Some(piece) = self.batch.pieces.get(turn.piece) {
            (self.begins)(piece);
        }
        if let Some(record) = self.records.get_mut(turn.piece)
            && record.state == StepState::Started
        {
            record.started_at = journal::now();
        }
    }

    /// The turn that runs has ended, and the next begins.
    fn end(&mut self) {
        let ended = self.batch.turns.get(self.turn).map(|turn| turn.piece);
        self.turn += 1;
        let next = self.batch.turns.get(self.turn).map(|turn| turn.piece);
        if let Some(place) = ended.filter(|_| ended != next)
            && let Some(piece) = self.batch.pieces.get(place)
            && let Some(record) = self.records.get_mut(place)
        {
            finish(record, piece.phases, self.crew.run());
        }
        self.begin();
    }
}

/// Hears what the database says, for whoever's turn it is.
struct Audience {
    outputs: Vec<Arc<StepOutput>>,
    turn: AtomicUsize,
}

impl Listener for Audience {
    fn hear(&self, level: Level, message: &str) {
        if let Some(output) = self.outputs.get(self.turn.load(Ordering::Relaxed)) {
            output.hear(level, message);
        }
    }
}
