//! The v1 HTTP API in two dialects: routes, parameters, response formats.
