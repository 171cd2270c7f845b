/* SPDX-License-Identifier: MIT */
/*
 * mailgen DIRECTORY COUNT: a Maildir like a real one, the same for the same arguments on every machine. Half of
 * the sizes are below 7 kB, the mean is 32 kB, the largest are several MB; the text is in several languages and
 * charsets, and larger messages carry attachments, so that the whole compresses to somewhat over half, as mail does.
 *
 * Lines end in CRLF in the files, too, so that a message as the server sends it is its file, octet for octet; with --lf
 * they end in LF, as a mail server stores what arrives. The file name carries S= and W=, which spares Dovecot the
 * reading; mtime is INTERNALDATE, and the names ascend with it.
 */
#include "tests/lib/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define START 1325376000 /* 2012-01-01 */
#define SPAN (4800 * 86400)

typedef struct {
  guint64 state;
} Random;

static guint64 draw(Random *random) { /* splitmix64 */
  guint64 z = (random->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static guint below(Random *random, guint n) {
  return (guint)(draw(random) % n);
}

typedef struct {
  const char *charset, *encoding, *separator, *words;
} Language;

static const char english[] =
    "the of and to in that we is for on with this be are it you as have from at will our please meeting report "
    "quarterly budget attached thanks regards tomorrow project schedule review draft proposal customer invoice "
    "question answer possible because however delivery contract signed travel office server update release version "
    "problem solved waiting information department numbers summary weekend everybody remember forward document";
static const char german[] =
    "die der und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat "
    "Grüße Besprechung Übersicht Rechnung Änderung Straße schöne Anhang möglich nächste Woche Bücher müssen können "
    "Termin Angebot Vertrag Lieferung verschoben Entwurf Prüfung bestätigt fröhlich größer Maßnahme Geschäft herzlich";
static const char french[] =
    "le de un être et à il avoir ne je son que se qui ce dans en du elle au pour réunion présent été déjà pièce "
    "jointe merci cordialement semaine prochaine détails équipe problème réponse française élève façon côté forêt "
    "hôtel dîner facture commande livraison contrat signé rendez-vous demain matin bientôt très";
static const char russian[] =
    "и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой весна год время человек "
    "письмо встреча отчёт договор счёт вложение спасибо завтра проект вопрос ответ доставка подпись неделя работа";
static const char japanese[] =
    "会議 資料 添付 確認 お願い します ありがとう ございます 来週 予定 変更 請求書 契約 納品 "
    "質問 回答 報告 連絡 東京 大阪 です ます から まで について 新しい 製品 開発 会社";
static const char greek[] =
    "και το να του η της με που την από για είναι τα στο δεν θα τον μας συνάντηση αναφορά έγγραφο "
    "ευχαριστώ αύριο ερώτηση απάντηση σύμβαση τιμολόγιο εβδομάδα ομάδα πρόβλημα λύση";

static const Language languages[] = {
    {"us-ascii", "7bit", " ", english},
    {"utf-8", "8bit", " ", english},
    {"us-ascii", "7bit", " ", english},
    {"iso-8859-1", "quoted-printable", " ", german},
    {"utf-8", "8bit", " ", german},
    {"iso-8859-15", "8bit", " ", french},
    {"utf-8", "quoted-printable", " ", french},
    {"koi8-r", "8bit", " ", russian},
    {"utf-8", "base64", " ", russian},
    {"utf-8", "base64", "", japanese},
    {"iso-2022-jp", "7bit", "", japanese},
    {"utf-8", "8bit", " ", greek},
};

static const char *const people[][2] = {
    {"Ann O'Neil", "ann.oneil@example.com"},
    {"Jürgen Groß", "juergen@example.de"},
    {"Élodie Lefèvre", "elodie@example.fr"},
    {"Иван Петров", "petrov@example.ru"},
    {"山田 太郎", "yamada@example.jp"},
    {"Smith, John (Sales)", "john.smith@example.com"},
    {"", "noreply@shop.example"},
    {"Νίκος", "nikos@example.gr"},
    {"Bob", "bob+lists@example.net"},
    {"The imap-protocol list", "imap-protocol@lists.example"},
};

/* As Maildir++ names them below a Maildir, in modified UTF-7. */
static const char *const folders[] = {"",       ".Archive",    ".Archive.2024", ".Lists.imap-protocol", ".Entw&APw-rfe",
                                      ".R&- D", ".&ZeVnLIqe-", ".Two words"};

/* About `octets` of words. */
static char *prose(Random *random, const Language *language, gsize octets) {
  g_auto(GStrv) words = g_strsplit(language->words, " ", -1);
  guint n = g_strv_length(words), column = 0;
  GString *text = g_string_new(NULL);
  while (text->len < octets) {
    guint which = MIN(below(random, n), below(random, n)); /* some words are more frequent, as in any language */
    g_string_append(text, words[which]);
    column += (guint)g_utf8_strlen(words[which], -1) + 1;
    if (below(random, 40) == 0)
      g_string_append_printf(text, " %u", below(random, 1000000));
    if (column > 50 + below(random, 18)) {
      g_string_append(text, below(random, 8) ? "\r\n" : ".\r\n\r\n");
      column = 0;
    } else {
      g_string_append(text, below(random, 12) ? language->separator : ", ");
    }
  }
  g_string_append(text, "\r\n");
  return g_string_free(text, FALSE);
}

static void append_base64(GString *out, const guint8 *data, gsize len) {
  for (gsize at = 0; at < len; at += 57) {
    g_autofree char *line = g_base64_encode(data + at, MIN(57, len - at));
    g_string_append_printf(out, "%s\r\n", line);
  }
}

static void append_quoted(GString *out, const char *text, gsize len) {
  guint column = 0;
  for (gsize i = 0; i < len; i++) {
    guint8 c = (guint8)text[i];
    gboolean newline = c == '\r' || c == '\n';
    if (column > 72 && !newline) {
      g_string_append(out, "=\r\n");
      column = 0;
    }
    if (newline || (c >= ' ' && c < 127 && c != '=' && !(c == ' ' && i + 1 < len && text[i + 1] == '\r')))
      g_string_append_c(out, (char)c);
    else
      g_string_append_printf(out, "=%02X", c);
    column = c == '\n' ? 0 : column + 1;
  }
}

/* RFC 2047, in as many encoded words as it takes; none where the text is ASCII. */
static void append_encoded(GString *out, const char *text) {
  if (g_str_is_ascii(text)) {
    g_string_append(out, text);
    return;
  }
  while (*text) {
    const char *end = text;
    while (*end && g_utf8_next_char(end) - text <= 42)
      end = g_utf8_next_char(end);
    g_autofree char *word = g_base64_encode((const guint8 *)text, (gsize)(end - text));
    g_string_append_printf(out, "=?UTF-8?B?%s?=%s", word, *end ? "\r\n " : "");
    text = end;
  }
}

static void append_text(GString *out, Random *random, const Language *language, gsize octets) {
  g_autofree char *utf8 = prose(random, language, octets);
  gsize len;
  g_autofree char *text = g_convert_with_fallback(utf8, -1, language->charset, "UTF-8", "?", NULL, &len, NULL);
  if (!text)
    net_die("iconv does not know %s", language->charset);
  g_string_append_printf(out, "Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
                         language->charset, language->encoding);
  if (strcmp(language->encoding, "base64") == 0)
    append_base64(out, (const guint8 *)text, len);
  else if (strcmp(language->encoding, "quoted-printable") == 0)
    append_quoted(out, text, len);
  else
    g_string_append_len(out, text, (gssize)len);
}

/* Half of the attachments are as dense as pictures and archives, the others have some structure. */
static void append_attachment(GString *out, Random *random, gsize octets) {
  static const char *const types[][2] = {
      {"image/jpeg", "jpg"}, {"application/zip", "zip"}, {"application/pdf", "pdf"}, {"application/msword", "doc"}};
  guint type = below(random, G_N_ELEMENTS(types));
  gsize len = octets * 57 / 78;
  g_autofree guint8 *data = g_malloc(len + 8);
  for (gsize i = 0; i < len; i += 8) {
    guint64 word =
        type < 2 || i / 512 % 2 == 0 ? draw(random) : G_GUINT64_CONSTANT(0x20202030003a0100) * (i / 4096 + 1);
    memcpy(data + i, &word, 8);
  }
  g_string_append_printf(out,
                         "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n"
                         "Content-Disposition: attachment; filename=\"file%u.%s\"\r\n\r\n",
                         types[type][0], below(random, 10000), types[type][1]);
  append_base64(out, data, len);
}

static void append_header(GString *out, Random *random, guint n, guint64 seed, const Language *language, time_t date) {
  const char *const *from = people[below(random, G_N_ELEMENTS(people))];
  char when[64];
  struct tm tm;
  g_autofree char *subject = prose(random, language, 10 + below(random, below(random, 50) ? 60 : 600));
  strftime(when, sizeof when, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&date, &tm));
  for (guint i = 0, hops = 2 + below(random, 3); i < hops; i++)
    g_string_append_printf(out,
                           "Received: from mx%u.example.net (mx%u.example.net [192.0.2.%u])\r\n"
                           "\tby mail.example.org (Postfix) with ESMTPS id %08X\r\n\tfor <alice@example.org>; %s\r\n",
                           i, i, below(random, 255), (guint)draw(random), when);
  g_string_append_printf(out, "Message-ID: <%u.%" G_GUINT64_FORMAT ".%08x@example.org>\r\nDate: %s\r\nFrom: ", n, seed,
                         (guint)draw(random), when);
  if (strpbrk(from[0], ",()'"))
    g_string_append_printf(out, "\"%s\"", from[0]);
  else
    append_encoded(out, from[0]);
  g_string_append_printf(out, " <%s>\r\nTo: <alice@example.org>\r\nSubject: %s", from[1],
                         below(random, 3) ? "" : "Re: ");
  append_encoded(out, g_strdelimit(g_strstrip(subject), "\r\n", ' '));
  g_string_append(out, "\r\nMIME-Version: 1.0\r\n");
}

/* Size at a rank of 100000: straight lines between points of the distribution. */
static gsize size_of(guint rank) {
  static const struct {
    guint rank, size;
  } points[] = {{0, 300},       {5000, 700},     {10000, 1100},   {25000, 2400},   {50000, 6500},    {75000, 18000},
                {90000, 52000}, {95000, 105000}, {98000, 210000}, {99000, 320000}, {99900, 1000000}, {100000, 6500000}};
  guint i = 1;
  while (points[i].rank <= rank)
    i++;
  guint64 width = points[i].rank - points[i - 1].rank, rise = points[i].size - points[i - 1].size;
  return points[i - 1].size + (gsize)(rise * (rank - points[i - 1].rank) / width);
}

static GString *compose(guint n, guint64 seed, gboolean small, time_t date) {
  Random random = {seed * G_GUINT64_CONSTANT(1000003) + n};
  const Language *language = &languages[below(&random, G_N_ELEMENTS(languages))];
  gsize target = small ? 200 + below(&random, 400) : size_of(below(&random, 100000));
  GString *out = g_string_new(NULL);
  append_header(out, &random, n, seed, language, date);
  if (target < 12000) {
    append_text(out, &random, language, target);
    return out;
  }
  g_autofree char *boundary = g_strdup_printf("=_%016" G_GINT64_MODIFIER "x", draw(&random));
  g_string_append_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary);
  append_text(out, &random, language, 1000 + target / (3 + below(&random, 6)));
  while (out->len < target) {
    gsize left = target - out->len;
    g_string_append_printf(out, "\r\n--%s\r\n", boundary);
    append_attachment(out, &random, below(&random, 3) ? left : left / 2 + 500);
  }
  g_string_append_printf(out, "\r\n--%s--\r\n", boundary);
  return out;
}

static void drop_returns(GString *text) {
  gsize to = 0;
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] != '\r')
      text->str[to++] = text->str[i];
  g_string_truncate(text, to);
}

static void store(int dir, guint n, guint64 seed, GString *message, gboolean lf, time_t date) {
  static const char *const flags[] = {"", "S", "S", "S", "RS", "FS", "F", "S"};
  struct timespec times[2] = {{.tv_sec = date}, {.tv_sec = date}};
  gsize wire = message->len;
  if (lf)
    drop_returns(message);
  g_autofree char *name =
      g_strdup_printf("%" G_GINT64_FORMAT ".M%06uP%u.mailgen,S=%zu,W=%zu:2,%s", (gint64)date, n % 1000000,
                      n / 1000000 + 1, message->len, wire, flags[(n * 7 + seed) % G_N_ELEMENTS(flags)]);
  int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    net_die("cannot make %s: %s", name, g_strerror(errno));
  net_write(fd, message->str, message->len);
  futimens(fd, times);
  close(fd);
}

/* Opens cur/ of a Maildir, which is made as needed. */
static int open_maildir(const char *base, const char *folder) {
  int fd = -1;
  for (gsize i = 0; i < 3; i++) {
    g_autofree char *path = g_build_filename(base, folder, ((const char *const[]){"new", "tmp", "cur"})[i], NULL);
    if (g_mkdir_with_parents(path, 0700) < 0 || (i == 2 && (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
      net_die("cannot make %s: %s", path, g_strerror(errno));
  }
  return fd;
}

int main(int argc, char **argv) {
  gint64 seed = 1, first = 0;
  gint n_folders = 1;
  gboolean small = FALSE, lf = FALSE;
  const GOptionEntry entries[] = {
      {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Another seed makes another mailbox (1)", "N"},
      {"first", 0, 0, G_OPTION_ARG_INT64, &first, "Number of the first message: adds to a mailbox (0)", "N"},
      {"small", 0, 0, G_OPTION_ARG_NONE, &small, "Messages of about a kilobyte", NULL},
      {"lf", 0, 0, G_OPTION_ARG_NONE, &lf, "Lines end in LF", NULL},
      {"folders", 0, 0, G_OPTION_ARG_INT, &n_folders, "Spread over so many folders, up to 8 (1: INBOX only)", "N"},
      {0}};
  net_options(&argc, &argv, entries, "DIRECTORY COUNT", 2);
  guint64 count = g_ascii_strtoull(argv[2], NULL, 10);
  int dirs[G_N_ELEMENTS(folders)];
  n_folders = CLAMP(n_folders, 1, (gint)G_N_ELEMENTS(folders));
  for (gint i = 0; i < n_folders; i++)
    dirs[i] = open_maildir(argv[1], folders[i]);
  for (guint64 i = 0; i < count; i++) {
    guint n = (guint)(first + (gint64)i);
    time_t date = START + (time_t)((guint64)n * SPAN / MAX(count + (guint64)first, 1)) + n % 61;
    g_autoptr(GString) message = compose(n, (guint64)seed, small, date);
    store(dirs[i % (guint64)n_folders], n, (guint64)seed, message, lf, date);
  }
  return 0;
}
