//! What is of the page alone, which hears of a database only what the routes tell it.

mod hostile;
mod keyboard;
mod paused;
mod restarted;
mod signed_in;
