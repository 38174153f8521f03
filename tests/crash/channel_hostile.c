/*
 * The C side of a channel with hostile memory. tests/crash/channel_hostile_memory_test.ts builds it
 * with AddressSanitizer and UndefinedBehaviorSanitizer where gcc has them.
 *
 *   channel_hostile fuzz KEY SEED CORRUPTIONS     all peers and the intruder in one process, over
 *                                                 memory of malloc of exactly the segment's size
 *   channel_hostile workers KEY SEED CORRUPTIONS  three processes at work, and this one as intruder
 *   channel_hostile work ROLE KEY SEED            one peer, "produce" or "consume", until SIGTERM
 *   channel_hostile hammer KEY SEED CORRUPTIONS   only the intruder, beside whatever peers there are
 *
 * Every status must be one of those that can come, its error one line; every message within its ring;
 * every wait back in time. Where only one lane is spoiled, the others bring every message once, whole
 * and in order.
 *
 * stdout: "ready" as soon as it is at work (work, hammer), and at the end one line of "name=number".
 * Exit code 0; 1 with a line on stderr: what was wrong; 3: no progress; a sanitizer's.
 */
#include "shm_channel.h"
#include "hostile.h"

#include <sys/mman.h>
#include <sys/wait.h>

#define MOST_LANES 3
#define LONGEST 200
#define CORRUPTIONS_A_CHANNEL 40

static struct ShmChannel channel;

static struct {
  uint64_t corruptions, operations, messages, intact, corrupt, repaired, foreign, timeouts;
} counts;

/* ---- the intruder ---------------------------------------------------------------------------- */

/* Writes once into the words or the ring of a lane. */
static void spoil(uint32_t lane) {
  const uint32_t capacity = channel.lane_capacity;
  struct ShmChannelLane *const words = &shmci_lanes(&channel)[lane];
  unsigned char *const ring = channel.member.base + shmci_rings_at(channel.lanes) + (size_t)lane * capacity;
  uint32_t *const tail = &words->producer.tail, *const head = &words->consumer.head;
  uint32_t *const position = chance(2) == 0 ? tail : head;
  counts.corruptions++;
  switch (chance(6)) {
    case 0: noise((unsigned char *)words, sizeof *words); return;
    case 1: noise(ring, capacity); return;
    case 2: {
      const uint32_t step =
          ONE_OF(1, 4, 8, 16, capacity - 8, capacity, capacity + 8, 0x80000000U, 0x40000000U);
      const uint32_t base = shmh_peek(chance(2) == 0 ? tail : head);
      store((unsigned char *)position, chance(2) == 0 ? base + step : base - step);
      return;
    }
    case 3:
      store((unsigned char *)position,
            ONE_OF(0, 4, 0xfffffff8U, 0xffffffffU, 0x7fffffff, 0x7ffffff8, 0x80000000U));
      return;
    case 4: { /* the length of a record */
      const uint32_t most = capacity / 2 - 8;
      const uint32_t place = ONE_OF(shmh_peek(head), shmh_peek(tail) - 8 * chance(4),
                                    capacity - 8, 8 * chance(capacity / 8));
      store(ring + (place & (capacity - 8)),
            ONE_OF(0xffffffffU, 0xffffffffU, 0xfffffff8U, 0x7fffffff, 0x7ffffff8, 0x80000000U,
                   capacity, capacity - 8, capacity - 16, capacity + 8, most, most + 1, most + 8,
                   65, chance(capacity)));
      return;
    }
    default: { /* any word */
      unsigned char *const word = (unsigned char *)words + 4 * chance(sizeof *words / 4);
      const uint32_t now = shmh_peek((const uint32_t *)(void *)word);
      store(word, ONE_OF(0, 1, 0xffffffffU, now ^ 1U << chance(32), now + 1, now - 1, bits()));
    }
  }
}

/* Any part of the segment; in the header and the consumer's line too. */
static void spoil_anything(void) {
  switch (chance(8)) {
    case 0: counts.corruptions++; noise(channel.member.base, channel.member.size); return;
    case 1: counts.corruptions++; noise(channel.member.base, shmci_rings_at(0)); return;
    default: spoil(chance(channel.lanes));
  }
}

/* ---- peers ----------------------------------------------------------------------------------- */

/* One lane, and what must come out of it as long as it was not spoiled. */
struct Lane {
  struct ShmChannelProducer producer;
  uint32_t written, published, received;
  bool spoiled;
};

static struct Lane lanes[MOST_LANES];
static struct ShmChannelConsumer consumer;
static uint64_t visits;
static bool ambush;

static uint64_t *progress; /* where there are several processes: of those who work, one each */

/* Gives the status back if it may come of spoiled memory. */
static enum ShmStatus judge(enum ShmStatus status, const struct ShmError *error) {
  char line[800];
  counts.operations++;
  switch (status) {
    case SHM_OK:
    case SHM_FULL:
    case SHM_EMPTY:
    case SHM_CLOSED: return status;
    case SHM_TIMEOUT: counts.timeouts++; break;
    case SHM_CORRUPT: counts.corrupt++; break;
    case SHM_FOREIGN: counts.foreign++; break;
    case SHM_BUSY:
      /* a lane that cannot be used is taken for the moment in which another one sees that */
      if (progress != NULL) break;
      /* fall through */
    default: die("status %d", (int)status);
  }
  shm_describe(error, line, sizeof line);
  if (strlen(line) < 20 || strchr(line, '\n') != NULL) die("an error without words: %s", line);
  return status;
}

/* The lane that an error is about. */
static uint32_t lane_in(const struct ShmError *error) {
  if (error->lane >= channel.lanes) die("no lane in: %s", error->what);
  return error->lane;
}

static unsigned char byte_of(uint32_t tag, uint32_t at) { return (unsigned char)(tag * 7 + at); }

static void check_bounds(const struct ShmChannelMessage *message) {
  if (message->lane >= channel.lanes) die("lane %lu", (unsigned long)message->lane);
  if (message->length > channel.max_message) die("%lu bytes", (unsigned long)message->length);
  counts.messages++;
}

/* Within its ring, every byte of it; and the one that must come. */
static void check_message(void *argument, const struct ShmChannelMessage *message) {
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  unsigned char copy[65536];
  (void)argument;
  check_bounds(message);
  if (++visits > channel.lanes * (channel.lane_capacity / 8)) die("a drain without end");
  const unsigned char *const ring =
      channel.member.base + shmci_rings_at(channel.lanes) + (size_t)message->lane * channel.lane_capacity;
  if (bytes < ring || bytes + message->length > ring + channel.lane_capacity) die("out of the ring");
  memcpy(copy, bytes, message->length);
  struct Lane *const lane = &lanes[message->lane];
  const uint32_t tag = lane->received++;
  if (!lane->spoiled) {
    if (message->tag != tag || tag >= lane->published) {
      die("lane %lu was left alone: message %lu, not %lu", (unsigned long)message->lane,
          (unsigned long)message->tag, (unsigned long)tag);
    }
    for (uint32_t i = 0; i < message->length; i++) {
      if (copy[i] != byte_of(tag, i)) die("lane %lu: a wrong byte", (unsigned long)message->lane);
    }
    counts.intact++;
  }
  if (ambush) {
    ambush = false;
    const uint32_t victim = chance(channel.lanes);
    lanes[victim].spoiled = true;
    spoil(victim);
  }
}

static void check_whose(enum ShmStatus status, const struct ShmError *error) {
  if (status == SHM_CORRUPT && !lanes[lane_in(error)].spoiled) {
    die("a lane that was left alone: %s", error->what);
  }
}

static uint32_t some_length(void) {
  if (channel.message_size != 0) return channel.message_size;
  return chance((channel.max_message < LONGEST ? channel.max_message : LONGEST) + 1);
}

static void send_one(uint32_t number) {
  struct Lane *const lane = &lanes[number];
  struct ShmChannelProducer *const producer = &lane->producer;
  const uint32_t tag = lane->written, length = some_length();
  const struct ShmWait wait = shm_within(chance(16) == 0 ? 1000000 : 0);
  unsigned char bytes[LONGEST];
  unsigned char others[MOST_LANES * 4096];
  enum ShmStatus status;
  void *place;
  if (producer->channel == NULL) return;
  for (uint32_t i = 0; i < length; i++) bytes[i] = byte_of(tag, i);
  /* what is written stays within the lane's ring */
  unsigned char *const rings = channel.member.base + shmci_rings_at(channel.lanes);
  const size_t size = (size_t)channel.lanes * channel.lane_capacity;
  memcpy(others, rings, size);
  switch (chance(4)) {
    case 0: status = shm_channel_try_send(producer, bytes, length, tag); break;
    case 1: status = shm_channel_send(producer, bytes, length, tag, &wait); break;
    case 2: status = shm_channel_stage(producer, bytes, length, tag); break;
    default:
      status = shm_channel_claim(producer, length, tag, &place);
      if (status != SHM_OK) break;
      memcpy(place, bytes, length);
      if (chance(3) == 0) {
        shm_channel_abort(producer);
        status = SHM_FULL;
      } else {
        shm_channel_commit(producer);
      }
  }
  check_whose(judge(status, &producer->error), &producer->error);
  if (status == SHM_OK) lane->written++;
  /* a head may go back behind what was staged, which only leaves less room */
  if (producer->head % SHM_CHANNEL_RECORD_ALIGN != 0 ||
      (status == SHM_OK &&
       (producer->tail - producer->head > channel.lane_capacity ||
        producer->written - producer->head > channel.lane_capacity))) {
    die("a producer believes a head that cannot be");
  }
  if (producer->tail == producer->written) lane->published = lane->written;
  for (uint32_t other = 0; other < channel.lanes; other++) {
    const size_t at = (size_t)other * channel.lane_capacity;
    if (other != number && memcmp(others + at, rings + at, channel.lane_capacity) != 0) {
      die("a producer wrote into the ring of another");
    }
  }
}

static void receive_some(void) {
  const struct ShmWait wait = shm_within(chance(16) == 0 ? 1000000 : 0);
  static unsigned char copy[65536];
  struct ShmChannelMessage message;
  enum ShmStatus status;
  uint64_t received = 0;
  visits = 0;
  switch (chance(5)) {
    case 0:
      status = shm_channel_next(&consumer, &message);
      if (status == SHM_OK) check_message(NULL, &message);
      break;
    case 1: status = shm_channel_wait(&consumer, &wait); break;
    case 2: {
      /* a copy: looked at as to its bounds only, and as to which it is */
      status = shm_channel_receive(&consumer, copy, sizeof copy, &message, &wait);
      if (status != SHM_OK) break;
      check_bounds(&message);
      struct Lane *const lane = &lanes[message.lane];
      const uint32_t tag = lane->received++;
      if (!lane->spoiled && message.tag != tag) die("message %lu", (unsigned long)message.tag);
      break;
    }
    default:
      status = shm_channel_drain(&consumer, check_message, NULL, chance(2) * (1 + chance(5)),
                                 &received);
      if (received != visits) die("%llu visits", (unsigned long long)visits);
  }
  check_whose(judge(status, &consumer.error), &consumer.error);
}

static void look(uint32_t lane) {
  struct ShmChannelLaneStats stats;
  shm_channel_lane_stats(&channel, lane, &stats);
  if (stats.bytes > channel.lane_capacity) die("%lu bytes wait", (unsigned long)stats.bytes);
  counts.operations++;
}

/* Makes a spoiled lane usable again. */
static void repair(uint32_t number) {
  struct Lane *const lane = &lanes[number];
  for (int tries = 0; tries < 4; tries++) {
    if (lane->producer.channel != NULL) shm_channel_publish(&lane->producer);
    /* its owner goes on from the tail in memory if it knows that something is wrong */
    if (tries > 0) shm_channel_close_producer(&lane->producer);
    if (judge(shm_channel_discard(&consumer, number), &consumer.error) != SHM_OK) {
      die("discard fails");
    }
    if (tries > 0) {
      if (judge(shm_channel_open_producer(&lane->producer, &channel), &lane->producer.error) !=
          SHM_OK) {
        die("lane %lu has no owner and cannot be taken", (unsigned long)number);
      }
      if (lane->producer.lane != number) die("another lane");
    }
    unsigned char bytes[LONGEST] = {0};
    const enum ShmStatus sent =
        shm_channel_try_send(&lane->producer, bytes, channel.message_size, 0);
    if (judge(sent, &lane->producer.error) != SHM_OK) continue;
    lane->received = 0;
    enum ShmStatus status = SHM_OK;
    bool wrong = false;
    for (uint32_t looks = 0; looks < 2 * channel.lanes; looks++) {
      visits = 0;
      status = judge(shm_channel_drain(&consumer, check_message, NULL, 0, NULL), &consumer.error);
      check_whose(status, &consumer.error);
      if (status == SHM_CORRUPT && lane_in(&consumer.error) == number) wrong = true;
    }
    if (wrong || lane->received != 1) continue;
    lane->written = lane->published = lane->received = 0;
    lane->spoiled = false;
    counts.repaired++;
    return;
  }
  die("lane %lu cannot be repaired", (unsigned long)number);
}

static void make_channel(key_t key, uint32_t least_lanes) {
  struct ShmChannelOptions options = shm_channel_options(key);
  options.lanes = least_lanes + chance(MOST_LANES + 1 - least_lanes);
  options.lane_capacity = ONE_OF(64, 128, 256, 1024, 4096);
  options.message_size = chance(4) == 0 ? 16 : 0;
  const struct ShmWait wait = shm_within(NET * INT64_C(1000000000));
  if (shm_channel_open_or_create(&channel, &options, &wait) != SHM_OK) {
    die("cannot make the channel: %s", channel.error.what);
  }
}

/* Opening a channel of which the header was spoiled. */
static void arrive_at_spoiled_header(key_t key, unsigned char *header) {
  unsigned char before[sizeof(struct ShmChannelHeader)];
  struct ShmChannel other;
  const struct ShmChannelOptions options = shm_channel_options(key);
  const struct ShmWait wait = shm_within(1000000);
  memcpy(before, header, sizeof before);
  counts.corruptions++;
  if (chance(2) == 0) noise(header, sizeof before);
  else store(header + 4 * chance(8), ONE_OF(0, 1, __builtin_bswap32(SHM_CHANNEL_MAGIC), bits()));
  const enum ShmStatus status = judge(shm_channel_open(&other, &options, &wait), &other.error);
  if (status == SHM_OK) {
    /* of all fields only the size of messages can be another one */
    const size_t at = offsetof(struct ShmChannelHeader, message_size);
    const size_t end = offsetof(struct ShmChannelHeader, segment_size);
    const size_t whole = end + sizeof ((struct ShmChannelHeader *)0)->segment_size;
    if (memcmp(before, header, at) != 0 || memcmp(before + end, header + end, whole - end) != 0 ||
        other.message_size > shmci_max_message(channel.lane_capacity)) {
      die("a header that was overwritten is taken for a good one");
    }
    shm_channel_leave(&other);
  }
  memcpy(header, before, sizeof before);
}

static void fuzz(key_t key, uint64_t corruptions) {
  while (counts.corruptions < corruptions) {
    make_channel(key, 1);
    alarm(NET);
    memset(lanes, 0, sizeof lanes);
    /* exactly as many bytes as the segment has, with nothing behind them */
    unsigned char *const segment = channel.member.base;
    void *memory;
    if (posix_memalign(&memory, SHM_CHANNEL_LINE, channel.member.size) != 0) die("no memory");
    memcpy(memory, segment, channel.member.size);
    channel.member.base = (unsigned char *)memory;
    const uint32_t begin = ONE_OF(0, 0xffffffc0U, 0x7fffffc0U, 8 * chance(1000));
    for (uint32_t lane = 0; lane < channel.lanes; lane++) {
      struct ShmChannelLane *const words = &shmci_lanes(&channel)[lane];
      words->producer.tail = words->consumer.head = begin;
      if (shm_channel_open_producer(&lanes[lane].producer, &channel) != SHM_OK) die("open");
    }
    if (shm_channel_open_consumer(&consumer, &channel) != SHM_OK) die("open");
    for (int i = 0; i < CORRUPTIONS_A_CHANNEL && counts.corruptions < corruptions; i++) {
      for (uint32_t n = chance(8); n > 0; n--) send_one(chance(channel.lanes));
      if (chance(2) == 0) receive_some();
      if (chance(10) == 0) arrive_at_spoiled_header(key, segment);
      if (chance(4) == 0) {
        ambush = true;
      } else {
        const uint32_t victim = chance(channel.lanes);
        lanes[victim].spoiled = true;
        spoil(victim);
      }
      for (uint32_t n = 1 + chance(6); n > 0; n--) {
        const uint32_t lane = chance(channel.lanes);
        switch (chance(8)) {
          case 0: look(lane); break;
          case 1:
          case 2:
          case 3: send_one(lane); break;
          default: receive_some();
        }
      }
      ambush = false;
      for (uint32_t lane = 0; lane < channel.lanes; lane++) {
        if (lanes[lane].spoiled) repair(lane);
      }
      /* the first look at a lane may be at a tail seen before */
      for (uint32_t looks = 0; looks < 2 * channel.lanes; looks++) {
        visits = 0;
        shm_channel_drain(&consumer, check_message, NULL, 0, NULL);
      }
      for (uint32_t lane = 0; lane < channel.lanes; lane++) {
        if (lanes[lane].received != lanes[lane].published) die("lane %lu lost", (unsigned long)lane);
      }
    }
    for (uint32_t lane = 0; lane < channel.lanes; lane++) {
      shm_channel_close_producer(&lanes[lane].producer);
    }
    shm_channel_close_consumer(&consumer);
    free(memory);
    channel.member.base = segment;
    shm_channel_remove(&channel);
    shm_channel_leave(&channel);
  }
}

/* ---- several processes ----------------------------------------------------------------------- */

/* Nothing is known of what comes: everybody's lane may be spoiled at any time. */
static void visit_any(void *argument, const struct ShmChannelMessage *message) {
  unsigned char copy[65536];
  (void)argument;
  check_bounds(message);
  if (++visits > channel.lanes * (channel.lane_capacity / 8)) die("a drain without end");
  const unsigned char *const bytes = (const unsigned char *)message->bytes;
  const unsigned char *const ring =
      channel.member.base + shmci_rings_at(channel.lanes) + (size_t)message->lane * channel.lane_capacity;
  if (bytes < ring || bytes + message->length > ring + channel.lane_capacity) die("out of the ring");
  memcpy(copy, bytes, message->length);
}

static void step(uint32_t worker) {
  if (progress != NULL) __atomic_add_fetch(&progress[worker], 1, __ATOMIC_RELAXED);
  alarm(NET);
}

static void consume(uint32_t worker) {
  static unsigned char copy[65536];
  struct ShmChannelMessage message;
  while (!stopped) {
    enum ShmStatus status = judge(shm_channel_open_consumer(&consumer, &channel), &consumer.error);
    step(worker);
    if (status != SHM_OK) usleep(100);
    for (int n = 0; n < 200 && status == SHM_OK && !stopped; n++) {
      const struct ShmWait wait = shm_within(2000000);
      visits = 0;
      switch (chance(4)) {
        case 0: status = shm_channel_receive(&consumer, copy, sizeof copy, &message, &wait); break;
        case 1:
          status = shm_channel_next(&consumer, &message);
          if (status == SHM_OK) visit_any(NULL, &message);
          break;
        case 2: status = shm_channel_wait(&consumer, &wait); break;
        default: status = shm_channel_drain(&consumer, visit_any, NULL, chance(10), NULL);
      }
      if (judge(status, &consumer.error) == SHM_CORRUPT) {
        judge(shm_channel_discard(&consumer, lane_in(&consumer.error)), &consumer.error);
      }
      status = SHM_OK;
      step(worker);
    }
    shm_channel_close_consumer(&consumer);
  }
}

static void produce(uint32_t worker) {
  struct ShmChannelProducer *const producer = &lanes[0].producer;
  static unsigned char bytes[LONGEST];
  void *place;
  while (!stopped) {
    enum ShmStatus status =
        judge(shm_channel_open_producer(producer, &channel), &producer->error);
    step(worker);
    if (status != SHM_OK) {
      usleep(100);
      continue;
    }
    for (int n = 0; n < 200 && status != SHM_CORRUPT && !stopped; n++) {
      const struct ShmWait wait = shm_within(2000000);
      const uint32_t length = some_length();
      switch (chance(3)) {
        case 0: status = shm_channel_send(producer, bytes, length, 0, &wait); break;
        case 1: status = shm_channel_try_send(producer, bytes, length, 0); break;
        default:
          status = shm_channel_claim(producer, length, 0, &place);
          if (status != SHM_OK) break;
          memset(place, 1, length);
          shm_channel_commit(producer);
      }
      judge(status, &producer->error);
      step(worker);
    }
    shm_channel_close_producer(producer);
  }
}

static void attach(key_t key) {
  const struct ShmChannelOptions options = shm_channel_options(key);
  const struct ShmWait wait = shm_within(NET * INT64_C(1000000000));
  if (shm_channel_open(&channel, &options, &wait) != SHM_OK) {
    die("cannot open the channel: %s", channel.error.what);
  }
}

static void hammer(uint64_t corruptions) {
  while (counts.corruptions < corruptions && !stopped) {
    spoil_anything();
    pause_between();
  }
}

static void workers(key_t key, uint64_t corruptions) {
  enum { WORKERS = 3 };
  pid_t pids[WORKERS];
  make_channel(key, WORKERS - 1);
  void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) die("no memory");
  progress = (uint64_t *)page;
  for (uint32_t worker = 0; worker < WORKERS; worker++) {
    pids[worker] = fork();
    if (pids[worker] != 0) continue;
    state += worker;
    /* what the parent opened is of no use to a child */
    const struct ShmChannelOptions options = shm_channel_options(key);
    if (shm_channel_open(&channel, &options, NULL) != SHM_OK) die("cannot open the channel");
    __atomic_add_fetch(&progress[11], 1, __ATOMIC_RELAXED);
    if (worker == 0) consume(worker);
    else produce(worker);
    __atomic_add_fetch(&progress[8], counts.operations, __ATOMIC_RELAXED);
    __atomic_add_fetch(&progress[9], counts.messages, __ATOMIC_RELAXED);
    __atomic_add_fetch(&progress[10], counts.corrupt, __ATOMIC_RELAXED);
    _exit(0);
  }
  /* a header that is overwritten before a worker has opened the channel keeps it out */
  alarm(NET);
  while (__atomic_load_n(&progress[11], __ATOMIC_RELAXED) < WORKERS) usleep(100);
  alarm(0);
  hammer(corruptions);
  int wrong = 0;
  for (uint32_t worker = 0; worker < WORKERS; worker++) {
    int end;
    kill(pids[worker], SIGTERM);
    waitpid(pids[worker], &end, 0);
    if (end != 0) wrong = end;
  }
  counts.operations += progress[8];
  counts.messages += progress[9];
  counts.corrupt += progress[10];
  shm_channel_remove(&channel);
  shm_channel_leave(&channel);
  if (wrong != 0) die("a worker ended with wait status 0x%x", (unsigned)wrong);
}

/* ---- the command line ------------------------------------------------------------------------ */

static void report(void) {
  printf("corruptions=%llu operations=%llu messages=%llu intact=%llu corrupt=%llu foreign=%llu"
         " timeouts=%llu repaired=%llu\n",
         (unsigned long long)counts.corruptions, (unsigned long long)counts.operations,
         (unsigned long long)counts.messages, (unsigned long long)counts.intact,
         (unsigned long long)counts.corrupt, (unsigned long long)counts.foreign,
         (unsigned long long)counts.timeouts, (unsigned long long)counts.repaired);
}

int main(int count, char **words) {
  catch_signals();
  if (count != 5) return 2;
  const bool work = strcmp(words[1], "work") == 0;
  const key_t key = (key_t)strtoul(words[work ? 3 : 2], NULL, 0);
  state = seed = strtoull(words[work ? 4 : 3], NULL, 0);
  const uint64_t corruptions = strtoull(words[4], NULL, 0);
  if (strcmp(words[1], "fuzz") == 0) {
    fuzz(key, corruptions);
  } else if (strcmp(words[1], "workers") == 0) {
    workers(key, corruptions);
  } else {
    attach(key);
    puts("ready");
    fflush(stdout);
    if (!work) hammer(corruptions);
    else if (strcmp(words[2], "consume") == 0) consume(0);
    else produce(0);
    shm_channel_leave(&channel);
  }
  report();
  return 0;
}
