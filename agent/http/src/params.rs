//! Parameters: query strings, form bodies, multipart bodies.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Parts of a multipart body; more are refused.
const PARTS_MAX: usize = 64;

/// A name or value that is not UTF-8 once decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parameter {position} is not valid UTF-8 after percent-decoding")]
pub(crate) struct BadText {
    /// Which of the parameters, from 1.
    pub(crate) position: usize,
}

/// A multipart body that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the multipart body is damaged or has more than {PARTS_MAX} parts")]
pub(crate) struct BadMultipart;

/// Name and value of each parameter of `text` (`a=1&b=2`), in order. Nothing is allocated for what needs no decoding.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), BadText>> {
    let parts = text.split(|&b| b == b'&').filter(|pair| !pair.is_empty());
    parts.enumerate().map(|(i, pair)| {
        let bad = BadText { position: i + 1 };
        let (name, value) = match pair.iter().position(|&b| b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        Ok((decode(name).ok_or_else(|| bad.clone())?, decode(value).ok_or(bad)?))
    })
}

/// Undoes form encoding: `+` is a blank, `%41` is `A`; a `%` that no two digits follow stands for itself.
fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.iter().any(|&b| b == b'%' || b == b'+') {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let spaced: Vec<u8> = text.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    let bytes = percent_decode(&spaced).collect::<Vec<u8>>();
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The boundary in a `Content-Type` of a multipart form.
pub(crate) fn multipart_boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"'))
    })?;
    (!boundary.is_empty() && boundary.len() <= 70).then_some(boundary)
}

/// Name and content of each part of a multipart form. A file counts as a field with its content.
///
/// # Errors
/// [`BadMultipart`].
pub(crate) fn multipart(body: &str, boundary: &str) -> Result<Vec<(String, String)>, BadMultipart> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut sections = body.split(delimiter.as_str());
    // What stands before the first delimiter is nobody's.
    sections.next();
    for section in sections {
        if section.starts_with("--") {
            return Ok(parts);
        }
        if parts.len() >= PARTS_MAX {
            return Err(BadMultipart);
        }
        let section =
            section.strip_prefix("\r\n").or_else(|| section.strip_prefix('\n')).ok_or(BadMultipart)?;
        let (head, content) =
            section.split_once("\r\n\r\n").or_else(|| section.split_once("\n\n")).ok_or(BadMultipart)?;
        let content = content.strip_suffix("\r\n").or_else(|| content.strip_suffix('\n')).unwrap_or(content);
        if let Some(name) = part_name(head) {
            parts.push((name.to_owned(), content.to_owned()));
        }
    }
    Err(BadMultipart)
}

fn part_name(head: &str) -> Option<&str> {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    disposition.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.eq_ignore_ascii_case("name").then(|| value.trim_matches('"'))
    })
}

/// `text` with the values of `p` and `u` replaced, for logs.
pub(crate) fn redacted(query: &str) -> String {
    let parts = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name @ ("p" | "u"), _)) => Cow::Owned(format!("{name}=[redacted]")),
        // A name can be spelled with escapes too; such a parameter is hidden whatever it is called.
        Some((name, _)) if name.contains('%') => Cow::Borrowed("[redacted]"),
        _ => Cow::Borrowed(pair),
    });
    parts.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<(String, String)> {
        pairs(text.as_bytes()).map(|p| p.unwrap()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect()
    }

    fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn pairs_are_decoded_in_order() {
        assert_eq!(all(""), owned(&[]));
        assert_eq!(all("db=a&rp=&x"), owned(&[("db", "a"), ("rp", ""), ("x", "")]));
        assert_eq!(
            all("q=SELECT+%2A%20FROM+%22m%22;&db=a=b"),
            owned(&[("q", "SELECT * FROM \"m\";"), ("db", "a=b")])
        );
        assert_eq!(all("&&a=100%&b=%zz&c=%C3%BC"), owned(&[("a", "100%"), ("b", "%zz"), ("c", "ü")]));
        assert_eq!(pairs(b"db=x&a=%FF").nth(1), Some(Err(BadText { position: 2 })));
    }

    #[test]
    fn multipart_forms_give_fields_and_files() {
        let kind = "multipart/form-data; boundary=\"XX\"";
        let body = "preamble\r\n--XX\r\nContent-Disposition: form-data; name=\"db\"\r\n\r\nmydb\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"q\"; filename=\"q.txt\"\r\nContent-Type: text/plain\r\n\r\n\
            SELECT 1\nFROM m\r\n--XX--\r\n";
        let parts = multipart(body, multipart_boundary(kind).unwrap()).unwrap();
        assert_eq!(parts, owned(&[("db", "mydb"), ("q", "SELECT 1\nFROM m")]));
        assert_eq!(multipart("--XX\r\nno end", "XX"), Err(BadMultipart));
        assert_eq!(multipart_boundary("multipart/form-data"), None);
        assert_eq!(multipart_boundary("text/plain; boundary=x"), None);
    }

    #[test]
    fn secrets_are_taken_out_of_query_strings() {
        assert_eq!(redacted("db=a&p=secret&u=me&x=p=1"), "db=a&p=[redacted]&u=[redacted]&x=p=1");
        assert_eq!(redacted("%70=secret"), "[redacted]");
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), text in ".{0,200}") {
            pairs(&bytes).for_each(drop);
            let _ = multipart(&text, "XX");
            let _ = multipart_boundary(&text);
            let _ = redacted(&text);
        }

        #[test]
        fn pairs_undo_form_encoding(value in "\\PC{0,30}") {
            let encoded: String = value.bytes().map(|b| if b == b' ' { "+".into() } else { format!("%{b:02X}") }).collect();
            prop_assert_eq!(all(&format!("v={encoded}")), vec![("v".to_owned(), value)]);
        }

        #[test]
        fn multipart_never_panics(text in "(--XX|\r\n|\n|--|Content-Disposition: form-data; name=\"a\"|:|;|=|a){0,30}") {
            let _ = multipart(&text, "XX");
        }
    }
}
