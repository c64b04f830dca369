/* SP_ASSERT: what must hold, checked also in release.  It is for our own bugs, never for what the network,
 * the disk or the caller's bytes say: those get an error code and a counter. */
#ifndef SP_BUG_H
#define SP_BUG_H

/* Ends the process.  A trap needs no library and leaves file and line in the core dump's debug data.  The
 * coverage build evaluates the condition only: the branch into the trap is there to be never taken. */
#ifdef SAMPAN_COVERAGE
#define SP_ASSERT(cond) ((void)(cond))
#else
#define SP_ASSERT(cond)                                                                                      \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            __builtin_trap();                                                                                \
    } while (0)
#endif

#define SP_STATIC_ASSERT(cond, text) _Static_assert(cond, text)

#endif
