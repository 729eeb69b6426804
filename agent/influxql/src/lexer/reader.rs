//! Characters with their places.

use std::str::Chars;

/// A place in the text, counted from 0: lines, and characters (not bytes) in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Pos {
    pub(crate) line: usize,
    pub(crate) char: usize,
}

/// Stands for the end of the text. A NUL in the text ends it too.
pub(super) const EOF: char = '\0';

/// Characters kept for [`Reader::unread`].
const KEPT: usize = 3;

/// Reads characters and can take back the last ones.
///
/// Places are counted exactly as 1.x counts them, because they appear in error texts. In particular each attempt to
/// read at the end yields an end mark of its own: the first stands right behind the text, every later one is one
/// further. `\r\n` and a lone `\r` count as `\n`.
pub(super) struct Reader<'a> {
    chars: Chars<'a>,
    ring: [(char, Pos); KEPT],
    /// Index of the newest character in `ring`.
    newest: usize,
    /// How many of the newest were taken back.
    unread: usize,
    /// Place of the next character.
    pos: Pos,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            chars: text.chars(),
            ring: [(EOF, Pos::default()); KEPT],
            newest: 0,
            unread: 0,
            pos: Pos::default(),
            ended: false,
        }
    }

    /// The next character, [`EOF`] at the end.
    pub(super) fn read(&mut self) -> (char, Pos) {
        if self.unread > 0 {
            self.unread -= 1;
            return self.current();
        }
        let c = match self.chars.next() {
            Some('\r') => {
                if self.chars.as_str().starts_with('\n') {
                    self.chars.next();
                }
                '\n'
            }
            Some(EOF) => {
                self.chars = "".chars();
                EOF
            }
            Some(c) => c,
            None => EOF,
        };
        self.newest = (self.newest + 1) % KEPT;
        self.ring[self.newest] = (c, self.pos);
        if c == '\n' {
            self.pos = Pos { line: self.pos.line + 1, char: 0 };
        } else if !self.ended {
            self.pos.char += 1;
        }
        self.ended |= c == EOF;
        self.current()
    }

    /// Takes back the last character.
    pub(super) fn unread(&mut self) {
        self.unread += 1;
    }

    /// The last character that was read and not taken back.
    pub(super) fn current(&self) -> (char, Pos) {
        self.ring[(self.newest + KEPT - self.unread % KEPT) % KEPT]
    }

    /// The next character, without reading it. Like 1.x this leaves an end mark read.
    pub(super) fn peek(&mut self) -> char {
        let (c, _) = self.read();
        if c != EOF {
            self.unread();
        }
        c
    }
}
