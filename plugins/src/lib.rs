//! Input plugins (outputs, processors and aggregators follow the same shape).

pub mod host;
pub mod inputs;
pub mod registry;
