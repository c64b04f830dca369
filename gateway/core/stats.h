/* Counters of the gateway core: one table gives each its name and help.  Plain numbers; the shell publishes
 * them. */
#ifndef SP_STATS_H
#define SP_STATS_H

#include <stdint.h>

/* X(name, help).  Append; names are what `sampan stat` prints. */
#define SP_STATS(X)                                                                                          \
    X(datagrams_received, "datagrams taken from the shell")                                                  \
    X(datagrams_accepted, "datagrams that authenticated and were processed")                                 \
    X(datagrams_sent, "datagrams given to the shell")                                                        \
    X(bytes_received, "bytes of datagrams received")                                                         \
    X(bytes_sent, "bytes of datagrams sent")                                                                 \
    X(drop_empty, "dropped: no bytes")                                                                       \
    X(drop_long, "dropped: over 1200 bytes")                                                                 \
    X(drop_kind, "dropped: unknown first byte or a kind that goes down only")                                \
    X(drop_short, "dropped: shorter than its kind allows")                                                   \
    X(drop_cid, "dropped: connection id is not ours or names no session")                                    \
    X(drop_auth, "dropped: DATA that does not open")                                                         \
    X(drop_replay, "dropped: packet number seen before or too old")                                          \
    X(drop_closed, "dropped: for a session that is closed")                                                  \
    X(drop_init_version, "dropped: INIT of another version or shape")                                        \
    X(drop_init_unpadded, "dropped: INIT under 1200 bytes without a valid cookie")                           \
    X(drop_init_rate, "dropped: INIT over the rate of its source")                                           \
    X(drop_init_repeat, "dropped: INIT repeated from elsewhere or too often")                                \
    X(drop_init_token, "dropped: token unknown, forged, expired or without rights")                          \
    X(drop_init_proof, "dropped: proof not of the token's key")                                              \
    X(drop_init_device, "dropped: INIT over the rate of its device")                                         \
    X(drop_init_sealed, "dropped: INIT whose sealed part does not open or parse")                            \
    X(drop_init_full, "dropped: no room for another session")                                                \
    X(init_repeated, "ACCEPT sent again for a repeated INIT")                                                \
    X(init_retry, "RETRY sent")                                                                              \
    X(resets_sent, "RESET sent for an unknown connection id of ours")                                        \
    X(handshakes_accepted, "ACCEPT sent")                                                                    \
    X(sessions_confirmed, "sessions confirmed by their first DATA")                                          \
    X(sessions_replaced, "sessions closed because their device opened a newer one")                          \
    X(sessions_closed, "sessions closed, for whatever reason")                                               \
    X(sessions_idle, "sessions ended by idle expiry")                                                        \
    X(sessions_violated, "sessions closed with PROTOCOL")                                                    \
    X(sessions_moved, "address changes followed")                                                            \
    X(messages_received, "msg:R taken, repeats included")                                                    \
    X(messages_stored, "messages made durable")                                                              \
    X(messages_repeated, "msg:R answered as a repeat of a durable message")                                  \
    X(messages_joined, "msg:R absorbed because its first copy is in flight")                                 \
    X(messages_refused, "msg:R answered with a definite error")                                              \
    X(messages_busy, "msg:R answered BUSY")                                                                  \
    X(messages_held, "msg:R that waited for the message it names in AFTER")                                  \
    X(messages_unknown, "appends whose outcome the store could not tell; the client repeats")                \
    X(notices_sent, "msg:N submitted")                                                                       \
    X(tips_sent, "TIP submitted")                                                                            \
    X(pulls, "PULL:R answered")                                                                              \
    X(pulls_refused, "PULL:R answered with an error or RESYNC")                                              \
    X(acks, "ack:R and pulls that moved a cursor")                                                           \
    X(acks_refused, "ack:R refused: too high, not bound, or busy")                                           \
    X(receipts_delivered, "messages that became DELIVERED")                                                  \
    X(receipts_stored, "messages whose senders get ack:N STORED")                                            \
    X(statuses, "STATUS:R answered")                                                                         \
    X(ctrl_refused, "CTRL:R answered with an error")                                                         \
    X(streams_refused, "STREAM_OPEN answered with RESET")                                                    \
    X(link_full, "frames that found no room in a link; their sender repeats")                                \
    X(store_full, "requests the store's queue had no room for; retried next turn")                           \
    X(packets_lost, "packets declared lost")                                                                 \
    X(frames_resent, "frames put into a packet again")                                                       \
    X(drop_init_cookie, "dropped: INIT that must come again with a cookie; it got RETRY")                    \
    X(drop_init_draining, "dropped: INIT while the gateway drains")                                          \
    X(replies_lost, "ACCEPT, RETRY or RESET that found no room before the next transmit")                    \
    X(frames_unfit, "frames of ours that cannot be written: a bug")                                          \
    X(sessions_dark, "times a session was no longer heard")                                                  \
    X(sessions_refused, "sessions closed with LIMIT because of too many refused messages")                   \
    X(receipts_ended, "messages that expired or were dropped, as told by the store")                         \
    X(receipts_forgotten, "receipts there was no room for; the sender learns the state by STATUS")           \
    X(store_unknown, "answers of the store other than to appends that tell no outcome; the client repeats")

struct sp_stats {
#define SP_STATS_FIELD(name, help) uint64_t name;
    SP_STATS(SP_STATS_FIELD)
#undef SP_STATS_FIELD
};

#endif
