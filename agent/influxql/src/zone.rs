//! Names of time zones.

/// The name as `tz('…')` keeps it, or `None` if there is no such zone. Names are case-sensitive as in 1.x, where they
/// are file names.
pub(crate) fn canonical(name: &str) -> Option<String> {
    match name {
        "" | "UTC" => Some("UTC".to_owned()),
        "Local" => Some("Local".to_owned()),
        _ => {
            let zone = jiff::tz::TimeZone::get(name).ok()?;
            (zone.iana_name() == Some(name)).then(|| name.to_owned())
        }
    }
}

/// A time as 1.x writes it: RFC 3339 in UTC, with as many digits behind the second as needed.
pub(crate) fn rfc3339(ns: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(time) => time.to_string(),
        // Every `i64` of nanoseconds is a time that jiff knows.
        Err(_) => format!("{ns}ns"),
    }
}
