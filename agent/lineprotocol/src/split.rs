//! Where lines end.
//!
//! Not at every line feed: a backslash hides the byte behind it, and a string value may hold line feeds. After the first blank
//! that is not hidden a `"` opens or closes a string, if more `=` than `,` were seen outside strings. Comments end at the
//! next line feed.

use memchr::{memchr, memchr2, memrchr};

/// How many bytes of `body`, which is complete, to give to the parser next: the most whole lines within `target`, or the first line if that is longer,
/// or all that is left. Never 0 unless `body` is empty.
#[must_use]
pub fn find_cut(body: &[u8], target: usize) -> usize {
    if body.len() <= target {
        return body.len();
    }
    let head = &body[..target];
    if memchr2(b'"', b'\\', head).is_none()
        && let Some(end) = memrchr(b'\n', head)
    {
        return end + 1;
    }
    let mut cut = 0;
    while cut < body.len() {
        let end = next_line(body, cut);
        if end > target {
            return if cut == 0 { end } else { cut };
        }
        cut = end;
    }
    cut
}

/// Bytes of the whole lines at the start of `part`, the beginning of a body of which more is to come. `None` if no line is complete.
#[must_use]
pub fn find_cut_streaming(part: &[u8]) -> Option<usize> {
    let last = memrchr(b'\n', part)? + 1;
    if memchr2(b'"', b'\\', &part[..last]).is_none() {
        return Some(last);
    }
    let mut cut = 0;
    while cut < part.len() {
        let start = skip_blank(part, cut);
        let end = line_end(part, start);
        if end >= part.len() {
            break;
        }
        cut = end + 1;
    }
    (cut > 0).then_some(cut)
}

/// Start of the line behind the one at `start`.
fn next_line(body: &[u8], start: usize) -> usize {
    (line_end(body, skip_blank(body, start)) + 1).min(body.len())
}

/// First byte from `start` on that is no blank.
pub(crate) fn skip_blank(body: &[u8], start: usize) -> usize {
    let rest = body.get(start..).unwrap_or_default();
    start + rest.iter().position(|b| !matches!(b, b' ' | b'\t' | 0)).unwrap_or(rest.len())
}

/// The line feed that ends the line at `start`, its first byte that is no blank; the length of `body` if there is none.
pub(crate) fn line_end(body: &[u8], start: usize) -> usize {
    let rest = body.get(start..).unwrap_or_default();
    let end = memchr(b'\n', rest).unwrap_or(rest.len());
    if rest.first() == Some(&b'#') || memchr2(b'"', b'\\', &rest[..end]).is_none() {
        return start + end;
    }
    start + logical_end(rest)
}

fn logical_end(line: &[u8]) -> usize {
    let (mut quoted, mut in_fields) = (false, false);
    let (mut equals, mut commas) = (0usize, 0usize);
    let mut i = 0;
    while i < line.len() {
        match line[i] {
            b'\\' => i += 1,
            b'\n' if !quoted => return i,
            b' ' => in_fields = true,
            b'=' if in_fields && !quoted => equals += 1,
            b',' if in_fields && !quoted => commas += 1,
            b'"' if in_fields && equals > commas => quoted = !quoted,
            _ => {}
        }
        i += 1;
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_lie_behind_line_feeds_that_end_a_line() {
        let body = b"a v=1\nb s=\"x\ny\"\nc v=3\n";
        assert_eq!(find_cut(body, 100), body.len());
        assert_eq!(find_cut(body, 8), 6);
        assert_eq!(find_cut(body, 14), 6);
        assert_eq!(find_cut(body, 16), 16);
        assert_eq!(find_cut(body, 2), 6);
        assert_eq!(find_cut(&body[6..], 2), 10);
        assert_eq!(find_cut(b"", 2), 0);
        assert_eq!(find_cut(b"m,a=\\\nb v=1\nm", 4), 12);
        assert_eq!(find_cut(b"# \"x=\"\nm v=1\n", 8), 7);
    }

    #[test]
    fn a_body_to_be_continued_is_cut_at_complete_lines() {
        assert_eq!(find_cut_streaming(b"a v=1"), None);
        assert_eq!(find_cut_streaming(b"a v=1\nb"), Some(6));
        assert_eq!(find_cut_streaming(b"a s=\"1\nb"), None);
        assert_eq!(find_cut_streaming(b"a v=1\na s=\"1\nb"), Some(6));
        assert_eq!(find_cut_streaming(b"a s=\"1\nb\"\n"), Some(10));
        assert_eq!(find_cut_streaming(b"a v=1\\\n"), None);
    }

    proptest! {
        #[test]
        fn a_cut_is_the_end_of_a_line_of_the_whole(body in proptest::collection::vec(prop::sample::select(b"ab ,=\"\\\n#".to_vec()), 0..60), target in 1usize..60) {
            let mut ends = vec![];
            let mut pos = 0;
            while pos < body.len() {
                pos = next_line(&body, pos);
                ends.push(pos);
            }
            let cut = find_cut(&body, target);
            prop_assert!(cut == body.len() || ends.contains(&cut));
            prop_assert!(cut > 0 || body.is_empty());
            prop_assert!(cut <= target || cut == ends[0]);
            if let Some(cut) = find_cut_streaming(&body) {
                prop_assert!(ends.contains(&cut) && body[cut - 1] == b'\n');
            }
        }
    }
}
