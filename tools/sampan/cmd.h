/* The verbs of `sampan`: each is a function in its own cmd_<verb>.c.  argv[0] is the verb; the return value
 * is the exit code (tools/lib/exit.h).  A verb reads its own options with tools/lib/args.h and answers
 * --help. */
#ifndef SP_CMD_H
#define SP_CMD_H

/* X(verb, one line for `sampan --help`), in the order of that list. */
#define SP_CMDS(X)                                                                                           \
    X(keygen, "make a key folder, or add a token key to it")                                                 \
    X(token, "make a connect token for one user's device")                                                   \
    X(send, "send each line of standard input as a message")                                                 \
    X(recv, "write each message to standard output, exactly once")                                           \
    X(status, "ask how far messages got")                                                                    \
    X(stat, "show the counters of a running gateway")                                                        \
    X(verify, "read histories and say which promises they break")                                            \
    X(demo, "run a gateway and two users over a bad network and check what arrives")

#define SP_CMD_DECLARE(name, help) int sp_cmd_##name(int argc, char **argv);
SP_CMDS(SP_CMD_DECLARE)
#undef SP_CMD_DECLARE

#endif
