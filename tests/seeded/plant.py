#!/usr/bin/env python3
"""plant.py SOURCE OUT: copies qos, store and gateway/core of the project SOURCE into the folder OUT, with every fault
of tests/seeded/faults planted behind SEEDED(NAME), and writes OUT/seeded.h with their numbers and OUT/seeded_names.h
with their names.  A file that would not change is left alone.  Exit 1: a fault does not fit its source; it is named."""
import sys
from pathlib import Path

import faultfile

PARTS = ("qos", "store", "gateway/core")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def plant(source, file, faults):
    """The text of one file with its hunks planted.  All places are those of the text without any fault."""
    places = []
    for fault in faults:
        for hunk in fault.hunks:
            if hunk.file == file:
                start, end = faultfile.place(source, hunk, fault.name)
                places.append((start, end, fault.name, "\n".join(hunk.new).strip()))
    places.sort()
    for left, right in zip(places, places[1:]):
        if right[0] < left[1]:
            raise faultfile.FaultError(f"{right[2]}: stands in the same place of {file} as {left[2]}")
    for start, end, _, text in reversed(places):
        source = source[:start] + text + source[end:]
    return source


def headers(out, faults):
    numbers = "".join(f"    SP_SEEDED_{f.name} = {i},\n" for i, f in enumerate(faults, 1))
    write(out / "seeded.h", f"""/* Which planted fault is on, and how planted code asks for it.  Written by plant.py. */
#ifndef SP_SEEDED_H
#define SP_SEEDED_H

enum sp_seeded_fault {{
    SP_SEEDED_NONE = 0,
{numbers}}};

/* Set once, before main. */
extern int sp_seeded;
#define SEEDED(name) (sp_seeded == SP_SEEDED_##name)

#endif
""")
    names = "".join(f'    "{f.name}",\n' for f in faults)
    write(out / "seeded_names.h", f"""/* Names of the planted faults by number.  Written by plant.py. */
static const char *const seeded_names[] = {{
    "none",
{names}}};
""")


def main(project, out):
    faults = faultfile.read(project / "tests/seeded/faults")
    files = {str(p.relative_to(project)) for part in PARTS for p in (project / part).rglob("*.[ch]")}
    for fault in faults:
        for hunk in fault.hunks:
            if hunk.file not in files:
                raise faultfile.FaultError(f"{fault.name}: there is no {hunk.file}")
    for file in sorted(files):
        write(out / file, plant((project / file).read_text(), file, faults))
    for old in (p for part in PARTS for p in (out / part).rglob("*.[ch]")):
        if str(old.relative_to(out)) not in files:
            old.unlink()
    headers(out, faults)
    print(f"{len(faults)} faults planted")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except faultfile.FaultError as e:
        sys.exit(f"plant.py: {e}")
