#!/usr/bin/python3
"""Reader of the Sampan wire, written from docs/protocol.md alone; shares no code with libsampan.

    reader.py            check vectors.json and the text files beside it; exit 0 if all hold, else 1
    reader.py --write    make these files again from cases.py

Needs Python 3.9 and Debian's python3-nacl.  It is a reader of bytes: no sockets, no timers, no sessions.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True

from nacl import bindings as sodium

from frames import Protocol, Scan, decode_frames, encode_frame, need
from sealed import (Window, accept_encode, accept_open, accept_plain, ack_ranges, blob_decode, blob_encode, body_hash,
                    cid_make, cookie_make, early_verdict, init_encode, init_open, init_split, number_decode,
                    packet_open, packet_seal, rekey, reset_token, sha256, token_ad, token_open, token_plain,
                    token_seal, token_verdict)

HERE = pathlib.Path(__file__).resolve().parent

# The first vectors (section 9), kept here and not only in vectors.json, so that a wrong --write cannot hide.
ANCHORS = {
    "gateway_public": "13be4feaeaf204c7fd3358fc9c00721881d174278128227ec674f37f7fe97b6d",
    "token_sha256": "f14402502c6350b9ffce6a020273c80fd81ee34a220ce799d392ba3d3eebd95f",
    "init_sha256": "a218f60691de43eee51ab666fd7f8e90f8178edf2f2aa9601a18156a76df8cd2",
    "accept_sha256": "3d61ed1d6484ef8fa9893a6def4b4f579c5b1fe89a68913b97dc3bca764f7e28",
    "up_1_packet": "4000010203040506070001d3c0cb5930eef7f9c58cd820009cd08ef1",
    "up_2_packet": "410001020304050607000227549d087f56802ff3a935008442f204c4",
}


def plain_json(value):
    """bytes as hex, everything else as it is."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {k: plain_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain_json(v) for v in value]
    return value


BYTE_FIELDS = {"data", "psk", "ticket", "to", "from", "group", "body", "map", "bytes"}


def from_json(f):
    return {k: bytes.fromhex(v) if k in BYTE_FIELDS and isinstance(v, str) else v for k, v in f.items()}


def num(hexa):
    return int(hexa, 16)


def compute_handshake(i):
    """All values of handshake.txt from its inputs (names in cases.py)."""
    b = {k: bytes.fromhex(v) for k, v in i.items()}
    out = {}
    public = sodium.crypto_scalarmult_base(b["gateway_secret"])
    plain = token_plain(b["psk"], b["token_id"], num(i["issued"]), num(i["expires"]), num(i["device"]),
                        num(i["rights"]), num(i["class"]), b["uid"])
    token = token_seal(1, num(i["kid"]), b["token_key"], b["token_nonce"], public, plain)
    ticket_plain = token_plain(b["ticket_psk"], b["ticket_id"], num(i["issued"]), num(i["ticket_expires"]),
                               num(i["device"]), num(i["rights"]), num(i["class"]), b["uid"])
    ticket = token_seal(2, num(i["ticket_kid"]), b["ticket_key"], b["ticket_nonce"], public, ticket_plain)
    frames = bytes(num(i["init_pads"]))
    noise, init = init_encode(b["client_e_secret"], num(i["time"]), b"", token, b["psk"], public, frames)
    answer = accept_plain(b["cid"], b["reset"], num(i["early"]), num(i["accept_time"]), b"")
    # The gateway's side works from the INIT bytes alone; both sides must agree on every value.
    other, fields, opened = init_open(init, b["gateway_secret"], {(1, num(i["kid"])): b["token_key"]})
    need(opened == frames and other.seen == noise.seen, "sides differ")
    accept = accept_encode(other, b["gateway_e_secret"], fields["e"], answer)
    got = accept_open(noise, accept, b["client_e_secret"])
    need(accept_plain(got["cid"], got["reset"], got["early"], got["time"], got["frames"]) == answer, "ACCEPT")
    up, down = noise.split()
    need(other.split() == (up, down) and other.seen == noise.seen, "sides differ")
    out.update(gateway_public=public, token_ad=token_ad(1, num(i["kid"]), public), token_plain=plain, token=token,
               token_sha256=sha256(token), ticket_plain=ticket_plain, ticket=ticket,
               client_e_public=sodium.crypto_scalarmult_base(b["client_e_secret"]),
               gateway_e_public=sodium.crypto_scalarmult_base(b["gateway_e_secret"]),
               prologue=fields["prologue"], **noise.seen)
    out.update(init=init, init_sha256=sha256(init), proof=init[-16:], accept_plain=answer, accept=accept,
               accept_sha256=sha256(accept), k_up_1=rekey(up), k_down_1=rekey(down))
    for way, keys, cid in (("up", (up, rekey(up)), b["cid"]), ("down", (down, rekey(down)), b"")):
        for number in (1, 2):
            name, phase = f"{way}_{number}", number - 1
            packet = packet_seal(keys[phase], phase, cid, number, b[name + "_frames"])
            need(packet_open(keys[phase], packet, len(cid), number - 1)
                 == (phase, number, b[name + "_frames"]), "packet")
            decode_frames(b[name + "_frames"], way)
            out[name + "_packet"] = packet
    return plain_json(out)


def compute_retry(i):
    b = {k: bytes.fromhex(v) for k, v in i.items()}
    public = sodium.crypto_scalarmult_base(b["gateway_secret"])
    token = b["token"]
    keys = {(1, token[1]): b["token_key"]}
    psk = token_open(token, keys, public)["psk"]
    cookie = cookie_make(b["cookie_secret"], b["address"], num(i["port"]), token, num(i["cookie_time"]))
    first = init_split(b["init_1"])
    retry = b"\x03" + first["e"][:8] + cookie
    noise, init = init_encode(b["client_e_secret"], num(i["time"]), cookie, token, psk, public, b["init_2_frames"])
    other, fields, opened = init_open(init, b["gateway_secret"], keys)
    need(opened == b["init_2_frames"] and fields["cookie"] == cookie, "INIT")
    need(early_verdict(opened) == "early1", "0-RTT")
    answer = accept_plain(b["cid"], b["reset"], 1, num(i["accept_time"]), b["accept_frames"])
    accept = accept_encode(other, b["gateway_e_secret"], fields["e"], answer)
    got = accept_open(noise, accept, b["client_e_secret"])
    need(got["frames"] == b["accept_frames"] and len(accept) <= len(init), "ACCEPT")
    decode_frames(got["frames"], "down")
    up, down = noise.split()
    return plain_json({"cookie": cookie, "retry": retry, "init_2": init, "accept_plain": answer, "accept": accept,
                       "k_up": up, "k_down": down})


def compute_reset(i):
    b = {k: bytes.fromhex(v) for k, v in i.items()}
    cid = cid_make(b["cid_key"], num(i["worker"]), b["random"])
    token = reset_token(b["reset_key"], cid)
    return plain_json({"siphash": sodium.crypto_shorthash_siphash24(cid[:6], b["cid_key"]), "cid": cid,
                       "reset": token, "data": packet_seal(b["k_up"], 0, cid, num(i["number"]), b["frames"]),
                       "answer": b"\x04" + token})


def compute_hashes(i):
    """hashes.txt: body hashes and cookies; each name ends in _in for a packed input."""
    out = {}
    for name, value in i.items():
        if name.startswith("body_") and name.endswith("_in"):
            data = bytes.fromhex(value)
            to = data[2:2 + data[1]]
            out[name[:-3]] = body_hash(data[0], to, data[2 + data[1]:])
        elif name.startswith("cookie_") and name.endswith("_in"):
            secret, rest = bytes.fromhex(value)[:32], bytes.fromhex(value)[32:]
            ip, port, nonce24, time = rest[:-30], num(rest[-30:-28].hex()), rest[-28:-4], num(rest[-4:].hex())
            out[name[:-3]] = cookie_make(secret, ip, port, b"\1\0" + nonce24, time)
    return plain_json(out)


COMPUTED = {"handshake": compute_handshake, "retry": compute_retry, "reset": compute_reset,
            "hashes": compute_hashes}


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, function):
        """function returns None or raises; whatever it raises is a failure of this vector alone."""
        try:
            function()
            self.passed += 1
        except Exception as e:  # a reader must survive any vector
            self.failed += 1
            print(f"FAILED {name}: {type(e).__name__}: {e}")


def same(got, want):
    if got != want:
        raise AssertionError(f"got {got}, want {want}")


def check_frames(v):
    data = bytes.fromhex(v["hex"])
    for way in ("up", "down") if v["dir"] == "both" else (v["dir"],):
        if v["verdict"] == "protocol":
            try:
                decoded = decode_frames(data, way)
            except Protocol:
                continue
            raise AssertionError(f"accepted as {decoded}")
        decoded = decode_frames(data, way)
        same(plain_json(decoded), v["frames"])
        if v["verdict"] == "ok":
            same(b"".join(encode_frame(from_json(f)) for f in v["frames"]).hex(), v["hex"])
    if v["verdict"] != "protocol" and v["dir"] != "both":
        check_wrong_way(v, data)
    if v["verdict"] == "ok":
        check_cuts(v, data)


def check_wrong_way(v, data):
    """A frame of one direction is refused in the other."""
    if v["verdict"] == "ok":
        check_frames({"name": "", "dir": "up" if v["dir"] == "down" else "down", "verdict": "protocol",
                      "hex": data.hex()})


def check_cuts(v, data):
    """No proper prefix may decode to the same frames, and none may raise anything but Protocol."""
    way = "up" if v["dir"] == "both" else v["dir"]
    for n in range(len(data)):
        try:
            same(plain_json(decode_frames(data[:n], way)) != v["frames"], True)
        except Protocol:
            pass


def check_ack(v):
    def ranges():
        return ack_ranges(decode_frames(bytes.fromhex(v["hex"]), "up")[0], v["largest_sent"], v["never"])
    if v["verdict"] == "ok":
        same([list(r) for r in ranges()], v["ranges"])
        return
    try:
        got = ranges()
    except Protocol:
        return
    raise AssertionError(f"accepted as {got}")


def check_token(v):
    keys = {(1, v["kid"]): bytes.fromhex(v["key"])}
    same(token_verdict(bytes.fromhex(v["token"]), keys, bytes.fromhex(v["public"]), v["now"], v["not_before"]),
         v["verdict"])


def check_blob(v):
    try:
        f = blob_decode(v["text"].encode())
        again = blob_encode(f["token"], f["psk"], f["public"], f["issued"], f["expires"], f["addresses"])
        same(again.rstrip(b"="), v["text"].encode().rstrip(b"="))
        got = "ok"
    except Protocol:
        got = "bad"
    same(got, v["verdict"])


def check_msgpack(v):
    try:
        Scan(bytes.fromhex(v["hex"])).run()
        got = "ok"
    except Protocol:
        got = "bad"
    same(got, v["verdict"])


LISTED = {
    "frames": check_frames, "acks": check_ack, "tokens": check_token, "blobs": check_blob,
    "msgpack": check_msgpack,
    "early": lambda v: same(early_verdict(bytes.fromhex(v["hex"])), v["verdict"]),
    "numbers": lambda v: same(number_decode(v["low"], v["largest"]), v["number"]),
}


def render(vectors):
    """The text files: the same vectors in a form that needs no JSON library (README.md)."""
    out = {}
    for group in COMPUTED:
        both = {**vectors[group]["inputs"], **vectors[group]["values"]}
        out[group] = [f"{k} {v or '-'}" for k, v in both.items()]
    out["frames"] = [f"{v['name']} {v['dir']} {v['verdict']} {v['hex'] or '-'}" for v in vectors["frames"]]
    out["early"] = [f"{v['name']} {v['verdict']} {v['hex'] or '-'}" for v in vectors["early"]]
    out["acks"] = [" ".join([v["name"], str(v["largest_sent"]), ",".join(map(str, v["never"])) or "-",
                             v["verdict"], v["hex"],
                             ",".join(f"{lo}-{hi}" for lo, hi in v.get("ranges", [])) or "-"])
                   for v in vectors["acks"]]
    out["numbers"] = [f"{v['largest']} {v['low']} {v['number']}" for v in vectors["numbers"]]
    out["replay"] = [f"{v['number']} {v['verdict']}" for v in vectors["replay"]]
    out["tokens"] = [f"{v['name']} {v['verdict']} {v['now']} {v['not_before']} {v['kid']} {v['key']} {v['public']} "
                     f"{v['token']}" for v in vectors["tokens"]]
    out["blobs"] = [f"{v['name']} {v['verdict']} {v['text']}" for v in vectors["blobs"]]
    out["msgpack"] = [f"{v['name']} {v['verdict']} {v['hex'] or '-'}" for v in vectors["msgpack"]]
    return {name + ".txt": "".join(line + "\n" for line in lines) for name, lines in out.items()}


def verify(vectors, tally):
    hand = vectors["handshake"]["values"]
    for name, value in ANCHORS.items():
        tally.check("anchor " + name, lambda n=name, v=value: same(hand.get(n), v))
    for group, compute in COMPUTED.items():
        try:
            got = compute(vectors[group]["inputs"])
        except Exception as e:  # counted against every value of the group
            got = {"error": repr(e)}
        for name, value in vectors[group]["values"].items():
            tally.check(f"{group} {name}", lambda n=name, v=value, g=got: same(g.get(n, g.get("error")), v))
        tally.check(f"{group} names", lambda g=got, n=group: same(sorted(g), sorted(vectors[n]["values"])))
    for group, check_one in LISTED.items():
        for v in vectors[group]:
            tally.check(f"{group} {v.get('name', v)}", lambda c=check_one, x=v: c(x))
    window = Window()
    for i, v in enumerate(vectors["replay"]):
        tally.check(f"replay {i} {v}", lambda x=v: same(window.receive(x["number"]), x["verdict"]))
    for name, text in render(vectors).items():
        tally.check("file " + name, lambda n=name, t=text: same((HERE / n).read_text() == t, True))


def write():
    import cases  # inputs only; a plain run never needs them
    vectors = cases.build({"handshake": compute_handshake, "retry": compute_retry, "reset": compute_reset,
                           "hashes": compute_hashes}, plain_json, ANCHORS["gateway_public"])
    (HERE / "vectors.json").write_text(json.dumps(vectors, indent=1) + "\n")
    for name, text in render(vectors).items():
        (HERE / name).write_text(text)


def main(arguments):
    if arguments not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        write()
    tally = Tally()
    verify(json.loads((HERE / "vectors.json").read_text()), tally)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
