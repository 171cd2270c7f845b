/* SPDX-License-Identifier: MIT */
/*
 * model MOUNTPOINT PORT: changes an account at random as another client does, reads it through the mount meanwhile, and
 * compares the mount with a model of a few lists. What the other client does depends on --seed alone.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/model.h"
#include "tests/lib/net.h"

#define MOST_LETTERS 400
#define MOST_GONE 64 /* paths that are no more */

static const char *const names[MODEL_FOLDERS] = {"INBOX", "a", "b", "c", "a b", "deep/x", "deep/y", "z"};

/* ---- what another client does ---------------------------------------------------------------------------- */

static Folder *pick_folder(Model *model, gboolean exists, gboolean inbox) {
  guint first = random_below(&model->changes, MODEL_FOLDERS);
  for (guint i = 0; i < MODEL_FOLDERS; i++) {
    Folder *folder = &model->folders[(first + i) % MODEL_FOLDERS];
    if (folder->exists == exists && (inbox || folder != &model->folders[0]))
      return folder;
  }
  return NULL;
}

static guint letters_in_all(const Model *model) {
  guint n = 0;
  for (guint i = 0; i < MODEL_FOLDERS; i++)
    n += model->folders[i].letters->len;
  return n;
}

static void bury(Model *model, const Folder *folder, const Letter *letter) {
  g_queue_push_tail(&model->gone,
                    g_strdup_printf("%s/2024-03-01_Model_m-%u.%u.eml", folder->name, letter->serial, letter->uid));
  if (model->gone.length > MOST_GONE)
    g_free(g_queue_pop_head(&model->gone));
}

static void do_append(Model *model) {
  Folder *folder = pick_folder(model, TRUE, TRUE);
  for (guint n = letters_in_all(model) < MOST_LETTERS ? 1 + random_below(&model->changes, 5) : 0; n > 0; n--) {
    Letter letter = {.serial = ++model->serial};
    g_autoptr(GString) text = letter_compose(letter.serial);
    letter.uid = client_append(model->client, folder->name, MODEL_DATE, text);
    g_array_append_val(folder->letters, letter);
    folder->touched = 0;
    model_note(model, "append m-%u to %s as %u", letter.serial, folder->name, letter.uid);
  }
}

static void do_flag(Model *model) {
  static const char *const flags[] = {"\\Seen", "\\Flagged", "\\Answered", "\\Draft", "Project"};
  Folder *folder = pick_folder(model, TRUE, TRUE);
  client_run(model->client, "SELECT \"%s\"", folder->name);
  for (guint n = folder->letters->len ? 1 + random_below(&model->changes, 8) : 0; n > 0; n--) {
    const Letter *letter = &g_array_index(folder->letters, Letter, random_below(&model->changes, folder->letters->len));
    client_run(model->client, "UID STORE %u %cFLAGS (%s)", letter->uid, random_below(&model->changes, 2) ? '+' : '-',
               flags[random_below(&model->changes, G_N_ELEMENTS(flags))]);
  }
  model_note(model, "flags in %s", folder->name);
}

/* Of each letter one in `fraction` goes; nowhere, or to the other folder. */
static void remove_some(Model *model, Folder *folder, guint fraction, Folder *to) {
  g_autoptr(GString) set = g_string_new(NULL);
  client_run(model->client, "SELECT \"%s\"", folder->name);
  for (guint i = folder->letters->len; i-- > 0;) {
    Letter letter = g_array_index(folder->letters, Letter, i);
    if (random_below(&model->changes, fraction) != 0)
      continue;
    g_array_remove_index(folder->letters, i);
    folder->touched = 0;
    bury(model, folder, &letter);
    model_note(model, "%s m-%u (%u) of %s", to ? "move" : "expunge", letter.serial, letter.uid, folder->name);
    if (!to) {
      g_string_append_printf(set, "%s%u", set->len ? "," : "", letter.uid);
      continue;
    }
    const char *code = strstr(client_run(model->client, "UID MOVE %u \"%s\"", letter.uid, to->name), "[COPYUID ");
    if (!code || sscanf(code, "[COPYUID %*u %*u %u]", &letter.uid) != 1)
      net_die("no COPYUID");
    letter.ino = 0;
    g_array_append_val(to->letters, letter);
    to->touched = 0;
  }
  if (set->len > 0) {
    client_run(model->client, "UID STORE %s +FLAGS.SILENT (\\Deleted)", set->str);
    client_run(model->client, "UID EXPUNGE %s", set->str);
  }
}

static void do_expunge(Model *model) {
  remove_some(model, pick_folder(model, TRUE, TRUE), 8, NULL);
}

static void do_expunge_much(Model *model) {
  remove_some(model, pick_folder(model, TRUE, TRUE), 1 + random_below(&model->changes, 2), NULL);
}

static void do_move(Model *model) {
  Folder *from = pick_folder(model, TRUE, TRUE), *to = pick_folder(model, TRUE, TRUE);
  if (from != to)
    remove_some(model, from, 5, to);
}

static void do_create(Model *model) {
  Folder *folder = pick_folder(model, FALSE, FALSE);
  if (!folder)
    return;
  client_run(model->client, "CREATE \"%s\"", folder->name);
  folder->exists = TRUE;
  folder->touched = 0;
  model_note(model, "create %s", folder->name);
}

static void empty(Model *model, Folder *folder) {
  for (guint i = 0; i < folder->letters->len; i++)
    bury(model, folder, &g_array_index(folder->letters, Letter, i));
  folder->exists = FALSE;
  folder->touched = 0;
  g_array_set_size(folder->letters, 0);
}

static void leave(Model *model) {
  client_run(model->client, "EXAMINE INBOX");
  client_run(model->client, "UNSELECT");
}

static void do_delete(Model *model) {
  Folder *folder = pick_folder(model, TRUE, FALSE);
  if (!folder)
    return;
  leave(model);
  client_delete(model->client, folder->name);
  model_note(model, "delete %s", folder->name);
  empty(model, folder);
}

static void do_delete_and_create(Model *model) {
  Folder *folder = pick_folder(model, TRUE, FALSE);
  if (!folder)
    return;
  leave(model);
  client_delete(model->client, folder->name);
  client_run(model->client, "CREATE \"%s\"", folder->name);
  model_note(model, "delete and create %s", folder->name);
  empty(model, folder);
  folder->exists = TRUE;
}

static void do_rename(Model *model) {
  Folder *from = pick_folder(model, TRUE, FALSE), *to = pick_folder(model, FALSE, FALSE);
  if (!from || !to)
    return;
  leave(model);
  client_run(model->client, "RENAME \"%s\" \"%s\"", from->name, to->name);
  client_run(model->client, "LIST \"\" \"*\""); /* as clients do, and without it Dovecot's NOTIFY knows nothing of it */
  model_note(model, "rename %s to %s", from->name, to->name);
  g_array_append_vals(to->letters, from->letters->data, from->letters->len);
  to->exists = TRUE;
  to->touched = from->touched;
  empty(model, from);
}

static void do_renumber(Model *model) {
  Folder *folder = pick_folder(model, TRUE, TRUE);
  g_autofree char *validity = g_strdup_printf("%u", ++model->uidvalidity);
  char *argv[] = {"doveadm",        "-c",     (char *)model->conf,  "mailbox", "update", "-u", "alice",
                  "--uid-validity", validity, (char *)folder->name, NULL};
  gint status = -1;
  client_free(model->client); /* Dovecot hangs up on who has seen the mailbox as it was */
  if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL) || status)
    net_die("doveadm failed");
  model->client = client_new(model->port);
  model_note(model, "UIDVALIDITY of %s: %s", folder->name, validity);
}

static void do_cut(Model *model) {
  if (model->relay == 0)
    return;
  kill(model->relay, SIGHUP);
  model->cut = TRUE;
  model_note(model, "cut the line");
}

/* ---- the run ------------------------------------------------------------------------------------------------ */

static const struct {
  void (*run)(Model *model);
  guint weight;
  gboolean identity; /* matters for who is who: usually in a batch of its own */
} changes[] = {
    {do_append, 40, FALSE}, {do_flag, 12, FALSE},   {do_expunge, 14, FALSE},         {do_expunge_much, 2, FALSE},
    {do_move, 10, FALSE},   {do_create, 6, FALSE},  {do_delete, 3, FALSE},           {do_cut, 2, FALSE},
    {do_rename, 5, TRUE},   {do_renumber, 2, TRUE}, {do_delete_and_create, 2, TRUE},
};

static guint pick_change(Model *model) {
  guint sum = 0, i = 0;
  for (guint k = 0; k < G_N_ELEMENTS(changes); k++)
    sum += changes[k].weight;
  for (guint dice = random_below(&model->changes, sum); dice >= changes[i].weight; i++)
    dice -= changes[i].weight;
  return i;
}

/* Where folders are renamed or renumbered and changed at once, who is who may be beyond anybody. */
static void forget_identity(Model *model) {
  for (guint i = 0; i < MODEL_FOLDERS; i++) {
    model->folders[i].touched = 0;
    for (guint k = 0; k < model->folders[i].letters->len; k++)
      g_array_index(model->folders[i].letters, Letter, k).ino = 0;
  }
}

static void batch(Model *model) {
  gboolean mixed = random_below(&model->changes, 4) == 0, identity = FALSE;
  for (guint n = 1 + random_below(&model->changes, 8); n > 0; n--) {
    guint which = pick_change(model);
    gboolean alone = changes[which].identity && !mixed;
    identity = identity || (changes[which].identity && mixed);
    if (alone)
      model_settle(model);
    if (changes[which].identity)
      model->renumbered = g_get_monotonic_time();
    changes[which].run(model);
    model->n_changes++;
    for (guint looks = random_below(&model->looks, 4); looks > 0; looks--)
      model_look(model);
    if (alone)
      model_settle(model);
  }
  if (identity)
    forget_identity(model);
  model_settle(model);
}

static void run(Model *model, gint seconds) {
  gint64 start = g_get_monotonic_time(), end = start + seconds * G_TIME_SPAN_SECOND;
  model_settle(model);
  for (gint64 now; (now = g_get_monotonic_time()) < end;) {
    batch(model);
    model_check_ceilings(model, now - start > (end - start) / 3);
  }
  for (guint i = 0; i < 30; i++)
    model_look(model);
}

int main(int argc, char **argv) {
  gint64 seed = 1;
  gint seconds = 10;
  Model model = {.patience = 60, .renumbered = G_MININT64 / 2};
  g_autofree char *conf = NULL;
  const GOptionEntry entries[] = {
      {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "What the other client does (1)", "N"},
      {"time", 0, 0, G_OPTION_ARG_INT, &seconds, "Seconds to go on (10)", "N"},
      {"settle", 0, 0, G_OPTION_ARG_INT, &model.patience, "Seconds until the mount must agree (60)", "N"},
      {"relay", 0, 0, G_OPTION_ARG_INT, &model.relay, "The line, to be cut", "PID"},
      {"daemon", 0, 0, G_OPTION_ARG_INT, &model.daemon, "What serves the mount, to be measured", "PID"},
      {"conf", 0, 0, G_OPTION_ARG_FILENAME, &conf, "Dovecot's configuration, for doveadm", "FILE"},
      {0}};
  net_options(&argc, &argv, entries, "MOUNTPOINT PORT", 2);
  model.mountpoint = argv[1];
  model.conf = conf;
  model.port = (guint16)g_ascii_strtoull(argv[2], NULL, 10);
  model.client = client_new(model.port);
  model.changes.state = (guint64)seed;
  model.looks.state = ~(guint64)seed;
  model.uidvalidity = (guint32)(g_get_real_time() / G_USEC_PER_SEC) + 100000;
  model.sizes = g_hash_table_new(NULL, NULL);
  model.inos = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  model.handles = g_array_new(FALSE, FALSE, sizeof(Handle));
  for (guint i = 0; i < MODEL_FOLDERS; i++)
    model.folders[i] =
        (Folder){.name = names[i], .exists = i == 0, .letters = g_array_new(FALSE, FALSE, sizeof(Letter))};
  run(&model, seconds);
  printf("seed %" G_GINT64_FORMAT ": %u changes, %u reads, %u times settled, after %" G_GINT64_FORMAT " ms at most",
         seed, model.n_changes, model.n_looks, model.n_settles, model.slowest / 1000);
  if (model.daemon)
    printf("; %.1f MiB when warm, %.1f at most, %ld descriptors, %ld threads", (double)model.rss_warm / 1024,
           (double)model.rss_most / 1024, model.fds_most, model.threads_most);
  puts("");
  client_free(model.client);
  return 0;
}
