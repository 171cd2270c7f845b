/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "imap/limits.h"
#include "imap/seqset.h"
#include "tests/suite.h"

static ImapSeqset *set_of(const char *text) {
  ImapSeqset *set = *text ? imap_seqset_parse(text, strlen(text), 0) : imap_seqset_new();
  ck_assert_msg(set != NULL, "%s", text);
  return set;
}

static void assert_text(const ImapSeqset *set, const char *expected, int row) {
  g_autofree char *text = imap_seqset_format(set);
  ck_assert_msg(strcmp(text, expected) == 0, "row %d: got '%s', not '%s'", row, text, expected);
}

static const struct {
  const char *text;
  guint32 star;
  const char *canonical; /* NULL: refused */
} parsing[] = {
    {"1", 0, "1"},
    {"1:5,9", 0, "1:5,9"},
    {"5:1", 0, "1:5"},
    {"9,1:3,4,2:8", 0, "1:9"},
    {"3,1,2", 0, "1:3"},
    {"1:3,5:7", 0, "1:3,5:7"},
    {"4294967295", 0, "4294967295"},
    {"1:4294967295", 0, "1:4294967295"},
    {"4294967294,4294967295", 0, "4294967294:4294967295"},
    {"2147483648:3000000000", 0, "2147483648:3000000000"}, /* UIDs with the high bit: Dovecot's errors page */
    {"5:*", 9, "5:9"},
    {"12:*", 9, "9:12"}, /* "n:*" names the last message even below n (RFC 9051 6.4.9) */
    {"*", 9, "9"},
    {"*:3,*", 9, "3:9"},
    {"0007", 0, "7"},
    {"*", 0, NULL},
    {"1:*", 0, NULL},
    {"", 0, NULL},
    {"0", 0, NULL},
    {"1:0", 0, NULL},
    {"4294967296", 0, NULL},
    {"18446744073709551617", 0, NULL},
    {"1,", 0, NULL},
    {",1", 0, NULL},
    {"1,,2", 0, NULL},
    {"1:", 0, NULL},
    {":1", 0, NULL},
    {"1:2:3", 0, NULL},
    {" 1", 0, NULL},
    {"1 ", 0, NULL},
    {"-1", 0, NULL},
    {"+1", 0, NULL},
    {"1a", 0, NULL},
    {"9.3e+06", 0, NULL},
};

START_TEST(parse) {
  g_autoptr(ImapSeqset) set = imap_seqset_parse(parsing[_i].text, strlen(parsing[_i].text), parsing[_i].star);
  ck_assert_msg((set != NULL) == (parsing[_i].canonical != NULL), "row %d: %s", _i, parsing[_i].text);
  if (set)
    assert_text(set, parsing[_i].canonical, _i);
}
END_TEST

static const struct {
  const char *before;
  guint32 first, last;
  const char *added, *removed;
} edits[] = {
    {"", 3, 5, "3:5", ""},
    {"1:3", 4, 4, "1:4", "1:3"},
    {"1:3", 5, 5, "1:3,5", "1:3"},
    {"5:9", 4, 4, "4:9", "5:9"},
    {"5:9", 2, 3, "2:3,5:9", "5:9"},
    {"1,3,5,7,9", 2, 8, "1:9", "1,9"},
    {"1,3,5,7,9", 3, 3, "1,3,5,7,9", "1,5,7,9"},
    {"1:9", 4, 6, "1:9", "1:3,7:9"},
    {"1:9", 1, 9, "1:9", ""},
    {"1:9", 1, 1, "1:9", "2:9"},
    {"1:9", 9, 20, "1:20", "1:8"},
    {"10:20", 1, 4294967295u, "1:4294967295", ""},
    {"1:4294967295", 4294967295u, 4294967295u, "1:4294967295", "1:4294967294"},
    {"1:4294967295", 1, 1, "1:4294967295", "2:4294967295"},
    {"4294967294", 4294967295u, 4294967295u, "4294967294:4294967295", "4294967294"},
    {"4294967295", 1, 2, "1:2,4294967295", "4294967295"},
};

START_TEST(add_remove) {
  g_autoptr(ImapSeqset) plus = set_of(edits[_i].before);
  g_autoptr(ImapSeqset) minus = imap_seqset_copy(plus);
  imap_seqset_add(plus, edits[_i].first, edits[_i].last);
  assert_text(plus, edits[_i].added, _i);
  imap_seqset_remove(minus, edits[_i].first, edits[_i].last);
  assert_text(minus, edits[_i].removed, _i);
}
END_TEST

static const struct {
  const char *a, *b, *minus, *both;
} pairs[] = {
    {"", "", "", ""},
    {"1:9", "", "1:9", ""},
    {"", "1:9", "", ""},
    {"1:9", "1:9", "", "1:9"},
    {"1:9", "3,5:6", "1:2,4,7:9", "3,5:6"},
    {"1:3,7:9", "2:8", "1,9", "2:3,7:8"},
    {"1,3,5", "2,4,6", "1,3,5", ""},
    {"1:10,12:20", "5:15", "1:4,16:20", "5:10,12:15"},
    {"1:2,4:5,7:8", "2:7", "1,8", "2,4:5,7"},
    {"1:4294967295", "2:4294967294", "1,4294967295", "2:4294967294"},
    {"5:4294967295", "1:4294967295", "", "5:4294967295"},
};

START_TEST(two_sets) {
  g_autoptr(ImapSeqset) a = set_of(pairs[_i].a);
  g_autoptr(ImapSeqset) b = set_of(pairs[_i].b);
  g_autoptr(ImapSeqset) minus = imap_seqset_subtract(a, b);
  g_autoptr(ImapSeqset) both = imap_seqset_intersect(a, b);
  assert_text(minus, pairs[_i].minus, _i);
  assert_text(both, pairs[_i].both, _i);
}
END_TEST

/* By many random ranges, of all lengths and at all distances. */
START_TEST(joined) {
  enum { TOP = 2000 };
  g_autoptr(GRand) rand = g_rand_new_with_seed(7);
  for (guint round = 0; round < 200; round++) {
    g_autoptr(ImapSeqset) a = imap_seqset_new(), b = imap_seqset_new(), by_one = imap_seqset_new();
    guint most = (guint)g_rand_int_range(rand, 1, 100);
    for (guint i = 0; i < 200; i++) {
      guint32 first = (guint32)g_rand_int_range(rand, 1, TOP), last = first + (guint32)g_rand_int_range(rand, 0, 8);
      imap_seqset_add(i % most == 0 ? b : a, first, last);
      imap_seqset_add(by_one, first, last);
    }
    imap_seqset_join(a, b);
    ck_assert_msg(imap_seqset_equal(a, by_one), "round %u", round);
  }
}
END_TEST

START_TEST(interleaved_sets_are_not_quadratic) {
  g_autoptr(ImapSeqset) even = imap_seqset_new(), odd = imap_seqset_new();
  for (guint32 i = 1; i < 1000000; i++) {
    imap_seqset_add(even, 4 * i, 4 * i);
    imap_seqset_add(odd, 4 * i + 2, 4 * i + 2);
  }
  imap_seqset_join(odd, even);
  ck_assert_uint_eq(imap_seqset_count(odd), 2 * 999999);
}
END_TEST

static const struct {
  const char *before;
  guint64 n;
  gsize max_text;
  const char *taken, *left;
} takes[] = {
    {"", 5, 100, "", ""},
    {"1:9", 0, 100, "", "1:9"},
    {"1:9", 4, 100, "1:4", "5:9"},
    {"1:9", 9, 100, "1:9", ""},
    {"1:3,7:9", 4, 100, "1:3,7", "8:9"},
    {"1:3,7:9", 3, 100, "1:3", "7:9"},
    {"1:3,7:9", 100, 3, "1:3", "7:9"},
    {"1:3,7:9", 100, 4, "1:3", "7:9"},
    {"1:3,7:9", 100, 5, "1:3,7", "8:9"},
    {"1:3,7:9", 100, 7, "1:3,7:9", ""},
    {"1000000000:4294967295", 4294967295u, 10, "1000000000", "1000000001:4294967295"},
    {"1000000000:4294967295", 4294967295u, 21, "1000000000:4294967295", ""},
    {"1:4294967295", G_MAXUINT64, 100, "1:4294967295", ""},
};

START_TEST(take) {
  g_autoptr(ImapSeqset) set = set_of(takes[_i].before);
  g_autoptr(ImapSeqset) taken = imap_seqset_take(set, takes[_i].n, takes[_i].max_text);
  assert_text(taken, takes[_i].taken, _i);
  assert_text(set, takes[_i].left, _i);
}
END_TEST

/* Against a plain array of booleans, with random operations. */
START_TEST(model) {
  enum { TOP = 60 };
  g_autoptr(GRand) rand = g_rand_new_with_seed(20);
  gboolean in[TOP + 1] = {FALSE};
  g_autoptr(ImapSeqset) set = imap_seqset_new();
  for (int step = 0; step < 20000; step++) {
    guint32 first = (guint32)g_rand_int_range(rand, 1, TOP + 1), last = (guint32)g_rand_int_range(rand, 1, TOP + 1);
    gboolean add = g_rand_boolean(rand);
    if (first > last || last - first > 8)
      continue;
    (add ? imap_seqset_add : imap_seqset_remove)(set, first, last);
    for (guint32 uid = first; uid <= last; uid++)
      in[uid] = add;
    guint64 count = 0;
    for (guint32 uid = 1; uid <= TOP; uid++) {
      ck_assert_msg(imap_seqset_contains(set, uid) == in[uid], "step %d uid %u", step, uid);
      count += in[uid] ? 1 : 0;
    }
    ck_assert_uint_eq(imap_seqset_count(set), count);
    ck_assert(imap_seqset_empty(set) == (count == 0));
    gsize n;
    const ImapRange *ranges = imap_seqset_ranges(set, &n);
    for (gsize i = 0; i < n; i++)
      ck_assert(ranges[i].first <= ranges[i].last && (i == 0 || ranges[i - 1].last + 1 < ranges[i].first));
    if (n > 0) {
      g_autofree char *text = imap_seqset_format(set);
      g_autoptr(ImapSeqset) again = set_of(text);
      ck_assert(imap_seqset_equal(set, again));
    }
  }
}
END_TEST

START_TEST(range_limit) {
  g_autoptr(GString) text = g_string_new("1");
  for (guint i = 1; i < IMAP_LIMIT_RANGES; i++)
    g_string_append_printf(text, ",%u", 2 * i + 1);
  g_autoptr(ImapSeqset) set = imap_seqset_parse(text->str, text->len, 0);
  ck_assert_ptr_nonnull(set);
  ck_assert_uint_eq(imap_seqset_count(set), IMAP_LIMIT_RANGES);
  g_string_append(text, ",4000000000");
  ck_assert_ptr_null(imap_seqset_parse(text->str, text->len, 0));
}
END_TEST

START_TEST(descending_text_is_not_quadratic) {
  g_autoptr(GString) text = g_string_new("4000000");
  for (guint i = 1; i < 500000; i++)
    g_string_append_printf(text, ",%u", 4000000 - 2 * i);
  g_autoptr(ImapSeqset) set = imap_seqset_parse(text->str, text->len, 0);
  ck_assert_uint_eq(imap_seqset_count(set), 500000);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("seqset");
  tcase_add_loop_test(tcase, parse, 0, G_N_ELEMENTS(parsing));
  tcase_add_loop_test(tcase, add_remove, 0, G_N_ELEMENTS(edits));
  tcase_add_loop_test(tcase, two_sets, 0, G_N_ELEMENTS(pairs));
  tcase_add_test(tcase, joined);
  tcase_add_test(tcase, interleaved_sets_are_not_quadratic);
  tcase_add_loop_test(tcase, take, 0, G_N_ELEMENTS(takes));
  tcase_add_test(tcase, model);
  tcase_add_test(tcase, range_limit);
  tcase_add_test(tcase, descending_text_is_not_quadratic);
  Suite *suite = suite_create("seqset");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
