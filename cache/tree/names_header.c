/* SPDX-License-Identifier: MIT */
/*
 * Fields are found by line and unfolded; what RFC 2047 and RFC 5322 make of their values GMime knows. Most mail is
 * plain, and for that GMime is not asked: a value in valid UTF-8 without "=?" is its own decoding, and an author
 * written as NAME <ADDRESS>, "NAME" <ADDRESS> or ADDRESS, without comments, lists and escapes, is read here.
 *
 * Values are cut before they are decoded: a name holds 255 octets, and a header of 4 MB must not cost seconds.
 */
#include "cache/tree/names_header.h"

#include <gmime/gmime.h>
#include <openssl/evp.h>
#include <string.h>

#include "cache/tree/names.h"
#include "imap/imap.h"

#define VALUE_MAX 4096

static const char *const fields[] = {"date", "from", "subject", "message-id"};

static void init_gmime(void) {
  static gsize once;
  if (g_once_init_enter(&once)) {
    g_mime_init();
    g_once_init_leave(&once, 1);
  }
}

/* ---- fields ------------------------------------------------------------------------------------------ */
typedef struct {
  const char *name, *value;
  gsize name_len, value_len; /* the value is still folded */
} Field;

/* Where the field that begins at p ends: at a line feed that no blank follows. */
static const char *field_end(const char *p, const char *end) {
  while (p < end) {
    const char *feed = memchr(p, '\n', (gsize)(end - p));
    if (!feed || feed + 1 >= end)
      return end;
    p = feed + 1;
    if (*p != ' ' && *p != '\t')
      return p;
  }
  return end;
}

/* The next field; FALSE at the end. A line without a colon is passed over. */
static gboolean next_field(const char **p, const char *end, Field *ret) {
  while (*p < end) {
    const char *start = *p, *stop = field_end(start, end), *colon = memchr(start, ':', (gsize)(stop - start));
    *p = stop;
    if (!colon)
      continue;
    *ret = (Field){start, colon + 1, (gsize)(colon - start), (gsize)(stop - colon - 1)};
    while (ret->name_len && g_ascii_isspace(start[ret->name_len - 1]))
      ret->name_len--;
    return TRUE;
  }
  return FALSE;
}

static gboolean is_named(const Field *field, const char *name) {
  return field->name_len == strlen(name) && g_ascii_strncasecmp(field->name, name, field->name_len) == 0;
}

/* Each run of blanks, line ends and NULs becomes one blank, none at either end. */
static void append_unfolded(GString *to, const Field *field) {
  gboolean blank = FALSE;
  gsize start = to->len;
  for (gsize i = 0; i < field->value_len && to->len - start < VALUE_MAX; i++) {
    char c = field->value[i];
    if (c == '\0' || g_ascii_isspace(c)) {
      blank = TRUE;
      continue;
    }
    if (blank && to->len > start)
      g_string_append_c(to, ' ');
    blank = FALSE;
    g_string_append_c(to, c);
  }
}

/* The first field of this name, unfolded, without surrounding blanks; or NULL. A new string, cut at VALUE_MAX. */
static char *field_of(const char *header, gsize len, const char *name) {
  const char *p = header, *end = header + len;
  for (Field field; next_field(&p, end, &field);)
    if (is_named(&field, name)) {
      GString *value = g_string_sized_new(MIN(field.value_len, VALUE_MAX) + 2);
      append_unfolded(value, &field);
      return g_string_free(value, FALSE);
    }
  return NULL;
}

/* ---- meanings ---------------------------------------------------------------------------------------- */
static char *valid(char *taken) {
  if (!taken || g_utf8_validate(taken, -1, NULL))
    return taken;
  char *text = g_utf8_make_valid(taken, -1);
  g_free(taken);
  return text;
}

static gboolean is_plain(const char *text) {
  return !strstr(text, "=?") && g_utf8_validate(text, -1, NULL);
}

char *names_field(const char *header, gsize len, const char *field) {
  g_autofree char *raw = field_of(header, len, field);
  if (!raw || is_plain(raw))
    return g_steal_pointer(&raw);
  init_gmime();
  return valid(g_mime_utils_header_decode_text(NULL, raw));
}

char *names_subject(const char *header, gsize len) {
  return names_field(header, len, "subject");
}

/* The plain spellings; NULL: ask GMime. */
static char *plain_sender(const char *raw) {
  if (!is_plain(raw) || strpbrk(raw, "(),;:\\"))
    return NULL;
  const char *angle = strchr(raw, '<'), *close = strrchr(raw, '>');
  if (!angle)
    return strpbrk(raw, "\" >") ? NULL : g_strdup(raw);
  if (!close || close[1] || close < angle || strchr(angle + 1, '<'))
    return NULL;
  g_autofree char *name = g_strstrip(g_strndup(raw, (gsize)(angle - raw)));
  gsize n = strlen(name);
  if (n >= 2 && name[0] == '"' && name[n - 1] == '"') {
    memmove(name, name + 1, n - 2);
    name[n - 2] = '\0';
  }
  if (strchr(name, '"'))
    return NULL;
  return *g_strstrip(name) ? g_steal_pointer(&name) : g_strndup(angle + 1, (gsize)(close - angle - 1));
}

/* The first mailbox, also inside of groups. */
static InternetAddress *first_author(InternetAddressList *list, int depth) {
  for (int i = 0; list && i < internet_address_list_length(list); i++) {
    InternetAddress *address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address) && depth > 0)
      address = first_author(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), depth - 1);
    if (address && INTERNET_ADDRESS_IS_MAILBOX(address))
      return address;
  }
  return NULL;
}

static char *parsed_sender(const char *raw) {
  init_gmime();
  InternetAddressList *list = internet_address_list_parse(NULL, raw);
  InternetAddress *author = first_author(list, 4);
  const char *name = author ? internet_address_get_name(author) : NULL;
  if (author && (!name || !*name))
    name = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(author));
  char *text = name && *name ? g_strdup(name) : g_mime_utils_header_decode_text(NULL, raw);
  g_clear_object(&list);
  return text;
}

char *names_sender(const char *header, gsize len) {
  g_autofree char *raw = field_of(header, len, "from");
  if (!raw)
    return NULL;
  char *plain = plain_sender(raw);
  return plain ? plain : valid(parsed_sender(raw));
}

gint64 names_date(const char *header, gsize len) {
  g_autofree char *raw = field_of(header, len, "date");
  if (!raw || !*raw)
    return IMAP_UNKNOWN_DATE;
  init_gmime();
  g_autoptr(GDateTime) date = g_mime_utils_header_decode_date(raw);
  return date ? g_date_time_to_unix(date) : IMAP_UNKNOWN_DATE;
}

void names_fingerprint(const char *header, gsize len, guint8 ret[16]) {
  g_autoptr(GString) text = g_string_sized_new(512);
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
    const char *p = header, *end = header + len;
    for (Field field; next_field(&p, end, &field);)
      if (is_named(&field, fields[i])) {
        g_string_append_printf(text, "%s:", fields[i]);
        append_unfolded(text, &field);
        g_string_append_c(text, '\n');
      }
  }
  guint8 sum[EVP_MAX_MD_SIZE] = {0};
  if (text->len) /* a message without any of them has no fingerprint */
    EVP_Digest(text->str, text->len, sum, NULL, EVP_sha256(), NULL);
  memcpy(ret, sum, 16);
}
