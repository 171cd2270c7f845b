/* SPDX-License-Identifier: MIT */
#include "tests/boxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct _Boxes {
  GPtrArray *all;
  guint made;
};

static void message_free(gpointer data) {
  BoxMessage *message = data;
  g_free(message->origin);
  g_free(message->flags);
  g_free(message->date);
  g_free(message);
}

static void box_free(gpointer data) {
  Box *box = data;
  g_free(box->name);
  g_free(box->attrs);
  g_free(box->mailboxid);
  g_free(box->oldname);
  g_ptr_array_unref(box->messages);
  g_array_unref(box->gone);
  g_free(box);
}

Boxes *boxes_new(void) {
  Boxes *boxes = g_new0(Boxes, 1);
  boxes->all = g_ptr_array_new_with_free_func(box_free);
  return boxes;
}

void boxes_free(Boxes *boxes) {
  g_ptr_array_unref(boxes->all);
  g_free(boxes);
}

/* ---- phrases ---------------------------------------------------------------------------------------- */

static char **words_of(const char *text) {
  GPtrArray *words = g_ptr_array_new();
  g_auto(GStrv) parts = g_strsplit_set(text, " \t", -1);
  for (char **part = parts; *part; part++)
    if (**part)
      g_ptr_array_add(words, g_strdup(*part));
  g_ptr_array_add(words, NULL);
  return (char **)g_ptr_array_free(words, FALSE);
}

void phrase_read(const char *text, Phrase *ret) {
  const char *colon = strchr(text, ':');
  g_autofree char *before = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
  ret->rest = g_strstrip(g_strdup(colon ? colon + 1 : ""));
  ret->words = words_of(before);
  ret->after = words_of(ret->rest);
}

void phrase_clear(Phrase *phrase) {
  g_strfreev(phrase->words);
  g_strfreev(phrase->after);
  g_free(phrase->rest);
}

const char *phrase_option(const Phrase *phrase, const char *name) {
  for (char **word = phrase->words; *word; word++)
    if (strcmp(*word, name) == 0)
      return word[1];
  return NULL;
}

/* ---- letters ----------------------------------------------------------------------------------------- */

char *letter_header(const char *origin, guint number, char copy, gboolean four_fields) {
  g_autofree char *fields = g_strdup_printf("Date: Wed, 01 Jan 2020 10:00:%02u +0000\r\nFrom: Ann <ann@example.org>\r\n"
                                            "Subject: %s %u\r\nMessage-ID: <%u.%s@example.org>\r\n",
                                            number % 60, origin, number, number, origin);
  return four_fields ? g_strconcat(fields, "\r\n", NULL) : g_strdup_printf("%sX-Copy: %c\r\n\r\n", fields, copy);
}

char *letter_text(const char *origin, guint number, char copy) {
  g_autofree char *header = letter_header(origin, number, copy, FALSE);
  GString *text = g_string_new(header);
  for (guint i = 0; i < 5 + number % 7; i++)
    g_string_append_printf(text, "This is line %u of letter %u in %s, copy %c.\r\n", i, number, origin, copy);
  return g_string_free(text, FALSE);
}

/* ---- looking -------------------------------------------------------------------------------------------- */

GPtrArray *boxes_all(Boxes *boxes) {
  return boxes->all;
}

Box *boxes_find(Boxes *boxes, const char *name) {
  for (guint i = 0; i < boxes->all->len; i++)
    if (strcmp(((Box *)boxes->all->pdata[i])->name, name) == 0)
      return boxes->all->pdata[i];
  return NULL;
}

Box *boxes_by_id(Boxes *boxes, guint id) {
  for (guint i = 0; i < boxes->all->len; i++)
    if (((Box *)boxes->all->pdata[i])->id == id)
      return boxes->all->pdata[i];
  return NULL;
}

BoxMessage *box_message(const Box *box, guint32 uid) {
  for (guint i = 0; i < box->messages->len; i++)
    if (((BoxMessage *)box->messages->pdata[i])->uid == uid)
      return box->messages->pdata[i];
  return NULL;
}

/* ---- changing -------------------------------------------------------------------------------------------- */

static gint by_uid(gconstpointer a, gconstpointer b) {
  guint32 left = (*(BoxMessage *const *)a)->uid, right = (*(BoxMessage *const *)b)->uid;
  return left < right ? -1 : left > right;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp((*(Box *const *)a)->name, (*(Box *const *)b)->name);
}

static void set_letter(BoxMessage *message, const char *origin, const char *what) {
  char *end;
  message->number = (guint)strtoul(what, &end, 10);
  message->copy = *end ? *end : 'a';
  g_free(message->origin);
  message->origin = g_strdup(origin);
}

/* Last part of the name: what a letter says of where it came from goes into a file name. */
static const char *leaf(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash ? slash + 1 : name;
}

static void add(Box *box, const char *origin, const char *what) {
  BoxMessage *message = g_new0(BoxMessage, 1);
  const char *equal = strchr(what, '=');
  message->uid = (guint32)strtoul(what, NULL, 10);
  message->modseq = ++box->modseq;
  message->flags = g_strdup("");
  set_letter(message, origin, equal ? equal + 1 : what);
  message->date = g_strdup_printf("01-Jan-2020 10:%02u:%02u +0000", message->number / 60 % 60, message->number % 60);
  box->uidnext = MAX(box->uidnext, message->uid + 1);
  g_ptr_array_add(box->messages, message);
  g_ptr_array_sort(box->messages, by_uid);
}

static Box *make(Boxes *boxes, const char *name) {
  Box *box = g_new0(Box, 1);
  box->id = ++boxes->made;
  box->name = g_strdup(name);
  box->attrs = g_strdup("");
  box->mailboxid = g_strdup_printf("F%u", box->id);
  box->uidvalidity = 7;
  box->uidnext = 1;
  box->modseq = 1;
  box->fresh = TRUE;
  box->messages = g_ptr_array_new_with_free_func(message_free);
  box->gone = g_array_new(FALSE, FALSE, sizeof(BoxGone));
  g_ptr_array_add(boxes->all, box);
  g_ptr_array_sort(boxes->all, by_name);
  return box;
}

static void set_numbers(Box *box, const Phrase *phrase) {
  const char *uidvalidity = phrase_option(phrase, "uidvalidity"), *uidnext = phrase_option(phrase, "uidnext");
  const char *modseq = phrase_option(phrase, "modseq"), *attrs = phrase_option(phrase, "attrs");
  if (uidvalidity)
    box->uidvalidity = (guint32)strtoul(uidvalidity, NULL, 10);
  if (uidnext)
    box->uidnext = (guint32)strtoul(uidnext, NULL, 10);
  if (modseq)
    box->modseq = strtoull(modseq, NULL, 10);
  if (attrs) {
    g_free(box->attrs);
    box->attrs = g_strdup(attrs);
  }
}

static void change_folder(Boxes *boxes, Box *box, const Phrase *phrase) {
  if (box)
    g_ptr_array_remove(boxes->all, box);
  box = make(boxes, phrase->words[0]);
  set_numbers(box, phrase);
  for (char **what = phrase->after; *what; what++)
    add(box, leaf(box->name), *what);
}

static void change_new(G_GNUC_UNUSED Boxes *boxes, Box *box, const Phrase *phrase) {
  for (char **what = phrase->after; *what; what++)
    add(box, leaf(box->name), *what);
}

static void change_gone(G_GNUC_UNUSED Boxes *boxes, Box *box, const Phrase *phrase) {
  box->modseq++;
  for (char **what = phrase->after; *what; what++) {
    BoxGone gone = {.uid = (guint32)strtoul(*what, NULL, 10), .modseq = box->modseq};
    if (g_ptr_array_remove(box->messages, box_message(box, gone.uid)))
      g_array_append_val(box->gone, gone);
  }
}

static BoxMessage *named(const Box *box, const Phrase *phrase) {
  BoxMessage *message = phrase->words[1] ? box_message(box, (guint32)strtoul(phrase->words[1], NULL, 10)) : NULL;
  if (!message)
    g_error("no such message: %s", phrase->words[1]);
  return message;
}

static void change_flags(G_GNUC_UNUSED Boxes *boxes, Box *box, const Phrase *phrase) {
  BoxMessage *message = named(box, phrase);
  g_free(message->flags);
  message->flags = g_strdup(phrase->rest);
  message->modseq = ++box->modseq;
}

static void change_letter(G_GNUC_UNUSED Boxes *boxes, Box *box, const Phrase *phrase) {
  set_letter(named(box, phrase), leaf(box->name), phrase->rest);
}

static void change_date(G_GNUC_UNUSED Boxes *boxes, Box *box, const Phrase *phrase) {
  BoxMessage *message = named(box, phrase);
  g_free(message->date);
  message->date = g_strdup(phrase->rest);
}

static void renumber(Box *box, const Phrase *phrase) {
  GPtrArray *before = g_steal_pointer(&box->messages);
  box->messages = g_ptr_array_new_with_free_func(message_free);
  box->uidnext = 1;
  for (char **what = phrase->after; *what; what++)
    add(box, ((BoxMessage *)before->pdata[0])->origin, *what);
  g_ptr_array_unref(before);
}

static void change_rename(Boxes *boxes, Box *box, const Phrase *phrase) {
  g_free(box->oldname);
  box->oldname = g_steal_pointer(&box->name);
  box->name = g_strdup(phrase->words[1]);
  box->id = ++boxes->made;
  box->fresh = TRUE;
  set_numbers(box, phrase);
  if (*phrase->after && box->messages->len > 0)
    renumber(box, phrase);
  g_ptr_array_sort(boxes->all, by_name);
}

static void change_delete(Boxes *boxes, Box *box, G_GNUC_UNUSED const Phrase *phrase) {
  g_ptr_array_remove(boxes->all, box);
}

static const struct {
  const char *verb;
  void (*run)(Boxes *boxes, Box *box, const Phrase *phrase);
  guint shown; /* the word that names the folder afterwards */
} changes[] = {{"folder", change_folder, 0}, {"new", change_new, 0},      {"gone", change_gone, 0},
               {"flags", change_flags, 0},   {"date", change_date, 0},    {"letter", change_letter, 0},
               {"rename", change_rename, 1}, {"delete", change_delete, 0}};

char *boxes_change(Boxes *boxes, const char *line, char **ret_wrong) {
  gsize len = strcspn(line, " ");
  for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_auto(Phrase) phrase = {0};
    if (strlen(changes[i].verb) != len || strncmp(line, changes[i].verb, len) != 0)
      continue;
    phrase_read(line + len, &phrase);
    Box *box = phrase.words[0] ? boxes_find(boxes, phrase.words[0]) : NULL;
    if (g_strv_length(phrase.words) <= changes[i].shown || (!box && changes[i].run != change_folder)) {
      *ret_wrong = g_strdup_printf("no such folder: %s", line);
      return NULL;
    }
    char *name = g_strdup(phrase.words[changes[i].shown]);
    changes[i].run(boxes, box, &phrase);
    return name;
  }
  return NULL;
}
