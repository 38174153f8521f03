/*
 * The crash harness of Latest and Topic: peers that send and receive on one object, killed and stopped at
 * random instants. What is received is checked by its number (fan_out_peer.h), and by what the senders noted
 * on a board of their own (board.h), which no kill can take back: at the end of each round what was
 * published last must be there. supervisor.h explains the rounds, the faults and the arguments.
 *
 * A peer that waits can go on if it is a receiver that has not seen what was published, while the harness
 * holds the object open.
 */
#include "fan_out_peer.h"
#include "supervisor_rounds.h"

static uint64_t rounds_of[TOPIC + 1], missed;

/* ---- hooks: a round -------------------------------------------------------------------------- */

static void choose_shape(struct Random *random) {
  struct Board *const board = run.board;
  static const uint32_t sizes[] = {8, 64, 400, LONGEST};
  if (run.fault == REWRITING) run.fault = NOTHING;
  board->protocol = below(random, 2) == 0 ? LATEST : TOPIC;
  rounds_of[board->protocol]++;
  if (board->protocol == LATEST) {
    board->lanes = 2U << below(random, 4);
    board->most = sizes[below(random, 4)];
    board->least = below(random, 2) == 0 ? board->most : 8;
    run.producers = 1;
  } else {
    board->lanes = 1 + below(random, FIRST_RECEIVER);
    board->capacity = 256U << 2 * below(random, 5);
    const uint32_t longest = shmti_max_message(board->capacity);
    board->most = longest < 400 ? longest : 400;
    board->least = 8;
    run.producers = board->lanes;
  }
}

static void prepare(uint32_t number, struct Random *random, struct Slot *slot) {
  slot->mode = below(random, WAYS);
  /* there may be nothing yet to be opened for reading only */
  if (!run.attached && slot->mode == READ_ONLY) slot->mode = WAITING_FOR_NEWS;
  for (uint32_t lane = 0; lane < MOST_LANES; lane++) seen_record(number, lane)->seen = 0;
}

static void round_began(void) {}

static bool can_end_waiting(uint32_t number) {
  if (!run.attached) return false;
  for (uint32_t lane = 0; lane < MOST_LANES; lane++) {
    if (noted(&lane_record(lane)->published) > noted(&seen_record(number, lane)->seen)) return true;
  }
  return false;
}

/* The newest value is the one that was published last, or that its killed writer had begun. */
static void judge_latest(void) {
  static unsigned char bytes[LONGEST];
  const struct Record *const record = lane_record(0);
  struct ShmLatestValue value;
  shm_latest_open_reader(&ends.reader, &ends.latest);
  const enum ShmStatus status = shm_latest_read(&ends.reader, bytes, sizeof bytes, &value);
  if (status != SHM_OK && (status != SHM_EMPTY || record->published != 0)) {
    fail("the last reader: status %d, %s", (int)status, ends.reader.error.what);
  }
  if (value.version < record->published || value.version > record->intent) {
    fail("the newest value is %llu, where %u was published and %u begun",
         (unsigned long long)value.version, record->published, record->intent);
  }
}

static void visit_last(void *argument, const struct ShmTopicMessage *message) {
  uint64_t *const last = (uint64_t *)argument;
  if (last[message->lane] != 0 && message->number != last[message->lane] + 1) {
    fail("the history of lane %u has %llu behind %llu", message->lane,
         (unsigned long long)message->number, (unsigned long long)last[message->lane]);
  }
  if (message->length != length_of(run.board, message->number) ||
      wrong_byte((const unsigned char *)message->bytes, message->number, message->lane,
                 message->length) != message->length) {
    fail("message %llu of lane %u is wrong", (unsigned long long)message->number, message->lane);
  }
  last[message->lane] = message->number;
}

/* The history of each lane ends with what was published last, or was begun by its killed owner. */
static void judge_topic(void) {
  uint64_t last[MOST_LANES] = {0};
  struct ShmTopicSubscriber *const subscriber = &ends.subscriber;
  enum ShmStatus status = shm_topic_open_subscriber(subscriber, &ends.topic, SHM_TOPIC_ALL);
  while (status == SHM_OK) status = shm_topic_drain(subscriber, visit_last, last, 0, NULL);
  if (status != SHM_EMPTY) {
    fail("the last subscriber: status %d, %s", (int)status, subscriber->error.what);
  }
  shm_topic_close_subscriber(subscriber);
  for (uint32_t lane = 0; lane < run.board->lanes; lane++) {
    const struct Record *const record = lane_record(lane);
    if (last[lane] < record->published || last[lane] > record->intent) {
      fail("the newest message of lane %u is %llu, where %u was published and %u begun", lane,
           (unsigned long long)last[lane], record->published, record->intent);
    }
  }
}

static void judge_round(bool removed) {
  for (uint32_t number = FIRST_RECEIVER; number < SLOTS; number++) {
    for (uint32_t lane = 0; lane < MOST_LANES; lane++) {
      run.messages += seen_record(number, lane)->freed;
      missed += seen_record(number, lane)->lane;
    }
  }
  if (removed || !run.attached) return;
  if (run.board->protocol == TOPIC) judge_topic();
  else judge_latest();
}

static void print_more(void) {
  printf("\"latest_rounds\":%llu,\"topic_rounds\":%llu,\"missed\":%llu,",
         (unsigned long long)rounds_of[LATEST], (unsigned long long)rounds_of[TOPIC],
         (unsigned long long)missed);
}
