//! Headers that every answer carries.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use weir_model::Clock;

use crate::dialect::Rules;
use crate::options::HttpOptions;

const VERSION: HeaderName = HeaderName::from_static("x-influxdb-version");
const BUILD: HeaderName = HeaderName::from_static("x-influxdb-build");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const WEIR_VERSION: HeaderName = HeaderName::from_static("x-weir-version");
const WEIR_STORE: HeaderName = HeaderName::from_static("x-weir-store");

/// Longest request id of a client that is given back.
const REQUEST_ID_MAX: usize = 128;

/// Values that do not change from request to request, ready to be inserted.
#[derive(Clone, Debug)]
pub(crate) struct CommonHeaders {
    version: HeaderValue,
    build: HeaderValue,
    weir_version: HeaderValue,
    store: Option<HeaderValue>,
}

impl CommonHeaders {
    pub(crate) fn new(options: &HttpOptions, rules: &Rules) -> Self {
        let value = |text: &str| HeaderValue::from_str(text).ok();
        Self {
            version: value(&options.influxdb_version).unwrap_or(HeaderValue::from_static("1.8.10")),
            build: HeaderValue::from_static(rules.build),
            weir_version: value(&options.version)
                .unwrap_or(HeaderValue::from_static(env!("CARGO_PKG_VERSION"))),
            store: value(&options.store_id).filter(|_| !options.store_id.is_empty()),
        }
    }

    /// Adds them to an answer of a request with these headers.
    pub(crate) fn add(&self, answer: &mut HeaderMap, request: &HeaderMap, request_id: HeaderValue) {
        answer.reserve(8);
        answer.insert(VERSION, self.version.clone());
        answer.insert(BUILD, self.build.clone());
        answer.insert(WEIR_VERSION, self.weir_version.clone());
        if let Some(store) = &self.store {
            answer.insert(WEIR_STORE, store.clone());
        }
        answer.insert(REQUEST_ID, request_id.clone());
        answer.insert(X_REQUEST_ID, request_id);
        if let Some(origin) = request.get(ORIGIN) {
            add_cors(answer, origin);
        }
    }
}

/// Lets pages of other origins use the API, as 1.x does.
fn add_cors(answer: &mut HeaderMap, origin: &HeaderValue) {
    let fixed = HeaderValue::from_static;
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, fixed("DELETE, GET, OPTIONS, POST, PUT"));
    answer.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        fixed(
            "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, X-HTTP-Method-Override",
        ),
    );
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, fixed("Date, X-InfluxDB-Version, X-InfluxDB-Build"));
}

/// Gives requests their ids: the client's own, or a UUID made of the time.
#[derive(Debug)]
pub(crate) struct RequestIds {
    /// The last time given away, in 100 ns since 1582.
    last: AtomicU64,
    /// Clock sequence and node: random, since this is no network card.
    node: [u8; 8],
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        let mut node = [0_u8; 8];
        if getrandom::fill(&mut node).is_err() {
            // Ids then repeat between processes, which harms nobody.
            node = *b"weirweir";
        }
        node[0] = 0x80 | node[0] & 0x3f;
        node[2] |= 1;
        Self { last: AtomicU64::new(0), node }
    }

    /// The id of a request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap, clock: &dyn Clock) -> HeaderValue {
        let given = headers.get(X_REQUEST_ID).or_else(|| headers.get(REQUEST_ID));
        match given {
            Some(value) if is_id(value) => value.clone(),
            _ => self.fresh(clock),
        }
    }

    fn fresh(&self, clock: &dyn Clock) -> HeaderValue {
        /// 100 ns from 15 October 1582 to the Unix epoch.
        const GREGORIAN: u64 = 0x01b2_1dd2_1381_4000;
        let now = u64::try_from(clock.now().0 / 100).unwrap_or(0).wrapping_add(GREGORIAN);
        // Requests within the same 100 ns get times one after the other.
        let before = self.last.fetch_max(now, Ordering::Relaxed);
        let time = if now > before { now } else { self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1) };
        let mut bytes = [0_u8; 16];
        bytes[0..4].copy_from_slice(&(time as u32).to_be_bytes());
        bytes[4..6].copy_from_slice(&((time >> 32) as u16).to_be_bytes());
        bytes[6..8].copy_from_slice(&((time >> 48) as u16 & 0x0fff | 0x1000).to_be_bytes());
        bytes[8..16].copy_from_slice(&self.node);
        HeaderValue::from_bytes(&uuid_text(bytes)).unwrap_or(HeaderValue::from_static("0"))
    }
}

fn is_id(value: &HeaderValue) -> bool {
    (1..=REQUEST_ID_MAX).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn uuid_text(bytes: [u8; 16]) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::TimestampNs;

    #[derive(Debug)]
    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> TimestampNs {
            TimestampNs(1_700_000_000_000_000_000)
        }
        fn monotonic_ns(&self) -> u64 {
            0
        }
    }

    #[test]
    fn fresh_ids_are_time_based_uuids_and_differ_even_when_time_stands_still() {
        let ids = RequestIds::new();
        let none = HeaderMap::new();
        let list: Vec<String> =
            (0..100).map(|_| ids.of(&none, &Stopped).to_str().unwrap().to_owned()).collect();
        for id in &list {
            assert_eq!((id.len(), &id[14..15]), (36, "1"), "{id}");
            assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        }
        let distinct: std::collections::HashSet<_> = list.iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn an_id_of_the_client_comes_back_unless_it_is_odd() {
        let ids = RequestIds::new();
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc"));
        assert_eq!(ids.of(&headers, &Stopped), "abc");
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("def"));
        assert_eq!(ids.of(&headers, &Stopped), "def");
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("with blank"));
        assert_eq!(ids.of(&headers, &Stopped).len(), 36);
    }
}
