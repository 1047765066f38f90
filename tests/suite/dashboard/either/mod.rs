//! What is of the page alone, which hears of a database only what the routes tell it.

mod addresses;
mod checks;
mod elsewhere;
mod failed;
mod hostile;
mod keyboard;
mod paused;
mod restarted;
mod running;
mod signed_in;
