//! Telegraf's glob lists: `*` `**` `?` `[a-z]` `[!a]` `{a,b}` and `\`, whole strings, case-sensitive.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Patterns of which one must match.
#[derive(Clone, Debug)]
pub struct GlobList {
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Nothing,
    /// No pattern holds a wildcard: Telegraf then compares to the letter, braces and all.
    Literal(Vec<String>),
    Globs(GlobSet),
    /// With separators that `*` may not cross.
    Separated(Vec<Vec<Token>>, Vec<char>),
}

impl GlobList {
    /// Compiles `patterns`. `*` and `?` do not match a character of `separators`; `**` does.
    ///
    /// # Errors
    /// Says which pattern is none, and why.
    pub fn new<S: AsRef<str>>(patterns: &[S], separators: &[char]) -> Result<Self, String> {
        if patterns.is_empty() {
            return Ok(Self { matcher: Matcher::Nothing });
        }
        let is_glob = |p: &S| p.as_ref().contains(['*', '?', '[']);
        if !patterns.iter().any(is_glob) {
            let literal = patterns.iter().map(|p| p.as_ref().to_owned()).collect();
            return Ok(Self { matcher: Matcher::Literal(literal) });
        }
        if !separators.is_empty() {
            let compiled = patterns.iter().map(|p| tokens(p.as_ref())).collect::<Result<_, _>>()?;
            return Ok(Self { matcher: Matcher::Separated(compiled, separators.to_vec()) });
        }
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let glob = GlobBuilder::new(pattern)
                .literal_separator(false)
                .backslash_escape(true)
                .build()
                .map_err(|e| format!("pattern {pattern:?}: {}", e.kind()))?;
            set.add(glob);
        }
        let set = set.build().map_err(|e| e.to_string())?;
        Ok(Self { matcher: Matcher::Globs(set) })
    }

    /// Whether there is no pattern.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.matcher, Matcher::Nothing)
    }

    /// Whether one of the patterns matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Nothing => false,
            Matcher::Literal(list) => list.iter().any(|p| p == text),
            Matcher::Globs(set) => set.is_match(text),
            Matcher::Separated(list, separators) => {
                let text: Vec<char> = text.chars().collect();
                list.iter().any(|pattern| matches_tokens(pattern, &text, separators))
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Char(char),
    One,
    Run,
    RunAcross,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Either(Vec<Vec<Token>>),
}

fn tokens(pattern: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    let out = sequence(&chars, &mut at, false).map_err(|why| format!("pattern {pattern:?}: {why}"))?;
    Ok(out)
}

fn sequence(chars: &[char], at: &mut usize, in_braces: bool) -> Result<Vec<Token>, &'static str> {
    let mut out = Vec::new();
    while let Some(&c) = chars.get(*at) {
        *at += 1;
        match c {
            '\\' => {
                out.push(Token::Char(*chars.get(*at).ok_or("a backslash at the end")?));
                *at += 1;
            }
            '?' => out.push(Token::One),
            '*' if chars.get(*at) == Some(&'*') => {
                *at += 1;
                out.push(Token::RunAcross);
            }
            '*' => out.push(Token::Run),
            '[' => out.push(class(chars, at)?),
            '{' if in_braces => return Err("braces inside braces"),
            '{' => {
                let mut options = Vec::new();
                loop {
                    options.push(sequence(chars, at, true)?);
                    match chars.get(*at) {
                        Some(',') => *at += 1,
                        Some(_) => {
                            *at += 1;
                            break;
                        }
                        None => return Err("a brace that is not closed"),
                    }
                }
                out.push(Token::Either(options));
            }
            ',' | '}' if in_braces => {
                *at -= 1;
                return Ok(out);
            }
            other => out.push(Token::Char(other)),
        }
    }
    Ok(out)
}

fn class(chars: &[char], at: &mut usize) -> Result<Token, &'static str> {
    let negated = chars.get(*at) == Some(&'!');
    if negated {
        *at += 1;
    }
    let mut ranges = Vec::new();
    loop {
        let low = *chars.get(*at).ok_or("a bracket that is not closed")?;
        *at += 1;
        if low == ']' && !ranges.is_empty() {
            return Ok(Token::Class { negated, ranges });
        }
        if chars.get(*at) == Some(&'-') && chars.get(*at + 1).is_some_and(|c| *c != ']') {
            ranges.push((low, chars[*at + 1]));
            *at += 2;
        } else {
            ranges.push((low, low));
        }
    }
}

fn matches_tokens(pattern: &[Token], text: &[char], separators: &[char]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    let step = |ok: bool| ok && matches_tokens(rest, text.get(1..).unwrap_or_default(), separators);
    match first {
        Token::Char(c) => step(text.first() == Some(c)),
        Token::One => step(text.first().is_some_and(|c| !separators.contains(c))),
        Token::Class { negated, ranges } => step(
            text.first().is_some_and(|c| ranges.iter().any(|(lo, hi)| (lo..=hi).contains(&c)) != *negated),
        ),
        Token::Run | Token::RunAcross => {
            let stop = match first {
                Token::Run => text.iter().position(|c| separators.contains(c)).unwrap_or(text.len()),
                _ => text.len(),
            };
            (0..=stop).any(|n| matches_tokens(rest, text.get(n..).unwrap_or_default(), separators))
        }
        Token::Either(options) => options.iter().any(|option| {
            let whole: Vec<Token> = option.iter().chain(rest).cloned().collect();
            matches_tokens(&whole, text, separators)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], separators: &[char], yes: &[&str], no: &[&str]) {
        let list = GlobList::new(patterns, separators).unwrap();
        for text in yes {
            assert!(list.matches(text), "{patterns:?} should match {text:?}");
        }
        for text in no {
            assert!(!list.matches(text), "{patterns:?} should not match {text:?}");
        }
    }

    #[test]
    fn globs_match_whole_strings() {
        check(&["cpu*"], &[], &["cpu", "cpu.total", "cpu/0"], &["xcpu", "CPU"]);
        check(&["eth?", "[a-c]x", "[!a]y"], &[], &["eth0", "bx", "by"], &["eth", "eth10", "dx", "ay"]);
        check(&["{a,b}*"], &[], &["ax", "b"], &["c"]);
        check(&[r"a\*b", "x*"], &[], &["a*b", "x"], &["aab"]);
    }

    #[test]
    fn braces_without_a_wildcard_are_literal() {
        check(&["{a,b}"], &[], &["{a,b}"], &["a"]);
    }

    #[test]
    fn stars_stop_at_separators() {
        check(&["a.*.c"], &['.'], &["a.b.c"], &["a.b.b.c"]);
        check(&["a.**.c", "{x,y}?"], &['.'], &["a.b.b.c", "x1"], &["x."]);
    }

    #[test]
    fn a_broken_pattern_is_named() {
        assert!(GlobList::new(&["a["], &[]).unwrap_err().contains("a["));
        assert!(GlobList::new(&["*{a"], &['.']).unwrap_err().contains("brace"));
    }
}
