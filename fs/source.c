/* SPDX-License-Identifier: MIT */
/*
 * Two spellings of an account. In a URL, `%XX` is an octet, the authority ends at the first '/', and the last '@' in it
 * splits. As the mount table shows it, nothing is decoded (hosted-domain accounts have '%' in user names): the account
 * ends at the first ":/" or a final ':', and again the last '@' splits, so alice@example.org@imap.host: works.
 *
 * A password in the URL is refused, because everybody could read it in the list of processes. So are control
 * characters, which would end up in protocol lines, and hosts that look like options.
 */
#include "fs/source.h"

#include <string.h>

#include "fs/fs.h"

static gboolean fail(GError **error, const char *text, const char *why) {
  g_set_error(error, FS_ERROR, FS_ERROR_USAGE, "%s: %s", text, why);
  return FALSE;
}

static gboolean parse_host(const char *text, Source *ret, const char *host, GError **error) {
  gsize len = strlen(host);
  gboolean literal = len > 2 && host[0] == '[' && host[len - 1] == ']';
  g_autofree char *plain = literal ? g_strndup(host + 1, len - 2) : g_strdup(host);

  if (*plain == '\0')
    return fail(error, text, "the host is missing");
  if (*plain == '-' || strpbrk(plain, literal ? "[]/@" : "[]/@: "))
    return fail(error, text, "this is no host name (an IPv6 address stands in brackets)");
  ret->host = g_steal_pointer(&plain);
  return TRUE;
}

/* `host` or `host:port`, modified. */
static gboolean parse_host_port(const char *text, Source *ret, char *host, GError **error) {
  char *colon = strrchr(host, ':');
  guint64 port;

  if (colon && !strchr(colon, ']')) {
    if (!g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
      return fail(error, text, "the port is no number from 1 to 65535");
    ret->port = (guint16)port;
    *colon = '\0';
  }
  return parse_host(text, ret, host, error);
}

static gboolean decode(const char *text, const char *part, char **ret, GError **error) {
  *ret = g_uri_unescape_string(part, NULL);
  return *ret != NULL || fail(error, text, "a percent escape is broken");
}

static gboolean parse_url(const char *text, const char *rest, Source *ret, GError **error) {
  const char *slash = strchr(rest, '/');
  g_autofree char *authority = slash ? g_strndup(rest, slash - rest) : g_strdup(rest);
  char *at = strrchr(authority, '@');
  char *host = at ? at + 1 : authority;

  if (at) {
    *at = '\0';
    if (strchr(authority, ':'))
      return fail(error, "SOURCE", "no password in the URL, please: others can read it; see passfile=");
    if (!decode(text, authority, &ret->user, error))
      return FALSE;
  }
  if (slash && slash[1] && !decode(text, slash + 1, &ret->folder, error))
    return FALSE;
  return parse_host_port(text, ret, host, error);
}

static gboolean parse_table(const char *text, Source *ret, GError **error) {
  gsize len = strlen(text);
  const char *end = strstr(text, ":/");
  if (!end && len > 0 && text[len - 1] == ':')
    end = text + len - 1;
  if (!end || (g_str_has_prefix(end, "://") && !memchr(text, '@', end - text)))
    return fail(error, text, "SOURCE is imaps://user@host or user@host:");

  g_autofree char *account = g_strndup(text, end - text);
  char *at = strrchr(account, '@');
  if (at) {
    *at = '\0';
    ret->user = g_strdup(account);
  }
  if (end[1] == '/' && end[2])
    ret->folder = g_strdup(end + 2);
  ret->table = g_strdup(text);
  return parse_host(text, ret, at ? at + 1 : account, error);
}

static gboolean has_control(const char *text) {
  for (; text && *text; text++)
    if (g_ascii_iscntrl(*text))
      return TRUE;
  return FALSE;
}

static gboolean check(const char *text, const Source *source, GError **error) {
  if (has_control(source->user) || has_control(source->host) || has_control(source->folder))
    return fail(error, "SOURCE", "it has control characters");
  if ((source->user && !g_utf8_validate(source->user, -1, NULL)) ||
      (source->folder && !g_utf8_validate(source->folder, -1, NULL)))
    return fail(error, "SOURCE", "it is not UTF-8");
  if (source->user && *source->user == '\0')
    return fail(error, text, "the user is missing");
  return TRUE;
}

gboolean source_parse(const char *text, Source *ret, GError **error) {
  g_auto(Source) source = {.tls = -1};
  gboolean parsed;

  if (g_ascii_strncasecmp(text, "imaps://", 8) == 0) {
    source.tls = CACHE_TLS_IMPLICIT;
    parsed = parse_url(text, text + 8, &source, error);
  } else if (g_ascii_strncasecmp(text, "imap://", 7) == 0) {
    source.tls = CACHE_TLS_STARTTLS;
    parsed = parse_url(text, text + 7, &source, error);
  } else
    parsed = parse_table(text, &source, error);
  if (!parsed || !check(text, &source, error))
    return FALSE;
  while (source.folder && g_str_has_suffix(source.folder, "/"))
    source.folder[strlen(source.folder) - 1] = '\0';
  *ret = source;
  source = (Source){0};
  return TRUE;
}

char *source_table(const char *user, const char *host, const char *folder) {
  gboolean literal = strchr(host, ':') != NULL;
  return g_strconcat(user, "@", literal ? "[" : "", host, literal ? "]" : "", ":", folder ? "/" : NULL, folder, NULL);
}

void source_clear(Source *source) {
  g_clear_pointer(&source->user, g_free);
  g_clear_pointer(&source->host, g_free);
  g_clear_pointer(&source->folder, g_free);
  g_clear_pointer(&source->table, g_free);
}
