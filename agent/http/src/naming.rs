//! What `db` and `rp` name.

use crate::dialect::Naming;
use crate::error::ApiError;

/// Longest name in the dedicated dialect, bytes.
const NAME_BYTES_MAX: usize = 64;

/// A database, and a policy of it unless the default is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) database: String,
    pub(crate) policy: Option<String>,
}

/// Whether `rp` means the default: absent, empty, `''`, `autogen`, `default`.
fn is_default_policy(rp: &str) -> bool {
    matches!(rp, "" | "''") || rp.eq_ignore_ascii_case("autogen") || rp.eq_ignore_ascii_case("default")
}

/// The database called `db` or `db/rp`.
pub(crate) fn join(db: &str, rp: Option<&str>) -> String {
    match rp.filter(|rp| !is_default_policy(rp)) {
        None => db.to_owned(),
        Some(rp) => format!("{db}/{}", rp.to_lowercase()),
    }
}

/// Where a write with these parameters goes.
///
/// # Errors
/// A name that is missing or not allowed.
pub(crate) fn for_write(naming: Naming, db: Option<&str>, rp: Option<&str>) -> Result<Place, ApiError> {
    let db = db.unwrap_or_default();
    match naming {
        Naming::Joined if db.is_empty() => Err(length_error()),
        Naming::Joined => Ok(Place { database: checked(join(db, rp))?, policy: None }),
        Naming::Policy if db.is_empty() => Err(ApiError::invalid("database is required")),
        Naming::Policy => {
            Ok(Place { database: db.to_owned(), policy: rp.filter(|rp| !rp.is_empty()).map(str::to_owned) })
        }
    }
}

/// What a query with these parameters reads where it names nothing itself; `None` if they name no database.
///
/// # Errors
/// A name that is not allowed.
pub(crate) fn for_query(
    naming: Naming,
    db: Option<&str>,
    rp: Option<&str>,
) -> Result<Option<Place>, ApiError> {
    if db.is_none_or(str::is_empty) {
        return Ok(None);
    }
    for_write(naming, db, rp).map(Some)
}

/// Where a write to a bucket goes.
///
/// # Errors
/// A name that is missing or not allowed.
pub(crate) fn for_bucket(naming: Naming, bucket: &str) -> Result<Place, ApiError> {
    let not_found = |text: String| ApiError::new(http::StatusCode::NOT_FOUND, text);
    match naming {
        Naming::Joined => for_write(naming, Some(bucket), None),
        Naming::Policy => match bucket.split_once('/') {
            None if bucket.is_empty() => Err(not_found(format!(
                "bucket name \"{bucket}\" is missing a slash; not in \"database/retention-policy\" format"
            ))),
            None => for_write(naming, Some(bucket), None),
            Some(("", _)) => {
                Err(not_found(format!("bucket name \"{bucket}\" is in db/rp form but has an empty database")))
            }
            Some((db, rp)) => for_write(naming, Some(db), Some(rp)),
        },
    }
}

fn length_error() -> ApiError {
    ApiError::invalid("namespace name length must be between 1 and 64 characters")
        .in_1x("database is required")
}

fn checked(name: String) -> Result<String, ApiError> {
    if name.len() > NAME_BYTES_MAX {
        let text = "namespace name length must be between 1 and 64 characters";
        return Err(ApiError::invalid(text));
    }
    match name.chars().position(|c| !(c.is_alphanumeric() || matches!(c, '/' | '_' | '-'))) {
        None => Ok(name),
        Some(at) => Err(ApiError::invalid(format!(
            "namespace name '{name}' contains invalid character, character number {at} is not allowed"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined(db: Option<&str>, rp: Option<&str>) -> Result<String, String> {
        for_write(Naming::Joined, db, rp)
            .map(|place| place.database)
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn db_and_rp_name_one_database_in_dedicated() {
        for (db, rp, name) in [
            ("foo", None, "foo"),
            ("foo", Some(""), "foo"),
            ("foo", Some("''"), "foo"),
            ("foo", Some("autogen"), "foo"),
            ("foo", Some("AutoGen"), "foo"),
            ("foo", Some("DEFAULT"), "foo"),
            ("foo", Some("Bar"), "foo/bar"),
            ("foo", Some("30d"), "foo/30d"),
            ("foo/bar", None, "foo/bar"),
            ("foo/r", Some("r"), "foo/r/r"),
            ("Öl_-/7", None, "Öl_-/7"),
        ] {
            assert_eq!(joined(Some(db), rp), Ok(name.to_owned()), "{db} {rp:?}");
        }
    }

    #[test]
    fn names_have_1_to_64_bytes_and_few_kinds_of_characters() {
        let length = Err("namespace name length must be between 1 and 64 characters".to_owned());
        assert_eq!(joined(None, None), length);
        assert_eq!(joined(Some(""), Some("x")), length);
        assert_eq!(joined(Some(&"a".repeat(64)), None), Ok("a".repeat(64)));
        assert_eq!(joined(Some(&"a".repeat(65)), None), length);
        assert_eq!(joined(Some(&"a".repeat(63)), Some("b")), length);
        assert_eq!(joined(Some(&"ü".repeat(33)), None), length);
        let wrong = "namespace name 'a b' contains invalid character, character number 1 is not allowed";
        assert_eq!(joined(Some("a b"), None), Err(wrong.to_owned()));
        assert!(joined(Some("ü%"), None).unwrap_err().ends_with("character number 1 is not allowed"));
    }

    #[test]
    fn oss_keeps_database_and_policy_apart() {
        let place = for_write(Naming::Policy, Some("a b"), Some("two")).unwrap();
        assert_eq!((place.database.as_str(), place.policy.as_deref()), ("a b", Some("two")));
        assert_eq!(for_write(Naming::Policy, Some("a"), Some("")).unwrap().policy, None);
        assert_eq!(for_write(Naming::Policy, None, None).unwrap_err().message(), "database is required");
    }

    #[test]
    fn buckets_are_databases_or_database_and_policy() {
        let oss = |bucket: &str| for_bucket(Naming::Policy, bucket);
        let place = oss("db/rp").unwrap();
        assert_eq!((place.database.as_str(), place.policy.as_deref()), ("db", Some("rp")));
        assert_eq!(oss("db").unwrap().policy, None);
        let text = "bucket name \"\" is missing a slash; not in \"database/retention-policy\" format";
        assert_eq!(oss("").unwrap_err().message(), text);
        let text = "bucket name \"/rp\" is in db/rp form but has an empty database";
        assert_eq!(oss("/rp").unwrap_err().message(), text);
        assert_eq!(for_bucket(Naming::Joined, "db/rp").unwrap().database, "db/rp");
        assert!(for_bucket(Naming::Joined, "").unwrap_err().message().starts_with("namespace name length"));
    }

    proptest! {
        #[test]
        fn names_never_panic(db in ".{0,80}", rp in proptest::option::of(".{0,20}")) {
            let _ = for_write(Naming::Joined, Some(&db), rp.as_deref());
            let _ = for_bucket(Naming::Policy, &db);
        }
    }
}
