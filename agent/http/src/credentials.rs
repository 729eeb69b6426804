//! Credentials as requests carry them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::dialect::CredentialOrder;

/// Longest `Authorization` value that is looked at.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// What a request says about who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    /// Whether it came as `Bearer`, which 1.x reserves for signed tokens.
    pub(crate) is_bearer: bool,
    /// The token, or the password.
    pub(crate) secret: Cow<'a, str>,
}

/// The credential of a request: from the header, or from the parameters `u` and `p`.
pub(crate) fn find<'a>(
    order: CredentialOrder,
    headers: &'a HeaderMap,
    user: Option<&'a str>,
    password: Option<&'a str>,
) -> Option<Credential<'a>> {
    let password = password.filter(|p| !p.is_empty());
    let from_url = || password.map(|p| Credential { is_bearer: false, secret: Cow::Borrowed(p) });
    match order {
        CredentialOrder::UrlFirst if user.is_some_and(|u| !u.is_empty()) && password.is_some() => from_url(),
        CredentialOrder::HeaderFirst | CredentialOrder::UrlFirst => {
            let header = headers.get(AUTHORIZATION).map(http::HeaderValue::as_bytes);
            header.and_then(|value| from_header(order, value)).or_else(from_url)
        }
    }
}

fn from_header(order: CredentialOrder, value: &[u8]) -> Option<Credential<'_>> {
    if value.len() > HEADER_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    let (is_bearer, secret) = if is("Bearer") {
        (true, Cow::Borrowed(rest))
    } else if is("Token") {
        // 1.x and its clients write `Token user:password`; the tokens of this server hold no colon.
        let secret = match (order, rest.split_once(':')) {
            (CredentialOrder::UrlFirst, Some((_, password))) => password,
            _ => rest,
        };
        (false, Cow::Borrowed(secret))
    } else if is("Basic") {
        let decoded = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).ok()?;
        let pair = String::from_utf8(decoded).ok()?;
        let (_, password) = pair.split_once(':')?;
        (false, Cow::Owned(password.to_owned()))
    } else {
        return None;
    };
    (!secret.is_empty()).then_some(Credential { is_bearer, secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn secret(order: CredentialOrder, header: &str, u: Option<&str>, p: Option<&str>) -> Option<String> {
        let mut headers = HeaderMap::new();
        if !header.is_empty() {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(header).unwrap());
        }
        find(order, &headers, u, p).map(|found| found.secret.into_owned())
    }

    #[test]
    fn four_carriers_give_the_token_in_dedicated() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (header, expected) in [
            ("Bearer T", Some("T")),
            ("bearer T", Some("T")),
            ("Token T", Some("T")),
            ("Token user:T", Some("user:T")),
            (basic("user:T").as_str(), Some("T")),
            (basic(":T").as_str(), Some("T")),
            (basic("user:a:b").as_str(), Some("a:b")),
            (basic("no colon").as_str(), None),
            (basic("user:").as_str(), None),
            ("Basic ???", None),
            ("Bearer ", None),
            ("Bearer", None),
            ("Digest T", None),
        ] {
            let found = secret(CredentialOrder::HeaderFirst, header, None, None);
            assert_eq!(found.as_deref(), expected, "{header}");
        }
    }

    #[test]
    fn p_counts_only_when_the_header_gives_nothing_in_dedicated() {
        let find = |header, u, p| secret(CredentialOrder::HeaderFirst, header, u, p);
        assert_eq!(find("", None, Some("P")).as_deref(), Some("P"));
        assert_eq!(find("Bearer T", Some("u"), Some("P")).as_deref(), Some("T"));
        assert_eq!(find("Basic ???", None, Some("P")).as_deref(), Some("P"));
        assert_eq!(find("", Some("u"), Some("")), None);
    }

    #[test]
    fn u_and_p_together_beat_the_header_in_oss() {
        let find = |header, u, p| secret(CredentialOrder::UrlFirst, header, u, p);
        assert_eq!(find("Bearer T", Some("u"), Some("P")).as_deref(), Some("P"));
        assert_eq!(find("Bearer T", None, Some("P")).as_deref(), Some("T"));
        assert_eq!(find("Token user:T", None, None).as_deref(), Some("T"));
        assert_eq!(find("", None, Some("P")).as_deref(), Some("P"));
    }

    proptest! {
        #[test]
        fn headers_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = from_header(CredentialOrder::HeaderFirst, &bytes);
            let mut basic = b"Basic ".to_vec();
            basic.extend_from_slice(STANDARD.encode(&bytes).as_bytes());
            let _ = from_header(CredentialOrder::UrlFirst, &basic);
        }
    }
}
