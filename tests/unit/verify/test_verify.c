/* Every rule with a history that keeps it and one that breaks it: name, options, lines, what is to be found.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <sampan/err.h>

#include "historyread.h"
#include "verify.h"

#define FILE_BREAK "\n" /* an empty line: the next file */

#define EV(e, u, d, rest) "{\"e\":\"" e "\",\"user\":\"" u "\",\"device\":" d rest "}\n"
#define ID(id)            ",\"msgid\":\"" id "\""
#define RUN(u, d)         EV("run", u, d, "")
#define RUN_AT(u, d, epoch, seq, last)                                                                       \
    EV("run", u, d, ",\"install\":\"7\",\"epoch\":\"" epoch "\",\"seq\":" seq ID(last))
#define SEND_TO(u, d, id, to, hash) EV("send", u, d, ID(id) ",\"peer\":\"" to "\",\"hash\":\"" hash "\"")
#define SEND(id)                    SEND_TO("a", "1", id, "b", "aa")
#define TOLD(id, state)             EV("told", "a", "1", ID(id) ",\"state\":" state)
#define FAILED(id, code)            EV("failed", "a", "1", ID(id) ",\"code\":" code)
#define GAVEUP(id)                  EV("gaveup", "a", "1", ID(id))
#define HANDED_AT(u, d, epoch, id, seq, hash)                                                                \
    EV("handed", u, d,                                                                                       \
       ID(id) ",\"peer\":\"a\",\"peer_device\":1,\"seq\":" seq ",\"hash\":\"" hash "\",\"epoch\":\"" epoch   \
              "\"")
#define HANDED(id, seq) HANDED_AT("b", "2", "e1", id, seq, "aa")
#define KEPT(u, d, seq) EV("kept", u, d, ",\"seq\":" seq)
#define SKIPPED(u, d, lo, hi, why)                                                                           \
    EV("skipped", u, d, ",\"seq\":" lo ",\"hi\":" hi ",\"code\":" why ",\"epoch\":\"e1\"")
#define RESYNC(u, d, epoch, seq) EV("resync", u, d, ",\"epoch\":\"" epoch "\",\"seq\":" seq)
#define START                    "{\"e\":\"start\"}\n"
#define STORED_AT(id, to, epoch, seq, hash, more)                                                            \
    EV("stored", "a", "1",                                                                                   \
       ID(id) ",\"peer\":\"" to "\",\"seq\":" seq ",\"epoch\":\"" epoch "\",\"hash\":\"" hash                \
              "\",\"state\":1,\"commit\":1" more)
#define STORED(id, seq)   STORED_AT(id, "b", "e1", seq, "aa", "")
#define REFUSED(id, code) EV("refused", "a", "1", ID(id) ",\"code\":" code)
#define CONFIRMED(u, d, seq, hi, commit)                                                                     \
    EV("confirmed", u, d, ",\"seq\":" seq ",\"hi\":" hi ",\"epoch\":\"e1\",\"commit\":" commit)
#define ENDED(id, seq)                                                                                       \
    EV("ended", "a", "1", ID(id) ",\"peer\":\"b\",\"seq\":" seq ",\"epoch\":\"e1\",\"state\":9")
#define HEAD(u, seq, hi) EV("head", u, "0", ",\"epoch\":\"e1\",\"seq\":" seq ",\"hi\":" hi)

#define HEALED    1
#define COMPLETE  2
#define STRANGERS 4
#define RULE(r)   (1U << SP_VERIFY_##r)

/* One message from a to b, all the way. */
#define WAY_A RUN("a", "1") SEND("1") TOLD("1", "1") TOLD("1", "3")
#define WAY_B RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1")
#define WAY_G START STORED("1", "1") CONFIRMED("b", "2", "1", "1", "2")

struct history {
    const char *name;
    unsigned options;
    const char *lines;
    unsigned expected; /* rules */
};

static const struct history histories[] = {
    {"one message, all logs", HEALED | COMPLETE, WAY_G FILE_BREAK WAY_A FILE_BREAK WAY_B, 0},
    {"the same, files in another order", HEALED | COMPLETE, WAY_B FILE_BREAK WAY_A FILE_BREAK WAY_G, 0},
    {"clients alone", HEALED | COMPLETE, WAY_A FILE_BREAK WAY_B, 0},
    {"the gateway alone", 0, WAY_G, 0},

    /* G1 */
    {"told safe, never handed", HEALED, WAY_A SEND("2") TOLD("2", "3") FILE_BREAK WAY_B, RULE(LOST_WRITE)},
    {"told safe, not yet handed", 0, WAY_A SEND("2") TOLD("2", "1") FILE_BREAK WAY_B, 0},
    {"told safe, the cursor went past it", COMPLETE,
     RUN("a", "1") SEND("1") SEND("2") TOLD("1", "1") TOLD("2", "1") FILE_BREAK START STORED("1", "1")
         STORED("2", "2") FILE_BREAK RUN("b", "2") SKIPPED("b", "2", "1", "1", "1") HANDED("2", "2")
             KEPT("b", "2", "2"),
     RULE(LOST_WRITE)},
    {"told safe, skipped as expired", HEALED,
     RUN("a", "1") SEND("1") TOLD("1", "1") TOLD("1", "9") FILE_BREAK RUN("b", "2")
         SKIPPED("b", "2", "1", "1", "2") KEPT("b", "2", "1"),
     0},
    {"told safe, some seq is skipped as corrupt", HEALED,
     RUN("a", "1") SEND("1") TOLD("1", "3") FILE_BREAK RUN("b", "2") SKIPPED("b", "2", "1", "1", "5")
         KEPT("b", "2", "1"),
     0},
    {"two are missing, one seq is skipped", HEALED,
     RUN("a", "1") SEND("1") SEND("2") TOLD("1", "3") TOLD("2", "3") FILE_BREAK RUN("b", "2")
         SKIPPED("b", "2", "1", "1", "5") KEPT("b", "2", "1"),
     RULE(LOST_WRITE)},
    {"the recipient has no log", HEALED, WAY_A, 0},
    {"a restore takes what is newer than the backup", HEALED,
     WAY_A SEND("2") TOLD("2", "3") FILE_BREAK WAY_B RESYNC("b", "2", "e2", "1"), 0},
    {"told safe, no gateway has stored it", COMPLETE, START FILE_BREAK RUN("a", "1") SEND("1") TOLD("1", "1"),
     RULE(FALSE_ACCEPT)},
    {"told safe, some log may be missing", 0, START FILE_BREAK RUN("a", "1") SEND("1") TOLD("1", "1"), 0},
    {"told safe before it was stored, one file", 0,
     START RUN("a", "1") SEND("1") TOLD("1", "1") STORED("1", "1"), RULE(FALSE_ACCEPT)},
    {"stored by a commit whose answer a kill took", 0,
     START RUN("a", "1") SEND("1") TOLD("1", "1") STORED_AT("1", "b", "e1", "1", "aa", ",\"repeat\":true"),
     0},

    /* G2 */
    {"failed, and handed", 0, RUN("a", "1") SEND("1") FAILED("1", "5") FILE_BREAK WAY_B, RULE(ABORTED_READ)},
    {"failed, and stored", 0, RUN("a", "1") SEND("1") FAILED("1", "5") FILE_BREAK START STORED("1", "1"),
     RULE(ABORTED_READ)},
    {"failed, and nowhere", HEALED | COMPLETE,
     RUN("a", "1") SEND("1") FAILED("1", "5") FILE_BREAK START REFUSED("1", "5"), 0},
    {"failed, then told safe", 0, RUN("a", "1") SEND("1") FAILED("1", "5") TOLD("1", "1"),
     RULE(ABORTED_READ)},
    {"told safe, then failed", 0, RUN("a", "1") SEND("1") TOLD("1", "1") FAILED("1", "5"),
     RULE(ABORTED_READ)},
    {"refused in one session, taken in the next", HEALED | COMPLETE,
     START REFUSED("1", "5") STORED("1", "1") FILE_BREAK WAY_A FILE_BREAK WAY_B, 0},
    {"DUP_EXPIRED says nothing about earlier tries", 0,
     RUN("a", "1") SEND("1") FAILED("1", "6") FILE_BREAK WAY_B, 0},
    {"sent before it was durable", 0,
     RUN_AT("a", "1", "0", "0", "1") SEND("2") RUN_AT("a", "1", "0", "0", "1") FILE_BREAK RUN("b", "2")
         HANDED("2", "1"),
     RULE(ABORTED_READ)},
    {"lost with the process, and nowhere", HEALED | COMPLETE,
     RUN_AT("a", "1", "0", "0", "1") SEND("2") RUN_AT("a", "1", "0", "0", "1"), 0},
    {"lost with the process, its msgid given again", HEALED | COMPLETE,
     RUN_AT("a", "1", "0", "0", "0") SEND_TO("a", "1", "1", "b", "cc") RUN_AT("a", "1", "0", "0", "0")
         SEND("1") TOLD("1", "3") FILE_BREAK WAY_B,
     0},
    {"nobody has sent it", COMPLETE, RUN("a", "1") FILE_BREAK WAY_B, RULE(FOREIGN)},
    {"its sender may have a log elsewhere", 0, RUN("a", "1") FILE_BREAK WAY_B, 0},
    {"its sender is a stranger", COMPLETE | STRANGERS, WAY_B, 0},
    {"a followed user's message that nobody has sent", COMPLETE | STRANGERS, RUN("a", "1") WAY_B,
     RULE(FOREIGN)},
    {"handed before it is sent, one file", 0, RUN("a", "1") WAY_B SEND("1"), RULE(FOREIGN)},

    /* G3, G8 */
    {"no answer", HEALED, RUN("a", "1") SEND("1"), RULE(UNHEALED)},
    {"no answer yet", 0, RUN("a", "1") SEND("1"), 0},
    {"given up", HEALED, RUN("a", "1") SEND("1") GAVEUP("1"), RULE(UNHEALED)},
    {"no end", HEALED, RUN("a", "1") SEND("1") TOLD("1", "2") FILE_BREAK WAY_B, RULE(UNHEALED)},
    {"its sender waits for STORED only", HEALED,
     RUN("a", "1") EV("send", "a", "1", ID("1") ",\"peer\":\"b\",\"hash\":\"aa\",\"state\":2") TOLD("1", "2")
         FILE_BREAK WAY_B,
     0},
    {"handed and never kept", HEALED, WAY_A FILE_BREAK RUN("b", "2") HANDED("1", "1"), RULE(UNHEALED)},

    /* G4 */
    {"another body", 0, WAY_A FILE_BREAK RUN("b", "2") HANDED_AT("b", "2", "e1", "1", "1", "bb"),
     RULE(CHANGED)},
    {"another body, the recipient's log first", 0,
     RUN("b", "2") HANDED_AT("b", "2", "e1", "1", "1", "bb") FILE_BREAK WAY_A, RULE(CHANGED)},
    {"another body at first, lost with its sender, the recipient's log first", 0,
     RUN("b", "2") HANDED_AT("b", "2", "e1", "1", "1", "aa") FILE_BREAK RUN("a", "1")
         EV("send", "a", "1", ID("1") ",\"peer\":\"b\",\"hash\":\"bb\",\"len\":1") RUN("a", "1") SEND("1"),
     0},
    {"another recipient", 0, WAY_A FILE_BREAK RUN("c", "2") HANDED_AT("c", "2", "e1", "1", "1", "aa"),
     RULE(CHANGED)},
    {"stored with another body", 0, WAY_A FILE_BREAK START STORED_AT("1", "b", "e1", "1", "bb", ""),
     RULE(CHANGED)},
    {"refused although it is stored", 0, START STORED("1", "1") REFUSED("1", "5"), RULE(CHANGED)},
    {"refused as expired when it was finished", 0, START STORED("1", "1") REFUSED("1", "6"), 0},
    {"refused by a gateway whose store was restored", 0, START STORED("1", "1") START REFUSED("1", "5"), 0},
    {"ID_REUSED for the same body", 0,
     RUN("a", "1") SEND("1") FAILED("1", "7") FILE_BREAK START STORED("1", "1"), RULE(CHANGED)},
    {"one msgid for two messages", 0, RUN("a", "1") SEND("1") SEND_TO("a", "1", "1", "b", "bb"),
     RULE(ID_REUSED)},
    {"back to an older msgid", 0, RUN("a", "1") SEND("2") SEND("1"), RULE(ID_REUSED)},
    {"the same send noted twice", 0, RUN("a", "1") SEND("1") SEND("1"), 0},
    {"one msgid on two devices", 0, RUN("a", "1") SEND("1") RUN("a", "2") SEND_TO("a", "2", "1", "b", "bb"),
     0},

    /* G5 */
    {"a lower state", 0, RUN("a", "1") SEND("1") TOLD("1", "2") TOLD("1", "1"), RULE(RECEIPT_DOWN)},
    {"the same state again", 0, RUN("a", "1") SEND("1") TOLD("1", "3") TOLD("1", "3"), 0},
    {"a lower state that a restart remembers", 0,
     RUN("a", "1") SEND("1") TOLD("1", "3") EV("told", "a", "1", ID("1") ",\"state\":1,\"repeat\":true"), 0},
    {"DELIVERED and then expired", 0, RUN("a", "1") SEND("1") TOLD("1", "3") TOLD("1", "9"), RULE(TWO_ENDS)},
    {"expired and then READ", 0, RUN("a", "1") SEND("1") TOLD("1", "9") TOLD("1", "4"), RULE(TWO_ENDS)},
    {"DELIVERED and then READ", 0, RUN("a", "1") SEND("1") TOLD("1", "3") TOLD("1", "4"), 0},
    {"refused and handed over", 0, RUN("a", "1") SEND("1") TOLD("1", "10") TOLD("1", "11"), RULE(TWO_ENDS)},
    {"DELIVERED here, expired there", 0,
     WAY_A FILE_BREAK START STORED("1", "1") FILE_BREAK RUN("b", "2") SKIPPED("b", "2", "1", "1", "2"),
     RULE(TWO_ENDS)},

    /* G6 */
    {"DELIVERED, and nobody kept it", COMPLETE, WAY_A FILE_BREAK RUN("b", "2") HANDED("1", "1"),
     RULE(FALSE_RECEIPT)},
    {"DELIVERED, kept by a device without a log", 0, WAY_A FILE_BREAK RUN("b", "2") HANDED("1", "1"), 0},
    {"DELIVERED before it is kept, one file", 0,
     RUN("a", "1") SEND("1") RUN("b", "2") HANDED("1", "1") TOLD("1", "3") KEPT("b", "2", "1"),
     RULE(FALSE_RECEIPT)},
    {"DELIVERED after it is kept, one file", 0,
     RUN("a", "1") SEND("1") RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1") TOLD("1", "3"), 0},
    {"DELIVERED, kept by the first of two devices", HEALED | COMPLETE,
     WAY_A FILE_BREAK WAY_B FILE_BREAK RUN("b", "3") SKIPPED("b", "3", "1", "1", "1") KEPT("b", "3", "1"), 0},
    {"kept, says the cursor of the next run alone", HEALED | COMPLETE,
     WAY_A FILE_BREAK RUN("b", "2") HANDED("1", "1") RUN_AT("b", "2", "e1", "1", "0"), 0},

    /* G7, G9 */
    {"one identity at two seqs, stored", 0, START STORED("1", "1") STORED("1", "2"), RULE(DUPLICATE_SEQ)},
    {"one identity stored again at its seq", 0, START STORED("1", "1") START STORED("1", "1"), 0},
    {"one identity at two seqs, handed", 0, RUN("b", "2") HANDED("1", "1") HANDED("1", "2"),
     RULE(DUPLICATE_SEQ) | RULE(DUPLICATE)},
    {"one identity at two seqs, handed and stored", 0,
     START STORED("1", "1") FILE_BREAK RUN("b", "2") SKIPPED("b", "2", "1", "1", "1") HANDED("1", "2"),
     RULE(DUPLICATE_SEQ)},
    {"two devices of one user get the same seq", HEALED | COMPLETE,
     WAY_A FILE_BREAK WAY_B FILE_BREAK RUN("b", "3") HANDED_AT("b", "3", "e1", "1", "1", "aa")
         KEPT("b", "3", "1"),
     0},
    {"above the durable cursor it comes again", HEALED | COMPLETE,
     WAY_A FILE_BREAK RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1") RUN_AT("b", "2", "e1", "0", "0")
         HANDED("1", "1") KEPT("b", "2", "1"),
     0},
    {"below the durable cursor it comes again", 0,
     RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1") RUN_AT("b", "2", "e1", "1", "0") HANDED("1", "1"),
     RULE(DUPLICATE) | RULE(OUT_OF_ORDER)},
    {"twice in one run", 0, RUN("b", "2") HANDED("1", "1") HANDED("1", "1"),
     RULE(DUPLICATE) | RULE(OUT_OF_ORDER)},
    {"another store of the same device", 0,
     RUN_AT("b", "2", "e1", "0", "0") HANDED("1", "1") KEPT("b", "2", "1")
         EV("run", "b", "2", ",\"install\":\"8\"") HANDED("1", "1"),
     0},
    {"again in another epoch", 0, WAY_B RESYNC("b", "2", "e2", "0") HANDED_AT("b", "2", "e2", "1", "1", "aa"),
     RULE(DUPLICATE)},
    {"again in another epoch, not kept before", 0,
     RUN("b", "2") HANDED("1", "1") RESYNC("b", "2", "e2", "0") HANDED_AT("b", "2", "e2", "1", "1", "aa"), 0},

    /* G10 */
    {"one seq is two messages", 0,
     RUN("b", "2") HANDED("1", "1") RUN("b", "3") HANDED_AT("b", "3", "e1", "2", "1", "aa"), RULE(OFFSET)},
    {"one seq is two messages, stored", 0, START STORED("1", "1") STORED("2", "1"), RULE(OFFSET)},
    {"the same seq in two epochs", 0, START STORED("1", "1") START STORED_AT("2", "b", "e2", "1", "aa", ""),
     0},
    {"the same seq of two users", 0, START STORED("1", "1") STORED_AT("2", "c", "e1", "1", "aa", ""), 0},
    {"its sender was told another seq", 0,
     RUN("a", "1") SEND("1") EV("told", "a", "1", ID("1") ",\"state\":1,\"seq\":7") FILE_BREAK WAY_B,
     RULE(OFFSET)},
    {"its sender was told two seqs", 0,
     RUN("a", "1") SEND("1") EV("told", "a", "1", ID("1") ",\"state\":1,\"seq\":7")
         EV("told", "a", "1", ID("1") ",\"state\":1,\"seq\":8"),
     RULE(DUPLICATE_SEQ)},
    {"backwards", 0, RUN("b", "2") SKIPPED("b", "2", "1", "1", "2") HANDED("2", "2") HANDED("1", "1"),
     RULE(OUT_OF_ORDER)},

    /* G11 */
    {"a later message of one sender first", 0,
     RUN("a", "1") SEND("1") SEND("2") FILE_BREAK START STORED("2", "1") STORED("1", "2"),
     RULE(SENDER_ORDER)},
    {"a refused message whose sender never heard of it comes behind", 0,
     RUN("a", "1") SEND("1") SEND("2") FILE_BREAK START REFUSED("1", "5") STORED("2", "1")
         START STORED("1", "2"),
     0},
    {"in order, with a failed one between", 0,
     RUN("a", "1") SEND("1") SEND("2") FAILED("2", "5") SEND("3") FILE_BREAK START STORED("1", "1")
         STORED("3", "2"),
     0},
    {"two devices of one sender are not ordered", 0,
     RUN("a", "1") SEND("2") RUN("a", "2") SEND_TO("a", "2", "1", "b", "aa") FILE_BREAK START STORED("2", "1")
         EV("stored", "a", "2",
            ID("1") ",\"peer\":\"b\",\"seq\":2,\"epoch\":\"e1\",\"state\":1,\"commit\":1"),
     0},
    {"two recipients are not ordered", 0,
     RUN("a", "1") SEND("1") SEND_TO("a", "1", "2", "c", "aa")
         FILE_BREAK START STORED_AT("2", "c", "e1", "1", "aa", "") STORED("1", "1"),
     0},

    /* G12 */
    {"a seq is missing", 0, RUN("b", "2") HANDED("1", "1") HANDED("3", "3"), RULE(SKIPPED_POLL)},
    {"a seq is missing after the cursor", 0, RUN_AT("b", "2", "e1", "4", "0") HANDED("6", "6"),
     RULE(SKIPPED_POLL)},
    {"a skipped range fills the hole", 0,
     RUN("b", "2") HANDED("1", "1") SKIPPED("b", "2", "2", "2", "2") HANDED("3", "3"), 0},
    {"a new device joins behind what others confirmed", COMPLETE,
     RUN("a", "1") SEND("1") SEND("2") FILE_BREAK WAY_B FILE_BREAK RUN("b", "3")
         HANDED_AT("b", "3", "e1", "2", "2", "aa"),
     0},

    /* G13 */
    {"kept above what was handed", 0, RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "2"), RULE(PAST_UNSENT)},
    {"confirmed above what was kept", COMPLETE,
     WAY_A FILE_BREAK START STORED("1", "1") CONFIRMED("b", "2", "2", "2", "2") FILE_BREAK WAY_B,
     RULE(PAST_UNSENT)},
    {"confirmed above the highest seq", 0, HEAD("b", "3", "2"), RULE(PAST_UNSENT)},
    {"a later commit has a lower cursor", 0,
     START CONFIRMED("b", "2", "5", "5", "2") CONFIRMED("b", "3", "4", "4", "3"), RULE(CURSOR_DOWN)},
    {"completions pass each other", 0,
     START CONFIRMED("b", "2", "5", "5", "3") CONFIRMED("b", "3", "4", "4", "2"), 0},
    {"commits are counted anew at a start", 0,
     START CONFIRMED("b", "2", "5", "5", "30") START CONFIRMED("b", "3", "6", "6", "2"), 0},
    {"the confirmed cursor went down", 0, HEAD("b", "3", "5") HEAD("b", "2", "5"), RULE(CURSOR_DOWN)},
    {"a device starts below what it has confirmed, one file", 0,
     RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1") CONFIRMED("b", "2", "1", "1", "2")
         RUN_AT("b", "2", "e1", "0", "0"),
     RULE(CURSOR_DOWN)},
    {"DELIVERED, then its recipient has lost it, one file", 0,
     RUN("a", "1") SEND("1") RUN("b", "2") HANDED("1", "1") KEPT("b", "2", "1") TOLD("1", "3")
         RUN_AT("b", "2", "e1", "0", "0"),
     RULE(CURSOR_DOWN)},

    /* G14 */
    {"skipped as confirmed, kept by nobody", COMPLETE, RUN("b", "2") SKIPPED("b", "2", "1", "9", "1"),
     RULE(FALSE_CONFIRMED)},
    {"skipped as confirmed, kept by another device", COMPLETE,
     RUN("a", "1") SEND("1") FILE_BREAK WAY_B FILE_BREAK RUN("b", "3") SKIPPED("b", "3", "1", "1", "1"), 0},

    /* G15 */
    {"another epoch without RESYNC", 0, WAY_B HANDED_AT("b", "2", "e2", "2", "2", "aa"), RULE(EPOCH)},
    {"another epoch after RESYNC", 0,
     WAY_B RESYNC("b", "2", "e2", "0") HANDED_AT("b", "2", "e2", "2", "1", "aa"), 0},
    {"handed above what the epoch has", HEALED | COMPLETE,
     WAY_A FILE_BREAK START STORED("1", "1") FILE_BREAK WAY_B SKIPPED("b", "2", "2", "2", "2"), RULE(EPOCH)},
    {"handed above what a killed gateway noted", HEALED | COMPLETE,
     WAY_A FILE_BREAK START STORED("1", "1") START FILE_BREAK WAY_B SKIPPED("b", "2", "2", "2", "2"), 0},
    {"stored, as a receipt tells that does not know the epoch", HEALED | COMPLETE,
     WAY_A FILE_BREAK START EV("stored", "a", "1",
                               ID("1") ",\"peer\":\"b\",\"seq\":1,\"state\":3,\"repeat\":true")
         FILE_BREAK WAY_B,
     0},
    {"the highest seq went down", 0, HEAD("b", "1", "5") HEAD("b", "1", "4"), RULE(EPOCH)},
};
#define HISTORIES_N (sizeof histories / sizeof histories[0])

static void note(void *self, const struct sp_verify_violation *v)
{
    *(unsigned *)self |= 1U << v->rule;
    cr_assert_gt(strlen(v->text), 0);
    cr_assert(v->at.line > 0);
}

/* The rules that a history breaks. */
static unsigned judge(const struct history *h)
{
    unsigned found = 0;
    struct sp_verify_place at = {0, 0};
    struct sp_verify *v;
    struct sp_verify_summary sum;
    const struct sp_verify_config cfg = {.healed = (h->options & HEALED) != 0,
                                         .complete = (h->options & COMPLETE) != 0,
                                         .strangers = (h->options & STRANGERS) != 0,
                                         .report = note,
                                         .self = &found};
    cr_assert_eq(sp_verify_create(&v, &cfg), 0);
    for (const char *line = h->lines; *line != '\0';) {
        struct sp_history_event e;
        struct sp_historyread_names names;
        const char *reason;
        size_t len = strcspn(line, "\n");
        if (len == 0) {
            at = (struct sp_verify_place){at.file + 1, 0};
            line++;
            continue;
        }
        at.line++;
        cr_assert_eq(sp_historyread_line(line, len, &e, &names, &reason), 0, "%s: %.*s: %s", h->name,
                     (int)len, line, reason);
        cr_assert_eq(sp_verify_add(v, &e, at), 0, "%s: %.*s", h->name, (int)len, line);
        line += len + 1;
    }
    cr_assert_eq(sp_verify_finish(v, &sum), 0);
    cr_assert_eq(sum.violations != 0, found != 0);
    sp_verify_destroy(&v);
    cr_assert_null(v);
    return found;
}

Test(verify, histories)
{
    unsigned covered = 0;
    for (size_t i = 0; i < HISTORIES_N; i++) {
        unsigned found = judge(&histories[i]);
        for (int r = 0; r < SP_VERIFY_RULES; r++) {
            bool is_expected = (histories[i].expected & 1U << r) != 0, is_found = (found & 1U << r) != 0;
            cr_expect_eq(is_found, is_expected, "%s: %s %s", histories[i].name,
                         sp_verify_rule_name((enum sp_verify_rule)r), is_found ? "is found" : "is not found");
        }
        covered |= found;
    }
    cr_assert_eq(covered, (1U << SP_VERIFY_RULES) - 1, "rules that no history breaks: %x",
                 ~covered & ((1U << SP_VERIFY_RULES) - 1));
}

Test(verify, every_rule_has_its_words)
{
    for (int r = 0; r < SP_VERIFY_RULES; r++) {
        cr_assert_gt(strlen(sp_verify_rule_name((enum sp_verify_rule)r)), 0);
        cr_assert_eq(sp_verify_rule_guarantee((enum sp_verify_rule)r)[0], 'G');
        cr_assert_not_null(sp_verify_rule_needs((enum sp_verify_rule)r));
    }
}

Test(verify, counts_and_scope)
{
    struct sp_verify *v;
    struct sp_verify_summary sum;
    const struct sp_verify_config cfg = {.healed = true};
    const struct sp_view a = {(const uint8_t *)"a", 1}, b = {(const uint8_t *)"b", 1};
    const struct sp_history_event events[] = {
        {.kind = SP_HISTORY_RUN, .user = a, .device = 1},
        {.kind = SP_HISTORY_SEND, .user = a, .device = 1, .msgid = 1, .peer = b, .hash = 5},
        {.kind = SP_HISTORY_SEND, .user = a, .device = 1, .msgid = 2, .peer = b, .hash = 6},
        {.kind = SP_HISTORY_SEND, .user = a, .device = 1, .msgid = 3, .peer = b, .hash = 7},
        {.kind = SP_HISTORY_TOLD, .user = a, .device = 1, .msgid = 1, .state = 3},
        {.kind = SP_HISTORY_FAILED, .user = a, .device = 1, .msgid = 2, .code = 5},
    };
    cr_assert_eq(sp_verify_create(&v, &cfg), 0);
    for (uint32_t i = 0; i < sizeof events / sizeof events[0]; i++)
        cr_assert_eq(sp_verify_add(v, &events[i], (struct sp_verify_place){0, i + 1}), 0);
    cr_assert_eq(sp_verify_finish(v, &sum), 0);
    cr_assert_eq(sum.events, 6);
    cr_assert_eq(sum.sent, 3);
    cr_assert_eq(sum.ok, 1);
    cr_assert_eq(sum.failed, 1);
    cr_assert_eq(sum.unknown, 1);
    cr_assert_eq(sum.users, 2);
    cr_assert_eq(sum.devices, 1);
    cr_assert_eq(sum.by_rule[SP_VERIFY_UNHEALED], 1);
    cr_assert(sum.is_judged[SP_VERIFY_UNHEALED]);
    cr_assert(!sum.is_judged[SP_VERIFY_FOREIGN]);
    cr_assert(!sum.is_judged[SP_VERIFY_FALSE_ACCEPT]);
    sp_verify_destroy(&v);
}

Test(verify, refuses_what_is_out_of_range)
{
    struct sp_verify *v;
    const struct sp_verify_config cfg = {.healed = false};
    const struct sp_view a = {(const uint8_t *)"a", 1};
    struct sp_history_event e = {.kind = SP_HISTORY_KEPT, .user = a, .seq = 1};
    cr_assert_eq(sp_verify_create(&v, &cfg), 0);
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 0}), SP_EINVAL);
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){SP_VERIFY_FILES_MAX, 1}), SP_EINVAL);
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 5}), 0);
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 5}), SP_EINVAL, "lines rise");
    e.user.n = 0;
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 6}), SP_EINVAL);
    e.user.n = SP_USER_MAX + 1;
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 6}), SP_EINVAL);
    e = (struct sp_history_event){.kind = SP_HISTORY_SKIPPED, .user = a, .seq = 3, .hi = 2};
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 6}), SP_EINVAL);
    e = (struct sp_history_event){.kind = SP_HISTORY_KINDS, .user = a};
    cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, 6}), SP_EINVAL);
    sp_verify_destroy(&v);
}

static void count_report(void *self, const struct sp_verify_violation *v)
{
    (void)v;
    ++*(unsigned *)self;
}

/* A history full of the same mistake does not flood its reader. */
Test(verify, reports_are_bounded)
{
    unsigned reports = 0;
    struct sp_verify *v;
    struct sp_verify_summary sum;
    const struct sp_verify_config cfg = {.told_max = 3, .report = count_report, .self = &reports};
    const struct sp_view a = {(const uint8_t *)"a", 1};
    cr_assert_eq(sp_verify_create(&v, &cfg), 0);
    for (uint32_t i = 0; i < 10; i++) {
        const struct sp_history_event e = {
            .kind = SP_HISTORY_HEAD, .user = a, .epoch = 1, .seq = i + 2, .hi = i + 1};
        cr_assert_eq(sp_verify_add(v, &e, (struct sp_verify_place){0, i + 1}), 0);
    }
    cr_assert_eq(sp_verify_finish(v, &sum), 0);
    cr_assert_eq(sum.by_rule[SP_VERIFY_PAST_UNSENT], 10);
    cr_assert_eq(reports, 3);
    sp_verify_destroy(&v);
}

/* Whatever a log says, in whatever order: a verdict, and sums that agree. */
Test(verify, any_events_do_no_harm)
{
    static const struct sp_view names[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
    uint64_t dice = 1;
    for (unsigned round = 0; round < 200; round++) {
        struct sp_verify *v;
        struct sp_verify_summary sum;
        const struct sp_verify_config cfg = {
            .healed = round % 2 == 0, .complete = round % 3 == 0, .strangers = round % 5 == 0};
        cr_assert_eq(sp_verify_create(&v, &cfg), 0);
        for (uint32_t i = 1; i <= 500; i++) {
            dice = dice * 6364136223846793005U + 1442695040888963407U;
            uint32_t d = (uint32_t)(dice >> 33);
            const struct sp_history_event e = {
                .kind = (enum sp_history_kind)(1 + d % (SP_HISTORY_KINDS - 1)),
                .user = names[d >> 5 & 1],
                .device = d >> 6 & 1,
                .peer = names[d >> 7 & 1],
                .peer_device = d >> 8 & 1,
                .msgid = 1 + (d >> 9 & 7),
                .epoch = d >> 12 & 1,
                .install = d >> 13 & 1,
                .seq = 1 + (d >> 14 & 7),
                .hi = 1 + (d >> 14 & 7) + (d >> 17 & 3),
                .hash = d >> 19 & 1,
                .state = (d >> 20 & 15) % 13,
                .code = 1 + (int)(d >> 24 & 7),
                .commit = d >> 27 & 3,
                .is_repeat = (d >> 29 & 1) != 0,
            };
            int rc = sp_verify_add(v, &e, (struct sp_verify_place){i % 7 == 0, i});
            cr_assert(rc == 0 || rc == SP_EINVAL);
        }
        cr_assert_eq(sp_verify_finish(v, &sum), 0);
        uint64_t all = 0;
        for (int r = 0; r < SP_VERIFY_RULES; r++)
            all += sum.by_rule[r];
        cr_assert_eq(all, sum.violations);
        cr_assert_eq(sum.sent, sum.ok + sum.failed + sum.unknown);
        cr_assert_leq(sum.kept, sum.handed);
        sp_verify_destroy(&v);
    }
}
