//! The `weir` program: command line, wiring, signals, and the order in which things stop.
fn main() {}
