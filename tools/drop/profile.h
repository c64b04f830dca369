/* Named networks for --profile. */
#ifndef SP_PROFILE_H
#define SP_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "model.h"

struct sp_profile {
    const char *name;
    const char *text; /* one line about it */
    struct sp_model_config config;
};

/* The profile of a name, or NULL.  Static. */
const struct sp_profile *sp_profile_find(const char *name);

/* Profile i in the order of the manual, or NULL behind the last.  Static. */
const struct sp_profile *sp_profile_get(size_t i);

#endif
