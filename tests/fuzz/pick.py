#!/usr/bin/env python3
"""Keeps a corpus small: of many inputs that a fuzz target has found, the few that together reach the most.

  tests/fuzz/pick.py build/fuzz/tests/fuzz_link FOUND tests/fuzz/corpus/fuzz_link [--max 40]

Inputs are taken greedily by edges not yet reached per byte, until all are reached or there are --max of them.  Files of
the corpus whose names are words (regressions) stay; those named by a hash are replaced.
"""
import argparse
import os
import re
import shutil
import subprocess
import tempfile

HASHED = re.compile(r"^[0-9a-f]{40}$")


def edges_of(target, folders):
    """Path of each input -> the set of edges that it reaches, from libFuzzer's merge control file."""
    with tempfile.TemporaryDirectory() as tmp:
        control = os.path.join(tmp, "control")
        out = os.path.join(tmp, "out")
        os.mkdir(out)
        # Without counters and comparisons the features of an input are the edges that it reaches.
        subprocess.run([target, "-merge=1", "-use_counters=0", "-use_cmp=0", "-merge_control_file=" + control, out,
                        *folders], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = open(control, encoding="utf-8").read().split("\n")
    files = lines[2:2 + int(lines[0])]
    edges = {f: set() for f in files}
    for line in lines[2 + len(files):]:
        words = line.split()
        if words and words[0] == "FT":
            edges[files[int(words[1])]].update(words[2:])
    return edges


def pick(edges, kept, most):
    reached = set().union(*[edges.get(f, set()) for f in kept]) if kept else set()
    left = {f: e for f, e in edges.items() if f not in kept}
    chosen = []
    while left and len(chosen) < most:
        best = max(left, key=lambda f: len(left[f] - reached) / (4000 + os.path.getsize(f)))
        if not left[best] - reached:
            break
        reached |= left.pop(best)
        chosen.append(best)
    return chosen, reached


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max", type=int, default=40)
    parser.add_argument("target")
    parser.add_argument("found")
    parser.add_argument("corpus")
    args = parser.parse_args()
    edges = edges_of(args.target, [args.corpus, args.found])
    old = [os.path.join(args.corpus, n) for n in os.listdir(args.corpus) if HASHED.match(n)]
    kept = [f for f in edges if os.path.dirname(f) == args.corpus.rstrip("/") and f not in old]
    chosen, reached = pick(edges, kept, args.max)
    with tempfile.TemporaryDirectory() as tmp:
        names = [shutil.copy(f, os.path.join(tmp, os.path.basename(f))) for f in chosen]
        for f in old:
            os.remove(f)
        for f in names:
            shutil.copy(f, args.corpus)
    everything = set().union(*edges.values())
    print(f"{len(kept)} kept, {len(chosen)} picked of {len(edges)}: {len(reached)} of {len(everything)} edges")


if __name__ == "__main__":
    main()
