//! Bodies to points: line after line, the fast path first.

use memchr::memchr_iter;
use weir_model::{PointSink, Precision, Refusal, TemplateId};

use crate::errors::{ErrorKind, ErrorList};
use crate::fast;
use crate::number::Number;
use crate::plain::{self, Line, Value};
use crate::split::{line_end, skip_blank};
use crate::template::Template;

/// Templates beyond are not kept: those lines are read plainly. An empty one takes 150 bytes.
const TEMPLATES_MAX: usize = 1 << 16;

/// Where the dialects differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A tag value may hold an `=` without a backslash.
    pub equals_in_tag_value: bool,
    /// One name may be a tag and a field of one line. Refusing is exact for lines whose series this parser has seen for the first
    /// time; a series defined elsewhere may slip through.
    pub tag_and_field: bool,
}

impl Rules {
    /// As InfluxDB 1.x.
    pub const INFLUX1: Self = Self { equals_in_tag_value: false, tag_and_field: true };
    /// As the InfluxDB 3 write API.
    pub const IOX: Self = Self { equals_in_tag_value: true, tag_and_field: false };
}

/// What a body means beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Unit of times.
    pub precision: Precision,
    /// Time of points that have none, nanoseconds, cut to the unit by the caller.
    pub default_time: i64,
    /// Dialect.
    pub rules: Rules,
    /// Number of the first physical line: 1 for a whole body, one more than the lines before for a later slice.
    pub first_line: u64,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Physical lines: line feeds, and what stands behind the last one.
    pub lines: u64,
    /// Points the sink took.
    pub points: u64,
    /// Values in them.
    pub values: u64,
    /// Fields called `time`, which are left out.
    pub time_fields: u64,
}

impl Stats {
    /// Adds those of another slice.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.points += other.points;
        self.values += other.values;
        self.time_fields += other.time_fields;
    }
}

/// Reads bodies into a sink. Keeps what it has learnt of the sink's templates from one body to the next.
#[derive(Debug, Default)]
pub struct Parser {
    pub(crate) templates: Vec<Template>,
    /// Counts lines over all bodies, so that a template knows the fields of one line from those of another.
    pub(crate) line_stamp: u64,
    /// For strings with escapes.
    pub(crate) scratch: Vec<u8>,
}

impl Parser {
    /// A parser that knows no templates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all templates. Needed when the sink is told another target, or is another one.
    pub fn reset(&mut self) {
        self.templates.clear();
    }

    /// Reads `body`, whole lines, into `sink`. Lines that are wrong or refused go to `errors`; the others are not harmed.
    pub fn parse<S: PointSink>(
        &mut self,
        body: &[u8],
        options: &Options,
        sink: &mut S,
        errors: &mut ErrorList,
    ) -> Stats {
        let mut run = Run { body, options, errors, stats: Stats::default() };
        let mut at = 0;
        while at < body.len() {
            self.line_stamp += 1;
            at = match fast::line(self, &mut run, sink, at) {
                Some(next) => next,
                None => self.plain_line(&mut run, sink, at),
            };
        }
        run.stats
    }

    /// Reads the line at `at`, of any kind; where the next one starts.
    #[cold]
    fn plain_line<S: PointSink>(&mut self, run: &mut Run<'_>, sink: &mut S, at: usize) -> usize {
        let body = run.body;
        let start = skip_blank(body, at);
        let end = line_end(body, start);
        let mut line = body.get(start..end).unwrap_or_default();
        let number = run.next_number();
        run.stats.lines += memchr_iter(b'\n', line).count() as u64;
        if end < body.len() {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        // A hidden line feed at the end is cut off as well. The last one of the body starts no further line.
        if let Some(shorter) = line.strip_suffix(b"\n") {
            line = shorter;
            run.stats.lines -= u64::from(end == body.len());
        }
        if line.is_empty() || line[0] == b'#' {
            return end + 1;
        }
        let options = run.options;
        let parsed = plain::parse(line, options.rules, options.precision);
        match parsed.and_then(|parsed| self.deliver(run, sink, &parsed)) {
            Ok(()) => {}
            Err(kind) => run.errors.push(number, kind, line),
        }
        end + 1
    }

    /// Gives a line to the sink.
    fn deliver<S: PointSink>(
        &mut self,
        run: &mut Run<'_>,
        sink: &mut S,
        line: &Line<'_>,
    ) -> Result<(), ErrorKind> {
        run.stats.time_fields += line.time_fields;
        if line.fields.is_empty() {
            let measurement = line.measurement.as_ref().into();
            return Err(ErrorKind::Refused(Refusal::OnlyTimeFields { measurement }));
        }
        let id = match sink.key(line.key) {
            Some(id) => id,
            None => {
                let tags: Vec<(&str, &str)> = line.tags.iter().map(|(k, v)| (&**k, &**v)).collect();
                sink.define(line.key, &line.measurement, &tags).map_err(ErrorKind::Refused)?
            }
        };
        let mut unknown = Template::default();
        let template = self.template(id).unwrap_or(&mut unknown);
        if !run.options.rules.tag_and_field {
            for (key, _) in &line.tags {
                template.learn_tag(key);
            }
        }
        let mut cursor = template.start();
        for field in &line.fields {
            let slot = template.learn(&mut cursor, field.raw, &field.name, || sink.slot(&field.name));
            match &field.value {
                Value::Number(Number::Float(value, decimal)) => sink.float(slot, *value, *decimal),
                Value::Number(Number::Integer(value)) => sink.integer(slot, *value),
                Value::Number(Number::Unsigned(value)) => sink.unsigned(slot, *value),
                Value::Boolean(value) => sink.boolean(slot, *value),
                Value::String(value) => sink.string(slot, value),
            }
        }
        sink.end(line.time.unwrap_or(run.options.default_time)).map_err(ErrorKind::Refused)?;
        run.stats.points += 1;
        run.stats.values += line.fields.len() as u64;
        Ok(())
    }

    fn template(&mut self, id: TemplateId) -> Option<&mut Template> {
        let index = id.0 as usize;
        if index >= TEMPLATES_MAX {
            return None;
        }
        if index >= self.templates.len() {
            self.templates.resize_with(index + 1, Template::default);
        }
        self.templates.get_mut(index)
    }
}

/// One call of [`Parser::parse`].
pub(crate) struct Run<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) options: &'a Options,
    pub(crate) errors: &'a mut ErrorList,
    pub(crate) stats: Stats,
}

impl Run<'_> {
    /// Number of the physical line that starts now.
    #[inline(always)]
    pub(crate) fn next_number(&mut self) -> u64 {
        self.stats.lines += 1;
        self.options.first_line + self.stats.lines - 1
    }
}
