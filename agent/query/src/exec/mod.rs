//! Executing a plan.

pub(crate) mod aggregate;
pub(crate) mod bins;
pub(crate) mod block;
pub(crate) mod calls;
pub(crate) mod cursor;
pub(crate) mod eval;
pub(crate) mod feed;
pub(crate) mod fill;
pub(crate) mod filter;
pub(crate) mod groups;
pub(crate) mod holt_winters;
pub(crate) mod math;
pub(crate) mod nelder_mead;
pub(crate) mod points;
pub(crate) mod pool;
pub(crate) mod predicate;
pub(crate) mod project;
pub(crate) mod raw;
pub(crate) mod reader;
pub(crate) mod technical;
pub(crate) mod transform;
