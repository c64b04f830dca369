"""Inputs of the vectors: what reader.py --write turns into vectors.json and the text files."""

import base64
import struct

import sealed
from frames import decode_frames, encode_frame
from sealed import blob_encode, token_plain, token_seal


def h(*parts):
    return b"".join(parts).hex()


def be(value, size):
    return value.to_bytes(size, "big")


HANDSHAKE = {
    # the first vectors of docs/protocol.md, section 9
    "token_key": bytes(range(32)).hex(), "kid": "00", "gateway_secret": "07" * 32, "psk": "01" * 32,
    "token_id": "02" * 8, "token_nonce": "03" * 24, "issued": h(be(1700000000, 4)),
    "expires": h(be(1700000600, 4)), "device": h(be(5, 4)), "rights": "0003", "class": "00", "uid": b"alice".hex(),
    "client_e_secret": "04" * 32, "gateway_e_secret": "05" * 32, "time": h(be(1700000001, 4)),
    "accept_time": h(be(1700000001, 4)), "cid": "0001020304050607", "reset": "06" * 16, "early": "01",
    "init_pads": h(be(967, 2)), "up_1_frames": "02", "up_2_frames": "02",
    # added: OPTIONS and an ACK of packet 0 down, then phase 1; a ticket
    "down_1_frames": "0601050019" + "04b001000000" + "0100000000140a0000", "down_2_frames": "02",
    "ticket_key": "20" * 32, "ticket_kid": "07", "ticket_psk": "21" * 32, "ticket_id": "22" * 8,
    "ticket_nonce": "23" * 24, "ticket_expires": h(be(1700604800, 4)),
}

M1 = 0x6553F10100000001  # install epoch 1700000001, counter 1
OPTIONS_UP = {"type": "OPTIONS", "rev": 1, "ackdelay": 10, "keepalive": 25, "datagram": 1200, "inbox": 64, "flags": 0}
OPTIONS_DOWN = {**OPTIONS_UP, "ackdelay": 5, "inbox": 256}
MSG = {"type": "msg:R", "flags": 0x20, "msgid": M1, "to": b"bob", "body": b"hello"}
PULL = {"type": "PULL:R", "flags": 0, "id": 1, "cursor": 0, "epoch": 0, "max": 500, "ranges": []}
PULL_A = {"type": "PULL:A", "code": 0, "id": 2, "epoch": 0x1122334455667788, "to": 200, "svr_seq": 200,
          "confirmed": 150, "skipped": [[121, 150, 1]]}
NOTICE = {"type": "msg:N", "flags": 0x20, "seq": 101, "msgid": M1, "device": 5, "time": 1700000001234,
          "from": b"alice", "body": b"hello"}
PART = bytes(i % 251 for i in range(1000))


def good_frames():
    """name, direction, frames: one of each type, then the edges of each range."""
    both = [
        ("pad_one", [{"type": "PAD", "count": 1}]),
        ("pad_many", [{"type": "PAD", "count": 40}]),
        ("empty", []),
        ("ack_zero", [{"type": "ACK", "largest": 0, "delay": 0, "loss": 0, "first": 0, "ranges": []}]),
        ("ack_gaps", [{"type": "ACK", "largest": 1000, "delay": 20, "loss": 51, "first": 9,
                       "ranges": [[1, 5], [2, 1], [255, 255]]}]),
        ("ack_full", [{"type": "ACK", "largest": 0xFFFFFFFF, "delay": 255, "loss": 255, "first": 255,
                       "ranges": [[1, 1]] * 7}]),
        ("ping", [{"type": "PING"}]),
        ("path_challenge", [{"type": "PATH_CHALLENGE", "data": bytes(range(8))}]),
        ("path_response", [{"type": "PATH_RESPONSE", "data": bytes(range(8))}]),
        ("close_bye", [{"type": "CLOSE", "code": 0, "cause": 0, "retry": 0}]),
        ("close_protocol_ack", [{"type": "CLOSE", "code": 4, "cause": 1, "retry": 0}]),
        ("close_going_away", [{"type": "CLOSE", "code": 3, "cause": 0, "retry": 300}]),
        ("close_unknown_code", [{"type": "CLOSE", "code": 200, "cause": 0, "retry": 0}]),
        ("options_up", [OPTIONS_UP]),
        ("options_down", [OPTIONS_DOWN]),
        ("options_extremes", [{"type": "OPTIONS", "rev": 255, "ackdelay": 255, "keepalive": 0, "datagram": 0,
                               "inbox": 65535, "flags": 65535}]),
        ("stream_data", [{"type": "STREAM_DATA", "stream": 1, "offset": 0, "bytes": b"GET /"}]),
        ("stream_data_high", [{"type": "STREAM_DATA", "stream": 0xFFFFFFFF, "offset": (1 << 62) - 2,
                               "bytes": b"x"}]),
        ("stream_window", [{"type": "STREAM_WINDOW", "stream": 1, "limit": 262144}]),
        ("stream_window_session", [{"type": "STREAM_WINDOW", "stream": 0, "limit": 1048576}]),
        ("stream_close", [{"type": "STREAM_CLOSE", "stream": 1, "final": 5}]),
        ("stream_reset", [{"type": "STREAM_RESET", "stream": 2, "code": 1}]),
        ("ack_then_ping", [{"type": "ACK", "largest": 7, "delay": 1, "loss": 0, "first": 7, "ranges": []},
                           {"type": "PING"}, {"type": "PAD", "count": 3}]),
    ]
    up = [
        ("msg_r", [MSG]),
        ("msg_r_four", [{**MSG, "flags": 0x21}]),
        ("msg_r_after", [{**MSG, "flags": 0x22, "msgid": M1 + 1, "after": M1}]),
        ("msg_r_ttl", [{**MSG, "flags": 0x24, "ttl": 3600}]),
        ("msg_r_group", [{**MSG, "flags": 0x28, "to": b"crew"}]),
        ("msg_r_interactive", [{**MSG, "flags": 0}]),
        ("msg_r_bulk", [{**MSG, "flags": 0x40}]),
        ("msg_r_all", [{**MSG, "flags": 0x2F, "msgid": M1 + 9, "after": M1 + 8, "ttl": 1, "to": b"g" * 64}]),
        ("msg_r_empty_body", [{**MSG, "body": b""}]),
        ("msg_r_largest_body", [{**MSG, "flags": 0x2F, "msgid": M1 + 9, "after": 1, "ttl": 0xFFFFFFFF,
                                 "to": b"t" * 64, "body": PART}]),
        ("msg_r_part_0", [{**MSG, "flags": 0x36, "msgid": M1 + 2, "index": 0, "count": 3, "after": M1 + 1,
                           "ttl": 60, "body": PART}]),
        ("msg_r_part_1", [{"type": "msg:R", "flags": 0x36, "msgid": M1 + 2, "index": 1, "count": 3, "body": PART}]),
        ("msg_r_part_last", [{"type": "msg:R", "flags": 0x36, "msgid": M1 + 2, "index": 2, "count": 3,
                              "body": b"z"}]),
        ("msg_r_part_65", [{"type": "msg:R", "flags": 0x30, "msgid": M1 + 3, "index": 65, "count": 66,
                            "body": b"z" * 536}]),
        ("msg_r_two", [MSG, {**MSG, "flags": 0x22, "msgid": M1 + 1, "after": M1, "body": b"again"}]),
        ("ack_r", [{"type": "ack:R", "kind": 1, "id": 3, "cursor": 150, "ranges": []}]),
        ("ack_r_read", [{"type": "ack:R", "kind": 2, "id": 4, "cursor": 140, "ranges": [[145, 145]]}]),
        ("ack_r_silent", [{"type": "ack:R", "kind": 129, "id": 5, "cursor": 0, "ranges": []}]),
        ("ack_r_ranges", [{"type": "ack:R", "kind": 1, "id": 65535, "cursor": 10,
                           "ranges": [[11 + 4 * i, 12 + 4 * i] for i in range(8)]}]),
        ("ack_r_adjacent", [{"type": "ack:R", "kind": 1, "id": 6, "cursor": 10, "ranges": [[12, 12], [13, 14]]}]),
        ("pull_r_first", [PULL]),
        ("pull_r_confirming", [{**PULL, "flags": 1, "id": 2, "cursor": 150, "epoch": 0x1122334455667788}]),
        ("pull_r_holes", [{**PULL, "flags": 1, "id": 3, "cursor": 150, "epoch": 0x1122334455667788, "max": 1,
                           "ranges": [[152, 160], [162, 0xFFFFFFFF]]}]),
        ("pull_r_max_clamped", [{**PULL, "max": 0}]),
        ("status_r", [{"type": "STATUS:R", "id": 9, "msgids": [M1, M1 + 1]}]),
        ("status_r_full", [{"type": "STATUS:R", "id": 9, "msgids": [M1 + i for i in range(32)]}]),
        ("done", [{"type": "DONE", "msgid": M1}]),
        ("ctrl_r", [{"type": "CTRL:R", "op": 7, "id": M1, "map": bytes.fromhex("8101c40463726577")}]),
        ("ctrl_r_bad_map", [{"type": "CTRL:R", "op": 7, "id": M1, "map": bytes.fromhex("ddffffffff")}]),
        ("ctrl_r_empty", [{"type": "CTRL:R", "op": 0, "id": M1, "map": b""}]),
        ("stream_open", [{"type": "STREAM_OPEN", "stream": 1, "service": 3}]),
        ("first_flight", [OPTIONS_UP, PULL, MSG]),
    ]
    down = [
        ("ticket", [{"type": "TICKET", "life": 604800, "psk": b"\x21" * 32, "ticket": b"\x24" * 162}]),
        ("msg_a", [{"type": "msg:A", "code": 0, "msgid": M1, "seq": 101, "state": 1, "retry": 0}]),
        ("msg_a_stored", [{"type": "msg:A", "code": 0, "msgid": M1, "seq": 101, "state": 2, "retry": 0}]),
        ("msg_a_group", [{"type": "msg:A", "code": 0, "msgid": M1, "seq": 0, "state": 1, "retry": 0}]),
        ("msg_a_busy", [{"type": "msg:A", "code": 1, "msgid": M1, "seq": 0, "state": 0, "retry": 15}]),
        ("msg_a_quota", [{"type": "msg:A", "code": 5, "msgid": M1, "seq": 0, "state": 0, "retry": 0}]),
        ("msg_n", [NOTICE]),
        ("msg_n_four", [{**NOTICE, "flags": 0x21}]),
        ("msg_n_group", [{**NOTICE, "flags": 0x28, "group": b"crew"}]),
        ("msg_n_largest", [{**NOTICE, "flags": 0x39, "seq": 0xFFFFFFFF, "index": 0, "count": 66, "from": b"f" * 64,
                            "group": b"g" * 64, "time": (1 << 48) - 1, "body": PART}]),
        ("msg_n_part_1", [{"type": "msg:N", "flags": 0x39, "seq": 0xFFFFFFFF, "index": 1, "count": 66,
                           "body": PART}]),
        ("msg_n_part_last", [{"type": "msg:N", "flags": 0x30, "seq": 102, "index": 1, "count": 2, "body": b"z"}]),
        ("ack_a", [{"type": "ack:A", "id": 3, "code": 0, "confirmed": 150}]),
        ("ack_a_too_high", [{"type": "ack:A", "id": 4, "code": 10, "confirmed": 40}]),
        ("ack_n_stored", [{"type": "ack:N", "msgid": M1, "state": 2}]),
        ("ack_n_delivered", [{"type": "ack:N", "msgid": M1, "state": 3}]),
        ("ack_n_ended", [{"type": "ack:N", "msgid": M1, "state": 9}]),
        ("ack_n_unknown_end", [{"type": "ack:N", "msgid": M1, "state": 255}]),
        ("ack_n_group", [{"type": "ack:N group", "msgid": M1, "final": 0, "total": 5, "stored": 5, "delivered": 3,
                          "read": 0}]),
        ("ack_n_group_final", [{"type": "ack:N group", "msgid": M1, "final": 1, "total": 5, "stored": 5,
                                "delivered": 5, "read": 2}]),
        ("tip", [{"type": "TIP", "svr_seq": 200}]),
        ("pull_a", [PULL_A]),
        ("pull_a_empty", [{**PULL_A, "to": 0, "svr_seq": 0, "confirmed": 0, "skipped": []}]),
        ("pull_a_adjacent", [{**PULL_A, "skipped": [[121, 150, 1], [151, 160, 2], [170, 200, 5]]}]),
        ("pull_a_full", [{**PULL_A, "skipped": [[2 * i + 1, 2 * i + 1, 3] for i in range(64)]}]),
        ("pull_a_too_high", [{**PULL_A, "code": 10, "to": 150, "skipped": []}]),
        ("pull_a_new_why", [{**PULL_A, "skipped": [[121, 150, 77]]}]),
        ("resync", [{"type": "RESYNC", "why": 1, "id": 1, "epoch": 0x1122334455667788, "lo": 150, "hi": 200}]),
        ("resync_unasked", [{"type": "RESYNC", "why": 2, "id": 0, "epoch": 1, "lo": 0, "hi": 0}]),
        ("status_a", [{"type": "STATUS:A", "id": 9, "states": [[3, 101], [0, 0], [12, 7]]}]),
        ("ctrl_a", [{"type": "CTRL:A", "code": 0, "id": M1, "map": bytes.fromhex("8103c3")}]),
        ("ctrl_a_bad", [{"type": "CTRL:A", "code": 9, "id": M1, "map": b""}]),
        ("ctrl_n", [{"type": "CTRL:N", "op": 2, "id": 1, "map": bytes.fromhex("8201c404637265770205")}]),
        ("accept_flight", [OPTIONS_DOWN, {"type": "msg:A", "code": 0, "msgid": M1, "seq": 1, "state": 2,
                                          "retry": 0}]),
    ]
    return ([(n, "both", f) for n, f in both] + [(n, "up", f) for n, f in up] + [(n, "down", f) for n, f in down])


def skipped_frames():
    """Frames of types 0x80 and above: skipped, with whatever stands beside them."""
    return [("unknown_empty", "both", "ff0000"), ("unknown_before_ping", "both", "800003616263" + "02"),
            ("unknown_like_frames", "both", "c00004" + "08080808")]


def bad_frames():
    """name, direction, hex: one broken rule each."""
    def enc(**f):
        return encode_frame(f).hex()

    def msg(**f):
        return encode_frame({**MSG, **f}).hex()

    def note(**f):
        return encode_frame({**NOTICE, **f}).hex()

    def pull(**f):
        return encode_frame({**PULL, **f}).hex()

    def answer(**f):
        return encode_frame({**PULL_A, **f}).hex()

    m, part = be(M1, 8).hex(), {"flags": 0x30, "index": 0, "count": 3, "body": PART}
    ack_r = {"type": "ack:R", "kind": 1, "id": 3, "cursor": 150, "ranges": []}
    group = {"type": "ack:N group", "msgid": M1, "final": 0, "total": 5, "stored": 4, "delivered": 3, "read": 2}
    resync = {"type": "RESYNC", "why": 1, "id": 1, "epoch": 7, "lo": 150, "hi": 200}
    msg_a = {"type": "msg:A", "code": 0, "msgid": M1, "seq": 101, "state": 1, "retry": 0}
    both = [
        ("type_08", "08"), ("type_09", "09"), ("type_0f", "0f"), ("type_17", "17"), ("type_1f", "1f"),
        ("type_23", "23"), ("type_2f", "2f"), ("type_35", "35"), ("type_7f", "7f"),
        ("unknown_cut_length", "8000"), ("unknown_cut_bytes", "800004616263"), ("ping_then_junk", "0208"),
        ("ack_cut", "0100000000000000"), ("ack_ranges_cut", "010000000a00000200010100"),
        ("ack_eight_ranges", "01000000ff00000800" + "0101" * 8), ("ack_gap_zero", "01000000ff000001000001"),
        ("ack_len_zero", "01000000ff000001000100"), ("challenge_cut", "0300010203040506"),
        ("response_cut", "04000102030405"), ("close_cut", "05000000"),
        ("options_cut", "06010a001904b0004000"),
        ("stream_data_zero_stream", enc(type="STREAM_DATA", stream=0, offset=0, bytes=b"x")),
        ("stream_data_no_bytes", enc(type="STREAM_DATA", stream=1, offset=0, bytes=b"")),
        ("stream_data_past_2_62", enc(type="STREAM_DATA", stream=1, offset=(1 << 62) - 1, bytes=b"x")),
        ("stream_data_offset_max", enc(type="STREAM_DATA", stream=1, offset=(1 << 64) - 1, bytes=b"x")),
        ("stream_data_cut", enc(type="STREAM_DATA", stream=1, offset=0, bytes=b"abc")[:-2]),
        ("stream_window_cut", "320000000100000000000400"), ("stream_close_zero", "33" + "00" * 12),
        ("stream_reset_zero", "340000000001"),
    ]
    up = [
        ("ticket_up", enc(type="TICKET", life=1, psk=bytes(32), ticket=bytes(162))),
        ("msg_a_up", enc(**msg_a)),
        ("msg_n_up", note()), ("ack_a_up", enc(type="ack:A", id=1, code=0, confirmed=1)),
        ("ack_n_up", enc(type="ack:N", msgid=M1, state=2)), ("ack_n_group_up", enc(**group)),
        ("tip_up", enc(type="TIP", svr_seq=1)), ("pull_a_up", answer()), ("resync_up", enc(**resync)),
        ("status_a_up", enc(type="STATUS:A", id=1, states=[[3, 1]])),
        ("ctrl_a_up", enc(type="CTRL:A", code=0, id=1, map=b"\x80")),
        ("ctrl_n_up", enc(type="CTRL:N", op=1, id=1, map=b"\x80")),
        ("msg_r_flag_128", msg(flags=0xA0)), ("msg_r_class_3", msg(flags=0x60)),
        ("msg_r_msgid_0", msg(msgid=0)),
        ("msg_r_after_0", msg(flags=0x22, after=0)), ("msg_r_after_itself", msg(flags=0x22, after=M1)),
        ("msg_r_after_newer", msg(flags=0x22, after=M1 + 1)), ("msg_r_ttl_0", msg(flags=0x24, ttl=0)),
        ("msg_r_to_0", msg(to=b"")), ("msg_r_to_65", msg(to=b"t" * 65)),
        ("msg_r_len_1001", msg(body=b"x" * 1001)),
        ("msg_r_len_past_end", "1020" + m + "03626f62" + "0006" + b"hello".hex()),
        ("msg_r_to_past_end", "1020" + m + "40626f62"), ("msg_r_cut_msgid", "1020" + m[:-2]),
        ("msg_r_cut_after", "1022" + m + "00" * 7), ("msg_r_cut_len", "1020" + m + "03626f62" + "00"),
        ("msg_r_trailing_byte", msg() + "08"),
        ("part_count_0", msg(**{**part, "count": 0})), ("part_count_1", msg(**{**part, "count": 1})),
        ("part_count_67", msg(**{**part, "count": 67})),
        ("part_index_is_count", "1030" + m + "0303" + "000178"),
        ("part_index_255", "1030" + m + "ff42" + "000178"),
        ("part_0_short", msg(**{**part, "body": PART[:999]})),
        ("part_1_short", "1030" + m + "0103" + "03e7" + PART[:999].hex()),
        ("part_last_empty", "1030" + m + "0203" + "0000"),
        ("part_last_1001", "1030" + m + "0203" + "03e9" + PART.hex() + "00"),
        ("ack_r_kind_0", enc(**{**ack_r, "kind": 0})), ("ack_r_kind_3", enc(**{**ack_r, "kind": 3})),
        ("ack_r_kind_128", enc(**{**ack_r, "kind": 128})), ("ack_r_kind_131", enc(**{**ack_r, "kind": 131})),
        ("ack_r_id_0", enc(**{**ack_r, "id": 0})),
        ("ack_r_nine", enc(**{**ack_r, "ranges": [[152 + 2 * i, 152 + 2 * i] for i in range(9)]})),
        ("ack_r_lo_0", enc(**{**ack_r, "cursor": 0, "ranges": [[0, 3]]})),
        ("ack_r_at_cursor", enc(**{**ack_r, "ranges": [[150, 152]]})),
        ("ack_r_backward", enc(**{**ack_r, "ranges": [[153, 152]]})),
        ("ack_r_overlap", enc(**{**ack_r, "ranges": [[152, 154], [154, 155]]})),
        ("ack_r_falling", enc(**{**ack_r, "ranges": [[160, 161], [152, 154]]})),
        ("ack_r_cut", enc(**{**ack_r, "ranges": [[152, 154]]})[:-2]),
        ("pull_r_flag_2", pull(flags=2)), ("pull_r_flag_128", pull(flags=0x81)), ("pull_r_id_0", pull(id=0)),
        ("pull_r_nine", pull(ranges=[[2 * i + 2, 2 * i + 2] for i in range(9)])),
        ("pull_r_at_cursor", pull(cursor=5, ranges=[[5, 6]])),
        ("pull_r_overlap", pull(ranges=[[2, 4], [3, 5]])),
        ("pull_r_cut", pull()[:-2]),
        ("status_r_none", enc(type="STATUS:R", id=9, msgids=[])),
        ("status_r_33", enc(type="STATUS:R", id=9, msgids=[M1 + i for i in range(33)])),
        ("status_r_id_0", enc(type="STATUS:R", id=0, msgids=[M1])),
        ("status_r_msgid_0", enc(type="STATUS:R", id=9, msgids=[M1, 0])),
        ("status_r_cut", enc(type="STATUS:R", id=9, msgids=[M1])[:-2]),
        ("done_0", enc(type="DONE", msgid=0)), ("done_cut", "1e" + m[:-2]),
        ("ctrl_r_id_0", enc(type="CTRL:R", op=1, id=0, map=b"\x80")),
        ("ctrl_r_len_1001", enc(type="CTRL:R", op=1, id=1, map=b"\x80" + bytes(1000))),
        ("ctrl_r_cut", "2001" + m + "000280"), ("stream_open_0", "300000000003"),
        ("stream_open_cut", "3000000001"),
    ]
    down = [
        ("msg_r_down", msg()), ("ack_r_down", enc(**ack_r)), ("pull_r_down", pull()),
        ("status_r_down", enc(type="STATUS:R", id=9, msgids=[M1])), ("done_down", enc(type="DONE", msgid=M1)),
        ("ctrl_r_down", enc(type="CTRL:R", op=1, id=1, map=b"\x80")), ("stream_open_down", "300000000103"),
        ("ticket_cut", "07" + "00" * 197),
        ("msg_a_msgid_0", enc(**{**msg_a, "msgid": 0})), ("msg_a_ok_state_0", enc(**{**msg_a, "state": 0})),
        ("msg_a_state_5", enc(**{**msg_a, "state": 5})), ("msg_a_state_8", enc(**{**msg_a, "state": 8})),
        ("msg_a_error_with_seq", enc(**{**msg_a, "code": 5, "state": 0})),
        ("msg_a_error_with_state", enc(**{**msg_a, "code": 5, "seq": 0})), ("msg_a_cut", enc(**msg_a)[:-2]),
        ("msg_n_seq_0", note(seq=0)), ("msg_n_msgid_0", note(msgid=0)),
        ("msg_n_flag_after", note(flags=0x22)),
        ("msg_n_flag_ttl", note(flags=0x24)), ("msg_n_flag_128", note(flags=0xA0)),
        ("msg_n_class_3", note(flags=0x60)), ("msg_n_from_0", note(**{"from": b""})),
        ("msg_n_from_65", note(**{"from": b"f" * 65})), ("msg_n_group_0", note(flags=0x28, group=b"")),
        ("msg_n_group_65", note(flags=0x28, group=b"g" * 65)), ("msg_n_len_1001", note(body=b"x" * 1001)),
        ("msg_n_part_count_1", note(flags=0x30, index=0, count=1, body=PART)),
        ("msg_n_part_index", "1230" + "00000065" + "0202" + "000178"),
        ("msg_n_part_short", note(flags=0x30, index=0, count=2, body=b"x")), ("msg_n_cut", note()[:-2]),
        ("ack_a_id_0", enc(type="ack:A", id=0, code=0, confirmed=1)), ("ack_a_cut", "14000300000000"),
        ("ack_n_msgid_0", enc(type="ack:N", msgid=0, state=2)),
        ("ack_n_state_0", enc(type="ack:N", msgid=M1, state=0)),
        ("ack_n_state_6", enc(type="ack:N", msgid=M1, state=6)), ("ack_n_cut", "15" + m),
        ("ack_n_group_final_2", enc(**{**group, "final": 2})),
        ("ack_n_group_stored", enc(**{**group, "stored": 6})),
        ("ack_n_group_delivered", enc(**{**group, "delivered": 5})),
        ("ack_n_group_read", enc(**{**group, "read": 4})),
        ("ack_n_group_msgid_0", enc(**{**group, "msgid": 0})), ("tip_cut", "18000000"),
        ("pull_a_id_0", answer(id=0)),
        ("pull_a_65", answer(skipped=[[2 * i + 1, 2 * i + 1, 3] for i in range(65)])),
        ("pull_a_why_0", answer(skipped=[[121, 150, 0]])), ("pull_a_lo_0", answer(skipped=[[0, 150, 1]])),
        ("pull_a_backward", answer(skipped=[[150, 121, 1]])),
        ("pull_a_overlap", answer(skipped=[[121, 150, 1], [150, 151, 2]])),
        ("pull_a_skips_above_to", answer(skipped=[[121, 201, 1]])), ("pull_a_to_above_svr", answer(to=201)),
        ("pull_a_confirmed_above_svr", answer(confirmed=201)), ("pull_a_cut", answer()[:-2]),
        ("resync_why_0", enc(**{**resync, "why": 0})), ("resync_epoch_0", enc(**{**resync, "epoch": 0})),
        ("resync_backward", enc(**{**resync, "lo": 201})), ("resync_cut", enc(**resync)[:-2]),
        ("status_a_none", enc(type="STATUS:A", id=9, states=[])),
        ("status_a_33", enc(type="STATUS:A", id=9, states=[[3, 1]] * 33)),
        ("status_a_state_7", enc(type="STATUS:A", id=9, states=[[7, 1]])),
        ("status_a_id_0", enc(type="STATUS:A", id=0, states=[[3, 1]])),
        ("status_a_cut", enc(type="STATUS:A", id=9, states=[[3, 1]])[:-2]),
        ("ctrl_a_id_0", enc(type="CTRL:A", code=0, id=0, map=b"\x80")),
        ("ctrl_a_len_1001", enc(type="CTRL:A", code=0, id=1, map=b"\x80" + bytes(1000))),
        ("ctrl_n_len_1001", enc(type="CTRL:N", op=1, id=1, map=b"\x80" + bytes(1000))),
        ("ctrl_n_cut", "2201000000010001"),
    ]
    return ([(n, "both", x) for n, x in both] + [(n, "up", x) for n, x in up] + [(n, "down", x) for n, x in down])


def frame_cases(plain_json):
    out = []
    for name, way, fs in good_frames():
        data = b"".join(encode_frame(f) for f in fs)
        out.append({"name": name, "dir": way, "verdict": "ok", "hex": data.hex(), "frames": plain_json(fs)})
    for name, way, data in skipped_frames():
        fs = decode_frames(bytes.fromhex(data), "up")
        out.append({"name": name, "dir": way, "verdict": "skip", "hex": data, "frames": plain_json(fs)})
    for name, way, data in bad_frames():
        out.append({"name": name, "dir": way, "verdict": "protocol", "hex": data})
    names = [v["name"] for v in out]
    if len(names) != len(set(names)):
        raise ValueError("two vectors of one name")
    return out


def early():
    def e(*fs):
        return b"".join(encode_frame(f) for f in fs).hex()
    pads = {"type": "PAD", "count": 3}
    part = {**MSG, "flags": 0x30, "index": 0, "count": 2, "body": PART}
    cases = [("nothing", "early1", ""), ("pads", "early1", e(pads)), ("options", "early1", e(OPTIONS_UP)),
             ("message", "early1", e(OPTIONS_UP, MSG, pads)),
             ("two_messages", "early1", e(MSG, {**MSG, "msgid": M1 + 1})),
             ("pull", "early1", e(PULL)),
             ("pull_confirming", "early0", e({**PULL, "flags": 1, "cursor": 1, "epoch": 1})),
             ("part", "early0", e(part)), ("ping", "early0", e(OPTIONS_UP, {"type": "PING"})),
             ("ack", "early0", "010000000000000000"), ("ack_r", "early0", "130100030000000000"),
             ("status", "early0", e({"type": "STATUS:R", "id": 1, "msgids": [M1]})),
             ("done", "early0", e(MSG, {"type": "DONE", "msgid": M1})), ("close", "early0", "0500000000"),
             ("unknown_80", "early0", "800000"), ("stream", "early0", "300000000103"),
             ("ctrl", "early0", e({"type": "CTRL:R", "op": 7, "id": 1, "map": b"\x80"})),
             ("unknown_type", "silent", "08"), ("wrong_direction", "silent", "1800000001"),
             ("message_cut", "silent", e(MSG)[:-2])]
    return [{"name": n, "verdict": v, "hex": x} for n, v, x in cases]


def acks():
    def case(name, sent, never, verdict, largest, first, ranges=()):
        f = {"type": "ACK", "largest": largest & 0xFFFFFFFF, "delay": 4, "loss": 0, "first": first,
             "ranges": list(ranges)}
        v = {"name": name, "largest_sent": sent, "never": never, "verdict": verdict, "hex": encode_frame(f).hex()}
        if verdict == "ok":
            v["ranges"] = [list(x) for x in sealed.ack_ranges(f, sent, never)]
        return v
    high = (5 << 32) + 10
    return [
        case("zero", 0, [], "ok", 0, 0), case("one_of_one", 1, [], "ok", 1, 1),
        case("older", 40, [], "ok", 30, 3),
        case("gaps", 1000, [], "ok", 1000, 9, [[1, 5], [2, 1], [255, 255]]),
        case("down_to_zero", 20, [], "ok", 20, 5, [[2, 13]]),
        case("skip_in_gap", 20, [14], "ok", 20, 5, [[1, 3]]),
        case("above_2_32", high, [], "ok", high - 1, 3), case("across_2_32", high, [], "ok", high - 11, 2),
        case("unsent", 10, [], "protocol", 11, 0), case("unsent_far", 10, [], "protocol", 0x7FFFFFFF, 0),
        case("wrapped_below_0", 10, [], "protocol", 0xFFFFFFFF, 0),
        case("first_below_0", 10, [], "protocol", 5, 6),
        case("range_below_0", 20, [], "protocol", 20, 5, [[2, 14]]),
        case("gap_below_0", 20, [], "protocol", 20, 19, [[1, 1]]),
        case("skipped_is_largest", 20, [20], "protocol", 20, 0),
        case("skipped_in_first", 20, [18], "protocol", 20, 5),
        case("skipped_in_range", 20, [10], "protocol", 20, 5, [[2, 5]]),
        case("init_not_taken", 3, [0], "protocol", 3, 3),
        case("unsent_above_2_32", high, [], "protocol", high + 1, 0),
    ]


def numbers():
    top = (1 << 62) - 1
    pairs = [(0, 1), (0, 0), (0, 0xFFFF), (0, 0x8000), (0, 0x8001), (1, 3), (32766, 65535), (32767, 65535),
             (32767, 0), (32768, 0),
             (65535, 0), (65535, 65535), (65534, 32766), (0x12345, 0x2346), (0x12345, 0xFFFF), (0x1FFFF, 0x0003),
             (0xA82F30EA, 0x9B32), ((1 << 32) - 1, 0), ((1 << 48) + 5, 4), (top - 1, 0xFFFF), (top - 1, 0),
             (top, 0xFFFE), (top, 5)]
    return [{"largest": a, "low": b, "number": sealed.number_decode(b, a)} for a, b in pairs]


def replay():
    window, out = sealed.Window(), []
    for n in [0, 1, 1, 3, 2, 2, 1023, 1, 1024, 0, 1025, 1, 2, 4, 4, 2048, 1024, 1025, 1025, 1026, 5000, 3976,
              3977, 3977,
              4999, 5000, (1 << 40), 5000, (1 << 40) - 1023, (1 << 40) - 1024,
              (1 << 62) - 1, (1 << 62) - 1024, (1 << 62) - 1]:
        out.append({"number": n, "verdict": window.receive(n)})
    return out


def tokens(gateway_public):
    key, public, now = bytes(range(32)), bytes.fromhex(gateway_public), 1700000001

    def case(name, verdict, *, at=now, not_before=0, issued=1700000000, expires=1700000600, rights=3, uid=b"alice",
             uid_len=None, pad=None, version=1, kid=0, other=None, flip=None, cut=0, seal_public=public):
        plain = bytearray(token_plain(b"\1" * 32, b"\2" * 8, issued, expires, 5, rights, 0, uid))
        if uid_len is not None:
            plain[55] = uid_len
        if pad is not None:
            plain[pad] = 1
        token = bytearray(token_seal(version, kid, other or key, b"\3" * 24, seal_public, bytes(plain)))
        if flip is not None:
            token[flip] ^= 1
        token = token[:len(token) - cut]
        return {"name": name, "verdict": verdict, "now": at, "not_before": not_before, "kid": 0, "key": key.hex(),
                "public": public.hex(), "token": bytes(token).hex()}
    return [
        case("good", "ok"), case("last_second", "ok", at=1700000599),
        case("expired_now", "silent", at=1700000600),
        case("expired", "silent", at=1700000601), case("issued_60_ahead", "ok", at=1699999940),
        case("issued_61_ahead", "silent", at=1699999939),
        case("not_before_equal", "ok", not_before=1700000000),
        case("revoked", "silent", not_before=1700000001), case("send_only", "ok", rights=1),
        case("receive_only", "ok", rights=2), case("no_rights", "silent", rights=0),
        case("streams_only", "silent", rights=4), case("other_bits", "ok", rights=0xFFF3),
        case("uid_1", "ok", uid=b"a"), case("uid_64", "ok", uid=b"u" * 64),
        case("uid_0", "silent", uid_len=0),
        case("uid_65", "silent", uid=b"u" * 64, uid_len=65), case("padding", "silent", pad=119),
        case("padding_first", "silent", pad=61), case("uid_longer_zero", "ok", uid_len=6),
        case("unknown_kid", "silent", kid=1), case("version_3", "silent", version=3),
        case("other_key", "silent", other=b"\7" * 32),
        case("other_gateway", "silent", seal_public=b"\x09" * 32), case("flip_version", "silent", flip=0),
        case("flip_nonce", "silent", flip=2), case("flip_sealed", "silent", flip=60),
        case("flip_tag", "silent", flip=161),
        case("cut", "silent", cut=1),
    ]


def blobs(hand):
    token, public = bytes.fromhex(hand["token"]), bytes.fromhex(hand["gateway_public"])
    v4, v6 = (bytes([192, 0, 2, 1]), 7400), (bytes.fromhex("20010db8000000000000000000000007"), 7400)

    def text(addresses, tail=b"", first=1):
        raw = bytearray(base64.urlsafe_b64decode(
            blob_encode(token, b"\1" * 32, public, 1700000000, 1700000600, addresses)))
        raw[0] = first
        return base64.urlsafe_b64encode(bytes(raw) + tail).decode()
    one, two = text([v4]), text([v4, v6])
    return [{"name": n, "verdict": v, "text": t} for n, v, t in [
        ("one_address", "ok", one), ("two_addresses", "ok", two), ("unpadded", "ok", one.rstrip("=")),
        ("full", "ok", text([v4] * 255)), ("no_address", "bad", text([])),
        ("version_2", "bad", text([v4], first=2)),
        ("port_0", "bad", text([(v4[0], 0)])), ("left_over", "bad", text([v4], tail=b"\0")),
        ("cut", "bad", base64.urlsafe_b64encode(base64.urlsafe_b64decode(two)[:-1]).decode()),
        ("family_5", "bad", base64.urlsafe_b64encode(
            base64.urlsafe_b64decode(one)[:-7] + b"\5" + base64.urlsafe_b64decode(one)[-6:]).decode()),
        ("standard_alphabet", "bad", "+" + one[1:]), ("space_inside", "bad", one[:8] + "=" + one[9:]),
    ]]


MSGPACK = [
    ("empty_map", "ok", "80"), ("one_pair", "ok", "810102"), ("bin_value", "ok", "8101c40463726577"),
    ("array_of_bin", "ok", "8201c404637265770292c403616263c400"),
    ("bools_nil_float", "ok", "8401c302c203c004ca3f800000"), ("uint8", "ok", "8101cc80"),
    ("uint16", "ok", "8101cd0100"),
    ("uint32", "ok", "8101ce00010000"), ("uint64", "ok", "8101cf0000000100000000"),
    ("int8", "ok", "8101d0df"),
    ("int16", "ok", "8101d1ff7f"), ("str8", "ok", "8101d920" + "61" * 32), ("key_uint8", "ok", "81cc8001"),
    ("depth_8", "ok", "8101" + "91" * 6 + "00"), ("depth_9", "bad", "8101" + "91" * 7 + "00"),
    ("objects_256", "ok", "8101dc00fd" + "00" * 253), ("objects_257", "bad", "8101dc00fe" + "00" * 254),
    ("nothing", "bad", ""), ("not_a_map", "bad", "9101"), ("array32_huge", "bad", "ddffffffff"),
    ("array32_huge_inside", "bad", "8101ddffffffff"),
    ("map32_huge", "bad", "dfffffffff"), ("array_count_past_end", "bad", "81019201"),
    ("map_count_past_end", "bad", "820102"), ("bin_past_end", "bad", "8101c405637265"),
    ("left_over", "bad", "8000"),
    ("key_twice", "bad", "8201020103"), ("key_text", "bad", "81a16101"), ("key_negative", "bad", "81ff01"),
    ("ext", "bad", "8101d40100"), ("ext8", "bad", "8101c7010000"), ("unused_c1", "bad", "8101c1"),
    ("uint8_not_shortest", "bad", "8101cc7f"), ("uint16_not_shortest", "bad", "8101cd00ff"),
    ("uint32_not_shortest", "bad", "8101ce0000ffff"),
    ("uint64_not_shortest", "bad", "8101cf00000000ffffffff"),
    ("int8_not_shortest", "bad", "8101d0e0"), ("int8_positive", "bad", "8101d001"),
    ("int16_not_shortest", "bad", "8101d1ff80"),
    ("str8_not_shortest", "bad", "8101d90161"), ("bin16_not_shortest", "bad", "8101c5000161"),
    ("array16_not_shortest", "bad", "8101dc000100"), ("map16_not_shortest", "bad", "de00010102"),
]


def build(compute, plain_json, gateway_public):
    """compute: group name -> function from inputs to values (reader.py)."""
    hand = compute["handshake"](HANDSHAKE)
    init_2 = b"".join(encode_frame(f) for f in (OPTIONS_UP, MSG))
    accept = b"".join(encode_frame(f) for f in
                      (OPTIONS_DOWN, {"type": "msg:A", "code": 0, "msgid": M1, "seq": 1, "state": 2, "retry": 0}))
    reset_in = {"cid_key": "08" * 16, "reset_key": "09" * 32, "worker": "00", "random": "0a" * 5,
                "k_up": hand["k_up"], "number": "0001", "frames": "02"}
    reset = compute["reset"](reset_in)
    retry_in = {"gateway_secret": "07" * 32, "token_key": HANDSHAKE["token_key"], "token": hand["token"],
                "init_1": hand["init"], "cookie_secret": "0b" * 32, "address": "c0000207", "port": "9c40",
                "cookie_time": h(be(1700000001, 4)), "client_e_secret": "0c" * 32, "gateway_e_secret": "0d" * 32,
                "time": h(be(1700000002, 4)), "accept_time": h(be(1700000002, 4)), "init_2_frames": init_2.hex(),
                "cid": reset["cid"], "reset": reset["reset"], "accept_frames": accept.hex()}
    pack = struct.pack
    hashes_in = {
        "body_user_in": h(b"\0\x03bob", b"hello"), "body_group_in": h(b"\1\x03bob", b"hello"),
        "body_empty_in": h(b"\0\x03bob"), "body_long_in": h(b"\0\x40", b"t" * 64, PART),
        "cookie_v4_in": h(b"\x0b" * 32, bytes([192, 0, 2, 7]), pack(">H", 40000), b"\3" * 24, be(1700000001, 4)),
        "cookie_v6_in": h(b"\x0b" * 32, bytes.fromhex("20010db8000000000000000000000007"), pack(">H", 40000),
                          b"\3" * 24, be(1700000001, 4)),
    }
    return {
        "handshake": {"inputs": HANDSHAKE, "values": hand},
        "retry": {"inputs": retry_in, "values": compute["retry"](retry_in)},
        "reset": {"inputs": reset_in, "values": reset},
        "hashes": {"inputs": hashes_in, "values": compute["hashes"](hashes_in)},
        "frames": frame_cases(plain_json), "early": early(), "acks": acks(), "numbers": numbers(), "replay": replay(),
        "tokens": tokens(gateway_public), "blobs": blobs(hand),
        "msgpack": [{"name": n, "verdict": v, "hex": x} for n, v, x in MSGPACK],
    }
