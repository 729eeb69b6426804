//! Expressions: references, calls, operators and literals.

use crate::regex::Regex;

/// An expression of a SELECT list, a condition, or GROUP BY.
///
/// Trees are at most [`MAX_TREE_DEPTH`](crate::MAX_TREE_DEPTH) deep, so that code may recurse over them. To keep
/// long conditions that shallow, a chain of one logical operator (`a OR b OR c OR d`) is a balanced tree, not a
/// list leaning to the left; both mean the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A column: a field, a tag, or `time`.
    VarRef(VarRef),
    /// A function call such as `mean(v)`.
    Call(Call),
    /// Two operands and an operator.
    Binary(Box<BinaryExpr>),
    /// An expression in parentheses.
    Paren(Box<Expr>),
    /// `DISTINCT v` without parentheses; `distinct(v)` is a [`Call`].
    Distinct(String),
    /// `*`, `*::field` or `*::tag`.
    Wildcard(Option<WildcardKind>),
    /// `/pattern/`.
    Regex(Regex),
    /// A number with a decimal point.
    Number(f64),
    /// A number without a decimal point that fits an `i64`.
    Integer(i64),
    /// A number without a decimal point from 2^63 to 2^64-1.
    Unsigned(u64),
    /// `'text'`. Times in quotes are strings too; what compares them to `time` decides.
    String(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A duration such as `5m`, in nanoseconds.
    Duration(i64),
    /// A time in nanoseconds since the Unix epoch. Never comes out of the parser; rewriting makes it (`now()`).
    Time(i64),
    /// `$name`. Never comes out of the parser, which puts the value in its place; useful to build statements.
    BoundParameter(String),
}

/// A reference to a column, with an optional cast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VarRef {
    /// Name; the parts of `a.b` joined by dots.
    pub name: String,
    /// The type after `::`.
    pub cast: Option<DataType>,
}

impl VarRef {
    /// A reference without a cast.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), cast: None }
    }

    /// Whether it is the time column (`time` in any case, as 1.x compares it in conditions).
    #[must_use]
    pub fn is_time(&self) -> bool {
        self.name.eq_ignore_ascii_case("time")
    }
}

/// What may stand after `::`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `float`.
    Float,
    /// `integer`.
    Integer,
    /// `unsigned`.
    Unsigned,
    /// `string`.
    String,
    /// `boolean`.
    Boolean,
    /// `field`: a field of any type.
    AnyField,
    /// `tag`.
    Tag,
}

impl DataType {
    /// As written after `::`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::AnyField => "field",
            Self::Tag => "tag",
        }
    }
}

/// What a `*` is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WildcardKind {
    /// `*::field`.
    Field,
    /// `*::tag`.
    Tag,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Name in lower case. Whether such a function exists is not checked here.
    pub name: String,
    /// Arguments in order.
    pub args: Vec<Expr>,
}

/// Two operands and an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryExpr {
    /// The operator.
    pub op: BinaryOp,
    /// Left operand.
    pub lhs: Expr,
    /// Right operand; a [`Expr::Regex`] for `=~` and `!~`.
    pub rhs: Expr,
}

/// Operators between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `&`
    BitAnd,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `AND`
    And,
    /// `OR`
    Or,
    /// `=`
    Eq,
    /// `!=` or `<>`
    NotEq,
    /// `=~`
    EqRegex,
    /// `!~`
    NotEqRegex,
    /// `<`
    Lt,
    /// `<=`
    LtEq,
    /// `>`
    Gt,
    /// `>=`
    GtEq,
}

impl BinaryOp {
    /// Binding strength from 1 (`OR`) to 5 (`*`); operators of one strength group from the left.
    #[must_use]
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Eq
            | Self::NotEq
            | Self::EqRegex
            | Self::NotEqRegex
            | Self::Lt
            | Self::LtEq
            | Self::Gt
            | Self::GtEq => 3,
            Self::Add | Self::Sub | Self::BitOr | Self::BitXor => 4,
            Self::Mul | Self::Div | Self::Mod | Self::BitAnd => 5,
        }
    }

    /// `AND` or `OR`.
    #[must_use]
    pub const fn is_logical(self) -> bool {
        matches!(self, Self::And | Self::Or)
    }

    /// One of `= != =~ !~ < <= > >=`.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// Arithmetic or bitwise.
    #[must_use]
    pub const fn is_arithmetic(self) -> bool {
        self.precedence() >= 4
    }

    /// As written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Eq => "=",
            Self::NotEq => "!=",
            Self::EqRegex => "=~",
            Self::NotEqRegex => "!~",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
        }
    }
}

impl Expr {
    /// `lhs op rhs`.
    #[must_use]
    pub fn binary(op: BinaryOp, lhs: Self, rhs: Self) -> Self {
        Self::Binary(Box::new(BinaryExpr { op, lhs, rhs }))
    }

    /// A column without a cast.
    #[must_use]
    pub fn var(name: impl Into<String>) -> Self {
        Self::VarRef(VarRef::new(name))
    }

    /// The expression inside any parentheses around it.
    #[must_use]
    pub fn unparen(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(inner) = expr {
            expr = inner;
        }
        expr
    }
}
