"""Tokens, handshake, cookies, packets and packet numbers of the Sampan wire (docs/protocol.md, sections 2 and 3)."""

import base64
import hashlib
import hmac
import struct

from nacl import bindings as sodium
from nacl.exceptions import CryptoError

from frames import Bytes, Protocol, decode_frames

NOISE_NAME = b"Noise_NKpsk0_25519_ChaChaPoly_SHA256"
DATAGRAM_MAX = 1200


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def blake128(key, *parts):
    return hashlib.blake2b(b"".join(parts), digest_size=16, key=key).digest()


def nonce(number):
    return b"\0\0\0\0" + struct.pack("<Q", number)


def seal(key, number, ad, text):
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(text, ad, nonce(number), key)


def unseal(key, number, ad, sealed):
    try:
        return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(sealed, ad, nonce(number), key)
    except CryptoError:
        raise Protocol("does not open") from None


def rekey(key):
    """REKEY of the Noise specification: the next key phase (section 2.4)."""
    return seal(key, 2**64 - 1, b"", bytes(32))[:32]


# ----------------------------------------------------------------------------------- token and connect blob


def token_plain(psk, token_id, issued, expires, device, rights, klass, uid):
    if not 1 <= len(uid) <= 64:
        raise ValueError("a user id has 1..64 bytes")
    head = struct.pack(">IIIHBB", issued, expires, device, rights, klass, len(uid))
    return psk + token_id + head + uid.ljust(64, b"\0")


def token_ad(version, kid, gateway_public):
    return b"sampan-token-1" + bytes([version, kid]) + gateway_public


def token_seal(version, kid, key, nonce24, gateway_public, plain):
    sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plain, token_ad(version, kid, gateway_public), nonce24, key)
    return bytes([version, kid]) + nonce24 + sealed


def token_open(token, keys, gateway_public):
    """keys: {(version, kid): key}.  Returns the fields, or raises Protocol."""
    if len(token) != 162 or (token[0], token[1]) not in keys:
        raise Protocol("no such token key")
    try:
        plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
            token[26:], token_ad(token[0], token[1], gateway_public), token[2:26], keys[token[0], token[1]])
    except CryptoError:
        raise Protocol("token does not open") from None
    issued, expires, device, rights, klass, uid_len = struct.unpack(">IIIHBB", plain[40:56])
    return {"psk": plain[:32], "token_id": plain[32:40], "issued": issued, "expires": expires, "device": device,
            "rights": rights, "class": klass, "uid_len": uid_len, "uid": plain[56:]}


def token_verdict(token, keys, gateway_public, now, not_before):
    """Step 5 of the gateway's work order (section 2.3.4)."""
    try:
        t = token_open(token, keys, gateway_public)
    except Protocol:
        return "silent"
    good = (1 <= t["uid_len"] <= 64 and t["uid"][t["uid_len"]:] == bytes(64 - t["uid_len"])
            and t["expires"] > now and t["issued"] <= now + 60 and t["issued"] >= not_before and t["rights"] & 3)
    return "ok" if good else "silent"


def blob_encode(token, psk, gateway_public, issued, expires, addresses):
    out = bytes([1]) + token + psk + gateway_public + struct.pack(">IIB", issued, expires, len(addresses))
    for ip, port in addresses:
        out += bytes([4 if len(ip) == 4 else 6]) + ip + struct.pack(">H", port)
    return base64.urlsafe_b64encode(out)


def blob_decode(text):
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = text[:-1] if text.endswith(b"\n") else text
    core = text.rstrip(b"=")
    if any(c not in alphabet for c in core) or len(core) % 4 == 1 or len(text) - len(core) not in (0, -len(core) % 4):
        raise Protocol("not base64url")
    raw = base64.urlsafe_b64decode(core + b"=" * (-len(core) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != core:
        raise Protocol("unused bits are not zero")
    r = Bytes(raw)
    if r.u(1) != 1:
        raise Protocol("unknown blob version")
    token, psk, public, issued, expires = r.take(162), r.take(32), r.take(32), r.u(4), r.u(4)
    addresses = []
    for _ in range(r.u(1)):
        version = r.u(1)
        if version not in (4, 6):
            raise Protocol("unknown address family")
        ip, port = r.take(4 if version == 4 else 16), r.u(2)
        if port == 0:
            raise Protocol("port 0")
        addresses.append((ip, port))
    if not addresses or r.left():
        raise Protocol("no address, or bytes left over")
    return {"token": token, "psk": psk, "public": public, "issued": issued, "expires": expires,
            "addresses": addresses}


# ------------------------------------------------------------------------------------------------ handshake


class Noise:
    """Noise_NKpsk0 (section 2.3.1), keeping every intermediate value under a name."""

    def __init__(self, prologue, gateway_public, psk):
        self.seen = {}
        self.key = None
        self.chain = self.hash = sha256(NOISE_NAME)
        self.note("h_name", self.hash)
        self.mix_hash("h_prologue", prologue)
        self.mix_hash("h_static", gateway_public)
        first, second, self.key = self.hkdf(psk, 3)
        self.chain = first
        self.note("ck_psk", first)
        self.mix_hash("h_psk", second)

    def note(self, name, value):
        self.seen[name] = value

    def hkdf(self, material, count):
        secret = hmac.digest(self.chain, material, "sha256")
        out, block = [], b""
        for i in range(1, count + 1):
            block = hmac.digest(secret, block + bytes([i]), "sha256")
            out.append(block)
        return out

    def mix_hash(self, name, data):
        self.hash = sha256(self.hash, data)
        self.note(name, self.hash)

    def mix_key(self, name, material):
        self.chain, self.key = self.hkdf(material, 2)
        self.note(name, self.chain)

    def mix_e(self, side, public):
        self.mix_hash("h_e_" + side, public)
        self.mix_key("ck_e_" + side, public)

    def mix_dh(self, name, secret, public):
        shared = sodium.crypto_scalarmult(secret, public)
        self.note("dh_" + name, shared)
        self.mix_key("ck_" + name, shared)
        self.note("k_" + name, self.key)

    def seal(self, name, text):
        sealed = seal(self.key, 0, self.hash, text)
        self.mix_hash(name, sealed)
        return sealed

    def unseal(self, name, sealed):
        text = unseal(self.key, 0, self.hash, sealed)
        self.mix_hash(name, sealed)
        return text

    def split(self):
        up, down = self.hkdf(b"", 2)
        self.note("k_up", up)
        self.note("k_down", down)
        return up, down


def init_head(time, cookie, token):
    """What stands before `sealed` without e: the prologue; e goes in after two bytes."""
    return b"\x01\x01" + struct.pack(">IB", time, len(cookie)) + cookie + token


def init_encode(e_secret, time, cookie, token, psk, gateway_public, frames):
    prologue = init_head(time, cookie, token)
    noise = Noise(prologue, gateway_public, psk)
    e_public = sodium.crypto_scalarmult_base(e_secret)
    noise.mix_e("client", e_public)
    noise.mix_dh("es", e_secret, gateway_public)
    sealed = noise.seal("h_init", frames)
    body = prologue[:2] + e_public + prologue[2:] + sealed
    return noise, body + blake128(psk, b"sampan-init-1", body)


def init_split(datagram):
    """The fields of an INIT by position (section 2.2); lengths and kind checked."""
    if not 233 <= len(datagram) <= DATAGRAM_MAX or datagram[:2] != b"\x01\x01":
        raise Protocol("length, kind or version")
    clen = datagram[38]
    if clen not in (0, 20) or len(datagram) < 233 + clen:
        raise Protocol("clen")
    at = 39 + clen
    return {"e": datagram[2:34], "time": int.from_bytes(datagram[34:38], "big"), "cookie": datagram[39:at],
            "token": datagram[at:at + 162], "sealed": datagram[at + 162:-16], "proof": datagram[-16:],
            "prologue": datagram[:2] + datagram[34:at + 162]}


def init_open(datagram, gateway_secret, keys):
    """The gateway's side: token, proof, es.  Returns the Noise state, INIT fields, frames."""
    gateway_public = sodium.crypto_scalarmult_base(gateway_secret)
    f = init_split(datagram)
    psk = token_open(f["token"], keys, gateway_public)["psk"]
    if not hmac.compare_digest(blake128(psk, b"sampan-init-1", datagram[:-16]), f["proof"]):
        raise Protocol("proof")
    noise = Noise(f["prologue"], gateway_public, psk)
    noise.mix_e("client", f["e"])
    noise.mix_dh("es", gateway_secret, f["e"])
    return noise, f, noise.unseal("h_init", f["sealed"])


def accept_plain(cid, reset, early, time, frames):
    return cid + reset + bytes([early]) + struct.pack(">I", time) + frames


def accept_encode(noise, e_secret, client_e, plain):
    e_public = sodium.crypto_scalarmult_base(e_secret)
    noise.mix_e("gateway", e_public)
    noise.mix_dh("ee", e_secret, client_e)
    return b"\x02" + e_public + noise.seal("h_accept", plain)


def accept_open(noise, datagram, client_secret):
    if not 78 <= len(datagram) <= DATAGRAM_MAX or datagram[0] != 2:
        raise Protocol("length or kind")
    noise.mix_e("gateway", datagram[1:33])
    noise.mix_dh("ee", client_secret, datagram[1:33])
    plain = noise.unseal("h_accept", datagram[33:])
    if plain[24] > 1:
        raise Protocol("early")
    return {"cid": plain[:8], "reset": plain[8:24], "early": plain[24],
            "time": int.from_bytes(plain[25:29], "big"), "frames": plain[29:]}


def early_verdict(frames):
    """What an INIT's frames lead to (section 2.3.6)."""
    try:
        decoded = decode_frames(frames, "up")
    except Protocol:
        return "silent"
    for f in decoded:
        whole = f["type"] == "msg:R" and not f["flags"] & 16
        pull = f["type"] == "PULL:R" and not f["flags"] & 1
        if not (whole or pull or f["type"] in ("OPTIONS", "PAD")):
            return "early0"
    return "early1"


# ------------------------------------------------------------------------------------- cookie, reset, hashes


def cookie_make(secret, ip, port, token, time):
    """Section 2.3.4: ip has 4 or 16 bytes."""
    stamp = struct.pack(">I", time)
    return stamp + blake128(secret, ip, struct.pack(">H", port), token[2:26], stamp)


def cid_make(cid_key, worker, random5):
    head = bytes([worker]) + random5
    return head + sodium.crypto_shorthash_siphash24(head, cid_key)[:2]


def reset_token(reset_key, cid):
    return blake128(reset_key, cid)


def body_hash(group, to, body):
    return hashlib.blake2b(bytes([group, len(to)]) + to + body, digest_size=32).digest()[:8]


# ------------------------------------------------------------------------------------------------- packets


def packet_seal(key, phase, cid, number, frames):
    """cid is empty downward."""
    head = bytes([0x40 | phase]) + cid + struct.pack(">H", number & 0xFFFF)
    return head + seal(key, number, head, frames)


def packet_open(key, datagram, cid_len, largest):
    if not 1 + cid_len + 18 <= len(datagram) <= DATAGRAM_MAX or datagram[0] not in (0x40, 0x41):
        raise Protocol("length or kind")
    head = datagram[:3 + cid_len]
    number = number_decode(int.from_bytes(head[-2:], "big"), largest)
    return datagram[0] & 1, number, unseal(key, number, head, datagram[len(head):])


def nearest(low, bits, want, tie_up):
    """Of all numbers 0..2^62-1 with these low bits, the one nearest to want."""
    size = 1 << bits
    base = (want & ~(size - 1)) | low
    fits = [n for n in (base - size, base, base + size) if 0 <= n < 1 << 62]
    return min(fits, key=lambda n: (abs(n - want), -n if tie_up else n))


def number_decode(low, largest):
    return nearest(low, 16, largest + 1, True)


class Window:
    """Replay window of 1024 numbers (section 3.4)."""

    def __init__(self):
        self.largest, self.marked = 0, {0}

    def receive(self, number):
        if self.largest - number >= 1024:
            return "old"
        if number in self.marked:
            return "seen"
        self.largest = max(self.largest, number)
        self.marked = {n for n in self.marked | {number} if self.largest - n < 1024}
        return "fresh"


def ack_ranges(frame, largest_sent, never):
    """The numbers an ACK names, newest first, as (lo, hi); never = numbers that must not be named."""
    hi = nearest(frame["largest"], 32, largest_sent, False)
    if hi > largest_sent:
        raise Protocol("a number that was not sent")
    lo = hi - frame["first"]
    out = [(lo, hi)]
    for gap, length in frame["ranges"]:
        hi = lo - gap - 1
        lo = hi - length + 1
        out.append((lo, hi))
    if out[-1][0] < 0:
        raise Protocol("below 0")
    if any(lo <= n <= hi for n in never for lo, hi in out):
        raise Protocol("a number that was skipped")
    return out
