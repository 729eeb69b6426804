//! Series index in memory: key table, tag interners, postings, presence.
