//! The real program, started and talked to as a user would.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod commands;
mod crash;
mod dialects;
mod first_steps;
mod garbage;
mod harness;
mod reload;
mod writes;
