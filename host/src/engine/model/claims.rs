//! Claims: several processes share the parts of one run, each with a right to one part at a time.
//!
//! A claim is a row of the target. It is taken under a lock that others skip, has a number that grows with every taking,
//! and is looked at in the transaction that does the part.

use stateright::{Model, Property};

/// How many parts the run has.
const PARTS: usize = 2;

/// What a commit writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Write {
    /// A right to a part.
    Claim,
    /// What a part does, and that it is done.
    Work,
    /// The finalize, when all parts are done.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Commit {
    write: Write,
    part: usize,
    /// The claim's number.
    number: u8,
    worker: u8,
}

/// What the journal says of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Part {
    number: u8,
    worker: Option<u8>,
    is_done: bool,
}

/// A worker's view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Worker {
    /// The part that it has a right to, as far as it knows, with the claim's number.
    claim: Option<(usize, u8)>,
    is_waiting: bool,
    is_dead: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    log: Vec<Commit>,
    flushed: usize,
    /// What the server was asked for, and whether somebody waits for the answer.
    pending: Vec<(Commit, bool)>,
    workers: Vec<Worker>,
    /// Parts whose claim has run out although its holder lives.
    expired: [bool; PARTS],
    left: Budget,
}

/// How much may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    cuts: u8,
    crashes: u8,
    /// Claims that run out while their holders live.
    expiries: u8,
    deaths: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Ask(u8),
    Commit(usize),
    /// A connection is lost; what was asked for goes on.
    Cut(u8),
    Die(u8),
    Crash(usize),
    Expire(usize),
}

/// Some workers that look at their claims when they commit, or do not.
#[derive(Clone, Debug)]
struct Claims {
    workers: u8,
    fences: bool,
    budget: Budget,
}

impl World {
    fn parts(&self) -> [Part; PARTS] {
        let mut parts = [Part::default(); PARTS];
        for commit in &self.log {
            let Some(part) = parts.get_mut(commit.part) else {
                continue;
            };
            match commit.write {
                Write::Claim => {
                    part.number = commit.number;
                    part.worker = Some(commit.worker);
                }
                Write::Work => {
                    part.is_done = true;
                    part.worker = None;
                }
                Write::Close => {}
            }
        }
        parts
    }

    fn is_closed(&self) -> bool {
        self.log.iter().any(|commit| commit.write == Write::Close)
    }

    /// Whether the holder of a claim renews it. One that lost its connection does not know of it any more.
    fn is_renewed(&self, place: usize, part: &Part) -> bool {
        let holder = part
            .worker
            .and_then(|worker| self.workers.get(usize::from(worker)));
        holder.is_some_and(|holder| {
            !holder.is_dead && (holder.is_waiting || holder.claim == Some((place, part.number)))
        })
    }

    /// Whether a worker may take a part: nobody has it, or the claim of whoever has it has run out.
    fn is_free(&self, place: usize, part: &Part) -> bool {
        let is_expired = self.expired.get(place).is_some_and(|expired| *expired);
        !part.is_done && (is_expired || !self.is_renewed(place, part))
    }

    /// What a worker asks for next.
    fn next(&self, number: u8) -> Option<Commit> {
        let worker = self.workers.get(usize::from(number))?;
        let commit = |write, part, claim| Commit {
            write,
            part,
            number: claim,
            worker: number,
        };
        if let Some((part, claim)) = worker.claim {
            return Some(commit(Write::Work, part, claim));
        }
        let parts = self.parts();
        let free = (0..)
            .zip(&parts)
            .find(|(place, part)| self.is_free(*place, part));
        match free {
            Some((place, part)) => Some(commit(Write::Claim, place, part.number + 1)),
            // The leader closes.
            None if number == 0 && parts.iter().all(|part| part.is_done) && !self.is_closed() => {
                Some(commit(Write::Close, 0, 0))
            }
            None => None,
        }
    }

    /// Whether the journal allows a commit.
    fn allows(&self, commit: Commit, fences: bool) -> bool {
        let parts = self.parts();
        let Some(part) = parts.get(commit.part) else {
            return false;
        };
        match commit.write {
            // The row was locked when it was read, and others skip it: nobody else has changed it since.
            Write::Claim => part.number + 1 == commit.number && self.is_free(commit.part, part),
            Write::Work if !fences => true,
            Write::Work => {
                part.number == commit.number && part.worker == Some(commit.worker) && !part.is_done
            }
            Write::Close => parts.iter().all(|part| part.is_done) && !self.is_closed(),
        }
    }

    fn worker(&mut self, number: u8) -> Option<&mut Worker> {
        self.workers.get_mut(usize::from(number))
    }

    /// Ends a worker's connection. It takes its next part anew.
    fn disconnect(&mut self, number: u8) {
        for (commit, has_client) in &mut self.pending {
            *has_client &= commit.worker != number;
        }
        if let Some(worker) = self.worker(number) {
            worker.is_waiting = false;
            worker.claim = None;
        }
    }
}

impl Model for Claims {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            log: Vec::new(),
            flushed: 0,
            pending: Vec::new(),
            workers: vec![Worker::default(); usize::from(self.workers)],
            expired: [false; PARTS],
            left: self.budget,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (number, worker) in (0..)
            .zip(&world.workers)
            .filter(|(_, worker)| !worker.is_dead)
        {
            if !worker.is_waiting && world.next(number).is_some() {
                actions.push(Action::Ask(number));
            }
            if world.left.cuts > 0 {
                actions.push(Action::Cut(number));
            }
            // The leader's death is another model's.
            if world.left.deaths > 0 && number > 0 {
                actions.push(Action::Die(number));
            }
        }
        actions.extend((0..world.pending.len()).map(Action::Commit));
        if world.left.crashes > 0 {
            actions.extend((world.flushed..=world.log.len()).map(Action::Crash));
        }
        if world.left.expiries > 0 {
            for (place, part) in world.parts().iter().enumerate() {
                if world.is_renewed(place, part) {
                    actions.push(Action::Expire(place));
                }
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Ask(number) => {
                let commit = world.next(number)?;
                world.pending.push((commit, true));
                world.worker(number)?.is_waiting = true;
            }
            Action::Commit(place) => {
                let (commit, has_client) = world.pending.remove(place);
                let is_allowed = world.allows(commit, self.fences);
                if is_allowed {
                    world.log.push(commit);
                    if let (Write::Claim, Some(expired)) =
                        (commit.write, world.expired.get_mut(commit.part))
                    {
                        *expired = false;
                    }
                    if commit.write == Write::Close {
                        world.flushed = world.log.len();
                    }
                }
                if has_client {
                    let worker = world.worker(commit.worker)?;
                    worker.is_waiting = false;
                    let is_claim = is_allowed && commit.write == Write::Claim;
                    worker.claim = is_claim.then_some((commit.part, commit.number));
                }
            }
            Action::Cut(number) => {
                world.left.cuts -= 1;
                world.disconnect(number);
            }
            Action::Die(number) => {
                world.left.deaths -= 1;
                world.disconnect(number);
                world.worker(number)?.is_dead = true;
            }
            Action::Crash(kept) => {
                world.left.crashes -= 1;
                world.log.truncate(kept);
                world.flushed = world.log.len();
                world.pending.clear();
                for number in 0..self.workers {
                    world.disconnect(number);
                }
            }
            Action::Expire(place) => {
                world.left.expiries -= 1;
                *world.expired.get_mut(place)? = true;
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each part is done once", |_, world: &World| {
                (0..PARTS).all(|part| {
                    let is_work =
                        |commit: &&Commit| commit.write == Write::Work && commit.part == part;
                    world.log.iter().filter(is_work).count() <= 1
                })
            }),
            Property::always("the run closes after all parts", |_, world: &World| {
                let close = |commit: &Commit| commit.write == Write::Close;
                let Some(at) = world.log.iter().position(close) else {
                    return true;
                };
                let done = world.log.iter().take(at);
                done.filter(|commit| commit.write == Write::Work).count() >= PARTS
            }),
            Property::always("nobody is stuck", |claims: &Self, world: &World| {
                let mut actions = Vec::new();
                claims.actions(world, &mut actions);
                !actions.is_empty() || world.is_closed()
            }),
            Property::sometimes("all is done", |_, world: &World| world.is_closed()),
            Property::sometimes("two share the work", |_, world: &World| {
                let workers = world
                    .log
                    .iter()
                    .filter(|commit| commit.write == Write::Work);
                let mut workers: Vec<u8> = workers.map(|commit| commit.worker).collect();
                workers.dedup();
                world.is_closed() && workers.len() > 1
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    const NONE: Budget = Budget {
        cuts: 0,
        crashes: 0,
        expiries: 0,
        deaths: 0,
    };

    fn claims(budget: Budget) -> Claims {
        Claims {
            workers: 2,
            fences: true,
            budget,
        }
    }

    #[test]
    fn workers_of_several_hosts_do_each_part_once_when_connections_are_lost() {
        let budget = Budget {
            cuts: 1,
            expiries: 1,
            ..NONE
        };
        assert_eq!(check(claims(budget)), [""; 0]);
    }

    #[test]
    fn workers_of_several_hosts_do_each_part_once_when_the_server_crashes() {
        let budget = Budget {
            crashes: 1,
            expiries: 1,
            ..NONE
        };
        assert_eq!(check(claims(budget)), [""; 0]);
    }

    #[test]
    fn workers_of_several_hosts_do_each_part_once_when_one_of_them_dies() {
        let budget = Budget {
            deaths: 1,
            crashes: 1,
            ..NONE
        };
        assert_eq!(check(claims(budget)), [""; 0]);
    }

    #[test]
    fn a_part_must_be_fenced_by_its_claim() {
        let budget = Budget {
            expiries: 1,
            ..NONE
        };
        let claims = Claims {
            fences: false,
            ..claims(budget)
        };
        assert!(check(claims).contains(&"each part is done once"));
    }
}
