#!/usr/bin/env python3
"""A gateway that is killed again and again under traffic: what was told to anybody stays true.

kill_cycles.py [CYCLES [SEED [MINUTES]]] [--break rollback]

Each cycle starts sampand, lets senders and recipients work, and ends it by SIGKILL: mostly some time after messages
came through, sometimes at a random moment, sometimes before it is ready.  Some cycles stop and continue it (SIGSTOP,
SIGCONT), some kill a sender, and nearly all kill recipients: one that has nothing to say would notice a restart only by
its next keepalive, up to 25 s later.  At the end all processes run until everything is delivered, and it is judged:

  - each message whose sender read accepted or delivered is in its recipient's output: exactly once, and in order per
    sender; nothing there that nobody sent; every sender read the final state of each of its messages
  - `sampan verify --healed --complete` over the histories of all processes
  - recv's sequence numbers rise; from the gateway's start to its ready line never more than a second

--break rollback puts back, at every tenth cycle, the store of the cycle before: a gateway that answers what its disk
does not have.  The test must find that out, or it ends with 1.  MINUTES ends the cycles by time as well.
"""
import argparse
import base64
import json
import os
import random
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time

import rig as system
from rig import Failed, check

READY_MAX_S = 1.0
HEAL_S = 60
PROGRESS_S = 30  # so long without one message through is a stall
SENDERS = [("s1", "r1", "delivered"), ("s2", "r1", "accepted"), ("s3", "r2", "delivered"), ("s4", "r2", "accepted"),
           ("s5", "r3", "delivered")]
RECIPIENTS = ["r1", "r2", "r3"]
RATE = 120  # messages a second of each sender
GOOD = {b"accepted", b"stored", b"delivered", b"read"}
BROKEN_HEAL_S = 15


class Broken(Failed):
    """A promise to an app is broken: what a gateway with a store of yesterday must come to."""


def promised(condition, text):
    if not condition:
        raise Broken(text)


def padding(number):
    """What follows the number of a message."""
    return b"x" * ((number - 1) * 37 % 180)


class Loop:
    """Waits for pipes; whoever has data gets it."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()

    def add(self, pipe, take):
        os.set_blocking(pipe.fileno(), False)
        self.selector.register(pipe, selectors.EVENT_READ, take)

    def turn(self, until):
        for key, _ in self.selector.select(max(0.0, until - time.monotonic())):
            data = key.fileobj.read(1 << 16)
            if data:
                key.data(data)
            elif data == b"":
                self.selector.unregister(key.fileobj)
                key.fileobj.close()

    def run(self, until, done=lambda: False):
        while not done() and time.monotonic() < until:
            self.turn(until)
        return done()


class Gateway:
    def __init__(self, test):
        self.test, self.text, self.ready_at = test, b"", None
        self.began = time.monotonic()
        rig = test.rig
        self.process = subprocess.Popen(
            rig.gateway_args("--set", "mailbox.count=100000"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=rig.dir)
        rig.processes.append(Owned(self.process))
        test.loop.add(self.process.stderr, self.take)

    def take(self, data):
        self.text += data
        if self.ready_at is not None:
            return
        ready = re.search(system.READY.encode() + rb"\D", self.text)
        if ready:
            self.ready_at = time.monotonic()
            self.test.rig.port = int(ready.group(1))

    def wait_ready(self):
        if not self.test.loop.run(time.monotonic() + 20, lambda: self.ready_at or self.process.poll() is not None):
            raise Failed("the gateway is not ready after 20 s: " + self.text.decode(errors="replace"))
        check(self.ready_at, f"the gateway ended with {self.process.returncode}: " + self.text.decode(errors="replace"))
        took = self.ready_at - self.began
        self.test.ready.append(took)
        check(took <= READY_MAX_S, f"ready after {took:.3f} s")

    def kill(self):
        check(self.process.poll() is None, f"the gateway ended by itself with {self.process.returncode}: "
              + self.text.decode(errors="replace"))
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Owned:
    """What the rig ends at the end of a test."""

    def __init__(self, popen):
        self.popen, self.name = popen, "process"

    def text(self):
        return ""

    def kill(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()


class Sender:
    """sampan send, fed from a file that is a pipe to it: line n of sender s is "s n padding"."""

    def __init__(self, test, name, to, awaited):
        self.test, self.name, self.to, self.awaited = test, name, to, awaited
        self.fed, self.out, self.told, self.kills = 0, b"", {}, 0
        self.start()

    def start(self):
        rig = self.test.rig
        self.process = subprocess.Popen(
            [rig.tool("sampan"), "send", "--token", f"{self.name}1.token", "--state", self.name + ".state", "--to",
             self.to, "--wait", self.awaited, "--rate", str(RATE), "--history", rig.history(self.name)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=rig.dir, bufsize=0)
        rig.processes.append(Owned(self.process))
        os.set_blocking(self.process.stdin.fileno(), False)
        self.errors, self.out = b"", b""
        self.ahead = self.fed - len(self.told)  # lines that are gone with the killed ones, never told
        self.test.loop.add(self.process.stdout, self.take)
        self.test.loop.add(self.process.stderr, self.note)

    def note(self, data):
        self.errors += data

    def feed(self):
        """Tops the pipe up: at most half a second of work ahead of what was told."""
        while self.fed < len(self.told) + self.ahead + RATE // 2:
            line = b"%s %d %s\n" % (self.name.encode(), self.fed + 1, padding(self.fed + 1))
            try:
                if self.process.stdin.write(line) is None:
                    return
            except BrokenPipeError:
                return
            self.fed += 1

    def take(self, data):
        *lines, self.out = (self.out + data).split(b"\n")
        now = time.monotonic()
        for line in lines:
            ordinal, _, state, _ = line.split(b"\t")
            promised(state in GOOD, f"{self.name}: {line.decode()}")
            self.told[int(ordinal)] = state
        self.test.note_back(self, now)

    def kill(self):
        """What it had printed is read first, so that everything it told is judged."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        pipe = self.process.stdout
        self.test.loop.selector.unregister(pipe)
        data = pipe.read(1 << 20)
        if data:
            self.take(data)
        pipe.close()
        self.process.stdin.close()
        self.kills += 1

    def finish(self):
        self.process.stdin.close()


class Recipient:
    """sampan recv into a regular file."""

    def __init__(self, test, name):
        self.test, self.name = test, name
        self.path = test.rig.path(name + ".out")
        self.start()

    def start(self):
        rig = self.test.rig
        with open(self.path, "ab") as out, open(self.path + ".err", "ab") as err:
            self.process = subprocess.Popen(
                [rig.tool("sampan"), "recv", "--json", "--token", f"{self.name}1.token", "--state",
                 self.name + ".state", "--history", rig.history(self.name)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=rig.dir)
        rig.processes.append(Owned(self.process))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Test:
    def __init__(self, rig, args):
        self.rig, self.args, self.loop = rig, args, Loop()
        self.random = random.Random(args.seed)
        self.ready, self.back = [], []
        self.waiting_back = {}
        self.counts = {"stop": 0, "client": 0, "early": 0, "rollback": 0, "quiet": 0}

    def note_back(self, sender, now):
        began = self.waiting_back.pop(sender.name, None)
        if began is not None:
            self.back.append(now - began)

    def told(self, awaited):
        return sum(len(s.told) for s in self.senders if s.awaited == awaited)

    def turn_for(self, seconds, done=lambda: False):
        """Feeds and reads for that long, or until done."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not done():
            for s in self.senders:
                s.feed()
            self.loop.run(min(until, time.monotonic() + 0.02), done)
        return done()

    def start(self):
        # Senders are judged first: a killed one may have noted a message that it never had, and give its number again.
        for name in [s[0] for s in SENDERS] + RECIPIENTS:
            self.rig.history(name)
        self.gateway = Gateway(self)
        self.gateway.wait_ready()
        for name in [s[0] for s in SENDERS] + RECIPIENTS:
            self.rig.used.add(self.rig.token(name, 1, self.rig.port))
        self.recipients = [Recipient(self, name) for name in RECIPIENTS]
        self.senders = [Sender(self, *s) for s in SENDERS]
        check(self.turn_for(PROGRESS_S, lambda: all(s.told for s in self.senders)), "no traffic at the start")

    def poke(self):
        """Each sender gets something to send: one that only waits for an end notices a restart by its keepalive."""
        for s in self.senders:
            s.ahead += 2

    # ---- cycles ----

    def live(self):
        """The gateway lives: until messages came through and a random time longer, or for a random time."""
        rng = self.random
        awaited = rng.choice(["accepted", "delivered"])
        for r in rng.sample(self.recipients, rng.randrange(3) if awaited == "accepted" else 3):
            self.kill_client(r)
        if rng.random() < 0.75:
            before = self.told(awaited)
            promised(self.turn_for(PROGRESS_S, lambda: self.told(awaited) > before),
                     f"none {awaited} in {PROGRESS_S} s: "
                     + " ".join(f"{s.name}:{s.errors.decode(errors='replace')[-200:]}" for s in self.senders))
            self.turn_for(rng.random() * 0.06)
        else:
            self.counts["quiet"] += 1
            self.turn_for(rng.random() * 0.12)

    def stop_and_go(self):
        self.counts["stop"] += 1
        self.gateway.process.send_signal(signal.SIGSTOP)
        self.turn_for(0.02 + self.random.random() * 0.1)
        self.gateway.process.send_signal(signal.SIGCONT)
        self.turn_for(self.random.random() * 0.05)

    def kill_client(self, victim):
        self.counts["client"] += 1
        victim.kill()
        self.waiting_back.pop(victim.name, None)
        victim.start()

    def copy_store(self, source, target):
        shutil.rmtree(self.rig.path(target), ignore_errors=True)
        shutil.copytree(self.rig.path(source), self.rig.path(target))

    def cycle(self, i):
        rng = self.random
        if rng.random() < 0.05:
            self.counts["early"] += 1
            self.loop.run(self.gateway.began + rng.random() * 0.008)
        else:
            self.gateway.wait_ready()
            self.poke()
            self.waiting_back = {s.name: self.gateway.ready_at for s in self.senders if s.awaited == "accepted"}
            self.live()
            if i % 6 == 5:
                self.stop_and_go()
            if i % 5 == 4:
                self.kill_client(rng.choice(self.senders))
        self.gateway.kill()
        if self.args.broken == "rollback":
            if i % 10 == 9:
                self.counts["rollback"] += 1
                self.copy_store("before", "store")
            elif i % 10 == 8:
                self.copy_store("store", "before")
        self.gateway = Gateway(self)

    # ---- judgment ----

    def heal(self):
        self.gateway.wait_ready()
        limit = BROKEN_HEAL_S if self.args.broken else HEAL_S
        for r in self.recipients:
            self.kill_client(r)
        self.poke()
        seen = {s.name: len(s.told) for s in self.senders}
        promised(self.turn_for(limit, lambda: all(len(s.told) > seen[s.name] for s in self.senders)),
                 "stalled: " + ", ".join(s.name for s in self.senders if len(s.told) == seen[s.name]))
        for s in self.senders:
            s.finish()
        self.loop.run(time.monotonic() + limit, lambda: all(s.process.poll() is not None for s in self.senders))
        if all(s.process.poll() is not None for s in self.senders):  # what is left in their pipes
            while not all(p.closed for s in self.senders for p in (s.process.stdout, s.process.stderr)):
                self.loop.turn(time.monotonic() + 0.1)
        for s in self.senders:
            promised(s.process.poll() is not None, f"{s.name} waits for the end of {s.fed - len(s.told)} messages")
            check(s.process.returncode == 0, f"{s.name} ended with {s.process.returncode}: {s.errors.decode()[-500:]}")
        want = {r.name: sum(max(s.told) for s in self.senders if s.to == r.name) for r in self.recipients}
        self.loop.run(time.monotonic() + limit,
                      lambda: all(system.count_lines(r.path) >= want[r.name] for r in self.recipients))
        for r in self.recipients:
            r.process.send_signal(signal.SIGTERM)
            check(r.process.wait(20) == 0, f"recv of {r.name} ended with {r.process.returncode}")

    def received(self, recipient):
        """Message numbers by sender, in the order of the file."""
        numbers, last = {s.name: [] for s in self.senders if s.to == recipient.name}, 0
        with open(recipient.path, "rb") as f:
            for line in f:
                m = json.loads(line)
                promised(m["seq"] > last, f"{recipient.name}: seq {m['seq']} after {last}")
                last = m["seq"]
                sender, number, rest = base64.b64decode(m["body"]).split(b" ")
                sender, number = sender.decode(), int(number)
                promised(sender == m["from"] and sender in numbers, f"{recipient.name}: a message of {sender}")
                promised(rest == padding(number), f"{recipient.name}: {sender} {number}: other bytes")
                numbers[sender].append(number)
        return numbers

    def judge(self):
        total = 0
        for r in self.recipients:
            for name, numbers in self.received(r).items():
                s = next(s for s in self.senders if s.name == name)
                for a, b in zip(numbers, numbers[1:]):
                    promised(a != b, f"{name} {b} came twice")
                    promised(a < b, f"{name}: {b} came after {a}")
                # The n-th message that send took is the n-th that came: one ordinal each, none told in vain.
                missing = sorted(set(s.told) - set(range(1, len(numbers) + 1)))
                promised(not missing, f"{name}: told, and not received: {[(n, s.told[n]) for n in missing[:5]]}")
                untold = sorted(set(range(1, len(numbers) + 1)) - set(s.told))
                promised(not untold, f"{name}: received, and its sender does not know: {untold[:5]}")
                # Lines between pipe and outbox die with a killed send; nothing else may be absent.
                holes = sum(b != a + 1 for a, b in zip([0] + numbers, numbers))
                promised(holes <= s.kills, f"{name}: {holes} holes after {s.kills} kills of it")
                total += len(numbers)
        return total

    def run(self):
        self.start()
        began = time.monotonic()
        end = began + self.args.minutes * 60 if self.args.minutes else float("inf")
        i = 0
        while i < self.args.cycles and time.monotonic() < end:
            self.cycle(i)
            i += 1
        took = time.monotonic() - began
        self.heal()
        total = self.judge()
        self.gateway.process.terminate()
        check(self.gateway.process.wait(60) == 0, "the gateway did not stop cleanly")
        try:
            print(self.rig.verify())
        except Failed as e:
            raise Broken(e) from None
        return i, took, total


def at(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] * 1000 if values else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cycles", nargs="?", type=int, default=300)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("minutes", nargs="?", type=float, default=0)
    parser.add_argument("--break", dest="broken", choices=["rollback"])
    args = parser.parse_args()
    rig = system.Rig()
    test = Test(rig, args)
    try:
        cycles, took, total = test.run()
    except Failed as e:
        is_found = args.broken and isinstance(e, Broken) and test.counts["rollback"] > 0
        rig.close(keep=not is_found)
        if is_found:
            print(f"found out, as it must be: {e}")
            return 0
        print(f"kill_cycles.py: FAILED: {e}\n  kept: {rig.dir}; repeat with: kill_cycles.py {args.cycles} {args.seed}")
        return 1
    except BaseException:
        rig.close(keep=True)
        print(f"kill_cycles.py: FAILED; kept: {rig.dir}")
        raise
    rig.close()
    if args.broken:
        print(f"NOT FOUND OUT: {cycles} cycles with {args.broken}")
        return 1
    c = test.counts
    print(f"ready after p50 {at(test.ready, 0.5):.0f}, max {at(test.ready, 1):.0f} ms; a sender hears again after "
          f"p50 {at(test.back, 0.5):.0f}, p90 {at(test.back, 0.9):.0f}, max {at(test.back, 1):.0f} ms")
    print(f"{c['stop']} stops, {c['client']} clients killed, {c['early']} killed before ready, {took:.1f} s")
    print(f"{cycles} kills, {total} messages, lost 0 doubled 0 out of order 0, seed {args.seed}")
    return 0


sys.exit(main())
