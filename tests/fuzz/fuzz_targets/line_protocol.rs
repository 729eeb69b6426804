//! The parser, cold and warm, gives the points and the errors of the reference; slices give what the whole gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_lineprotocol::reference::{self, Collected};
use weir_lineprotocol::{ErrorList, Options, Parser, Rules, find_cut};
use weir_model::Precision;

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (iox, target, body) = input;
    let options = Options {
        precision: if iox { Precision::Second } else { Precision::Nanosecond },
        default_time: 42,
        rules: if iox { Rules::IOX } else { Rules::INFLUX1 },
        first_line: 1,
    };
    let (mut expected, mut expected_errors) = (Collected::default(), ErrorList::new(1_000));
    reference::parse(body, &options, &mut expected, &mut expected_errors);

    let (mut parser, mut sink) = (Parser::new(), Collected::default());
    let mut lines = 0;
    for _ in 0..2 {
        let mut errors = ErrorList::new(1_000);
        sink.points.clear();
        lines = parser.parse(body, &options, &mut sink, &mut errors).lines;
        assert_eq!(sink.points, expected.points);
        assert_eq!(errors.kept(), expected_errors.kept());
    }
    for error in expected_errors.kept() {
        assert!(!error.influx1_text().is_empty() && !error.iox_text().is_empty());
    }

    let mut errors = ErrorList::new(1_000);
    sink.points.clear();
    let (mut at, mut read) = (0, 0);
    while at < body.len() {
        let cut = at + find_cut(&body[at..], usize::from(target).max(1));
        let options = Options { first_line: 1 + read, ..options };
        read += parser.parse(&body[at..cut], &options, &mut sink, &mut errors).lines;
        at = cut;
    }
    assert_eq!((sink.points, errors.kept(), read), (expected.points, expected_errors.kept(), lines));
});
