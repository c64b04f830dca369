#!/usr/bin/env python3
"""A gateway on a disk that is really full, and on one that fails.

disk_full.py [KIB [SEED]]: size of the full disk (80 MiB), seed of the random faults

Full: the store lies in a small tmpfs of its own (a private mount namespace; needs root or user namespaces).  New
messages are refused by name, what was taken can be fetched and confirmed while not a byte is free, a kill and a restart
there work, and new messages go on as soon as there is room: without a restart, and nothing is lost.

Failing: a library between LMDB and the system (disk_fault.c) lets one call fail.  After EIO the gateway ends with 74
within a second and answers OK to nothing more; the next start has all that was told.
"""
import os
import random
import subprocess
import sys
import time

import rig as system
from rig import check

ARGS = [int(a) for a in sys.argv[1:] if not a.startswith("--")]
KIB, SEED = (ARGS + [81920, 1][len(ARGS):])[:2]
HERE = os.path.dirname(os.path.abspath(__file__))
LATCH_S = 1.0
SENT_MAX = 100000
FAULTS = ["eio 14", "eio 15", "eio 16", "eio 17", "sync 20", "sync 40", "short 18", "short 19", "short 33", "nospc 25"]
SETTINGS = ["--set", "mailbox.count=1000000", "--set", "mailbox.bytes=4095MiB"]


def states(path):
    """State by ordinal of what `sampan send` printed."""
    with open(path, "rb") as f:
        return {int(line.split(b"\t")[0]): line.split(b"\t")[2].decode() for line in f if line.endswith(b"\n")}


class Disk:
    """A tmpfs, and what else lies on it."""

    def __init__(self, rig):
        self.dir = rig.path("disk")
        os.mkdir(self.dir)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={KIB}k,mode=700", "none", self.dir], check=True)
        os.mkdir(os.path.join(self.dir, "store"), 0o700)
        os.symlink("disk/store", rig.path("store"))

    def fill(self):
        """Takes what is left, to the last byte."""
        with open(os.path.join(self.dir, "other"), "ab", buffering=0) as f:
            for size in (1 << 20, 4096, 1):
                try:
                    while f.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass
        s = os.statvfs(self.dir)
        check(s.f_bavail == 0, f"{s.f_bavail} blocks are left")

    def free(self):
        os.unlink(os.path.join(self.dir, "other"))


def lines(first, n):
    return [b"%07d %s" % (i, b"x" * (i * 37 % 940)) for i in range(first, first + n)]


class Full:
    def __init__(self, rig):
        self.rig = rig
        self.sent, self.taken, self.got = 0, [], 0

    def send(self, n, wait="accepted"):
        """Sends n lines; states of exactly these."""
        rig = self.rig
        out = rig.path("sent")
        batch = lines(self.sent + 1, n)
        with open(rig.path("in"), "wb") as f:
            f.write(b"".join(line + b"\n" for line in batch))
        with open(rig.path("in"), "rb") as source, open(out, "wb") as target:
            p = rig.sampan("send", "send", "--token", self.a, "--state", "a.state", "--to", "b", "--wait", wait,
                           stdin=source, stdout=target)
            p.wait(60)
        told = states(out)
        check(set(told) >= set(range(self.sent + 1, self.sent + n + 1)),
              f"{n} sent, told {len(told)}: {p.text()[-500:]}")
        mine = [told[i] for i in range(self.sent + 1, self.sent + n + 1)]
        strange = set(mine) - {"accepted", "stored", "delivered", "error:FULL"}
        check(not strange, f"told {strange}")
        self.taken += [line for line, state in zip(batch, mine) if state != "error:FULL"]
        self.sent += n
        return mine

    def fetch(self, n):
        out = self.rig.run("recv", "--token", self.b, "--state", "b.state", "--count", str(n), "--for", "60")
        want = self.taken[self.got:self.got + n]
        check(out.splitlines() == want, f"fetched {len(out.splitlines())} lines, not the {n} that were taken")
        self.got += n

    def no_room_for_another(self):
        """A store that cannot even begin says so; it does not end by a signal."""
        rig = self.rig
        os.mkdir(rig.path("disk/another"), 0o700)
        p = system.Process(rig, "another", [rig.tool("sampand"), "--listen", "127.0.0.1:0", "--store",
                                            "lmdb:" + rig.path("disk/another"), "--keys", rig.path("keys"), "--admin",
                                            rig.path("admin2")])
        code = p.wait(20)
        check(code == 74 and "No space left on device" in p.text(), f"another store: exit {code}: {p.text()}")

    def all_delivered(self):
        """The sender learns the end of everything that was taken."""
        self.rig.run("send", "--token", self.a, "--state", "a.state", "--to", "b", "--wait", "delivered", timeout=90)

    def run(self):
        rig = self.rig
        disk = Disk(rig)
        gateway = rig.gateway(*SETTINGS)
        self.a, self.b = rig.token("a", 1, rig.port), rig.token("b", 2, rig.port)
        self.send(20000)
        last = []
        while "error:FULL" not in last:
            check(self.sent < SENT_MAX, f"never full: {rig.stat()}")
            last = self.send(600)
        check(self.taken, "full from the beginning")
        refused = self.sent - len(self.taken)
        check(rig.stat()["store_is_full"] == 1, "stat does not say that it is full")
        disk.fill()
        self.no_room_for_another()
        check(set(self.send(50)) == {"error:FULL"}, "messages were taken on a full disk")
        self.fetch(len(self.taken) // 2)
        gateway.kill()
        gateway = rig.gateway(*SETTINGS)
        self.fetch(len(self.taken) - self.got)
        self.all_delivered()
        # What was confirmed is room, although the file is as long as before and the disk as full.
        for _ in range(4):
            check("error:FULL" not in self.send(2000), "refused although pages are free")
            self.fetch(len(self.taken) - self.got)
        disk.free()
        check("error:FULL" not in self.send(3000), "refused although there is room again")
        self.fetch(len(self.taken) - self.got)
        self.all_delivered()
        check(gateway.popen.poll() is None, "the gateway ended")
        check(rig.stat()["store_is_failed"] == 0, "a full disk counts as a failed one")
        check(gateway.term(60) == 0, "the gateway did not stop cleanly")
        return f"{len(self.taken)} taken, {refused} refused by name, all fetched and confirmed on 0 free bytes"


class Failing:
    """One gateway that meets one fault, and the next one."""

    def __init__(self, rig, library, fault, number):
        self.rig, self.library, self.fault, self.number = rig, library, fault, number

    def gateway(self, **env):
        args = self.rig.gateway_args(store=f"store{self.number}", history=f"gateway{self.number}", map_size="64MiB")
        return self.rig.start_gateway(["env", *(f"{k}={v}" for k, v in env.items()), *args], 20)

    def ends(self, gateway):
        """After an error of the disk it ends by itself, at once."""
        began = time.monotonic()
        code = gateway.wait(10)
        took = time.monotonic() - began
        check(code == 74, f"{self.fault}: exit {code}: {gateway.text()[-500:]}")
        check(took <= LATCH_S, f"{self.fault}: it ended {took:.2f} s after the error")
        return took

    def goes_on(self, gateway):
        """A disk that is full all of a sudden refuses and is no failed one."""
        self.rig.wait_for("a refusal", lambda: self.rig.stat()["store_refused"] > 0, 20)
        check(self.rig.stat()["store_is_failed"] == 0, f"{self.fault}: a full disk counts as a failed one")
        gateway.kill()

    def run(self):
        rig, n = self.rig, self.number
        gateway = self.gateway(LD_PRELOAD=self.library, DISK_FAULT=self.fault)
        a, b = rig.token(f"a{n}", 1, rig.port), rig.token(f"b{n}", 2, rig.port)
        out = rig.path(f"sent{n}")
        with open(out, "wb") as target:
            sender = rig.sampan("send", "send", "--token", a, "--state", f"a{n}.state", "--to", f"b{n}", "--wait",
                                "accepted", "--rate", "400", stdin=subprocess.PIPE, stdout=target)
        batch = lines(1, 300)
        sender.popen.stdin.write(b"".join(line + b"\n" for line in batch))
        sender.popen.stdin.close()
        gateway.wait_line("disk fault", 20)
        took = 0.0
        if self.fault.startswith("nospc"):
            self.goes_on(gateway)
        else:
            took = self.ends(gateway)
        gateway = self.gateway()
        check(sender.wait(60) == 0, f"{self.fault}: send ended with {sender.popen.returncode}: {sender.text()[-500:]}")
        check(set(states(out).values()) <= {"accepted", "stored", "delivered"}, f"{self.fault}: {states(out)}")
        check(len(states(out)) == len(batch), f"{self.fault}: {len(states(out))} told")
        got = rig.run("recv", "--token", b, "--state", f"b{n}.state", "--count", str(len(batch)), "--for", "60")
        check(got.splitlines() == batch, f"{self.fault}: the recipient got {len(got.splitlines())} lines")
        check(gateway.term(60) == 0, f"{self.fault}: the next gateway did not stop cleanly")
        return took


def failing(rig):
    library = rig.path("disk_fault.so")
    subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", library,
                    os.path.join(HERE, "disk_fault.c"), "-ldl"], check=True)
    random.seed(SEED)
    faults = FAULTS + [f"{random.choice(['eio', 'short', 'sync'])} {random.randrange(10, 120)}" for _ in range(4)]
    ends = [Failing(rig, library, fault, i).run() for i, fault in enumerate(faults)]
    return f"{len(faults)} faults, exit 74 after at most {max(ends) * 1000:.0f} ms"


def can_mount():
    return subprocess.run(["unshare", *NAMESPACE, "mount", "-t", "tmpfs", "none", "/tmp"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


NAMESPACE = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]


def test(rig):
    if "--full" in sys.argv:
        return "(" + Full(rig).run() + ")"
    return "(" + failing(rig) + ")"


def both():
    """The two parts are two processes: only one of them may see the tmpfs."""
    me = [sys.executable, __file__, str(KIB), str(SEED)]
    parts = [subprocess.Popen([*me, "--failing"])]
    if can_mount():
        parts.append(subprocess.Popen(["unshare", *NAMESPACE, *me, "--full"]))
    else:
        print("skipped: a full disk (it needs a mount namespace: root, or user namespaces)", flush=True)
    return max([abs(p.wait()) for p in parts])


if "--full" in sys.argv or "--failing" in sys.argv:
    system.main(test)
else:
    sys.exit(both())
