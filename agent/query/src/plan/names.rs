//! Names of the columns of a result.

use std::sync::Arc;

use hashbrown::HashMap;
use weir_influxql::ast::{Expr, Field};

/// The entries of a SELECT list as columns: the arguments of `top()` and `bottom()` that are columns become columns of
/// their own behind the call, unless the result is written INTO a measurement.
pub(crate) fn columns(fields: &[Field], has_target: bool) -> Vec<Field> {
    let mut out = Vec::with_capacity(fields.len());
    for field in fields {
        out.push(field.clone());
        if let Expr::Call(call) = &field.expr
            && !has_target
            && matches!(call.name.as_str(), "top" | "bottom")
        {
            let columns = call.args.iter().skip(1).filter(|a| matches!(a, Expr::VarRef(_)));
            out.extend(columns.map(|a| Field { expr: a.clone(), alias: None }));
        }
    }
    out
}

/// Names of `columns`: aliases stand as they are; made-up names that are taken already get `_1`, `_2`, ….
pub(crate) fn names(columns: &[Field]) -> Vec<Arc<str>> {
    let mut taken: HashMap<String, usize> = HashMap::new();
    for alias in columns.iter().filter_map(|c| c.alias.as_ref()) {
        taken.insert(alias.clone(), 1);
    }
    columns
        .iter()
        .map(|column| {
            if let Some(alias) = &column.alias {
                return Arc::from(alias.as_str());
            }
            let mut name = column.name();
            if let Some(&count) = taken.get(&name) {
                let mut n = count;
                let free = loop {
                    let candidate = format!("{name}_{n}");
                    if !taken.contains_key(&candidate) {
                        break candidate;
                    }
                    n += 1;
                };
                taken.insert(name, n + 1);
                name = free;
            }
            *taken.entry(name.clone()).or_insert(0) += 1;
            Arc::from(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_avoid_aliases_and_each_other() {
        let field = |name: &str, alias: Option<&str>| Field {
            expr: Expr::var(name),
            alias: alias.map(str::to_owned),
        };
        let got = names(&[
            field("a", None),
            field("a", None),
            field("x", Some("b")),
            field("b", None),
            field("a", None),
        ]);
        let got: Vec<&str> = got.iter().map(|n| &**n).collect();
        assert_eq!(got, ["a", "a_1", "b", "b_1", "a_2"]);
    }
}
