#!/usr/bin/env python3
"""Datagrams that nobody should answer: random, truncated, replayed, sealed with another key, of an unknown connection.

A relay between a real client and the gateway keeps the client's datagrams; this test sends mutated copies of them from
another socket.  Each kind gets no byte back, is counted once under its own name, and the conversation goes on.
"""
import random
import socket
import threading

from rig import check, count_lines, main, wait_readable


class Relay(threading.Thread):
    """Carries datagrams between one client and the gateway and remembers those that go up."""

    def __init__(self, gateway_port):
        super().__init__(daemon=True)
        self.gateway = ("127.0.0.1", gateway_port)
        self.down = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.down.bind(("127.0.0.1", 0))
        self.up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.up.connect(self.gateway)
        self.port = self.down.getsockname()[1]
        self.seen = []
        self.client = None
        self.running = True
        self.start()

    def run(self):
        while self.running:
            if wait_readable(self.down, 0.01):
                data, self.client = self.down.recvfrom(2048)
                self.seen.append(data)
                self.up.send(data)
            while wait_readable(self.up, 0) and self.client:
                self.down.sendto(self.up.recv(2048), self.client)


def deltas(before, after):
    return {k: after[k] - before[k] for k in after if after[k] != before.get(k)}


def test(rig):
    gateway = rig.gateway()
    relay = Relay(rig.port)
    token_a, token_b = rig.token("a", 1, rig.port), rig.token("b", 2, relay.port)
    with open(rig.path("out"), "wb") as out:
        receiver = rig.sampan("recv", "recv", "--token", token_b, "--state", "b", "--count", "20", stdout=out)

    def send(n):
        rig.run("send", "--token", token_a, "--state", "a", "--to", "b", "--wait", "delivered",
                stdin=b"".join(b"message\n" for _ in range(n)))

    send(10)
    rig.wait_for("ten messages", lambda: count_lines(rig.path("out")) == 10, 20)
    data = [d for d in relay.seen if d[0] in (0x40, 0x41)]
    inits = [d for d in relay.seen if d[0] == 0x01]
    check(data and inits, "the relay saw no DATA or no INIT")
    last = data[-1]
    wrong = bytearray(last)  # a number not used yet, sealed with a key of our own making
    wrong[9:11] = ((int.from_bytes(last[9:11], "big") + 200) & 0xFFFF).to_bytes(2, "big")
    wrong[11:] = random.Random(1).randbytes(len(last) - 11)
    unknown = bytearray(last)
    unknown[3] ^= 0xFF  # inside the random part of the connection id, so that its check fails
    stolen = bytearray(inits[0])
    stolen[-1] ^= 1  # the proof of somebody who has only seen the token
    noise = bytes([0xEE]) + random.Random(2).randbytes(99)
    cases = [  # name, datagram, counter
        ("random bytes", noise, "drop_kind"),
        ("an empty datagram", b"", "drop_empty"),
        ("a truncated DATA", last[:20], "drop_short"),
        ("a truncated INIT", inits[0][:120], "drop_short"),
        ("a replayed DATA", last, "drop_replay"),
        ("DATA under a wrong key", bytes(wrong), "drop_auth"),
        ("DATA of an unknown connection", bytes(unknown), "drop_cid"),
        ("an INIT without the proof", bytes(stolen), None),
        ("an oversized datagram", b"\x40" + bytes(1300), "drop_long"),
    ]
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.1", 0))
    for name, datagram, counter in cases:
        before = rig.stat()
        stranger.sendto(datagram, ("127.0.0.1", rig.port))
        rig.wait_for(f"{name} to be counted",
                     lambda b=before: any(k.startswith("drop_") for k in deltas(b, rig.stat())), 10)
        drops = {k: v for k, v in deltas(before, rig.stat()).items() if k.startswith("drop_")}
        check(sum(drops.values()) == 1, f"{name}: counted as {drops}")
        check(counter is None or counter in drops, f"{name}: counted as {drops}, not {counter}")
        check(not wait_readable(stranger, 0.1), f"{name} was answered")
    send(10)  # the conversation goes on
    check(receiver.wait(30) == 0, "recv ended badly")
    relay.running = False
    with open(rig.path("out"), "rb") as f:
        check(f.read() == b"message\n" * 20, "the conversation was disturbed")
    end = rig.stat()
    drops = sum(v for k, v in end.items() if k.startswith("drop_"))
    check(end["datagrams_received"] == end["datagrams_accepted"] + drops, f"received is not accepted + drops: {end}")
    check(gateway.term() == 0, "gateway did not stop cleanly")
    return f"({len(cases)} kinds of datagram, seeds 1 and 2)"


main(test)
