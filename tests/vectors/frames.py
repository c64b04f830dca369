"""Frames of the Sampan wire and the msgpack scan (docs/protocol.md, section 4).  Bytes only: no keys, no numbers."""

PART_MAX = 1000


class Protocol(Exception):
    """Bytes that the protocol does not allow."""


def need(condition, text):
    if not condition:
        raise Protocol(text)


class Bytes:
    """Input that never reads past its end."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, n):
        if n > self.left():
            raise Protocol("cut short")
        self.at += n
        return self.data[self.at - n:self.at]

    def u(self, n):
        return int.from_bytes(self.take(n), "big")


# type byte: (name, direction, fixed fields).  A size that is text stands for bytes of that length.
FIXED = {
    0x02: ("PING", "both", []),
    0x03: ("PATH_CHALLENGE", "both", [("data", "8")]),
    0x04: ("PATH_RESPONSE", "both", [("data", "8")]),
    0x05: ("CLOSE", "both", [("code", 1), ("cause", 1), ("retry", 2)]),
    0x06: ("OPTIONS", "both",
           [("rev", 1), ("ackdelay", 1), ("keepalive", 2), ("datagram", 2), ("inbox", 2), ("flags", 2)]),
    0x07: ("TICKET", "down", [("life", 4), ("psk", "32"), ("ticket", "162")]),
    0x11: ("msg:A", "down", [("code", 1), ("msgid", 8), ("seq", 4), ("state", 1), ("retry", 2)]),
    0x14: ("ack:A", "down", [("id", 2), ("code", 1), ("confirmed", 4)]),
    0x15: ("ack:N", "down", [("msgid", 8), ("state", 1)]),
    0x16: ("ack:N group", "down",
           [("msgid", 8), ("final", 1), ("total", 4), ("stored", 4), ("delivered", 4), ("read", 4)]),
    0x18: ("TIP", "down", [("svr_seq", 4)]),
    0x1B: ("RESYNC", "down", [("why", 1), ("id", 2), ("epoch", 8), ("lo", 4), ("hi", 4)]),
    0x1E: ("DONE", "up", [("msgid", 8)]),
    0x30: ("STREAM_OPEN", "up", [("stream", 4), ("service", 1)]),
    0x32: ("STREAM_WINDOW", "both", [("stream", 4), ("limit", 8)]),
    0x33: ("STREAM_CLOSE", "both", [("stream", 4), ("final", 8)]),
    0x34: ("STREAM_RESET", "both", [("stream", 4), ("code", 1)]),
}
VARIABLE = {
    0x00: ("PAD", "both"), 0x01: ("ACK", "both"), 0x10: ("msg:R", "up"), 0x12: ("msg:N", "down"),
    0x13: ("ack:R", "up"), 0x19: ("PULL:R", "up"), 0x1A: ("PULL:A", "down"), 0x1C: ("STATUS:R", "up"),
    0x1D: ("STATUS:A", "down"), 0x20: ("CTRL:R", "up"), 0x21: ("CTRL:A", "down"), 0x22: ("CTRL:N", "down"),
    0x31: ("STREAM_DATA", "both"),
}
TYPE_OF = {v[0]: k for table in (FIXED, VARIABLE) for k, v in table.items()}


def u(value, size):
    return value.to_bytes(size, "big")


def sized(value, size):
    return u(len(value), size) + value


def check_state(state, least=0):
    need(least <= state <= 4 or state >= 9, "state")


def check_ranges(ranges, above):
    for r in ranges:
        need(above < r[0] <= r[1], "range")
        above = r[1]


def check_part(f):
    if f["flags"] & 16:
        need(2 <= f["count"] <= 66 and f["index"] < f["count"], "part number")
        last = f["index"] == f["count"] - 1
        need(1 <= len(f["body"]) <= PART_MAX if last else len(f["body"]) == PART_MAX, "part length")
    else:
        need(len(f["body"]) <= PART_MAX, "body length")


def check(f):
    """Ranges that a receiver enforces while it parses (section 4)."""
    kind = f["type"]
    for name in ("msgid", "after"):
        need(f.get(name) != 0, name)
    if kind in ("ack:R", "PULL:R", "PULL:A", "ack:A", "STATUS:R", "STATUS:A", "CTRL:R", "CTRL:A"):
        need(f["id"] != 0, "id")
    if kind in ("STREAM_OPEN", "STREAM_DATA", "STREAM_CLOSE", "STREAM_RESET"):
        need(f["stream"] != 0, "stream")
    if kind in ("msg:R", "msg:N"):
        need(f["flags"] >> 5 & 3 != 3 and not f["flags"] & (0x80 if kind == "msg:R" else 0x86), "flags")
        check_part(f)
    if kind == "msg:R":
        need(f.get("after", 1) < f["msgid"] or "after" not in f, "after")
        need(f.get("ttl") != 0, "ttl")
        need("to" not in f or 1 <= len(f["to"]) <= 64, "to")
    elif kind == "msg:N":
        need(f["seq"] != 0, "seq")
        need("from" not in f or 1 <= len(f["from"]) <= 64, "from")
        need("group" not in f or 1 <= len(f["group"]) <= 64, "group")
    elif kind == "msg:A":
        check_state(f["state"], 1 if f["code"] == 0 else 0)
        need(f["code"] == 0 or (f["seq"] == 0 and f["state"] == 0), "seq or state beside an error")
    elif kind == "ACK":
        need(len(f["ranges"]) <= 7 and all(gap and length for gap, length in f["ranges"]), "ack range")
    elif kind == "ack:N":
        check_state(f["state"], 1)
    elif kind == "ack:N group":
        need(f["final"] <= 1 and f["total"] >= f["stored"] >= f["delivered"] >= f["read"], "counts")
    elif kind == "ack:R":
        need(f["kind"] & 0x7F in (1, 2) and len(f["ranges"]) <= 8, "kind or n")
        check_ranges(f["ranges"], f["cursor"])
    elif kind == "PULL:R":
        need(not f["flags"] & 0xFE and len(f["ranges"]) <= 8, "flags or n")
        check_ranges(f["ranges"], f["cursor"])
    elif kind == "PULL:A":
        need(len(f["skipped"]) <= 64 and all(s[2] for s in f["skipped"]), "n or why")
        check_ranges(f["skipped"], 0)
        need(not f["skipped"] or f["skipped"][-1][1] <= f["to"], "skipped above to")
        need(max(f["to"], f["confirmed"]) <= f["svr_seq"], "to or confirmed above svr_seq")
    elif kind == "RESYNC":
        need(f["why"] != 0 and f["epoch"] != 0 and f["lo"] <= f["hi"], "why, epoch or order")
    elif kind == "STATUS:R":
        need(1 <= len(f["msgids"]) <= 32 and all(f["msgids"]), "n or msgid")
    elif kind == "STATUS:A":
        need(1 <= len(f["states"]) <= 32, "n")
        for state, _ in f["states"]:
            check_state(state)
    elif kind.startswith("CTRL"):
        need(len(f["map"]) <= 1000, "len")
    elif kind == "STREAM_DATA":
        need(len(f["bytes"]) >= 1 and f["offset"] + len(f["bytes"]) < 1 << 62, "len or offset")
    return f


def encode_msg(f):
    up, flags = f["type"] == "msg:R", f["flags"]
    out = u(flags, 1) + (u(f["msgid"], 8) if up else u(f["seq"], 4))
    if flags & 16:
        out += u(f["index"], 1) + u(f["count"], 1)
    if not flags & 16 or f["index"] == 0:
        if up:
            out += (u(f["after"], 8) if flags & 2 else b"") + (u(f["ttl"], 4) if flags & 4 else b"")
            out += sized(f["to"], 1)
        else:
            out += u(f["msgid"], 8) + u(f["device"], 4) + u(f["time"], 6) + sized(f["from"], 1)
            out += sized(f["group"], 1) if flags & 8 else b""
    return out + sized(f["body"], 2)


def decode_msg(kind, r):
    f = {"type": kind, "flags": r.u(1)}
    f["msgid" if kind == "msg:R" else "seq"] = r.u(8 if kind == "msg:R" else 4)
    frag = f["flags"] & 16
    if frag:
        f["index"], f["count"] = r.u(1), r.u(1)
    if not frag or f["index"] == 0:
        if kind == "msg:R":
            if f["flags"] & 2:
                f["after"] = r.u(8)
            if f["flags"] & 4:
                f["ttl"] = r.u(4)
            f["to"] = r.take(r.u(1))
        else:
            f["msgid"], f["device"], f["time"], f["from"] = r.u(8), r.u(4), r.u(6), r.take(r.u(1))
            if f["flags"] & 8:
                f["group"] = r.take(r.u(1))
    f["body"] = r.take(r.u(2))
    return f


def encode_frame(f):
    kind = f["type"]
    code = TYPE_OF[kind]
    if kind == "PAD":
        return bytes(f["count"])
    out = u(code, 1)
    if code in FIXED:
        return out + b"".join(f[n] if isinstance(s, str) else u(f[n], s) for n, s in FIXED[code][2])
    if kind == "ACK":
        out += u(f["largest"], 4) + u(f["delay"], 1) + u(f["loss"], 1) + u(len(f["ranges"]), 1) + u(f["first"], 1)
        return out + b"".join(bytes(r) for r in f["ranges"])
    if kind in ("msg:R", "msg:N"):
        return out + encode_msg(f)
    if kind == "ack:R":
        out += u(f["kind"], 1) + u(f["id"], 2) + u(f["cursor"], 4)
    elif kind == "PULL:R":
        out += u(f["flags"], 1) + u(f["id"], 2) + u(f["cursor"], 4) + u(f["epoch"], 8) + u(f["max"], 2)
    if kind in ("ack:R", "PULL:R"):
        return out + u(len(f["ranges"]), 1) + b"".join(u(lo, 4) + u(hi, 4) for lo, hi in f["ranges"])
    if kind == "PULL:A":
        out += u(f["code"], 1) + u(f["id"], 2) + u(f["epoch"], 8) + u(f["to"], 4) + u(f["svr_seq"], 4)
        out += u(f["confirmed"], 4) + u(len(f["skipped"]), 1)
        return out + b"".join(u(lo, 4) + u(hi, 4) + u(why, 1) for lo, hi, why in f["skipped"])
    if kind == "STATUS:R":
        return out + u(f["id"], 2) + u(len(f["msgids"]), 1) + b"".join(u(m, 8) for m in f["msgids"])
    if kind == "STATUS:A":
        return out + u(f["id"], 2) + u(len(f["states"]), 1) + b"".join(u(s, 1) + u(q, 4) for s, q in f["states"])
    if kind == "STREAM_DATA":
        return out + u(f["stream"], 4) + u(f["offset"], 8) + sized(f["bytes"], 2)
    out += u(f["code" if kind == "CTRL:A" else "op"], 1) + u(f["id"], 4 if kind == "CTRL:N" else 8)
    return out + sized(f["map"], 2)


def decode_variable(kind, r):
    f = {"type": kind}
    if kind == "PAD":
        f["count"] = 1
        while r.left() and r.data[r.at] == 0:
            r.at, f["count"] = r.at + 1, f["count"] + 1
    elif kind == "ACK":
        f.update(largest=r.u(4), delay=r.u(1), loss=r.u(1))
        n, f["first"] = r.u(1), r.u(1)
        need(n <= 7, "n")
        f["ranges"] = [[r.u(1), r.u(1)] for _ in range(n)]
    elif kind in ("msg:R", "msg:N"):
        return decode_msg(kind, r)
    elif kind == "ack:R":
        f.update(kind=r.u(1), id=r.u(2), cursor=r.u(4))
        f["ranges"] = [[r.u(4), r.u(4)] for _ in range(r.u(1))]
    elif kind == "PULL:R":
        f.update(flags=r.u(1), id=r.u(2), cursor=r.u(4), epoch=r.u(8), max=r.u(2))
        f["ranges"] = [[r.u(4), r.u(4)] for _ in range(r.u(1))]
    elif kind == "PULL:A":
        f.update(code=r.u(1), id=r.u(2), epoch=r.u(8), to=r.u(4), svr_seq=r.u(4), confirmed=r.u(4))
        f["skipped"] = [[r.u(4), r.u(4), r.u(1)] for _ in range(r.u(1))]
    elif kind == "STATUS:R":
        f["id"] = r.u(2)
        f["msgids"] = [r.u(8) for _ in range(r.u(1))]
    elif kind == "STATUS:A":
        f["id"] = r.u(2)
        f["states"] = [[r.u(1), r.u(4)] for _ in range(r.u(1))]
    elif kind == "STREAM_DATA":
        f.update(stream=r.u(4), offset=r.u(8), bytes=r.take(r.u(2)))
    else:
        f["code" if kind == "CTRL:A" else "op"] = r.u(1)
        f.update(id=r.u(4 if kind == "CTRL:N" else 8), map=r.take(r.u(2)))
    return f


def decode_frames(data, direction):
    """All frames of one datagram, or Protocol: nothing is taken from a datagram that does not parse."""
    r, out = Bytes(data), []
    while r.left():
        code = r.u(1)
        if code >= 0x80:
            out.append({"type": "unknown", "code": code, "bytes": r.take(r.u(2))})
            continue
        need(code in FIXED or code in VARIABLE, "unknown type")
        kind, way = (FIXED.get(code) or VARIABLE[code])[:2]
        need(way in ("both", direction), "direction")
        if code in FIXED:
            f = {"type": kind}
            for name, size in FIXED[code][2]:
                f[name] = r.take(int(size)) if isinstance(size, str) else r.u(size)
        else:
            f = decode_variable(kind, r)
        out.append(check(f))
    return out


# --------------------------------------------------------------------------------------- msgpack of CTRL


class Scan:
    """The check before any msgpack decoder sees the bytes (section 4.5)."""

    def __init__(self, data, objects_max=256):
        self.r, self.objects, self.counts, self.objects_max = Bytes(data), 0, 0, objects_max

    def run(self):
        need(self.r.left() and (self.r.data[0] & 0xF0 == 0x80 or self.r.data[0] in (0xDE, 0xDF)), "not a map")
        self.one(1)
        need(not self.r.left(), "left over")

    def length(self, size, least):
        n = self.r.u(size)
        need(n >= least, "not shortest")
        return n

    def integer(self, size, signed):
        v = int.from_bytes(self.r.take(size), "big", signed=signed)
        if signed:
            need(v < (-32 if size == 1 else -(1 << (4 * size - 1))), "not shortest")
        else:
            need(v > (127 if size == 1 else (1 << (4 * size)) - 1), "not shortest")

    def items(self, n, depth, keys):
        total = 2 * n if keys else n
        self.counts += total
        need(total <= self.r.left() and self.counts <= len(self.r.data), "count")
        seen = set()
        for i in range(total):
            start = self.r.at
            self.one(depth + 1)
            if keys and i % 2 == 0:
                key = self.r.data[start:self.r.at]
                need(key not in seen, "key twice")
                seen.add(key)
                need(depth != 1 or key[0] <= 0x7F or 0xCC <= key[0] <= 0xCF, "key")

    def one(self, depth):
        self.objects += 1
        need(depth <= 8 and self.objects <= self.objects_max, "depth or objects")
        t = self.r.u(1)
        if t <= 0x7F or t >= 0xE0 or t in (0xC0, 0xC2, 0xC3):
            return
        if t <= 0x8F:
            self.items(t & 15, depth, True)
        elif t <= 0x9F:
            self.items(t & 15, depth, False)
        elif t <= 0xBF:
            self.r.take(t & 31)
        elif 0xC4 <= t <= 0xC6:
            self.r.take(self.length(1 << (t - 0xC4), (0, 256, 65536)[t - 0xC4]))
        elif t in (0xCA, 0xCB):
            self.r.take(4 if t == 0xCA else 8)
        elif 0xCC <= t <= 0xCF:
            self.integer(1 << (t - 0xCC), False)
        elif 0xD0 <= t <= 0xD3:
            self.integer(1 << (t - 0xD0), True)
        elif 0xD9 <= t <= 0xDB:
            self.r.take(self.length(1 << (t - 0xD9), (32, 256, 65536)[t - 0xD9]))
        elif t in (0xDC, 0xDD, 0xDE, 0xDF):
            size = 2 if t in (0xDC, 0xDE) else 4
            self.items(self.length(size, 16 if size == 2 else 65536), depth, t >= 0xDE)
        else:
            raise Protocol("ext or unused type")
