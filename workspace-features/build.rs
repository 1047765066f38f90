//! Without it cargo would pass over the build dependencies.

fn main() {}
