/*
 * The crash harness of the channel: producers and consumers on one channel, killed and stopped at random
 * instants. Every message is checked by what they noted on a board of their own (board.h), which no kill can
 * take back: at the end of each round all messages that were published must have come. supervisor.h
 * explains the rounds, the faults and the arguments.
 *
 * A peer that waits can go on if it is a consumer that sleeps beside published messages, or a producer that waits
 * for room that is there or beside a consumer that does nothing.
 */
#include "channel_peer.h"
#include "supervisor_rounds.h"

static uint64_t repeats, losses;

static bool receives(uint32_t number) { return number == CONSUMER_SLOT; }

/* ---- hooks: a round -------------------------------------------------------------------------- */

static void choose_shape(struct Random *random) {
  static const uint32_t capacities[] = {64, 128, 256, 512, 1024, 4096, 65536};
  struct Board *const board = run.board;
  board->lanes = 1 + below(random, run.mixed ? 2 : MOST_LANES);
  board->capacity = capacities[below(random, sizeof capacities / sizeof capacities[0])];
  const uint32_t longest = shmci_max_message(board->capacity);
  board->least = 8;
  board->most = longest < 400 ? longest : 400;
  board->rewriting = run.fault == REWRITING;
  if (run.fault == REWRITING) {
    const uint32_t most = board->capacity < 4096 ? board->capacity / 2 : 2048;
    uint32_t record = 32;
    while (record < most && below(random, 2) == 0) record *= 2;
    board->least = board->most = record - (uint32_t)sizeof(struct ShmChannelRecord);
  }
  run.producers = board->lanes;
}

static void prepare(uint32_t number, struct Random *random, struct Slot *slot) {
  slot->mode = below(random, MODES);
  slot->until_closed = below(random, 2);
  if (number == CONSUMER_SLOT) return;
  slot->tag = run.board->tags;
  note(&run.board->tags, slot->tag + 1);
}

/* Writes over some payloads, and never over what stands around them: all records have one size. */
__attribute__((noreturn)) static void rewrite(void) {
  const struct Board *const board = run.board;
  const uint32_t record = board->most + (uint32_t)sizeof(struct ShmChannelRecord);
  volatile unsigned char *const rings = ends.channel.member.base + shmci_rings_at(board->lanes);
  const size_t size = (size_t)board->lanes * board->capacity;
  struct Random random = decide(run.round, SLOTS, 2);
  for (uint32_t turn = 0;; turn++) {
    for (size_t place = 0; place < size; place += record) {
      if (below(&random, 4) != 0) continue;
      for (size_t at = sizeof(struct ShmChannelRecord) + REWRITTEN_FROM; at < record; at++) {
        rings[place + at] = REWRITTEN_WITH[turn % 2];
      }
    }
    rest(400);
  }
}

static void round_began(void) {
  if (run.fault != REWRITING) return;
  run.helper = fork();
  if (run.helper == -1) fail("cannot fork: %s", strerror(errno));
  if (run.helper != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) _exit(1);
  rewrite();
}

/* ---- hooks: watching ------------------------------------------------------------------------- */

/* Whether something is there to be received: by the lanes themselves if we can see them. */
static bool has_backlog(void) {
  if (run.attached) return !shmci_is_empty(&ends.channel.member);
  const struct Board *const board = run.board;
  uint64_t missing = 0;
  for (uint32_t tag = 0; tag < board->tags; tag++) {
    const uint32_t published = noted(&board->records[tag].published);
    const uint32_t seen = noted(&board->records[tag].seen);
    if (published > seen) missing += published - seen;
  }
  return missing > board->allowance;
}

/* Whether there is room for any message in a producer's lane, as far as we can see. */
static bool has_room(uint32_t number) {
  const struct Board *const board = run.board;
  const uint32_t lane = noted(&board->records[board->slots[number].tag].lane);
  if (!run.attached || lane == 0) return false;
  const struct ShmChannelLane *const words = &shmci_lanes(&ends.channel)[lane - 1];
  const uint32_t head = noted(&words->consumer.head), tail = noted(&words->producer.tail);
  /* the padding before a record is shorter than the record */
  return board->capacity - (tail - head) >= 2 * shmci_record_size(board->most);
}

static bool can_end_waiting(uint32_t number) {
  const struct Child *const consumer = &run.children[CONSUMER_SLOT];
  if (number == CONSUMER_SLOT) return has_backlog();
  if (has_room(number)) return true;
  /* a consumer takes its time with a message, but if it does nothing there is nothing to wait for */
  const struct Slot *const slot = &run.board->slots[CONSUMER_SLOT];
  const uint32_t state = noted(&slot->state);
  return consumer->pid != 0 && !consumer->stopped && (state == WORKING || state == WAITING) &&
         noted(&slot->progress) == consumer->progress;
}

/* ---- hooks: the end of a round --------------------------------------------------------------- */

/* A consumer in this very process: a violation is ours to report. */
static void complain_here(const char *what, ...) {
  char text[464];
  va_list values;
  va_start(values, what);
  vsnprintf(text, sizeof text, what, values);
  va_end(values);
  fail("the last consumer: %s", text);
}

static void take_rest(void *argument, const struct ShmChannelMessage *message) {
  take((struct Taker *)argument, message, false);
}

/* All that was published was seen, and all of what was published at once. */
static uint64_t check_records(void) {
  struct Board *const board = run.board;
  uint64_t seen_in_all = 0;
  uint32_t lost = board->lost;
  for (uint32_t tag = 0; tag < board->tags; tag++) {
    const struct Record *const record = &board->records[tag];
    const uint32_t seen = record->seen;
    seen_in_all += seen;
    if (seen < record->published) lost += record->published - seen;
    if (lost > board->allowance) {
      fail("tag %u: %u messages were published and %u seen; %u are lost in all, and killed consumers "
           "had only %u in hand", tag, record->published, seen, lost, board->allowance);
    }
    const bool between = record->batch != 0 && seen > record->published && seen < record->intent;
    if (board->allowance == 0 && seen != record->published && seen != record->intent && !between) {
      fail("tag %u: %u messages came, where %u or %u were published", tag, seen, record->published,
           record->intent);
    }
  }
  run.messages += seen_in_all;
  losses += lost;
  repeats += board->repeats;
  return seen_in_all;
}

/* The tallies, which were filled in by many who died over it, are right. */
static void check_tallies(uint64_t seen) {
  uint64_t sent = 0;
  for (uint32_t lane = 0; lane < ends.channel.lanes; lane++) {
    struct ShmChannelLaneStats stats;
    shm_channel_lane_stats(&ends.channel, lane, &stats);
    if (stats.depth != 0 || stats.bytes != 0 || stats.alive) {
      fail("lane %u is empty and free, and says depth %llu, bytes %u", lane,
           (unsigned long long)stats.depth, stats.bytes);
    }
    sent += stats.messages;
  }
  if (sent < seen || sent - seen > run.board->allowance) {
    fail("the lanes have counted %llu messages, and %llu were seen", (unsigned long long)sent,
         (unsigned long long)seen);
  }
}

/* Takes what is left, as the only one there. */
static void judge_round(bool removed) {
  static struct Taker taker;
  struct ShmChannelConsumer *const consumer = &ends.consumer;
  if (removed) {
    for (uint32_t tag = 0; tag < run.board->tags; tag++) run.messages += run.board->records[tag].seen;
    return;
  }
  memset(&taker, 0, sizeof taker);
  taker.board = run.board;
  taker.complain = complain_here;
  if (shm_channel_open_consumer(consumer, &ends.channel) != SHM_OK) {
    fail("the last consumer is dead, and its role cannot be taken");
  }
  enum ShmStatus status;
  do {
    status = shm_channel_drain(consumer, take_rest, &taker, 0, NULL);
  } while (status == SHM_OK);
  if (status != SHM_EMPTY) {
    char line[800];
    shm_describe(&consumer->error, line, sizeof line);
    fail("the last consumer: status %d, %s", (int)status, line);
  }
  const uint64_t seen = check_records();
  if (run.attached) check_tallies(seen);
  shm_channel_close_consumer(consumer);
}

static void print_more(void) {
  printf("\"repeats\":%llu,\"lost_in_hand\":%llu,\"in_hand\":%llu,", (unsigned long long)repeats,
         (unsigned long long)losses, (unsigned long long)run.in_hand);
}
