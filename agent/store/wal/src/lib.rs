//! The write-ahead log: slots, groups, records, replay.
