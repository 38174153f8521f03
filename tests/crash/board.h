/*
 * What a crash harness knows beside the object: a board in a segment of its own, on which each peer notes
 * what it is about to do and what it has done. It survives the kill of any peer, so what a killed peer had
 * published and received can be told from what it had not. board.ts has the same words for TypeScript peers.
 *
 * All words are 32 bits, stored and loaded atomically, and each has one writer at a time, but those that
 * count for all.
 */
#ifndef SYSV_SHM_TESTS_BOARD_H
#define SYSV_SHM_TESTS_BOARD_H

#include "linger.h"

#include <stdlib.h>

#define MOST_LANES 4
#define CONSUMER_SLOT MOST_LANES
#define SLOTS (MOST_LANES + 1)
#define MOST_TAGS 4096

/* How far a peer is. A peer that waits is watched: it must go on when it can. */
enum State { STARTING, ARRIVING, WORKING, WAITING, LEAVING, LEFT };
/* How a consumer receives: the first two at least once, COPY at most once. */
enum Mode { DRAIN, NEXT, COPY, MODES };
/* How a peer ends that has found something wrong, which it says in its slot. */
#define EXIT_VIOLATION 3
/* How a peer ends under which the object was removed. */
#define EXIT_REMOVED 4

/* A peer that runs now; producer i of at most one a lane, and the consumer. */
struct Slot {
  uint32_t state;
  uint32_t progress; /* grows with each thing done */
  uint32_t hand;     /* at most once: 1 while a message may be freed and not yet noted */
  uint32_t seed;     /* from here on written by the supervisor before the peer starts */
  uint32_t tag;      /* of all messages of a producer */
  uint32_t mode;     /* of a consumer */
  uint32_t lifespan; /* messages until it leaves by itself */
  uint32_t pause;    /* it rests after one in so many steps; 0: never */
  uint32_t linger;   /* C: it rests at one in so many system calls; 0: never */
  uint32_t until_closed;
  uint32_t spin; /* 0: it sleeps at once when there is nothing to do */
  uint32_t user; /* whose rights it has; 0: the supervisor's */
  char text[464]; /* what is wrong */
};

/* One producer's life: a tag is used once in a round. */
struct Record {
  uint32_t intent;    /* by the producer: messages it published or is about to */
  uint32_t published; /* by the producer: messages it has published */
  uint32_t lane;      /* by the producer: its lane + 1 */
  uint32_t seen;      /* by the consumer: messages seen and found right, up to the furthest */
  uint32_t freed;     /* by the consumer: messages freed for certain, which must not come again */
  uint32_t batch;     /* by the producer: 1 while fewer than intent may be published at once */
  uint32_t unused[2];
};

struct Board {
  uint32_t key;
  uint32_t lanes;
  uint32_t capacity;
  uint32_t most;      /* bytes of the longest message */
  uint32_t finish;    /* producers leave */
  uint32_t tags;      /* used so far in this round */
  uint32_t allowance; /* messages that killed consumers had in hand, at most once */
  uint32_t lost;      /* messages found missing */
  uint32_t repeats;   /* messages seen again */
  uint32_t least;     /* bytes of the shortest message */
  uint32_t shared;    /* 1: users share the object, mode 0666 and trust */
  uint32_t patience;  /* milliseconds that joining may take; 0: as usual */
  uint32_t removed;   /* 1: the supervisor is about to remove the object under its peers */
  uint32_t rewriting; /* 1: a process writes over payloads, from REWRITTEN_FROM on */
  uint32_t rewritten; /* messages it met before they were received */
  uint32_t timeouts;  /* of peers that joined, with `patience` */
  uint32_t refused;   /* removals that were refused to another user */
  uint32_t not_ours;  /* peers that left last and could not remove it */
  uint32_t protocol;  /* of the fan-out harness: LATEST or TOPIC */
  uint32_t held;      /* 1: the supervisor holds the object open, so that no peer leaves it as the last */
  uint32_t unused[12];
  struct Slot slots[SLOTS];
  struct Record records[MOST_TAGS];
};
static_assert(sizeof(struct Slot) == 512 && sizeof(struct Record) == 32, "as in board.ts");
static_assert(offsetof(struct Slot, text) == 48, "as in board.ts");
static_assert(offsetof(struct Board, slots) == 128, "as in board.ts");

static inline uint32_t noted(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void note(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* One more, of a word with several writers. */
static inline void count_up(uint32_t *word) { __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST); }

/* ---- messages: those of tests/channel/peer.c ------------------------------------------------- */

static inline uint64_t shuffle(uint64_t sequence, uint32_t tag, uint32_t length, uint32_t word) {
  uint64_t x = sequence * 0x9e3779b97f4a7c15U + tag + ((uint64_t)length << 32) + word;
  x ^= x >> 29;
  x *= 0xbf58476d1ce4e5b9U;
  return x ^ x >> 32;
}

static inline uint32_t length_of(const struct Board *board, uint64_t sequence) {
  return board->least + (uint32_t)(shuffle(sequence, 0, 0, 0) % (board->most - board->least + 1));
}

static inline void write_message(unsigned char *bytes, uint64_t sequence, uint32_t tag,
                                 uint32_t length) {
  memcpy(bytes, &sequence, 8);
  for (uint32_t word = 1, at = 8; at < length; word++, at += 8) {
    const uint64_t value = shuffle(sequence, tag, length, word);
    memcpy(bytes + at, &value, length - at < 8 ? length - at : 8);
  }
}

/* The first wrong byte behind the sequence number; length when there is none. */
static inline uint32_t wrong_byte(const unsigned char *bytes, uint64_t sequence, uint32_t tag,
                                  uint32_t length) {
  for (uint32_t word = 1, at = 8; at < length; word++, at += 8) {
    const uint64_t value = shuffle(sequence, tag, length, word);
    if (memcmp(bytes + at, &value, length - at < 8 ? length - at : 8) != 0) return at;
  }
  return length;
}

#endif
