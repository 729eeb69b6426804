//! From a statement to a plan: pure functions over the syntax tree and the schema.

pub(crate) mod compile;
pub(crate) mod condition;
pub(crate) mod functions;
pub(crate) mod literal;
pub(crate) mod names;
pub(crate) mod prepare;
pub(crate) mod reduce;
pub(crate) mod rewrite;
pub(crate) mod types;
pub(crate) mod window;
