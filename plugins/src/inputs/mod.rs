//! Input plugins, a folder each.

pub mod cpu;
pub mod disk;
pub mod diskio;
pub mod kernel;
pub mod mem;
pub mod net;
pub mod processes;
pub mod swap;
pub mod system;
