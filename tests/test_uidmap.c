/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/limits.h"
#include "imap/uidmap.h"
#include "tests/suite.h"

/* "from>to*n" for each run. */
static char *describe(const ImapUidmap *map) {
  GString *text = g_string_new(NULL);
  gsize n;
  const ImapUidrun *runs = imap_uidmap_runs(map, &n);
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(text, "%s%u>%u*%u", i > 0 ? " " : "", runs[i].from, runs[i].to, runs[i].n);
  return g_string_free(text, FALSE);
}

static ImapUidmap *parse(const char *from, const char *to) {
  return imap_uidmap_parse(from, strlen(from), to, strlen(to));
}

static const struct {
  const char *from, *to, *runs; /* NULL: no mapping */
} parsing[] = {
    {"304,319:320", "3956:3958", "304>3956*1 319>3957*2"}, /* RFC 4315 section 3 */
    {"1", "7", "1>7*1"},
    {"3,1:2", "7:9", "1>8*2 3>7*1"}, /* the order is that of the text */
    {"5,4,3", "10:12", "3>12*1 4>11*1 5>10*1"},
    {"1:3", "12,11,10", "1>12*1 2>11*1 3>10*1"},
    {"1:3,7", "21:22,25,24", "1>21*2 3>25*1 7>24*1"},
    {"4:2", "9:7", "2>7*3"}, /* 4:2 is 2:4 */
    {"1,2,3", "5,6,7", "1>5*3"},
    {"1:4294967295", "1:4294967295", "1>1*4294967295"},
    {"4294967294:4294967295", "1:2", "4294967294>1*2"},
    {"1:2", "1:3", NULL},
    {"1:3", "1:2", NULL},
    {"1:4294967295", "1", NULL},
    {"1,1", "5,6", NULL},
    {"1:3,2", "5:8", NULL},
    {"1,2", "5,5", NULL},
    {"1:3,9", "5:7,6", NULL},
    {"1:*", "1:3", NULL},
    {"", "", NULL},
    {"1", "", NULL},
    {"1,", "1:2", NULL},
    {"0", "1", NULL},
    {"1", "0", NULL},
    {"x", "1", NULL},
    {"1", "4294967296", NULL},
};

START_TEST(test_parse) {
  g_autoptr(ImapUidmap) map = parse(parsing[_i].from, parsing[_i].to);
  g_autofree char *runs = map != NULL ? describe(map) : NULL;
  ck_assert_msg(g_strcmp0(runs, parsing[_i].runs) == 0, "row %d: %s", _i, runs);
}
END_TEST

static const struct {
  const char *to, *runs;
} lists[] = {
    {"3955", "1>3955*1"},
    {"3955:3957", "1>3955*3"},
    {"9,7,8", "1>9*1 2>7*2"},
    {"1:4294967295", "1>1*4294967295"},
    {"1:4294967295,7", NULL},
    {"5,5", NULL},
    {"", NULL},
    {"NIL", NULL},
};

START_TEST(test_parse_list) {
  g_autoptr(ImapUidmap) map = imap_uidmap_parse_list(lists[_i].to, strlen(lists[_i].to));
  g_autofree char *runs = map != NULL ? describe(map) : NULL;
  ck_assert_msg(g_strcmp0(runs, lists[_i].runs) == 0, "row %d: %s", _i, runs);
}
END_TEST

static const struct {
  const char *codes[3][2];
  const char *wanted, *runs; /* NULL: a contradiction */
} settling[] = {
    {{{"1:2", "7:8"}, {"3", "9"}, {"9", "4"}}, "1:100", "1>7*3 9>4*1"},
    {{{"9", "4"}, {"1:2", "7:8"}}, "1:100", "1>7*2 9>4*1"},
    {{{"1:9", "11:19"}, {"1:9", "11:19"}}, "1:100", "1>11*9"}, /* untagged and tagged */
    {{{"1:9", "11:19"}, {"3:4", "13:14"}, {"9:12", "19:22"}}, "1:100", "1>11*12"},
    {{{"1:9", "11:19"}}, "2,5:6,9:20", "2>12*1 5>15*2 9>19*1"}, /* only what we named */
    {{{"1:3", "11:13"}, {"7:9", "21:23"}}, "3:7", "3>13*1 7>21*1"},
    {{{"1:9", "11:19"}}, "10", ""},
    {{{"1:2", "7:8"}, {"2:3", "9:10"}}, "1:100", NULL},
    {{{"1:2", "7:8"}, {"3:4", "8:9"}}, "1:100", NULL},
    {{{"4294967295", "4294967295"}}, "4294967295", "4294967295>4294967295*1"},
};

START_TEST(test_settle) {
  g_autoptr(ImapUidmap) map = imap_uidmap_new();
  g_autoptr(ImapSeqset) wanted = imap_seqset_parse(settling[_i].wanted, strlen(settling[_i].wanted), 0);
  for (guint i = 0; i < 3 && settling[_i].codes[i][0] != NULL; i++) {
    g_autoptr(ImapUidmap) more = parse(settling[_i].codes[i][0], settling[_i].codes[i][1]);
    ck_assert(imap_uidmap_append(map, more));
  }
  ck_assert(imap_uidmap_settle(map, wanted) == (settling[_i].runs != NULL));
  g_autofree char *runs = describe(map);
  const char *expected = settling[_i].runs != NULL ? settling[_i].runs : "";
  ck_assert_msg(strcmp(runs, expected) == 0, "row %d: %s", _i, runs);
}
END_TEST

START_TEST(test_find) {
  g_autoptr(ImapUidmap) map = parse("20:29,3,4294967295", "1:10,500,12");
  ck_assert_uint_eq(imap_uidmap_find(map, 3), 500);
  ck_assert_uint_eq(imap_uidmap_find(map, 20), 1);
  ck_assert_uint_eq(imap_uidmap_find(map, 29), 10);
  ck_assert_uint_eq(imap_uidmap_find(map, G_MAXUINT32), 12);
  ck_assert_uint_eq(imap_uidmap_find(map, 2), 0);
  ck_assert_uint_eq(imap_uidmap_find(map, 4), 0);
  ck_assert_uint_eq(imap_uidmap_find(map, 30), 0);
  g_autoptr(ImapSeqset) sources = imap_uidmap_sources(map);
  g_autofree char *text = imap_seqset_format(sources);
  ck_assert_str_eq(text, "3,20:29,4294967295");
}
END_TEST

/* One code, and many: neither grows beyond IMAP_LIMIT_RANGES. */
START_TEST(test_limit) {
  g_autoptr(GString) set = g_string_new("2");
  for (guint i = 1; i < IMAP_LIMIT_RANGES; i++)
    g_string_append_printf(set, ",%u", 2 * (i + 1));
  g_autoptr(ImapUidmap) largest = imap_uidmap_parse_list(set->str, set->len);
  ck_assert_ptr_nonnull(largest);
  g_string_append(set, ",1");
  ck_assert_ptr_null(imap_uidmap_parse_list(set->str, set->len));
  g_autoptr(ImapUidmap) map = imap_uidmap_new(), one = parse("1", "1");
  ck_assert(imap_uidmap_append(map, largest));
  ck_assert(!imap_uidmap_append(map, one));
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("uidmap");
  tcase_add_loop_test(tc, test_parse, 0, G_N_ELEMENTS(parsing));
  tcase_add_loop_test(tc, test_parse_list, 0, G_N_ELEMENTS(lists));
  tcase_add_loop_test(tc, test_settle, 0, G_N_ELEMENTS(settling));
  tcase_add_test(tc, test_find);
  tcase_add_test(tc, test_limit);
  Suite *suite = suite_create("uidmap");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
