/* Default places. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "paths.h"

Test(paths, state)
{
    static const struct {
        const char *state, *home, *want;
    } rows[] = {
        {"/s", "/h", "/s/sampan"},
        {NULL, "/h", "/h/.local/state/sampan"},
        {"", "/h", "/h/.local/state/sampan"},
        {"relative", "/h", "/h/.local/state/sampan"},
        {NULL, NULL, NULL},
        {"relative", "relative", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char dst[SP_FILES_PATH_MAX] = "";
        struct sp_trouble t;
        (void)unsetenv("XDG_STATE_HOME");
        (void)unsetenv("HOME");
        if (rows[i].state != NULL)
            (void)setenv("XDG_STATE_HOME", rows[i].state, 1);
        if (rows[i].home != NULL)
            (void)setenv("HOME", rows[i].home, 1);
        cr_expect_eq(sp_paths_state(dst, sizeof dst, &t), rows[i].want != NULL ? 0 : -1);
        if (rows[i].want != NULL)
            cr_expect_str_eq(dst, rows[i].want);
        else
            cr_expect_eq(t.code, SP_EXIT_CONFIG);
    }
}

Test(paths, admin_of_root_and_of_others)
{
    char dst[SP_FILES_PATH_MAX];
    struct sp_trouble t;
    bool is_root = geteuid() == 0;
    (void)setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    (void)setenv("XDG_STATE_HOME", "/s", 1);
    if (is_root) {
        cr_assert_eq(sp_paths_admin(dst, sizeof dst, &t), 0);
        cr_assert_str_eq(dst, "/run/sampan/admin");
        cr_assert_eq(seteuid(12345), 0);
    }
    cr_assert_eq(sp_paths_admin(dst, sizeof dst, &t), 0);
    cr_assert_str_eq(dst, "/run/user/7/sampan/admin");
    (void)unsetenv("XDG_RUNTIME_DIR");
    cr_assert_eq(sp_paths_admin(dst, sizeof dst, &t), 0);
    cr_assert_str_eq(dst, "/s/sampan/admin");
    if (is_root) /* the leak check at the end needs it */
        cr_assert_eq(seteuid(0), 0);
}
