//! Checking the calls of a SELECT list.

use weir_influxql::ast::{Call, Expr};

use super::compile::Facts;
use super::condition::go_type;
use super::reduce::is_literal;
use crate::error::{Result, refuse};
use crate::exec::{math, technical};

/// Checks one entry of the SELECT list and notes what it uses.
pub(crate) struct FieldCheck<'a> {
    pub(crate) facts: &'a mut Facts,
    pub(crate) has_interval: bool,
    pub(crate) inherited: bool,
    pub(crate) limit: u64,
    pub(crate) has_target: bool,
    pub(crate) allow_wildcard: bool,
}

impl FieldCheck<'_> {
    /// Checks `expr`.
    pub(crate) fn expr(&mut self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::VarRef(_) => {
                self.facts.columns = true;
                Ok(())
            }
            Expr::Wildcard(_) => {
                self.facts.columns = true;
                self.wildcard_allowed("unable to use wildcard in a binary expression")
            }
            Expr::Regex(_) => {
                self.wildcard_allowed("unable to use regex in a binary expression")?;
                self.facts.columns = true;
                Ok(())
            }
            Expr::Call(call) if math::is_math(&call.name) => self.math(call),
            Expr::Call(call) => {
                self.facts.calls += 1;
                self.call(call)
            }
            Expr::Distinct(_) => {
                self.facts.calls += 1;
                self.facts.distinct = true;
                self.facts.aggregates = true;
                Ok(())
            }
            Expr::Binary(b) => {
                self.allow_wildcard = false;
                match (is_literal(&b.lhs), is_literal(&b.rhs)) {
                    (true, true) => refuse("cannot perform a binary expression on two literals"),
                    (true, false) => self.expr(&b.rhs),
                    (false, true) => self.expr(&b.lhs),
                    (false, false) => {
                        self.expr(&b.lhs)?;
                        self.expr(&b.rhs)
                    }
                }
            }
            Expr::Paren(inner) => self.expr(inner),
            _ => refuse("field must contain at least one variable"),
        }
    }

    fn wildcard_allowed(&self, otherwise: &'static str) -> Result<()> {
        if self.allow_wildcard { Ok(()) } else { refuse(otherwise) }
    }

    fn math(&mut self, call: &Call) -> Result<()> {
        let wanted = if matches!(call.name.as_str(), "atan2" | "pow" | "log") { 2 } else { 1 };
        self.arity(call, wanted)?;
        // A call of constants that is still here has no value.
        if call.args.iter().all(is_literal) {
            return refuse("field must contain at least one variable");
        }
        call.args.iter().filter(|a| !is_literal(a)).try_for_each(|a| self.expr(a))
    }

    fn arity(&self, call: &Call, wanted: usize) -> Result<()> {
        let got = call.args.len();
        if got == wanted {
            return Ok(());
        }
        refuse(format!("invalid number of arguments for {}, expected {wanted}, got {got}", call.name))
    }

    fn arity_between(&self, call: &Call, min: usize, max: usize) -> Result<()> {
        let got = call.args.len();
        if (min..=max).contains(&got) {
            return Ok(());
        }
        refuse(format!(
            "invalid number of arguments for {}, expected at least {min} but no more than {max}, got {got}",
            call.name
        ))
    }

    fn call(&mut self, call: &Call) -> Result<()> {
        let name = call.name.as_str();
        match name {
            "percentile" => {
                self.arity(call, 2)?;
                if !matches!(call.args[1], Expr::Integer(_) | Expr::Number(_)) {
                    return refuse("expected float argument in percentile()");
                }
                self.symbol(name, &call.args[0])
            }
            "sample" => {
                self.arity(call, 2)?;
                match call.args[1] {
                    Expr::Integer(n) if n <= 0 => {
                        refuse(format!("sample window must be greater than 1, got {n}"))
                    }
                    Expr::Integer(_) => self.symbol(name, &call.args[0]),
                    _ => refuse("expected integer argument in sample()"),
                }
            }
            "distinct" => self.distinct(&call.args, false),
            "top" | "bottom" => self.top_bottom(call),
            "derivative" | "non_negative_derivative" | "elapsed" => {
                self.arity_between(call, 1, 2)?;
                self.unit(call, &format!("second argument to {name} must be a duration, got "))?;
                self.transformation(call)
            }
            "difference" | "non_negative_difference" | "cumulative_sum" => {
                if call.args.len() != 1 {
                    return refuse(format!(
                        "invalid number of arguments for {name}, expected 1, got {}",
                        call.args.len()
                    ));
                }
                self.transformation(call)
            }
            "moving_average" => {
                self.arity(call, 2)?;
                match &call.args[1] {
                    Expr::Integer(n) if *n <= 1 => {
                        refuse(format!("moving_average window must be greater than 1, got {n}"))
                    }
                    Expr::Integer(_) => self.transformation(call),
                    other => refuse(format!(
                        "second argument for moving_average must be an integer, got {}",
                        go_type(other)
                    )),
                }
            }
            "integral" => {
                self.arity_between(call, 1, 2)?;
                match call.args.get(1) {
                    Some(Expr::Duration(_)) | None => self.unit(call, "")?,
                    Some(_) => return refuse("second argument must be a duration"),
                }
                self.facts.aggregates = true;
                self.symbol(name, &call.args[0])
            }
            "holt_winters" | "holt_winters_with_fit" => self.holt_winters(call),
            _ if technical::is_technical(name) => self.technical(call),
            _ => self.aggregate(call),
        }
    }

    fn aggregate(&mut self, call: &Call) -> Result<()> {
        match call.name.as_str() {
            "max" | "min" | "first" | "last" => {}
            "count" | "sum" | "mean" | "median" | "mode" | "stddev" | "spread" => {
                self.facts.aggregates = true
            }
            name => return refuse(format!("undefined function {name}()")),
        }
        self.arity(call, 1)?;
        if call.name == "count" {
            match &call.args[0] {
                Expr::Call(inner) if inner.name == "distinct" => return self.distinct(&inner.args, true),
                Expr::Distinct(_) => return Ok(()),
                _ => {}
            }
        }
        self.symbol(&call.name, &call.args[0])
    }

    fn unit(&self, call: &Call, otherwise: &str) -> Result<()> {
        match call.args.get(1) {
            None => Ok(()),
            Some(Expr::Duration(d)) if *d <= 0 => {
                refuse(format!("duration argument must be positive, got {}", Expr::Duration(*d)))
            }
            Some(Expr::Duration(_)) => Ok(()),
            Some(other) => refuse(format!("{otherwise}{}", go_type(other))),
        }
    }

    /// A field, or a call over buckets.
    fn transformation(&mut self, call: &Call) -> Result<()> {
        let name = &call.name;
        self.facts.aggregates = true;
        match &call.args[0] {
            inner @ (Expr::Call(_) | Expr::Distinct(_)) => {
                if matches!(inner, Expr::Call(_)) && !self.has_interval {
                    return refuse(format!("{name} aggregate requires a GROUP BY interval"));
                }
                match inner {
                    Expr::Call(inner) if inner.name == "distinct" => self.distinct(&inner.args, true),
                    Expr::Distinct(_) => self.symbol(name, inner),
                    inner => self.expr(inner),
                }
            }
            other => {
                if self.has_interval && !self.inherited {
                    return refuse(format!("aggregate function required inside the call to {name}"));
                }
                self.symbol(name, other)
            }
        }
    }

    fn symbol(&mut self, name: &str, argument: &Expr) -> Result<()> {
        match argument {
            Expr::VarRef(_) => Ok(()),
            Expr::Wildcard(_) if !self.allow_wildcard => {
                refuse(format!("unsupported expression with wildcard: {name}()"))
            }
            Expr::Regex(_) if !self.allow_wildcard => {
                refuse(format!("unsupported expression with regex field: {name}()"))
            }
            Expr::Wildcard(_) | Expr::Regex(_) => {
                self.facts.aggregates = true;
                Ok(())
            }
            _ => refuse(format!("expected field argument in {name}()")),
        }
    }

    fn distinct(&mut self, args: &[Expr], nested: bool) -> Result<()> {
        match args {
            [] => refuse("distinct function requires at least one argument"),
            [Expr::VarRef(_)] => {
                self.facts.distinct |= !nested;
                self.facts.aggregates = true;
                Ok(())
            }
            [_] => refuse("expected field argument in distinct()"),
            _ => refuse("distinct function can only have one argument"),
        }
    }

    fn top_bottom(&mut self, call: &Call) -> Result<()> {
        let name = &call.name;
        if let Some(other) = &self.facts.top_bottom {
            return refuse(format!("selector function {other}() cannot be combined with other functions"));
        }
        let (Some(last), true) = (call.args.last(), call.args.len() >= 2) else {
            return refuse(format!(
                "invalid number of arguments for {name}, expected at least 2, got {}",
                call.args.len()
            ));
        };
        match last {
            Expr::Integer(n) if *n <= 0 => {
                return refuse(format!("limit ({n}) in {name} function must be at least 1"));
            }
            Expr::Integer(n) if self.limit > 0 && n.unsigned_abs() > self.limit => {
                return refuse(format!(
                    "limit ({n}) in {name} function can not be larger than the LIMIT ({}) in the select statement",
                    self.limit
                ));
            }
            Expr::Integer(_) => {}
            other => return refuse(format!("expected integer as last argument in {name}(), found {other}")),
        }
        if !matches!(call.args[0], Expr::VarRef(_)) {
            return refuse(format!(
                "expected first argument to be a field in {name}(), found {}",
                call.args[0]
            ));
        }
        for argument in &call.args[1..call.args.len() - 1] {
            if !matches!(argument, Expr::VarRef(_)) {
                return refuse(format!("only fields or tags are allowed in {name}(), found {argument}"));
            }
            if !self.has_target {
                self.facts.columns = true;
            }
        }
        self.facts.top_bottom = Some(name.clone());
        Ok(())
    }

    fn holt_winters(&mut self, call: &Call) -> Result<()> {
        let name = &call.name;
        self.arity(call, 3)?;
        match call.args[1] {
            Expr::Integer(n) if n <= 0 => {
                return refuse(format!("second arg to {name} must be greater than 0, got {n}"));
            }
            Expr::Integer(_) => {}
            _ => return refuse(format!("expected integer argument as second arg in {name}")),
        }
        match call.args[2] {
            Expr::Integer(n) if n < 0 => {
                return refuse(format!("third arg to {name} cannot be negative, got {n}"));
            }
            Expr::Integer(_) => {}
            _ => return refuse(format!("expected integer argument as third arg in {name}")),
        }
        self.facts.aggregates = true;
        let Expr::Call(inner) = &call.args[0] else {
            return refuse(format!("must use aggregate function with {name}"));
        };
        if !self.has_interval {
            return refuse(format!("{name} aggregate requires a GROUP BY interval"));
        }
        if inner.name == "distinct" { self.distinct(&inner.args, true) } else { self.expr(&call.args[0]) }
    }

    /// The technical-analysis functions are checked like any other, so that a misspelt call hears why.
    fn technical(&mut self, call: &Call) -> Result<()> {
        let name = &call.name;
        let kaufman = name.starts_with("kaufmans");
        let most = if kaufman { 3 } else { 4 };
        self.arity_between(call, 2, most)?;
        match call.args[1] {
            Expr::Integer(n) if n < 1 => {
                return refuse(format!("{name} period must be greater than or equal to 1"));
            }
            Expr::Integer(_) => {}
            _ => return refuse(format!("{name} period must be an integer")),
        }
        match call.args.get(2) {
            None => {}
            Some(Expr::Integer(n)) if name == "triple_exponential_derivative" && *n < 1 && *n != -1 => {
                return refuse(format!("{name} hold period must be greater than or equal to 1"));
            }
            Some(Expr::Integer(n)) if *n < 0 && *n != -1 => {
                return refuse(format!("{name} hold period must be greater than or equal to 0"));
            }
            Some(Expr::Integer(_)) => {}
            Some(_) => return refuse(format!("{name} hold period must be an integer")),
        }
        let chande = name == "chande_momentum_oscillator";
        match call.args.get(3) {
            None => {}
            Some(Expr::String(s)) if matches!(s.as_str(), "exponential" | "simple") => {}
            Some(Expr::String(s)) if chande && s == "none" => {}
            Some(Expr::String(_)) => {
                let none = if chande { "'none' " } else { "" };
                return refuse(format!("{name} warmup type must be one of: {none}'exponential' 'simple'"));
            }
            Some(_) => return refuse(format!("{name} warmup type must be a string")),
        }
        self.transformation(call)
    }
}
