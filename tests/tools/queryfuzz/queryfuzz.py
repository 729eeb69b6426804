#!/usr/bin/env python3
"""Ask InfluxDB 1.x and Weir the same random questions and report where the answers differ.

    queryfuzz.py [--weir target/debug/weir] [--queries 500] [--seed 1] [--restart 0.2] [--out DIR]

Standard library only.  README.md beside this file says what is asked and how answers are judged.
"""
import argparse
import collections
import http.client
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time

from exceptions import EXCEPTIONS, Finding, conformance, explain
from queries import Maker, show, show_cond, smaller
from schema import Database
from servers import Influx, Weir, find_weir

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


class Asker:
    """Sends requests to one server and keeps answers in the form of the conformance cases."""

    def __init__(self, server):
        self.server, self.client = server, conformance.Client(server.url, timeout=20)

    def step(self, step, db):
        for attempt in (0, 1):
            try:
                return conformance.digest(conformance.perform(self.client, step, db), step, db)
            except ValueError as e:
                return {"status": 0, "text": "no usable reply: %s" % e}
            except (OSError, http.client.HTTPException) as e:
                self.client.close()
                self.client.silent = 0
                if attempt or isinstance(e, TimeoutError) or not self.server.alive():
                    return {"status": 0, "text": "no reply: %s: %s" % (type(e).__name__, e)}

    def query(self, text, params, db):
        step = {"q": text, "params": params}
        if len(text) > 4000:
            step["method"] = "POST"
        return self.step(step, db)

    def write(self, lines, db):
        return self.step({"write": "\n".join(lines), "params": {"precision": "ns"}}, db)

    def statement(self, text, db):
        return self.step({"q": text, "method": "POST"}, db)


class Fuzzer:
    def __init__(self, args, folder):
        self.args = args
        self.influx = Influx(os.path.join(folder, "influx"), args.influxd)
        self.second = Influx(os.path.join(folder, "influx2"), args.influxd, index="tsi1", threads=1)
        self.weir = Weir(os.path.join(folder, "weir"), args.weir or find_weir(ROOT))
        print("weir: %s" % self.weir.binary)
        for s in (self.influx, self.second, self.weir):
            s.start()
        self.a, self.b, self.c = Asker(self.influx), Asker(self.weir), Asker(self.second)
        self.tally = collections.Counter()
        self.seen, self.found, self.dbs = collections.Counter(), [], 0
        self.out = open(os.path.join(args.out, "findings.jsonl"), "a", encoding="utf-8") if args.out else None

    def stop(self):
        for s in (self.weir, self.influx, self.second):
            s.stop()

    def restart(self, rng):
        self.tally["restarts"] += 1
        sig = signal.SIGKILL if rng.random() < 0.5 else signal.SIGTERM
        self.b.client.close()
        self.weir.restart(sig)
        return sig

    # ---- one database
    def new_db(self):
        self.dbs += 1
        return "qf%06d" % self.dbs

    def load(self, data, batches, db, rng=None):
        for asker in (self.a, self.b, self.c):
            asker.statement(data.create(db), db)
        for n, batch in enumerate(batches):
            if rng and n and rng.random() < self.args.restart:
                self.restart(rng)
            answers = [asker.write(batch, db) for asker in (self.a, self.b, self.c)]
            if conformance.compare({"error": "any"}, answers[0], answers[1]) and answers[0]["status"] != answers[1]["status"]:
                return "write: InfluxDB %s, Weir %s" % (conformance.short(answers[0]), conformance.short(answers[1]))
        return None

    def drop(self, db):
        for asker in (self.a, self.b, self.c):
            asker.statement('DROP DATABASE "%s"' % db, db)

    def judge(self, query, params, data, db):
        """None when the answers agree, else (name of the exception or None, finding)."""
        text = show(query)
        want, got = self.a.query(text, params, db), self.b.query(text, params, db)
        if want["status"] == 0:
            # Some queries end 1.x with a panic, or never end in it; it comes back with its data.
            self.a.client.close()
            self.influx.restart(signal.SIGKILL)
            return "influxd ended", want, got
        if not conformance.compare({}, want, got):
            return None, want, got
        f = Finding(query, params, want, got, data, lambda: self.ask_witness(text, params, db))
        return explain(f) or "DIFFERENT", want, got

    def ask_witness(self, text, params, db):
        answer = self.c.query(text, params, db)
        if answer["status"] == 0:
            self.c.client.close()
            self.second.restart(signal.SIGKILL)
            return None
        return answer

    def round(self, seed):
        rng = random.Random("queries %s" % seed)
        data = Database(seed)
        db = self.new_db()
        problem = self.load(data, data.batches, db, rng)
        if problem:
            self.tally["refused writes"] += 1
            print("seed %s: %s" % (seed, problem))
        maker, asked = Maker(data, rng), []
        for n in range(self.args.per_round):
            query = maker.statement()
            params = {}
            if rng.random() < 0.6:
                params["epoch"] = rng.choice(["ns", "ns", "u", "ms", "s", "m", "h"])
            if rng.random() < self.args.chunked:
                params["chunked"] = "true"
                params["chunk_size"] = rng.choice(["1", "2", "5", "1000"])
            if self.args.only is not None and n != self.args.only:
                continue
            verdict, want, got = self.judge(query, params, data, db)
            self.tally["queries"] += 1
            if "series" in json.dumps(want):
                self.tally["answers with rows"] += 1
            if verdict:
                self.tally[verdict] += 1
            if verdict == "DIFFERENT":
                self.report(seed, n, data, db, query, params)
            else:
                asked.append((query, params, got))
            if self.args.verbose:
                print("%s/%s %-10s %s" % (seed, n, verdict or "", show(query)))
            if not self.weir.alive():
                print("seed %s/%d: Weir ended: %s" % (seed, n, show(query)))
                self.weir.start()
        if rng.random() < self.args.restart:
            sig = self.restart(rng)
            for query, params, before in asked:
                after = self.b.query(show(query), params, db)
                self.tally["asked again"] += 1
                if conformance.compare({}, before, after):
                    f = Finding(query, params, before, after, data, lambda: None)
                    name = explain(f)
                    if name is None or name == "reading":
                        self.tally["CHANGED by a restart"] += 1
                        print("seed %s: changed by a restart (%s): %s\n   before %s\n   after  %s" % (
                            seed, sig.name, show(query), conformance.short(before), conformance.short(after)))
        self.drop(db)

    # ---- shrinking
    def still(self, query, params, data, db):
        if unbounded(query):
            return False
        return self.judge(query, params, data, db)[0] == "DIFFERENT"

    def shrink_query(self, query, params, data, db):
        for key in list(params):
            less = {k: v for k, v in params.items() if k != key}
            if self.still(query, less, data, db):
                params = less
        budget, moved = 400, True
        while moved and budget > 0:
            moved = False
            for candidate in smaller(query):
                budget -= 1
                if budget <= 0:
                    break
                if self.still(candidate, params, data, db):
                    query, moved = candidate, True
                    break
        return query, params

    def shrink_lines(self, query, params, data):
        lines, size = [l for b in data.batches for l in b], None
        differs = lambda some: self.differs_on(query, params, data, some)
        if not differs(lines):
            return None
        size = max(1, len(lines) // 2)
        until = time.monotonic() + self.args.shrink_seconds
        while size >= 1 and time.monotonic() < until:
            at, cut = 0, False
            while at < len(lines) and time.monotonic() < until:
                rest = lines[:at] + lines[at + size:]
                if rest and differs(rest):
                    lines, cut = rest, True
                else:
                    at += size
            if not cut or size > len(lines):
                size //= 2
        return lines

    def differs_on(self, query, params, data, lines):
        db = self.new_db()
        try:
            if self.load(data, [lines], db):
                return False
            return self.still(query, params, data, db)
        finally:
            self.drop(db)

    def report(self, seed, n, data, db, query, params):
        small, params = self.shrink_query(query, params, data, db)
        text = show(small)
        shape = signature(text)
        self.seen[shape] += 1
        if self.seen[shape] > self.args.repeat:
            self.tally["like an earlier one"] += 1
            return
        lines = self.shrink_lines(small, params, data) if self.args.shrink_seconds else None
        where = db
        if lines is not None:
            where = self.new_db()
            self.load(data, [lines], where)
        want, got = self.a.query(text, params, where), self.b.query(text, params, where)
        print("\nDIFFERENT  seed %s, query %d (again: --seed %s --rounds 1 --only %d)" % (seed, n, seed, n))
        print("  asked    %s" % show(query))
        print("  shrunk   %s   %s" % (text, params or ""))
        for line in (lines or [])[:25]:
            print("    %s" % line)
        if lines is None:
            print("    (needs the whole data of the round: %s)" % data.describe())
        for d in conformance.compare({}, want, got)[:6]:
            print("  %s" % d)
        print("  InfluxDB %s\n  Weir     %s" % (cut(want), cut(got)), flush=True)
        if self.out:
            step = {"q": text, **({"params": params} if params else {}), "expect": want}
            self.out.write(json.dumps({"seed": seed, "query": n, "create": data.create("{db}"), "lines": lines, "step": step, "got": got},
                                      ensure_ascii=False) + "\n")
            self.out.flush()
        if where != db:
            self.drop(where)


def unbounded(q):
    """Buckets up to now: a long answer, and one that depends on the clock."""
    if q.get("kind") == "show":
        return False
    inner = any(unbounded(s["sub"]) for s in q["from"] if "sub" in s)
    timed = any(g.startswith("time(") for g in q.get("group") or ())
    return inner or timed and len(re.findall(r"\btime [<>]", show_cond(q["where"]) if q.get("where") else "")) < 2


def cut(x):
    s = json.dumps(x, ensure_ascii=False)
    return s if len(s) < 1500 else s[:1500] + "…"


def signature(text):
    """Queries of one form are one finding: names, numbers and texts do not count."""
    text = re.sub(r"'(?:\\.|[^'\\])*'", "'t'", text)
    text = re.sub(r'"(?:\\.|[^"\\])*"', "n", text)
    text = re.sub(r"-?\b\d+(\.\d+)?(ns|u|ms|s|m|h|d|w)?\b", "1", text)
    return re.sub(r"\b(f|g|i|j|s|b|host|region|dev|m[0-9])\b", "n", text)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--weir", help="the binary; default: the newest below the target folder")
    ap.add_argument("--influxd", default="influxd")
    ap.add_argument("--queries", type=int, default=500, help="how many to ask")
    ap.add_argument("--per-round", type=int, default=100, help="queries for each database")
    ap.add_argument("--rounds", type=int, help="stop after so many databases")
    ap.add_argument("--seed", type=int, help="first seed; each database takes the next one (default: from the clock)")
    ap.add_argument("--only", type=int, help="ask only the query with this number")
    ap.add_argument("--restart", type=float, default=0.0, help="how often Weir is stopped or killed between writes and after the queries")
    ap.add_argument("--chunked", type=float, default=0.03, help="share of chunked queries")
    ap.add_argument("--repeat", type=int, default=1, help="how often findings of one form are shown")
    ap.add_argument("--shrink-seconds", type=float, default=5, help="time for shrinking the data of a finding; 0 for none")
    ap.add_argument("--max-findings", type=int, default=40, help="stop after so many forms of findings")
    ap.add_argument("--out", help="folder for findings.jsonl")
    ap.add_argument("-v", "--verbose", action="store_true")
    args = ap.parse_args()
    if args.out:
        os.makedirs(args.out, exist_ok=True)
    seed = args.seed if args.seed is not None else int(time.time()) % 10**8
    folder = tempfile.mkdtemp(prefix="queryfuzz-")
    print("first seed %d, servers in %s" % (seed, folder), flush=True)
    fuzzer, began, rounds = None, time.monotonic(), 0
    try:
        fuzzer = Fuzzer(args, folder)
        while fuzzer.tally["queries"] < args.queries and (args.rounds is None or rounds < args.rounds) and len(fuzzer.seen) < args.max_findings:
            fuzzer.round(seed + rounds)
            rounds += 1
            if rounds % 20 == 0:
                print("… seed %d: %s" % (seed + rounds, dict(fuzzer.tally)), flush=True)
    finally:
        if fuzzer:
            fuzzer.stop()
    print("\n%d rounds in %.0f s, last seed %d" % (rounds, time.monotonic() - began, seed + rounds - 1))
    for name, count in fuzzer.tally.most_common():
        reason = next((": " + why for n, why, _ in EXCEPTIONS if n == name), "")
        print("  %6d  %s%s" % (count, name, reason))
    bad = fuzzer.tally["DIFFERENT"] + fuzzer.tally["CHANGED by a restart"] + fuzzer.tally["refused writes"]
    if not bad:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
