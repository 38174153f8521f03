/*
 * The peers of the channel's crash harness in C: what a forked producer and a forked consumer do until
 * they have done enough, or are killed. channel_peer.ts is the same in TypeScript.
 */
#ifndef SYSV_SHM_TESTS_CHANNEL_PEER_H
#define SYSV_SHM_TESTS_CHANNEL_PEER_H

#include "channel_taker.h"
#include "peer.h"

/* What this process has open. */
static struct {
  struct ShmChannel channel;
  struct ShmChannelProducer producer;
  struct ShmChannelConsumer consumer;
} ends;

/* ---- hooks ----------------------------------------------------------------------------------- */

static const struct ShmMembership *membership(void) { return &ends.channel.member; }

static const struct ShmError *object_error(void) { return &ends.channel.error; }

static enum ShmStatus join_object(bool may_create) {
  struct ShmChannelOptions options = shm_channel_options((key_t)self.board->key);
  options.lanes = self.board->lanes;
  options.lane_capacity = self.board->capacity;
  if (self.board->shared != 0) {
    options.mode = 0666;
    options.trust = true;
  }
  return may_create ? shm_channel_open_or_create(&ends.channel, &options, joining_wait())
                    : shm_channel_open(&ends.channel, &options, joining_wait());
}

static enum ShmLeaveResult leave_object(void) { return shm_channel_leave(&ends.channel); }

static enum ShmStatus remove_object(void) { return shm_channel_remove(&ends.channel); }

static void close_ends(void) {
  shm_channel_close_producer(&ends.producer);
  shm_channel_close_consumer(&ends.consumer);
}

/* ---- producer -------------------------------------------------------------------------------- */

/* Publishes all up to the sequence number, noting so before and after. */
static void publish(struct ShmChannelProducer *producer, struct Record *record, uint32_t sequence) {
  note(&record->intent, sequence);
  shm_channel_publish(producer);
  note(&record->published, sequence);
  done_something();
}

static void wait_for_room(struct ShmChannelProducer *producer, struct Record *record,
                          uint32_t sequence, uint32_t length) {
  const struct ShmWait wait = patience();
  /* it publishes what was staged */
  note(&record->intent, sequence);
  enter(WAITING);
  must(shm_channel_wait_room(producer, length, &wait), "waiting for room", &producer->error);
  note(&record->published, sequence);
  enter(WORKING);
}

/* Claims a place, writes what must never be seen, and thinks better of it. */
static void change_mind(struct ShmChannelProducer *producer, uint32_t length, uint32_t tag) {
  void *place;
  if (shm_channel_claim(producer, length, tag, &place) != SHM_OK) return;
  memset(place, 0xee, length);
  shm_channel_abort(producer);
}

static void produce(void) {
  struct ShmChannelProducer *const producer = &ends.producer;
  const uint32_t tag = self.slot->tag;
  struct Record *const record = &self.board->records[tag];
  arrive();
  /* there are no more producers than lanes, and the kernel freed the lanes of the dead */
  must(shm_channel_open_producer(producer, &ends.channel), "taking a lane", &producer->error);
  note(&record->lane, producer->lane + 1);
  enter(WORKING);
  try_removal();
  uint32_t sequence = 0, staged = 0, batch = 1 + below(&self.random, 8);
  while (sequence < self.slot->lifespan && noted(&self.board->finish) == 0) {
    const uint32_t length = length_of(self.board, sequence);
    void *place;
    if (below(&self.random, 32) == 0) change_mind(producer, length, tag);
    const enum ShmStatus status = shm_channel_claim(producer, length, tag, &place);
    if (status == SHM_FULL) {
      wait_for_room(producer, record, sequence, length);
      staged = 0;
      continue;
    }
    must(status, "claiming", &producer->error);
    write_message((unsigned char *)place, sequence, tag, length);
    if (staged > 0) rest_sometimes();
    shm_channel_stage_claimed(producer);
    sequence++;
    if (++staged >= batch) {
      publish(producer, record, sequence);
      staged = 0;
      batch = 1 + below(&self.random, 8);
      rest_sometimes();
    }
  }
  note(&record->intent, sequence);
  leave();
  note(&record->published, sequence);
}

/* ---- consumer -------------------------------------------------------------------------------- */

static void visit(void *argument, const struct ShmChannelMessage *message) {
  take((struct Taker *)argument, message, false);
  done_something();
  /* seen and not freed: killed here, it comes again */
  rest_sometimes();
}

static enum ShmStatus receive_by_drain(struct ShmChannelConsumer *consumer,
                                       struct Taker *taker, uint64_t *count) {
  uint64_t received = 0;
  const enum ShmStatus status =
      shm_channel_drain(consumer, visit, taker, below(&self.random, 20), &received);
  note_freed(taker);
  *count += received;
  return status;
}

static enum ShmStatus receive_by_next(struct ShmChannelConsumer *consumer,
                                      struct Taker *taker, uint64_t *count) {
  struct ShmChannelMessage message;
  enum ShmStatus status = SHM_OK;
  for (uint32_t most = 1 + below(&self.random, 8); most > 0; most--) {
    status = shm_channel_more(consumer, &message);
    if (status != SHM_OK) break;
    visit(taker, &message);
    ++*count;
  }
  shm_channel_ack(consumer);
  note_freed(taker);
  return status;
}

static enum ShmStatus receive_by_copy(struct ShmChannelConsumer *consumer,
                                      struct Taker *taker, uint64_t *count) {
  static unsigned char copy[1 << 16];
  struct ShmChannelMessage message;
  note(&self.slot->hand, 1);
  const enum ShmStatus status =
      shm_channel_try_receive(consumer, copy, sizeof copy, &message);
  if (status == SHM_OK) {
    shm_channel_ack(consumer);
    take(taker, &message, true);
    ++*count;
  }
  note(&self.slot->hand, 0);
  done_something();
  return status;
}

static void consume(void) {
  static struct Taker taker;
  struct ShmChannelConsumer *const consumer = &ends.consumer;
  uint64_t count = 0;
  taker.board = self.board;
  taker.complain = complain;
  arrive();
  /* there is no other, and the kernel freed the role of the last one */
  must(shm_channel_open_consumer(consumer, &ends.channel), "taking the role", &consumer->error);
  enter(WORKING);
  try_removal();
  while (count < self.slot->lifespan) {
    const enum ShmStatus status =
        self.slot->mode == DRAIN  ? receive_by_drain(consumer, &taker, &count)
        : self.slot->mode == NEXT ? receive_by_next(consumer, &taker, &count)
                                  : receive_by_copy(consumer, &taker, &count);
    if (status == SHM_EMPTY) {
      const struct ShmWait wait = patience();
      enter(WAITING);
      const enum ShmStatus waited = shm_channel_wait(consumer, &wait);
      enter(WORKING);
      if (waited == SHM_CLOSED) break;
      must(waited, "waiting for messages", &consumer->error);
    } else {
      must(status, "receiving", &consumer->error);
    }
    rest_sometimes();
  }
  leave();
}

static void work(void) {
  if (self.number == CONSUMER_SLOT) consume();
  else produce();
}

#endif
