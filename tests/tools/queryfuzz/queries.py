"""Random InfluxQL as trees: made, printed, walked and taken apart again (for shrinking).

Expressions are lists:  ["ref", name, cast or None]  ["lit", text]  ["wild", "*" or "*::field" …]  ["re", "/…/"]
                        ["call", name, args]  ["bin", op, left, right]  ["par", expression]
Conditions:             ["and" | "or", left, right]  ["group", condition]  ["cmp", expression, op, expression]
Sources:                {"m": text}  or  {"sub": select}
"""
import re

from schema import S

KEYWORD = re.compile(r"(?i)^(all|alter|any|as|asc|begin|by|create|continuous|database|databases|default|delete|desc|destinations|diagnostics|"
                     r"distinct|drop|duration|end|every|explain|field|for|from|grant|grants|group|groups|in|inf|insert|into|key|keys|kill|limit|"
                     r"measurement|measurements|name|offset|on|order|password|policy|policies|privileges|queries|query|read|replication|"
                     r"resample|retention|revoke|select|series|set|shard|shards|show|slimit|soffset|stats|subscription|tag|to|user|users|"
                     r"values|where|with|write)$")
AGGREGATES = ["count", "sum", "mean", "median", "mode", "spread", "stddev", "integral", "distinct"]
SELECTORS = ["first", "last", "min", "max", "percentile"]
MATH = ["abs", "ceil", "floor", "round", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "exp", "ln", "log2", "log10"]
MATH2 = ["pow", "log", "atan2"]
TRANSFORM = ["derivative", "non_negative_derivative", "difference", "non_negative_difference", "cumulative_sum", "moving_average", "elapsed"]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Australia/Lord_Howe", "Pacific/Chatham"]


def ident(name, rng=None):
    plain = re.match(r"^[A-Za-z_][A-Za-z0-9_]*$", name) and not KEYWORD.match(name) and name.lower() != "time"
    if plain and (rng is None or rng.random() < 0.8):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text_literal(v):
    return "'" + v.replace("\\", "\\\\").replace("'", "\\'") + "'"


def regex_literal(v):
    return "/" + v.replace("/", "\\/") + "/"


# ---------------------------------------------------------------- printing
def show_expr(e):
    kind = e[0]
    if kind == "ref":
        return ident(e[1]) + ("::" + e[2] if e[2] else "")
    if kind in ("lit", "wild", "re"):
        return e[1]
    if kind == "call":
        return "%s(%s)" % (e[1], ", ".join(map(show_expr, e[2])))
    if kind == "par":
        return "(%s)" % show_expr(e[1])
    return "%s %s %s" % (show_expr(e[2]), e[1], show_expr(e[3]))


def show_cond(c):
    if c[0] in ("and", "or"):
        return "%s %s %s" % (show_cond(c[1]), c[0].upper(), show_cond(c[2]))
    if c[0] == "group":
        return "(%s)" % show_cond(c[1])
    return "%s %s %s" % (show_expr(c[1]), c[2], show_expr(c[3]))


def show_source(s):
    return "(%s)" % show_select(s["sub"]) if "sub" in s else s["m"]


def show_select(q):
    out = "SELECT " + ", ".join(show_expr(f["e"]) + (" AS " + ident(f["as"]) if f.get("as") else "") for f in q["fields"])
    out += " FROM " + ", ".join(map(show_source, q["from"]))
    if q.get("where"):
        out += " WHERE " + show_cond(q["where"])
    if q.get("group"):
        out += " GROUP BY " + ", ".join(q["group"])
    for key in ("fill", "order", "limit", "offset", "slimit", "soffset", "tz"):
        v = q.get(key)
        if v is not None:
            out += {"fill": " fill(%s)", "order": " ORDER BY time %s", "tz": " tz('%s')"}.get(key, " " + key.upper() + " %s") % v
    return out


def show(q):
    return q["text"] + "".join(" " + p for p in q["parts"]) if q["kind"] == "show" else show_select(q)


# ---------------------------------------------------------------- walking
def calls(e):
    """Names of the functions in an expression, outer ones first."""
    if e[0] == "call":
        yield e[1]
        for a in e[2]:
            yield from calls(a)
    elif e[0] == "par":
        yield from calls(e[1])
    elif e[0] == "bin":
        yield from calls(e[2])
        yield from calls(e[3])


def all_calls(q):
    for f in q.get("fields", ()):
        yield from calls(f["e"])
    for s in q.get("from", ()):
        if "sub" in s:
            yield from all_calls(s["sub"])


def depth(q):
    return 1 + max([depth(s["sub"]) for s in q.get("from", ()) if "sub" in s] or [0])


# ---------------------------------------------------------------- making
class Scope:
    """What a FROM clause offers: names of fields with their types, and of tags with their values."""

    def __init__(self, fields, tags):
        self.fields, self.tags = fields, tags

    def of(self, *kinds):
        return [f for f, k in self.fields.items() if k in kinds]


class Maker:
    def __init__(self, data, rng):
        self.data, self.rng = data, rng

    def chance(self, p):
        return self.rng.random() < p

    # ---- whole statements
    def statement(self):
        return self.show_statement() if self.chance(0.08) else dict(self.select(), kind="select")

    def source(self, level):
        rng, data = self.rng, self.data
        if level < 3 and self.chance(0.16 if level == 1 else 0.2):
            sub = self.select(level + 1)
            return [{"sub": sub}], self.scope_of(sub)
        m = rng.choice(data.measurements)
        chosen, written = [m], ident(m.name, rng)
        r = rng.random()
        if r < 0.06 and len(data.measurements) > 1:
            chosen = rng.sample(data.measurements, 2)
            return [{"m": ident(x.name, rng)} for x in chosen], self.merged(chosen)
        if r < 0.11:
            written = rng.choice(["/^m/", "/./", "/m[01]/", "/nosuch/", regex_literal(re.escape(m.name[0]))])
            chosen = data.measurements
        elif r < 0.14:
            written = rng.choice(['"autogen".', "autogen."]) + ident(m.name)
        elif r < 0.15:
            written = "nosuch"
        return [{"m": written}], self.merged(chosen)

    @staticmethod
    def merged(measurements):
        fields, tags = {}, {}
        for m in measurements:
            fields.update(m.fields)
            for k, v in m.tags.items():
                tags.setdefault(k, []).extend(v)
        return Scope(fields, tags)

    def scope_of(self, q):
        """Columns that a subquery offers."""
        inner, fields, tags = q["scope"], {}, {}
        for f in q["fields"]:
            e = f["e"]
            name = f.get("as")
            if e[0] == "wild":
                if e[1] != "*::tag":
                    fields.update(inner.fields)
                continue
            names = list(calls(e))
            kind = "float"
            if e[0] == "ref":
                kind = inner.fields.get(e[1], "string" if e[1] in inner.tags else "float")
                name = name or e[1]
            elif e[0] == "call":
                name = name or e[1]
                if e[1] in ("count", "elapsed"):
                    kind = "integer"
                elif e[1] in ("first", "last", "max", "min", "mode", "distinct", "percentile", "sum", "spread") and e[2] and e[2][0][0] == "ref":
                    kind = inner.fields.get(e[2][0][1], "float")
                elif e[1] in ("first", "last", "max", "min", "mean", "sum", "count") and e[2] and e[2][0][0] == "wild":
                    for k in inner.fields:
                        fields["%s_%s" % (e[1], k)] = inner.fields[k] if e[1] in ("first", "last") else "float"
                    continue
            if name is None:
                name = "_".join(dict.fromkeys(names)) or "f"
            fields[name] = kind
        for d in q.get("group", ()):
            if d == "*":
                tags = dict(inner.tags)
            for k in inner.tags:
                if d in (ident(k), '"%s"' % k):
                    tags[k] = inner.tags[k]
        if not names_only(q):
            for k in inner.tags:
                tags.setdefault(k, inner.tags[k])
        return Scope(fields or {"f": "float"}, tags)

    def select(self, level=1):
        rng = self.rng
        q = {}
        q["from"], scope = self.source(level)
        q["scope"] = scope
        shape = rng.choices(["raw", "aggregate", "selector", "transform", "nested", "top", "wild", "odd"], [20, 26, 16, 12, 10, 6, 6, 4])[0]
        q["fields"] = getattr(self, "fields_" + shape)(scope)
        aggregated = shape not in ("raw", "odd") and not (shape == "wild" and not list(calls(q["fields"][0]["e"])))
        timed = (shape == "nested" and self.chance(0.85)) or (aggregated and shape != "transform" and self.chance(0.55)) or self.chance(0.01)
        if shape == "transform":
            timed = self.chance(0.03)
        group = []
        if self.chance(0.45):
            group = self.tags_of_group(scope)
        if timed:
            group.insert(rng.randrange(len(group) + 1), self.time_group())
            if self.chance(0.6):
                q["fill"] = rng.choice(["none", "none", "null", "previous", "linear", "0", "-1.5", "7"])
        if group:
            q["group"] = group
        conds = []
        if timed or self.chance(0.35):
            conds += self.time_bounds(timed)
        if self.chance(0.4):
            conds.append(self.condition(scope, rng.choice([0, 1, 1, 2, 3])))
        rng.shuffle(conds)
        for c in conds:
            q["where"] = ["and", q["where"], c] if q.get("where") else c
        if self.chance(0.25):
            q["order"] = rng.choice(["ASC", "DESC", "DESC", "DESC"])
        if self.chance(0.2):
            q["limit"] = rng.choice([0, 1, 2, 3, 5, 10, 100])
        if self.chance(0.1) and (q.get("limit") or self.chance(0.2)):
            q["offset"] = rng.choice([0, 1, 2, 5, 50])
        if self.chance(0.08):
            q["slimit"] = rng.choice([0, 1, 2, 3])
            if self.chance(0.4):
                q["soffset"] = rng.choice([0, 1, 2, 10])
        elif self.chance(0.01):
            q["soffset"] = 1
        if self.chance(0.12 if self.data.kind != "days" else 0.4) and level == 1:
            q["tz"] = rng.choice(ZONES)
        return q

    # ---- select lists
    def named(self, fields):
        for f in fields:
            if self.chance(0.15):
                f["as"] = self.rng.choice(["x", "y", "f", "mean", "a b", "host", "n"])
        return fields

    def field(self, scope, *kinds):
        pool = scope.of(*kinds) if kinds else list(scope.fields)
        if not pool or self.chance(0.01):
            pool = list(scope.fields) + ["nosuch"]
        name = self.rng.choice(pool)
        cast = None
        if self.chance(0.05):
            kind = scope.fields.get(name, "float")
            cast = kind if self.chance(0.4) else self.rng.choice(["float", "integer", "field"])
            if self.chance(0.1):
                cast = self.rng.choice(["float", "integer", "string", "boolean"])
        return ["ref", name, cast]

    def numeric(self, scope):
        return self.field(scope, "float", "integer") if self.chance(0.97) else self.field(scope)

    def number(self):
        return ["lit", self.rng.choice(["0", "1", "2", "2", "10", "0.5", "-1", "-2.5", "3", "100", "1.25"])]

    def arithmetic(self, leaf, level=0):
        rng = self.rng
        r = rng.random()
        if level >= 2 or r < 0.25:
            return leaf() if self.chance(0.65 if level else 1) else self.number()
        if r < 0.8:
            op = rng.choice(["+", "-", "*", "/", "+", "-", "*", "/", "%"])
            if self.chance(0.03):
                op = rng.choice(["&", "|", "^"])
            l, r2 = self.arithmetic(leaf, level + 1), self.arithmetic(leaf, level + 1)
            if level == 0 and l[0] == "lit" and r2[0] == "lit":
                l = leaf()
            e = ["bin", op, l, r2]
            return ["par", e] if level and self.chance(0.8) else e
        if self.chance(0.8):
            return ["call", rng.choice(MATH), [self.arithmetic(leaf, level + 1)]]
        f = rng.choice(MATH2)
        return ["call", f, [self.arithmetic(leaf, level + 1), self.number() if f != "atan2" or self.chance(0.5) else leaf()]]

    def fields_raw(self, scope):
        rng, out = self.rng, []
        for _ in range(rng.choice([1, 1, 2, 3])):
            r = rng.random()
            if r < 0.55:
                out.append({"e": self.field(scope)})
            elif r < 0.7 and scope.tags:
                out.append({"e": ["ref", rng.choice(list(scope.tags)), "tag" if self.chance(0.15) else None]})
            else:
                out.append({"e": self.arithmetic(lambda: self.numeric(scope))})
        if not any(x["e"][0] != "ref" or x["e"][1] in scope.fields for x in out) and self.chance(0.9):
            out.append({"e": self.field(scope)})
        return self.named(out)

    def fields_wild(self, scope):
        rng = self.rng
        r = rng.random()
        if r < 0.35:
            out = [{"e": ["wild", rng.choice(["*", "*", "*", "*::field", "*::tag"])]}]
            if self.chance(0.2):
                out.append({"e": self.field(scope)})
            return out
        if r < 0.5:
            return [{"e": ["re", rng.choice(["/^[fi]$/", "/./", "/f|g/", "/o/", "/nosuch/"])]}]
        f = rng.choice(["count", "mean", "sum", "first", "last", "max", "min", "spread", "stddev", "median", "mode", "percentile", "distinct",
                        "derivative", "difference", "cumulative_sum", "elapsed", "integral", "moving_average"])
        args = [["wild", "*"] if self.chance(0.7) else ["re", rng.choice(["/^[fi]$/", "/./", "/f|g/"])]]
        args += self.extra(f)
        return [{"e": ["call", f, args]}]

    def extra(self, f):
        rng = self.rng
        if f == "percentile":
            return [["lit", rng.choice(["50", "50", "75.5", "99", "100", "90"] if self.chance(0.9) else ["0", "1", "10", "33.3"])]]
        if f in ("derivative", "non_negative_derivative", "integral", "elapsed") and self.chance(0.5):
            return [["lit", rng.choice(["1s", "10s", "1m", "1ms", "1h", "1d", "1u", "1ns"])]]
        if f == "moving_average":
            return [["lit", rng.choice(["1", "2", "2", "3", "5"])]]
        return []

    def aggregate(self, scope):
        f = self.rng.choice(AGGREGATES[:-1])
        arg = self.field(scope) if f in ("count", "mode") else self.numeric(scope)
        if f == "count" and self.chance(0.15):
            return ["call", "count", [["call", "distinct", [self.field(scope)]]]]
        return ["call", f, [arg] + self.extra(f)]

    def selector(self, scope):
        f = self.rng.choice(SELECTORS)
        arg = self.field(scope) if f in ("first", "last") else self.numeric(scope)
        return ["call", f, [arg] + self.extra(f)]

    def fields_aggregate(self, scope):
        rng = self.rng
        if self.chance(0.06):
            return self.named([{"e": ["call", "distinct", [self.field(scope)]]}])
        out = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            if self.chance(0.8):
                out.append({"e": self.aggregate(scope) if self.chance(0.75) else self.selector(scope)})
            else:
                out.append({"e": self.arithmetic(lambda: self.aggregate(scope) if self.chance(0.7) else self.selector(scope))})
        return self.named(out)

    def fields_selector(self, scope):
        rng = self.rng
        out = [{"e": self.selector(scope)}]
        if self.chance(0.05):
            out = [{"e": self.arithmetic(lambda: self.selector(scope))}]
        if self.chance(0.35):
            for _ in range(rng.choice([1, 1, 2])):
                if scope.tags and self.chance(0.5):
                    out.append({"e": ["ref", rng.choice(list(scope.tags)), None]})
                elif self.chance(0.8):
                    out.append({"e": self.field(scope)})
                else:
                    out.append({"e": ["wild", "*"]})
        return self.named(out)

    def transform(self, arg):
        f = self.rng.choice(TRANSFORM)
        return ["call", f, [arg] + self.extra(f)]

    def fields_transform(self, scope):
        out = []
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            e = self.transform(self.numeric(scope))
            if self.chance(0.12):
                e = ["bin", self.rng.choice("+-*/"), e, self.number()]
            out.append({"e": e})
        return self.named(out)

    def fields_nested(self, scope):
        out = []
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            inner = self.aggregate(scope) if self.chance(0.7) else self.selector(scope)
            out.append({"e": self.transform(inner)})
        if self.chance(0.2):
            out.append({"e": self.aggregate(scope)})
        return self.named(out)

    def fields_top(self, scope):
        rng = self.rng
        args = [self.numeric(scope)]
        if scope.tags and self.chance(0.35):
            args += [["ref", k, None] for k in rng.sample(list(scope.tags), min(len(scope.tags), rng.choice([1, 1, 2])))]
        args.append(["lit", rng.choice(["1", "2", "3", "5", "20"])])
        out = [{"e": ["call", rng.choice(["top", "bottom"]), args]}]
        if self.chance(0.3):
            out.append({"e": self.field(scope)})
        if scope.tags and self.chance(0.3):
            out.append({"e": ["ref", rng.choice(list(scope.tags)), None]})
        return out

    def fields_odd(self, scope):
        """Mostly errors: their texts are compared too."""
        rng = self.rng
        return rng.choice([
            lambda: [{"e": self.field(scope)}, {"e": self.aggregate(scope)}],
            lambda: [{"e": self.selector(scope)}, {"e": self.selector(scope)}, {"e": self.field(scope)}],
            lambda: [{"e": ["call", rng.choice(AGGREGATES + SELECTORS + TRANSFORM + MATH + ["nosuch", "top"]), []]}],
            lambda: [{"e": ["call", rng.choice(AGGREGATES + TRANSFORM), [["lit", "1"]]]}],
            lambda: [{"e": ["call", rng.choice(AGGREGATES + SELECTORS[:4]), [self.field(scope)]]}],
            lambda: [{"e": ["bin", rng.choice("+-*/%&|^"), self.field(scope), self.field(scope)]}],
            lambda: [{"e": ["bin", rng.choice("+-*/"), self.field(scope, "string"), ["lit", "1"]]}],
            lambda: [{"e": ["call", rng.choice(["difference", "sum", "mean"]), [["bin", "+", self.field(scope), ["lit", "1"]]]]}],
            lambda: [{"e": ["ref", rng.choice(list(scope.tags) or ["f"]), None]}],
            lambda: [{"e": ["ref", "nosuch", None]}, {"e": self.field(scope)}],
            lambda: [{"e": ["call", rng.choice(MATH), [self.field(scope)]]}],
            lambda: [{"e": ["call", rng.choice(MATH), [self.aggregate(scope)]]}, {"e": self.aggregate(scope)}],
            lambda: [{"e": ["call", "cumulative_sum", [self.transform(self.aggregate(scope))]]}],
            lambda: [{"e": ["ref", "time", None]}, {"e": self.field(scope)}],
        ])()

    # ---- clauses
    def time_group(self):
        rng, step = self.rng, self.data.step
        width = max(1, int(step * rng.choice([0.5, 1, 2, 3, 5, 7, 12])))
        width = max(width, (self.data.span[1] - self.data.span[0]) // 120)
        text = self.duration(width)
        if self.data.kind == "days":
            text = rng.choice(["1d", "12h", "6h", "1h", "3h", "7h", "1w", "2d"])
        elif self.data.kind == "weeks":
            text = rng.choice(["1w", "1d", "2d", "30d", "10d"])
        elif self.chance(0.5):
            text = rng.choice([t for t, ns in [("1s", S), ("10s", 10 * S), ("30s", 30 * S), ("1m", 60 * S), ("5m", 300 * S), ("1h", 3600 * S),
                                               ("1d", 86400 * S)] if ns >= width] or [text])
        r = rng.random()
        if r < 0.2:
            text += ", " + rng.choice(["", "-"]) + self.duration(max(1, int(step * rng.choice([0.5, 1, 1.5, 4]))))
        elif r < 0.22:
            text += ", '%s'" % self.clock(self.data.span[0] + step // 2)
        return "time(%s)" % text

    @staticmethod
    def duration(ns):
        for unit, size in (("h", 3600 * S), ("m", 60 * S), ("s", S), ("ms", 10**6), ("u", 1000)):
            if ns % size == 0:
                return "%d%s" % (ns // size, unit)
        return "%dns" % ns

    def tags_of_group(self, scope):
        rng, tags = self.rng, list(scope.tags)
        r = rng.random()
        if r < 0.25 or not tags:
            return ["*"]
        if r < 0.32:
            return [rng.choice(["/./", "/o/", "/^[hr]/", "/nosuch/"])]
        if r < 0.35:
            return ["nosuch"]
        out = [ident(t) if self.chance(0.7) else '"%s"' % t.replace("\\", "\\\\").replace('"', '\\"') for t in rng.sample(tags, rng.randint(1, len(tags)))]
        if self.chance(0.04):
            out.append(out[0])
        return out

    @staticmethod
    def clock(t, letters="Z"):
        import datetime
        whole, part = divmod(t, S)
        d = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=whole)
        frac = (".%09d" % part).rstrip("0") if part else ""
        return d.strftime("%Y-%m-%dT%H:%M:%S" if letters else "%Y-%m-%d %H:%M:%S") + frac + letters

    def instant(self, t):
        rng = self.rng
        r = rng.random()
        if r < 0.45:
            return ["lit", "'%s'" % self.clock(t)]
        if r < 0.6:
            return ["lit", "'%s'" % self.clock(t, "")]
        if r < 0.85 or t % 10**6 or t < 0:
            if t < 0:
                return ["lit", "'%s'" % self.clock(t)]
            return ["lit", str(t) if self.chance(0.5) else "%dns" % t]
        if r < 0.93:
            return ["lit", "%dms" % (t // 10**6)]
        return ["bin", rng.choice("+-"), ["lit", "'%s'" % self.clock(t)], ["lit", self.duration(self.data.step)]]

    def moment(self):
        lo, hi = self.data.span
        t = self.rng.randint(lo - self.data.step, hi + self.data.step)
        r = self.rng.random()
        if r < 0.5 and self.data.step:
            t -= t % self.data.step
        if self.chance(0.1):
            t = self.rng.choice([lo, hi])
        return t

    def time_bounds(self, both):
        rng = self.rng
        lo, hi = sorted([self.moment(), self.moment()])
        if self.chance(0.5):
            lo, hi = self.data.span[0] - rng.choice([0, 1, 2]) * self.data.step, self.data.span[1] + rng.choice([0, 1, 2]) * self.data.step
        low = ["cmp", ["lit", "time"], rng.choice([">=", ">=", ">"]), self.instant(lo)]
        high = ["cmp", ["lit", "time"], rng.choice(["<", "<", "<="]), self.instant(hi)]
        if both:
            return [low, high]
        r = rng.random()
        if r < 0.3:
            return [low]
        if r < 0.6:
            return [high]
        if r < 0.65:
            return [["cmp", ["lit", "time"], "=", self.instant(lo - lo % max(1, self.data.step))]]
        if r < 0.68:
            return [["cmp", self.instant(lo), "<", ["lit", "time"]]]
        if r < 0.7:
            return [["cmp", ["lit", "time"], "<", ["bin", "-", ["lit", "now()"], ["lit", "1d"]]]]
        return [low, high]

    def condition(self, scope, level):
        rng = self.rng
        if level > 0 and self.chance(0.7):
            c = [rng.choice(["and", "or"]), self.condition(scope, level - 1), self.condition(scope, level - 1)]
            return ["group", c] if c[0] == "or" or self.chance(0.4) else c
        r = rng.random()
        if scope.tags and r < 0.5:
            k = rng.choice(list(scope.tags))
            left = ["ref", k if self.chance(0.95) else "nosuch", "tag" if self.chance(0.1) else None]
            if self.chance(0.65):
                return ["cmp", left, rng.choice(["=", "=", "!=", "<>"]), ["lit", text_literal(rng.choice(scope.tags[k] + ["", "zzz"]))]]
            return ["cmp", left, rng.choice(["=~", "!~"]), ["re", rng.choice(["/./", "/^h[01]$/", "/0$/", "/^$/", "/.*/", "/(?i)H0|r1/", "/[^0]/",
                                                                            "/^(h0|h1)$/", "/^r0$/", regex_literal(re.escape(scope.tags[k][0]))])]]
        name = rng.choice(list(scope.fields))
        kind = scope.fields[name]
        left = ["ref", name, None]
        if self.chance(0.04):
            left[2] = rng.choice(["field", kind])
        if self.chance(0.04):
            kind = rng.choice(["float", "integer", "string", "boolean"])       # unlike types
        op = rng.choice(["=", "!=", "<", "<=", ">", ">="])
        if kind == "float":
            right = ["lit", rng.choice(["0", "1.5", "-2.25", "10", "3.0", "-1", "7.125", "0.0"])]
        elif kind == "integer":
            right = ["lit", rng.choice(["0", "1", "-5", "10", "20", "2.5", "30"])]
        elif kind == "string":
            if self.chance(0.3):
                return ["cmp", left, rng.choice(["=~", "!~"]), ["re", rng.choice(["/a$/", "/^alpha$/", "/(?i)beta/", "/./", "/^$/", "/[\"'\\\\]/", "/ü/"])]]
            op = rng.choice(["=", "!="]) if self.chance(0.95) else op
            right = ["lit", text_literal(rng.choice(["alpha", "beta", "", "it's", "10", 'a"b', "x\\y", "nosuch"]))]
        else:
            op = rng.choice(["=", "!="]) if self.chance(0.95) else op
            right = ["lit", rng.choice(["true", "false"])]
        if kind in ("float", "integer") and self.chance(0.15):
            others = scope.of("float", "integer")
            if others and self.chance(0.6):
                right = ["ref", rng.choice(others), None]
            else:
                left = ["bin", rng.choice(["+", "-", "*", "/", "%"]), left, self.number()]
        elif self.chance(0.06):
            return ["cmp", right, {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(op, op), left]
        return ["cmp", left, op, right]

    # ---- SHOW
    def show_statement(self):
        rng, data = self.rng, self.data
        m = rng.choice(data.measurements)
        tags = list(m.tags) or ["host"]
        k = rng.choice(tags)
        values = m.tags.get(k, ["h0"])
        source = rng.choice(["FROM " + ident(m.name), "FROM " + ident(m.name), "FROM /./", "FROM nosuch", "FROM " + ", ".join(ident(x.name) for x in data.measurements)])
        where = "WHERE " + rng.choice([
            "%s = %s" % (ident(k), text_literal(rng.choice(values))), "%s != %s" % (ident(k), text_literal(rng.choice(values))),
            "%s =~ /0$/" % ident(k), "%s !~ /^h/" % ident(k), "%s = ''" % ident(k), "%s != ''" % ident(k), "nosuch = 'x'",
            "%s = %s OR %s =~ /1/" % (ident(k), text_literal(rng.choice(values)), ident(rng.choice(tags))),
            "%s = %s AND %s != ''" % (ident(k), text_literal(rng.choice(values)), ident(rng.choice(tags)))])
        limits = [p for p in ("LIMIT %d" % rng.choice([0, 1, 2, 5]), "OFFSET %d" % rng.choice([0, 1, 3])) if self.chance(0.25)]
        kind = rng.choice(["MEASUREMENTS", "SERIES", "TAG KEYS", "TAG VALUES", "TAG VALUES", "FIELD KEYS", "CARDINALITY", "RETENTION POLICIES"])
        parts = []
        if kind == "MEASUREMENTS":
            if self.chance(0.4):
                parts.append("WITH MEASUREMENT " + rng.choice(["= " + ident(m.name), "=~ /^m/", "=~ /[01]/", "= nosuch"]))
            if self.chance(0.4):
                parts.append(where)
            parts += limits
        elif kind in ("SERIES", "TAG KEYS"):
            parts += [p for p in (source, where) if self.chance(0.6)] + limits
        elif kind == "TAG VALUES":
            parts += [source] if self.chance(0.6) else []
            parts.append("WITH KEY " + rng.choice(["= " + ident(k), "!= " + ident(k), "=~ /o/", "!~ /^h/", "=~ /./",
                                                   "IN (%s)" % ", ".join(ident(t) for t in tags)]))
            parts += ([where] if self.chance(0.4) else []) + limits
        elif kind == "FIELD KEYS":
            parts += ([source] if self.chance(0.7) else []) + limits
        elif kind == "CARDINALITY":
            what = rng.choice(["SERIES EXACT CARDINALITY", "MEASUREMENT EXACT CARDINALITY", "TAG KEY EXACT CARDINALITY",
                               "TAG VALUES EXACT CARDINALITY", "FIELD KEY EXACT CARDINALITY"])
            kind = what
            parts += [source] if self.chance(0.5) else []
            if what.startswith("TAG VALUES"):
                parts.append("WITH KEY = " + ident(k))
            parts += [where] if self.chance(0.3) and not what.startswith("FIELD") else []
        return {"kind": "show", "text": "SHOW " + kind, "parts": parts}


def names_only(q):
    """Whether the rows of this select are aggregates, which carry only the tags that they are grouped by."""
    return any(True for _ in all_calls({"fields": q["fields"]}))


# ---------------------------------------------------------------- taking apart
def smaller(q):
    """Statements one step simpler than `q`, the boldest steps first."""
    if q["kind"] == "show":
        for i in range(len(q["parts"])):
            yield dict(q, parts=q["parts"][:i] + q["parts"][i + 1:])
        return
    for s in smaller_select(q):
        yield dict(s, kind="select")


def smaller_select(q):
    for i, s in enumerate(q["from"]):
        if "sub" in s:
            yield s["sub"]
    for key in ("where", "group", "fill", "order", "offset", "limit", "soffset", "slimit", "tz"):
        if q.get(key) is not None:
            yield {k: v for k, v in q.items() if k != key}
    for key in ("fields", "from", "group"):
        items = q.get(key) or []
        if len(items) > 1:
            for i in range(len(items)):
                yield dict(q, **{key: items[:i] + items[i + 1:]})
    if q.get("where"):
        for c in smaller_cond(q["where"]):
            yield dict(q, where=c)
    for i, f in enumerate(q["fields"]):
        if f.get("as"):
            yield dict(q, fields=q["fields"][:i] + [{"e": f["e"]}] + q["fields"][i + 1:])
        for e in smaller_expr(f["e"]):
            yield dict(q, fields=q["fields"][:i] + [dict(f, e=e)] + q["fields"][i + 1:])
    for i, s in enumerate(q["from"]):
        if "sub" in s:
            for t in smaller_select(s["sub"]):
                yield dict(q, **{"from": q["from"][:i] + [{"sub": t}] + q["from"][i + 1:]})
    for i, g in enumerate(q.get("group") or ()):
        if g.startswith("time(") and "," in g:
            yield dict(q, group=q["group"][:i] + [g.split(",")[0] + ")"] + q["group"][i + 1:])


def smaller_cond(c):
    if c[0] in ("and", "or"):
        yield c[1]
        yield c[2]
        for x in smaller_cond(c[1]):
            yield [c[0], x, c[2]]
        for x in smaller_cond(c[2]):
            yield [c[0], c[1], x]
    elif c[0] == "group":
        yield c[1]
        for x in smaller_cond(c[1]):
            yield ["group", x]
    else:
        for x in smaller_expr(c[1]):
            yield ["cmp", x, c[2], c[3]]


def smaller_expr(e):
    if e[0] == "par":
        yield e[1]
        for x in smaller_expr(e[1]):
            yield ["par", x]
    elif e[0] == "bin":
        yield e[2]
        yield e[3]
        for x in smaller_expr(e[2]):
            yield ["bin", e[1], x, e[3]]
        for x in smaller_expr(e[3]):
            yield ["bin", e[1], e[2], x]
    elif e[0] == "call":
        for a in e[2]:
            if a[0] != "lit":
                yield a
        for i, a in enumerate(e[2]):
            if i:
                yield ["call", e[1], e[2][:i] + e[2][i + 1:]]
            for x in smaller_expr(a):
                yield ["call", e[1], e[2][:i] + [x] + e[2][i + 1:]]
    elif e[0] == "ref" and e[2]:
        yield ["ref", e[1], None]
