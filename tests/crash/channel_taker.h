/*
 * How the channel's crash harness judges messages by the board: whole, in order, none lost and none twice
 * but what may be. For channel_harness.c and channel_peer.h; channel_taker.ts does the same for TypeScript
 * peers.
 */
#ifndef SYSV_SHM_TESTS_CHANNEL_TAKER_H
#define SYSV_SHM_TESTS_CHANNEL_TAKER_H

#include "board.h"

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
