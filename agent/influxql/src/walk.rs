//! Visiting the parts of a tree.

use crate::ast::{Expr, Measurement, SelectStatement, Source, Statement, Target};

/// Visits `expr` and every expression inside it, parents first.
pub fn walk_expr<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    match expr {
        Expr::Binary(b) => {
            walk_expr(&b.lhs, visit);
            walk_expr(&b.rhs, visit);
        }
        Expr::Paren(e) => walk_expr(e, visit),
        Expr::Call(c) => c.args.iter().for_each(|a| walk_expr(a, visit)),
        _ => {}
    }
}

/// Whether `test` holds for `expr` or any expression inside it.
pub fn any_expr(expr: &Expr, test: &mut dyn FnMut(&Expr) -> bool) -> bool {
    test(expr)
        || match expr {
            Expr::Binary(b) => any_expr(&b.lhs, test) || any_expr(&b.rhs, test),
            Expr::Paren(e) => any_expr(e, test),
            Expr::Call(c) => c.args.iter().any(|a| any_expr(a, test)),
            _ => false,
        }
}

/// Rebuilds `expr` from the leaves up: `rewrite` gets each expression after its parts were rewritten.
#[must_use]
pub fn rewrite_expr(expr: Expr, rewrite: &mut dyn FnMut(Expr) -> Expr) -> Expr {
    let expr = match expr {
        Expr::Binary(b) => {
            let b = *b;
            Expr::binary(b.op, rewrite_expr(b.lhs, rewrite), rewrite_expr(b.rhs, rewrite))
        }
        Expr::Paren(e) => Expr::Paren(Box::new(rewrite_expr(*e, rewrite))),
        Expr::Call(mut c) => {
            c.args = c.args.into_iter().map(|a| rewrite_expr(a, rewrite)).collect();
            Expr::Call(c)
        }
        leaf => leaf,
    };
    rewrite(expr)
}

/// Name of the column that `expr` makes in a result, see [`crate::ast::Field::name`].
#[must_use]
pub fn column_name(expr: &Expr) -> String {
    match expr {
        Expr::VarRef(v) => v.name.clone(),
        Expr::Call(c) => c.name.clone(),
        Expr::Distinct(_) => "distinct".to_owned(),
        Expr::Paren(e) => column_name(e),
        Expr::Binary(_) => {
            let mut names: Vec<&str> = Vec::new();
            binary_names(expr, &mut names);
            names.join("_")
        }
        _ => String::new(),
    }
}

/// Names of the columns and calls in an arithmetic expression. Arguments of calls do not count.
fn binary_names<'a>(expr: &'a Expr, out: &mut Vec<&'a str>) {
    match expr {
        Expr::VarRef(v) => out.push(&v.name),
        Expr::Call(c) => out.push(&c.name),
        Expr::Binary(b) => {
            binary_names(&b.lhs, out);
            binary_names(&b.rhs, out);
        }
        Expr::Paren(e) => binary_names(e, out),
        _ => {}
    }
}

/// A place that names a database and a policy.
#[derive(Debug)]
pub enum Place<'a> {
    /// A measurement that is read (or, in DROP SERIES and DELETE, deleted from).
    Read(&'a mut Measurement),
    /// The target of SELECT INTO.
    Write(&'a mut Target),
}

impl Place<'_> {
    /// The database, if named.
    pub fn database(&mut self) -> &mut Option<String> {
        match self {
            Self::Read(m) => &mut m.database,
            Self::Write(t) => &mut t.database,
        }
    }

    /// The retention policy, if named.
    pub fn retention_policy(&mut self) -> &mut Option<String> {
        match self {
            Self::Read(m) => &mut m.retention_policy,
            Self::Write(t) => &mut t.retention_policy,
        }
    }
}

/// Visits every place of a statement that names (or could name) a database and a policy: its FROM clause, those of
/// its subqueries, the target of SELECT INTO, WITH MEASUREMENT. Stops at the first error.
///
/// # Errors
/// The first error of `visit`.
pub fn visit_places<E>(
    statement: &mut Statement,
    visit: &mut dyn FnMut(Place<'_>) -> Result<(), E>,
) -> Result<(), E> {
    match statement {
        Statement::Select(s) => visit_select(s, visit),
        Statement::Explain(s) => visit_select(&mut s.select, visit),
        Statement::CreateContinuousQuery(s) => visit_select(&mut s.select, visit),
        Statement::Delete(s) => visit_sources(&mut s.sources, visit),
        Statement::DropSeries(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowSeries(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowTagKeys(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowTagValues(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowFieldKeys(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowCardinality(s) => visit_sources(&mut s.sources, visit),
        Statement::ShowMeasurements(s) => s.with.as_mut().map_or(Ok(()), |m| visit(Place::Read(m))),
        _ => Ok(()),
    }
}

fn visit_select<E>(
    select: &mut SelectStatement,
    visit: &mut dyn FnMut(Place<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if let Some(target) = &mut select.target {
        visit(Place::Write(target))?;
    }
    visit_sources(&mut select.sources, visit)
}

fn visit_sources<E>(
    sources: &mut [Source],
    visit: &mut dyn FnMut(Place<'_>) -> Result<(), E>,
) -> Result<(), E> {
    sources.iter_mut().try_for_each(|source| match source {
        Source::Measurement(m) => visit(Place::Read(m)),
        Source::Subquery(s) => visit_select(s, visit),
    })
}

impl Statement {
    /// The database that the statement names outside of a FROM clause (`ON db`), or `None` if it can name one and
    /// does not; the outer `None` if it cannot.
    pub fn on_database(&mut self) -> Option<&mut Option<String>> {
        match self {
            Self::ShowRetentionPolicies(s) => Some(&mut s.database),
            Self::ShowMeasurements(s) => Some(&mut s.database),
            Self::ShowSeries(s) => Some(&mut s.database),
            Self::ShowTagKeys(s) => Some(&mut s.database),
            Self::ShowTagValues(s) => Some(&mut s.database),
            Self::ShowFieldKeys(s) => Some(&mut s.database),
            Self::ShowCardinality(s) => Some(&mut s.database),
            _ => None,
        }
    }

    /// Writes `database` and `retention_policy` (of the request, or the default one) wherever the statement leaves them
    /// out. As in 1.x the policy is also written beside another database that is named without a policy. DROP SERIES
    /// and DELETE, which cannot name them, are left alone.
    pub fn fill_defaults(&mut self, database: Option<&str>, retention_policy: Option<&str>) {
        if let Some(on @ None) = self.on_database() {
            *on = database.map(str::to_owned);
        }
        if matches!(self, Self::Delete(_) | Self::DropSeries(_)) {
            return;
        }
        let done: Result<(), std::convert::Infallible> = visit_places(self, &mut |mut place| {
            if place.database().is_none() {
                *place.database() = database.map(str::to_owned);
            }
            if place.retention_policy().is_none() {
                *place.retention_policy() = retention_policy.map(str::to_owned);
            }
            Ok(())
        });
        match done {
            Ok(()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::parse_query;

    #[test]
    fn defaults_are_written_where_nothing_is_named() {
        for (text, filled) in [
            ("SELECT v FROM m, a..n, q.o", "SELECT v FROM db.rp.m, a.rp.n, db.q.o"),
            (
                "SELECT v INTO x FROM (SELECT v FROM /m/)",
                "SELECT v INTO db.rp.x FROM (SELECT v FROM db.rp./m/)",
            ),
            ("EXPLAIN SELECT v FROM m", "EXPLAIN SELECT v FROM db.rp.m"),
            ("SHOW TAG KEYS FROM m", "SHOW TAG KEYS ON db FROM db.rp.m"),
            ("SHOW SERIES ON a", "SHOW SERIES ON a"),
            ("SHOW RETENTION POLICIES", "SHOW RETENTION POLICIES ON db"),
            ("DELETE FROM m", "DELETE FROM m"),
            ("DROP DATABASE x", "DROP DATABASE x"),
        ] {
            let mut query = parse_query(text, &BTreeMap::new()).unwrap();
            query.statements[0].fill_defaults(Some("db"), Some("rp"));
            assert_eq!(query.to_string(), filled);
        }
    }

    #[test]
    fn columns_are_named_as_in_1x() {
        let query = parse_query(
            "SELECT a, a AS b, mean(a), -a, (a), a + mean(b * c) / (d), 1 + 1, DISTINCT a, max(max(a)) FROM m",
            &BTreeMap::new(),
        )
        .unwrap();
        let Statement::Select(select) = &query.statements[0] else { panic!("no SELECT") };
        let names: Vec<String> = select.fields.iter().map(crate::ast::Field::name).collect();
        assert_eq!(names, ["a", "b", "mean", "a", "a", "a_mean_d", "", "distinct", "max"]);
    }

    #[test]
    fn rewriting_starts_at_the_leaves() {
        let query = parse_query("SELECT f(a, (b + c)) FROM m", &BTreeMap::new()).unwrap();
        let Statement::Select(select) = &query.statements[0] else { panic!("no SELECT") };
        let mut seen = Vec::new();
        let rewritten = rewrite_expr(select.fields[0].expr.clone(), &mut |e| {
            seen.push(e.to_string());
            match e {
                Expr::VarRef(_) => Expr::Integer(1),
                other => other,
            }
        });
        assert_eq!(rewritten.to_string(), "f(1, (1 + 1))");
        assert_eq!(seen, ["a", "b", "c", "1 + 1", "(1 + 1)", "f(1, (1 + 1))"]);
        let mut visited = 0;
        walk_expr(&rewritten, &mut |_| visited += 1);
        assert_eq!(visited, 6);
    }
}
