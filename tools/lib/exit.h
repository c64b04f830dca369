/* Exit codes of every Sampan program (docs/operating.md, "Exit codes"). */
#ifndef SP_EXIT_H
#define SP_EXIT_H

enum sp_exit {
    SP_EXIT_OK = 0,           /* done */
    SP_EXIT_FAILED = 1,       /* a promise or a check failed */
    SP_EXIT_USAGE = 2,        /* unknown verb, option or value */
    SP_EXIT_DAMAGED = 65,     /* damaged store, unknown schema */
    SP_EXIT_UNREACHABLE = 69, /* a service, host or file that is needed is not there */
    SP_EXIT_IO = 74,          /* an input or output operation failed */
    SP_EXIT_UNKNOWN = 75,     /* outcome unknown: run again */
    SP_EXIT_REFUSED = 77,     /* token or permission */
    SP_EXIT_CONFIG = 78       /* configuration */
};

#endif
