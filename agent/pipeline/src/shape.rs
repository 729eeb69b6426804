//! What happens to every metric of an input between the plugin and the store: selecting, naming, tags, rounding, modifying.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::time::{TIME_MAX, TIME_MIN};

use crate::filter::Filter;
use crate::metric::Metric;

/// Where a polled metric's time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFrom {
    /// The metric, else the end of the gather.
    #[default]
    Metric,
    /// The start of the gather.
    Start,
    /// The end of the gather.
    End,
}

/// An input's naming and filtering.
#[derive(Clone, Debug)]
pub struct Shape {
    /// New name.
    pub name_override: Option<String>,
    /// Put before the name.
    pub name_prefix: String,
    /// Put behind the name.
    pub name_suffix: String,
    /// The plugin's own tags.
    pub tags: BTreeMap<String, String>,
    /// Tags of the whole agent, `host` among them.
    pub global_tags: Arc<BTreeMap<String, String>>,
    /// Re-add the plugin's own tags after filtering.
    pub always_include_local_tags: bool,
    /// Re-add the global tags after filtering.
    pub always_include_global_tags: bool,
    /// Which metrics, fields and tags pass.
    pub filter: Filter,
    /// Where the time comes from.
    pub time_from: TimeFrom,
    /// Rounding of timestamps, nanoseconds; at least 1.
    pub precision_ns: i64,
}

/// The rounding of timestamps when the configuration says 0: the unit that the interval is made of.
#[must_use]
pub fn precision_for(configured: Duration, interval: Duration) -> i64 {
    let unit = if !configured.is_zero() {
        configured
    } else if interval >= Duration::from_secs(1) {
        Duration::from_secs(1)
    } else if interval >= Duration::from_millis(1) {
        Duration::from_millis(1)
    } else if interval >= Duration::from_micros(1) {
        Duration::from_micros(1)
    } else {
        Duration::from_nanos(1)
    };
    i64::try_from(unit.as_nanos()).unwrap_or(i64::MAX).max(1)
}

/// Rounds to the nearest multiple of `unit`, halves up.
#[must_use]
pub fn round_to(time: i64, unit: i64) -> i64 {
    if unit <= 1 {
        return time;
    }
    let below = time.div_euclid(unit).saturating_mul(unit);
    let rest = time - below;
    if rest >= unit - rest { below.saturating_add(unit).clamp(TIME_MIN, TIME_MAX) } else { below }
}

impl Shape {
    /// Puts a metric into its final form. `None`: it does not pass. `start` and `end` are when the gather began and ended.
    #[must_use]
    pub fn apply(&self, mut metric: Metric, start: i64, end: i64) -> Option<Metric> {
        if !self.filter.selects(&metric) {
            return None;
        }
        if let Some(name) = &self.name_override {
            metric.name = Cow::Owned(name.clone());
        }
        if !(self.name_prefix.is_empty() && self.name_suffix.is_empty()) {
            metric.name = Cow::Owned(format!("{}{}{}", self.name_prefix, metric.name, self.name_suffix));
        }
        // A metric's own tags win over the plugin's, those over the global ones.
        add_missing(&mut metric, &self.tags);
        add_missing(&mut metric, &self.global_tags);
        if !self.filter.modify(&mut metric) {
            return None;
        }
        if self.always_include_local_tags {
            add_missing(&mut metric, &self.tags);
        }
        if self.always_include_global_tags {
            add_missing(&mut metric, &self.global_tags);
        }
        let time = match self.time_from {
            TimeFrom::Metric => metric.time.unwrap_or(end),
            TimeFrom::Start => start,
            TimeFrom::End => end,
        };
        metric.time = Some(round_to(time, self.precision_ns));
        Some(metric)
    }
}

fn add_missing(metric: &mut Metric, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        if metric.get_tag(key).is_none() {
            metric.tags.push((Cow::Owned(key.clone()), Cow::Owned(value.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::FilterSpec;
    use crate::metric::MetricKind;

    fn shape() -> Shape {
        Shape {
            name_override: None,
            name_prefix: "p_".into(),
            name_suffix: "_s".into(),
            tags: BTreeMap::from([
                ("a".to_owned(), "plugin".to_owned()),
                ("b".to_owned(), "plugin".to_owned()),
            ]),
            global_tags: Arc::new(BTreeMap::from([
                ("b".to_owned(), "global".to_owned()),
                ("host".to_owned(), "h".to_owned()),
            ])),
            always_include_local_tags: false,
            always_include_global_tags: true,
            filter: Filter::new(&FilterSpec {
                tagexclude: vec!["host".into(), "b".into()],
                ..FilterSpec::default()
            })
            .unwrap(),
            time_from: TimeFrom::Metric,
            precision_ns: 1_000_000_000,
        }
    }

    #[test]
    fn own_tags_win_over_plugin_tags_win_over_global_ones() {
        let metric = Metric::new("m", MetricKind::Gauge).tag("a", "own").field("x", 1.0);
        let out = shape().apply(metric, 0, 10_600_000_000).unwrap();
        assert_eq!(out.name, "p_m_s");
        assert_eq!(out.get_tag("a"), Some("own"));
        assert_eq!(out.get_tag("b"), Some("global"), "excluded, then re-added from the global tags");
        assert_eq!(out.get_tag("host"), Some("h"));
        assert_eq!(out.time, Some(11_000_000_000));
    }

    #[test]
    fn times_are_rounded_not_cut() {
        assert_eq!(round_to(1_499, 1_000), 1_000);
        assert_eq!(round_to(1_500, 1_000), 2_000);
        assert_eq!(round_to(-1_500, 1_000), -1_000);
        assert_eq!(round_to(-1_501, 1_000), -2_000);
        assert_eq!(precision_for(Duration::ZERO, Duration::from_secs(10)), 1_000_000_000);
        assert_eq!(precision_for(Duration::ZERO, Duration::from_millis(250)), 1_000_000);
        assert_eq!(precision_for(Duration::from_micros(5), Duration::from_secs(1)), 5_000);
    }
}
