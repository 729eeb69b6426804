//! InfluxQL: lexer, parser, syntax tree, printing back.
//!
//! [`parse_query`] turns the text of a request into a [`Query`]; every node prints back as InfluxQL 1.x prints it
//! (`Display`); [`classify`] says what a statement needs and whether it changes anything; [`walk`] visits the parts.
//! The grammar, the error texts and their positions are those of InfluxDB 1.8.

pub mod ast;
pub mod classify;
pub mod duration;
pub mod params;
pub mod regex;
pub mod walk;

pub mod display;
mod error;
mod lexer;
mod parser;
mod zone;

pub use ast::{Expr, Query, SelectStatement, Statement};
pub use error::ParseError;
pub use params::ParamValue;
pub use parser::{parse_query, parse_statement};
pub use regex::Regex;

/// Deepest tree of an expression that is parsed; a deeper one is an error.
///
/// 1.x has no such limit and dies of deep input. 1,000 frames of a recursive walk fit the 2 MiB stack of a thread, and
/// only a chain of arithmetic gets that deep: AND and OR are balanced, and the rest stops at [`MAX_NESTING`].
pub const MAX_TREE_DEPTH: usize = 1_000;

/// How deep parentheses, calls and subqueries may stand in each other; deeper is an error.
pub const MAX_NESTING: usize = 200;
