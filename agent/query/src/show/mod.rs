//! SHOW statements.

mod cardinality;
mod fields;
mod measurements;
pub(crate) mod output;
mod policies;
mod report;
mod series;
mod server;
mod sources;
mod tags;

pub(crate) use cardinality::cardinality;
pub(crate) use fields::field_keys;
pub(crate) use measurements::measurements;
pub(crate) use policies::{databases, duration, policies};
pub(crate) use report::{diagnostics, stats};
pub(crate) use series::series;
pub(crate) use server::{queries, shard_groups, shards};
pub(crate) use tags::{tag_keys, tag_values};
