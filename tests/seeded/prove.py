#!/usr/bin/env python3
"""prove.py BIN [NAME...]: every planted fault must be caught by an instrument, and the product without faults by none.

BIN is the folder of the programs that the CMake target `seeded` builds.  NAME: only these faults.
  --search    look for runs that catch each fault instead of taking the hints of the tables
  --write     put a run that a search found into the table as the hint of its fault
  --seeds N   with --search: worlds tried for one fault, at most (400)
  --budget S  with --search: seconds for one fault and one kind of run (60)
  --doc FILE  write the table of docs/seeded-faults.md into FILE, between its two marks
  --listed FILE  FILE has to list the same faults
  --same SIM  SIM is the simulator over the product: a few worlds must have the same hash in the planted build
Exit 0: all caught, none without a fault; 1: not so; 2: usage."""
import argparse
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faultfile
import runs

HERE = Path(__file__).resolve().parent
AT_ONCE = 2
SEEDS = 400  # of what a stale hint falls back to, as far as its time goes
BATCH = 10
FALL_BACK_S = 15
SAME_SEEDS = 20
MARKS = ("<!-- table: begin -->", "<!-- table: end -->")


def attempts(fault, seeds):
    """Runs to try for a fault without hints, kind by kind."""
    worlds = [f"sim {n}" for n in range(1, seeds + 1)]
    tests = [f"{kind} {name} */*" for kind, names in
             (("story", ("edges", "pull", "reports", "dedup", "hostile", "outage", "storm")),
              ("contract", ("send", "box", "limits", "history", "fault"))) for name in names]
    if fault.part != "store":
        return [worlds, [t for t in tests if t.startswith("story")]]
    return [[f"crash {n} 600" for n in range(1, 13)], worlds, [t for t in tests if t.startswith("contract")],
            ["mutants 100", "mutants 400"], [f"errors {n}" for n in (3, 60, 61, 90, 120)]]


def narrow(bin_dir, hint, fault):
    """The first single test of a file of stories or contracts that catches the fault."""
    kind, name, _ = hint.split()
    output = runs.start([bin_dir / f"test_{kind}_{name}_seeded", "--jobs", "1"], fault.name)[1]
    for test in re.findall(r"^\[FAIL\] (\S+): ", output, re.M):
        one = f"{kind} {name} {test.replace('::', '/')}"
        result = runs.run(bin_dir, one, fault.name)
        if result.caught_by:
            return one, result
    return hint, runs.Result("", "", 0, "", None)


def try_worlds(bin_dir, fault, hints, until):
    """Worlds in batches of one process; the quickest of the first three that catch it."""
    found = []
    for at in range(0, len(hints), BATCH):
        if time.monotonic() > until or len(found) >= 3:
            break
        first = hints[at].split()[1]
        output = runs.start([bin_dir / "sim_seeded", "--runs", str(BATCH), "--from", first], fault.name, 40)[1]
        for seed, _, _ in runs.sim_failures(output)[:6]:
            hint = f"sim {seed}"
            result = runs.run(bin_dir, hint, fault.name)
            if result.caught_by and runs.run(bin_dir, hint, None).is_clean():
                found.append((result.seconds, hint, result))
    return min(found, key=lambda f: f[0])[1:] if found else None


def search(bin_dir, fault, budget, seeds):
    """(hint, result) of a run that catches the fault, or None."""
    for hints in attempts(fault, seeds):
        until = time.monotonic() + budget
        if hints[0].startswith("sim"):
            found = try_worlds(bin_dir, fault, hints, until)
            if found:
                return found
            continue
        for hint in hints:
            if time.monotonic() > until:
                break
            result = runs.run(bin_dir, hint, fault.name)
            if result.caught_by and "*" in hint:
                hint, result = narrow(bin_dir, hint, fault)
            if result.caught_by and runs.run(bin_dir, hint, None).is_clean():
                return hint, result
    return None


def store_hint(fault, hint):
    path = HERE / "faults" / f"{fault.part}.fault"
    lines, inside = [], False
    for line in path.read_text().splitlines():
        if line.startswith("fault:"):
            inside = line.split()[1] == fault.name
        if inside and line.startswith("hint:"):
            continue
        lines.append(line)
        if inside and line.startswith("says:"):
            lines.append(f"hint: {hint}")
    path.write_text("\n".join(lines) + "\n")


def prove(bin_dir, fault):
    """(hint, result) by the hints of the table, or by a short search when none of them catches it any more."""
    for hint in fault.hints:
        result = runs.run(bin_dir, hint, fault.name)
        if result.caught_by:
            return hint, result
    return search(bin_dir, fault, FALL_BACK_S, SEEDS)


def row(fault, found):
    if not found:
        return f"NOT CAUGHT  {fault.name:32} {fault.breaks}"
    hint, result = found
    stale = "" if hint in fault.hints else "  (by search)"
    return (f"caught  {fault.name:32} {fault.breaks:10} {result.caught_by:16} {hint:24} "
            f"{1000 * result.seconds:6.0f} ms  {result.sentence[:110]}{stale}")


def clean(bin_dir, faults, found):
    """Runs of the product without a fault that are called a catch all the same, or do not end well."""
    hints = sorted({found[f.name][0] for f in faults if found[f.name]})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda h: runs.run(bin_dir, h, None), hints)
        return len(hints), [(h, r) for h, r in zip(hints, results) if not r.is_clean()]


def is_same(bin_dir, sim):
    """Whether the planted build with no fault on lives the same worlds as the product, by hash and sums."""
    args = ["--runs", str(SAME_SEEDS), "--from", "1"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(lambda p: runs.start([p, *args], None, 60)[1], (sim, bin_dir / "sim_seeded")))
    hashes = [re.findall(r"\bhash ([0-9a-f]{16}), 0 failures", e) for e in ends]
    if len(hashes[0]) != 1 or hashes[0] != hashes[1]:
        print("the planted build with no fault on lives other worlds than the product:\n" + "".join(ends))
        return False
    print(f"no fault on: hash {hashes[0][0]} of {SAME_SEEDS} worlds, as in the product")
    return True


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def sums(faults, found):
    """One sentence: how many faults each judge caught."""
    judges = [found[f.name][1].caught_by for f in faults]
    order = sorted(set(judges), key=lambda j: (-judges.count(j), j))
    return f"{len(faults)} faults, all caught: " + "; ".join(f"{j} {judges.count(j)}" for j in order) + "."


def write_doc(path, faults, found):
    lines = [sums(faults, found), "", "|Fault|Breaks|What it changes|Caught by|Run|ms|Sentence|",
             "|---|---|---|---|---|---|---|"]
    for f in faults:
        hint, r = found[f.name]
        kind = hint.split()[0]
        run = f"seed {hint.split()[1]}, {r.tried}" if kind in ("sim", "crash") else f"`{hint}`, {r.tried}"
        sentence = re.sub(r" \(\w+\.c:\d+: .*\)$", "", r.sentence)
        lines.append(f"|`{f.name}`|{f.breaks}|{cell(f.says)}|{r.caught_by}|{cell(run)}|{1000 * r.seconds:.0f}|"
                     f"{cell(sentence)}|")
    text = path.read_text()
    before, rest = text.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    path.write_text(before + MARKS[0] + "\n\n" + "\n".join(lines) + "\n\n" + MARKS[1] + after)


def documented(path):
    return re.findall(r"^\|`(\w+)`\|", path.read_text(), re.M)


def arguments():
    parser = argparse.ArgumentParser(add_help=True)
    parser.add_argument("bin", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--budget", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--doc", type=Path)
    parser.add_argument("--listed", type=Path)
    parser.add_argument("--same", type=Path)
    return parser.parse_intermixed_args()


def look(args, fault):
    found = search(args.bin, fault, args.budget, args.seeds) if args.search else prove(args.bin, fault)
    print(row(fault, found), flush=True)
    return found


def main():
    args = arguments()
    faults = faultfile.read(HERE / "faults")
    unknown = set(args.names) - {f.name for f in faults}
    if unknown:
        sys.exit(f"no fault is called {', '.join(sorted(unknown))}")
    faults = [f for f in faults if not args.names or f.name in args.names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip((f.name for f in faults), pool.map(lambda f: look(args, f), faults)))
    for fault in faults:
        if args.write and found[fault.name] and found[fault.name][0] not in fault.hints:
            store_hint(fault, found[fault.name][0])
    runs_n, wrong = clean(args.bin, faults, found)
    for hint, result in wrong:
        print(f"WRONG: '{hint}' without a fault: exit {result.status}: {result.caught_by}: {result.sentence}")
    missed = [f.name for f in faults if not found[f.name]]
    good = not missed and not wrong
    if args.same:
        good = is_same(args.bin, args.same) and good
    if args.listed and documented(args.listed) != [f.name for f in faults]:
        print(f"{args.listed.name} lists other faults than the tables: write it anew with --doc")
        good = False
    if args.doc and not missed:
        write_doc(args.doc, faults, found)
    if missed:
        print("not caught: " + " ".join(missed))
    print(f"{len(faults) - len(missed)} of {len(faults)} seeded faults caught; the same {runs_n} runs without a fault: "
          f"{len(wrong)} wrong")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
