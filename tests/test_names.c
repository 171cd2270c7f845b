/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cache/tree/names.h"
#include "imap/imap.h"
#include "tests/suite.h"

#define DAY 1795219200 /* 2026-11-21 */

static const struct {
  const char *from, *subject, *name; /* name: without date and ".7.eml" */
} messages[] = {
    {"Ann O'Neil <ann@example.org>", "Quarterly report", "_Ann-O-Neil_Quarterly-report"},
    {"\"O'Neil, Ann\" <ann@example.org>", "a", "_O-Neil-Ann_a"},
    {"ann@example.org", "a", "_ann@example.org_a"},
    {"<ann@example.org>", "a", "_ann@example.org_a"},
    {"\"\" <ann@example.org>", "a", "_ann@example.org_a"},
    {"ann@example.org (Ann O'Neil)", "a", "_Ann-O-Neil_a"},
    {"Ann <a@b>, Bob <b@b>", "a", "_Ann_a"},
    {"undisclosed: Ann <a@b>;", "a", "_Ann_a"},
    {"=?utf-8?q?J=C3=BCrgen?= <j@x>", "=?utf-8?b?w5xiZXJnYW5n?=", "_Jürgen_Übergang"},
    {"=?iso-8859-1?q?J=FCrgen?= <j@x>", "=?iso-8859-1?Q?Caf=E9?=", "_Jürgen_Café"},
    {"Ju\xcc\x88rgen <j@x>", "decomposed", "_Jürgen_decomposed"}, /* NFC */
    {"山田太郎 <y@x>", "会議の件", "_山田太郎_会議の件"},
    {"a@b", "=?gb2312?B?xOO6ww==?=", "_a@b_你好"},
    {"a@b", "हिन्दी", "_a@b_हिन्दी"}, /* marks belong to their letters */
    {"a@b", "שלום", "_a@b_שלום"},
    {"a@b", "Re: [list] v1.2 is out!", "_a@b_Re-list-v1.2-is-out"},
    {"a@b", "c++ user+tag a_b", "_a@b_c-user+tag-a_b"},
    {"a@b", "../../etc/passwd", "_a@b_etc-passwd"},
    {"a@b", "a..b...c", "_a@b_a-b-c"},
    {"a@b", "-rf *; $(reboot) `id` | & > < \"'\\", "_a@b_rf-reboot-id"},
    {"a@b", "x\x1b[31mred\x1b]0;title\x07y", "_a@b_x-31mred-0-title-y"},
    {"a@b",
     "\xe2\x80\xae"
     "gpj.exe\xe2\x80\xac",
     "_a@b_gpj.exe"}, /* U+202E */
    {"a@b", "=?utf-8?q?=E2=80=AEtxt=2Eexe?=", "_a@b_txt.exe"},
    {"a@b", "ze\xe2\x80\x8bro\xef\xbb\xbfwidth", "_a@b_ze-ro-width"},
    {"a@b", "\xe3\x85\xa4\xe2\xa0\x80\xef\xbe\xa0", "_a@b"}, /* letters that show nothing */
    {"a@b", "\xcc\x81mark first", "_a@b_mark-first"},
    {"a@b", "bad \xff\xfe octets \xc3", "_a@b_bad-ÿþ-octets-Ã"}, /* as Latin-1, which it mostly is */
    {"a@b", "=?x-unknown?q?hello?=", "_a@b_hello"},
    {"a@b", "=?utf-8?q?line=0Abreak=00nul?=", "_a@b_line-break-nul"},
    {"a@b", "", "_a@b"},
    {"", "only a subject", "_only-a-subject"},
    {"", "", ""},
    {NULL, NULL, ""},
    {"....", "----", ""},
    {"a@b", "folded\r\n subject\r\n\tgoes on", "_a@b_folded-subject-goes-on"},
    {"a@b", "tabs\tand  blanks ", "_a@b_tabs-and-blanks"},
    {"a@b", "smile 😀 now", "_a@b_smile-now"},
    {"a@b", "10 €", "_a@b_10"},
};

static char *header_of(const char *from, const char *subject) {
  GString *text = g_string_new("Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n");
  if (from)
    g_string_append_printf(text, "From: %s\r\n", from);
  if (subject)
    g_string_append_printf(text, "SUBJECT : %s\r\n", subject);
  g_string_append(text, "\r\n");
  return g_string_free(text, FALSE);
}

START_TEST(a_message_has_a_name_a_user_can_type) {
  g_autofree char *header = header_of(messages[_i].from, messages[_i].subject);
  g_autofree char *expected = g_strdup_printf("2026-11-21%s.7.eml", messages[_i].name);
  char name[NAMES_MAX + 1];
  names_message(DAY, header, strlen(header), 7, name);
  ck_assert_msg(strcmp(name, expected) == 0, "row %d: '%s', not '%s'", _i, name, expected);
}
END_TEST

START_TEST(dates) {
  static const struct {
    gint64 seconds;
    const char *header, *name;
  } rows[] = {
      {0, "", "1970-01-01.1.eml"},
      {-1, "", "1969-12-31.1.eml"},
      {253402300799, "", "9999-12-31.1.eml"},
      {253402300800, "", "0000-00-00.1.eml"},
      {G_MAXINT64, "", "0000-00-00.1.eml"},
      {IMAP_UNKNOWN_DATE, "", "0000-00-00.1.eml"},
      {IMAP_UNKNOWN_DATE, "Date: nonsense\r\n", "0000-00-00.1.eml"},
      {IMAP_UNKNOWN_DATE, "date: Fri, 1 Jan 2021 00:30:00 +0100\r\n", "2020-12-31.1.eml"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    char name[NAMES_MAX + 1];
    names_message(rows[i].seconds, rows[i].header, strlen(rows[i].header), 1, name);
    ck_assert_msg(strcmp(name, rows[i].name) == 0, "row %u: %s", i, name);
  }
  char bare[NAMES_MAX + 1];
  names_message(0, NULL, 0, 4711, bare);
  ck_assert_str_eq(bare, "4711.eml");
  ck_assert(names_date("", 0) == IMAP_UNKNOWN_DATE);
  ck_assert_int_eq(names_date("DATE: Fri, 1 Jan 2021 00:30:00 +0100", 36), 1609457400);
}
END_TEST

START_TEST(long_names_are_cut_between_characters) {
  static const char *const units[] = {"a", "ü", "山", "𝒳", "क्", "a.", "a "};
  GString *long_text = g_string_new(NULL);
  for (guint i = 0; i < 2000; i++)
    g_string_append(long_text, units[_i]);
  g_autofree char *header = header_of(long_text->str, long_text->str);
  char name[NAMES_MAX + 1];
  names_message(DAY, header, strlen(header), 4294967295u, name);
  ck_assert_uint_le(strlen(name), NAMES_MAX);
  ck_assert_uint_ge(strlen(name), NAMES_MAX - 8);
  ck_assert(g_utf8_validate(name, -1, NULL));
  ck_assert(g_str_has_suffix(name, ".4294967295.eml"));
  ck_assert_int_ne(name[strlen(name) - 16], '-');
  ck_assert_int_ne(name[strlen(name) - 16], '.');
  char other[NAMES_MAX + 1];
  names_suffix(name, 999, other);
  ck_assert_uint_le(strlen(other), NAMES_MAX);
  ck_assert(g_utf8_validate(other, -1, NULL));
  ck_assert(g_str_has_suffix(other, "~999.4294967295.eml"));
  g_string_free(long_text, TRUE);
}
END_TEST

START_TEST(suffixes) {
  static const char *const rows[][2] = {
      {"2026-11-21_A_b.7.eml", "2026-11-21_A_b~2.7.eml"},
      {"mine.eml", "mine~2.eml"},
      {"mine.txt", "mine.txt~2"},
      {"7.eml", "7~2.eml"},
      {"v1.2.eml", "v1~2.2.eml"},
      {"no-suffix", "no-suffix~2"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    char name[NAMES_MAX + 1];
    g_strlcpy(name, rows[i][0], sizeof name);
    names_suffix(name, 2, name);
    ck_assert_msg(strcmp(name, rows[i][1]) == 0, "row %u: %s", i, name);
  }
}
END_TEST

/* What DESIGN section 4 promises of any name. */
static void assert_safe(const char *name, const char *tail) {
  ck_assert_uint_le(strlen(name), NAMES_MAX);
  ck_assert_msg(g_utf8_validate(name, -1, NULL), "%s", name);
  ck_assert_msg(g_str_has_suffix(name, tail), "%s", name);
  ck_assert(name[0] != '-' && name[0] != '.' && name[0] != '~');
  gunichar before = 0;
  for (const char *p = name; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    ck_assert_msg(g_unichar_isalnum(c) || g_unichar_ismark(c) || (c < 0x80 && strchr("@+_.-", (int)c)), "U+%04X in %s",
                  c, name);
    ck_assert_msg(!(c == '-' && (before == '-' || before == '_')), "%s", name);
    ck_assert_msg(!(c == '.' && before == '.'), "%s", name);
    before = c;
  }
  g_autofree char *normal = g_utf8_normalize(name, -1, G_NORMALIZE_NFC);
  ck_assert_str_eq(normal, name);
}

static void append_random(GRand *rand, GString *to) {
  static const char *const pieces[] = {"/",
                                       "..",
                                       "\n",
                                       "\r\n",
                                       "\x1b[",
                                       "\xe2\x80\xae",
                                       "\xe2\x80\x8d",
                                       "=?utf-8?q?=C3?=",
                                       "=?utf-8?b?",
                                       "?=",
                                       "\"",
                                       "<",
                                       ">",
                                       "\\",
                                       "(",
                                       ")",
                                       ",",
                                       ":",
                                       ";",
                                       "@",
                                       "+",
                                       "_",
                                       ".",
                                       "-",
                                       "a",
                                       "Z",
                                       "9",
                                       "ü",
                                       "u\xcc\x88",
                                       "山",
                                       "\xcc\x81",
                                       "שלום",
                                       "\xe3\x85\xa4",
                                       "😀",
                                       " ",
                                       "\t",
                                       "=?iso-2022-jp?B?GyRC",
                                       "=?x?q?=00=ff?=",
                                       "$HOME",
                                       "*",
                                       "\xe1\x84\x80\xe1\x85\xa1"};
  for (int n = g_rand_int_range(rand, 0, 60); n > 0; n--)
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0:
      g_string_append_c(to, (char)g_rand_int_range(rand, 0, 256));
      break;
    case 1:
      g_string_append_unichar(to, (gunichar)g_rand_int_range(rand, 1, 0xd800));
      break;
    default:
      g_string_append(to, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
    }
}

START_TEST(any_header_gives_a_safe_name) {
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)_i);
  for (guint round = 0; round < 3000; round++) {
    g_autoptr(GString) header = g_string_new("From: ");
    append_random(rand, header);
    g_string_append(header, "\r\nSubject: ");
    append_random(rand, header);
    g_string_append(header, "\r\nDate: ");
    append_random(rand, header);
    guint32 uid = g_rand_int(rand);
    gint64 date = g_rand_boolean(rand) ? IMAP_UNKNOWN_DATE : (gint64)g_rand_int(rand) * g_rand_int_range(rand, -9, 99);
    g_autofree char *tail = g_strdup_printf(".%u.eml", uid);
    char name[NAMES_MAX + 1], again[NAMES_MAX + 1];
    names_message(date, header->str, header->len, uid, name);
    assert_safe(name, tail);
    names_message(date, header->str, header->len, uid, again);
    ck_assert_str_eq(name, again);
  }
}
END_TEST

/* ---- fingerprints --------------------------------------------------------------------------------------- */
static gboolean same_print(const char *a, const char *b) {
  guint8 one[16], two[16];
  names_fingerprint(a, strlen(a), one);
  names_fingerprint(b, strlen(b), two);
  return memcmp(one, two, 16) == 0;
}

START_TEST(fingerprints) {
  const char *header = "Date: 1\r\nFrom: a@b\r\nSubject: x y\r\nMessage-ID: <1@b>\r\n\r\n";
  ck_assert(same_print(header, "MESSAGE-ID:<1@b>\nsubject: x\n  y\nFROM:  a@b \nDate : 1"));
  ck_assert(same_print(header, "Date: 1\r\nX-Other: 5\r\nFrom: a@b\r\nSubject: x y\r\nMessage-ID: <1@b>\r\n\r\n"));
  ck_assert(!same_print(header, "Date: 1\r\nFrom: a@b\r\nSubject: x z\r\nMessage-ID: <1@b>\r\n\r\n"));
  ck_assert(!same_print(header, "Date: 1\r\nFrom: a@b\r\nSubject: X y\r\nMessage-ID: <1@b>\r\n\r\n"));
  ck_assert(!same_print("Subject: a\r\nDate: b\r\n", "Subject: b\r\nDate: a\r\n"));
  ck_assert(!same_print("From: a\r\n", "Subject: a\r\n"));
  guint8 none[16], zero[16] = {0};
  names_fingerprint("\r\n", 2, none);
  ck_assert_mem_eq(none, zero, 16);
}
END_TEST

/* ---- folders ---------------------------------------------------------------------------------------------- */
static const struct {
  const char *raw, *name;
} folders[] = {
    {"INBOX", "INBOX"},
    {"Entw&APw-rfe", "Entwürfe"},
    {"a b", "a b"},
    {"R&-D", "R&D"},
    {"50% off", "50%25 off"},
    {"a/b", "a%2Fb"},
    {".", "%2E"},
    {"..", "%2E%2E"},
    {"...", "..."},
    {".hidden", ".hidden"},
    {"&IC4-gpj", "%E2%80%AEgpj"}, /* U+202E */
    {"", "%"},
    {"R&D", "R&D%"},                  /* no modified UTF-7 */
    {"Entw\xc3\xbcrfe", "Entwürfe%"}, /* raw UTF-8 */
    {"Entw\xfcrfe", "Entw%FCrfe%"},   /* raw Latin-1 */
    {"tab\there", "tab%09here%"},
    {"\xe2\x80\xae", "%E2%80%AE%"},
};

START_TEST(a_folder_is_shown_decoded_and_escaped) {
  g_autofree char *name = names_folder(folders[_i].raw, strlen(folders[_i].raw));
  ck_assert_msg(strcmp(name, folders[_i].name) == 0, "row %d: '%s', not '%s'", _i, name, folders[_i].name);
}
END_TEST

/* The way back, written anew from the description in names.c; NULL for a name that was cut. */
static char *raw_of(const char *name) {
  GString *octets = g_string_new(NULL);
  gsize len = strlen(name);
  gboolean decoded = !(len >= 1 && name[len - 1] == '%');
  if (len > 18 && name[len - 18] == '%' && name[len - 17] == '~') {
    g_string_free(octets, TRUE);
    return NULL;
  }
  for (const char *p = name, *end = name + len - !decoded; p < end; p++)
    if (*p == '%') {
      g_string_append_c(octets, (char)(g_ascii_xdigit_value(p[1]) * 16 + g_ascii_xdigit_value(p[2])));
      p += 2;
    } else {
      g_string_append_c(octets, *p);
    }
  g_autofree char *text = g_string_free(octets, FALSE);
  return decoded ? imap_utf7_encode(text) : g_steal_pointer(&text);
}

static char *random_folder(GRand *rand) {
  static const char *const pieces[] = {"&", "-",  "&-", "&APw-", "ü",  "%",     "%25",          "/",
                                       ".", "..", "a",  "B",     "\t", "\xff",  "\xe2\x80\xae", "&IC4-",
                                       "~", "0",  "\"", "\\",    " ",  "&AGE-", "\x7f"};
  GString *raw = g_string_new(NULL);
  for (int n = g_rand_int_range(rand, 0, g_rand_int_range(rand, 0, 50) ? 6 : 300); n > 0; n--)
    g_string_append(raw, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
  return g_string_free(raw, FALSE);
}

START_TEST(folders_are_reversible_injective_and_safe) {
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)_i);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint round = 0; round < 20000; round++) {
    g_autofree char *raw = random_folder(rand), *name = names_folder(raw, strlen(raw)), *back = raw_of(name);
    ck_assert(*name && strlen(name) <= NAMES_MAX && g_utf8_validate(name, -1, NULL));
    ck_assert(!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
    for (const char *p = name; *p; p = g_utf8_next_char(p))
      ck_assert_msg(g_unichar_isprint(g_utf8_get_char(p)), "%s", name);
    ck_assert_msg(!back || strcmp(back, raw) == 0, "'%s' is shown '%s' and comes back '%s'", raw, name, back);
    const char *other = g_hash_table_lookup(seen, name);
    ck_assert_msg(!other || strcmp(other, raw) == 0, "'%s' and '%s' are both '%s'", raw, other, name);
    g_hash_table_insert(seen, g_steal_pointer(&name), g_steal_pointer(&raw));
  }
}
END_TEST

START_TEST(figures) {
  if (!g_getenv("MEASURE"))
    return;
  static const char *const kinds[][3] = {
      {"plain", "Ann O'Neil <ann@example.org>", "Quarterly report for the third quarter"},
      {"encoded", "=?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <j@x>", "=?utf-8?b?w5xiZXJnYW5nIHp1bSBuZXVlbiBTeXN0ZW0=?="}};
  for (guint k = 0; k < 2; k++) {
    g_autofree char *header = header_of(kinds[k][1], kinds[k][2]);
    gsize len = strlen(header);
    char name[NAMES_MAX + 1];
    guint8 print[16];
    names_message(DAY, header, len, 1, name);
    gint64 start = g_get_monotonic_time();
    for (guint32 i = 0; i < 20000; i++)
      names_message(DAY, header, len, i, name);
    double named = (double)(g_get_monotonic_time() - start) / 20000;
    start = g_get_monotonic_time();
    for (guint i = 0; i < 20000; i++)
      names_fingerprint(header, len, print);
    g_print("%s: name %.2f us, fingerprint %.2f us\n", kinds[k][0], named,
            (double)(g_get_monotonic_time() - start) / 20000);
  }
}
END_TEST

int main(void) {
  Suite *s = suite_create("names");
  TCase *c = tcase_create("names");
  tcase_add_loop_test(c, a_message_has_a_name_a_user_can_type, 0, G_N_ELEMENTS(messages));
  tcase_add_test(c, dates);
  tcase_add_loop_test(c, long_names_are_cut_between_characters, 0, 7);
  tcase_add_test(c, suffixes);
  tcase_add_loop_test(c, any_header_gives_a_safe_name, 0, 4);
  tcase_add_test(c, fingerprints);
  tcase_add_loop_test(c, a_folder_is_shown_decoded_and_escaped, 0, G_N_ELEMENTS(folders));
  tcase_add_loop_test(c, folders_are_reversible_injective_and_safe, 0, 4);
  tcase_add_test(c, figures);
  suite_add_tcase(s, c);
  return suite_run(s);
}
