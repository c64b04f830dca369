#!/usr/bin/env python3
"""Lines per function in C files laid out by clang-format (Linux braces: a function's body opens and closes in column 0).

A function longer than --max passes only if the comment directly above it has a line starting with "Long:" that says why.
"""
import argparse
import sys


def functions(path):
    lines = open(path, encoding="utf-8").read().split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{" and i > 0 and not lines[i - 1].endswith(";"):
            start = i
        elif line == "}" and start is not None:
            head = start - 1
            while head > 0 and lines[head] and lines[head][0] in " \t":
                head -= 1
            above = []
            j = head - 1
            while j >= 0 and lines[j].lstrip().startswith(("/*", "*")):
                above.append(lines[j])
                j -= 1
            yield lines[head], i - start + 1, any("Long:" in a for a in above)
            start = None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--max", type=int, default=70)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    sizes, bad = [], 0
    for path in args.files:
        for head, n, excused in functions(path):
            sizes.append(n)
            if n > args.max and not excused:
                print(f"{path}: {n} lines: {head}")
                bad += 1
    sizes.sort()
    if not sizes:
        print("no functions found")
        return 1
    print(f"{len(sizes)} functions, median {sizes[len(sizes) // 2]}, p90 {sizes[len(sizes) * 9 // 10]}, max {sizes[-1]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
