//! What exists: the manifest, names and ids, schema, policies, shard groups, segments.
