//! What is below the host fails: a connection between two messages, the answer to a commit, the server with commits that it
//! has not written to its disk yet, the host itself.
//!
//! Every exchange of a small run is a place to fail at, once in each way. Then the same command runs again, as an operator
//! would have it, and finishes: the content is that of an undisturbed run, every effect is there once, and the journal says
//! what happened. A proxy between host and server counts the exchanges and breaks off the chosen one, so that each fault can
//! be repeated: `WASMIGRATE_FAULT='…'` with the words that a failure names. `WASMIGRATE_FAULTS=10000` injects about so many
//! faults instead of those of the normal run.
//!
//! On a SQLite file the crash tests do the same at the level of system calls.

mod postgres;
