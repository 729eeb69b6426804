//! SHOW FIELD KEYS.

use weir_influxql::ast::{Measurement, MeasurementName, ShowFieldKeys, Source};
use weir_model::TimeRange;

use super::output::{page, table, text};
use crate::error::Result;
use crate::result::Value;
use crate::statement::Session;

/// SHOW FIELD KEYS: of the default policy where a source names none.
pub(crate) fn field_keys(s: &ShowFieldKeys, session: &Session<'_>) -> Result<()> {
    let snapshot = session.snapshot()?;
    let place = session.place(&*snapshot);
    let database = place.database(s.database.as_deref())?;
    let mut wanted = Vec::new();
    for source in &s.sources {
        if let Source::Measurement(m) = source {
            let mut m = m.clone();
            m.database.get_or_insert_with(|| database.clone());
            wanted.extend(place.tables(&m)?);
        }
    }
    if s.sources.is_empty() {
        let policy = place.policy(&database, None, None)?;
        for name in snapshot.measurements(&database, &policy) {
            wanted.extend(place.tables(&Measurement {
                database: Some(database.clone()),
                retention_policy: Some(policy.clone()),
                name: MeasurementName::Name(name.to_string()),
            })?);
        }
    }
    wanted.sort_by(|a, b| a.0.cmp(&b.0));
    wanted.dedup_by(|a, b| a.0 == b.0);
    for (name, measurement) in wanted {
        let mut fields = measurement.fields(TimeRange::ALL);
        fields.sort_by(|a, b| (&a.name, a.field_type.name()).cmp(&(&b.name, b.field_type.name())));
        fields.dedup();
        let rows: Vec<Vec<Value>> =
            fields.into_iter().map(|f| vec![Value::Str(f.name), text(f.field_type.name())]).collect();
        let rows = page(rows, s.limit, s.offset);
        table(session, Some(&name), &["fieldKey", "fieldType"], &rows)?;
    }
    Ok(())
}
