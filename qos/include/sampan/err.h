/* One table of errors.  Functions return 0 or one of the negative values; append, never renumber. */
#ifndef SAMPAN_ERR_H
#define SAMPAN_ERR_H

/* X(NAME, number, text) */
#define SP_ERRORS(X)                                                                                         \
    X(EAGAIN, 1, "nothing there now")                                                                        \
    X(EFULL, 2, "a bounded queue or table is full; nothing was taken")                                       \
    X(EINVAL, 3, "an argument is outside its limits")                                                        \
    X(EAUTH, 4, "authentication failed")                                                                     \
    X(EREPLAY, 5, "already received")                                                                        \
    X(EMALFORMED, 6, "bytes do not follow the protocol")                                                     \
    X(ECLOSED, 7, "the session is closed")                                                                   \
    X(EBIG, 8, "larger than the limit")                                                                      \
    X(EUNKNOWN, 9, "outcome unknown; the same request again is safe")                                        \
    X(EREUSED, 10, "the message id was used for another message")                                            \
    X(EEXPIRED, 11, "the message id is below the floor of remembered ids")                                   \
    X(EQUOTA, 12, "a quota is used up")                                                                      \
    X(ESEQ, 13, "the sequence space of the mailbox is exhausted")                                            \
    X(ENOSPACE, 14, "the store is full")                                                                     \
    X(ENOGROUP, 15, "no such group")                                                                         \
    X(EBAD, 16, "the request is not valid")                                                                  \
    X(EBUSY, 17, "busy; try again later")                                                                    \
    X(EFENCED, 18, "a newer session holds this device")                                                      \
    X(EHIGH, 19, "cursor above the head of the mailbox")                                                     \
    X(EFAILED, 20, "the store has failed and takes nothing more")                                            \
    X(EIO, 21, "an input or output operation failed")                                                        \
    X(ECORRUPT, 22, "a stored record is damaged")                                                            \
    X(EVERSION, 23, "unknown version or schema")                                                             \
    X(EEXPIREDTOKEN, 24, "the token has expired")                                                            \
    X(EFORBIDDEN, 25, "not permitted")

#define SP_ERR_ENUM(name, number, text) SP_##name = -(number),
enum sp_err { SP_OK = 0, SP_ERRORS(SP_ERR_ENUM) };
#undef SP_ERR_ENUM

/* Name of an error such as "SP_EFULL", or "SP_OK", or "unknown".  Static text. */
const char *sp_err_name(int err);
/* One sentence about an error.  Static text. */
const char *sp_err_text(int err);

#endif
