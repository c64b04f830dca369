/* lmdb_tail.c: pages of a tree of free pages, made by hand. */
#include "lmdb_tail.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 12, BRANCH = 1, LEAF = 2, BIG = 1 };

struct file {
    uint8_t b[PAGES * PAGE];
};

static void put(struct file *f, size_t at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f->b[at + i] = (uint8_t)(v >> 8 * i);
}

static void page(struct file *f, size_t no, unsigned flags)
{
    put(f, no * PAGE, no, 8);
    put(f, no * PAGE + 10, flags, 2);
    put(f, no * PAGE + 12, 16, 2);
    put(f, no * PAGE + 14, PAGE, 2);
}

/* Room for a node of n bytes at the page's upper end; its place in the file. */
static size_t node(struct file *f, size_t no, size_t n)
{
    size_t head = no * PAGE;
    size_t lower = f->b[head + 12] + (size_t)f->b[head + 13] * 256;
    size_t upper = f->b[head + 14] + (size_t)f->b[head + 15] * 256 - n;
    put(f, head + lower, upper, 2);
    put(f, head + 12, lower + 2, 2);
    put(f, head + 14, upper, 2);
    return head + upper;
}

/* A row of page numbers first, first + 1, ... */
static void row(struct file *f, size_t leaf, uint64_t first, size_t n)
{
    size_t size = 8 * (n + 1);
    size_t at = node(f, leaf, 16 + size);
    put(f, at, size, 4);
    put(f, at + 6, 8, 2);
    put(f, at + 16, n, 8);
    for (size_t i = 0; i < n; i++)
        put(f, at + 24 + 8 * i, first + n - 1 - i, 8);
}

static void child(struct file *f, size_t branch, uint64_t to)
{
    size_t at = node(f, branch, 16);
    put(f, at, to, 6);
    put(f, at + 6, 8, 2);
}

static bool is_free(const struct file *f, size_t size, uint64_t root, uint64_t last)
{
    FILE *tmp = tmpfile();
    cr_assert_not_null(tmp);
    cr_assert_eq(write(fileno(tmp), f->b, size), (ssize_t)size);
    struct sp_lmdb_tail t = {
        .fd = fileno(tmp), .page_size = PAGE, .size = size, .last_page = last, .free_root = root};
    bool result = sp_lmdb_tail_is_free(&t);
    (void)fclose(tmp);
    return result;
}

static struct file f;

static void start(void)
{
    memset(&f, 0, sizeof(f));
}

Test(lmdb_tail, a_whole_file_needs_no_tree, .init = start)
{
    cr_assert(is_free(&f, 5 * PAGE, UINT64_MAX, 4));
    cr_assert_not(is_free(&f, 5 * PAGE - 1, UINT64_MAX, 4));
    cr_assert_not(is_free(&f, 5 * PAGE, UINT64_MAX, 5));
}

Test(lmdb_tail, missing_pages_must_all_be_free, .init = start)
{
    page(&f, 2, LEAF);
    row(&f, 2, 3, 2); /* 3, 4 */
    row(&f, 2, 6, 1);
    cr_assert_not(is_free(&f, 5 * PAGE, 2, 6), "5 is in use");
    row(&f, 2, 5, 1);
    cr_assert(is_free(&f, 5 * PAGE, 2, 6));
    cr_assert(is_free(&f, 5 * PAGE, 2, 5));
    cr_assert(is_free(&f, 4 * PAGE + 100, 2, 6), "a part of a free page");
    cr_assert_not(is_free(&f, 5 * PAGE, 2, 7), "7 is in use");
}

Test(lmdb_tail, branches_and_large_rows, .init = start)
{
    page(&f, 2, BRANCH);
    child(&f, 2, 3);
    child(&f, 2, 4);
    page(&f, 3, LEAF);
    row(&f, 3, 8, 2);
    page(&f, 4, LEAF);
    cr_assert_not(is_free(&f, 8 * PAGE, 2, 10));
    /* One row on overflow pages 5, 6: 600 numbers from 10 on. */
    size_t at = node(&f, 4, 24);
    put(&f, at, 8 * 601, 4);
    put(&f, at + 4, BIG, 2);
    put(&f, at + 6, 8, 2);
    put(&f, at + 16, 5, 8);
    put(&f, 5 * PAGE + 16, 600, 8);
    for (size_t i = 0; i < 600; i++)
        put(&f, 5 * PAGE + 24 + 8 * i, 609 - i, 8);
    cr_assert(is_free(&f, 8 * PAGE, 2, 10));
    cr_assert(is_free(&f, 8 * PAGE, 2, 609));
    cr_assert_not(is_free(&f, 8 * PAGE, 2, 610));
    cr_assert_not(is_free(&f, 6 * PAGE, 2, 10), "the row itself is cut off");
}

Test(lmdb_tail, damaged_trees_are_no_proof, .init = start)
{
    page(&f, 2, LEAF);
    row(&f, 2, 4, 2);
    cr_assert(is_free(&f, 4 * PAGE, 2, 5));
    static const struct {
        size_t at;
        uint64_t v;
        size_t n;
    } bad[] = {
        {2 * PAGE + 10, 0, 2},         /* neither branch nor leaf */
        {2 * PAGE + 12, 15, 2},        /* fewer than no nodes */
        {2 * PAGE + 12, PAGE + 2, 2},  /* more than fit */
        {2 * PAGE + 16, 4, 2},         /* a node in the header */
        {2 * PAGE + 16, PAGE - 2, 2},  /* a node across the end */
        {3 * PAGE - 40, 4, 4},         /* a value without a count */
        {3 * PAGE - 40, 4000, 4},      /* a value across the end */
        {3 * PAGE - 40 + 16, 9999, 8}, /* a count above the value */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct file copy = f;
        put(&copy, bad[i].at, bad[i].v, bad[i].n);
        cr_assert_not(is_free(&copy, 4 * PAGE, 2, 5), "row %zu", i);
    }
    page(&f, 2, BRANCH);
    child(&f, 2, 2);
    cr_assert_not(is_free(&f, 4 * PAGE, 2, 5), "a page below itself");
    page(&f, 2, BRANCH);
    child(&f, 2, 99);
    cr_assert_not(is_free(&f, 4 * PAGE, 2, 5), "a child behind the last page");
}
