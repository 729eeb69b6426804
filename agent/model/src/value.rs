//! Field types and values.

use std::fmt;

/// Type of a field. The discriminants stand on disk (`FORMAT.md` of the store) and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FieldType {
    /// 64-bit IEEE 754.
    Float = 1,
    /// Signed 64-bit.
    Integer = 2,
    /// Unsigned 64-bit.
    Unsigned = 3,
    /// True or false.
    Boolean = 4,
    /// UTF-8 text.
    String = 5,
}

impl FieldType {
    /// All types, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Float, Self::Integer, Self::Unsigned, Self::Boolean, Self::String];

    /// The type with this number on disk.
    #[must_use]
    pub const fn from_u8(n: u8) -> Option<Self> {
        match n {
            1 => Some(Self::Float),
            2 => Some(Self::Integer),
            3 => Some(Self::Unsigned),
            4 => Some(Self::Boolean),
            5 => Some(Self::String),
            _ => None,
        }
    }

    /// Name as InfluxQL prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// 64-bit IEEE 754; never NaN or infinite when it comes from a client.
    Float(f64),
    /// Signed 64-bit.
    Integer(i64),
    /// Unsigned 64-bit.
    Unsigned(u64),
    /// True or false.
    Boolean(bool),
    /// UTF-8 text.
    String(&'a str),
}

impl FieldValue<'_> {
    /// Its type.
    #[must_use]
    pub const fn field_type(&self) -> FieldType {
        match self {
            Self::Float(_) => FieldType::Float,
            Self::Integer(_) => FieldType::Integer,
            Self::Unsigned(_) => FieldType::Unsigned,
            Self::Boolean(_) => FieldType::Boolean,
            Self::String(_) => FieldType::String,
        }
    }
}

/// How a float was spelled: `mantissa / 10^scale`, when |mantissa| < 2^53 and scale ≤ 22, so that the division
/// gives the float exactly. A hint for the codecs; the float itself is the truth (it alone carries `-0.0`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// Digits without the point, with sign.
    pub mantissa: i64,
    /// Digits after the point.
    pub scale: u8,
}
