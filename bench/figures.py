#!/usr/bin/env python3
"""Runs sampan-bench several times and prints the rows of docs/figures.md: median (least..most) of each figure.

bench/figures.py [RUNS]      needs build/release/bin; takes about RUNS times three minutes
"""
import os
import re
import statistics
import subprocess
import sys

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "release", "bin", "sampan-bench")
CASES = [
    ("light load on loopback: 50 pairs, 10 messages/s each", ["loss", "--pairs", "50", "--rate", "10", "--for", "10"]),
    ("as fast as it goes: 50 pairs, 16 on the way each", ["load", "--pairs", "50", "--closed", "16", "--for", "10"]),
    ("as fast as it goes: 50 pairs, 1 on the way each", ["load", "--pairs", "50", "--closed", "1", "--for", "10"]),
    ("two legs of 100 ms RTT, 10 pairs, 10 messages/s each, loss each way on both legs",
     ["loss", "--rtt", "100", "--loss", "0,10%,30%", "--pairs", "10", "--rate", "10", "--for", "20"]),
]
FIELDS = ["p50_ms", "p99_ms", "p99.9_ms", "messages_per_s", "undelivered", "wrong", "wire_per_payload",
          "gateway_cpu_us_per_message", "late_sends"]


def run(args, seed):
    done = subprocess.run([BENCH, *args, "--seed", str(seed)], stdout=subprocess.PIPE, check=True, text=True)
    rows = {}
    for line in done.stdout.splitlines():
        rows[line.split()[0]] = {f: float(re.search(rf"\b{re.escape(f)} ([\d.]+)", line).group(1)) for f in FIELDS}
    return rows


def spread(values):
    return f"{statistics.median(values):g} ({min(values):g}..{max(values):g})"


def main():
    for title, args in CASES:
        runs = [run(args, seed) for seed in range(1, RUNS + 1)]
        print(f"\n{title}: `sampan-bench {' '.join(args)}`, seeds 1..{RUNS}\n")
        print("|run|" + "|".join(FIELDS) + "|\n|---|" + "---|" * len(FIELDS))
        for name in runs[0]:
            print(f"|{name}|" + "|".join(spread([r[name][f] for r in runs]) for f in FIELDS) + "|", flush=True)


main()
