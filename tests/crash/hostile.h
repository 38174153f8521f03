/*
 * What the hostile programs of the crash tests have in common: chance that a seed repeats, an intruder's writes,
 * and an end with one line when something is wrong. To be included behind the header of a protocol.
 */
#ifndef SYSV_SHM_TESTS_HOSTILE_H
#define SYSV_SHM_TESTS_HOSTILE_H

#include <stdlib.h>

/* A safety net, in seconds. */
#define NET 30

static uint64_t seed;
static volatile sig_atomic_t stopped = 0;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fprintf(stderr, "seed %llu: ", (unsigned long long)seed);
  vfprintf(stderr, what, values);
  fputc('\n', stderr);
  va_end(values);
  fflush(stdout);
  _exit(1);
}

static void on_signal(int number) {
  if (number == SIGALRM) _exit(3);
  stopped = 1;
}

static void catch_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGALRM, &action, NULL);
}

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t state;

static uint32_t chance(uint32_t below) {
  state += 0x9e3779b97f4a7c15U;
  uint64_t x = state;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return (uint32_t)((x >> 32) % below);
}

static uint32_t bits(void) { return chance(65536) << 16 | chance(65536); }

#define ONE_OF(...)                                                                  \
  (((const uint32_t[]){__VA_ARGS__})[chance((uint32_t)(sizeof((uint32_t[]){__VA_ARGS__}) / 4))])

/* ---- writes ---------------------------------------------------------------------------------- */

static void store(unsigned char *place, uint32_t value) {
  __atomic_store_n((uint32_t *)(void *)place, value, __ATOMIC_RELAXED);
}

static void noise(unsigned char *from, size_t size) {
  const size_t length = chance(8) == 0 ? size : 1 + chance(size < 64 ? (uint32_t)size : 64);
  unsigned char *const place = from + chance((uint32_t)(size - length + 1));
  const bool same = chance(3) == 0;
  const unsigned char value = (unsigned char)ONE_OF(0, 1, 8, 0x7f, 0x80, 0xff);
  for (size_t i = 0; i < length; i++) {
    __atomic_store_n(place + i, same ? value : (unsigned char)bits(), __ATOMIC_RELAXED);
  }
}

/* Between two writes: now nothing, now time for others to work. */
static void pause_between(void) {
  const uint32_t rest = chance(4);
  if (rest < 2) usleep(rest == 0 ? 1000 : 100);
  else if (rest == 2) for (uint32_t n = chance(3000); n > 0; n--) shmi_relax();
}

#endif
