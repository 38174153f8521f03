/*
 * The peers of the fan-out harness in C: one writer and readers of a Latest, or publishers and subscribers of
 * a Topic. What is read must be whole, what its number says, and never older than what was read before or
 * was noted as published. fan_out_peer.ts is the same in TypeScript.
 */
#ifndef SYSV_SHM_TESTS_FAN_OUT_PEER_H
#define SYSV_SHM_TESTS_FAN_OUT_PEER_H

#include "peer.h"

/* What a round is about. */
enum Protocol { LATEST, TOPIC };
/* How a peer receives: it looks, it waits, or it waits and has opened the object for reading only. */
enum Way { LOOKING, WAITING_FOR_NEWS, READ_ONLY, WAYS };

/* Numbers below this send, the others receive. */
#define FIRST_RECEIVER 2
#define LONGEST 4096

/* What this process has open. */
static struct {
  struct ShmLatest latest;
  struct ShmLatestWriter writer;
  struct ShmLatestReader reader;
  struct ShmTopic topic;
  struct ShmTopicPublisher publisher;
  struct ShmTopicSubscriber subscriber;
} ends;

static bool receives(uint32_t number) { return number >= FIRST_RECEIVER; }

/* What the lane's owner has published, or is about to: LATEST has one lane. */
static struct Record *lane_record(uint32_t lane) { return &self.board->records[lane]; }

/*
 * What a receiver has seen of a lane: `seen`, the number, `freed`, how many it was in this round, and `lane`, how
 * many were missed.
 */
static struct Record *seen_record(uint32_t number, uint32_t lane) {
  return &self.board->records[MOST_LANES * (1 + number) + lane];
}

/* ---- hooks: the object ----------------------------------------------------------------------- */

static bool is_topic(void) { return self.board->protocol == TOPIC; }

static const struct ShmMembership *membership(void) {
  return is_topic() ? &ends.topic.member : &ends.latest.member;
}

static const struct ShmError *object_error(void) {
  return is_topic() ? &ends.topic.error : &ends.latest.error;
}

static bool only_reads(void) {
  return self.slot != NULL && receives(self.number) && self.slot->mode == READ_ONLY;
}

static enum ShmStatus join_latest(bool may_create, const struct ShmWait *wait) {
  struct ShmLatestOptions options = shm_latest_options((key_t)self.board->key);
  options.size = self.board->most;
  options.cells = self.board->lanes;
  options.mode = self.board->shared != 0 ? 0666 : 0600;
  options.trust = self.board->shared != 0;
  if (only_reads()) return shm_latest_open_read_only(&ends.latest, &options, wait);
  return may_create ? shm_latest_open_or_create(&ends.latest, &options, wait)
                    : shm_latest_open(&ends.latest, &options, wait);
}

static enum ShmStatus join_topic(bool may_create, const struct ShmWait *wait) {
  struct ShmTopicOptions options = shm_topic_options((key_t)self.board->key);
  options.lanes = self.board->lanes;
  options.lane_capacity = self.board->capacity;
  options.mode = self.board->shared != 0 ? 0666 : 0600;
  options.trust = self.board->shared != 0;
  if (only_reads()) return shm_topic_open_read_only(&ends.topic, &options, wait);
  return may_create ? shm_topic_open_or_create(&ends.topic, &options, wait)
                    : shm_topic_open(&ends.topic, &options, wait);
}

static enum ShmStatus join_object(bool may_create) {
  const struct ShmWait *const wait = joining_wait();
  return is_topic() ? join_topic(may_create, wait) : join_latest(may_create, wait);
}

static enum ShmLeaveResult leave_object(void) {
  return is_topic() ? shm_topic_leave(&ends.topic) : shm_latest_leave(&ends.latest);
}

static enum ShmStatus remove_object(void) {
  return is_topic() ? shm_topic_remove(&ends.topic) : shm_latest_remove(&ends.latest);
}

static void close_ends(void) {
  shm_latest_close_writer(&ends.writer);
  shm_latest_close_reader(&ends.reader);
  shm_topic_close_publisher(&ends.publisher);
  shm_topic_close_subscriber(&ends.subscriber);
}

/* ---- what is sent and received --------------------------------------------------------------- */

/* A sender goes on where the last one ended: what that one began may be there, or not. */
static void check_start(struct Record *record, uint64_t number) {
  const uint32_t published = noted(&record->published), intent = noted(&record->intent);
  if (self.board->held != 0 && (number < published || number > intent)) {
    complain("it goes on from %llu, where %u was published and %u begun",
             (unsigned long long)number, published, intent);
  }
  note(&record->intent, (uint32_t)number);
  note(&record->published, (uint32_t)number);
}

/* Whole, and what its number says. */
static void check_bytes(uint32_t lane, uint64_t number, const unsigned char *bytes,
                        uint32_t length) {
  uint64_t inside = 0;
  if (length != length_of(self.board, number)) {
    complain("lane %u: number %llu has %u bytes instead of %u", lane, (unsigned long long)number,
             length, length_of(self.board, number));
  }
  memcpy(&inside, bytes, sizeof inside);
  const uint32_t at = wrong_byte(bytes, number, lane, length);
  if (inside != number || at != length) {
    complain("lane %u: number %llu says %llu inside, and is wrong at byte %u of %u", lane,
             (unsigned long long)number, (unsigned long long)inside, at, length);
  }
}

static void check_number(uint32_t lane, uint64_t number, uint64_t least) {
  if (number < least) {
    complain("lane %u: %llu comes where %llu was there already", lane, (unsigned long long)number,
             (unsigned long long)least);
  }
  if (self.board->held != 0 && number > noted(&lane_record(lane)->intent)) {
    complain("lane %u: %llu comes, and %u was the last that was begun", lane,
             (unsigned long long)number, noted(&lane_record(lane)->intent));
  }
}

static void note_seen(uint32_t lane, uint64_t number) {
  struct Record *const record = seen_record(self.number, lane);
  note(&record->seen, (uint32_t)number);
  note(&record->freed, noted(&record->freed) + 1);
  done_something();
}

/* ---- Latest ---------------------------------------------------------------------------------- */

static void write_one(struct ShmLatestWriter *writer, uint64_t number) {
  const uint32_t length = length_of(self.board, number);
  static unsigned char bytes[LONGEST];
  void *place;
  if (below(&self.random, 2) == 0) {
    write_message(bytes, number, 0, length);
    must(shm_latest_write(writer, bytes, length), "writing", &writer->error);
    return;
  }
  must(shm_latest_begin(writer, &place), "beginning a value", &writer->error);
  write_message((unsigned char *)place, number, 0, length / 2);
  rest_sometimes();
  write_message((unsigned char *)place, number, 0, length);
  must(shm_latest_commit(writer, length), "publishing a value", &writer->error);
}

static void write_values(void) {
  struct ShmLatestWriter *const writer = &ends.writer;
  struct Record *const record = lane_record(0);
  /* there is no other writer, and the kernel freed the role of the last one */
  must(shm_latest_open_writer(writer, &ends.latest), "becoming the writer", &writer->error);
  check_start(record, writer->version);
  enter(WORKING);
  try_removal();
  for (uint32_t n = 0; n < self.slot->lifespan && noted(&self.board->finish) == 0; n++) {
    const uint64_t number = writer->version + 1;
    note(&record->intent, (uint32_t)number);
    write_one(writer, number);
    note(&record->published, (uint32_t)number);
    done_something();
    rest_sometimes();
  }
}

static void read_values(void) {
  struct ShmLatestReader *const reader = &ends.reader;
  static unsigned char bytes[LONGEST];
  uint64_t last = 0;
  must(shm_latest_open_reader(reader, &ends.latest), "becoming a reader", &reader->error);
  enter(WORKING);
  try_removal();
  for (uint32_t n = 0; n < self.slot->lifespan; n++) {
    const uint32_t there = self.board->held != 0 ? noted(&lane_record(0)->published) : 0;
    struct ShmLatestValue value;
    enum ShmStatus status;
    if (self.slot->mode == LOOKING) {
      /* without a wait it does not notice */
      if (noted(&self.board->removed) != 0) break;
      status = shm_latest_read(reader, bytes, sizeof bytes, &value);
    } else {
      const struct ShmWait wait = patience();
      enter(WAITING);
      status = shm_latest_next(reader, bytes, sizeof bytes, &value, &wait);
      enter(WORKING);
    }
    if (status == SHM_EMPTY) {
      if (there != 0) complain("nothing was written, where %u was published", there);
      done_something();
    } else {
      must(status, "reading", &reader->error);
      check_number(0, value.version, last > there ? last : there);
      check_bytes(0, value.version, bytes, value.length);
      if (self.slot->mode != LOOKING && value.version == last) complain("no news: %llu", (unsigned long long)last);
      last = value.version;
      note_seen(0, last);
    }
    rest_sometimes();
  }
}

/* ---- Topic ----------------------------------------------------------------------------------- */

/* Publishes some messages one by one, or at once. */
static void publish_some(struct ShmTopicPublisher *publisher, struct Record *record) {
  enum { MOST = 8 };
  static unsigned char bytes[MOST][LONGEST];
  struct ShmTopicMessage messages[MOST];
  const uint64_t first = publisher->count + 1;
  const uint32_t count = below(&self.random, 2) == 0 ? 1 : 1 + below(&self.random, MOST);
  for (uint32_t i = 0; i < count; i++) {
    memset(&messages[i], 0, sizeof messages[i]);
    messages[i].bytes = bytes[i];
    messages[i].length = length_of(self.board, first + i);
    write_message(bytes[i], first + i, publisher->lane, messages[i].length);
  }
  note(&record->intent, (uint32_t)(first + count - 1));
  must(count == 1 ? shm_topic_publish(publisher, bytes[0], messages[0].length, messages[0].tag)
                  : shm_topic_publish_many(publisher, messages, count),
       "publishing", &publisher->error);
  note(&record->published, (uint32_t)publisher->count);
  done_something();
}

static void publish_messages(void) {
  struct ShmTopicPublisher *const publisher = &ends.publisher;
  /* there are no more publishers than lanes, and the kernel freed the lanes of the dead */
  must(shm_topic_open_publisher(publisher, &ends.topic), "taking a lane", &publisher->error);
  struct Record *const record = lane_record(publisher->lane);
  check_start(record, publisher->count);
  enter(WORKING);
  try_removal();
  for (uint32_t n = 0; n < self.slot->lifespan && noted(&self.board->finish) == 0; n++) {
    publish_some(publisher, record);
    rest_sometimes();
  }
}

/* In order, and what is missing was counted. */
static void check_message(const struct ShmTopicMessage *message, uint64_t last) {
  check_number(message->lane, message->number, 1);
  if (last != 0 && message->number != last + 1 + message->missed) {
    complain("lane %u: %llu comes behind %llu, and %llu were missed", message->lane,
             (unsigned long long)message->number, (unsigned long long)last,
             (unsigned long long)message->missed);
  }
  check_bytes(message->lane, message->number, (const unsigned char *)message->bytes,
              message->length);
  if (message->missed != 0) {
    struct Record *const record = seen_record(self.number, message->lane);
    note(&record->lane, noted(&record->lane) + (uint32_t)message->missed);
  }
  note_seen(message->lane, message->number);
}

static void visit(void *argument, const struct ShmTopicMessage *message) {
  uint64_t *const last = (uint64_t *)argument;
  check_message(message, last[message->lane]);
  last[message->lane] = message->number;
}

static void subscribe(void) {
  struct ShmTopicSubscriber *const subscriber = &ends.subscriber;
  const uint64_t histories[] = {0, 1, 5, SHM_TOPIC_ALL};
  uint64_t last[MOST_LANES] = {0};
  must(shm_topic_open_subscriber(subscriber, &ends.topic, histories[below(&self.random, 4)]),
       "subscribing", &subscriber->error);
  /* what was there before it came need not come */
  for (uint32_t lane = 0; lane < self.board->lanes; lane++) {
    note(&seen_record(self.number, lane)->seen, noted(&lane_record(lane)->published));
  }
  enter(WORKING);
  try_removal();
  for (uint32_t n = 0; n < self.slot->lifespan; n++) {
    struct ShmTopicMessage message;
    enum ShmStatus status;
    if (self.slot->mode == LOOKING && noted(&self.board->removed) != 0) break;
    if (below(&self.random, 2) == 0) {
      status = shm_topic_drain(subscriber, visit, last, below(&self.random, 20), NULL);
    } else {
      status = shm_topic_try_receive(subscriber, &message);
      if (status == SHM_OK) visit(last, &message);
    }
    if (status != SHM_EMPTY) {
      must(status, "receiving", &subscriber->error);
    } else if (self.slot->mode == LOOKING) {
      done_something();
    } else {
      const struct ShmWait wait = patience();
      enter(WAITING);
      status = shm_topic_wait(subscriber, &wait);
      enter(WORKING);
      must(status, "waiting for messages", &subscriber->error);
    }
    rest_sometimes();
  }
}

/* ---- either ---------------------------------------------------------------------------------- */

static void work(void) {
  arrive();
  if (receives(self.number)) is_topic() ? subscribe() : read_values();
  else is_topic() ? publish_messages() : write_values();
  leave();
}

#endif
