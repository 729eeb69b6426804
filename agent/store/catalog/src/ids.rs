//! Numbers that stand for things on disk. Given by the catalog, never reused.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// One instance of a database: DROP ends it, a later CREATE of the same name makes another.
    DatabaseId(u32)
}
id! {
    /// One instance of a retention policy. Stands in WAL records.
    PolicyId(u32)
}
id! {
    /// One instance of a measurement of a database; all policies of the database share it.
    MeasurementId(u32)
}
id! {
    /// One (measurement instance, name, type). Immutable.
    FieldId(u32)
}
id! {
    /// A shard group.
    GroupId(u32)
}
id! {
    /// A segment or series file; its name is this number.
    FileId(u64)
}
id! {
    /// A tombstone; consecutive.
    TombstoneId(u64)
}

/// Which store wrote something. Random, made with the data directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut id = [0u8; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_id_prints_as_it_parses() {
        let id = StoreId([0x0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff]);
        assert_eq!(StoreId::parse(&id.to_string()), Some(id));
        assert_eq!(StoreId::parse("0f"), None);
        assert_eq!(StoreId::parse(&"g".repeat(32)), None);
    }
}
