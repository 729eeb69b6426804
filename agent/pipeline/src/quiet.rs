//! A complaint that repeats is logged once a minute.

use std::collections::HashMap;

const PAUSE_NS: u64 = 60_000_000_000;

/// Remembers when each kind of complaint was last let through.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last: HashMap<&'static str, (u64, u64)>,
}

impl Quiet {
    /// Whether to log now: how many of this kind were held back since the last time. `now` is monotonic.
    pub(crate) fn allow(&mut self, kind: &'static str, now: u64) -> Option<u64> {
        match self.last.get_mut(kind) {
            Some((at, held)) if now.saturating_sub(*at) < PAUSE_NS => {
                *held += 1;
                None
            }
            Some((at, held)) => {
                *at = now;
                Some(std::mem::take(held))
            }
            None => {
                self.last.insert(kind, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_for_each_kind() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.allow("a", 0), Some(0));
        assert_eq!(quiet.allow("a", 1), None);
        assert_eq!(quiet.allow("b", 1), Some(0));
        assert_eq!(quiet.allow("a", PAUSE_NS), Some(1));
    }
}
