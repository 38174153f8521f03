/*
 * The peers of the channel's crash harness in C: what a forked producer and a forked consumer do until
 * they have done enough, or are killed. channel_peer.ts is the same in TypeScript.
 */
#ifndef SYSV_SHM_TESTS_CHANNEL_PEER_H
#define SYSV_SHM_TESTS_CHANNEL_PEER_H

#include "channel_board.h"

/* This process's place on the board, and what it has open. */
static struct {
  struct Board *board;
  struct Slot *slot;
  struct Random random;
  struct ShmChannel channel;
  struct ShmChannelProducer producer;
  struct ShmChannelConsumer consumer;
} self;

__attribute__((noreturn, format(printf, 1, 2))) static void complain(const char *what, ...) {
  va_list values;
  va_start(values, what);
  vsnprintf(self.slot->text, sizeof self.slot->text, what, values);
  va_end(values);
  _exit(EXIT_VIOLATION);
}

static void enter(enum State state) {
  note(&self.slot->state, state);
  note(&self.slot->progress, self.slot->progress + 1);
}

/* Closes what is open, and leaves. */
static void leave(void) {
  enter(LEAVING);
  shm_channel_close_producer(&self.producer);
  shm_channel_close_consumer(&self.consumer);
  if (shm_channel_leave(&self.channel) == SHM_NOT_OURS) count_up(&self.board->not_ours);
}

static void must(enum ShmStatus status, const char *what, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  if (status == SHM_REMOVED && noted(&self.board->removed) != 0) {
    leave();
    _exit(EXIT_REMOVED);
  }
  shm_describe(error, line, sizeof line);
  complain("%s: status %d, %s", what, (int)status, line);
}

static void done_something(void) { note(&self.slot->progress, self.slot->progress + 1); }

static void rest_sometimes(void) {
  const uint32_t pause = self.slot->pause;
  if (pause != 0 && below(&self.random, pause) == 0) rest(20 + below(&self.random, 300));
}

static struct ShmWait patience(void) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.until_closed = self.slot->until_closed != 0;
  if (self.slot->spin == 0) wait.spin = 0;
  return wait;
}

static struct ShmChannelOptions channel_options(const struct Board *board) {
  struct ShmChannelOptions options = shm_channel_options((key_t)board->key);
  options.lanes = board->lanes;
  options.lane_capacity = board->capacity;
  if (board->shared != 0) {
    options.mode = 0666;
    options.trust = true;
  }
  return options;
}

static enum ShmStatus join(void) {
  const struct ShmChannelOptions options = channel_options(self.board);
  const struct ShmWait wait = shm_within(self.board->patience * INT64_C(1000000));
  return shm_channel_open_or_create(&self.channel, &options,
                                    self.board->patience != 0 ? &wait : NULL);
}

static void arrive(void) {
  enum ShmStatus status;
  enter(ARRIVING);
  while ((status = join()) == SHM_TIMEOUT && self.board->patience != 0) {
    count_up(&self.board->timeouts);
    done_something();
  }
  must(status, "arriving", &self.channel.error);
}

/* Tries to remove what is another user's. */
static void try_removal(void) {
  struct ShmChannel *const channel = &self.channel;
  struct shmid_ds segment;
  if (self.slot->user == 0 || below(&self.random, 4) != 0) return;
  if (shmctl(channel->member.segment, IPC_STAT, &segment) == -1) return;
  if (segment.shm_perm.cuid == self.slot->user) return;
  if (shm_channel_remove(channel) != SHM_FAILED || channel->error.number != EPERM) {
    complain("removing another user's channel is not refused");
  }
  count_up(&self.board->refused);
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
  struct ShmChannelProducer *const producer = &self.producer;
  const uint32_t tag = self.slot->tag;
  struct Record *const record = &self.board->records[tag];
  arrive();
  /* there are no more producers than lanes, and the kernel freed the lanes of the dead */
  must(shm_channel_open_producer(producer, &self.channel), "taking a lane", &producer->error);
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
  struct ShmChannelConsumer *const consumer = &self.consumer;
  uint64_t count = 0;
  taker.board = self.board;
  taker.complain = complain;
  arrive();
  /* there is no other, and the kernel freed the role of the last one */
  must(shm_channel_open_consumer(consumer, &self.channel), "taking the role", &consumer->error);
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

/* ---- either ---------------------------------------------------------------------------------- */

/* What a forked peer does; its exit code says how it went. */
__attribute__((noreturn)) static void live(struct Board *board, uint32_t number) {
  self.board = board;
  self.slot = &board->slots[number];
  self.random.state = self.slot->seed;
  lingering.random.state = ~(uint64_t)self.slot->seed;
  lingering.one_in = self.slot->linger;
  if (number == CONSUMER_SLOT) {
    consume();
  } else {
    produce();
  }
  enter(LEFT);
  _exit(0);
}

#endif
