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
} ends;

static bool receives(uint32_t number) { return number >= FIRST_RECEIVER; }

/* What the lane's owner has published, or is about to: LATEST has one lane. */
static struct Record *lane_record(uint32_t lane) { return &self.board->records[lane]; }

/* What a receiver has seen of a lane: `seen`, the number, and `freed`, how many it was in this round. */
static struct Record *seen_record(uint32_t number, uint32_t lane) {
  return &self.board->records[MOST_LANES * (1 + number) + lane];
}

/* ---- hooks: the object ----------------------------------------------------------------------- */

static const struct ShmMembership *membership(void) { return &ends.latest.member; }

static const struct ShmError *object_error(void) { return &ends.latest.error; }

static bool only_reads(void) {
  return self.slot != NULL && receives(self.number) && self.slot->mode == READ_ONLY;
}

static enum ShmStatus join_object(bool may_create) {
  struct ShmLatestOptions options = shm_latest_options((key_t)self.board->key);
  options.size = self.board->most;
  options.cells = self.board->lanes;
  if (self.board->shared != 0) {
    options.mode = 0666;
    options.trust = true;
  }
  if (only_reads()) return shm_latest_open_read_only(&ends.latest, &options, joining_wait());
  return may_create ? shm_latest_open_or_create(&ends.latest, &options, joining_wait())
                    : shm_latest_open(&ends.latest, &options, joining_wait());
}

static enum ShmLeaveResult leave_object(void) { return shm_latest_leave(&ends.latest); }

static enum ShmStatus remove_object(void) { return shm_latest_remove(&ends.latest); }

static void close_ends(void) {
  shm_latest_close_writer(&ends.writer);
  shm_latest_close_reader(&ends.reader);
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

/* ---- either ---------------------------------------------------------------------------------- */

static void work(void) {
  arrive();
  if (receives(self.number)) read_values();
  else write_values();
  leave();
}

#endif
