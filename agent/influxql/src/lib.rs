//! InfluxQL: lexer, parser, syntax tree, printing back.
