//! The calls of a SELECT list as a tree: transformations over aggregates over columns.

use weir_influxql::ast::{Call, DataType, Expr, VarRef};

use super::bins::Func;
use super::block::Ref;
use super::holt_winters::Forecast;
use super::project::reference;
use super::technical::{self, Technical};
use crate::error::{QueryError, Result, fail, refuse};
use crate::plan::prepare::Input;
use crate::plan::types::{NoSchema, Type, type_of};
use crate::plan::window::Windows;

/// How to compute a call.
#[derive(Debug)]
pub(crate) struct CallPlan {
    /// The step.
    pub(crate) step: Step,
    /// Type of the result.
    pub(crate) kind: Type,
    /// Whether it is `count`, whose empty buckets are 0.
    pub(crate) is_count: bool,
}

/// One step of a call.
#[derive(Debug)]
pub(crate) enum Step {
    /// Over a column; the number of the leaf.
    Leaf(usize),
    /// Over the points of another call.
    Transform(Transform, Box<CallPlan>),
}

/// Functions from points to points.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Transform {
    Derivative { unit: i64, non_negative: bool },
    Difference { non_negative: bool },
    Elapsed { unit: i64 },
    MovingAverage { points: usize },
    CumulativeSum,
    HoltWinters(Forecast),
    Technical(Technical),
    CountDistinct,
}

/// A function over a column.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) func: LeafFunc,
    /// The column.
    pub(crate) arg: Ref,
    /// Buckets and range; transformations widen the range.
    pub(crate) windows: Windows,
    /// Whether other columns of the chosen points are wanted.
    pub(crate) with_aux: bool,
    /// Whether points carry their own times.
    pub(crate) own_times: bool,
    /// Whether empty buckets are filled.
    pub(crate) filled: bool,
}

/// Functions over a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LeafFunc {
    /// One state per bucket.
    Bin(Func),
    /// All points, as they are, for a transformation.
    Raw,
    /// All points of a bucket together.
    Median,
    Mode,
    Stddev,
    Percentile(f64),
    Distinct,
    Sample(usize),
    /// The area under the points, in units of so many nanoseconds.
    Integral(i64),
    /// The greatest (or least), at most so many; one of each combination of these tags.
    Extremes {
        top: bool,
        count: usize,
        by: Vec<String>,
    },
}

/// Turns calls into plans and gathers their leaves.
pub(crate) struct Planner<'a> {
    pub(crate) leaves: &'a mut Vec<Leaf>,
    pub(crate) ascending: bool,
    /// Whether the statement is one selector.
    pub(crate) selector: bool,
    /// What the statement reads.
    pub(crate) inputs: &'a [Input],
    /// The first function that cannot work on the type of its column. 1.x notices when it reads: without series there is no error.
    pub(crate) refused: Option<QueryError>,
}

impl Planner<'_> {
    /// The plan of `call`.
    pub(crate) fn call(&mut self, call: &Call, windows: &Windows) -> Result<CallPlan> {
        let kind = type_of(&Expr::Call(call.clone()), &NoSchema)?;
        let name = call.name.as_str();
        let step = match name {
            "derivative"
            | "non_negative_derivative"
            | "difference"
            | "non_negative_difference"
            | "elapsed"
            | "moving_average"
            | "cumulative_sum" => self.transformation(call, windows)?,
            _ if technical::is_technical(name) => self.transformation(call, windows)?,
            "holt_winters" | "holt_winters_with_fit" => {
                let input = self.argument(call, windows)?;
                self.check(call, "holt winters", input.kind, |t| {
                    matches!(t, DataType::Float | DataType::Integer)
                });
                let forecast = Forecast {
                    count: whole(call, 1),
                    season: whole(call, 2),
                    with_fit: name == "holt_winters_with_fit",
                    every: windows.every,
                };
                Step::Transform(Transform::HoltWinters(forecast), Box::new(input))
            }
            "count" => match call.args.first() {
                Some(Expr::Call(distinct)) => {
                    let input = self.call(distinct, windows)?;
                    Step::Transform(Transform::CountDistinct, Box::new(input))
                }
                _ => self.leaf(call, windows)?,
            },
            _ => self.leaf(call, windows)?,
        };
        Ok(CallPlan { step, kind, is_count: name == "count" })
    }

    fn argument(&mut self, call: &Call, windows: &Windows) -> Result<CallPlan> {
        match call.args.first() {
            Some(Expr::Call(inner)) => self.call(inner, windows),
            Some(Expr::VarRef(v)) => {
                let leaf = self.push(LeafFunc::Raw, v, windows, true, false);
                Ok(CallPlan { step: Step::Leaf(leaf), kind: v.cast, is_count: false })
            }
            _ => Err(fail(format!("expected field argument in {}()", call.name))),
        }
    }

    fn transformation(&mut self, call: &Call, windows: &Windows) -> Result<Step> {
        let name = call.name.as_str();
        let mut wider = windows.clone();
        // The first bucket needs the one before it.
        if windows.every != 0 && name != "cumulative_sum" {
            if self.ascending {
                wider.start = wider.start.saturating_sub(windows.every).max(weir_model::time::TIME_MIN);
            } else {
                wider.end = wider.end.saturating_add(windows.every).min(weir_model::time::TIME_MAX);
            }
        }
        let input = self.argument(call, &wider)?;
        let unit = |otherwise| if let Some(Expr::Duration(d)) = call.args.get(1) { *d } else { otherwise };
        let non_negative = name.starts_with("non_negative_");
        let step = match name {
            "derivative" | "non_negative_derivative" => {
                let default = if windows.every > 0 { windows.every } else { 1_000_000_000 };
                Transform::Derivative { unit: unit(default), non_negative }
            }
            "elapsed" => Transform::Elapsed { unit: unit(1) },
            "moving_average" => Transform::MovingAverage { points: whole(call, 1) },
            "cumulative_sum" => Transform::CumulativeSum,
            _ => match Technical::of(call) {
                Some(technical) => Transform::Technical(technical),
                None => Transform::Difference { non_negative },
            },
        };
        let named = name.trim_start_matches("non_negative_").replace('_', " ");
        if name != "elapsed" {
            self.check(call, &named, input.kind, is_number);
        }
        Ok(Step::Transform(step, Box::new(input)))
    }

    fn leaf(&mut self, call: &Call, windows: &Windows) -> Result<Step> {
        let name = call.name.as_str();
        let Some(Expr::VarRef(v)) = call.args.first() else {
            return refuse(format!("expected field argument in {name}()"));
        };
        let func = match name {
            "count" => LeafFunc::Bin(Func::Count),
            "sum" => LeafFunc::Bin(Func::Sum),
            "mean" => LeafFunc::Bin(Func::Mean),
            "min" => LeafFunc::Bin(Func::Min),
            "max" => LeafFunc::Bin(Func::Max),
            "first" => LeafFunc::Bin(Func::First),
            "last" => LeafFunc::Bin(Func::Last),
            "spread" => LeafFunc::Bin(Func::Spread),
            "median" => LeafFunc::Median,
            "mode" => LeafFunc::Mode,
            "stddev" => LeafFunc::Stddev,
            "distinct" => LeafFunc::Distinct,
            "percentile" => LeafFunc::Percentile(match call.args.get(1) {
                Some(Expr::Number(x)) => *x,
                Some(Expr::Integer(x)) => *x as f64,
                _ => return refuse("expected float argument in percentile()"),
            }),
            "sample" => LeafFunc::Sample(whole(call, 1)),
            "integral" => LeafFunc::Integral(match call.args.get(1) {
                Some(Expr::Duration(d)) => *d,
                _ => 1_000_000_000,
            }),
            "top" | "bottom" => LeafFunc::Extremes {
                top: name == "top",
                count: whole(call, call.args.len().saturating_sub(1)),
                by: call.args[1..]
                    .iter()
                    .filter_map(|a| if let Expr::VarRef(v) = a { Some(v.name.clone()) } else { None })
                    .collect(),
            },
            _ => return refuse(format!("{name}() is not supported yet")),
        };
        match name {
            "sum" | "mean" | "median" | "stddev" | "spread" | "integral" | "percentile" | "top"
            | "bottom" => {
                // With tags, the greatest (or least) of each combination is found first.
                let inner =
                    match (name, v.cast) {
                        ("top" | "bottom", Some(DataType::String)) if call.args.len() > 2 => {
                            if name == "top" { "max" } else { "min" }
                        }
                        _ => name,
                    };
                self.check(call, inner, v.cast, is_number);
            }
            "min" | "max" => self.check(call, name, v.cast, |t| is_number(t) || t == DataType::Boolean),
            _ => {}
        }
        // These keep the times of their points even in buckets.
        let keeps = matches!(func, LeafFunc::Sample(_) | LeafFunc::Extremes { .. } | LeafFunc::Integral(_));
        let selects =
            matches!(func, LeafFunc::Percentile(_)) || matches!(&func, LeafFunc::Bin(f) if f.picks());
        let own_times = keeps || (selects && self.selector && windows.every == 0);
        let filled = windows.every != 0 && !keeps && func != LeafFunc::Distinct;
        Ok(Step::Leaf(self.push(func, v, windows, own_times, filled)))
    }

    /// Whether the column that `call` works on is read from anywhere: a measurement does not give a field by a cast that does
    /// not fit it, and then its type does not matter either.
    fn reads(&self, call: &Call) -> bool {
        let v = match call.args.first() {
            Some(Expr::VarRef(v)) => v,
            Some(Expr::Call(inner)) => return self.reads(inner),
            _ => return true,
        };
        self.inputs.iter().any(|input| match input {
            Input::Table(table) => table.fields.get(v.name.as_str()).is_some_and(|stored| {
                v.cast.is_none_or(|cast| cast == *stored || (is_number(cast) && is_number(*stored)))
            }),
            Input::Subquery(_) => true,
        })
    }

    /// Notes a column of a type that the function cannot work on, in the words of 1.x.
    fn check(&mut self, call: &Call, name: &str, kind: Type, fits: impl Fn(DataType) -> bool) {
        if let Some(
            t @ (DataType::Float
            | DataType::Integer
            | DataType::Unsigned
            | DataType::String
            | DataType::Boolean),
        ) = kind
            && !fits(t)
            && self.reads(call)
        {
            let reduced = matches!(name, "top" | "bottom") && call.args.len() > 2;
            let iterator = if reduced { "booleanReduceBoolean" } else { "Interrupt" };
            let named = if reduced { "" } else { t.name() };
            let why = format!("unsupported {name} iterator type: *query.{named}{iterator}Iterator");
            self.refused.get_or_insert(fail(why));
        }
    }

    fn push(
        &mut self,
        func: LeafFunc,
        v: &VarRef,
        windows: &Windows,
        own_times: bool,
        filled: bool,
    ) -> usize {
        self.leaves.push(Leaf {
            func,
            arg: reference(v),
            windows: windows.clone(),
            with_aux: self.selector,
            own_times,
            filled,
        });
        self.leaves.len() - 1
    }
}

/// The whole number that is argument `place`.
fn whole(call: &Call, place: usize) -> usize {
    match call.args.get(place) {
        Some(Expr::Integer(n)) => usize::try_from(*n).unwrap_or(0),
        _ => 0,
    }
}

const fn is_number(t: DataType) -> bool {
    matches!(t, DataType::Float | DataType::Integer | DataType::Unsigned)
}

/// Whether a call picks points.
pub(crate) fn is_selector(name: &str) -> bool {
    matches!(name, "first" | "last" | "min" | "max" | "percentile" | "sample" | "top" | "bottom")
}
