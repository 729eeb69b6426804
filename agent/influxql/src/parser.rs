//! Tokens to syntax tree.

use std::collections::BTreeMap;

use crate::ast::{Query, Statement};
use crate::{ParamValue, ParseError};

/// Parses the text of a request: any number of statements separated by `;`.
///
/// `params` are the values of `$name`.
///
/// # Errors
/// [`ParseError`] with the text of InfluxDB 1.x (without the prefix `error parsing query: `).
pub fn parse_query(text: &str, params: &BTreeMap<String, ParamValue>) -> Result<Query, ParseError> {
    let _ = (text, params);
    Err(ParseError::plain(""))
}

/// Parses one statement; what follows it is not looked at.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_statement(text: &str, params: &BTreeMap<String, ParamValue>) -> Result<Statement, ParseError> {
    let _ = (text, params);
    Err(ParseError::plain(""))
}
