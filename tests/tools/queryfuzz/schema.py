"""Random schemas and the points of one database."""
import json
import random

S = 10**9
MONDAY = 1677456000 * S                 # 2023-02-27T00:00:00Z
ODD_NAMES = ["my m", "sel,ect", "from", "a=b", "größe", 'quo"te', "1st", "a.b", "Time", "m/s", "per%cent", "it's", "back\\slash"]
ODD_VALUES = ["a b", "x,y", "k=v", "ü", "'q'", 'd"q', "10", "/etc", "a\\b", "A", "true"]


def escape(text, chars):
    return "".join("\\" + c if c in chars else c for c in text)


def string_literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Measurement:
    """One measurement: its tags with their values, its fields with their types, and its times."""

    def __init__(self, name, tags, fields):
        self.name, self.tags, self.fields = name, tags, fields


class Database:
    """What one round works on.

    batches   lists of lines, written in this order
    span      first and last time of the points, in ns
    step      usual distance of two points of one series, in ns
    shared    whether points of several series share their times
    mixed     whether a field has unlike types in different shards
    """

    def __init__(self, seed):
        self.seed = seed
        rng = self.rng = random.Random("data %s" % seed)
        self.shared = rng.random() < 0.45
        self.mixed = rng.random() < 0.12
        self.odd = rng.random() < 0.3
        self.shape()
        self.measurements = []
        for i in range(rng.choice([1, 2, 2, 3])):
            self.measurements.append(self.measurement(i))
        lines = [line for n, m in enumerate(self.measurements) for line in self.points(m, n)]
        self.batches = self.order(lines)

    def shape(self):
        rng = self.rng
        kind = self.kind = rng.choice(["dense", "dense", "dense", "hours", "hours", "days", "epoch", "nanos", "weeks"])
        base = MONDAY + rng.randrange(14 * 86400) * S
        self.shard_s = rng.choice([None, 3600, 86400])
        if kind == "dense":
            self.step, self.start, self.count = rng.choice([1, 5, 10, 15]) * S, base - base % (60 * S), rng.randint(4, 60)
        elif kind == "hours":
            self.step, self.start, self.count = rng.choice([300, 420, 600, 1200]) * S, base - base % (3600 * S), rng.randint(8, 60)
        elif kind == "days":            # over a change of the clocks in Berlin (2023-03-26) or in New York (2023-03-12)
            self.step = rng.choice([1800, 3600, 7200, 10800]) * S
            self.start, self.count = rng.choice([1679702400, 1678492800]) * S, rng.randint(20, 60)
            self.shard_s = rng.choice([None, 86400])
        elif kind == "epoch":
            self.step, self.start, self.count = rng.choice([1, 10, 60]) * S, -rng.randint(5, 30) * 10 * S, rng.randint(8, 40)
        elif kind == "nanos":
            self.step, self.start, self.count = rng.choice([1, 3, 1000, 10**6]), base, rng.randint(6, 40)
        else:
            self.step, self.start, self.count = 86400 * S, base, rng.randint(10, 40)
            self.shard_s = rng.choice([None, 86400])
        self.span = (self.start, self.start + self.step * self.count)

    def name(self, plain, used):
        rng = self.rng
        n = rng.choice(ODD_NAMES) if self.odd and rng.random() < 0.35 else plain
        if n in used or n.lower() == "time":
            n = plain
        used.add(n)
        return n

    def measurement(self, i):
        rng, used = self.rng, set()
        names = {m.name for m in self.measurements}
        name = self.name("m%d" % i, names)
        tags = {}
        for k in ["host", "region", "dev"][:rng.choice([0, 1, 1, 2, 2, 3])]:
            values = ["%s%d" % (k[0], v) for v in range(rng.randint(1, 4))]
            if self.odd and rng.random() < 0.5:
                values[0] = rng.choice(ODD_VALUES)
            tags[self.name(k, used)] = values
        fields = {}
        for plain, kind in [("f", "float"), ("g", "float"), ("i", "integer"), ("j", "integer"), ("s", "string"), ("b", "boolean")]:
            if plain in "fi" or rng.random() < 0.6:
                fields[self.name(plain, used)] = kind
        return Measurement(name, tags, fields)

    def value(self, kind, wild):
        rng = self.rng
        if kind == "float":
            r = rng.random()
            if r < 0.06:
                return "0"
            if wild and r < 0.12:
                return rng.choice(["1e15", "-1e-9", "123456789.123", "3.25e10", "-0.0", "1e300", "4.9e-300"])
            return repr(rng.randint(-80, 160) / 8)
        if kind == "integer":
            if wild and rng.random() < 0.05:
                return rng.choice(["9007199254740993i", "-9223372036854775808i", "9223372036854775807i", "4611686018427387904i", "1000000007i"])
            return "%di" % rng.randint(-20, 60)
        if kind == "string":
            return string_literal(rng.choice(["", "alpha", "beta", "gamma", "it's", 'a"b', "10", "Beta", "x\\y", "ü", "two words"]))
        return rng.choice(["true", "false", "t", "F"])

    def points(self, m, nth):
        rng = self.rng
        wild = rng.random() < 0.15
        combos = [{}]
        for k, values in m.tags.items():
            combos = [dict(c, **{k: v}) for c in combos for v in values]
        rng.shuffle(combos)
        combos = combos[:rng.choice([1, 3, 5, 8])]
        for c in combos:                                        # missing tags
            for k in list(c):
                if rng.random() < 0.12:
                    del c[k]
        combos = [dict(t) for t in dict.fromkeys(tuple(c.items()) for c in combos)]
        turn = self.start + self.step * self.count * rng.uniform(0.2, 0.8)   # where a mixed field changes its type
        shard, monday = (self.shard_s or 604800) * S, 4 * 86400 * S    # shards of a week begin on Mondays
        turn = (int(turn) - monday) // shard * shard + monday
        swaps = {}
        if self.mixed and rng.random() < 0.8:
            f = rng.choice(list(m.fields))
            swaps[f] = rng.choice(["float", "integer", "string", "boolean"])
        thin = rng.choice([0, 0.05, 0.3, 0.7])                   # gaps: single points, and whole stretches
        gap = sorted(rng.randrange(self.count + 1) for _ in range(2)) if rng.random() < 0.4 else (0, 0)
        sparse = {f: rng.choice([0, 0, 0.2, 0.6]) for f in m.fields}
        for si, tags in enumerate(combos):
            shift = 0
            if not self.shared:
                shift = max(1, self.step // 997) * (si + 1) if self.step > 1000 * len(combos) else 0
                if not shift and len(combos) > 1:
                    shift = None                                  # so fine a grid has no room: every series takes its own turn
            jitter = self.shared and self.step >= S and rng.random() < 0.33
            for n in range(self.count):
                if rng.random() < thin or gap[0] <= n < gap[1]:
                    continue
                if shift is None:
                    if n % len(combos) != si:
                        continue
                    t = self.start + n * self.step
                else:
                    t = self.start + n * self.step + shift
                if jitter:
                    t += rng.randrange(3) * S // 2
                yield m, tags, t, self.fields_at(m, t, turn, swaps, sparse, wild)

    def fields_at(self, m, t, turn, swaps, sparse, wild):
        out = {}
        for f, kind in m.fields.items():
            if self.rng.random() < sparse[f]:
                continue
            out[f] = self.value(swaps.get(f, kind) if t < turn else kind, wild)
        if not out:
            f = next(iter(m.fields))
            out[f] = self.value(swaps.get(f, m.fields[f]) if t < turn else m.fields[f], wild)
        return out

    @staticmethod
    def line(m, tags, t, fields):
        key = escape(m.name, ", ")
        for k, v in sorted(tags.items()):
            key += ",%s=%s" % (escape(k, ",= "), escape(v, ",= "))
        return "%s %s %d" % (key, ",".join("%s=%s" % (escape(f, ",= "), v) for f, v in fields.items()), t)

    def order(self, points):
        """Batches of lines: in the order of time with late points, and overwrites at the end."""
        rng = self.rng
        points = sorted(points, key=lambda p: p[2])
        late = [p for p in points if rng.random() < rng.choice([0, 0.1])]
        gone = set(map(id, late))
        first = [p for p in points if id(p) not in gone]
        if rng.random() < 0.2:
            rng.shuffle(first)
        again = []
        for m, tags, t, fields in points:
            if rng.random() < 0.06:                               # the same types as before, or the write is refused
                chosen = [f for f in fields if rng.random() < 0.7] or list(fields)
                again.append((m, tags, t, {f: self.like(fields[f]) for f in chosen}))
        lines = [self.line(*p) for p in first] + [self.line(*p) for p in late + again]
        parts = rng.choice([1, 1, 2, 4])
        size = max(1, -(-len(lines) // parts))
        return [lines[i:i + size] for i in range(0, len(lines), size)]

    def like(self, text):
        kind = ("string" if text.startswith('"') else "integer" if text.endswith("i") else
                "boolean" if text[0] in "tTfF" else "float")
        return self.value(kind, False)

    def create(self, db):
        tail = " WITH SHARD DURATION %ds" % self.shard_s if self.shard_s else ""
        return 'CREATE DATABASE "%s"%s' % (db, tail)

    def describe(self):
        return json.dumps({"kind": self.kind, "step": self.step, "shared": self.shared, "mixed": self.mixed, "shard_s": self.shard_s,
                           "measurements": [[m.name, m.tags, m.fields] for m in self.measurements]}, ensure_ascii=False)
