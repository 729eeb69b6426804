//! Which format the client wants.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

/// A format of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Csv,
    MessagePack,
}

impl Format {
    /// The media type, to the letter: some clients compare the whole string.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::MessagePack => "application/x-msgpack",
        }
    }

    /// The one with the highest q among those that `Accept` names; JSON when several have it, or none is known.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let mut best: Option<(Self, u16)> = None;
        for value in headers.get_all(ACCEPT) {
            for entry in value.to_str().unwrap_or_default().split(',') {
                let mut parts = entry.split(';').map(str::trim);
                let Some(format) = parts.next().and_then(Self::from_media_type) else {
                    continue;
                };
                let q = parts.find_map(parse_q).unwrap_or(1000);
                let wins = match best {
                    None => true,
                    Some((_, best_q)) if q != best_q => q > best_q,
                    Some((best_format, _)) => format == Self::Json && best_format != Self::Json,
                };
                if wins {
                    best = Some((format, q));
                }
            }
        }
        best.map_or(Self::Json, |(format, _)| format)
    }

    fn from_media_type(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        if is("application/json") || is("*/*") || is("application/*") {
            Some(Self::Json)
        } else if is("application/csv") || is("text/csv") {
            Some(Self::Csv)
        } else if is("application/x-msgpack") {
            Some(Self::MessagePack)
        } else {
            None
        }
    }
}

/// `q=0.5` in thousandths.
fn parse_q(parameter: &str) -> Option<u16> {
    let value: f32 = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?.parse().ok()?;
    // Clamped before, and a float becomes an integer by saturation.
    Some((value.clamp(0.0, 1.0) * 1000.0) as u16)
}

/// Whether the client takes gzip.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().any(|value| {
        value.to_str().unwrap_or_default().split(',').any(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
                && parts.find_map(parse_q) != Some(0)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn negotiate(accept: &str) -> Format {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::negotiate(&headers)
    }

    #[test]
    fn the_best_liked_known_format_wins_and_json_is_the_fallback() {
        assert_eq!(Format::negotiate(&HeaderMap::new()), Format::Json);
        for (accept, format) in [
            ("", Format::Json),
            ("application/xml", Format::Json),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Format::Json),
            ("application/csv", Format::Csv),
            ("text/csv", Format::Csv),
            ("application/x-msgpack", Format::MessagePack),
            ("application/csv, application/json", Format::Json),
            ("application/json;q=0.5, text/csv;q=0.9", Format::Csv),
            ("text/csv;q=0.1, */*;q=0.2", Format::Json),
            ("text/csv;q=nonsense", Format::Csv),
            ("application/x-msgpack;q=1.0,text/csv", Format::MessagePack),
        ] {
            assert_eq!(negotiate(accept), format, "{accept}");
        }
    }

    #[test]
    fn gzip_is_used_only_when_named() {
        for (text, expected) in
            [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0", false), ("*", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(accepts_gzip(&headers), expected, "{text}");
        }
    }
}
