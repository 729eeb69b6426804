//! The continuous queries that there are, in memory and as records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_influxql::ast::CreateContinuousQuery;
use weir_influxql::{Statement, parse_statement};

use crate::error::{QueryError, Result, fail, refuse};
use crate::records::{RecordStore, RecordStoreError};

/// What the keys of our records begin with.
const PREFIX: &str = "cq/";

/// A continuous query.
#[derive(Clone, Debug)]
pub(crate) struct Continuous {
    /// Its number: part of its record's key, never used again while the program runs.
    pub(crate) number: u64,
    /// What it does.
    pub(crate) statement: Arc<CreateContinuousQuery>,
    /// The same as text.
    pub(crate) text: Arc<str>,
}

/// All continuous queries.
#[derive(Default)]
pub(crate) struct Kept {
    /// Where they are kept; without, they live as long as the engine.
    records: Option<Arc<dyn RecordStore>>,
    /// Held while a record is written, so that memory and records change in the same order.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queries: Vec<Continuous>,
    last_number: u64,
    /// By number, the start of the interval in which a query ran last.
    runs: BTreeMap<u64, i64>,
}

impl Kept {
    /// Those in `records`. A record that makes no sense is left where it is, with a warning.
    pub(crate) fn load(records: Arc<dyn RecordStore>) -> Result<Self, RecordStoreError> {
        let mut state = State::default();
        for (key, value) in records.load_all()? {
            let Some(number) = key.strip_prefix(PREFIX) else { continue };
            let parsed = number.parse::<u64>().ok().zip(parse(&value));
            let Some((number, statement)) = parsed else {
                tracing::warn!(key, "a record that is no continuous query is passed over");
                continue;
            };
            state.last_number = state.last_number.max(number);
            state.queries.push(Continuous::new(number, statement));
        }
        state.queries.sort_by_key(|c| c.number);
        Ok(Self { records: Some(records), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All, in the order in which they were made.
    pub(crate) fn list(&self) -> Vec<Continuous> {
        self.lock().queries.clone()
    }

    /// Adds one.
    pub(crate) fn create(&self, statement: CreateContinuousQuery) -> Result<()> {
        let mut state = self.lock();
        let made = Continuous::new(state.last_number.saturating_add(1), statement);
        let same = |c: &&Continuous| {
            c.statement.database == made.statement.database && c.statement.name == made.statement.name
        };
        if let Some(known) = state.queries.iter().find(same) {
            if known.text.to_lowercase() == made.text.to_lowercase() {
                return Ok(());
            }
            return refuse("continuous query already exists");
        }
        if let Some(records) = &self.records {
            records.put(&key(made.number), made.text.as_bytes()).map_err(failed)?;
        }
        state.last_number = made.number;
        state.queries.push(made);
        Ok(())
    }

    /// Drops those that `unwanted` names.
    pub(crate) fn drop_where(&self, unwanted: impl Fn(&Continuous) -> bool) -> Result<()> {
        let mut state = self.lock();
        while let Some(place) = state.queries.iter().position(&unwanted) {
            let number = state.queries[place].number;
            if let Some(records) = &self.records {
                records.delete(&key(number)).map_err(failed)?;
            }
            state.queries.remove(place);
            state.runs.remove(&number);
        }
        Ok(())
    }

    /// The start of the interval in which query `number` ran last, since this program started.
    pub(crate) fn last_run(&self, number: u64) -> Option<i64> {
        self.lock().runs.get(&number).copied()
    }

    /// Notes that query `number` runs in the interval that starts at `time`.
    pub(crate) fn note_run(&self, number: u64, time: i64) {
        self.lock().runs.insert(number, time);
    }
}

impl Continuous {
    fn new(number: u64, statement: CreateContinuousQuery) -> Self {
        let text = statement.to_string().into();
        Self { number, statement: Arc::new(statement), text }
    }
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number:010}")
}

fn failed(error: RecordStoreError) -> QueryError {
    fail(error.0)
}

fn parse(value: &[u8]) -> Option<CreateContinuousQuery> {
    match parse_statement(std::str::from_utf8(value).ok()?, &BTreeMap::new()) {
        Ok(Statement::CreateContinuousQuery(s)) => Some(s),
        _ => None,
    }
}
