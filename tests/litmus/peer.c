/*
 * One side of a litmus test in C: the bodies of `shapes.ts` and the loops of `peer.ts`, with the orders
 * that `shm_channel.h` uses; compiled with -DPLAIN, without any order. `peer SEGMENT SIDE SHAPE ROUNDS`
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <unistd.h>

enum { X = 64, Y = 96, PAYLOAD = 128, RING = 256, SLOTS = 8, WORDS = 8 };
enum { CELLS = 2, CELL = 32 }; /* in the ring's place */

#ifdef PLAIN
enum { ACQUIRE = __ATOMIC_RELAXED, RELEASE = __ATOMIC_RELAXED, SEQ_CST = __ATOMIC_RELAXED };
#define FENCE(order) ((void)0)
#else
enum { ACQUIRE = __ATOMIC_ACQUIRE, RELEASE = __ATOMIC_RELEASE, SEQ_CST = __ATOMIC_SEQ_CST };
#define FENCE(order) __atomic_thread_fence(order)
#endif

#define LOAD(index, order) __atomic_load_n(words + (index), (order))
#define STORE(index, value, order) __atomic_store_n(words + (index), (value), (order))

static int32_t *words;
static int own = X, other = Y; /* what this side stores first, and the other's */

static int mp_first(int32_t round) {
  STORE(PAYLOAD, round, __ATOMIC_RELAXED);
  STORE(PAYLOAD + 40, round, __ATOMIC_RELAXED);
  STORE(X, round, RELEASE);
  return 0;
}

static int mp_second(int32_t round) {
  const int flag = LOAD(X, ACQUIRE) == round;
  const int last = LOAD(PAYLOAD + 40, __ATOMIC_RELAXED) == round;
  return flag | (last & (LOAD(PAYLOAD, __ATOMIC_RELAXED) == round)) << 1;
}

static int sb(int32_t round) {
  STORE(own, round, SEQ_CST);
  return LOAD(other, SEQ_CST) == round;
}

static int lb(int32_t round) {
  const int seen = LOAD(other, ACQUIRE) == round;
  STORE(own, round, RELEASE);
  return seen;
}

static int two_writes(int32_t round) {
  int before = 3;
  if (own == Y && round > 1) {
    const int at = (round - 1) & 1;
    before = (LOAD(X + at, SEQ_CST) & 1) | (LOAD(Y + at, SEQ_CST) & 1) << 1;
  }
  STORE(own + (round & 1), 2 * round, SEQ_CST);
  STORE(other + (round & 1), 2 * round + 1, SEQ_CST);
  return before;
}

static int ow_first(int32_t round) {
  STORE(X, round, SEQ_CST);
  FENCE(RELEASE);
  STORE(PAYLOAD, round, __ATOMIC_RELAXED);
  STORE(PAYLOAD + 40, round, __ATOMIC_RELAXED);
  return 0;
}

static int ow_second(int32_t round) {
  const int last = LOAD(PAYLOAD + 40, __ATOMIC_RELAXED) == round;
  const int seen = last | (LOAD(PAYLOAD, __ATOMIC_RELAXED) == round);
  FENCE(ACQUIRE);
  return seen | (LOAD(X, __ATOMIC_RELAXED) == round) << 1;
}

/* Gives the processor away at times, and notices that the other side has ended. */
static void pause_after(uint64_t spins) {
  if (spins % 0x4000 == 0) usleep(1000);
  if (spins == UINT64_C(0x4000) * 30000) exit(1);
}

static void dawdle(void) {
  static uint32_t random = 123456789;
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  for (uint32_t left = random & 511; left > 0; left--) (void)LOAD(0, __ATOMIC_SEQ_CST);
}

static void play(int (*body)(int32_t), int32_t rounds, int side, uint32_t outcomes[16]) {
  int32_t *const mine = words + 32 * side, *const peer = words + 32 * !side;
  int before = 0;
  for (int32_t round = 1; round <= rounds + 1; round++) {
    int32_t theirs = 0;
    for (uint64_t spins = 1;; spins++) {
      theirs = __atomic_load_n(peer, __ATOMIC_SEQ_CST);
      if (theirs >> 4 >= round - 1) break;
      pause_after(spins);
    }
    const int saw = theirs >> 4 == round - 1 ? theirs >> 2 & 3 : theirs & 3;
    if (round > 1) outcomes[saw << 2 | before]++;
    dawdle();
    const int seen = body(round);
    __atomic_store_n(mine, round << 4 | seen << 2 | before, __ATOMIC_SEQ_CST);
    before = seen;
  }
}

static void stream(int32_t rounds, int side, uint32_t outcomes[3]) {
  for (int32_t message = 1; message <= rounds; message++) {
    int32_t slot[WORDS], *const place = words + RING + message % SLOTS * WORDS;
    if (side == 0) {
      for (uint64_t spins = 1; message - LOAD(Y, ACQUIRE) > SLOTS; spins++) pause_after(spins);
      for (int i = 0; i < WORDS; i++) slot[i] = message;
      memcpy(place, slot, sizeof slot);
      STORE(X, message, RELEASE);
      continue;
    }
    for (uint64_t spins = 1; LOAD(X, ACQUIRE) < message; spins++) pause_after(spins);
    memcpy(slot, place, sizeof slot);
    STORE(Y, message, RELEASE);
    int32_t least = message, most = message;
    for (int i = 0; i < WORDS; i++) {
      if (slot[i] < least) least = slot[i];
      if (slot[i] > most) most = slot[i];
    }
    outcomes[least < message ? 1 : most > message ? 2 : 0]++;
  }
}

static void overwrite(int32_t rounds, int side, uint32_t outcomes[3]) {
  int32_t copy[CELL];
  if (side == 0) {
    for (int32_t number = 1; LOAD(Y, ACQUIRE) == 0; number++) {
      for (int i = 0; i < CELL; i++) copy[i] = number;
      memcpy(words + RING + number % CELLS * CELL, copy, sizeof copy);
      STORE(X, number, SEQ_CST); /* SYNC published */
      FENCE(RELEASE);            /* SYNC reuse */
    }
    return;
  }
  for (uint64_t spins = 1; LOAD(X, ACQUIRE) == 0; spins++) pause_after(spins);
  for (int32_t round = 0; round < rounds; round++) {
    const int32_t number = LOAD(X, ACQUIRE);
    memcpy(copy, words + RING + number % CELLS * CELL, sizeof copy);
    FENCE(ACQUIRE);
    const int valid = LOAD(X, __ATOMIC_RELAXED) - number <= CELLS - 2;
    int same = 1;
    for (int i = 0; i < CELL; i++) same &= copy[i] == number;
    outcomes[valid ? 2 * !same : 1]++;
  }
  STORE(Y, 1, RELEASE);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  words = shmat(atoi(argv[1]), NULL, 0);
  if (words == (void *)-1) return 1;
  const int side = atoi(argv[2]);
  const char *const shape = argv[3];
  const int32_t rounds = atoi(argv[4]);
  if (side == 1) own = Y, other = X;
  uint32_t outcomes[16] = {0};
  int count = 16;
  if (strcmp(shape, "ring") == 0) stream(rounds, side, outcomes), count = 3;
  else if (strcmp(shape, "cells") == 0) overwrite(rounds, side, outcomes), count = 3;
  else if (strcmp(shape, "MP") == 0)
    play(side == 0 ? mp_first : mp_second, rounds, side, outcomes);
  else if (strcmp(shape, "OW") == 0)
    play(side == 0 ? ow_first : ow_second, rounds, side, outcomes);
  else if (strcmp(shape, "SB") == 0) play(sb, rounds, side, outcomes);
  else if (strcmp(shape, "LB") == 0) play(lb, rounds, side, outcomes);
  else play(two_writes, rounds, side, outcomes);
  if (side == 1) {
    for (int i = 0; i < count; i++) printf("%s%u", i == 0 ? "[" : ",", outcomes[i]);
    puts("]");
  }
  return 0;
}
