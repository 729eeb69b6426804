#!/usr/bin/env python3
"""Fill in what InfluxDB 1.x answers to the cases of a conformance file.

    record.py ../../conformance/cases/fuzz_findings.json [--influxd influxd] [--all]

Starts InfluxDB in a temporary folder, loads the file's set-up, asks each request that has no `expect` yet (with --all: every one) and
writes the answers into the file.
"""
import argparse
import json
import shutil
import sys
import tempfile

from exceptions import conformance
from servers import Influx


def one_line_each(doc):
    """The file with one case, and one line of points, on each line."""
    head = {k: v for k, v in doc.items() if k not in ("setup", "cases")}
    out = ["{" + json.dumps(head, ensure_ascii=False)[1:-1] + ","]
    out.append(' "setup": [')
    for n, part in enumerate(doc.get("setup", [])):
        lines = part.get("lines", [])
        rest = {k: v for k, v in part.items() if k != "lines"}
        text = json.dumps(rest, ensure_ascii=False)[:-1] + (", " if rest else "") + '"lines": [\n   '
        out.append("  " + text + ",\n   ".join(json.dumps(x, ensure_ascii=False) for x in lines) + "]}" + ("," if n + 1 < len(doc["setup"]) else ""))
    out.append(' ],\n "cases": [')
    out.append(",\n".join("  " + json.dumps(c, ensure_ascii=False) for c in doc["cases"]))
    out.append(" ]\n}\n")
    return "\n".join(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("file")
    ap.add_argument("--influxd", default="influxd")
    ap.add_argument("--all", action="store_true", help="ask again what has an answer already")
    args = ap.parse_args()
    with open(args.file, encoding="utf-8") as f:
        doc = json.load(f)
    folder = tempfile.mkdtemp(prefix="record-")
    server = Influx(folder, args.influxd).start()
    problems, count = [], 0
    try:
        client, namer = conformance.Client(server.url), conformance.Namer()

        def visit(_, step, got):
            nonlocal count
            if isinstance(got, Exception):
                problems.append(str(got))
            elif args.all or "expect" not in step:
                step["expect"] = got
                count += 1

        conformance.run_file(client, doc, namer, visit, problems)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    for p in problems:
        print(p)
    with open(args.file, "w", encoding="utf-8") as f:
        f.write(one_line_each(doc))
    print("%d answers recorded" % count)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
