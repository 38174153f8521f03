/*
 * Includes the headers of the protocols so that a process can rest before and after each system call they
 * make: a kill at a random instant then falls around them often, between a publish and its wake, or
 * between a segment's creation and its initialisation. For the files of the crash harnesses.
 */
#ifndef SYSV_SHM_TESTS_LINGER_H
#define SYSV_SHM_TESTS_LINGER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdbool.h>
#include <stdint.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Random numbers that a seed repeats (splitmix64). */
struct Random {
  uint64_t state;
};

static inline uint64_t random_bits(struct Random *random) {
  uint64_t x = random->state += 0x9e3779b97f4a7c15U;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return x ^ x >> 31;
}

static inline uint32_t below(struct Random *random, uint32_t limit) {
  return (uint32_t)(random_bits(random) % limit);
}

/* What this process does at system calls; it rests at one in `one_in` of them, 0: never. */
static struct {
  struct Random random;
  uint32_t one_in;
} lingering;

static inline void rest(uint32_t microseconds) {
  const struct timespec span = {0, (long)microseconds * 1000};
  nanosleep(&span, NULL);
}

static inline void linger(void) {
  if (lingering.one_in != 0 && below(&lingering.random, lingering.one_in) == 0) {
    rest(20 + below(&lingering.random, 400));
  }
}

/* An expression with rests around it, and its value. */
#define LINGERING(type, call)     \
  __extension__({                 \
    linger();                     \
    const type result_ = (call);  \
    const int errno_ = errno;     \
    linger();                     \
    errno = errno_;               \
    result_;                      \
  })

#define syscall(...) LINGERING(long, (syscall)(__VA_ARGS__))
#define semop(...) LINGERING(int, (semop)(__VA_ARGS__))
#define semtimedop(...) LINGERING(int, (semtimedop)(__VA_ARGS__))
#define semget(...) LINGERING(int, (semget)(__VA_ARGS__))
#define semctl(...) LINGERING(int, (semctl)(__VA_ARGS__))
#define shmget(...) LINGERING(int, (shmget)(__VA_ARGS__))
#define shmctl(...) LINGERING(int, (shmctl)(__VA_ARGS__))
#define shmdt(...) LINGERING(int, (shmdt)(__VA_ARGS__))

#include "shm_channel.h"
#include "shm_latest.h"
#include "shm_topic.h"

#undef syscall
#undef semop
#undef semtimedop
#undef semget
#undef semctl
#undef shmget
#undef shmctl
#undef shmdt

#endif
