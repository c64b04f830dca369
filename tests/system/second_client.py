"""A second client of the Sampan protocol, written from docs/protocol.md alone (the sections named below are its).

It is small on purpose: memory instead of a store on disk, no tickets, parts, groups or streams, and a session whose
link went dark is given up instead of waited for.  It does nothing by itself: whoever owns it calls run() until
something has happened.
"""
import collections
import hmac
import random
import select
import time

from second_link import OPTIONS, Attempt, Frame, Link, broken_type, receive, varied
from frames import Protocol, decode_frames, encode_frame  # found by second_link
from sealed import blob_decode

CONVERSATION_MAX = 64  # section 5.2
QUIET = ("PAD", "ACK", "CLOSE")  # section 4.1, rule 3: not ack-eliciting
OK, BUSY, DUP_EXPIRED, ACK_TOO_HIGH, NOT_BOUND = 0, 1, 6, 10, 11
BYE, REPLACED, REVOKED, GOING_AWAY, CLOSE_PROTOCOL, CLOSE_BUSY, AGED = 0, 1, 2, 3, 4, 7, 8


class Timeout(Exception):
    pass


class Entry:
    """A message of the waiting-ack queue (section 5.2)."""

    def __init__(self, msgid, to, body, flags):
        self.msgid, self.to, self.body, self.flags = msgid, to, body, flags
        self.state, self.not_before, self.frame = "QUEUED", 0.0, None
        self.ask_at, self.wait = None, None


Message = collections.namedtuple("Message", "seq sender device msgid time flags body")


class Client:
    """One device of one user: its queue, its inbox, and the session that serves them."""

    def __init__(self, line, pulls=True, phase_packets=1 << 20):
        """line: what `sampan token` prints, `BLOB DEVICE USER`.  pulls: False for one that only sends."""
        blob, device, user = line.split(b" ", 2)
        self.blob, self.device, self.user = blob_decode(blob), int(device), user.rstrip(b"\n")
        self.pulls, self.phase_packets = pulls, phase_packets
        now = time.monotonic()
        self.loaded_at, self.told = now, None
        self.attempt, self.link, self.address, self.attempt_wait, self.connect_at = None, None, 0, 4, now
        self.closed, self.history = None, []  # the last CLOSE; names of what happened to sessions
        self.id = 0
        # The queue.
        self.msgid, self.queue, self.states, self.asked = int(time.time()) << 32, {}, {}, {}
        self.done_sent, self.done_at = 0, 0.0
        # The inbox.
        self.epoch, self.cursor, self.confirmed, self.svr_seq = 0, 0, 0, 0
        self.held, self.skipped, self.identities, self.received = {}, [], set(), []
        self.forget_pulls()

    # --------------------------------------------------------------------------------------- for the app

    def send(self, to, body, four=False):
        self.msgid += 1
        self.queue[self.msgid] = Entry(self.msgid, to, body, 1 if four else 0)
        self.states[self.msgid] = 0
        return self.msgid

    def run(self, until, seconds, what="something"):
        """Lives until until() is true, at most so many seconds."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() > end:
                raise Timeout(f"{self.user.decode()} waited {seconds} s for {what}: {self.summary()}")
            self.step()

    def close(self):
        """The app ends."""
        self.end_attempt()
        self.connect_at = None
        if self.link is not None:
            self.link.say_close(BYE, 0)
            self.lose("BYE", time.monotonic(), None)

    def inject(self, data):
        """Sends these bytes as the content of one packet, right or wrong, and once."""
        self.link.packet(data, [], True, time.monotonic())

    def summary(self):
        states = collections.Counter(e.state for e in self.queue.values())
        return (f"history {self.history[-6:]}, session {self.link is not None}, queue {dict(states)}, received "
                f"{len(self.received)}, cursor {self.cursor}, confirmed {self.confirmed}, svr_seq {self.svr_seq}, "
                f"held {len(self.held)}, pull {self.pull}")

    # ------------------------------------------------------------------------------------------- the loop

    def step(self):
        now = time.monotonic()
        if self.link is None:
            self.connect(now)
        if self.link is not None:
            self.sender(now)
            self.receiver(now)
            self.keep_alive(now)
        if self.link is not None:
            self.link.transmit(now)
        sock = self.link.socket if self.link else self.attempt.socket if self.attempt else None
        if not select.select([sock] if sock else [], [], [], 0.01)[0]:
            return
        while sock.fileno() >= 0 and (datagram := receive(sock)) is not None:
            self.take(datagram, time.monotonic())

    def take(self, datagram, now):
        kind = datagram[0] if 0 < len(datagram) <= 1200 else None
        if kind == 0x02 and self.attempt:
            self.take_accept(datagram, now)
        elif kind == 0x03 and self.attempt:
            if self.attempt.retry(datagram, now):
                self.history.append("RETRY")
        elif kind == 0x04 and self.link and len(datagram) == 17:
            if hmac.compare_digest(datagram[1:], self.link.reset):
                self.lose("RESET", now, 0 if self.queue else random.random())
        elif kind in (0x40, 0x41) and self.link:
            text = self.link.open(datagram, now)
            if text is not None:
                self.take_frames(text, now)

    # ------------------------------------------------------------------------------------ session's life

    def clock(self, now):
        """The gateway's unix time as far as we know (section 2.3.2)."""
        if self.told:
            return int(self.told[0] + now - self.told[1])
        own = int(time.time())
        if self.blob["issued"] - 60 <= own <= self.blob["expires"]:
            return own
        return int(self.blob["issued"] + now - self.loaded_at)

    def connect(self, now):
        if self.attempt is not None and now >= self.attempt.ends:
            self.end_attempt()
            self.connect_at = now
        if self.attempt is None and self.connect_at is not None and now >= self.connect_at:
            addresses = self.blob["addresses"]
            self.attempt = Attempt(self.blob, addresses[self.address % len(addresses)], self.clock, now)
            self.attempt.ends = now + varied(self.attempt_wait)
            self.address += 1
            self.attempt_wait = min(self.attempt_wait * 2, 15)
            self.history.append("INIT")
        if self.attempt is not None:
            self.attempt.transmit(now)

    def end_attempt(self):
        if self.attempt is not None:
            self.attempt.socket.close()
            self.attempt = None

    def take_accept(self, datagram, now):
        opened = self.attempt.accept(datagram)
        if opened is None:
            return
        noise, accept = opened
        try:
            frames = decode_frames(accept["frames"], "down")
        except Protocol:
            self.end_attempt()
            self.connect_at = now + varied(4)
            return
        self.told = (accept["time"], now)
        self.link = Link(self.attempt.socket, noise, accept, now, self.phase_packets)
        self.attempt, self.attempt_wait = None, 4
        self.history.append("ACCEPT")
        self.closed = None
        # Section 2.3.5: the first DATA confirms the session.  With early = 0 the frames of the INIT were not taken.
        self.link.add(Frame({"type": "PING"} if accept["early"] else OPTIONS, "first"))
        self.link.ack_wanted = True
        self.process(frames, now)
        if self.pulls and self.link:
            self.start_pull(now)

    def lose(self, why, now, wait):
        """The session is over; connect again after `wait`, never if that is None.  Its messages keep their ids."""
        self.history.append(why)
        self.link.socket.close()
        self.link, self.connect_at = None, None if wait is None else now + wait
        for e in self.queue.values():
            if e.state == "SENT":
                e.state, e.frame, e.ask_at = "QUEUED", None, None
        self.forget_pulls()
        self.asked.clear()

    def keep_alive(self, now):
        """A PING before 25 s of silence; and the session is given up when nothing comes while something is asked."""
        link = self.link
        asking = min((f.first for f in link.frames if f.first is not None), default=now)
        if now - max(asking, link.heard) > 5 + 3 * link.pto():
            self.lose("dark", now, 0)
        elif now - max(link.spoke, link.heard) > 22:
            link.add(Frame({"type": "PING"}, "PING"))

    def take_close(self, f, now):
        self.closed = f
        wait = f["retry"] / 10 + random.uniform(0, f["retry"] / 10)
        after = {REPLACED: None, REVOKED: None, GOING_AWAY: wait, CLOSE_BUSY: wait, AGED: 0}
        self.lose(f"CLOSE({f['code']})", now, after.get(f["code"], varied(4)))

    # --------------------------------------------------------------------------------------------- frames

    def take_frames(self, text, now):
        link = self.link
        try:
            cause = 0
            try:
                frames = decode_frames(text, "down")
            except Protocol:
                cause = broken_type(text)
                raise
            cause = 0x01
            for f in frames:  # an ACK that lies spoils its whole datagram, so all are judged first
                if f["type"] == "ACK":
                    link.ack_named(f)
        except Protocol as e:
            link.say_close(CLOSE_PROTOCOL, cause)
            self.lose(f"we close: {e}", now, varied(4))
            return
        if any(f["type"] not in QUIET for f in frames):
            link.ack_wanted = True
        self.process(frames, now)

    def process(self, frames, now):
        table = {"ACK": self.link.take_ack, "CLOSE": self.take_close, "OPTIONS": self.take_options,
                 "PATH_CHALLENGE": self.take_challenge, "msg:A": self.take_msg_a, "ack:N": self.take_ack_n,
                 "STATUS:A": self.take_status, "msg:N": self.take_msg_n, "ack:A": self.take_ack_a,
                 "PULL:A": self.take_pull_a, "RESYNC": self.take_resync, "TIP": self.take_tip}
        for f in frames:
            if f["type"] in table and self.link is not None:
                table[f["type"]](f, now)

    def take_options(self, f, _):
        peer = self.link.peer
        if peer["rev"] is None or 1 <= (f["rev"] - peer["rev"]) % 256 <= 127:
            peer.update(rev=f["rev"], ackdelay=f["ackdelay"], inbox=max(1, f["inbox"]))

    def take_challenge(self, f, _):
        self.link.once = [o for o in self.link.once if o["type"] != "PATH_RESPONSE"]
        self.link.once.append({"type": "PATH_RESPONSE", "data": f["data"]})

    def new_id(self):
        """1..65535; with so few unanswered at a time, one that comes round again is free."""
        self.id = self.id % 65535 + 1
        return self.id

    # --------------------------------------------------------------------------------- sending (section 5.2)

    def sender(self, now):
        self.send_queued(now)
        self.ask(now)
        floor = min(self.queue, default=self.msgid + 1) - 1
        if floor > self.done_sent and floor & 0xFFFFFFFF and now - self.done_at >= 1:
            self.done_sent, self.done_at = floor, now
            self.link.add(Frame({"type": "DONE", "msgid": floor}, "DONE"))

    def send_queued(self, now):
        sent = [e for e in self.queue.values() if e.state == "SENT"]
        room, in_conversation = self.link.peer["inbox"] - len(sent), collections.Counter(e.to for e in sent)
        last = {}  # recipient: newest unanswered entry so far
        for e in self.queue.values():
            if e.state == "QUEUED" and e.not_before <= now and room > 0 and in_conversation[e.to] < CONVERSATION_MAX:
                fields = {"type": "msg:R", "flags": e.flags, "msgid": e.msgid, "to": e.to, "body": e.body}
                if e.to in last:
                    fields.update(flags=e.flags | 2, after=last[e.to])
                e.frame, e.state = self.link.add(Frame(fields)), "SENT"
                e.ask_at, e.wait = None, max(3 if e.flags & 1 else 1, 3 * self.link.pto())
                room -= 1
                in_conversation[e.to] += 1
            if e.state in ("QUEUED", "SENT"):
                last[e.to] = e.msgid

    def ask(self, now):
        """STATUS:R for entries whose answer is late: T1 from the link's acknowledgment, T2 for a safe one."""
        late = []
        for e in self.queue.values():
            if e.state == "SENT" and e.frame.acked and e.ask_at is None:
                e.ask_at = now + varied(e.wait)
            if e.state in ("SENT", "SAFE") and e.ask_at is not None and e.ask_at <= now and len(late) < 32:
                late.append(e.msgid)
                e.wait = min(e.wait * 2, 3600 if e.state == "SAFE" else 60)
                e.ask_at = now + varied(e.wait)
        if late:
            asked = self.new_id()
            self.asked[asked] = late
            self.link.add(Frame({"type": "STATUS:R", "id": asked, "msgids": late}))

    def answered(self, msgid, state, now):
        """state: that of section 1.  It never goes down."""
        e = self.queue.get(msgid)
        if isinstance(self.states.get(msgid), int):
            self.states[msgid] = max(self.states[msgid], state)
        if e is None:
            return
        if state in (3, 4) or state >= 9:
            self.finish(e)
        elif e.state != "SAFE":
            self.withdraw(e)
            e.state, e.body, e.wait = "SAFE", None, 60
            e.ask_at = now + varied(60)

    def withdraw(self, e):
        if e.frame is not None and self.link is not None:
            self.link.withdraw(e.frame)
        e.frame = None

    def finish(self, e):
        self.withdraw(e)
        del self.queue[e.msgid]

    def take_msg_a(self, f, now):
        e = self.queue.get(f["msgid"])
        if f["code"] == OK:
            self.answered(f["msgid"], f["state"], now)
        elif e is None or e.state not in ("QUEUED", "SENT"):
            return
        elif f["code"] == BUSY:
            if e.state == "SENT":
                self.withdraw(e)
                retry = f["retry"] / 10 or 1
                e.state, e.not_before = "QUEUED", now + retry + random.uniform(0, retry)
        else:
            self.states[f["msgid"]] = "UNKNOWN" if f["code"] == DUP_EXPIRED else f"FAILED({f['code']})"
            self.finish(e)

    def take_ack_n(self, f, now):
        self.answered(f["msgid"], f["state"], now)

    def take_status(self, f, now):
        asked = self.asked.pop(f["id"], None)
        if asked is None or len(asked) != len(f["states"]):
            return
        for msgid, (state, _) in zip(asked, f["states"]):
            e = self.queue.get(msgid)
            if state:
                self.answered(msgid, state, now)
            elif e is not None and e.state == "SENT":
                self.withdraw(e)
                e.state = "QUEUED"

    # ------------------------------------------------------------------------------- receiving (section 5.4)

    def forget_pulls(self):
        self.pull, self.pull_at, self.pull_wait, self.goal = None, None, 0, None
        self.may_pull, self.hole_at, self.pull_again = True, None, False
        self.ack_at, self.ack_wait, self.ack_id, self.ack_again = None, 5, None, None

    def start_pull(self, now):
        """A new pull, unless one is outstanding: then another one follows its answer."""
        if not self.may_pull or self.pull is not None:
            self.pull_again = self.may_pull
            return
        self.pull_again, self.goal, self.hole_at = False, None, None
        self.pull = {"type": "PULL:R", "flags": 1 if self.epoch else 0, "id": self.new_id(), "cursor": self.cursor,
                     "epoch": self.epoch, "max": 500, "ranges": self.ranges() if self.epoch else []}
        self.pull_wait = max(2, 3 * self.link.pto())
        self.pull_at = now + varied(self.pull_wait)
        self.link.add(Frame(self.pull, "PULL:R"))

    def ranges(self):
        """What is held above the cursor, in at most 8 ranges."""
        out = []
        for seq in sorted(self.held):
            if out and out[-1][1] == seq - 1:
                out[-1][1] = seq
            elif len(out) < 8:
                out.append([seq, seq])
            else:
                break
        return out

    def receiver(self, now):
        if self.pull is not None and now >= self.pull_at:  # no answer: the same pull again
            self.pull_wait = min(self.pull_wait * 2, 30)
            self.pull_at = now + varied(self.pull_wait)
            self.link.add(Frame(self.pull, "PULL:R"))
        if self.pull is None and self.may_pull and self.pulls:
            self.see_to_holes(now)
        if self.ack_at is not None and now >= self.ack_at:
            self.confirm(now)
        elif self.ack_again is not None and now >= self.ack_again:
            self.ack_wait = min(self.ack_wait * 2, 60)
            self.confirm(now)

    def see_to_holes(self, now):
        if not self.held:
            self.hole_at = None
        elif self.hole_at is None:
            self.hole_at = now + min(max(2 * self.link.pto(), 0.05), 0.7)
        if self.pull_again or (self.hole_at is not None and now >= self.hole_at):
            self.start_pull(now)
        elif self.goal is not None and self.cursor >= self.goal:
            self.start_pull(now)

    def confirm(self, now):
        self.ack_id, self.ack_at, self.ack_again = self.new_id(), None, now + varied(self.ack_wait)
        self.link.add(Frame({"type": "ack:R", "kind": 1, "id": self.ack_id, "cursor": self.cursor,
                             "ranges": self.ranges()}, "ack:R 1"))

    def take_msg_n(self, f, now):
        if self.ack_at is None:
            self.ack_at = now + 0.02  # a message seen before causes an ack:R as well
        if f["flags"] & 16 or f["seq"] <= self.cursor or f["seq"] in self.held:
            return
        self.held[f["seq"]] = Message(f["seq"], f["from"], f["device"], f["msgid"], f["time"], f["flags"], f["body"])
        self.advance()

    def advance(self):
        """Hands up what has no hole before it; here the list of the app is where it is persisted."""
        while True:
            m = self.held.pop(self.cursor + 1, None)
            if m is not None:
                self.cursor += 1
                if (m.sender, m.device, m.msgid) not in self.identities:
                    self.identities.add((m.sender, m.device, m.msgid))
                    self.received.append(m)
            else:
                to = max((hi for lo, hi, _ in self.skipped if lo <= self.cursor + 1 <= hi), default=None)
                if to is None:
                    break
                self.cursor = to
            self.hole_at = None
        self.skipped = [s for s in self.skipped if s[1] > self.cursor]
        self.held = {seq: m for seq, m in self.held.items() if seq > self.cursor}

    def take_pull_a(self, f, now):
        if self.pull is None or f["id"] != self.pull["id"]:
            return
        if f["code"] == BUSY:
            return  # the timer sends the same pull again
        self.pull, self.hole_at = None, None
        self.confirmed, self.svr_seq = f["confirmed"], f["svr_seq"]
        if f["code"] == OK:
            self.skipped += f["skipped"]
            self.goal = f["to"] if f["to"] < f["svr_seq"] else None
            self.advance()
            if f["skipped"]:
                self.ack_at = now + 0.02
        elif f["code"] == ACK_TOO_HIGH:  # only the first pull of a session may say how far earlier ones came
            self.lose("PULL:A(ACK_TOO_HIGH)", now, 0)
        else:
            self.may_pull = False

    def take_resync(self, f, now):
        if f["id"] != 0 and (self.pull is None or f["id"] != self.pull["id"]):
            return  # an answer to a pull that is answered already
        self.history.append("RESYNC")
        self.epoch, self.cursor, self.pull = f["epoch"], f["lo"], None
        self.held.clear()
        self.skipped.clear()
        self.ack_at = self.ack_again = None
        self.start_pull(now)

    def take_ack_a(self, f, now):
        if f["id"] != self.ack_id:
            return
        self.ack_again = None
        if f["code"] == OK:
            self.confirmed, self.ack_wait = max(self.confirmed, f["confirmed"]), 5
        elif f["code"] in (ACK_TOO_HIGH, NOT_BOUND):
            self.start_pull(now)
        else:  # BUSY
            self.ack_again = now + varied(self.ack_wait)

    def take_tip(self, _, now):
        if self.pulls:
            self.start_pull(now)
