//! The commit protocol as a model, checked exhaustively: every order in which hosts, a server and faults can act.
//!
//! Two or three hosts want the same steps on one server. The server keeps a log of commits, of which only a part is on its
//! disk; a crash takes any commits from its end that are not. Connections are lost before a message arrives, while a commit
//! is under way, or after it; hosts die, and are declared dead while they only sleep. What must hold is in [`properties`],
//! and each rule of the protocol that the program keeps is in [`Rules`]: without any one of them the checker finds the
//! sequence that breaks a promise.
//!
//! What a command leads to is decided by the program's own state machine, and what is missing after a lost connection is
//! found by its own [`Acknowledged`](super::recover::Acknowledged).

mod claims;
mod hosts;
mod server;

use stateright::{Checker, Model, Property};

use hosts::{Action, Budget, Host, World};
use server::{Journal, Process, STEPS, Server};

/// What the program does to keep its promises. Each can be left out, to see what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Rules {
    /// The beginning of a run is on the disk before anything else is done.
    flushes_start: bool,
    /// The fence looks at the process that took the lease, too: a server that forgot a token gives it out again.
    fences_process: bool,
    /// Each write names the state that it expects.
    compares: bool,
    /// After a lost connection, what it still has open is ended before the journal is read.
    ends_lost: bool,
    /// The fence is looked at before a statement outside a transaction, too.
    fences_statements: bool,
    /// A session outside a transaction says of which run it is, so that the next host can end it.
    labels_statements: bool,
    /// No write follows a lost connection before the journal was read again.
    recovers: bool,
    /// A run ends where the server has forgotten what it had acknowledged.
    stops_at_gap: bool,
    /// A commit of another host's run is refused.
    fences: bool,
}

/// The program.
const RULES: Rules = Rules {
    flushes_start: true,
    fences_process: true,
    compares: true,
    ends_lost: true,
    fences_statements: true,
    labels_statements: true,
    recovers: true,
    stops_at_gap: true,
    fences: true,
};

impl Rules {
    /// Whether the journal lets a process commit under a token.
    fn lets(&self, journal: &Journal, token: u8, process: Process) -> bool {
        let is_holder = match self.fences_process {
            true => journal.holder == Some(process),
            false => journal.holder.is_some(),
        };
        !self.fences || (journal.token == token && is_holder)
    }
}

/// What is checked: some hosts that keep some rules while so much goes wrong.
#[derive(Clone, Debug)]
struct Protocol {
    rules: Rules,
    hosts: u8,
    budget: Budget,
    steps: [StepKind; STEPS],
}

/// How a step commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepKind {
    /// In one transaction.
    Whole,
    /// In two: a checkpoint lies between them.
    WithCheckpoint,
    /// Outside a transaction: written down as begun before, and as done after.
    Outside,
}

impl Protocol {
    fn new(hosts: u8, budget: Budget) -> Self {
        Self {
            rules: RULES,
            hosts,
            budget,
            steps: [StepKind::Whole; STEPS],
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            server: Server::default(),
            hosts: vec![Host::default(); usize::from(self.hosts)],
            left: self.budget,
            has_lied: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(self, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(self, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each effect happens once", |_, world: &World| {
                world.server.happened_once()
            }),
            Property::always("steps happen in their order", |_, world: &World| {
                world.server.is_in_order()
            }),
            Property::always("one runner at a time", |_, world: &World| {
                world.server.has_one_runner()
            }),
            Property::always(
                "what is said to be done is on the disk",
                |_, world: &World| !world.has_lied,
            ),
            Property::always("nobody is stuck", |protocol: &Self, world: &World| {
                !world.is_stuck(protocol)
            }),
            Property::sometimes("all is done", |_, world: &World| world.is_done()),
            Property::sometimes("a host takes over and finishes", |_, world: &World| {
                world.is_done() && world.server.runs() > 1
            }),
        ]
    }
}

/// Checks every order of events; returns the properties that do not hold.
#[allow(clippy::print_stderr, reason = "the number of states is worth knowing")]
fn check<M>(model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: std::fmt::Debug + std::hash::Hash + Clone + PartialEq + Send + Sync,
    M::Action: std::fmt::Debug + Clone + PartialEq + Send + Sync,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{} states, {} different, at most {} deep",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth()
    );
    let found = checker.discoveries();
    for (name, path) in &found {
        let property = checker.model().property(name);
        if property.expectation != stateright::Expectation::Sometimes {
            eprintln!(
                "{name} does not hold after {:?}",
                path.clone().into_actions()
            );
        }
    }
    let mut broken: Vec<&str> = checker
        .model()
        .properties()
        .iter()
        .filter(|property| {
            let is_wanted = property.expectation == stateright::Expectation::Sometimes;
            found.contains_key(property.name) != is_wanted
        })
        .map(|property| property.name)
        .collect();
    broken.sort_unstable();
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Budget = Budget {
        cuts: 0,
        host_deaths: 0,
        server_crashes: 0,
        false_deaths: 0,
        runs: 3,
    };

    /// Two faults of different kinds, in every pair.
    const PAIRS: [Budget; 6] = [
        Budget {
            cuts: 1,
            server_crashes: 1,
            ..NONE
        },
        Budget {
            cuts: 1,
            host_deaths: 1,
            ..NONE
        },
        Budget {
            cuts: 1,
            false_deaths: 1,
            ..NONE
        },
        Budget {
            server_crashes: 1,
            host_deaths: 1,
            ..NONE
        },
        Budget {
            server_crashes: 1,
            false_deaths: 1,
            ..NONE
        },
        Budget {
            host_deaths: 1,
            false_deaths: 1,
            ..NONE
        },
    ];

    #[test]
    fn two_hosts_keep_every_promise() {
        for budget in PAIRS {
            assert_eq!(check(Protocol::new(2, budget)), [""; 0], "{budget:?}");
        }
    }

    #[test]
    fn two_hosts_keep_every_promise_with_a_step_outside_a_transaction() {
        for budget in PAIRS {
            let protocol = Protocol {
                steps: [StepKind::Whole, StepKind::Outside],
                ..Protocol::new(2, budget)
            };
            assert_eq!(check(protocol), [""; 0], "{budget:?}");
        }
    }

    #[test]
    fn two_hosts_keep_every_promise_with_checkpoints() {
        for budget in PAIRS {
            let protocol = Protocol {
                steps: [StepKind::WithCheckpoint, StepKind::Whole],
                ..Protocol::new(2, budget)
            };
            assert_eq!(check(protocol), [""; 0], "{budget:?}");
        }
    }

    #[test]
    fn two_hosts_keep_every_promise_over_a_bad_network() {
        let budget = Budget { cuts: 3, ..NONE };
        assert_eq!(check(Protocol::new(2, budget)), [""; 0]);
    }

    #[test]
    fn two_hosts_keep_every_promise_when_everything_goes_wrong_once() {
        let budget = Budget {
            cuts: 1,
            host_deaths: 1,
            server_crashes: 1,
            false_deaths: 1,
            ..NONE
        };
        let protocol = Protocol {
            steps: [StepKind::Whole, StepKind::Outside],
            ..Protocol::new(2, budget)
        };
        assert_eq!(check(protocol), [""; 0]);
    }

    #[test]
    fn three_hosts_keep_every_promise() {
        let budget = Budget {
            server_crashes: 1,
            false_deaths: 1,
            ..NONE
        };
        assert_eq!(check(Protocol::new(3, budget)), [""; 0]);
    }

    /// Demands that something breaks without a rule.
    #[track_caller]
    fn is_needed(rules: Rules) {
        let is_broken = |budget: Budget| {
            let protocol = Protocol {
                rules,
                steps: [StepKind::Whole, StepKind::Outside],
                ..Protocol::new(2, budget)
            };
            !check(protocol).is_empty()
        };
        assert!(PAIRS.into_iter().any(is_broken), "the rule is not needed");
    }

    #[test]
    fn a_run_must_be_on_the_disk_or_its_process_must_be_known() {
        is_needed(Rules {
            flushes_start: false,
            fences_process: false,
            ..RULES
        });
    }

    #[test]
    fn commits_must_be_fenced() {
        is_needed(Rules {
            fences: false,
            compares: false,
            ..RULES
        });
    }

    #[test]
    fn writes_must_name_what_they_expect() {
        is_needed(Rules {
            compares: false,
            ends_lost: false,
            ..RULES
        });
    }

    #[test]
    fn a_session_outside_a_transaction_must_be_known() {
        is_needed(Rules {
            labels_statements: false,
            ..RULES
        });
    }

    #[test]
    fn statements_outside_a_transaction_must_be_fenced() {
        is_needed(Rules {
            fences_statements: false,
            ..RULES
        });
    }

    #[test]
    fn a_lost_connection_must_be_recovered_from() {
        is_needed(Rules {
            recovers: false,
            ..RULES
        });
    }

    #[test]
    fn forgotten_commits_must_end_a_run() {
        is_needed(Rules {
            stops_at_gap: false,
            recovers: true,
            ..RULES
        });
    }
}
