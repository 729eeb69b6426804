//! Configuration: TOML as typed, then validated; every problem with file, line and column.
