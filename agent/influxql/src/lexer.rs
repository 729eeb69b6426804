//! Text to tokens.

/// A place in the text, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pos {
    pub(crate) line: usize,
    pub(crate) char: usize,
}
