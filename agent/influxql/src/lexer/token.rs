//! Kinds of tokens.

macro_rules! tokens {
    (
        other { $($other:ident $other_text:literal)* }
        keywords { $($keyword:ident $keyword_text:literal)* }
    ) => {
        /// Kind of a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Tok {
            $($other,)*
            $($keyword,)*
        }

        impl Tok {
            /// How an error names it when the token carries no text of its own. Some kinds have no name in 1.x either.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$other => $other_text,)*
                    $(Self::$keyword => $keyword_text,)*
                }
            }
        }

        /// Every reserved word, in upper case.
        const KEYWORDS: &[(&str, Tok)] = &[$(($keyword_text, Tok::$keyword),)*];
    };
}

tokens! {
    other {
        Illegal "ILLEGAL"
        Eof "EOF"
        Ws "WS"
        Comment ""
        Ident "IDENT"
        BoundParam ""
        Number "NUMBER"
        Integer ""
        DurationVal "DURATIONVAL"
        Str "STRING"
        BadString "BADSTRING"
        BadEscape "BADESCAPE"
        Regex "REGEX"
        BadRegex ""
        Add "+"
        Sub "-"
        Mul "*"
        Div "/"
        Mod "%"
        BitAnd "&"
        BitOr "|"
        BitXor "^"
        Eq "="
        NotEq "!="
        EqRegex "=~"
        NotEqRegex "!~"
        Lt "<"
        LtEq "<="
        Gt ">"
        GtEq ">="
        LParen "("
        RParen ")"
        Comma ","
        Colon ":"
        DoubleColon "::"
        Semicolon ";"
        Dot "."
    }
    // In alphabetical order: `keyword` searches by halves.
    keywords {
        All "ALL"
        Alter "ALTER"
        Analyze "ANALYZE"
        And "AND"
        Any "ANY"
        As "AS"
        Asc "ASC"
        Begin "BEGIN"
        By "BY"
        Cardinality "CARDINALITY"
        Continuous "CONTINUOUS"
        Create "CREATE"
        Database "DATABASE"
        Databases "DATABASES"
        Default "DEFAULT"
        Delete "DELETE"
        Desc "DESC"
        Destinations "DESTINATIONS"
        Diagnostics "DIAGNOSTICS"
        Distinct "DISTINCT"
        Drop "DROP"
        Duration "DURATION"
        End "END"
        Every "EVERY"
        Exact "EXACT"
        Explain "EXPLAIN"
        False "FALSE"
        Field "FIELD"
        For "FOR"
        From "FROM"
        Grant "GRANT"
        Grants "GRANTS"
        Group "GROUP"
        Groups "GROUPS"
        In "IN"
        Inf "INF"
        Insert "INSERT"
        Into "INTO"
        Key "KEY"
        Keys "KEYS"
        Kill "KILL"
        Limit "LIMIT"
        Measurement "MEASUREMENT"
        Measurements "MEASUREMENTS"
        Name "NAME"
        Offset "OFFSET"
        On "ON"
        Or "OR"
        Order "ORDER"
        Password "PASSWORD"
        Policies "POLICIES"
        Policy "POLICY"
        Privileges "PRIVILEGES"
        Queries "QUERIES"
        Query "QUERY"
        Read "READ"
        Replication "REPLICATION"
        Resample "RESAMPLE"
        Retention "RETENTION"
        Revoke "REVOKE"
        Select "SELECT"
        Series "SERIES"
        Set "SET"
        Shard "SHARD"
        Shards "SHARDS"
        Show "SHOW"
        SLimit "SLIMIT"
        SOffset "SOFFSET"
        Stats "STATS"
        Subscription "SUBSCRIPTION"
        Subscriptions "SUBSCRIPTIONS"
        Tag "TAG"
        To "TO"
        True "TRUE"
        User "USER"
        Users "USERS"
        Values "VALUES"
        Where "WHERE"
        With "WITH"
        Write "WRITE"
    }
}

/// The reserved word that `word` is, in any case of letters.
pub(crate) fn keyword(word: &str) -> Option<Tok> {
    KEYWORDS
        .binary_search_by(|(text, _)| text.bytes().cmp(word.bytes().map(|b| b.to_ascii_uppercase())))
        .ok()
        .map(|i| KEYWORDS[i].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_found_in_any_case() {
        for (text, tok) in KEYWORDS {
            assert_eq!(keyword(text), Some(*tok));
            assert_eq!(keyword(&text.to_lowercase()), Some(*tok));
        }
        for word in ["", "sel", "selects", "fill", "tz", "time", "zzz"] {
            assert_eq!(keyword(word), None);
        }
    }
}
