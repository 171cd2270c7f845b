/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>

#include "cache/body/body_table.h"
#include "tests/suite.h"

/* Reads a body of 10 octets as the store would: a hit is a use, a miss is fetched and entered. */
static gboolean touch(BodyTable *table, gint64 row, guint32 now) {
  BodyEntry *entry = body_table_find(table, row);
  if (entry) {
    body_table_use(table, entry, now);
    return TRUE;
  }
  body_table_add(table, row, 10, now);
  for (guint64 bytes; body_table_evict(table, FALSE, &bytes);)
    ck_assert_uint_eq(bytes, 10);
  return FALSE;
}

static guint scan(BodyTable *table, gint64 first, gint64 n, guint32 now) {
  guint hits = 0;
  for (gint64 row = first; row < first + n; row++)
    hits += (guint)touch(table, row, now);
  return hits;
}

START_TEST(what_fits_is_kept) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  ck_assert_uint_eq(scan(table, 1, 100, 1), 0);
  ck_assert_uint_eq(scan(table, 1, 100, 1), 100);
  ck_assert_uint_eq(body_table_bytes(table), 1000);
}
END_TEST

START_TEST(a_scan_larger_than_the_cache_empties_nothing) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 100, 1); /* the working set */
  ck_assert_uint_eq(scan(table, 1000, 5000, 1000), 0);
  ck_assert_uint_ge(scan(table, 1, 100, 2000), 75);
}
END_TEST

START_TEST(a_repeated_scan_hits_what_fits) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 400, 1);
  for (guint32 run = 2; run < 6; run++) {
    guint hits = scan(table, 1, 400, run * 1000);
    ck_assert_msg(hits >= 70, "run %u hits %u", run, hits);
    ck_assert_uint_le(body_table_bytes(table), 1000);
  }
}
END_TEST

START_TEST(a_second_use_counts_only_later) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 100, 100);
  touch(table, 500, 200);
  touch(table, 500, 259);
  ck_assert_uint_eq(body_table_find(table, 500)->queue, BODY_PROBATION);
  touch(table, 500, 260);
  ck_assert_uint_eq(body_table_find(table, 500)->queue, BODY_MAIN);
}
END_TEST

START_TEST(main_loses_its_least_recently_used) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 100, 1);
  touch(table, 1, 2);
  touch(table, 500, 3);
  ck_assert_ptr_nonnull(body_table_find(table, 1));
  ck_assert_ptr_null(body_table_find(table, 2));
}
END_TEST

START_TEST(a_cache_that_has_emptied_admits_again) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 101, 1);
  for (gint64 row = 50; row <= 101; row++)
    body_table_remove(table, row);
  touch(table, 900, 2);
  ck_assert_uint_eq(body_table_find(table, 900)->queue, BODY_MAIN);
}
END_TEST

START_TEST(shrinking_frees_as_much_as_asked) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 100, 1);
  guint64 bytes;
  ck_assert_int_eq(body_table_evict(table, FALSE, &bytes), 0);
  ck_assert_int_eq(body_table_evict(table, TRUE, &bytes), 1);
  ck_assert_uint_eq(bytes, 10);
  body_table_clear(table);
  ck_assert_int_eq(body_table_evict(table, TRUE, &bytes), 0);
}
END_TEST

START_TEST(only_a_quarter_is_kept_at_most) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  ck_assert(body_table_accepts(table, 250));
  ck_assert(!body_table_accepts(table, 251));
}
END_TEST

static void sum_rows(const BodyEntry *entry, gpointer data) {
  *(gint64 *)data += entry->row;
}

START_TEST(what_was_used_is_flushed_once) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  scan(table, 1, 101, 1);
  touch(table, 7, 1);
  touch(table, 9, 1);
  touch(table, 9, 2);
  body_table_verified(table, body_table_find(table, 101));
  ck_assert_uint_eq(body_table_dirty(table), 3);
  gint64 sum = 0;
  body_table_flush(table, sum_rows, &sum);
  body_table_flush(table, sum_rows, &sum);
  ck_assert_int_eq(sum, 117);
  touch(table, 7, 3);
  body_table_remove(table, 7);
  ck_assert_uint_eq(body_table_dirty(table), 0);
}
END_TEST

START_TEST(the_order_of_an_earlier_run_goes_on) {
  g_autoptr(BodyTable) table = body_table_new(1000);
  body_table_restore(table, 1, 10, BODY_MAIN, 5000);
  body_table_restore(table, 2, 10, BODY_MAIN, 6000);
  body_table_use(table, body_table_find(table, 1), 100);
  ck_assert_uint_gt(body_table_find(table, 1)->used, 6000);
}
END_TEST

/* Against the simplest of models: the set of rows, and the sum of octets. */
START_TEST(anything_at_all) {
  g_autoptr(BodyTable) table = body_table_new(100000);
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)_i + 1);
  guint64 sizes[3000] = {0}, total = 0, bytes;
  for (guint32 step = 0; step < 60000; step++) {
    gint64 row = g_rand_int_range(rand, 1, G_N_ELEMENTS(sizes));
    BodyEntry *entry = body_table_find(table, row);
    ck_assert_int_eq(entry != NULL, sizes[row] != 0);
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
      total -= sizes[row];
      ck_assert(body_table_remove(table, row) == (sizes[row] != 0));
      sizes[row] = 0;
      break;
    case 1:
      if (entry)
        body_table_use(table, entry, step / 100);
      break;
    default:
      total -= sizes[row];
      sizes[row] = (guint64)g_rand_int_range(rand, 1, 300);
      total += sizes[row];
      body_table_add(table, row, sizes[row], step / 100);
    }
    for (gint64 gone; (gone = body_table_evict(table, FALSE, &bytes)); sizes[gone] = 0) {
      ck_assert_uint_eq(bytes, sizes[gone]);
      total -= bytes;
    }
    ck_assert_uint_eq(body_table_bytes(table), total);
    ck_assert_uint_le(total, 100000);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("body_table");
  TCase *c = tcase_create("body_table");
  tcase_add_test(c, what_fits_is_kept);
  tcase_add_test(c, a_scan_larger_than_the_cache_empties_nothing);
  tcase_add_test(c, a_repeated_scan_hits_what_fits);
  tcase_add_test(c, a_second_use_counts_only_later);
  tcase_add_test(c, main_loses_its_least_recently_used);
  tcase_add_test(c, a_cache_that_has_emptied_admits_again);
  tcase_add_test(c, shrinking_frees_as_much_as_asked);
  tcase_add_test(c, only_a_quarter_is_kept_at_most);
  tcase_add_test(c, what_was_used_is_flushed_once);
  tcase_add_test(c, the_order_of_an_earlier_run_goes_on);
  tcase_add_loop_test(c, anything_at_all, 0, 3);
  suite_add_tcase(s, c);
  return suite_run(s);
}
