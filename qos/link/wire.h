/* Frames of Sampan <-> bytes (docs/protocol.md, section 4).  Pure functions: a frame is decoded or refused as
 * a whole; no state, no allocation, no judgement beyond the text of section 4 about one frame. */
#ifndef SP_WIRE_H
#define SP_WIRE_H

#include <sampan/types.h>

enum sp_dir { SP_DIR_UP = 1, SP_DIR_DOWN = 2 }; /* up: client to gateway */

enum sp_kind {
    SP_KIND_PAD = 0x00,
    SP_KIND_ACK = 0x01,
    SP_KIND_PING = 0x02,
    SP_KIND_PATH_CHALLENGE = 0x03,
    SP_KIND_PATH_RESPONSE = 0x04,
    SP_KIND_CLOSE = 0x05,
    SP_KIND_OPTIONS = 0x06,
    SP_KIND_TICKET = 0x07,
    SP_KIND_MSG_R = 0x10,
    SP_KIND_MSG_A = 0x11,
    SP_KIND_MSG_N = 0x12,
    SP_KIND_ACK_R = 0x13,
    SP_KIND_ACK_A = 0x14,
    SP_KIND_ACK_N = 0x15,
    SP_KIND_ACK_N_GROUP = 0x16,
    SP_KIND_TIP = 0x18,
    SP_KIND_PULL_R = 0x19,
    SP_KIND_PULL_A = 0x1a,
    SP_KIND_RESYNC = 0x1b,
    SP_KIND_STATUS_R = 0x1c,
    SP_KIND_STATUS_A = 0x1d,
    SP_KIND_DONE = 0x1e,
    SP_KIND_CTRL_R = 0x20,
    SP_KIND_CTRL_A = 0x21,
    SP_KIND_CTRL_N = 0x22,
    SP_KIND_STREAM_OPEN = 0x30,
    SP_KIND_STREAM_DATA = 0x31,
    SP_KIND_STREAM_WINDOW = 0x32,
    SP_KIND_STREAM_CLOSE = 0x33,
    SP_KIND_STREAM_RESET = 0x34,
};

/* msg flags */
#define SP_MSG_FOUR        1
#define SP_MSG_AFTER       2
#define SP_MSG_TTL         4
#define SP_MSG_GROUP       8
#define SP_MSG_FRAG        16
#define SP_MSG_CLASS_SHIFT 5 /* two bits: 0 interactive, 1 normal, 2 bulk */

#define SP_PULL_CONFIRMS   1 /* flag of PULL:R */
#define SP_ACK_R_DELIVERED 1
#define SP_ACK_R_READ      2
#define SP_ACK_R_SILENT    128

/* Answer codes of section 4. */
enum sp_code {
    SP_CODE_OK = 0,
    SP_CODE_BUSY,
    SP_CODE_TOO_BIG,
    SP_CODE_FORBIDDEN,
    SP_CODE_NO_USER,
    SP_CODE_QUOTA,
    SP_CODE_DUP_EXPIRED,
    SP_CODE_ID_REUSED,
    SP_CODE_SEQ_EXHAUSTED,
    SP_CODE_BAD,
    SP_CODE_ACK_TOO_HIGH,
    SP_CODE_NOT_BOUND,
    SP_CODE_FULL,
};
/* Codes of CLOSE. */
enum sp_close {
    SP_CLOSE_BYE = 0,
    SP_CLOSE_REPLACED,
    SP_CLOSE_REVOKED,
    SP_CLOSE_GOING_AWAY,
    SP_CLOSE_PROTOCOL,
    SP_CLOSE_IDLE,
    SP_CLOSE_LIMIT,
    SP_CLOSE_BUSY,
    SP_CLOSE_AGED,
};
/* Why a seq is skipped, and why a RESYNC. */
enum sp_why {
    SP_WHY_CONFIRMED = 1,
    SP_WHY_EXPIRED,
    SP_WHY_DROPPED,
    SP_WHY_DELETED,
    SP_WHY_CORRUPT,
};
#define SP_RESYNC_EPOCH  1
#define SP_RESYNC_CURSOR 2

#define SP_ACK_GAPS_MAX    7
#define SP_HELD_MAX        8
#define SP_SKIPPED_MAX     64
#define SP_STATUS_MAX      32
#define SP_CTRL_MAX        1000 /* bytes of a CTRL map */
#define SP_PARTS_MIN       2    /* parts of a fragmented body */
#define SP_PARTS_MAX       66
#define SP_TICKET_LEN      162
#define SP_FRAMES_UP_MAX   1173 /* bytes of frames in one datagram up */
#define SP_FRAMES_DOWN_MAX 1181 /* and down */

struct sp_range {
    uint32_t lo, hi;
};
struct sp_skip {
    uint32_t lo, hi;
    uint8_t why; /* enum sp_why */
};

struct sp_frame_ack {
    uint32_t largest;
    uint8_t delay; /* 250 us each */
    uint8_t loss;  /* inbound loss * 255 */
    uint8_t first; /* numbers acknowledged directly below largest */
    uint8_t n;
    struct {
        uint8_t gap, len;
    } gaps[SP_ACK_GAPS_MAX];
};
struct sp_frame_path { /* PATH_CHALLENGE, PATH_RESPONSE */
    uint8_t data[8];
};
struct sp_frame_close {
    uint8_t code, cause;
    uint16_t retry; /* 0.1 s */
};
struct sp_frame_options {
    uint8_t rev, ackdelay_ms;
    uint16_t keepalive_s, datagram, inbox, flags;
};
struct sp_frame_ticket {
    uint32_t life_s;
    uint8_t psk[32], ticket[SP_TICKET_LEN];
};
struct sp_frame_msg_r {
    uint8_t flags;
    struct sp_msgid msgid, after;
    uint32_t ttl_s;
    struct sp_view to; /* absent in parts after the first */
    uint8_t index, count;
    struct sp_view body;
};
struct sp_frame_msg_a {
    uint8_t code, state;
    uint16_t retry; /* 0.1 s */
    struct sp_msgid msgid;
    struct sp_seq seq;
};
struct sp_frame_msg_n {
    uint8_t flags;
    struct sp_seq seq;
    struct sp_msgid msgid;
    uint32_t device;
    uint64_t at_ms; /* 48 bits: unix milliseconds of acceptance */
    struct sp_view from, group;
    uint8_t index, count;
    struct sp_view body;
};
struct sp_frame_ack_r {
    uint8_t kind; /* SP_ACK_R_* */
    uint16_t id;
    struct sp_seq cursor;
    uint8_t n;
    struct sp_range held[SP_HELD_MAX];
};
struct sp_frame_ack_a {
    uint16_t id;
    uint8_t code;
    struct sp_seq confirmed;
};
struct sp_frame_ack_n {
    struct sp_msgid msgid;
    uint8_t state;
};
struct sp_frame_ack_n_group {
    struct sp_msgid msgid;
    uint8_t final;
    uint32_t total, stored, delivered, seen;
};
struct sp_frame_tip {
    struct sp_seq svr_seq;
};
struct sp_frame_pull_r {
    uint8_t flags;
    uint16_t id, max; /* max: 1..500; anything else counts as 500 */
    struct sp_seq cursor;
    struct sp_epoch epoch;
    uint8_t n;
    struct sp_range held[SP_HELD_MAX];
};
struct sp_frame_pull_a {
    uint8_t code;
    uint16_t id;
    struct sp_epoch epoch;
    struct sp_seq to, svr_seq, confirmed;
    uint8_t n;
    struct sp_skip skipped[SP_SKIPPED_MAX];
};
struct sp_frame_resync {
    uint8_t why;
    uint16_t id;
    struct sp_epoch epoch;
    struct sp_seq lo, hi;
};
struct sp_frame_status_r {
    uint16_t id;
    uint8_t n;
    struct sp_msgid msgids[SP_STATUS_MAX];
};
struct sp_frame_status_a {
    uint16_t id;
    uint8_t n;
    struct {
        uint8_t state;
        struct sp_seq seq;
    } of[SP_STATUS_MAX];
};
struct sp_frame_done {
    struct sp_msgid msgid;
};
struct sp_frame_ctrl { /* CTRL:R and CTRL:N use op, CTRL:A uses code; CTRL:N has a 32-bit id */
    uint8_t op, code;
    uint64_t id;
    struct sp_view map;
};
struct sp_frame_stream {
    uint32_t stream;
    uint8_t service, code;
    uint64_t offset; /* DATA offset, WINDOW limit, CLOSE final */
    struct sp_view bytes;
};

struct sp_frame {
    uint8_t kind; /* enum sp_kind */
    union {
        struct sp_frame_ack ack;
        struct sp_frame_path path;
        struct sp_frame_close close;
        struct sp_frame_options options;
        struct sp_frame_ticket ticket;
        struct sp_frame_msg_r msg_r;
        struct sp_frame_msg_a msg_a;
        struct sp_frame_msg_n msg_n;
        struct sp_frame_ack_r ack_r;
        struct sp_frame_ack_a ack_a;
        struct sp_frame_ack_n ack_n;
        struct sp_frame_ack_n_group ack_n_group;
        struct sp_frame_tip tip;
        struct sp_frame_pull_r pull_r;
        struct sp_frame_pull_a pull_a;
        struct sp_frame_resync resync;
        struct sp_frame_status_r status_r;
        struct sp_frame_status_a status_a;
        struct sp_frame_done done;
        struct sp_frame_ctrl ctrl;
        struct sp_frame_stream stream;
    } u;
};

/* Decodes the frame at the start of `in`, sent in direction `dir`.  *used: its bytes.  Views of *out borrow
 * from in.p. An unknown type of 0x80 and above is skipped by its length: 0 with out->kind = that type and
 * nothing else set. SP_EMALFORMED: wrong direction, unknown type below 0x80, a field outside its range, or
 * bytes missing; *out is then unspecified. */
int sp_wire_decode(struct sp_view in, enum sp_dir dir, struct sp_frame *out, size_t *used);
/* Checks that `in` parses exactly to its end (section 4: the whole datagram before its first frame).
 * 0, or SP_EMALFORMED with the type of the offending frame in *cause. */
int sp_wire_check(struct sp_view in, enum sp_dir dir, uint8_t *cause);
/* Encodes one frame.  *len: bytes written.  SP_EFULL when cap is too small (nothing useful written);
 * SP_EINVAL when a field is outside its range. */
int sp_wire_encode(const struct sp_frame *f, uint8_t *dst, size_t cap, size_t *len);

#endif
