//! Every file operation of the store, on a real disk or a simulated one that tears, reorders, forgets and fails.
