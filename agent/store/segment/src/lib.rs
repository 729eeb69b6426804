//! The columnar segment file, format 1: writer, reader, verification.
