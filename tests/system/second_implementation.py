#!/usr/bin/python3
"""A client that was written from docs/protocol.md alone talks with the real gateway and the real client: both ways,
once and in order, without loss and with 10 % of it, and a wrong frame ends the session that sent it and nothing else.
"""
import json
import sys

sys.dont_write_bytecode = True

from rig import check, count_lines, main
from second_client import CLOSE_PROTOCOL, Client, encode_frame

N = 50
UNANSWERED = 2
RATE = "100"  # messages per second of `sampan send`
LOSS = "10%"
DELIVERED = 3


def client(rig, user, device, port):
    with open(rig.path(rig.token(user, device, port)), "rb") as f:
        return Client(f.read(), phase_packets=8)  # it changes keys often, since a receiver never judges when


def lines(path):
    with open(path, "rb") as f:
        return f.read().splitlines()


def second_to_first(rig, p, port, name, device):
    """p sends; `sampan recv` of b prints."""
    path = rig.path(name)
    with open(path, "wb") as out:
        recv = rig.sampan("recv", "recv", "--token", rig.token("b", device, port), "--state", name + ".state",
                          "--count", str(N), stdout=out)
    bodies = [b"%s %d from p" % (name.encode(), i) for i in range(N)]
    ids = []
    for i, body in enumerate(bodies):
        ids.append(p.send(b"b", body, four=i % 5 == 4))
        # Few at a time, so that they do not share a datagram and each can be lost.
        p.run(lambda: sum(p.states[i] == 0 for i in ids) < UNANSWERED, 30, "an answer")
    p.run(lambda: recv.popen.poll() is not None, 90, "the end of recv")
    check(recv.wait(1) == 0, f"recv ended with {recv.popen.returncode}: {recv.text()[-1500:]}")
    p.run(lambda: all(p.states[i] == DELIVERED for i in ids), 90, "DELIVERED of all")
    check(lines(path) == bodies, f"recv printed {lines(path)}")


def first_to_second(rig, p, token, name):
    """`sampan send` of a sends; p receives and confirms, which is what send waits for."""
    bodies = [b"%s %d from a" % (name.encode(), i) for i in range(N)]
    with open(rig.path("in"), "wb") as f:
        f.write(b"".join(body + b"\n" for body in bodies))
    before = len(p.received)
    with open(rig.path("in"), "rb") as source, open(rig.path("sent"), "wb") as sent:
        send = rig.sampan("send", "send", "--token", token, "--state", "a." + name, "--to", "p", "--wait", "delivered",
                          "--rate", RATE, stdin=source, stdout=sent)
    p.run(lambda: send.popen.poll() is not None, 90, "the end of send")
    check(send.wait(1) == 0, f"send ended with {send.popen.returncode}: {send.text()[-1500:]}")
    got = p.received[before:]
    check([m.body for m in got] == bodies, f"p got {[m.body for m in got]}")
    check([m.seq for m in got] == list(range(got[0].seq, got[0].seq + N)), "seqs of p have holes")
    check({m.sender for m in got} == {b"a"}, "not from a")
    states = {line.split(b"\t")[2] for line in lines(rig.path("sent"))}
    check(states == {b"delivered"}, f"send printed {states}")


def lost(rig, relay, name):
    """What the relay took away, up and down; a test under loss that lost nothing proves nothing."""
    relay.term()
    with open(rig.path(name), "rb") as f:
        stats = json.load(f)
    check(stats["up_loss"] > 0 and stats["down_loss"] > 0, f"the relay of p lost nothing: {stats}")
    return stats["up_loss"], stats["down_loss"]


def wrong_frames():
    """Name, bytes, and the type byte that CLOSE must name."""
    message = encode_frame({"type": "msg:R", "flags": 0, "msgid": 1, "to": b"b", "body": b"never"})
    answer = encode_frame({"type": "msg:A", "code": 0, "msgid": 1, "seq": 1, "state": 1, "retry": 0})
    ack = encode_frame({"type": "ACK", "largest": 5000, "delay": 0, "loss": 0, "first": 0, "ranges": []})
    pull = encode_frame({"type": "PULL:R", "flags": 2, "id": 1, "cursor": 0, "epoch": 0, "max": 1, "ranges": []})
    return [("a type without a meaning", b"\x08", 0x08), ("a report of the other direction", answer, 0x11),
            ("a report cut short", message[:-1], 0x10), ("message id 0", message[:2] + bytes(8) + message[10:], 0x10),
            ("an unknown flag", pull, 0x19), ("an ACK of a number never sent", ack, 0x01)]


def violate(rig, number, what, data, cause):
    """A session of x sends a good message and the wrong frame in one datagram: neither counts."""
    x = client(rig, "x", 20 + number, rig.port)
    x.run(lambda: x.link is not None and x.epoch, 20, "a session")
    good = encode_frame({"type": "msg:R", "flags": 0, "msgid": (1 << 40) + number, "to": b"b", "body": b"not taken"})
    x.inject(good + data)
    x.run(lambda: x.closed is not None, 10, f"CLOSE for {what}")
    check((x.closed["code"], x.closed["cause"]) == (CLOSE_PROTOCOL, cause), f"{what}: {x.closed}")
    return x


def innocents(rig, p):
    """While sessions of x are closed, those of p and b live on; and x may come back."""
    out_path = rig.path("witness")
    token = rig.token("b", 9, rig.port)
    with open(out_path, "wb") as out:
        recv = rig.sampan("recv", "recv", "--token", token, "--state", "witness.state", stdout=out)
    p.send(b"b", b"before")
    p.run(lambda: count_lines(out_path) == 1, 20, "the first message at the witness")
    sessions, before = p.history[:], rig.stat()
    cases = wrong_frames()
    for number, case in enumerate(cases):
        x = violate(rig, number, *case)
        p.send(b"b", b"after %d" % number)
        p.run(lambda n=number: count_lines(out_path) == n + 2, 20, "a message after a wrong frame")
    after = rig.stat()
    check(after["sessions_violated"] - before["sessions_violated"] == len(cases), f"counted: {after}")
    check(after["handshakes_accepted"] - before["handshakes_accepted"] == len(cases), "an innocent lost its session")
    check(p.history == sessions, f"p lost its session: {p.history}")
    x.send(b"b", b"x is back")  # after the back-off of section 5.5
    x.run(lambda: count_lines(out_path) == len(cases) + 2, 20, "x to come back")
    want = [b"before"] + [b"after %d" % i for i in range(len(cases))] + [b"x is back"]
    check(lines(out_path) == want, f"the witness got {lines(out_path)}")
    x.close()
    check(recv.term() == 0, f"recv ended with {recv.popen.returncode}")
    return len(cases)


def test(rig):
    gateway = rig.gateway()
    p = client(rig, "p", 1, rig.port)
    second_to_first(rig, p, rig.port, "calm", 2)
    first_to_second(rig, p, rig.token("a", 3, rig.port), "calm")
    cases = innocents(rig, p)
    flips = p.link.flips
    p.close()

    relays = [rig.drop("--loss", LOSS, "--seed", seed, "--stats", rig.path(seed)) for seed in ("31", "32", "33")]
    port_p, port_a, port_b = [port for _, port in relays]
    p = client(rig, "p", 4, port_p)  # another device of p: its mailbox goes on where the first one stopped
    second_to_first(rig, p, port_b, "lossy", 5)
    first_to_second(rig, p, rig.token("a", 6, port_a), "lossy")
    flips += p.link.flips
    check(p.history.count("ACCEPT") == 1, f"the loss was not repaired but cost a session: {p.history}")
    check(flips > 0, "no key was changed")
    p.close()
    up, down = lost(rig, relays[0][0], "31")
    check(gateway.term() == 0, "gateway did not stop cleanly")
    return f"({4 * N} messages, {cases} wrong frames, {flips} key changes, {up} + {down} datagrams of p lost)"


main(test)
