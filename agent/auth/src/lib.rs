//! Tokens, users, grants, decisions.
