//! Which metrics, fields and tags pass a plugin.
//!
//! Selecting looks at the metric as the plugin named it; modifying comes after renaming and sees every tag.

use std::collections::BTreeMap;

use crate::glob::GlobList;
use crate::metric::Metric;

/// What a filter is made of.
#[derive(Clone, Debug, Default)]
pub struct FilterSpec {
    /// Globs of names to take, and characters `*` does not cross in them.
    pub namepass: (Vec<String>, String),
    /// Globs of names to leave, and characters `*` does not cross in them.
    pub namedrop: (Vec<String>, String),
    /// Tag → globs of values to take.
    pub tagpass: BTreeMap<String, Vec<String>>,
    /// Tag → globs of values to leave.
    pub tagdrop: BTreeMap<String, Vec<String>>,
    /// Globs of fields to keep.
    pub fieldinclude: Vec<String>,
    /// Globs of fields to remove.
    pub fieldexclude: Vec<String>,
    /// Globs of tags to keep.
    pub taginclude: Vec<String>,
    /// Globs of tags to remove.
    pub tagexclude: Vec<String>,
}

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    namepass: GlobList,
    namedrop: GlobList,
    tagpass: Vec<(String, GlobList)>,
    tagdrop: Vec<(String, GlobList)>,
    fieldinclude: GlobList,
    fieldexclude: GlobList,
    taginclude: GlobList,
    tagexclude: GlobList,
}

impl Filter {
    /// Compiles.
    ///
    /// # Errors
    /// Names the option and the pattern that is none.
    pub fn new(spec: &FilterSpec) -> Result<Self, String> {
        let list = |option: &str, patterns: &[String], separators: &str| {
            let separators: Vec<char> = separators.chars().collect();
            GlobList::new(patterns, &separators).map_err(|why| format!("{option}: {why}"))
        };
        let rows = |option: &str, table: &BTreeMap<String, Vec<String>>| {
            let row =
                |(tag, patterns): (&String, &Vec<String>)| Ok((tag.clone(), list(option, patterns, "")?));
            table.iter().map(row).collect::<Result<Vec<_>, String>>()
        };
        Ok(Self {
            namepass: list("namepass", &spec.namepass.0, &spec.namepass.1)?,
            namedrop: list("namedrop", &spec.namedrop.0, &spec.namedrop.1)?,
            tagpass: rows("tagpass", &spec.tagpass)?,
            tagdrop: rows("tagdrop", &spec.tagdrop)?,
            fieldinclude: list("fieldinclude", &spec.fieldinclude, "")?,
            fieldexclude: list("fieldexclude", &spec.fieldexclude, "")?,
            taginclude: list("taginclude", &spec.taginclude, "")?,
            tagexclude: list("tagexclude", &spec.tagexclude, "")?,
        })
    }

    /// Whether the metric is taken at all.
    #[must_use]
    pub fn selects(&self, metric: &Metric) -> bool {
        let any_row = |rows: &[(String, GlobList)]| {
            rows.iter().any(|(tag, globs)| metric.get_tag(tag).is_some_and(|value| globs.matches(value)))
        };
        (self.namepass.is_empty() || self.namepass.matches(&metric.name))
            && !self.namedrop.matches(&metric.name)
            && (self.tagpass.is_empty() || any_row(&self.tagpass))
            && !any_row(&self.tagdrop)
    }

    /// Removes fields and tags that do not pass. Returns whether a field is left.
    pub fn modify(&self, metric: &mut Metric) -> bool {
        let keeps = |include: &GlobList, exclude: &GlobList, name: &str| {
            (include.is_empty() || include.matches(name)) && !exclude.matches(name)
        };
        if !(self.fieldinclude.is_empty() && self.fieldexclude.is_empty()) {
            metric.fields.retain(|(name, _)| keeps(&self.fieldinclude, &self.fieldexclude, name));
        }
        if !(self.taginclude.is_empty() && self.tagexclude.is_empty()) {
            metric.tags.retain(|(key, _)| keeps(&self.taginclude, &self.tagexclude, key));
        }
        !metric.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::MetricKind;

    fn metric() -> Metric {
        Metric::new("cpu", MetricKind::Gauge)
            .tag("cpu", "cpu0")
            .tag("host", "a")
            .field("usage_idle", 1.0)
            .field("usage_user", 2.0)
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn names_and_tags_select() {
        let check = |spec: FilterSpec, expected: bool| {
            assert_eq!(Filter::new(&spec).unwrap().selects(&metric()), expected, "{spec:?}");
        };
        check(FilterSpec::default(), true);
        check(FilterSpec { namepass: (list(&["mem", "c*"]), String::new()), ..Default::default() }, true);
        check(FilterSpec { namedrop: (list(&["cpu"]), String::new()), ..Default::default() }, false);
        let row = |tag: &str, globs: &[&str]| BTreeMap::from([(tag.to_owned(), list(globs))]);
        check(FilterSpec { tagpass: row("cpu", &["cpu[0-3]"]), ..Default::default() }, true);
        check(FilterSpec { tagpass: row("rack", &["*"]), ..Default::default() }, false);
        check(FilterSpec { tagdrop: row("cpu", &["cpu0"]), ..Default::default() }, false);
    }

    #[test]
    fn a_metric_without_fields_is_dropped() {
        let filter = Filter::new(&FilterSpec {
            fieldinclude: list(&["usage_*"]),
            fieldexclude: list(&["usage_user"]),
            tagexclude: list(&["host"]),
            ..Default::default()
        })
        .unwrap();
        let mut m = metric();
        assert!(filter.modify(&mut m));
        assert_eq!((m.fields.len(), m.tags.len()), (1, 1));
        let filter = Filter::new(&FilterSpec { fieldinclude: list(&["x"]), ..Default::default() }).unwrap();
        assert!(!filter.modify(&mut metric()));
    }
}
