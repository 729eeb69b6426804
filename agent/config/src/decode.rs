//! From a table to a type, reporting everything that does not fit instead of the first thing only.

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problems};
use crate::suggest;

/// A parsed file: gives places to byte offsets.
#[derive(Clone, Debug)]
pub struct FileText {
    name: std::sync::Arc<str>,
    line_starts: std::sync::Arc<[usize]>,
    text: std::sync::Arc<str>,
}

impl FileText {
    /// A file's name and text.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1));
        Self { name: name.into(), line_starts: starts.collect(), text: text.into() }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset.
    #[must_use]
    pub fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|s| *s <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).map_or(1, |t| t.chars().count() + 1);
        Place { file: self.name.clone(), line, column }
    }
}

/// A table on its way to a type.
#[derive(Clone, Copy, Debug)]
pub struct TableRef<'a, 'i> {
    /// How messages name it, such as `inputs.cpu`.
    pub what: &'a str,
    /// The table, variables put in.
    pub table: &'a Spanned<DeTable<'i>>,
    /// Where it stands.
    pub file: &'a FileText,
    /// Byte offsets of the strings that were exactly one variable.
    pub whole_variables: &'a [usize],
}

/// Decodes a table into a `T` whose every field has a default. Each unknown key, and each value of the wrong type, is an
/// error of its own; the rest is decoded. `None` only if nothing could be made of it.
pub fn decode<T: DeserializeOwned>(from: TableRef<'_, '_>, problems: &mut Problems) -> Option<T> {
    let TableRef { what, table, file, whole_variables } = from;
    let known = fields_of::<T>();
    // What a variable-only string is re-read from; declared first so that it outlives the table.
    let spare: Vec<(String, String)> = table
        .get_ref()
        .iter()
        .filter(|(_, v)| whole_variables.contains(&v.span().start))
        .filter_map(|(k, v)| Some((k.get_ref().to_string(), v.get_ref().as_str()?.to_owned())))
        .collect();
    let mut rest = table.clone();
    retain_keys(&mut rest, |key| {
        let name: &str = key.get_ref();
        let is_known = known.is_none_or(|fields| fields.contains(&name));
        if !is_known {
            let hint = suggest::hint(name, known.unwrap_or_default().iter().copied());
            problems.error(file.place(key.span().start), format!("{what} has no option {name:?}{hint}"));
        }
        is_known
    });
    let mut retyped = Vec::new();
    // Each round takes one bad key out, or gives one key another type for the first time: it ends.
    loop {
        let error = match T::deserialize(toml::de::Deserializer::from(rest.clone())) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let span = error.span();
        let bad = span.as_ref().and_then(|span| {
            let holds = |key: &Spanned<_>, value: &Spanned<DeValue<'_>>| {
                key.span().start <= span.start && span.end <= value.span().end.max(key.span().end)
            };
            rest.get_ref().iter().find(|(k, v)| holds(k, v)).map(|(k, _)| k.get_ref().to_string())
        });
        let Some(key) = bad else {
            problems.error(file.place(table.span().start), format!("{what}: {}", error.message()));
            return None;
        };
        let typed = spare
            .iter()
            .find(|(k, _)| *k == key && !retyped.contains(k))
            .and_then(|(_, text)| DeValue::parse(text).ok())
            .filter(|v| matches!(v.get_ref(), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)));
        if let Some(typed) = typed
            && let Some((_, value)) = rest.get_mut().iter_mut().find(|(k, _)| *k.get_ref() == key)
        {
            *value.get_mut() = typed.into_inner();
            retyped.push(key);
            continue;
        }
        let offset = span.map_or(table.span().start, |s| s.start);
        problems.error(file.place(offset), format!("{what}, option {key:?}: {}", error.message()));
        retain_keys(&mut rest, |k| *k.get_ref() != key);
    }
}

/// Keeps the entries whose key `keep` says.
pub(crate) fn retain_keys<'i>(
    table: &mut Spanned<DeTable<'i>>,
    mut keep: impl FnMut(&Spanned<std::borrow::Cow<'i, str>>) -> bool,
) {
    let entries = std::mem::take(table.get_mut());
    table.get_mut().extend(entries.into_iter().filter(|(key, _)| keep(key)));
}

/// The field names of a struct, as its `Deserialize` announces them; `None` if it is no plain struct.
fn fields_of<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut fields = None;
    let _ = T::deserialize(FieldNames(&mut fields));
    fields
}

struct FieldNames<'a>(&'a mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = Some(fields);
        Err(de::Error::custom("only the names were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("only the names were asked for"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
