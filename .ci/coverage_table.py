"""Coverage by file and by part, from two summaries of llvm-cov: coverage_table.py ALL ALONE PART:LINES:BRANCHES...
Prints the table, then what is below its limit; exit 1 if anything is."""
import json
import os
import sys

PARTS = {"qos": "qos/", "store": "store/", "core": "gateway/core/"}


def read(path):
    """File name below the project's root -> (lines covered, lines, branches covered, branches)."""
    root = os.getcwd() + "/"
    files = {}
    with open(path, encoding="utf-8") as f:
        for entry in json.load(f)["data"][0]["files"]:
            name, s = entry["filename"].removeprefix(root), entry["summary"]
            files[name] = tuple(s[k][n] for k in ("lines", "branches") for n in ("covered", "count"))
    return files


def total(files, prefix):
    rows = [r for name, r in files.items() if name.startswith(prefix)]
    return tuple(sum(column) for column in zip(*rows))


def percent(covered, count):
    return 100.0 * covered / count if count else 100.0


def line(name, r):
    return "%-30s %5d of %5d  %6.2f %%   %5d of %5d  %6.2f %%" % (
        name, r[0], r[1], percent(*r[:2]), r[2], r[3], percent(*r[2:]))


def main():
    everything, alone = read(sys.argv[1]), read(sys.argv[2])
    print("%-30s %-25s %s" % ("all tests", "lines", "branches"))
    for name in sorted(everything):
        if everything[name][1] > 0:
            print(line(name, everything[name]))
    failures = []
    print("\nunit and contract tests alone")
    for part, prefix in PARTS.items():
        print(line(part, total(alone, prefix)))
    print("\nall tests")
    for limit in sys.argv[3:]:
        part, lines, branches = limit.split(":")
        r = total(everything, PARTS[part])
        print(line(part, r))
        for what, got, least in (("lines", percent(*r[:2]), lines), ("branches", percent(*r[2:]), branches)):
            if got < float(least):
                failures.append("%s: %s %.2f %%, below %s %%" % (part, what, got, least))
    for failure in failures:
        print(failure)
    parts = ["%s %.1f/%.1f" % (p, percent(*r[:2]), percent(*r[2:]))
             for p, r in ((p, total(everything, prefix)) for p, prefix in PARTS.items())]
    print("lines/branches in %: " + ", ".join(parts))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
