/*
 * What the crash harness of the channel knows beside the channel: a board in a segment of its own, on
 * which each peer notes what it is about to do and what it has done. It survives the kill of any peer, so
 * what a killed peer had published and received can be told from what it had not. For
 * channel_harness.c and channel_peer.h; channel_board.ts has the same words for TypeScript peers.
 *
 * All words are 32 bits, stored and loaded atomically, and each has one writer at a time, but those that
 * count for all.
 */
#ifndef SYSV_SHM_TESTS_CHANNEL_BOARD_H
#define SYSV_SHM_TESTS_CHANNEL_BOARD_H

#include "channel_linger.h"

#include <stdlib.h>

#define MOST_LANES 4
#define CONSUMER_SLOT MOST_LANES
#define SLOTS (MOST_LANES + 1)
#define MOST_TAGS 4096

/* How far a peer is. Whoever waits is watched: it must go on when it can. */
enum State { STARTING, ARRIVING, WORKING, WAITING, LEAVING, LEFT };
/* How a consumer receives: the first two at least once, COPY at most once. */
enum Mode { DRAIN, NEXT, COPY, MODES };
/* How a peer ends that has found something wrong, which it says in its slot. */
#define EXIT_VIOLATION 3
/* How a peer ends under which the channel was removed. */
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
  uint32_t shared;    /* 1: users share the channel, mode 0666 and trust */
  uint32_t patience;  /* milliseconds that joining may take; 0: as usual */
  uint32_t removed;   /* 1: the supervisor is about to remove the channel under its peers */
  uint32_t rewriting; /* 1: a process writes over payloads, from REWRITTEN_FROM on */
  uint32_t rewritten; /* messages it met before they were received */
  uint32_t timeouts;  /* of peers that joined, with `patience` */
  uint32_t refused;   /* removals that were refused to another user */
  uint32_t not_ours;  /* peers that left last and could not remove it */
  uint32_t unused[14];
  struct Slot slots[SLOTS];
  struct Record records[MOST_TAGS];
};
static_assert(sizeof(struct Slot) == 512 && sizeof(struct Record) == 32, "as in channel_board.ts");
static_assert(offsetof(struct Slot, text) == 48, "as in channel_board.ts");
static_assert(offsetof(struct Board, slots) == 128, "as in channel_board.ts");

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

/* What a payload is written over with: in turn, a letter and the first half of one in UTF-8. */
static const unsigned char REWRITTEN_WITH[2] = {0x41, 0xc3};
/* The sequence number stays as it is. */
#define REWRITTEN_FROM 8

/* The first byte that is neither right nor rewritten; length when there is none. */
static inline uint32_t strange_byte(const volatile unsigned char *bytes, uint64_t sequence,
                                    uint32_t tag, uint32_t length, bool *rewritten) {
  for (uint32_t at = REWRITTEN_FROM; at < length; at++) {
    const unsigned char byte = bytes[at];
    if (byte == (unsigned char)(shuffle(sequence, tag, length, at / 8) >> at % 8 * 8)) continue;
    if (byte != REWRITTEN_WITH[0] && byte != REWRITTEN_WITH[1]) return at;
    *rewritten = true;
  }
  return length;
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

/* ---- receiving ------------------------------------------------------------------------------- */

/* Told what is wrong; does not come back. */
typedef void (*Complain)(const char *what, ...);

/* What one consumer, as long as it lives, has received. */
struct Taker {
  struct Board *board;
  Complain complain;
  uint32_t touched_count;
  uint32_t touched[MOST_TAGS];   /* tags with messages seen and not yet freed */
  uint32_t next[MOST_TAGS];      /* of each tag, once one came: the next one to come */
  unsigned char begun[MOST_TAGS]; /* whether one came */
  unsigned char dirty[MOST_TAGS]; /* whether it is among the touched */
};

/* The first message of a tag that this consumer sees: what was before it, and whether that may be. */
static inline void check_first(struct Taker *taker, uint32_t tag, uint32_t sequence) {
  struct Board *const board = taker->board;
  struct Record *const record = &board->records[tag];
  const uint32_t seen = noted(&record->seen);
  const uint32_t freed = noted(&record->freed);
  if (sequence < freed) {
    taker->complain("tag %u: message %u comes again, although all before %u were freed", tag,
                    sequence, freed);
  }
  if (sequence < seen) note(&board->repeats, noted(&board->repeats) + (seen - sequence));
  if (sequence > seen) {
    const uint32_t lost = noted(&board->lost) + (sequence - seen);
    /* first that they were passed over: a process killed in between does not count them a second time */
    note(&record->seen, sequence);
    note(&board->lost, lost);
    if (lost > noted(&board->allowance)) {
      taker->complain("tag %u: message %u comes after %u, what is between is lost: %u so far, and "
                      "killed consumers had only %u in hand",
                      tag, sequence, seen, lost, noted(&board->allowance));
    }
  }
}

/* Checks a message and notes it. `copied`: it is freed already. */
static inline void take(struct Taker *taker, const struct ShmChannelMessage *message, bool copied) {
  struct Board *const board = taker->board;
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  const uint32_t tag = message->tag;
  uint64_t sequence;
  if (tag >= noted(&board->tags)) taker->complain("there is no tag %u", tag);
  if (message->length < 8) taker->complain("tag %u: a message of %u bytes", tag, message->length);
  memcpy(&sequence, bytes, 8);
  struct Record *const record = &board->records[tag];
  if (noted(&record->lane) != message->lane + 1) {
    taker->complain("tag %u is lane %d's, and came through lane %u", tag,
                    (int)noted(&record->lane) - 1, message->lane);
  }
  if (sequence >= noted(&record->intent)) {
    taker->complain("tag %u: message %llu was never published, only %u were", tag,
                    (unsigned long long)sequence, noted(&record->intent));
  }
  if (message->length != length_of(board, sequence)) {
    taker->complain("tag %u: message %llu has %u bytes instead of %u", tag,
                    (unsigned long long)sequence, message->length, length_of(board, sequence));
  }
  bool rewritten = false;
  const uint32_t at = board->rewriting != 0
                          ? strange_byte(bytes, sequence, tag, message->length, &rewritten)
                          : wrong_byte(bytes, sequence, tag, message->length);
  if (rewritten) count_up(&board->rewritten);
  if (at != message->length) {
    taker->complain("tag %u: message %llu of %u bytes is wrong at byte %u", tag,
                    (unsigned long long)sequence, message->length, at);
  }
  if (taker->begun[tag] == 0) {
    check_first(taker, tag, (uint32_t)sequence);
  } else if (sequence != taker->next[tag]) {
    taker->complain("tag %u: message %llu comes where %u should", tag,
                    (unsigned long long)sequence, taker->next[tag]);
  }
  taker->begun[tag] = 1;
  taker->next[tag] = (uint32_t)sequence + 1;
  /* first that it is freed: killed in between, it counts as in hand, and not as one to come again */
  if (copied) note(&record->freed, (uint32_t)sequence + 1);
  if (noted(&record->seen) <= sequence) note(&record->seen, (uint32_t)sequence + 1);
  if (!copied && taker->dirty[tag] == 0) {
    taker->dirty[tag] = 1;
    taker->touched[taker->touched_count++] = tag;
  }
}

/* All that was taken is freed now. */
static inline void note_freed(struct Taker *taker) {
  while (taker->touched_count > 0) {
    const uint32_t tag = taker->touched[--taker->touched_count];
    taker->dirty[tag] = 0;
    note(&taker->board->records[tag].freed, taker->next[tag]);
  }
}

#endif
