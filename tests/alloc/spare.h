/* Forced into the sources of tests/lib in this program: the world around the product does not run out of
 * memory. */
#ifndef SP_ALLOC_SPARE_H
#define SP_ALLOC_SPARE_H

#include <stdlib.h>

#include "fail.h"

#define malloc  spare_malloc
#define calloc  spare_calloc
#define realloc spare_realloc

#endif
