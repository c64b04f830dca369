"""What the system tests share: real sampand, sampan and sampan-drop processes in a folder of their own.

Every wait is for an event (a line, a file's size, a process's end) and bounded.  Only processes started here are ended,
by their pid.
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("TESTED_BIN", os.path.join(ROOT, "build", "release", "bin"))
WRAP = os.environ.get("TESTED_WRAP", "").split()  # such as valgrind and its options
READY = r"ready .*listen=\"?127\.0\.0\.1:(\d+)"  # what sampand says when it serves, with its port


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


class Process:
    """A child whose stderr is kept in a file, so that it never blocks and can be shown."""

    def __init__(self, rig, name, args, stdin=None, stdout=None, wrap=False):
        self.name = name
        self.log = os.path.join(rig.dir, f"{name}.{rig.count()}.log")
        self.args = (WRAP if wrap else []) + args
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(self.args, stdin=stdin or subprocess.DEVNULL,
                                          stdout=stdout or subprocess.DEVNULL, stderr=log, cwd=rig.dir)
        rig.processes.append(self)

    def text(self):
        with open(self.log, "r", encoding="utf-8", errors="replace") as f:
            return f.read()

    def wait_line(self, pattern, seconds=20):
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.text())
            if found:
                return found
            check(self.popen.poll() is None, f"{self.name} ended ({self.popen.returncode}): {self.text()[-2000:]}")
            check(time.monotonic() < end, f"{self.name} never said {pattern!r}: {self.text()[-2000:]}")
            time.sleep(0.01)

    def wait(self, seconds):
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end in {seconds} s: {self.text()[-2000:]}") from None

    def kill(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def term(self, seconds=20):
        self.popen.send_signal(signal.SIGTERM)
        return self.wait(seconds)


class Rig:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="sampan-system-")
        os.chmod(self.dir, 0o700)
        self.processes = []
        self.n = 0
        self.port = None
        self.histories = []  # of the gateway and of each state folder, in the order of their first process
        self.tokens, self.used = set(), set()  # made here; of them, those that only processes with a history use
        self.run("keygen", "keys")

    def count(self):
        self.n += 1
        return self.n

    def path(self, name):
        return os.path.join(self.dir, name)

    def tool(self, name):
        return os.path.join(BIN, name)

    def history(self, name):
        """The file for a history; one per gateway or state folder, so that order in it is order in time."""
        path = self.path(name + ".history")
        if path not in self.histories:
            self.histories.append(path)
        return path

    def noted(self, args):
        """args of `sampan`, with --history when the verb has one."""
        if args[0] not in ("send", "recv"):
            return args
        self.used.add(args[args.index("--token") + 1])
        if "--history" in args:
            return args
        return (*args, "--history", self.history(os.path.basename(args[args.index("--state") + 1])))

    def verify(self, healed=True):
        """What happened keeps every promise.  Clients without a history, such as second_client.py, may have done
        anything: then only that is judged which no further log could explain."""
        told = ["--healed"] if healed else []
        told += ["--complete"] if self.tokens <= self.used else []
        out = subprocess.run([self.tool("sampan"), "verify", *told, *self.histories], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, cwd=self.dir, timeout=300, check=False)
        text = out.stdout.decode()
        check(out.returncode == 0, f"sampan verify {' '.join(told)}: exit {out.returncode}:\n{text[-4000:]}")
        return next(line for line in text.splitlines() if line.startswith("events="))

    def run(self, *args, stdin=b"", expect=0, timeout=60):
        """Runs `sampan ARGS` to its end and returns its standard output."""
        args = self.noted(args)
        done = subprocess.run([self.tool("sampan"), *args], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, cwd=self.dir, timeout=timeout, check=False)
        check(done.returncode == expect,
              f"sampan {' '.join(args)}: exit {done.returncode}, not {expect}: {done.stderr.decode()[-2000:]}")
        return done.stdout

    def gateway_args(self, *more, store="store", history="gateway", map_size="1GiB"):
        """The command line of sampand; its port is the one that the system chose for the first one."""
        return [self.tool("sampand"), "--listen", f"127.0.0.1:{self.port or 0}", "--store", "lmdb:" + self.path(store),
                "--keys", self.path("keys"), "--admin", self.path("admin"), "--set", f"store.map_size={map_size}",
                "--history", self.history(history), *more]

    def start_gateway(self, args, seconds):
        """Starts sampand, waits so long until it serves, and keeps its port for restarts."""
        p = Process(self, "sampand", args, wrap=True)
        self.port = int(p.wait_line(READY, seconds).group(1))
        return p

    def gateway(self, *more):
        """Starts sampand with these further options."""
        return self.start_gateway(self.gateway_args(*more), 60)

    def drop(self, *args):
        """Starts sampan-drop toward the gateway and returns (process, port)."""
        p = Process(self, "drop", [self.tool("sampan-drop"), "--listen", "127.0.0.1:0", "--to",
                                   f"127.0.0.1:{self.port}", *args])
        found = p.wait_line(r"listen \S*:(\d+) to ")
        return p, int(found.group(1))

    def token(self, user, device, port, *more):
        name = f"{user}{device}.token"
        self.tokens.add(name)
        out = self.run("token", "--keys", "keys", "--user", user, "--device", str(device), "--gateway",
                       f"127.0.0.1:{port}", *more)
        with open(os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(out)
        return name

    def sampan(self, name, *args, stdin=None, stdout=None):
        return Process(self, name, [self.tool("sampan"), *self.noted(args)], stdin=stdin, stdout=stdout, wrap=True)

    def stat(self):
        lines = self.run("stat", "--admin", self.path("admin")).decode().splitlines()
        return {k: int(v) for k, v in (line.split() for line in lines) if re.fullmatch(r"-?\d+", v)}

    def wait_for(self, what, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "".join(f"\n--- {p.name}: {p.text()[-1500:]}" for p in self.processes[-6:])
                raise Failed(f"waited {seconds} s for: {what}{logs}")
            time.sleep(0.01)

    def close(self, keep=False):
        for p in self.processes:
            p.kill()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def size(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def count_lines(path):
    try:
        with open(path, "rb") as f:
            return f.read().count(b"\n")
    except FileNotFoundError:
        return 0


def main(test, healed=True):
    """Runs one test, judges its histories and says how it went; a failed one keeps its folder and names it.  healed: at
    its end nothing is under way."""
    name = os.path.basename(sys.argv[0])
    rig = Rig()
    began = time.monotonic()
    try:
        note = test(rig) or ""
        judged = rig.verify(healed) if rig.histories else "no history"
    except (Failed, subprocess.TimeoutExpired) as e:
        rig.close(keep=True)
        print(f"{name}: FAILED: {e}\n  kept: {rig.dir}")
        sys.exit(1)
    except BaseException:
        rig.close(keep=True)
        print(f"{name}: FAILED; kept: {rig.dir}")
        raise
    rig.close()
    print(f"{name}: passed in {time.monotonic() - began:.1f} s {note}; {judged}")


def wait_readable(sock, seconds):
    return bool(select.select([sock], [], [], seconds)[0])
