"""The link layer of the second client, written from docs/protocol.md alone (the sections named below are its).

The bytes come from tests/vectors, which share no code with the library either.  It is small on purpose: one timer per
frame instead of redundancy, and a fixed window.  It knows nothing of messages.
"""
import collections
import copy
import ipaddress
import os
import random
import select
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors"))
from frames import Protocol, decode_frames, encode_frame  # noqa: E402
from sealed import (Window, accept_open, ack_ranges, init_encode, number_decode, packet_open,  # noqa: E402
                    packet_seal, rekey)

UP_FRAMES_MAX = 1173  # section 3.1
INIT_FRAMES = 967  # section 2.2: an INIT without cookie has exactly 1200 bytes
PACKETS_IN_FLIGHT = 16  # ours: a fixed window instead of section 6, rule 12
BACKOFF = (1, 1, 1, 1.5, 2, 3, 4)  # section 6, rule 4
OPTIONS = {"type": "OPTIONS", "rev": 1, "ackdelay": 10, "keepalive": 25, "datagram": 1200, "inbox": 64, "flags": 0}


def varied(seconds, share=0.2):
    return seconds * random.uniform(1 - share, 1 + share)


def broken_type(data):
    """The type byte of the first frame that does not parse: frames end wherever a prefix parses to its end."""
    good = 0
    for end in range(len(data)):
        try:
            decode_frames(data[:end], "down")
            good = end
        except Protocol:
            pass
    return data[good] if data else 0


def post(sock, datagram):
    try:
        sock.send(datagram)
    except OSError:
        pass  # as if lost on the way


def receive(sock):
    try:
        return sock.recv(2048)
    except OSError:
        return None


class Attempt:
    """One try to open a session: INIT, its copies, RETRY, ACCEPT (section 2.3.3)."""

    def __init__(self, blob, address, clock, now):
        self.blob, self.clock = blob, clock
        self.cookie, self.retries, self.ends = b"", 0, None
        ip, port = address
        target = (str(ipaddress.ip_address(ip)), port)
        self.socket = socket.socket(socket.AF_INET if len(ip) == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(target)
        self.make(now)

    def make(self, now):
        """A new e goes with every changed INIT; copies of one INIT are the same bytes."""
        self.secret = os.urandom(32)
        options = encode_frame(OPTIONS)
        frames = options if self.cookie else options.ljust(INIT_FRAMES, b"\0")
        self.noise, self.init = init_encode(self.secret, self.clock(now), self.cookie, self.blob["token"],
                                            self.blob["psk"], self.blob["public"], frames)
        self.copies = [now] + [now + varied(s, 0.1) for s in (0.4, 1, 2)]

    def transmit(self, now):
        while self.copies and self.copies[0] <= now:
            self.copies.pop(0)
            post(self.socket, self.init)

    def retry(self, datagram, now):
        if len(datagram) == 29 and datagram[1:9] == self.init[2:10] and self.retries < 3:
            self.retries += 1
            self.cookie = datagram[9:]
            self.make(now)
            return True
        return False

    def accept(self, datagram):
        """The session's Noise state and the fields of ACCEPT, or None; a wrong ACCEPT must not spoil a later one."""
        noise = copy.deepcopy(self.noise)
        try:
            return noise, accept_open(noise, datagram, self.secret)
        except (Protocol, RuntimeError):  # RuntimeError: X25519 gave zeros
            return None


class Frame:
    """A frame that is sent again until a packet that held it is acknowledged.  key: see 'newest' in section 4.1."""

    def __init__(self, fields, key=None):
        self.fields, self.data, self.key = fields, encode_frame(fields), key
        self.due, self.tries, self.first, self.acked = 0.0, 0, None, False


Sent = collections.namedtuple("Sent", "at frames eliciting")


class Link:
    """Packets of one session (sections 3, 4.2 and 6)."""

    def __init__(self, sock, noise, accept, now, phase_packets):
        self.socket, self.cid, self.reset = sock, accept["cid"], accept["reset"]
        self.key_up, self.key_down = noise.split()
        self.key_old, self.old_until = None, 0.0
        self.phase_up = self.phase_down = 0
        self.phase_packets, self.phase_first, self.phase_acked = phase_packets, 1, False
        self.number, self.largest_acked, self.omitted = 0, 0, collections.deque(maxlen=16)
        self.omit_next = random.randint(256, 1024)
        self.never = [] if accept["early"] else [0]
        self.sent, self.frames, self.once = {}, [], []
        self.since_eliciting = 0
        self.window, self.largest_at = Window(), now
        self.ack_wanted = False
        self.judged, self.loss = 0, [0.0, 0.0]
        self.srtt, self.rttvar, self.min_rtt = 0.25, 0.06, None
        self.peer = {"ackdelay": 5, "inbox": 256, "rev": None}
        self.heard = self.spoke = now
        self.flips = 0

    # ------------------------------------------------------------------------------------------ sending

    def pto(self):
        return self.srtt + max(3 * self.rttvar, 0.005) + self.peer["ackdelay"] / 1000

    def add(self, frame):
        if frame.key is not None:
            self.frames = [f for f in self.frames if f.key != frame.key]
        self.frames.append(frame)
        return frame

    def withdraw(self, frame):
        if frame in self.frames:
            self.frames.remove(frame)

    def next_number(self):
        self.number += 1
        if self.number == self.omit_next:  # section 3.2: whoever acknowledges this one is lying
            self.omitted.append(self.number)
            self.omit_next += random.randint(256, 1024)
            self.number += 1
        return self.number

    def packet(self, data, frames, eliciting, now):
        if self.number - self.phase_first >= self.phase_packets and self.phase_acked:
            self.key_up, self.phase_up, self.phase_acked = rekey(self.key_up), self.phase_up ^ 1, False
            self.phase_first = self.number + 1
            self.flips += 1
        number = self.next_number()
        self.sent[number] = Sent(now, frames, eliciting)
        self.sent.pop(number - 4096, None)
        post(self.socket, packet_seal(self.key_up, self.phase_up, self.cid, number, data))
        self.spoke = now

    def in_flight(self, now):
        limit = now - self.pto()
        return sum(1 for s in self.sent.values() if s.eliciting and s.at > limit)

    def transmit(self, now):
        """Everything that is due, in as many datagrams as it takes and the window allows."""
        while True:
            blocked = self.in_flight(now) >= PACKETS_IN_FLIGHT or self.number - self.largest_acked > 16000
            due = [] if blocked else [f for f in self.frames if f.due <= now]
            if not due and not self.once and not self.ack_wanted:
                return
            data = encode_frame(self.ack(now)) if self.window.marked != {0} or self.ack_wanted else b""
            eliciting, taken = bool(self.once), []
            for frame in self.once:
                data += encode_frame(frame)
            for f in due:
                if len(data) + len(f.data) > UP_FRAMES_MAX:
                    break
                data += f.data
                f.due = now + self.pto() * BACKOFF[min(f.tries, len(BACKOFF) - 1)]
                f.due = min(f.due, now + 3)
                f.tries += 1
                f.first = now if f.first is None else f.first
                taken.append(f)
            self.since_eliciting += 1
            if not taken and not eliciting and self.since_eliciting >= 255:
                data, eliciting = data + encode_frame({"type": "PING"}), True
            if taken or eliciting:
                eliciting, self.since_eliciting = True, 0
            self.once, self.ack_wanted = [], False
            self.packet(data, taken, eliciting, now)

    def ack(self, now):
        """The newest runs of what was received, each as long as its byte allows (section 4.2)."""
        marked, largest = self.window.marked, self.window.largest
        low, runs = largest - 1023, []
        n = largest
        while n >= max(0, low) and len(runs) < 8:
            hi = n
            while n in marked:
                n -= 1
            runs.append((n + 1, hi))
            while n >= max(0, low) and n not in marked:
                n -= 1
        first = min(runs[0][1] - runs[0][0], 255)
        ranges, below = [], runs[0][0]
        cut = runs[0][1] - runs[0][0] > 255
        for lo, hi in runs[1:]:
            gap = below - hi - 1
            if cut or gap > 255:
                break
            ranges.append((gap, min(hi - lo + 1, 255)))
            cut, below = hi - lo + 1 > 255, lo
        return {"type": "ACK", "largest": largest & 0xFFFFFFFF, "delay": min(int((now - self.largest_at) * 4000), 255),
                "loss": int(max(self.loss) * 255), "first": first, "ranges": ranges}

    # ---------------------------------------------------------------------------------------- receiving

    def open(self, datagram, now):
        """The content of a DATA datagram, or None if it is to be dropped (sections 2.4, 3.3 and 3.4)."""
        if len(datagram) < 19:
            return None
        largest = self.window.largest
        number = number_decode(int.from_bytes(datagram[1:3], "big"), largest)
        if number == 0 or largest - number >= 1024 or number in self.window.marked:
            return None
        other = datagram[0] & 1 != self.phase_down
        flip = other and number > largest
        key = rekey(self.key_down) if flip else self.key_old if other else self.key_down
        if key is None or (other and not flip and now > self.old_until):
            return None
        try:
            text = packet_open(key, datagram, 0, largest)[2]
        except Protocol:
            return None
        if flip:
            self.key_old, self.old_until = self.key_down, now + 3 * self.pto()
            self.key_down, self.phase_down = key, self.phase_down ^ 1
        self.window.receive(number)
        if self.window.largest == number:
            self.largest_at = now
        self.heard = now
        self.judge()
        return text

    def judge(self):
        """Section 4.2, `loss`: each number is judged once, when it is 64 below the largest."""
        while self.judged < self.window.largest - 64:
            self.judged += 1
            for i, weight in enumerate((32, 128)):
                self.loss[i] += ((self.judged not in self.window.marked) - self.loss[i]) / weight

    def say_close(self, code, cause):
        """CLOSE, and the keys kept for 3 PTO to say it again upon the 1st, 2nd, 4th, 8th... packet (section 2.4)."""
        close = encode_frame({"type": "CLOSE", "code": code, "cause": cause, "retry": 0})
        end, heard = time.monotonic() + 3 * self.pto(), 0
        self.packet(close, [], False, time.monotonic())
        while (left := end - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                if self.open(receive(self.socket) or b"", time.monotonic()) is not None:
                    heard += 1
                    if heard & (heard - 1) == 0:
                        self.packet(close, [], False, time.monotonic())

    def ack_named(self, ack):
        """The ranges an ACK names; Protocol if an honest receiver cannot have sent it."""
        return ack_ranges(ack, self.number, self.never + list(self.omitted))

    def take_ack(self, ack, now):
        ranges = self.ack_named(ack)
        largest, fresh = ranges[0][1], False
        self.largest_acked = max(self.largest_acked, largest)
        for number in [n for n in self.sent if any(lo <= n <= hi for lo, hi in ranges)]:
            sent = self.sent.pop(number)
            fresh = True
            self.phase_acked = self.phase_acked or number >= self.phase_first
            if number == largest and sent.eliciting:
                self.sample(now - sent.at, ack["delay"] / 4000)
            for f in sent.frames:
                f.acked = True
        if fresh:
            self.frames = [f for f in self.frames if not f.acked]
            for f in self.frames:
                f.tries = min(f.tries, 1)

    def sample(self, rtt, delay):
        """RFC 6298 with the delay of the peer taken out (section 6, rule 3)."""
        first = self.min_rtt is None
        self.min_rtt = rtt if first else min(self.min_rtt, rtt)
        if rtt - delay >= self.min_rtt:
            rtt -= delay
        if first:
            self.srtt, self.rttvar = rtt, rtt / 2
            return
        self.rttvar += (abs(self.srtt - rtt) - self.rttvar) / 4
        self.srtt += (rtt - self.srtt) / 8
