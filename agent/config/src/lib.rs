//! Configuration: TOML as typed, then validated; every problem with file, line and column.
//!
//! [`load`] reads the files, [`Config`] is what the program uses. A plugin's own table stays a [`PluginTable`] until the plugin
//! decodes it with [`PluginTable::decode`], which reports like everything else here.

pub mod agent;
pub mod decode;
pub mod load;
pub mod plugin;
pub mod problem;
pub mod sections;
mod substitute;
mod suggest;
pub mod units;

pub use agent::AgentConfig;
pub use load::{Config, Sources, load};
pub use plugin::{CommonInput, PluginKind, PluginTable};
pub use problem::{Place, Problem, Problems, Severity};
pub use suggest::hint;
pub use units::{ByteSize, Interval};
