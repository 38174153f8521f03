/*
 * The channel of @sysv/shm for C11 and C++17: many producers, one consumer, in order per producer,
 * at the speed of memory. The protocol is docs/wire_format.md; this header follows it step by step
 * and uses its words. Header only; it needs shm_channel_layout.h, shm_headed.h, shm_membership.h
 * and shm_sync.h in the same directory. In C, include it before any system header (it requests the
 * GNU interfaces).
 *
 * src/channel/descriptor.ts defines which process writes which word of the segment. In short: the
 * owner of a lane writes its tail, and the ring from there on; the consumer writes a lane's head; a
 * process that sleeps writes `asleep`, and the process that wakes it exchanges it for 0.
 * Invariant: 0 <= tail - head <= capacity modulo 2^32, with whole records from head to tail.
 *
 * Happens-before edges
 *   SYNC ready   magic (release) by the creator -> load of it (acquire) by a process that joins
 *   SYNC tail    a lane's tail (release) by its owner -> load of it (acquire) by the consumer
 *   SYNC head    a lane's head (release) by the consumer -> load of it (acquire) by the owner
 *   SYNC asleep  not an edge but an order: each of two stores its own word, then loads the other's,
 *                all four sequentially consistent, so at least one of them sees what the other
 *                stored. Tail then asleep against asleep then tails; head then asleep against
 *                asleep then head
 *   SYNC role    the last holder of a role or lane -> the next one: the kernel's semaphore. A
 *                compiler does not know what that does, so `closed` (lane) and `asleep` (consumer)
 *                are stored with release on closing, and loaded with acquire on opening
 *
 * Memory holds untrusted data: other users of the key may be hostile. A value is read once and
 * bounded before use. A peer reads its own positions from memory when it acquires its lane or role,
 * and never again.
 *
 * Several threads may use one ShmChannel; only one at a time may use a producer or the consumer. A
 * forked child holds nothing of what its parent holds here: calls with an inherited handle do
 * nothing and, if they return a status, return FORKED. A child that needs the channel must open it
 * again. Until the child ends or calls exec it keeps the segment attached, and so its parent does
 * not remove it.
 *
 *   struct ShmChannel channel;
 *   struct ShmChannelOptions options = shm_channel_options(0x5eed0001);
 *   if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK)
 *     ...shm_describe(&channel.error, line, sizeof line)...
 *
 *   one process                                         the other
 *   struct ShmChannelProducer producer;                 struct ShmChannelConsumer consumer;
 *   shm_channel_open_producer(&producer, &channel);     shm_channel_open_consumer(&consumer, ...);
 *   shm_channel_send(&producer, "hello", 5, 0, NULL);   shm_channel_consume(&consumer, print, ...);
 *   shm_channel_close_producer(&producer);              or wait and drain, or receive and ack
 *   shm_channel_leave(&channel);                        shm_channel_close_consumer(&consumer); ...
 */
#ifndef SYSV_SHM_CHANNEL_H
#define SYSV_SHM_CHANNEL_H

#include "shm_headed.h"
#include "shm_channel_layout.h"

/* Start with shm_channel_options(key). */
struct ShmChannelOptions {
  key_t key;
  uint32_t lanes;         /* 0: as found, or 8 */
  uint32_t lane_capacity; /* bytes of one ring, a power of two. 0: as found, or 1 MiB */
  uint32_t message_size;  /* bytes of every message. 0: as found, or lengths differ */
  unsigned mode;          /* permissions of what we create, within 0666 */
  bool persistent;        /* what we create stays when the last peer leaves */
  bool trust;             /* accept an object that another user created or owns */
  const char *type;       /* the ..._MESSAGE_TYPE of the struct of every message; NULL: bytes */
};

struct ShmChannel {
  struct ShmMembership member;  /* member.mode: permissions found, of segment and set together */
  struct ShmChannelOptions options;
  uint32_t lanes;
  uint32_t lane_capacity;
  uint32_t message_size;        /* 0: lengths differ */
  uint32_t max_message;         /* the longest message, in bytes */
  bool created;                 /* we initialised it */
  struct ShmError error;        /* of the last call on the channel itself that did not return OK */
};

/* One message. The bytes are in the ring, 8-aligned, or in the caller's buffer. */
struct ShmChannelMessage {
  const void *bytes;
  uint32_t length;
  uint32_t tag;
  uint32_t lane;
};

/* Called for each message of a drain; must not call any function with the consumer. */
typedef void (*ShmChannelReceiver)(void *argument, const struct ShmChannelMessage *message);

/* Called for each message of shm_channel_consume, as above; false: the message stays. */
typedef bool (*ShmChannelHandler)(void *argument, const struct ShmChannelMessage *message);

struct ShmChannelProducer {
  /* all private: these positions are the authority, memory has copies for other processes */
  struct ShmiProcess process;
  unsigned char *ring;
  struct ShmChannelLane *words;
  uint32_t *consumer_asleep;
  uint32_t capacity;
  uint32_t shortest; /* of a message */
  uint32_t span;     /* longest - shortest */
  uint32_t head;     /* as last read */
  uint32_t tail;     /* published up to here */
  uint32_t written;  /* written up to here */
  uint32_t claimed;  /* the claimed record would end here; equal to `written`: none is claimed */
  uint32_t counter;  /* the index of the current one */
  uint64_t count;    /* messages up to `written` */
  uint32_t lane;
  struct ShmiSpinning spinning;
  struct ShmChannel *channel;   /* NULL: closed */
  struct ShmError error;        /* of the last call that did not return OK, FULL or EMPTY */
};

/* The consumer's state of a lane. */
struct ShmciReader {
  uint32_t head; /* published up to here */
  uint32_t read; /* delivered up to here */
  uint32_t tail; /* as last read and checked */
  uint32_t counter;
  uint64_t count; /* messages up to `head` */
  uint32_t taken; /* messages from `head` to `read` */
  uint32_t opened;
};

struct ShmChannelConsumer {
  struct ShmiProcess process;
  unsigned char *rings;
  struct ShmChannelLane *words;
  uint32_t *asleep;
  uint32_t lanes;
  uint32_t capacity;
  uint32_t shortest;
  uint32_t span;
  uint32_t lane;        /* the lane to read next */
  uint32_t dirty_count; /* lanes with unacknowledged messages, or skipped padding */
  bool seen;            /* there was a producer */
  struct ShmiSpinning spinning;
  struct ShmChannel *channel;   /* NULL: closed */
  struct ShmError error;        /* of the last call that did not return OK, FULL or EMPTY */
  uint16_t dirty[SHM_CHANNEL_LANES_MAX];
  struct ShmciReader readers[SHM_CHANNEL_LANES_MAX];
};

/* Figures for display; each is correct, but not all of the same instant. */
struct ShmChannelLaneStats {
  uint64_t depth;      /* messages waiting */
  uint32_t bytes;      /* waiting, with headers and padding */
  uint64_t messages;   /* ever sent */
  uint32_t full_waits; /* waits for room */
  uint32_t opened;
  uint32_t closed;
  bool alive;          /* the lane has an owner */
  pid_t pid;           /* of the owner; 0: none, or outside our pid namespace */
};

/* Length and tag of a record in one word; at other times the same bytes are payload. */
typedef uint64_t __attribute__((may_alias)) ShmciHeader;

/* ---- arguments ------------------------------------------------------------------------------- */

static inline struct ShmChannelOptions shm_channel_options(key_t key) {
  struct ShmChannelOptions options;
  memset(&options, 0, sizeof options);
  options.key = key;
  options.mode = 0600;
  return options;
}

/* ---- errors ---------------------------------------------------------------------------------- */

SHMH_COLD enum ShmStatus shmci_corrupt(struct ShmError *error,
                                       const struct ShmChannel *channel, uint32_t lane,
                                       const char *what, uint32_t there, uint32_t other) {
  shmh_fault(error, &channel->member, SHM_CORRUPT, "use the channel",
             "another program wrote into it: discard this lane (shm_channel_discard, or the command"
             " `channel discard`), the others can be read on",
             "lane %lu: %s is %lu, which is impossible (with %lu)", (unsigned long)lane, what,
             (unsigned long)there, (unsigned long)other);
  error->lane = lane;
  return SHM_CORRUPT;
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static inline int shmci_sem_lane(uint32_t lane) { return SHM_CHANNEL_SEM_LANE + (int)lane; }

/* ---- sizes ----------------------------------------------------------------------------------- */

/* The longest message: it fits into an empty ring at every position, padding included. */
static inline uint32_t shmci_max_message(uint32_t capacity) {
  return capacity / 2 - (uint32_t)sizeof(struct ShmChannelRecord);
}

static inline size_t shmci_rings_at(uint32_t lanes) {
  return offsetof(struct ShmChannelControl, lane) + lanes * sizeof(struct ShmChannelLane);
}

static inline size_t shmci_size(uint32_t lanes, uint32_t capacity) {
  return shmci_rings_at(lanes) + (size_t)lanes * capacity;
}

/* The capacity of the rings in a segment of this size; 0: it cannot be a channel. */
static inline uint32_t shmci_capacity_for(uint32_t lanes, size_t size) {
  if (size < shmci_rings_at(lanes)) return 0;
  return shmh_capacity_in(size - shmci_rings_at(lanes), lanes, SHM_CHANNEL_LANE_CAPACITY_MIN,
                          SHM_CHANNEL_LANE_CAPACITY_MAX);
}

static inline struct ShmChannelControl *shmci_control(const struct ShmChannel *channel) {
  return (struct ShmChannelControl *)(void *)channel->member.base;
}

/* The words of lane 0; those of the others follow. */
static inline struct ShmChannelLane *shmci_lanes(const struct ShmChannel *channel) {
  return &shmci_control(channel)->lane;
}

/* ---- joining --------------------------------------------------------------------------------- */

static inline bool shmci_fits(int count, size_t size) {
  return shmci_capacity_for((uint32_t)(count - SHM_CHANNEL_SEMAPHORES_BESIDE_LANES), size) != 0;
}

SHMH_IS_HEADER(ShmChannelHeader, lanes, lane_capacity, message_size);

static inline void shmci_plan(struct ShmMembership *member) {
  const uint32_t lanes = (uint32_t)(member->count - SHM_CHANNEL_SEMAPHORES_BESIDE_LANES);
  const uint32_t capacity = member->wanted[1];
  member->shape[0] = lanes;
  member->shape[1] = capacity != 0 ? capacity : SHM_CHANNEL_LANE_CAPACITY_DEFAULT;
  member->shape[2] = member->wanted[2];
  member->new_size = shmci_size(lanes, member->shape[1]);
}

static inline enum ShmiStatus shmci_check(struct ShmMembership *member) {
  const uint32_t lanes = (uint32_t)(member->count - SHM_CHANNEL_SEMAPHORES_BESIDE_LANES);
  const uint32_t capacity = shmci_capacity_for(lanes, member->size);
  const uint32_t *const there = member->shape;
  if (there[0] != lanes) return shmh_differs(member, "lanes", there[0], lanes, SHMH_OVERWRITTEN);
  if (capacity == 0 || there[1] != capacity) {
    return shmh_differs(member, "lane_capacity", there[1], capacity, SHMH_OVERWRITTEN);
  }
  if (there[2] > shmci_max_message(capacity)) {
    return shmh_differs(member, "message_size", there[2], shmci_max_message(capacity),
                        SHMH_OVERWRITTEN);
  }
  return SHMI_OK;
}

static const struct ShmhKind SHMCI_KIND = {
    {"channel", "open the channel", SHM_CHANNEL_LANES_MIN + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES,
     SHM_CHANNEL_LANES_MAX + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES, false, shmci_fits, shmh_choose,
     shmh_prepare},
    "use the channel",
    "remove the channel",
    SHM_CHANNEL_MAGIC,
    SHM_CHANNEL_VERSION,
    SHM_CHANNEL_LAYOUT_HASH,
    {"lanes", "lane_capacity", "message_size"},
    2,
    shmci_plan,
    shmci_check};

static inline enum ShmStatus shmci_check_options(struct ShmChannel *channel) {
  const struct ShmChannelOptions *const options = &channel->options;
  const char *wrong = NULL;
  const uint32_t capacity = options->lane_capacity != 0 ? options->lane_capacity
                                                        : SHM_CHANNEL_LANE_CAPACITY_DEFAULT;
  if (options->lanes > SHM_CHANNEL_LANES_MAX) wrong = "lanes is more than 256";
  if (!shmh_is_capacity(capacity, SHM_CHANNEL_LANE_CAPACITY_MIN, SHM_CHANNEL_LANE_CAPACITY_MAX)) {
    wrong = "lane_capacity is not a power of two from 64 to 2^30";
  } else if (channel->member.wanted[2] > shmci_max_message(capacity)) {
    wrong = "message_size is more than lane_capacity / 2 - 8";
  }
  if (wrong == NULL) return SHM_OK;
  return shmh_fault(&channel->error, &channel->member, SHM_REFUSED, "open the channel", "", "%s",
                    wrong);
}

static inline enum ShmStatus shmci_join(struct ShmChannel *channel,
                                        const struct ShmChannelOptions *options,
                                        enum ShmhOpening opening, const struct ShmWait *wait) {
  struct ShmMembership *const member = &channel->member;
  memset(channel, 0, sizeof *channel);
  channel->options = *options;
  member->set = -1;
  member->persistent = options->persistent;
  member->trust = options->trust;
  member->default_count = SHM_CHANNEL_LANES_DEFAULT + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES;
  if (options->lanes != 0) {
    member->wanted_count = (int)options->lanes + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES;
  }
  member->wanted[0] = options->lanes;
  member->wanted[1] = options->lane_capacity;
  member->wanted[2] = options->message_size;
  enum ShmStatus status = shmh_begin(&channel->error, member, &SHMCI_KIND, opening, options->key,
                                     options->mode, options->type);
  if (status == SHM_OK) status = shmci_check_options(channel);
  if (status == SHM_OK) status = shmh_join(&channel->error, member, wait);
  if (status != SHM_OK) return status;
  channel->lanes = member->shape[0];
  channel->lane_capacity = member->shape[1];
  channel->message_size = member->shape[2];
  channel->max_message = channel->message_size != 0 ? channel->message_size
                                                    : shmci_max_message(channel->lane_capacity);
  channel->created = member->created;
  return SHM_OK;
}

/*
 * Opens the channel at the key, or creates it. The wait is for peers that join or leave; without a
 * deadline it lasts SHM_JOIN_MS. Use the handle only in the process that opened it.
 */
static inline enum ShmStatus shm_channel_open_or_create(
    struct ShmChannel *channel, const struct ShmChannelOptions *options,
    const struct ShmWait *wait) {
  return shmci_join(channel, options, SHMH_OPEN_OR_CREATE, wait);
}

/* Opens the channel at the key. ABSENT: there is none. */
static inline enum ShmStatus shm_channel_open(struct ShmChannel *channel,
                                              const struct ShmChannelOptions *options,
                                              const struct ShmWait *wait) {
  return shmci_join(channel, options, SHMH_OPEN, wait);
}

/* ---- leaving --------------------------------------------------------------------------------- */

static inline bool shmci_is_empty(const struct ShmMembership *member) {
  const struct ShmChannelLane *const words =
      &((const struct ShmChannelControl *)(const void *)member->base)->lane;
  for (uint32_t lane = 0; lane < member->shape[0]; lane++) {
    if (shmh_peek(&words[lane].producer.tail) != shmh_peek(&words[lane].consumer.head)) {
      return false;
    }
  }
  return true;
}

/*
 * Leaves. Does nothing if it has left already, and in a forked child. Close producers and consumer
 * first: their memory is detached too.
 */
static inline enum ShmLeaveResult shm_channel_leave(struct ShmChannel *channel) {
  return shmh_leave(&channel->member, shmci_is_empty);
}

/* Removes segment and set even if peers use them: their waits end with REMOVED. */
static inline enum ShmStatus shm_channel_remove(struct ShmChannel *channel) {
  return shmh_remove(&channel->error, &channel->member);
}

/* Permissions that other users have on the channel beyond options.mode, 0 if none. */
static inline unsigned shm_channel_excess(const struct ShmChannel *channel) {
  return channel->member.mode & 0022U & ~channel->options.mode;
}

/* The process that is the consumer; 0: none, or outside our pid namespace. */
static inline pid_t shm_channel_consumer_pid(const struct ShmChannel *channel) {
  return shmi_holder(channel->member.set, SHM_CHANNEL_SEM_CONSUMER, 1);
}

/* ---- message counters ------------------------------------------------------------------------ */

/* Which of the two counts up to this position; if both do, the first. */
static inline uint32_t shmci_current_counter(const struct ShmChannelMessageCounter tallies[2],
                                             uint32_t position) {
  return shmh_peek(&tallies[0].position) != position &&
                 shmh_peek(&tallies[1].position) == position
             ? 1
             : 0;
}

static inline uint64_t shmci_counter_value(const struct ShmChannelMessageCounter *counter) {
  /* acquire: a later check of the position must not move before this */
  return (uint64_t)__atomic_load_n(&counter->count_high, __ATOMIC_ACQUIRE) << 32 |
         __atomic_load_n(&counter->count_low, __ATOMIC_ACQUIRE);
}

/* Writes the counter that is not current, before its position is published. */
SHMH_HOT void shmci_fill_counter(struct ShmChannelMessageCounter *counter, uint32_t position,
                                 uint64_t count) {
  shmh_note(&counter->position, position);
  shmh_note(&counter->count_low, (uint32_t)count);
  shmh_note(&counter->count_high, (uint32_t)(count >> 32));
}

/* Messages up to a position that its writer may change in the meantime. */
static inline uint64_t shmci_count_up_to(const uint32_t *position,
                                         const struct ShmChannelMessageCounter tallies[2]) {
  uint64_t count = 0;
  for (int looks = 0; looks < 100; looks++) {
    /* SYNC tail or head: the counter of this position was written before */
    const uint32_t before = __atomic_load_n(position, __ATOMIC_ACQUIRE);
    count = shmci_counter_value(&tallies[shmci_current_counter(tallies, before)]);
    /* that counter is not written again before the position has changed */
    if (__atomic_load_n(position, __ATOMIC_ACQUIRE) == before) break;
  }
  return count;
}

static inline void shm_channel_lane_stats(const struct ShmChannel *channel, uint32_t lane,
                                          struct ShmChannelLaneStats *stats) {
  memset(stats, 0, sizeof *stats);
  if (lane >= channel->lanes) return;
  const struct ShmChannelLane *const words = &shmci_lanes(channel)[lane];
  /* the received count first: so it is never more than the sent count */
  const uint64_t received = shmci_count_up_to(&words->consumer.head, words->consumer.tallies);
  const uint32_t head = shmh_peek(&words->consumer.head);
  stats->messages = shmci_count_up_to(&words->producer.tail, words->producer.tallies);
  stats->depth = stats->messages > received ? stats->messages - received : 0;
  const uint32_t bytes = shmh_peek(&words->producer.tail) - head;
  stats->bytes = bytes < channel->lane_capacity ? bytes : channel->lane_capacity;
  stats->full_waits = shmh_peek(&words->producer.full_waits);
  stats->opened = shmh_peek(&words->producer.opened);
  stats->closed = shmh_peek(&words->producer.closed);
  stats->alive = shmi_value(channel->member.set, shmci_sem_lane(lane)) > 0;
  stats->pid = shmi_holder(channel->member.set, shmci_sem_lane(lane), 1);
}

/* ---- producer -------------------------------------------------------------------------------- */

/* Acquires this lane. BUSY: it has an owner; CORRUPT: its words are impossible for a ring. */
static inline enum ShmStatus shmci_acquire_lane(struct ShmChannelProducer *producer,
                                                struct ShmChannel *channel, uint32_t lane) {
  const enum ShmStatus status =
      shmh_acquire(&producer->error, &channel->member, shmci_sem_lane(lane));
  if (status != SHM_OK) return status;
  struct ShmChannelLane *const words = &shmci_lanes(channel)[lane];
  /* SYNC role: all that the last owner did in the ring comes before what we do */
  __atomic_load_n(&words->producer.closed, __ATOMIC_ACQUIRE);
  const uint32_t tail = shmh_peek(&words->producer.tail);
  const uint32_t head = __atomic_load_n(&words->consumer.head, __ATOMIC_ACQUIRE); /* SYNC head */
  if (tail % SHM_CHANNEL_RECORD_ALIGN != 0 || head % SHM_CHANNEL_RECORD_ALIGN != 0 ||
      tail - head > channel->lane_capacity) {
    shmi_release(channel->member.set, shmci_sem_lane(lane), 1);
    return shmci_corrupt(&producer->error, channel, lane, "its tail", tail, head);
  }
  producer->process = channel->member.process;
  producer->ring = channel->member.base + shmci_rings_at(channel->lanes) +
                   (size_t)lane * channel->lane_capacity;
  producer->words = words;
  producer->consumer_asleep = &shmci_control(channel)->consumer.asleep;
  producer->capacity = channel->lane_capacity;
  producer->shortest = channel->message_size;
  producer->span = channel->max_message - channel->message_size;
  producer->head = head;
  producer->tail = producer->written = producer->claimed = tail;
  producer->counter = shmci_current_counter(words->producer.tallies, tail);
  producer->count = shmci_counter_value(&words->producer.tallies[producer->counter]);
  producer->lane = lane;
  producer->channel = channel;
  shmh_note(&words->producer.opened, shmh_peek(&words->producer.opened) + 1);
  shmh_note(&words->producer.asleep, 0);
  return SHM_OK;
}

/*
 * Acquires a lane. BUSY: every lane has an owner, named in producer->error. CORRUPT: the free lanes
 * cannot be used.
 */
static inline enum ShmStatus shm_channel_open_producer(struct ShmChannelProducer *producer,
                                                       struct ShmChannel *channel) {
  enum ShmStatus failure = SHM_BUSY;
  memset(producer, 0, sizeof *producer);
  const enum ShmStatus allowed =
      shmh_may_write(&producer->error, &channel->member, "become a producer");
  if (allowed != SHM_OK) return allowed;
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    const enum ShmStatus status = shmci_acquire_lane(producer, channel, lane);
    if (status == SHM_BUSY) continue;
    if (status != SHM_CORRUPT) return status;
    /* a lane that cannot be written must not prevent the use of the others */
    failure = status;
  }
  if (failure != SHM_BUSY) return failure;
  return shmh_no_lane(&producer->error, &channel->member, "become a producer",
                      SHM_CHANNEL_SEM_LANE);
}

SHMH_COLD enum ShmStatus shmci_refused(struct ShmChannelProducer *producer, size_t length) {
  const struct ShmChannel *const channel = producer->channel;
  if (channel->message_size != 0) {
    return shmh_fault(&producer->error, &channel->member, SHM_REFUSED, "send the message", "",
                      "it has %llu bytes, and every message of this channel has %lu",
                      (unsigned long long)length, (unsigned long)channel->message_size);
  }
  return shmh_fault(&producer->error, &channel->member, SHM_REFUSED, "send the message",
                    "send it in pieces, or create the channel with a larger lane_capacity",
                    "it has %llu bytes, and the limit is %lu", (unsigned long long)length,
                    (unsigned long)channel->max_message);
}

SHMH_HOT uint32_t shmci_record_size(uint32_t length) {
  return (uint32_t)sizeof(struct ShmChannelRecord) +
         ((length + SHM_CHANNEL_RECORD_ALIGN - 1) & ~(SHM_CHANNEL_RECORD_ALIGN - 1));
}

/* The bytes that a message needs, with the padding before it if it would wrap. */
SHMH_HOT uint32_t shmci_need(const struct ShmChannelProducer *producer, uint32_t length) {
  const uint32_t size = shmci_record_size(length);
  const uint32_t to_end = producer->capacity - (producer->written & (producer->capacity - 1));
  return size <= to_end ? size : to_end + size;
}

SHMH_HOT bool shmci_has_room(const struct ShmChannelProducer *producer, uint32_t need) {
  return producer->written + need - producer->head <= producer->capacity;
}

/* Loads the head again (SYNC head). FULL: there is still too little room. */
SHMH_COLD enum ShmStatus shmci_look_for_room(struct ShmChannelProducer *producer, uint32_t need) {
  /* sequentially consistent, for the sleeper's half of SYNC asleep */
  const uint32_t head = __atomic_load_n(&producer->words->consumer.head, __ATOMIC_SEQ_CST);
  if (SHMH_UNLIKELY(producer->tail - head > producer->capacity ||
                    head % SHM_CHANNEL_RECORD_ALIGN != 0)) {
    return shmci_corrupt(&producer->error, producer->channel, producer->lane, "its head", head,
                         producer->tail);
  }
  producer->head = head;
  return shmci_has_room(producer, need) ? SHM_OK : SHM_FULL;
}

/*
 * Reserves a place for a message, 8-aligned, to be written and then committed or aborted. FULL:
 * there is no room. One at a time: a second claim replaces the first.
 */
SHMH_HOT enum ShmStatus shm_channel_claim(struct ShmChannelProducer *producer,
                                          size_t length, uint32_t tag, void **place) {
  *place = NULL;
  if (SHMH_UNLIKELY(!shmi_opened_here(&producer->process))) {
    return shmh_forked(&producer->error, &producer->channel->member);
  }
  if (SHMH_UNLIKELY(length - producer->shortest > producer->span)) {
    return shmci_refused(producer, length);
  }
  const uint32_t need = shmci_need(producer, (uint32_t)length);
  if (SHMH_UNLIKELY(!shmci_has_room(producer, need))) {
    const enum ShmStatus status = shmci_look_for_room(producer, need);
    if (status != SHM_OK) return status;
  }
  const uint32_t size = shmci_record_size((uint32_t)length);
  unsigned char *record = producer->ring + (producer->written & (producer->capacity - 1));
  if (SHMH_UNLIKELY(need != size)) {
    const ShmciHeader padding = SHM_CHANNEL_PADDING;
    __atomic_store_n((ShmciHeader *)(void *)record, padding, __ATOMIC_RELAXED);
    record = producer->ring;
  }
  const ShmciHeader header = (ShmciHeader)tag << 32 | length;
  __atomic_store_n((ShmciHeader *)(void *)record, header, __ATOMIC_RELAXED);
  producer->claimed = producer->written + need;
  *place = record + sizeof(struct ShmChannelRecord);
  return SHM_OK;
}

/* Stages the claimed message, which must be written: the next publish sends it. */
SHMH_HOT void shm_channel_stage_claimed(struct ShmChannelProducer *producer) {
  if (producer->claimed == producer->written) return;
  producer->written = producer->claimed;
  producer->count++;
}

/* Gives up the claimed message: it is not sent. */
SHMH_HOT void shm_channel_abort(struct ShmChannelProducer *producer) {
  producer->claimed = producer->written;
}

/* Makes all staged messages visible, at once. */
SHMH_HOT void shm_channel_publish(struct ShmChannelProducer *producer) {
  struct ShmChannelLaneProducer *const own = &producer->words->producer;
  if (producer->written == producer->tail || !shmi_opened_here(&producer->process)) return;
  producer->counter ^= 1;
  producer->tail = producer->written;
  shmci_fill_counter(&own->tallies[producer->counter], producer->tail, producer->count);
  /* SYNC tail: the records and the counter come before it. SYNC asleep: the load comes after it */
  __atomic_store_n(&own->tail, producer->tail, __ATOMIC_SEQ_CST);
  shmh_wake(producer->consumer_asleep);
}

/* Publishes the claimed message, which must be written, with all messages staged before. */
SHMH_HOT void shm_channel_commit(struct ShmChannelProducer *producer) {
  shm_channel_stage_claimed(producer);
  shm_channel_publish(producer);
}

/* Writes a message that becomes visible with the next publish. FULL: there is no room for it. */
SHMH_HOT enum ShmStatus shm_channel_stage(struct ShmChannelProducer *producer,
                                          const void *bytes, size_t length, uint32_t tag) {
  void *place;
  const enum ShmStatus status = shm_channel_claim(producer, length, tag, &place);
  if (SHMH_UNLIKELY(status != SHM_OK)) return status;
  if (length > 0) memcpy(place, bytes, length);
  shm_channel_stage_claimed(producer);
  return SHM_OK;
}

/* Sends a message, after all staged messages. FULL: there is no room for it. */
SHMH_HOT enum ShmStatus shm_channel_try_send(struct ShmChannelProducer *producer,
                                             const void *bytes, size_t length,
                                             uint32_t tag) {
  const enum ShmStatus status = shm_channel_stage(producer, bytes, length, tag);
  shm_channel_publish(producer);
  return status;
}

/* Fails if the wait needs a consumer and there is none: no process would free room. */
static inline enum ShmStatus shmci_check_consumer(struct ShmChannelProducer *producer,
                                                  const struct ShmWait *wait) {
  const struct ShmChannel *const channel = producer->channel;
  if (wait == NULL || !wait->need_consumer) return SHM_OK;
  if (shmi_value(channel->member.set, SHM_CHANNEL_SEM_CONSUMER) != 0) return SHM_OK;
  return shmh_fault(&producer->error, &channel->member, SHM_NO_CONSUMER, "send the message",
                    "start a consumer", "the lane is full and there is no consumer");
}

SHMH_COLD enum ShmStatus shmci_sleep_for_room(struct ShmChannelProducer *producer,
                                              uint32_t need,
                                              const struct ShmWait *wait) {
  struct ShmChannelLaneProducer *const own = &producer->words->producer;
  const int64_t began = shm_now();
  const int64_t slice = SHM_SLICE_MS * INT64_C(1000000);
  int64_t next_check = began + slice;
  enum ShmStatus status;
  do {
    /* SYNC asleep, the sleeper's half: the store, then the load of the head */
    __atomic_store_n(&own->asleep, 1U, __ATOMIC_SEQ_CST);
    status = shmci_look_for_room(producer, need);
    if (status != SHM_FULL) break;
    const uint32_t tail = shmh_peek(&own->tail);
    if (tail != producer->tail) {
      status = shmci_corrupt(&producer->error, producer->channel, producer->lane, "its tail", tail,
                             producer->tail);
      break;
    }
    status = shmci_check_consumer(producer, wait);
    if (status != SHM_OK) break;
    status = shmh_sleep(&producer->error, &producer->channel->member, &own->asleep, 1, slice, wait,
                        &next_check);
  } while (status == SHM_OK);
  shmh_note(&own->asleep, 0);
  shmi_slept(&producer->spinning, shm_now() - began);
  return status;
}

/* Publishes the staged messages, then waits until a message of this length can be claimed. */
static inline enum ShmStatus shm_channel_wait_room(struct ShmChannelProducer *producer,
                                                   size_t length,
                                                   const struct ShmWait *wait) {
  if (!shmi_opened_here(&producer->process)) {
    return shmh_forked(&producer->error, &producer->channel->member);
  }
  if (length - producer->shortest > producer->span) return shmci_refused(producer, length);
  shm_channel_publish(producer);
  const uint32_t need = shmci_need(producer, (uint32_t)length);
  enum ShmStatus status =
      shmci_has_room(producer, need) ? SHM_OK : shmci_look_for_room(producer, need);
  if (status != SHM_FULL) return status;
  uint32_t *const full_waits = &producer->words->producer.full_waits;
  shmh_note(full_waits, shmh_peek(full_waits) + 1);
  const uint32_t looks = shmh_looks(&producer->spinning, wait);
  for (uint32_t look = 0; look < looks && status == SHM_FULL; look++) {
    shmi_relax();
    status = shmci_look_for_room(producer, need);
  }
  if (looks > 0) shmi_spun(&producer->spinning, status != SHM_FULL);
  return status == SHM_FULL ? shmci_sleep_for_room(producer, need, wait) : status;
}

/* Sends a message, after all staged messages, and waits for room. */
SHMH_HOT enum ShmStatus shm_channel_send(struct ShmChannelProducer *producer,
                                         const void *bytes, size_t length, uint32_t tag,
                                         const struct ShmWait *wait) {
  enum ShmStatus status = shm_channel_try_send(producer, bytes, length, tag);
  while (SHMH_UNLIKELY(status == SHM_FULL)) {
    status = shm_channel_wait_room(producer, length, wait);
    if (status == SHM_OK) status = shm_channel_try_send(producer, bytes, length, tag);
  }
  return status;
}

/* Publishes staged messages and releases the lane. Does nothing if closed or in a forked child. */
static inline void shm_channel_close_producer(struct ShmChannelProducer *producer) {
  if (producer->channel == NULL || !shmi_opened_here(&producer->process)) return;
  uint32_t *const closed = &producer->words->producer.closed;
  shm_channel_publish(producer);
  __atomic_store_n(closed, shmh_peek(closed) + 1, __ATOMIC_RELEASE); /* SYNC role */
  shmi_release(producer->channel->member.set, shmci_sem_lane(producer->lane), 1);
  shmh_wake(producer->consumer_asleep);
  producer->channel = NULL;
}

/* ---- consumer -------------------------------------------------------------------------------- */

/* Whether any lane has a producer now. */
static inline enum ShmStatus shmci_see_producers(struct ShmChannelConsumer *consumer,
                                                 const struct ShmChannel *channel,
                                                 bool *present) {
  unsigned short values[SHM_CHANNEL_LANES_MAX + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES];
  union ShmiSemun argument;
  argument.array = values;
  if (semctl(channel->member.set, 0, GETALL, argument) == -1) {
    if (shmi_gone(errno)) return shmh_removed(&consumer->error, &channel->member);
    return shmh_error(&consumer->error, &channel->member, "use the channel", "semctl", errno);
  }
  *present = false;
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    *present = *present || values[shmci_sem_lane(lane)] != 0;
  }
  consumer->seen = consumer->seen || *present;
  return SHM_OK;
}

/* Becomes the consumer. BUSY: another process is, named in consumer->error. */
static inline enum ShmStatus shm_channel_open_consumer(struct ShmChannelConsumer *consumer,
                                                       struct ShmChannel *channel) {
  memset(consumer, 0, sizeof *consumer);
  enum ShmStatus status =
      shmh_may_write(&consumer->error, &channel->member, "become the consumer");
  if (status != SHM_OK) return status;
  status = shmh_acquire(&consumer->error, &channel->member, SHM_CHANNEL_SEM_CONSUMER);
  if (status == SHM_BUSY) {
    return shmh_fault(&consumer->error, &channel->member, status, "become the consumer",
                      "stop that one or use another key", "it has a consumer already, %s",
                      shmi_process_name(shm_channel_consumer_pid(channel)).text);
  }
  if (status != SHM_OK) return status;
  struct ShmChannelControl *const control = shmci_control(channel);
  struct ShmChannelLane *const words = shmci_lanes(channel);
  /* SYNC role: all that the last consumer read comes before what we free */
  __atomic_load_n(&control->consumer.asleep, __ATOMIC_ACQUIRE);
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    struct ShmciReader *const reader = &consumer->readers[lane];
    /* any value: a lane that cannot be read fails in its turn, and can be discarded */
    const uint32_t head = shmh_peek(&words[lane].consumer.head);
    reader->head = reader->read = reader->tail = head;
    reader->counter = shmci_current_counter(words[lane].consumer.tallies, head);
    reader->count = shmci_counter_value(&words[lane].consumer.tallies[reader->counter]);
    reader->opened = shmh_peek(&words[lane].producer.opened);
  }
  /* read after `opened`: one of the two shows a producer that opens in between */
  bool present;
  status = shmci_see_producers(consumer, channel, &present);
  if (status != SHM_OK) {
    shmi_release(channel->member.set, SHM_CHANNEL_SEM_CONSUMER, 1);
    return status;
  }
  consumer->process = channel->member.process;
  consumer->rings = channel->member.base + shmci_rings_at(channel->lanes);
  consumer->words = words;
  consumer->asleep = &control->consumer.asleep;
  consumer->lanes = channel->lanes;
  consumer->capacity = channel->lane_capacity;
  consumer->shortest = channel->message_size;
  consumer->span = channel->max_message - channel->message_size;
  consumer->channel = channel;
  shmh_note(consumer->asleep, 0);
  shmh_note(&control->consumer.opened, shmh_peek(&control->consumer.opened) + 1);
  return SHM_OK;
}

SHMH_HOT void shmci_next_lane(struct ShmChannelConsumer *consumer) {
  consumer->lane = consumer->lane + 1 == consumer->lanes ? 0 : consumer->lane + 1;
}

/* Frees the space of all delivered messages of a lane, for its owner. */
SHMH_HOT void shmci_publish_head(struct ShmChannelConsumer *consumer, uint32_t lane) {
  struct ShmChannelLane *const words = &consumer->words[lane];
  struct ShmciReader *const reader = &consumer->readers[lane];
  if (reader->read == reader->head) return;
  reader->counter ^= 1;
  reader->head = reader->read;
  reader->count += reader->taken;
  reader->taken = 0;
  shmci_fill_counter(&words->consumer.tallies[reader->counter], reader->head, reader->count);
  /* SYNC head: all reads of the messages come before it. SYNC asleep: the load comes after it */
  __atomic_store_n(&words->consumer.head, reader->head, __ATOMIC_SEQ_CST);
  shmh_wake(&words->producer.asleep);
}

/* Records that the lane's head will be behind what was delivered; called before it is. */
SHMH_HOT void shmci_lag(struct ShmChannelConsumer *consumer, uint32_t lane) {
  const struct ShmciReader *const reader = &consumer->readers[lane];
  if (reader->read == reader->head) consumer->dirty[consumer->dirty_count++] = (uint16_t)lane;
}

/*
 * Acknowledges all delivered messages: they count as received, and their space is free, so their
 * bytes must not be read any more. Asking for the next message does it too, closing does not.
 */
SHMH_HOT void shm_channel_ack(struct ShmChannelConsumer *consumer) {
  if (consumer->dirty_count > 0 && SHMH_UNLIKELY(!shmi_opened_here(&consumer->process))) return;
  while (consumer->dirty_count > 0) {
    shmci_publish_head(consumer, consumer->dirty[--consumer->dirty_count]);
  }
}

/*
 * Negative acknowledge: puts all messages back that are delivered but not acknowledged. They are
 * received next, here or by the next consumer.
 */
static inline void shm_channel_nack(struct ShmChannelConsumer *consumer) {
  if (consumer->dirty_count > 0 && !shmi_opened_here(&consumer->process)) return;
  while (consumer->dirty_count > 0) {
    struct ShmciReader *const reader = &consumer->readers[consumer->dirty[--consumer->dirty_count]];
    reader->read = reader->head;
    reader->taken = 0;
  }
}

/* Whether a lane has a message. Reads its tail only if all up to the last one was delivered. */
SHMH_HOT enum ShmStatus shmci_look_at_tail(struct ShmChannelConsumer *consumer, uint32_t lane) {
  struct ShmciReader *const reader = &consumer->readers[lane];
  if (reader->read != reader->tail) return SHM_OK;
  /* SYNC tail */
  const uint32_t tail = __atomic_load_n(&consumer->words[lane].producer.tail, __ATOMIC_ACQUIRE);
  if (tail == reader->read) return SHM_EMPTY;
  const uint32_t out = reader->read - reader->head;
  if (SHMH_UNLIKELY(tail - reader->read > consumer->capacity - out ||
                    (tail | reader->head) % SHM_CHANNEL_RECORD_ALIGN != 0)) {
    return shmci_corrupt(&consumer->error, consumer->channel, lane, "its tail", tail,
                         reader->head);
  }
  reader->tail = tail;
  consumer->seen = true;
  return SHM_OK;
}

/*
 * The record at the position, which is before the tail; moves the position past padding. EMPTY:
 * there was only padding.
 */
SHMH_HOT enum ShmStatus shmci_parse(struct ShmChannelConsumer *consumer, uint32_t lane,
                                    uint32_t *position, uint32_t tail,
                                    struct ShmChannelMessage *message) {
  const unsigned char *const ring = consumer->rings + (size_t)lane * consumer->capacity;
  for (;;) {
    const uint32_t index = *position & (consumer->capacity - 1);
    const uint32_t left = tail - *position;
    const uint32_t to_end = consumer->capacity - index;
    const uint32_t most = (left < to_end ? left : to_end) - SHM_CHANNEL_RECORD_ALIGN;
    /* read once: it may change at any time */
    const ShmciHeader header =
        __atomic_load_n((const ShmciHeader *)(const void *)(ring + index), __ATOMIC_RELAXED);
    const uint32_t length = (uint32_t)header;
    if (SHMH_LIKELY(length <= most && length - consumer->shortest <= consumer->span)) {
      message->bytes = ring + index + sizeof(struct ShmChannelRecord);
      message->length = length;
      message->tag = (uint32_t)(header >> 32);
      message->lane = lane;
      return SHM_OK;
    }
    if (length != SHM_CHANNEL_PADDING || to_end > left || index == 0) {
      shmci_corrupt(&consumer->error, consumer->channel, lane, "the length of a record", length,
                    most);
      /* the constant: so the compiler knows that OK means that there is a message */
      return SHM_CORRUPT;
    }
    *position += to_end;
    if (*position == tail) return SHM_EMPTY;
  }
}

/* The next message that was not delivered; its lane becomes the current one. */
SHMH_HOT enum ShmStatus shmci_front(struct ShmChannelConsumer *consumer,
                                    struct ShmChannelMessage *message) {
  if (SHMH_UNLIKELY(!shmi_opened_here(&consumer->process))) {
    return shmh_forked(&consumer->error, &consumer->channel->member);
  }
  for (uint32_t looks = 0; looks < consumer->lanes; looks++) {
    const uint32_t lane = consumer->lane;
    struct ShmciReader *const reader = &consumer->readers[lane];
    enum ShmStatus status = shmci_look_at_tail(consumer, lane);
    if (status == SHM_OK) {
      uint32_t position = reader->read;
      status = shmci_parse(consumer, lane, &position, reader->tail, message);
      if (SHMH_UNLIKELY(position != reader->read)) shmci_lag(consumer, lane);
      reader->read = position;
      if (SHMH_LIKELY(status == SHM_OK)) return status;
    }
    /* a lane that cannot be read must not prevent the use of the others */
    shmci_next_lane(consumer);
    if (status != SHM_EMPTY) return status;
  }
  return SHM_EMPTY;
}

/* Marks the message at the front as delivered. A lane's turn ends at the tail of its beginning. */
SHMH_HOT void shmci_advance(struct ShmChannelConsumer *consumer,
                            const struct ShmChannelMessage *message) {
  struct ShmciReader *const reader = &consumer->readers[message->lane];
  shmci_lag(consumer, message->lane);
  reader->read += shmci_record_size(message->length);
  reader->taken++;
  if (reader->read == reader->tail) shmci_next_lane(consumer);
}

/*
 * The next message, in the ring. Acknowledges none of the messages before. For batches that
 * shm_channel_ack acknowledges together.
 */
SHMH_HOT enum ShmStatus shm_channel_more(struct ShmChannelConsumer *consumer,
                                         struct ShmChannelMessage *message) {
  /* no compiler finds out that a status of OK comes with a message */
  memset(message, 0, sizeof *message);
  const enum ShmStatus status = shmci_front(consumer, message);
  if (SHMH_LIKELY(status == SHM_OK)) shmci_advance(consumer, message);
  return status;
}

/*
 * The next message, in the ring; acknowledges those before. It stays unacknowledged until
 * shm_channel_ack or the next call: if the consumer closes or dies before, the next consumer
 * receives it, at least once. EMPTY: there is none.
 */
SHMH_HOT enum ShmStatus shm_channel_next(struct ShmChannelConsumer *consumer,
                                         struct ShmChannelMessage *message) {
  shm_channel_ack(consumer);
  return shm_channel_more(consumer, message);
}

/*
 * Passes every message that is there to the receiver, at most `max` of them (0: no limit), and
 * acknowledges those that it returned from: one store for many. The bytes are valid only during the
 * call. EMPTY: there was none. If the consumer dies in the receiver, or a C++ exception leaves it,
 * its message comes again, and some before it may: at least once.
 */
SHMH_HOT enum ShmStatus shm_channel_drain(struct ShmChannelConsumer *consumer,
                                          ShmChannelReceiver receive, void *argument,
                                          uint64_t max, uint64_t *received) {
  const uint64_t most = max != 0 ? max : UINT64_MAX;
  /* freed in parts, so that the owner of a full lane continues to write while we read */
  const uint32_t part = consumer->capacity / 4;
  uint64_t count = 0;
  enum ShmStatus status = SHM_OK;
  if (received != NULL) *received = 0;
  if (SHMH_UNLIKELY(!shmi_opened_here(&consumer->process))) {
    return shmh_forked(&consumer->error, &consumer->channel->member);
  }
  shm_channel_ack(consumer);
  for (uint32_t looks = 0; looks < consumer->lanes && count < most; looks++) {
    const uint32_t lane = consumer->lane;
    struct ShmciReader *const reader = &consumer->readers[lane];
    status = shmci_look_at_tail(consumer, lane);
    if (status == SHM_OK) {
      const uint32_t tail = reader->tail;
      uint32_t read = reader->read;
      uint32_t taken = 0;
      while (read != tail && count < most) {
        struct ShmChannelMessage message;
        status = shmci_parse(consumer, lane, &read, tail, &message);
        if (SHMH_UNLIKELY(status != SHM_OK)) break;
        receive(argument, &message);
        read += shmci_record_size(message.length);
        taken++;
        count++;
        if (SHMH_UNLIKELY(read - reader->head >= part)) {
          reader->read = read;
          reader->taken = taken;
          taken = 0;
          shmci_publish_head(consumer, lane);
        }
      }
      reader->read = read;
      reader->taken = taken;
      shmci_publish_head(consumer, lane);
    }
    if (status != SHM_OK || reader->read == reader->tail) shmci_next_lane(consumer);
    if (status == SHM_CORRUPT) break;
  }
  if (received != NULL) *received = count;
  if (status == SHM_CORRUPT) return status;
  return count > 0 ? SHM_OK : SHM_EMPTY;
}

/* Whether there is something to receive: OK. Reads every tail again. */
static inline enum ShmStatus shmci_look_at_tails(const struct ShmChannelConsumer *consumer) {
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    /* sequentially consistent, for the sleeper's half of SYNC asleep */
    if (__atomic_load_n(&consumer->words[lane].producer.tail, __ATOMIC_SEQ_CST) !=
        consumer->readers[lane].read) {
      return SHM_OK;
    }
  }
  return SHM_EMPTY;
}

/* Checks that memory still holds the positions that we stored. */
static inline enum ShmStatus shmci_check_heads(struct ShmChannelConsumer *consumer) {
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    const uint32_t head = shmh_peek(&consumer->words[lane].consumer.head);
    if (head != consumer->readers[lane].head) {
      return shmci_corrupt(&consumer->error, consumer->channel, lane, "its head", head,
                           consumer->readers[lane].head);
    }
  }
  return SHM_OK;
}

/* CLOSED: there was a producer, there is none now, and, read after that, no message is left. */
static inline enum ShmStatus shmci_check_closed(struct ShmChannelConsumer *consumer,
                                                const struct ShmWait *wait) {
  if (wait == NULL || !wait->until_closed) return SHM_OK;
  /* the past producers before the present ones: one that comes in between must not count as gone */
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    if (shmh_peek(&consumer->words[lane].producer.opened) != consumer->readers[lane].opened) {
      consumer->seen = true;
    }
  }
  bool present;
  const enum ShmStatus status = shmci_see_producers(consumer, consumer->channel, &present);
  if (status != SHM_OK) return status;
  const bool over =
      consumer->seen && !present && shmci_look_at_tails(consumer) == SHM_EMPTY;
  return over ? SHM_CLOSED : SHM_OK;
}

SHMH_COLD enum ShmStatus shmci_sleep_for_messages(struct ShmChannelConsumer *consumer,
                                                  const struct ShmWait *wait) {
  const int64_t began = shm_now();
  const int64_t slice = SHM_SLICE_MS * INT64_C(1000000);
  int64_t next_check = began + slice;
  enum ShmStatus status;
  do {
    /* SYNC asleep, the sleeper's half: the store, then the loads of the tails */
    __atomic_store_n(consumer->asleep, 1U, __ATOMIC_SEQ_CST);
    status = shmci_look_at_tails(consumer);
    if (status != SHM_EMPTY) break;
    status = shmci_check_heads(consumer);
    if (status != SHM_OK) break;
    status = shmci_check_closed(consumer, wait);
    if (status != SHM_OK) break;
    status = shmh_sleep(&consumer->error, &consumer->channel->member, consumer->asleep, 1, slice,
                        wait, &next_check);
  } while (status == SHM_OK);
  shmh_note(consumer->asleep, 0);
  shmi_slept(&consumer->spinning, shm_now() - began);
  return status;
}

/* Acknowledges the delivered messages, then waits until there is something to receive. */
static inline enum ShmStatus shm_channel_wait(struct ShmChannelConsumer *consumer,
                                              const struct ShmWait *wait) {
  if (!shmi_opened_here(&consumer->process)) {
    return shmh_forked(&consumer->error, &consumer->channel->member);
  }
  shm_channel_ack(consumer);
  enum ShmStatus status = shmci_look_at_tails(consumer);
  if (status == SHM_OK) return status;
  const uint32_t looks = shmh_looks(&consumer->spinning, wait);
  for (uint32_t look = 0; look < looks && status == SHM_EMPTY; look++) {
    shmi_relax();
    status = shmci_look_at_tails(consumer);
  }
  if (looks > 0) shmi_spun(&consumer->spinning, status == SHM_OK);
  return status == SHM_EMPTY ? shmci_sleep_for_messages(consumer, wait) : status;
}

/*
 * Copies the next message into the buffer; it must be acknowledged as with shm_channel_next. EMPTY:
 * there is none. REFUSED: the buffer is too small, it needs message->length bytes; the message was
 * not delivered. With shm_channel_ack right after it, a message comes at most once.
 */
SHMH_HOT enum ShmStatus shm_channel_try_receive(struct ShmChannelConsumer *consumer,
                                                void *buffer, size_t size,
                                                struct ShmChannelMessage *message) {
  /* no compiler finds out that a status of OK comes with a message */
  memset(message, 0, sizeof *message);
  shm_channel_ack(consumer);
  const enum ShmStatus status = shmci_front(consumer, message);
  if (SHMH_UNLIKELY(status != SHM_OK)) return status;
  if (SHMH_UNLIKELY(message->length > size)) {
    return shmh_fault(&consumer->error, &consumer->channel->member, SHM_REFUSED,
                      "receive the message", "no message is longer than channel.max_message",
                      "it has %lu bytes and there is room for %llu",
                      (unsigned long)message->length, (unsigned long long)size);
  }
  if (message->length > 0) memcpy(buffer, message->bytes, message->length);
  message->bytes = buffer;
  shmci_advance(consumer, message);
  return SHM_OK;
}

/* As shm_channel_try_receive, but waits for a message. */
SHMH_HOT enum ShmStatus shm_channel_receive(struct ShmChannelConsumer *consumer,
                                            void *buffer, size_t size,
                                            struct ShmChannelMessage *message,
                                            const struct ShmWait *wait) {
  enum ShmStatus status = shm_channel_try_receive(consumer, buffer, size, message);
  while (SHMH_UNLIKELY(status == SHM_EMPTY)) {
    status = shm_channel_wait(consumer, wait);
    if (status != SHM_OK) break;
    status = shm_channel_try_receive(consumer, buffer, size, message);
    /* a tail that was taken back is untrusted data: it must not keep us here */
    if (SHMH_UNLIKELY(status == SHM_EMPTY && shm_now() >= shmh_deadline(wait))) {
      return shmh_expired(&consumer->error, &consumer->channel->member);
    }
  }
  return status;
}

/*
 * Calls the handler with each message, one after the other, and acknowledges it when the handler
 * returns true. Ends with UNHANDLED when it returns false, with CLOSED if the wait says
 * until_closed, and as shm_channel_wait does. A message for which the handler returned false, or
 * threw a C++ exception, stays: it is received next.
 */
static inline enum ShmStatus shm_channel_consume(struct ShmChannelConsumer *consumer,
                                                 ShmChannelHandler handler, void *argument,
                                                 const struct ShmWait *wait) {
  for (;;) {
    struct ShmChannelMessage message;
    memset(&message, 0, sizeof message);
    enum ShmStatus status = shm_channel_wait(consumer, wait);
    if (status == SHM_OK) status = shmci_front(consumer, &message);
    if (shmh_should_stop(wait)) return shmh_stopped(&consumer->error, &consumer->channel->member);
    /* a tail that was taken back is untrusted data: it must not keep us here */
    if (status == SHM_EMPTY && shm_now() < shmh_deadline(wait)) continue;
    if (status == SHM_EMPTY) return shmh_expired(&consumer->error, &consumer->channel->member);
    if (status != SHM_OK) return status;
    /* it is not marked as delivered yet: nothing has to be put back, an exception may pass */
    if (!handler(argument, &message)) return SHM_UNHANDLED;
    shmci_advance(consumer, &message);
    shm_channel_ack(consumer);
  }
}

/*
 * Drops everything that is in a lane now, even contents that no reader can interpret (CORRUPT, with
 * the lane in error.lane), and continues after it. Unacknowledged messages of other lanes stay so.
 */
static inline enum ShmStatus shm_channel_discard(struct ShmChannelConsumer *consumer,
                                                 uint32_t lane) {
  if (!shmi_opened_here(&consumer->process)) {
    return shmh_forked(&consumer->error, &consumer->channel->member);
  }
  if (lane >= consumer->lanes) {
    return shmh_fault(&consumer->error, &consumer->channel->member, SHM_REFUSED, "discard a lane",
                      "", "there is no lane %lu", (unsigned long)lane);
  }
  struct ShmciReader *const reader = &consumer->readers[lane];
  uint32_t *const place = &consumer->words[lane].producer.tail;
  uint32_t there = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  const uint32_t tail = there & ~(SHM_CHANNEL_RECORD_ALIGN - 1);
  /* no owner stores or accepts an unaligned tail: without this the lane would be lost */
  if (tail != there) {
    __atomic_compare_exchange_n(place, &there, tail, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
  }
  /* a dropped message may have left the channel under a number that another one gets now */
  uint32_t *const identity = shmci_control(consumer->channel)->consumer.identity;
  shmh_note(&identity[0], 0);
  shmh_note(&identity[1], 0);
  if (reader->read == reader->head) shmci_lag(consumer, lane);
  reader->read = reader->tail = tail;
  /* only the owner's counter may know how many messages they were */
  const struct ShmChannelMessageCounter *const tallies = consumer->words[lane].producer.tallies;
  const struct ShmChannelMessageCounter *const counter =
      &tallies[shmci_current_counter(tallies, tail)];
  const uint64_t sent = shmci_counter_value(counter);
  if (shmh_peek(&counter->position) == tail && sent > reader->count) {
    reader->count = sent;
    reader->taken = 0;
  }
  /* store the head even if only memory differs from what we know */
  if (reader->read == reader->head) reader->head--;
  shmci_publish_head(consumer, lane);
  uint32_t at = 0;
  while (consumer->dirty[at] != lane) at++;
  consumer->dirty[at] = consumer->dirty[--consumer->dirty_count];
  return SHM_OK;
}

/*
 * Releases the role and acknowledges nothing: unacknowledged messages go to the next consumer. Does
 * nothing if closed, and in a forked child.
 */
static inline void shm_channel_close_consumer(struct ShmChannelConsumer *consumer) {
  if (consumer->channel == NULL || !shmi_opened_here(&consumer->process)) return;
  __atomic_store_n(consumer->asleep, 0U, __ATOMIC_RELEASE); /* SYNC role */
  shmi_release(consumer->channel->member.set, SHM_CHANNEL_SEM_CONSUMER, 1);
  consumer->channel = NULL;
}

#endif
