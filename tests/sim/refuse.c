/* Only what happens between the beginning and the end of sp_store_submit and sp_store_step is the store's. */
#include "refuse.h"

#include "store.h"

static struct {
    unsigned of_1000;
    struct sp_dice dice;
    bool is_inside; /* of the store */
    uint64_t n;
} refuse;

void sim_refuse_arm(unsigned of_1000, struct sp_dice dice)
{
    refuse.of_1000 = of_1000;
    refuse.dice = dice;
    refuse.n = 0;
}

unsigned sim_refuse_pause(void)
{
    unsigned was = refuse.of_1000;
    refuse.of_1000 = 0;
    return was;
}

void sim_refuse_resume(unsigned of_1000)
{
    refuse.of_1000 = of_1000;
}

uint64_t sim_refuse_count(void)
{
    return refuse.n;
}

static bool is_refused(void)
{
    if (!refuse.is_inside || refuse.of_1000 == 0 || sp_dice_below(&refuse.dice, 1000) >= refuse.of_1000)
        return false;
    refuse.n++;
    return true;
}

/* The names are the linker's: __wrap_X is called in the place of X, which is then __real_X. */
// NOLINTBEGIN(bugprone-reserved-identifier)
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
int __real_sp_store_submit(struct sp_store_port *p, const struct sp_store_req *reqs, size_t n);
size_t __real_sp_store_step(struct sp_store *st);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
int __wrap_sp_store_submit(struct sp_store_port *p, const struct sp_store_req *reqs, size_t n);
size_t __wrap_sp_store_step(struct sp_store *st);

void *__wrap_malloc(size_t n)
{
    return is_refused() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return is_refused() ? NULL : __real_realloc(p, n);
}

int __wrap_sp_store_submit(struct sp_store_port *p, const struct sp_store_req *reqs, size_t n)
{
    refuse.is_inside = true;
    int err = __real_sp_store_submit(p, reqs, n);
    refuse.is_inside = false;
    return err;
}

size_t __wrap_sp_store_step(struct sp_store *st)
{
    refuse.is_inside = true;
    size_t n = __real_sp_store_step(st);
    refuse.is_inside = false;
    return n;
}
// NOLINTEND(bugprone-reserved-identifier)
