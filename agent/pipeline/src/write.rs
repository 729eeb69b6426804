//! A metric into a [`PointSink`].

use weir_model::key::write_canonical;
use weir_model::{PointSink, Refusal};

use crate::metric::{Metric, Value};

/// Writes metrics into sinks, with buffers that are used again.
#[derive(Debug, Default)]
pub struct MetricWriter {
    key: String,
}

impl MetricWriter {
    /// Writes one metric, which must have a time. Tags without value and floats that line protocol cannot carry (NaN, infinities) are
    /// left out.
    ///
    /// # Errors
    /// The sink's [`Refusal`]. `Ok(false)`: nothing was left to write.
    pub fn write(&mut self, metric: &Metric, now: i64, sink: &mut impl PointSink) -> Result<bool, Refusal> {
        let storable = |value: &Value| !matches!(value, Value::Float(x) if !x.is_finite());
        if !metric.fields.iter().any(|(_, value)| storable(value)) {
            return Ok(false);
        }
        let mut tags: Vec<(&str, &str)> = metric
            .tags
            .iter()
            .map(|(k, v)| (k.as_ref(), v.as_ref()))
            .filter(|(k, v)| !k.is_empty() && !v.is_empty())
            .collect();
        tags.sort_unstable();
        tags.dedup_by(|a, b| a.0 == b.0);
        self.key.clear();
        write_canonical(&mut self.key, &metric.name, tags.iter().copied());
        if sink.key(self.key.as_bytes()).is_none() {
            sink.define(self.key.as_bytes(), &metric.name, &tags)?;
        }
        for (name, value) in metric.fields.iter().filter(|(_, value)| storable(value)) {
            let slot = sink.slot(name);
            match value {
                Value::Float(x) => sink.float(slot, *x, None),
                Value::Integer(n) => sink.integer(slot, *n),
                Value::Unsigned(n) => sink.unsigned(slot, *n),
                Value::Boolean(b) => sink.boolean(slot, *b),
                Value::String(text) => sink.string(slot, text),
            }
        }
        sink.end(metric.time.unwrap_or(now))?;
        Ok(true)
    }
}
