#!/usr/bin/env python3
"""b is absent: STORED for each; b comes later, from another device, and gets exactly the unconfirmed rest; a learns
DELIVERED."""
from rig import check, main


def states(out):
    """Ordinal -> state of the lines that `sampan send` prints."""
    return {int(f[0]): f[2] for f in (line.split(b"\t") for line in out.splitlines())}


def test(rig):
    gateway = rig.gateway()
    token_a = rig.token("a", 1, rig.port)
    first, second = rig.token("b", 2, rig.port), rig.token("b", 3, rig.port)
    lines = [b"line %d" % i for i in range(60)]

    # The first device takes and confirms 20 messages, then goes away.
    out = rig.run("send", "--token", token_a, "--state", "a", "--to", "b", "--wait", "stored",
                  stdin=b"\n".join(lines[:20]) + b"\n")
    check(states(out) == {i: b"stored" for i in range(1, 21)}, f"first 20: {out!r}")
    out = rig.run("recv", "--token", first, "--state", "b2", "--count", "20", "--for", "20")
    check(out.splitlines() == lines[:20], f"the first device got {out!r}")

    # While nobody is there, 40 more are stored.
    out = rig.run("send", "--token", token_a, "--state", "a", "--to", "b", "--wait", "stored",
                  stdin=b"\n".join(lines[20:]) + b"\n")
    later = {i: s for i, s in states(out).items() if i > 20}
    check(later == {i: b"stored" for i in range(21, 61)}, f"next 40: {out!r}")

    # Another device gets exactly those, and the sender learns DELIVERED of all.
    out = rig.run("recv", "--token", second, "--state", "b3", "--count", "40", "--for", "20")
    check(out.splitlines() == lines[20:], f"the second device got {out!r}")
    out = rig.run("send", "--token", token_a, "--state", "a", "--to", "b", "--wait", "delivered", timeout=90)
    learned = {i: s for i, s in states(out).items() if i > 20}
    check(learned == {i: b"delivered" for i in range(21, 61)}, f"after the return: {out!r}")
    # Nothing is left for the second device.
    out = rig.run("recv", "--token", second, "--state", "b3", "--count", "1", "--for", "1", expect=1)
    check(out == b"", f"doubled: {out!r}")
    check(gateway.term() == 0, "gateway did not stop cleanly")
    return "(60 messages, two devices)"


main(test)
