//! The `weir` program: command line, wiring, signals, and the order in which things stop.

mod cli;
mod control;
mod inspect;
mod logging;
mod query;
mod records;
mod run;
mod settings;
mod store_options;
mod token;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => inspect::check(&args),
        Command::Config(args) => inspect::sample(&args),
        Command::Plugins(args) => inspect::plugins(&args),
        Command::Test(args) => inspect::test(&args),
        Command::Query(args) => query::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Version => {
            println!("weir {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                eprintln!("  because: {inner}");
                cause = inner.source();
            }
            ExitCode::FAILURE
        }
    }
}
