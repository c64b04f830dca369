"""One run of an instrument over the planted product: how it is started, when it counts as a catch, and what it said.

A hint names a run in words:
    sim SEED                  one world of the simulator
    crash SEED IMAGES         images of power cuts of the store
    errors CALL               I/O errors at one call of the store
    mutants N                 damaged store files
    story NAME TEST           one story, over the production core and client
    contract NAME TEST        one contract test of the store engines

A catch is a sentence of a judge, or a trap of the product's own assertions.  A run that does not end in its time, or
that ends in any other way, is no catch."""
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

LIMIT_S = 20
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
TRAPS = {signal.SIGILL: "trap", signal.SIGTRAP: "trap"}


class Result:
    def __init__(self, caught_by, sentence, seconds, tried, status):
        self.caught_by = caught_by  # "" when it was no catch
        self.sentence = sentence
        self.seconds = seconds
        self.tried = tried  # in words: "1 world", "300 images"
        self.status = status  # exit status; None: it hung

    def is_clean(self):
        """Whether the run ended well: a hang or a crash is no catch, and not that either."""
        return self.status == 0 and not self.caught_by


def _children(pid):
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (OSError, ValueError):
        return []


def _end(process):
    """Ends a run that hangs: first its workers, so that the parent can clean up after them."""
    for _ in range(50):
        for pid in _children(process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            process.wait(0.2)
            return
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    process.wait()


def start(command, fault, limit_s=LIMIT_S):
    """Runs a command with one fault on (None: none).  Returns (exit status or None: it hung, output, seconds)."""
    env = {k: v for k, v in os.environ.items() if k != "SEEDED_FAULT"}
    if fault:
        env["SEEDED_FAULT"] = fault
    began = time.monotonic()
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    try:
        output = process.communicate(timeout=limit_s)[0]
        status = process.returncode
    except subprocess.TimeoutExpired:
        _end(process)
        output = process.stdout.read()
        process.stdout.close()
        status = None
    return status, output, time.monotonic() - began


def _sim_judge(sentence):
    place = re.search(r"\((\w+)\.c:\d+: ", sentence)
    file = place.group(1) if place else ""
    if file in ("verify", "record"):
        return "sim, verify"
    names = {"book": "sim, book", "device": "sim, book", "world": "sim, healing", "rig": "sim, rig",
             "rig_gateway": "sim, rig", "losslocal": "sim, storage"}
    return names.get(file, f"sim, {file}")


def sim_failures(output):
    """(seed, judge, sentence) of each world that failed by judgement."""
    found = []
    for sentence, seed in re.findall(r"^FAILED: (.*)\nsim --seed (\d+)", output, re.M):
        trapped = re.match(r"signal (\d+)", sentence)
        if trapped is None and not sentence.startswith("exit "):
            found.append((int(seed), _sim_judge(sentence), sentence))
        elif trapped and int(trapped.group(1)) in TRAPS:
            found.append((int(seed), "sim, trap", "an assertion of the product ends the process"))
    return found


def _sim(bin_dir, words, fault):
    status, output, seconds = start([bin_dir / "sim_seeded", "--runs", "1", "--from", words[0]], fault)
    found = sim_failures(output) if status == 1 else []
    _, judge, sentence = found[0] if found else (0, "", "")
    return Result(judge, sentence, seconds, "1 world", status)


def _crash(bin_dir, fault, name, args, tried):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:  # a store that a dead process left goes with it
        status, output, seconds = start([bin_dir / "crash_seeded", *args, "--dir", folder], fault)
    found = re.search(r"^(LOST|CORRUPT|FOUND|ENDLESS): (.*)$", output, re.M)
    count = re.search(r"^(\d+) images", output, re.M)
    if status != 1 or not found:
        return Result("", "", seconds, tried, status)
    if name == "crash, images" and count:
        tried = f"{count.group(1)} images"
    return Result(name, found.group(0), seconds, tried, status)


def _criterion(bin_dir, words, fault, kind):
    program = bin_dir / f"test_{kind}_{words[0]}_seeded"
    limit_s = 3 * LIMIT_S if "*" in words[1] else LIMIT_S
    status, output, seconds = start([program, "--filter", words[1], "--jobs", "1"], fault, limit_s)
    failed = re.search(r"^\[FAIL\] (\S+): ", output, re.M)
    # What an assertion of the test says, or a check of the world around it (tests/lib/ensure.h).
    said = re.search(r"^\[----\] .*: Assertion Failed\n(?:\[----\]\s*\n)?\[----\]   (\S.*)$", output, re.M)
    said = said or re.search(r"^(\S.* \(\w+\.[ch]:\d+: .*\))$", output, re.M)
    if status in (None, 0) or not failed or not said:
        return Result("", "", seconds, "1 test", status)
    return Result(kind, f"{failed.group(1).split('::')[-1]}: {said.group(1)}", seconds, "1 test", status)


def run(bin_dir, hint, fault):
    """The run that a hint names, with one fault on (None: none)."""
    kind, *words = hint.split()
    if kind == "sim":
        return _sim(bin_dir, words, fault)
    if kind == "crash":
        return _crash(bin_dir, fault, "crash, images", ["--seed", words[0], "--images", words[1]],
                      f"{words[1]} images")
    if kind == "errors":
        return _crash(bin_dir, fault, "crash, errors", ["--errors", "--op", words[0]], "1 call")
    if kind == "mutants":
        return _crash(bin_dir, fault, "crash, mutants", ["--mutants", words[0]], f"{words[0]} files")
    if kind in ("story", "contract"):
        return _criterion(bin_dir, words, fault, kind)
    raise ValueError(f"no detector '{kind}'")
