#!/usr/bin/env python3
"""A file of lines crosses heavy loss, five kills of the gateway and three of the recipient, and arrives byte for byte.

rough_water.py [LINES [GATEWAY_KILLS [CLIENT_KILLS]]]
"""
import os
import subprocess
import sys
import time

from rig import check, count_lines, main

LINES, GATEWAY_KILLS, CLIENT_KILLS = [int(a) for a in (sys.argv[1:] + ["20000", "5", "3"][len(sys.argv) - 1:])]
WATER = "--loss 30% --delay 40ms --jitter 20ms --dup 5% --reorder 5% --corrupt 1%".split()
LIMIT_S = 900


def write_input(path):
    """Lines of differing lengths, an empty one and near-equal neighbors among them."""
    with open(path, "wb") as f:
        for i in range(LINES):
            f.write(b"\n" if i == 7 else b"%06d %s\n" % (i, b"x" * (i * 37 % 180)))


class Receiver:
    """recv of user b, appended to one file, started again whenever it was killed."""

    def __init__(self, rig, token):
        self.rig, self.token, self.process = rig, token, None

    def start(self):
        with open(self.rig.path("out"), "ab") as out:
            self.process = self.rig.sampan("recv", "recv", "--token", self.token, "--state", "b.state", stdout=out)


def test(rig):
    write_input(rig.path("in"))
    gateway = rig.gateway()
    _, port_a = rig.drop(*WATER, "--seed", "11")
    _, port_b = rig.drop(*WATER, "--seed", "12")
    token_a, token_b = rig.token("a", 1, port_a), rig.token("b", 2, port_b)
    began = time.monotonic()
    with open(rig.path("in"), "rb") as source, open(rig.path("sent"), "wb") as sent:
        sender = rig.sampan("send", "send", "--token", token_a, "--state", "a.state", "--to", "b", "--wait",
                            "delivered", stdin=source, stdout=sent)
    receiver = Receiver(rig, token_b)
    receiver.start()
    out = rig.path("out")
    # Kills come by progress, not by the clock: gateway and client take turns as the lines arrive.
    plan = [(LINES * (i + 1) // (GATEWAY_KILLS + 1), "gateway") for i in range(GATEWAY_KILLS)]
    plan += [(LINES * (2 * i + 1) // (2 * CLIENT_KILLS + 1), "client") for i in range(CLIENT_KILLS)]
    for at, victim in sorted(plan):
        rig.wait_for(f"line {at} before killing the {victim}", lambda at=at: count_lines(out) >= at, LIMIT_S)
        if victim == "gateway":
            gateway.kill()
            gateway = rig.gateway()
        else:
            receiver.process.kill()
            receiver.start()
    check(sender.wait(LIMIT_S) == 0, f"send ended with {sender.popen.returncode}: {sender.text()[-1500:]}")
    rig.wait_for("every line", lambda: os.stat(out).st_size >= os.stat(rig.path("in")).st_size, LIMIT_S)
    check(receiver.process.term() == 0, f"recv ended with {receiver.process.popen.returncode}")
    seconds = time.monotonic() - began
    check(subprocess.run(["cmp", rig.path("in"), out], check=False).returncode == 0, "output differs from input")
    with open(rig.path("sent"), "rb") as f:
        states = [line.split(b"\t")[2] for line in f]
    check(len(states) == LINES and set(states) == {b"delivered"}, f"{len(states)} states: {set(states)}")
    check(gateway.term(60) == 0, "gateway did not stop cleanly")
    return f"({LINES} lines, {GATEWAY_KILLS} gateway kills, {CLIENT_KILLS} client kills, {LINES / seconds:.0f} lines/s)"


main(test)
