/* Profiles. */
#include <criterion/criterion.h>

#include "profile.h"

Test(profile, all_are_sound_and_found)
{
    size_t n = 0;
    const struct sp_profile *p = NULL;
    for (; (p = sp_profile_get(n)) != NULL; n++) {
        cr_expect_null(sp_model_problem(&p->config), "%s", p->name);
        cr_expect_eq(sp_profile_find(p->name), p);
    }
    cr_expect_eq(n, 7);
    cr_expect_null(sp_profile_find("5g"));
    cr_expect_null(sp_profile_find(""));
}

Test(profile, figures)
{
    static const struct {
        const char *name;
        int64_t delay_ms;
        double kbit, loss;
    } table[] = {{"edge", 300, 250, 0.015}, {"3g", 250, 750, 0.015}, {"wifi", 40, 30000, 0.002}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct sp_profile *p = sp_profile_find(table[i].name);
        cr_assert_not_null(p);
        cr_expect_eq(p->config.delay_us, table[i].delay_ms * 1000);
        cr_expect_float_eq(p->config.rate_kbit, table[i].kbit, 0);
        cr_expect_float_eq(p->config.loss[SP_MODEL_UP], table[i].loss, 0);
        cr_expect_float_eq(p->config.loss[SP_MODEL_DOWN], table[i].loss, 0);
    }
}
