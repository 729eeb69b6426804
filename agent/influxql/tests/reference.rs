//! The reference page shows statements that parse.

use std::collections::BTreeMap;

use weir_influxql::{ParamValue, parse_query};

#[test]
fn every_statement_of_the_reference_parses() {
    let params = BTreeMap::from([("host".to_owned(), ParamValue::String("a".to_owned()))]);
    let mut parsed = 0;
    for block in include_str!("../REFERENCE.md").split("```sql\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        for statement in block.lines() {
            if let Err(e) = parse_query(statement, &params) {
                panic!("{statement}: {e}");
            }
            parsed += 1;
        }
    }
    assert!(parsed > 50);
}
