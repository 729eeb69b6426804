//! Go's regular expression syntax to that of the `regex` crate.
//!
//! The two are close relatives. They differ in what they refuse and how they say so, and in details: `\d \w \s \b` are
//! ASCII in Go; `[`, `&&`, `--` and `~~` mean nothing inside Go's classes; a `{` that begins no repetition is itself;
//! `\Q…\E` and octal escapes exist in Go only. So the pattern is read by Go's rules and written anew. Groups become
//! groups without capture: nothing here reads captures.
//!
//! Source: the documentation of Go's package regexp/syntax.

use super::RegexError;

/// Go's limit for repetition counts, also for the product of nested ones.
const MAX_REPEAT: u32 = 1_000;

pub(super) fn translate(pattern: &str) -> Result<String, RegexError> {
    let mut t = Translator {
        pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        groups: Vec::new(),
        level: Level::default(),
    };
    t.run()?;
    Ok(t.out)
}

/// What has been read on one level of parentheses.
#[derive(Default)]
struct Level {
    /// Whether there is something that a repetition could repeat.
    has_atom: bool,
    /// Product of the nested repetition counts inside the last atom.
    atom_cost: u32,
    /// Largest of them on this level.
    cost: u32,
}

struct Translator<'a> {
    pattern: &'a str,
    rest: &'a str,
    out: String,
    /// Levels around the current one.
    groups: Vec<Level>,
    level: Level,
}

/// The error `problem` about `at`.
fn error<T>(problem: &'static str, at: &str) -> Result<T, RegexError> {
    Err(RegexError { problem, at: at.to_owned() })
}

/// The part of `from` that was read when `to` is left of it.
fn between<'a>(from: &'a str, to: &str) -> &'a str {
    &from[..from.len() - to.len()]
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), RegexError> {
        // The text from the last repetition on, if it came directly before.
        let mut last_repeat: Option<&str> = None;
        while let Some(c) = self.rest.chars().next() {
            let start = self.rest;
            let mut repeat = None;
            match c {
                '(' => self.open()?,
                '|' => {
                    self.out.push('|');
                    self.level.has_atom = false;
                    self.rest = &start[1..];
                }
                ')' => {
                    let Some(outer) = self.groups.pop() else {
                        return error("unexpected )", self.pattern);
                    };
                    self.out.push(')');
                    let inner = std::mem::replace(&mut self.level, outer);
                    self.atom(inner.cost);
                    self.rest = &start[1..];
                }
                '*' | '+' | '?' => {
                    self.rest = &start[1..];
                    self.repeat(start, last_repeat, 1)?;
                    repeat = Some(start);
                }
                '{' => match counts(start) {
                    Some((min, max, after)) => {
                        self.rest = after;
                        let (Some(min), Some(max)) = (min, max) else {
                            return error("invalid repeat count", between(start, after));
                        };
                        if max.is_some_and(|max| min > max) {
                            return error("invalid repeat count", between(start, after));
                        }
                        self.repeat(start, last_repeat, max.unwrap_or(min))?;
                        repeat = Some(start);
                    }
                    None => {
                        self.rest = &start[1..];
                        self.literal(c);
                    }
                },
                '^' | '$' | '.' => {
                    self.out.push(c);
                    self.atom(1);
                    self.rest = &start[1..];
                }
                '[' => self.class()?,
                '\\' => self.backslash()?,
                _ => {
                    self.rest = &start[c.len_utf8()..];
                    self.literal(c);
                }
            }
            last_repeat = repeat;
        }
        if self.groups.is_empty() { Ok(()) } else { error("missing closing )", self.pattern) }
    }

    /// Notes that something which can be repeated has been written.
    fn atom(&mut self, cost: u32) {
        self.level.has_atom = true;
        self.level.atom_cost = cost.max(1);
        self.level.cost = self.level.cost.max(cost);
    }

    fn literal(&mut self, c: char) {
        if regex_syntax::is_meta_character(c) {
            self.out.push('\\');
        }
        self.out.push(c);
        self.atom(1);
    }

    /// A repetition that began at `start` and has been read, but for a `?` that may follow.
    fn repeat(&mut self, start: &str, last_repeat: Option<&str>, count: u32) -> Result<(), RegexError> {
        if let Some(after) = self.rest.strip_prefix('?') {
            self.rest = after;
        }
        let text = between(start, self.rest);
        if let Some(last) = last_repeat {
            return error("invalid nested repetition operator", between(last, self.rest));
        }
        if !self.level.has_atom {
            return error("missing argument to repetition operator", text);
        }
        let cost = self.level.atom_cost.saturating_mul(count.max(1));
        if count > 1 && cost > MAX_REPEAT {
            return error("invalid repeat count", text);
        }
        self.atom(cost);
        self.out.push_str(text);
        Ok(())
    }

    /// `(`, `(?P<name>`, `(?flags:` or `(?flags)`.
    fn open(&mut self) -> Result<(), RegexError> {
        let start = self.rest;
        let Some(mut rest) = start.strip_prefix("(?") else {
            self.rest = &start[1..];
            self.enter("(?:");
            return Ok(());
        };
        if let Some(named) = rest.strip_prefix("P<") {
            let Some(end) = named.find('>') else {
                return error("invalid named capture", start);
            };
            self.rest = &named[end + 1..];
            let name = &named[..end];
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return error("invalid named capture", between(start, self.rest));
            }
            self.enter("(?:");
            return Ok(());
        }
        // Letters since the start, or since the `-`.
        let mut letters = 0;
        let mut minus = false;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                'i' | 'm' | 's' | 'U' => letters += 1,
                '-' if !minus => {
                    minus = true;
                    letters = 0;
                }
                ':' | ')' if !minus || letters > 0 => {
                    self.rest = rest;
                    let text = between(start, rest);
                    // The crate refuses to hear of a flag twice.
                    let flags = distinct_flags(&text[2..text.len() - 1]);
                    if c == ':' {
                        self.enter(&format!("(?{flags}:"));
                    } else if !flags.is_empty() {
                        self.out.push_str(&format!("(?{flags})"));
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        error("invalid or unsupported Perl syntax", between(start, rest))
    }

    fn enter(&mut self, text: &str) {
        self.out.push_str(text);
        self.groups.push(std::mem::take(&mut self.level));
    }

    /// What begins with a backslash, outside of a class.
    fn backslash(&mut self) -> Result<(), RegexError> {
        let start = self.rest;
        let second = start[1..].chars().next();
        let assertion = match second {
            Some('A') => Some(r"\A"),
            Some('z') => Some(r"\z"),
            Some('b') => Some(r"(?-u:\b)"),
            // Where no ASCII word begins or ends: between two word characters, or between two others.
            Some('B') => Some(r"(?-u:\B)"),
            _ => None,
        };
        if let Some(text) = assertion {
            self.rest = &start[2..];
            self.out.push_str(text);
            self.atom(1);
            return Ok(());
        }
        if second == Some('Q') {
            let quoted = &start[2..];
            let (text, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            self.rest = rest;
            text.chars().for_each(|c| self.literal(c));
            return Ok(());
        }
        if let Some(set) = self.set()? {
            self.out.push_str(&set);
            self.atom(1);
            return Ok(());
        }
        let c = self.escape()?;
        match char::from_u32(c) {
            Some(c) => self.literal(c),
            None => {
                // Half of a surrogate pair occurs in no text.
                self.out.push_str(r"[^\x{0}-\x{10FFFF}]");
                self.atom(1);
            }
        }
        Ok(())
    }

    /// `\d \D \s \S \w \W \pN \p{Name} \P…`, if one of them comes next: written for use inside and outside of a class.
    fn set(&mut self) -> Result<Option<String>, RegexError> {
        let start = self.rest;
        let Some(kind) = start[1..].chars().next() else {
            return Ok(None);
        };
        let ascii = match kind {
            'd' => "[0-9]",
            'D' => "[^0-9]",
            's' => r"[\t\n\f\r ]",
            'S' => r"[^\t\n\f\r ]",
            'w' => "[0-9A-Za-z_]",
            'W' => "[^0-9A-Za-z_]",
            'p' | 'P' => return self.unicode_set(kind == 'P').map(Some),
            _ => return Ok(None),
        };
        self.rest = &start[2..];
        Ok(Some(ascii.to_owned()))
    }

    /// `\pN` or `\p{Name}` or `\p{^Name}`, or the same with a capital P.
    fn unicode_set(&mut self, mut negated: bool) -> Result<String, RegexError> {
        let start = self.rest;
        let Some(first) = start[2..].chars().next() else {
            return error("invalid character class range", start);
        };
        let name = if first == '{' {
            let Some(end) = start.find('}') else {
                return error("invalid character class range", start);
            };
            self.rest = &start[end + 1..];
            &start[3..end]
        } else {
            self.rest = &start[2 + first.len_utf8()..];
            between(&start[2..], self.rest)
        };
        let name = match name.strip_prefix('^') {
            Some(name) => {
                negated = !negated;
                name
            }
            None => name,
        };
        // Go's names are exact, those of the crate are read loosely.
        let exact = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        let letter = if negated { 'P' } else { 'p' };
        let known = if name == "Any" {
            Some(format!("\\{letter}{{Any}}"))
        } else {
            // Go knows categories by their short names only.
            let general = (name.len() <= 2).then(|| format!("\\{letter}{{gc={name}}}"));
            let script = Some(format!("\\{letter}{{sc={name}}}"));
            [general, script].into_iter().flatten().find(|set| regex_syntax::parse(set).is_ok())
        };
        match known {
            Some(set) if exact => Ok(set),
            _ => error("invalid character class range", between(start, self.rest)),
        }
    }

    /// `[…]`.
    fn class(&mut self) -> Result<(), RegexError> {
        let whole = self.rest;
        self.rest = &whole[1..];
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        // A class may be left with nothing inside: halves of surrogate pairs are not written.
        let mut empty = true;
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.starts_with("[:")
                && let Some(end) = self.rest[2..].find(":]")
            {
                let (name, rest) = self.rest.split_at(end + 4);
                let plain = name.replacen("[:^", "[:", 1);
                if !POSIX.contains(&plain.trim_matches(['[', ':', ']'])) {
                    return error("invalid character class range", name);
                }
                self.out.push_str(name);
                self.rest = rest;
                empty = false;
                continue;
            }
            if self.rest.starts_with('\\')
                && let Some(set) = self.set()?
            {
                self.out.push_str(&set);
                empty = false;
                continue;
            }
            let start = self.rest;
            let low = self.class_char(whole)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.rest = &self.rest[1..];
                high = self.class_char(whole)?;
                if high < low {
                    return error("invalid character class range", between(start, self.rest));
                }
            }
            // Around the surrogates.
            let low = if (0xd800..0xe000).contains(&low) { 0xe000 } else { low };
            let high = if (0xd800..0xe000).contains(&high) { 0xd7ff } else { high };
            if low <= high {
                self.out.push_str(&format!(r"\x{{{low:x}}}-\x{{{high:x}}}"));
                empty = false;
            }
        }
        if empty {
            self.out.push_str("a&&b");
        }
        self.rest = &self.rest[1..];
        self.out.push(']');
        self.atom(1);
        Ok(())
    }

    /// A character of a class, by itself or escaped.
    fn class_char(&mut self, whole: &str) -> Result<u32, RegexError> {
        match self.rest.chars().next() {
            None => error("missing closing ]", whole),
            Some('\\') => self.escape(),
            Some(c) => {
                self.rest = &self.rest[c.len_utf8()..];
                Ok(u32::from(c))
            }
        }
    }

    /// A character behind a backslash.
    fn escape(&mut self) -> Result<u32, RegexError> {
        let start = self.rest;
        let mut rest = start[1..].chars();
        let Some(c) = rest.next() else {
            return error("trailing backslash at end of expression", "");
        };
        let value = match c {
            // A single digit would be a back-reference, which Go does not have.
            '1'..='7' if !rest.as_str().starts_with(|c: char| matches!(c, '0'..='7')) => None,
            '0'..='7' => {
                let mut value = u32::from(c) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = rest.as_str().chars().next().filter(|c| matches!(c, '0'..='7')) else {
                        break;
                    };
                    rest.next();
                    value = value * 8 + u32::from(digit) - u32::from('0');
                }
                Some(value)
            }
            'x' => hex(&mut rest),
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            _ if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
            _ => None,
        };
        self.rest = rest.as_str();
        match value {
            Some(value) => Ok(value),
            None => error("invalid escape sequence", between(start, self.rest)),
        }
    }
}

/// The names between `[:` and `:]`.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Each flag once, the last mention of it counting.
fn distinct_flags(flags: &str) -> String {
    let (on, off) = flags.split_once('-').unwrap_or((flags, ""));
    let off: String = "imsU".chars().filter(|c| off.contains(*c)).collect();
    let on: String = "imsU".chars().filter(|c| on.contains(*c) && !off.contains(*c)).collect();
    if off.is_empty() { on } else { format!("{on}-{off}") }
}

/// The rest of `\x7f` or `\x{10ffff}`.
fn hex(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    let first = rest.next()?;
    if first != '{' {
        let high = first.to_digit(16);
        let low = rest.next()?.to_digit(16);
        return Some(high? * 16 + low?);
    }
    let mut value = 0;
    let mut digits = 0;
    loop {
        match rest.next()? {
            '}' if digits > 0 => return Some(value),
            c => value = value * 16 + c.to_digit(16)?,
        }
        if value > u32::from(char::MAX) {
            return None;
        }
        digits += 1;
    }
}

/// A count of a repetition; `None` if it is too large.
type Count = Option<u32>;

/// `{min}`, `{min,}` or `{min,max}` and what follows it; the inner `None` stands for no maximum.
fn counts(text: &str) -> Option<(Count, Option<Option<u32>>, &str)> {
    let (min, rest) = count(text.strip_prefix('{')?)?;
    let Some(rest) = rest.strip_prefix(',') else {
        return Some((min, min.map(Some), rest.strip_prefix('}')?));
    };
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((min, Some(None), rest));
    }
    let (max, rest) = count(rest)?;
    Some((min, max.map(Some), rest.strip_prefix('}')?))
}

fn count(text: &str) -> Option<(Count, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if number.is_empty() || (number.len() > 1 && number.starts_with('0')) {
        return None;
    }
    Some((number.parse().ok().filter(|n| *n <= MAX_REPEAT), rest))
}
