//! The fields a measurement is known to have, in the order in which they tend to come.

use std::collections::{HashMap, HashSet};

use memchr::memchr;
use weir_model::sink::Slot;

/// Most fields that one template knows; those beyond are always read plainly.
const FIELDS_MAX: usize = 4_096;
/// Longest spelling (name and `=`) that is compared as one word.
const WORD: usize = 16;
/// Entries that are searched one after the other.
const SEARCHED_MAX: usize = 64;
/// Most tag keys that one template knows.
const TAG_KEYS_MAX: usize = 4_096;
/// Longest name that is known. With keys of [`KEY_LEN_KNOWN_MAX`](crate::fast::KEY_LEN_KNOWN_MAX) no known field makes a key too long.
const NAME_LEN_KNOWN_MAX: usize = 1_024;

/// The fields of one measurement.
#[derive(Debug, Default)]
pub(crate) struct Template {
    entries: Vec<Entry>,
    /// The field that came first last time.
    first: usize,
    /// Entries by name as written.
    by_name: HashMap<Box<[u8]>, usize>,
    /// Tag keys that were seen with this measurement; kept only where a name must not be both.
    tag_keys: HashSet<Box<str>>,
    /// There are too many tag keys to keep: every field may be one.
    any_tag: bool,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The first 16 bytes of the spelling, and which of them count.
    expected: u128,
    mask: u128,
    /// Name as written, and `=`.
    spelling: Box<[u8]>,
    pub(crate) slot: Slot,
    /// The field that came next last time.
    next: usize,
    /// The line that had it last.
    seen: u64,
    name: Box<str>,
    is_tag_too: bool,
}

impl Entry {
    pub(crate) fn len(&self) -> usize {
        self.spelling.len()
    }

    #[inline(always)]
    fn matches(&self, body: &[u8], at: usize) -> bool {
        match body.get(at..at + WORD).and_then(|b| b.first_chunk::<WORD>()) {
            Some(word) => {
                (u128::from_le_bytes(*word) ^ self.expected) & self.mask == 0
                    && (self.spelling.len() <= WORD || body[at..].starts_with(&self.spelling))
            }
            None => body.get(at..).is_some_and(|rest| rest.starts_with(&self.spelling)),
        }
    }

    /// Notes that `line` has the field; false if it has it twice.
    #[inline(always)]
    fn mark(&mut self, line: u64) -> bool {
        let first = self.seen != line;
        self.seen = line;
        first
    }
}

/// Where in a template the fields of a line have got to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    /// The field read last.
    last: Option<usize>,
    expected: usize,
}

impl Template {
    /// Ready for the first field of a line.
    #[inline(always)]
    pub(crate) fn start(&self) -> Cursor {
        Cursor { last: None, expected: self.first }
    }

    /// The known field spelled at `at`, first seen on `line` there. `None` if there is none, if it comes twice, or if it is a tag elsewhere.
    #[inline(always)]
    pub(crate) fn next(&mut self, cursor: &mut Cursor, body: &[u8], at: usize, line: u64) -> Option<&Entry> {
        let mut index = cursor.expected;
        if !self.entries.get(index).is_some_and(|e| e.matches(body, at)) {
            index = self.search(cursor, body, at)?;
        }
        let entry = self.entries.get_mut(index)?;
        if !entry.mark(line) || entry.is_tag_too {
            return None;
        }
        *cursor = Cursor { last: Some(index), expected: entry.next };
        Some(entry)
    }

    /// Finds the field spelled at `at` and expects it there next time.
    #[cold]
    fn search(&mut self, cursor: &Cursor, body: &[u8], at: usize) -> Option<usize> {
        let index = if self.entries.len() <= SEARCHED_MAX {
            self.entries.iter().position(|e| e.matches(body, at))?
        } else {
            let rest = body.get(at..)?;
            *self.by_name.get(&rest[..memchr(b'=', rest)?])?
        };
        self.follow(cursor.last, index);
        Some(index)
    }

    fn follow(&mut self, last: Option<usize>, index: usize) {
        match last.and_then(|last| self.entries.get_mut(last)) {
            Some(entry) => entry.next = index,
            None => self.first = index,
        }
    }

    /// The slot of the field `name` spelled `raw`, by `ask` if it is new.
    pub(crate) fn learn(
        &mut self,
        cursor: &mut Cursor,
        raw: &[u8],
        name: &str,
        ask: impl FnOnce() -> Slot,
    ) -> Slot {
        let index = match self.by_name.get(raw) {
            Some(&index) => index,
            None => {
                let slot = ask();
                // A name with a (hidden) line feed would upset the count of lines.
                let is_odd = raw.len() > NAME_LEN_KNOWN_MAX || raw.contains(&b'\n');
                if self.entries.len() >= FIELDS_MAX || is_odd {
                    return slot;
                }
                self.add(raw, name, slot)
            }
        };
        self.follow(cursor.last, index);
        let entry = &self.entries[index];
        *cursor = Cursor { last: Some(index), expected: entry.next };
        entry.slot
    }

    /// Notes that lines of this measurement have the tag `key`: a field of that name is then left to the plain path.
    pub(crate) fn learn_tag(&mut self, key: &str) {
        if self.any_tag || self.tag_keys.contains(key) {
            return;
        }
        self.any_tag = self.tag_keys.len() >= TAG_KEYS_MAX;
        self.tag_keys.insert(key.into());
        for entry in self.entries.iter_mut().filter(|e| self.any_tag || *e.name == *key) {
            entry.is_tag_too = true;
        }
    }

    fn add(&mut self, raw: &[u8], name: &str, slot: Slot) -> usize {
        let spelling: Box<[u8]> = [raw, b"="].concat().into();
        let mut bytes = [0; WORD];
        let mut mask = [0; WORD];
        for ((to, m), from) in bytes.iter_mut().zip(&mut mask).zip(&spelling) {
            *to = *from;
            *m = 0xff;
        }
        let index = self.entries.len();
        self.by_name.insert(raw.into(), index);
        self.entries.push(Entry {
            expected: u128::from_le_bytes(bytes),
            mask: u128::from_le_bytes(mask),
            is_tag_too: self.any_tag || self.tag_keys.contains(name),
            spelling,
            slot,
            next: index + 1,
            seen: 0,
            name: name.into(),
        });
        index
    }
}
