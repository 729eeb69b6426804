#!/usr/bin/env python3
"""Run the conformance cases and hold the result against known-failures.txt.

    check.py --url URL --dialect oss|dedicated [--token T] [--update]

A case that fails must be listed there for that dialect, with the reason; a listed case that passes is an error, too, so that the list only
shrinks. --update writes the list anew, keeping reasons. The last line is "N passed, M failed", where M counts the surprises.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
LIST = os.path.join(HERE, "known-failures.txt")


def read_list():
    """{(dialect, case): reason}"""
    known = {}
    if os.path.exists(LIST):
        for line in open(LIST, encoding="utf-8"):
            line = line.strip()
            if line and not line.startswith("#"):
                dialect, case, reason = line.split(None, 2)
                known[dialect, case] = reason
    return known


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--url", required=True)
    p.add_argument("--dialect", required=True)
    p.add_argument("--token")
    p.add_argument("--update", action="store_true")
    a = p.parse_args()
    report = os.path.join(tempfile.mkdtemp(), "report.json")
    command = [sys.executable, os.path.join(HERE, "run.py"), "--url", a.url, "--dialect", a.dialect, "--no-quirks", "--report", report]
    if a.token:
        command += ["--token", a.token]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout[-8000:])
    try:
        differences = json.load(open(report, encoding="utf-8"))
    except (OSError, ValueError) as e:
        print("no report:", e)
        print("0 passed, 1 failed")
        return 1
    failing = {case for case, what in differences.items() if what}
    last = [line for line in done.stdout.splitlines() if " passed, " in line]
    passed = int(last[-1].split()[0]) if last else 0
    known = read_list()
    if a.update:
        rows = {key: reason for key, reason in known.items() if key[0] != a.dialect}
        for case in failing:
            rows[a.dialect, case] = known.get((a.dialect, case), "not looked at yet")
        head = [line for line in open(LIST, encoding="utf-8") if line.startswith("#")] if os.path.exists(LIST) else []
        with open(LIST, "w", encoding="utf-8") as f:
            f.writelines(head)
            for (dialect, case), reason in sorted(rows.items()):
                f.write(f"{dialect} {case} {reason}\n")
        known = rows
    expected = {case for dialect, case in known if dialect == a.dialect}
    for case in sorted(failing - expected):
        print("fails, and is not listed:", case, "|", "; ".join(map(str, differences[case]))[:300])
    for case in sorted(expected - failing):
        print("listed as failing, but passes (take it off the list):", case)
    surprises = len(failing ^ expected)
    print(f"{len(failing & expected)} known failures")
    print(f"{passed} passed, {surprises} failed")
    return 1 if surprises or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
