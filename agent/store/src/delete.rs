//! Deletes points: a new generation, tombstones in the manifest, then in the version, and what it does to presence.
