//! Printing back, as 1.x prints.
