"""Differences that are right: each has a name, a reason and a test.  Everything else is a finding.

A test gets a Finding and says whether the exception explains it.  They are tried in order.
"""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "conformance"))
import run as conformance  # noqa: E402

import queries  # noqa: E402

TRANSFORMS = {"derivative", "non_negative_derivative", "difference", "non_negative_difference", "cumulative_sum", "moving_average",
              "elapsed", "integral"}
ORDER_DEPENDENT = {"derivative", "non_negative_derivative", "difference", "non_negative_difference", "cumulative_sum", "moving_average",
                   "elapsed", "integral", "first", "last", "top", "bottom", "min", "max", "percentile", "mode", "distinct"}


class Finding:
    """A query with the two answers, and what is needed to judge them."""

    def __init__(self, query, params, want, got, data, witness):
        self.query, self.params, self.want, self.got, self.data, self.witness = query, params, want, got, data, witness

    def agrees(self, match=None, a=None, b=None):
        return not conformance.compare({"match": match}, a or self.want, b or self.got)

    def ties(self):
        """Whether rows of several series can share a time in one series of the answer."""
        q = self.query
        return q["kind"] == "select" and (self.data.shared or queries.depth(q) > 1)


def error_text(answer):
    return json.dumps(answer.get("body", answer.get("text", "")))


def panic(f):
    return "[panic:" in error_text(f.want)


def tags_that_a_subquery_lacks(f):
    """top(v, tag, n) around a subquery that does not give the tag: null for 1.x, which then is neither '' nor anything else."""
    if f.query["kind"] == "show" or queries.depth(f.query) == 1:
        return False
    return any(x["e"][0] == "call" and x["e"][1] in ("top", "bottom") and len(x["e"][2]) > 2 for q in levels(f.query) for x in q["fields"])


def broken_by_infinity(f):
    return "text" in f.want and "json: unsupported value" in f.want["text"] or "json: unsupported value" in error_text(f.want)


def witness_differs(f):
    other = f.witness()
    if other is None:
        return False
    return not f.agrees(None, f.want, other) and (f.agrees(None, other) or f.agrees("shape"))


def order_of_ties(f):
    return f.ties() and f.agrees("ties")


def edge_of_ties(f):
    return f.ties() and cuts(f.query) and f.agrees("edge_ties")


def cuts(q):
    return any(q.get(k) is not None for k in ("limit", "offset")) or any(cuts(s["sub"]) for s in q.get("from", ()) if "sub" in s)


def order_of_reading(f):
    used = set(queries.all_calls(f.query))
    return f.ties() and (bool(TRANSFORMS & used) or bool(ORDER_DEPENDENT & used) and f.agrees("shape"))


def levels(q):
    """The statement and the subqueries in it."""
    yield q
    for s in q.get("from", ()):
        if "sub" in s:
            yield from levels(s["sub"])


def timed(q):
    return any(g.startswith("time(") for g in q.get("group") or ())


def buckets_of_tags_in_a_subquery(f):
    """Some statement around has tags and buckets (its own ones or those of the statement around it) at once, below the top."""
    if f.query["kind"] == "show":
        return False
    chain = list(levels(f.query))
    for n, q in enumerate(chain[1:], 1):
        tags = [g for x in chain[:n + 1] for g in x.get("group") or () if not g.startswith("time(")]
        if tags and any(timed(x) for x in chain[:n + 1]):
            return True
    grouped = [any(not g.startswith("time(") for g in q.get("group") or ()) for q in chain]
    return grouped[0] and any(grouped[1:]) and f.agrees("unordered")


def bucket_before_the_range(f):
    if f.query["kind"] == "show" or "series" in json.dumps(f.want):
        return False
    return any(timed(q) for q in list(levels(f.query))[1:])


def percentile_of_nothing(f):
    return any(re.search(r"percentile\([^()]*?, (0|1|10|33\.3)\)", queries.show(q)) for q in [f.query] if q["kind"] != "show")


def equal_values(f):
    used = set(queries.all_calls(f.query))
    return bool({"mode", "percentile"} & used) and (any(u.startswith("non_negative") for u in used) or f.agrees("shape"))


def descending_subquery(f):
    if f.query["kind"] == "show" or queries.depth(f.query) == 1:
        return False
    return any(q.get("order") == "DESC" for q in levels(f.query)) and any(len(q["fields"]) > 1 for q in list(levels(f.query))[1:])


def types_of_mathematics(f):
    return "invalid argument type for the" in error_text(f.want)


def limited_input(f):
    if f.query["kind"] == "show":
        return False
    return any({"top", "bottom"} & set(queries.all_calls({"fields": q["fields"]})) and cuts(q) for q in levels(f.query))


def integral_of_integers(f):
    if f.query["kind"] == "show" or "integral" not in set(queries.all_calls(f.query)):
        return False
    grouped = any(not g.startswith("time(") for q in levels(f.query) for g in q.get("group") or ())
    several = any(len(q["from"]) > 1 or q["from"][0].get("m", "").startswith("/") for q in levels(f.query))
    return grouped or several or f.agrees("unordered") or "::" in queries.show(f.query) or any(integers_in(a, f.data) for q in levels(f.query) for x in q["fields"] for a in [x["e"]])


def integers_in(e, data):
    """Whether an integral in this expression may work on integers."""
    if e[0] == "call":
        if e[1] == "integral":
            a = e[2][0]
            return a[0] != "ref" or any(m.fields.get(a[1]) != "float" for m in data.measurements) or data.mixed
        return any(integers_in(a, data) for a in e[2])
    if e[0] == "bin":
        return integers_in(e[2], data) or integers_in(e[3], data)
    return e[0] == "par" and integers_in(e[1], data)


def abs_of_integers(f):
    return f.query["kind"] == "select" and "abs" in queries.all_calls(f.query) and (queries.depth(f.query) > 1 or f.agrees("shape"))


def offset_alone(f):
    return f.query["kind"] != "show" and any(q.get("offset") and not q.get("limit") for q in levels(f.query))


def slimit_of_shards(f):
    return f.query["kind"] != "show" and any(q.get("slimit") for q in levels(f.query)) and many_shards(f.data)


def numbers_in_errors(f):
    a, b = error_text(f.want), error_text(f.got)
    short = lambda text: re.sub(r"-?\d+\.\d+", lambda m: "%.2f" % float(m.group()), text)
    return '"error"' in a and re.sub(r"(\.\d*?)0+\b", r"\1", short(a)) == re.sub(r"(\.\d*?)0+\b", r"\1", short(b))


def chunks_of_show(f):
    """1.x cuts SHOW SERIES and SHOW FIELD KEYS into chunks and marks some; Weir hands out whole series."""
    def whole(answer):
        out = []
        for doc in answer.get("chunks", ()):
            for r in doc.get("results", ()):
                for s in r.get("series", ()):
                    key = [s.get("name"), s.get("columns")]
                    if not out or out[-1][0] != key:
                        out.append((key, []))
                    out[-1][1].extend(s["values"])
        return out

    return f.query["kind"] == "show" and "chunked" in f.params and whole(f.want) == whole(f.got)


def distinct_before_the_epoch(f):
    return f.data.kind == "epoch" and "count(distinct(" in queries.show(f.query)


def texts_of_a_subquery(f):
    return f.ties() and queries.depth(f.query) > 1 and "unsupported" in error_text(f.want) and "iterator type: *query.string" in error_text(f.want)


def overflowing_mean(f):
    great = any(re.search(r"\d{19}i", line.rsplit(" ", 1)[0]) for batch in f.data.batches for line in batch)
    used = set(queries.all_calls(f.query))
    return great and "mean" in used and (bool(TRANSFORMS & used) or f.agrees("shape"))


def nothing_read(f):
    answers = error_text(f.want), error_text(f.got)
    if f.query["kind"] != "show" and any(len(q["from"]) > 1 or q["from"][0].get("m", "").startswith("/") for q in levels(f.query)):
        return "iterator type" in answers[1] and '"error"' not in answers[0]
    return any("iterator type" in a and '"error"' not in b and "series" not in b for a, b in (answers, answers[::-1]))


def tag_here_field_there(f):
    tags, fields = {k for m in f.data.measurements for k in m.tags}, {k for m in f.data.measurements for k in m.fields}
    return f.query["kind"] == "show" and "CARDINALITY" in f.query["text"] and bool(tags & fields)


def many_shards(data):
    return data.kind in ("days", "weeks", "epoch") or bool(data.shard_s)


def limit_of_a_grouped_subquery(f):
    if f.query["kind"] == "show":
        return False
    chain = list(levels(f.query))
    tags = any(not g.startswith("time(") for q in chain for g in q.get("group") or ())
    return tags and any(q.get("limit") is not None or q.get("offset") for q in chain[1:])


def series_of_shards(f):
    return f.query["kind"] == "show" and "SERIES EXACT CARDINALITY" in f.query["text"]


def rounded(x):
    """Whole floats beyond 2^53 look like integers, which are compared exactly: 14 digits of them."""
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return "%.14g" % x if isinstance(x, int) and abs(x) > 2**53 and not isinstance(x, bool) else x


def last_digits(f):
    return f.agrees(None, rounded(f.want), rounded(f.got))


def joined(answer):
    """One body without marks of being cut: chunks of one series put together."""
    docs = answer.get("chunks") or ([answer["body"]] if "body" in answer else [])
    results = []
    for r in [r for d in docs if isinstance(d, dict) for r in d.get("results", ())]:
        if not results or results[-1]["statement_id"] != r.get("statement_id"):
            results.append({"statement_id": r.get("statement_id")})
        if "error" in r:
            results[-1]["error"] = r["error"]
        for s in r.get("series", ()):
            all_series = results[-1].setdefault("series", [])
            head = {k: s[k] for k in ("name", "tags", "columns") if k in s}
            if not all_series or {k: v for k, v in all_series[-1].items() if k != "values"} != head:
                all_series.append(dict(head, values=[]))
            all_series[-1]["values"] += s.get("values", [])
    return {"status": answer["status"], "body": {"results": results}} if results else answer


def cut_answers(f):
    return ("chunked" in f.params or "partial" in json.dumps(f.want)) and f.agrees(None, joined(f.want), joined(f.got))


def casts(f):
    """A cast to a type that the column does not have."""
    if f.query["kind"] == "show" or "::" not in queries.show(f.query):
        return False
    return queries.depth(f.query) > 1 or f.agrees("shape")


def nan_of_a_subquery(f):
    return f.ties() and queries.depth(f.query) > 1 and bool({"stddev", *queries.MATH, *queries.MATH2} & set(queries.all_calls(f.query)))


def amplified_digits(f):
    """% of, or a sine of, what a function gives."""
    used = list(queries.all_calls(f.query)) if f.query["kind"] != "show" else []
    mathematics = [u for u in used if u in queries.MATH + queries.MATH2]
    rest = " % " in queries.show(f.query) and bool(mathematics)
    return (rest or len(mathematics) > 1 and bool({"sin", "cos", "tan"} & set(mathematics))) and f.agrees("shape")


def rounding_near_zero(f):
    """Sums of floats in another order: what should be zero is a rest of the size of the last digit of the terms."""
    def columns(answer):
        out = {}
        for r in (answer.get("body") or {}).get("results", ()):
            for s in r.get("series", ()):
                for row in s.get("values", ()):
                    for i, v in enumerate(row):
                        if conformance.number(v) and i:
                            out[i] = max(out.get(i, 0), abs(v))
        return out

    tops = columns(f.want)

    def flat(answer):
        answer = json.loads(json.dumps(answer))
        for r in (answer.get("body") or {}).get("results", ()):
            for s in r.get("series", ()):
                for row in s.get("values", ()):
                    for i, v in enumerate(row):
                        if isinstance(v, float) and i and abs(v) <= 1e-9 * max(tops.get(i, 0), 1):
                            row[i] = 0
        return answer

    return bool(tops) and f.agrees(None, flat(f.want), flat(f.got))


EXCEPTIONS = [
    ("panic", "InfluxDB answers with a panic", panic),
    ("top_tags", "top() and bottom() by a tag that the subquery does not give: 1.x compares it as null in a condition", tags_that_a_subquery_lacks),
    ("infinity", "an infinite or not representable number breaks the whole JSON answer of InfluxDB 1.x; Weir writes null", broken_by_infinity),
    ("abs", "1.6 leaves negative integers as they are; Weir does as 1.8 does", abs_of_integers),
    ("ties", "rows of several series at one time come in no promised order", order_of_ties),
    ("edge_ties", "a LIMIT or OFFSET ends inside rows of one time, which come in no promised order", edge_of_ties),
    ("unsorted", "1.6 gives the buckets of a subquery out of order when tags are grouped too, and works on that (mended in 1.7.7)",
     buckets_of_tags_in_a_subquery),
    ("bucket_before", "a subquery's bucket that begins before the outer range ends the whole answer in 1.x", bucket_before_the_range),
    ("percentile", "1.x ends the answer at the first bucket in which percentile() has too few points to pick one", percentile_of_nothing),
    ("equal_values", "which of equally good points is taken depends on an unstable sort", equal_values),
    ("limited_input", "1.x cuts what top() and bottom() read by LIMIT and OFFSET, and so misses points", limited_input),
    ("offset_alone", "OFFSET without LIMIT: 1.x gives one row for each shard", offset_alone),
    ("series_cardinality", "1.6 counts a series once for each shard", series_of_shards),
    ("slimit_shards", "1.x applies SLIMIT and SOFFSET in each shard, so that a series may lack some of its points", slimit_of_shards),
    ("error_numbers", "1.6 cuts numbers in error texts to three decimals", numbers_in_errors),
    ("show_chunks", "how SHOW answers are cut into chunks", chunks_of_show),
    ("distinct_epoch", "count(distinct()) of points before 1970 without a lower bound is nothing in 1.x", distinct_before_the_epoch),
    ("texts", "1.x reads tags of a subquery that has nothing else, only to refuse them", texts_of_a_subquery),
    ("mean_overflow", "mean() of integers whose sum overflows: 1.x wraps or not, as the points are spread over series", overflowing_mean),
    ("partial", "1.x marks series of more than 10000 rows as partial; how chunks are cut", cut_answers),
    ("casts", "a cast to a type that the column does not have: ignored around subqueries by 1.x, and filled otherwise", casts),
    ("nan", "1.x passes NaN (the standard deviation of one point, a root of a negative number) on to the statement around a subquery",
     nan_of_a_subquery),
    ("modulo", "the last digit of a function's value decides what % or the sine of it is", amplified_digits),
    ("descending", "descending order through a subquery of several columns gives rows twice in 1.6 (mended in 1.7.8)", descending_subquery),
    ("math_types", "1.x refuses a string beside an unknown column in functions of two arguments, Weir gives null", types_of_mathematics),
    ("nothing_read", "1.x refuses a column's type only when a shard in range has values of it, Weir when there are series", nothing_read),
    ("tag_and_field", "a name in SHOW … CARDINALITY that is a tag of one measurement and a field of another: 1.x takes it for a field in both",
     tag_here_field_there),
    ("sub_limit", "LIMIT and OFFSET in a subquery with grouped tags: 1.x counts runs of rows of one series anew", limit_of_a_grouped_subquery),
    ("digits", "the last digit of a float beyond 2^53", last_digits),
    ("integral", "the integral of integers: 1.x interpolates wrongly between buckets and gives other times; groups end in random order",
     integral_of_integers),
    ("unstable", "InfluxDB with another index and another number of threads answers otherwise too", witness_differs),
    ("reading", "the function depends on the order in which points of one time are read, which is not promised", order_of_reading),
    ("rounding", "floats that cancel out leave another rest when they are added in another order", rounding_near_zero),
]


def explain(finding):
    """The name of the exception that explains the difference; of two if it takes both."""
    for name, _, test in EXCEPTIONS:
        if test(finding):
            return name
    for how, change in (("digits", rounded), ("partial", joined)):
        f = Finding(finding.query, finding.params, change(finding.want), change(finding.got), finding.data, finding.witness)
        if f.want != finding.want or f.got != finding.got:
            for name, _, test in EXCEPTIONS:
                if test(f):
                    return how
    return None
