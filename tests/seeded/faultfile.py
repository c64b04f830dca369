"""The fault tables of tests/seeded/faults: what each seeded fault changes, and what is known to catch it.

A table is plain text.  Blank lines and lines that begin with # are skipped; the others are

    fault: NAME          begins a fault; letters, digits, underscores
    breaks: G7           the guarantees that it breaks, as numbered in the table of guarantees
    says: SENTENCE       what is wrong in the faulty product
    file: store/x.c      source of the hunk that follows; a fault may have several hunks
    old| TEXT            what stands there, exactly once; any run of blanks matches any other
    new| TEXT            what is planted instead, with both behaviors behind SEEDED(NAME)
    hint: sim 17         a run that is known to catch it quickly: the words of a detector (prove.py)
"""
import re
from pathlib import Path

FIELDS = ("fault", "breaks", "says", "file", "hint")


class FaultError(Exception):
    """A fault table or a hunk that does not fit its source; the text names the fault."""


class Hunk:
    def __init__(self, file):
        self.file = file
        self.old = []
        self.new = []


class Fault:
    def __init__(self, name, part):
        self.name = name
        self.part = part
        self.breaks = ""
        self.says = ""
        self.hunks = []
        self.hints = []


def _field(fault, key, value, where):
    if key == "file":
        fault.hunks.append(Hunk(value))
    elif key == "hint":
        fault.hints.append(value)
    elif getattr(fault, key):
        raise FaultError(f"{where}: {fault.name} has two lines '{key}'")
    else:
        setattr(fault, key, value)


def _line(faults, line, part, where):
    text = re.match(r"(old|new)\|(.*)$", line)
    if text:
        if not faults or not faults[-1].hunks:
            raise FaultError(f"{where}: '{text.group(1)}|' before any 'file:'")
        getattr(faults[-1].hunks[-1], text.group(1)).append(text.group(2).rstrip())
        return
    pair = re.match(r"(\w+):\s*(.*?)\s*$", line)
    if not pair or pair.group(1) not in FIELDS:
        raise FaultError(f"{where}: not a line of a fault table: {line}")
    if pair.group(1) == "fault":
        if not re.fullmatch(r"[a-z0-9_]+", pair.group(2)):
            raise FaultError(f"{where}: '{pair.group(2)}' is no name")
        faults.append(Fault(pair.group(2), part))
    elif not faults:
        raise FaultError(f"{where}: '{pair.group(1)}:' before any 'fault:'")
    else:
        _field(faults[-1], pair.group(1), pair.group(2), where)


def _check(fault):
    if not re.fullmatch(r"[AG]\d+(, [AG]\d+)*", fault.breaks):
        raise FaultError(f"{fault.name}: 'breaks:' names no guarantee")
    if not fault.says or not fault.hunks:
        raise FaultError(f"{fault.name}: needs 'says:' and at least one hunk")
    planted = "\n".join(line for hunk in fault.hunks for line in hunk.new)
    if f"SEEDED({fault.name})" not in planted:
        raise FaultError(f"{fault.name}: its new text does not ask SEEDED({fault.name})")


def read(folder):
    """All faults of the tables in `folder`, in the order of files and lines.  FaultError: one is not as it must be."""
    faults = []
    for path in sorted(Path(folder).glob("*.fault")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                _line(faults, line, path.stem, f"{path.name}:{number}")
    names = [f.name for f in faults]
    for fault in faults:
        if names.count(fault.name) > 1:
            raise FaultError(f"{fault.name}: two faults have this name")
        _check(fault)
    if not faults:
        raise FaultError(f"no faults in {folder}")
    return faults


def place(source, hunk, name):
    """Where the hunk's old text stands in `source`: (start, end).  FaultError: nowhere, or more than once."""
    words = " ".join(hunk.old).split()
    if not words:
        raise FaultError(f"{name}: a hunk of {hunk.file} has no old text")
    found = list(re.finditer(r"\s+".join(re.escape(w) for w in words), source))
    if len(found) != 1:
        raise FaultError(f"{name}: its old text stands {len(found)} times in {hunk.file}, not once: {' '.join(words)}")
    return found[0].span()
