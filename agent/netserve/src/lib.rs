//! The hyper listener: sockets, limits, timeouts, shutdown.
