/* SPDX-License-Identifier: MIT */
/*
 * ThreadSanitizer knows pthread's locks; those of GLib are futexes inside a library that it has not instrumented.
 * Here they tell it what they mean. Empty in any other build.
 */
#include <glib.h>

#ifndef __SANITIZE_THREAD__
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif
#endif

#ifdef __SANITIZE_THREAD__
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
  /* Two threads may fill the static of G_DEFINE_QUARK, with the same number. */
  return "called_from_lib:libsqlite3.so\ncalled_from_lib:libglib-2.0.so\nrace:_error_quark\n";
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
  return "die_after_fork=0"; /* children of tests may have threads */
}

void(g_mutex_lock)(GMutex *mutex) {
  REAL(g_mutex_lock)(mutex);
  __tsan_acquire(mutex);
}

gboolean(g_mutex_trylock)(GMutex *mutex) {
  gboolean got = REAL(g_mutex_trylock)(mutex);
  if (got)
    __tsan_acquire(mutex);
  return got;
}

void(g_mutex_unlock)(GMutex *mutex) {
  __tsan_release(mutex);
  REAL(g_mutex_unlock)(mutex);
}

void(g_cond_wait)(GCond *cond, GMutex *mutex) {
  __tsan_release(mutex);
  REAL(g_cond_wait)(cond, mutex);
  __tsan_acquire(mutex);
}

gboolean(g_cond_wait_until)(GCond *cond, GMutex *mutex, gint64 end_time) {
  __tsan_release(mutex);
  gboolean in_time = REAL(g_cond_wait_until)(cond, mutex, end_time);
  __tsan_acquire(mutex);
  return in_time;
}
#endif
