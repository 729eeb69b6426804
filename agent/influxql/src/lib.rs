//! InfluxQL: lexer, parser, syntax tree, printing back.
//!
//! [`parse_query`] turns the text of a request into a [`Query`]; every node prints back as InfluxQL 1.x prints it
//! (`Display`); [`classify`] says what a statement needs and whether it changes anything; [`walk`] visits the parts.
//! The grammar, the error texts and their positions are those of InfluxDB 1.8.

pub mod ast;
pub mod classify;
pub mod params;
pub mod regex;
pub mod walk;

mod display;
mod error;
mod lexer;
mod parser;

pub use ast::{Expr, Query, SelectStatement, Statement};
pub use error::ParseError;
pub use params::ParamValue;
pub use parser::{parse_query, parse_statement};

/// Deepest expression or subquery tree that is parsed; deeper ones are an error.
///
/// 1.x has no such limit and dies of deep input. 1,000 frames of a recursive walk fit the 2 MiB stack of a thread.
pub const MAX_TREE_DEPTH: usize = 1_000;
