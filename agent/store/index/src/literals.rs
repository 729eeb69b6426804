//! Regular expressions that are only a list of texts: `^(web1|web2)$`. Those are looked up instead of run.

use regex_syntax::hir::{Hir, HirKind, Look};

/// Longest list that is looked up; beyond, running the expression over the values is as good.
const TEXTS_MAX: usize = 4_096;

/// All texts that `pattern` matches, if it is anchored at both ends and they are few. `None`: run it.
pub(crate) fn texts(pattern: &str) -> Option<Vec<String>> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let parts = match hir.into_kind() {
        HirKind::Concat(parts) => parts,
        _ => return None,
    };
    let [first, middle @ .., last] = parts.as_slice() else { return None };
    if !is_look(first, Look::Start) || !is_look(last, Look::End) {
        return None;
    }
    let texts = concat(middle)?;
    texts.into_iter().map(|t| String::from_utf8(t).ok()).collect()
}

fn is_look(hir: &Hir, look: Look) -> bool {
    matches!(hir.kind(), HirKind::Look(l) if *l == look)
}

fn concat(parts: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut out = vec![Vec::new()];
    for part in parts {
        let tails = expand(part)?;
        if out.len() * tails.len() > TEXTS_MAX {
            return None;
        }
        out = out.iter().flat_map(|head| tails.iter().map(move |tail| [&head[..], tail].concat())).collect();
    }
    Some(out)
}

fn expand(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => expand(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(parts) => {
            let mut out = Vec::new();
            for part in parts {
                out.extend(expand(part)?);
                if out.len() > TEXTS_MAX {
                    return None;
                }
            }
            Some(out)
        }
        HirKind::Class(class) => {
            let literals = class_texts(class)?;
            Some(literals.into_iter().map(String::into_bytes).collect())
        }
        HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// The characters of a small class: `web[12]`.
fn class_texts(class: &regex_syntax::hir::Class) -> Option<Vec<String>> {
    let regex_syntax::hir::Class::Unicode(class) = class else { return None };
    let size: u64 = class.iter().map(|r| u64::from(u32::from(r.end()) - u32::from(r.start())) + 1).sum();
    if size > 64 {
        return None;
    }
    Some(class.iter().flat_map(|r| r.start()..=r.end()).map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: Option<&[&str]>) {
        let mut found = texts(pattern);
        if let Some(found) = &mut found {
            found.sort();
        }
        assert_eq!(found, expected.map(|e| e.iter().map(|&t| t.to_owned()).collect()), "{pattern}");
    }

    #[test]
    fn anchored_lists_of_texts_are_found() {
        check("^web1$", Some(&["web1"]));
        check("^(web1|db\\.a)$", Some(&["db.a", "web1"]));
        check("^(?:a|b)-(?:x|y)$", Some(&["a-x", "a-y", "b-x", "b-y"]));
        check("^web[12]$", Some(&["web1", "web2"]));
        check("^$", Some(&[""]));
        check("^()$", Some(&[""]));
        check("^(?i)a$", Some(&["A", "a"]));
    }

    #[test]
    fn everything_else_is_run() {
        for pattern in
            ["web1", "^web1", "web1$", "^web.*$", "^a|b$", "^web\\d$x", "(?m)^a$", "^[^a]$", "^(a|^b)$"]
        {
            check(pattern, None);
        }
    }
}
