/*
 * The topic of @sysv/shm for C11 and C++17: each message of a publisher for all subscribers, in
 * order per publisher. Publishers never wait: a subscriber that is too slow is overrun, and learns
 * exactly how many messages it missed. (Reliable delivery is what the channel is for.) The protocol
 * is docs/wire_format.md; this header follows it step by step and uses its words. Header only; it
 * needs shm_topic_layout.h, shm_headed.h, shm_membership.h and shm_sync.h in the same directory. In
 * C, include it before any system header (it requests the GNU interfaces).
 *
 * src/topic/descriptor.ts defines which process writes which word of the segment. In short: the
 * owner of a lane writes its words and its ring, from tail to intent; subscribers write only
 * `waiting`, and those that opened the topic read-only write nothing. Invariant: 0 <= intent - tail
 * <= capacity modulo 2^32, with whole records up to the tail.
 *
 * Happens-before edges
 *   SYNC ready      magic (release) by the creator -> load of it (acquire) by a process that joins
 *   SYNC tail       a lane's tail (release) by its owner -> load of it (acquire) by a subscriber
 *   SYNC overwrite  a lane's intent, a release fence, then its owner's stores to ring and states ->
 *                   a subscriber's loads of them, an acquire fence, then its load of intent: a
 *                   subscriber that has copied a byte of a new record sees the intent to write it
 *   SYNC waiting    not an edge but an order: a subscriber makes `waiting` odd, then loads the
 *                   tails; an owner stores its tail, then loads `waiting`; all sequentially
 *                   consistent, so at least one of them sees what the other stored
 *   SYNC role       the last owner of a lane -> the next one: the kernel's semaphore. A compiler
 *                   does not know what that does, so `closed` is stored with release on closing,
 *                   and loaded with acquire on opening
 *
 * Memory holds untrusted data: other users of the key may be hostile. Messages are copied before
 * they are checked, and nothing of a copy is handed out before it is valid.
 *
 * Several threads may use one ShmTopic; only one at a time may use a publisher or a subscriber. A
 * forked child has nothing of what its parent opened: calls with an inherited handle do nothing and
 * return FORKED. A child that needs the topic opens it again.
 *
 *   struct ShmTopic topic;
 *   struct ShmTopicOptions options = shm_topic_options(0x5eed0003);
 *   if (shm_topic_open_or_create(&topic, &options, NULL) != SHM_OK)
 *     ...shm_describe(&topic.error, line, sizeof line)...
 *
 *   one process                                      the others
 *   struct ShmTopicPublisher publisher;              struct ShmTopicSubscriber subscriber;
 *   shm_topic_open_publisher(&publisher, &topic);    shm_topic_open_subscriber(&subscriber, &topic,
 *   shm_topic_publish(&publisher, "hello", 5, 0);                              0);
 *   shm_topic_close_publisher(&publisher);           shm_topic_receive(&subscriber, &message,
 *   shm_topic_leave(&topic);                                           NULL);
 */
#ifndef SYSV_SHM_TOPIC_H
#define SYSV_SHM_TOPIC_H

#include "shm_headed.h"
#include "shm_topic_layout.h"

/* Start with shm_topic_options(key). */
struct ShmTopicOptions {
  key_t key;
  uint32_t lanes;         /* 0: as found, or 8 */
  uint32_t lane_capacity; /* bytes of one ring, a power of two. 0: as found, or 1 MiB */
  uint32_t message_size;  /* bytes of every message. 0: as found; or of `type`, or lengths differ */
  const char *type;       /* the struct of the messages (its ..._MESSAGE_TYPE). NULL: bytes */
  unsigned mode;          /* permissions of what we create, within 0666 */
  bool persistent;        /* what we create stays when the last peer leaves */
  bool trust;             /* accept an object that another user created or owns */
};

struct ShmTopic {
  struct ShmMembership member; /* member.mode: permissions found, of segment and set together */
  struct ShmTopicOptions options;
  uint32_t lanes;
  uint32_t lane_capacity;
  uint32_t message_size;       /* 0: lengths differ */
  uint32_t max_message;        /* the longest message, in bytes */
  bool created;                /* we initialised it */
  struct ShmError error;       /* of the last call on the topic itself that did not return OK */
};

/* One message. The bytes are the subscriber's copy, 8-aligned. */
struct ShmTopicMessage {
  const void *bytes;
  uint32_t length;
  uint32_t tag;
  uint32_t lane;   /* the rest is set by the subscriber */
  uint64_t number; /* of its lane, from 1 */
  uint64_t missed; /* messages of its lane that were overwritten since the message before it */
};

/* Called for each message of a drain; must not call any function with the subscriber. */
typedef void (*ShmTopicReceiver)(void *argument, const struct ShmTopicMessage *message);

struct ShmTopicPublisher {
  /* all private: these positions are the authority, memory has copies for other processes */
  struct ShmiProcess process;
  unsigned char *ring;
  struct ShmTopicLane *words;
  uint32_t *waiting;
  uint32_t capacity;
  uint32_t shortest; /* of a message */
  uint32_t span;     /* longest - shortest */
  uint32_t intent;
  uint64_t tail;     /* published up to here; memory has both halves */
  uint32_t last;     /* the position of the newest record */
  uint32_t state;    /* the index of the current one */
  uint64_t count;    /* messages so far: the number of the newest */
  uint32_t lane;
  struct ShmTopic *topic; /* NULL: closed */
  struct ShmError error;  /* of the last call that did not return OK */
};

/* The subscriber's state of a lane. */
struct ShmtiReader {
  uint64_t position; /* read up to here */
  uint64_t next;     /* the number of the next message; 0: unknown */
  uint64_t missed;   /* to be reported with the next message */
  uint32_t reach;    /* how many bytes to go back after an overrun */
  bool lost;         /* memory is corrupt: wait for another tail than `position`, go on there */
};

struct ShmTopicSubscriber {
  struct ShmiProcess process;
  const struct ShmTopicLane *words;
  const unsigned char *rings;
  uint32_t *waiting;
  uint32_t lanes;
  uint32_t capacity;
  uint32_t shortest;
  uint32_t span;
  uint32_t lane;         /* the lane to read next, or that the copy is of */
  uint64_t missed;       /* messages of all lanes that were overwritten before they were received */
  unsigned char *buffer; /* of malloc: checked records of one lane */
  size_t room;           /* its size */
  size_t at;             /* delivered up to here */
  size_t end;            /* the end of the checked bytes */
  struct ShmiSpinning spinning;
  struct ShmTopic *topic; /* NULL: closed */
  struct ShmError error;  /* of the last call that did not return OK or EMPTY */
  struct ShmtiReader readers[SHM_TOPIC_LANES_MAX];
};

/* Figures for display; each is correct, but not all of the same instant. */
struct ShmTopicLaneStats {
  uint64_t messages; /* ever published */
  uint32_t opened;
  uint32_t closed;
  bool alive;        /* the lane has an owner */
  pid_t pid;         /* of the owner; 0: none, or outside our pid namespace */
};

/* The history that a subscriber asks for: all that the rings still hold. */
#define SHM_TOPIC_ALL UINT64_MAX

/* ---- errors ---------------------------------------------------------------------------------- */

SHMH_COLD enum ShmStatus shmti_corrupt(struct ShmError *error, const struct ShmTopic *topic,
                                       uint32_t lane, const char *what, uint64_t there,
                                       uint64_t other) {
  shmh_fault(error, &topic->member, SHM_CORRUPT, "use the topic",
             "another program wrote into it: the lane goes on with its next message, and the others"
             " are not concerned",
             "lane %lu: %s is %llu, which is impossible (with %llu)", (unsigned long)lane, what,
             (unsigned long long)there, (unsigned long long)other);
  error->lane = lane;
  return SHM_CORRUPT;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

SHMH_IS_HEADER(ShmTopicHeader, lanes, lane_capacity, message_size);

/* The longest message: a quarter of a ring with its record. */
static inline uint32_t shmti_max_message(uint32_t capacity) {
  return capacity / 4 - (uint32_t)sizeof(struct ShmTopicRecord);
}

SHMH_HOT uint32_t shmti_record_size(uint32_t length) {
  return (uint32_t)sizeof(struct ShmTopicRecord) +
         ((length + SHM_TOPIC_RECORD_ALIGN - 1) & ~(SHM_TOPIC_RECORD_ALIGN - 1));
}

static inline size_t shmti_rings_at(uint32_t lanes) {
  return offsetof(struct ShmTopicControl, lane) + lanes * sizeof(struct ShmTopicLane);
}

static inline size_t shmti_size(uint32_t lanes, uint32_t capacity) {
  return shmti_rings_at(lanes) + (size_t)lanes * capacity + SHM_TOPIC_UNUSED_AT_END;
}

/* The capacity of the rings in a segment of this size; 0: it cannot be a topic. */
static inline uint32_t shmti_capacity_for(uint32_t lanes, size_t size) {
  const size_t beside = shmti_rings_at(lanes) + SHM_TOPIC_UNUSED_AT_END;
  if (size < beside) return 0;
  return shmh_capacity_in(size - beside, lanes, SHM_TOPIC_LANE_CAPACITY_MIN,
                          SHM_TOPIC_LANE_CAPACITY_MAX);
}

static inline struct ShmTopicControl *shmti_control(const struct ShmTopic *topic) {
  return (struct ShmTopicControl *)(void *)topic->member.base;
}

/* The words of lane 0; those of the others follow. */
static inline struct ShmTopicLane *shmti_lanes(const struct ShmTopic *topic) {
  return &shmti_control(topic)->lane;
}

static inline int shmti_sem_lane(uint32_t lane) { return SHM_TOPIC_SEM_LANE + (int)lane; }

/* ---- joining and leaving --------------------------------------------------------------------- */

static inline struct ShmTopicOptions shm_topic_options(key_t key) {
  struct ShmTopicOptions options;
  memset(&options, 0, sizeof options);
  options.key = key;
  options.mode = 0600;
  return options;
}

static inline bool shmti_fits(int count, size_t size) {
  return shmti_capacity_for((uint32_t)(count - SHM_TOPIC_SEMAPHORES_BESIDE_LANES), size) != 0;
}

static inline void shmti_plan(struct ShmMembership *member) {
  const uint32_t capacity = member->wanted[1];
  member->shape[0] = (uint32_t)(member->count - SHM_TOPIC_SEMAPHORES_BESIDE_LANES);
  member->shape[1] = capacity != 0 ? capacity : SHM_TOPIC_LANE_CAPACITY_DEFAULT;
  member->shape[2] = member->wanted[2];
  member->new_size = shmti_size(member->shape[0], member->shape[1]);
}

static inline enum ShmiStatus shmti_check(struct ShmMembership *member) {
  const uint32_t lanes = (uint32_t)(member->count - SHM_TOPIC_SEMAPHORES_BESIDE_LANES);
  const uint32_t capacity = shmti_capacity_for(lanes, member->size);
  const uint32_t *const there = member->shape;
  if (there[0] != lanes) return shmh_differs(member, "lanes", there[0], lanes, SHMH_OVERWRITTEN);
  if (capacity == 0 || there[1] != capacity) {
    return shmh_differs(member, "lane_capacity", there[1], capacity, SHMH_OVERWRITTEN);
  }
  if (there[2] > shmti_max_message(capacity)) {
    return shmh_differs(member, "message_size", there[2], shmti_max_message(capacity),
                        SHMH_OVERWRITTEN);
  }
  return SHMI_OK;
}

static const struct ShmhKind SHMTI_KIND = {
    {"topic", "open the topic", SHM_TOPIC_LANES_MIN + SHM_TOPIC_SEMAPHORES_BESIDE_LANES,
     SHM_TOPIC_LANES_MAX + SHM_TOPIC_SEMAPHORES_BESIDE_LANES, false, shmti_fits, shmh_choose,
     shmh_prepare},
    "use the topic",
    "remove the topic",
    SHM_TOPIC_MAGIC,
    SHM_TOPIC_VERSION,
    SHM_TOPIC_LAYOUT_HASH,
    {"lanes", "lane_capacity", "message_size"},
    2,
    shmti_plan,
    shmti_check};

static inline enum ShmStatus shmti_check_options(struct ShmTopic *topic) {
  const uint32_t *const wanted = topic->member.wanted;
  const uint32_t capacity = wanted[1] != 0 ? wanted[1] : SHM_TOPIC_LANE_CAPACITY_DEFAULT;
  const char *wrong = NULL;
  if (wanted[0] > SHM_TOPIC_LANES_MAX) wrong = "lanes is more than 256";
  if (!shmh_is_capacity(capacity, SHM_TOPIC_LANE_CAPACITY_MIN, SHM_TOPIC_LANE_CAPACITY_MAX)) {
    wrong = "lane_capacity is not a power of two from 256 to 2^30";
  } else if (wanted[2] > shmti_max_message(capacity)) {
    wrong = "message_size is more than lane_capacity / 4 - 16";
  }
  if (wrong == NULL) return SHM_OK;
  return shmh_fault(&topic->error, &topic->member, SHM_REFUSED, SHMTI_KIND.kind.action, "", "%s",
                    wrong);
}

static inline enum ShmStatus shmti_join(struct ShmTopic *topic,
                                        const struct ShmTopicOptions *options,
                                        enum ShmhOpening opening, const struct ShmWait *wait) {
  struct ShmMembership *const member = &topic->member;
  memset(topic, 0, sizeof *topic);
  topic->options = *options;
  member->set = -1;
  member->persistent = options->persistent;
  member->trust = options->trust;
  member->default_count = SHM_TOPIC_LANES_DEFAULT + SHM_TOPIC_SEMAPHORES_BESIDE_LANES;
  if (options->lanes != 0) {
    member->wanted_count = (int)options->lanes + SHM_TOPIC_SEMAPHORES_BESIDE_LANES;
  }
  member->wanted[0] = options->lanes;
  member->wanted[1] = options->lane_capacity;
  member->wanted[2] = options->message_size;
  enum ShmStatus status = shmh_begin(&topic->error, member, &SHMTI_KIND, opening, options->key,
                                     options->mode, options->type);
  if (status == SHM_OK) status = shmti_check_options(topic);
  if (status == SHM_OK) status = shmh_join(&topic->error, member, wait);
  if (status != SHM_OK) return status;
  topic->lanes = member->shape[0];
  topic->lane_capacity = member->shape[1];
  topic->message_size = member->shape[2];
  topic->max_message = topic->message_size != 0 ? topic->message_size
                                                : shmti_max_message(topic->lane_capacity);
  topic->created = member->created;
  return SHM_OK;
}

/*
 * Opens the topic at the key, or creates it. The wait is for peers that join or leave; without a
 * deadline it lasts SHM_JOIN_MS. Use the handle only in the process that opened it.
 *
 * RETURN VALUE: OK; or as `topic->error` describes: REFUSED, FOREIGN (something else, or another
 * number of lanes, capacity, message size or struct), UNTRUSTED, TIMEOUT, STOPPED, FAILED.
 */
static inline enum ShmStatus shm_topic_open_or_create(struct ShmTopic *topic,
                                                      const struct ShmTopicOptions *options,
                                                      const struct ShmWait *wait) {
  return shmti_join(topic, options, SHMH_OPEN_OR_CREATE, wait);
}

/*
 * Opens the topic at the key.
 *
 * RETURN VALUE: as shm_topic_open_or_create; ABSENT if there is none.
 */
static inline enum ShmStatus shm_topic_open(struct ShmTopic *topic,
                                            const struct ShmTopicOptions *options,
                                            const struct ShmWait *wait) {
  return shmti_join(topic, options, SHMH_OPEN, wait);
}

/*
 * Opens the topic at the key for subscribers: needs no write permission and leaves no trace. It
 * does not keep the topic there: when the last process that joined has left, a wait ends with
 * REMOVED.
 *
 * RETURN VALUE: as shm_topic_open.
 */
static inline enum ShmStatus shm_topic_open_read_only(struct ShmTopic *topic,
                                                      const struct ShmTopicOptions *options,
                                                      const struct ShmWait *wait) {
  return shmti_join(topic, options, SHMH_OPEN_READ_ONLY, wait);
}

/*
 * Leaves. Does nothing if it has left already, and in a forked child. Close publishers and
 * subscribers first: their memory is detached too.
 *
 * RETURN VALUE: what happened to the topic. The last process that joined removes it, unless it is
 * persistent.
 */
static inline enum ShmLeaveResult shm_topic_leave(struct ShmTopic *topic) {
  return shmh_leave(&topic->member, NULL);
}

/*
 * Removes segment and set even if peers use them: their waits end with REMOVED.
 *
 * RETURN VALUE: OK, FORKED, or FAILED.
 */
static inline enum ShmStatus shm_topic_remove(struct ShmTopic *topic) {
  return shmh_remove(&topic->error, &topic->member);
}

/* Permissions that other users have on the topic beyond options.mode, 0 if none. */
static inline unsigned shm_topic_excess(const struct ShmTopic *topic) {
  return topic->member.mode & 0022U & ~topic->options.mode;
}

/* ---- the state of a lane --------------------------------------------------------------------- */

/* What a lane holds up to a tail. */
struct ShmtiState {
  uint64_t tail;
  uint64_t count; /* messages so far */
  uint32_t last;  /* the position of the newest record */
};

/* Attempts to read a state; one fails only if a message was published meanwhile. */
#define SHMTI_ATTEMPTS 10000

SHMH_HOT uint64_t shmti_join_halves(uint32_t high, uint32_t low) {
  return (uint64_t)high << 32 | low;
}

/* The index of the state that belongs to this tail; if both do, the first; 2: none does. */
SHMH_HOT uint32_t shmti_current_state(const struct ShmTopicLane *words, uint32_t tail) {
  if (shmh_peek(&words->states[0].tail) == tail) return 0;
  return shmh_peek(&words->states[1].tail) == tail ? 1 : 2;
}

/*
 * Reads the state of a lane that its owner may change. Returns false if no state belongs to the
 * tail: the words are corrupt, and state->tail is the low half of the tail.
 */
static inline bool shmti_read_state(const struct ShmTopicLane *words, struct ShmtiState *state) {
  for (int attempt = 0; attempt < SHMTI_ATTEMPTS; attempt++) {
    /* SYNC tail: its state was written before */
    const uint32_t tail = __atomic_load_n(&words->tail, __ATOMIC_ACQUIRE);
    const uint32_t index = shmti_current_state(words, tail);
    const struct ShmTopicLaneState *const from = &words->states[index & 1];
    const uint32_t high = shmh_peek(&from->tail_high);
    /* SYNC overwrite: a state is not written again before another tail is published */
    shmh_fence_after_copy();
    if (__atomic_load_n(&words->tail, __ATOMIC_ACQUIRE) != tail) continue;
    state->tail = shmti_join_halves(high, tail);
    state->last = shmh_peek(&from->last);
    state->count = shmti_join_halves(shmh_peek(&from->count_high), shmh_peek(&from->count_low));
    shmh_fence_after_copy();
    /* the same tail, and not the one that is 2^32 bytes later */
    if (shmh_peek(&words->tail) != tail || shmh_peek(&from->tail_high) != high) continue;
    if (index < 2) return true;
    break;
  }
  memset(state, 0, sizeof *state);
  state->tail = shmh_peek(&words->tail);
  return false;
}

/* Whether a state is possible: the newest record ends at the tail, and is a message. */
static inline bool shmti_is_state(const struct ShmtiState *state, uint32_t capacity) {
  const uint32_t newest = (uint32_t)state->tail - state->last;
  if (((uint32_t)state->tail | state->last) % SHM_TOPIC_RECORD_ALIGN != 0) return false;
  if (state->count == 0) return state->tail == 0;
  return newest >= sizeof(struct ShmTopicRecord) && newest <= capacity / 4 &&
         state->count <= state->tail / sizeof(struct ShmTopicRecord);
}

static inline void shm_topic_lane_stats(const struct ShmTopic *topic, uint32_t lane,
                                        struct ShmTopicLaneStats *stats) {
  memset(stats, 0, sizeof *stats);
  if (lane >= topic->lanes) return;
  const struct ShmTopicLane *const words = &shmti_lanes(topic)[lane];
  struct ShmtiState state;
  stats->messages = shmti_read_state(words, &state) ? state.count : 0;
  stats->opened = shmh_peek(&words->opened);
  stats->closed = shmh_peek(&words->closed);
  stats->alive = shmi_value(topic->member.set, shmti_sem_lane(lane)) > 0;
  stats->pid = shmi_holder(topic->member.set, shmti_sem_lane(lane), 1);
}

/* ---- publisher ------------------------------------------------------------------------------- */

/* Acquires this lane. BUSY: it has an owner; CORRUPT: its words are impossible for a ring. */
static inline enum ShmStatus shmti_acquire_lane(struct ShmTopicPublisher *publisher,
                                                struct ShmTopic *topic, uint32_t lane) {
  const enum ShmStatus status =
      shmh_acquire(&publisher->error, &topic->member, shmti_sem_lane(lane));
  if (status != SHM_OK) return status;
  struct ShmTopicLane *const words = &shmti_lanes(topic)[lane];
  struct ShmtiState state;
  /* SYNC role: all that the last owner wrote comes before what we write */
  __atomic_load_n(&words->closed, __ATOMIC_ACQUIRE);
  const bool known = shmti_read_state(words, &state);
  const uint32_t intent = shmh_peek(&words->intent);
  if (!known || !shmti_is_state(&state, topic->lane_capacity) ||
      intent - (uint32_t)state.tail > topic->lane_capacity ||
      intent % SHM_TOPIC_RECORD_ALIGN != 0) {
    shmi_release(topic->member.set, shmti_sem_lane(lane), 1);
    return shmti_corrupt(&publisher->error, topic, lane, "its tail", state.tail, intent);
  }
  publisher->process = topic->member.process;
  publisher->ring = topic->member.base + shmti_rings_at(topic->lanes) +
                    (size_t)lane * topic->lane_capacity;
  publisher->words = words;
  publisher->waiting = &shmti_control(topic)->waiting.waiting;
  publisher->capacity = topic->lane_capacity;
  publisher->shortest = topic->message_size;
  publisher->span = topic->max_message - topic->message_size;
  publisher->intent = intent;
  publisher->tail = state.tail;
  publisher->last = state.last;
  publisher->state = shmti_current_state(words, (uint32_t)state.tail);
  publisher->count = state.count;
  publisher->lane = lane;
  publisher->topic = topic;
  shmh_note(&words->opened, shmh_peek(&words->opened) + 1);
  return SHM_OK;
}

/*
 * Acquires a lane, and goes on after its last message.
 *
 * RETURN VALUE: OK; or as `publisher->error` describes: BUSY (every lane has an owner), CORRUPT
 * (the free lanes cannot be used), REFUSED (opened read-only), REMOVED, FORKED, FAILED.
 */
static inline enum ShmStatus shm_topic_open_publisher(struct ShmTopicPublisher *publisher,
                                                      struct ShmTopic *topic) {
  enum ShmStatus failure = SHM_BUSY;
  memset(publisher, 0, sizeof *publisher);
  const enum ShmStatus allowed =
      shmh_may_write(&publisher->error, &topic->member, "become a publisher");
  if (allowed != SHM_OK) return allowed;
  for (uint32_t lane = 0; lane < topic->lanes; lane++) {
    const enum ShmStatus status = shmti_acquire_lane(publisher, topic, lane);
    if (status == SHM_BUSY) continue;
    if (status != SHM_CORRUPT) return status;
    /* a lane that cannot be written must not prevent the use of the others */
    failure = status;
  }
  if (failure != SHM_BUSY) return failure;
  return shmh_no_lane(&publisher->error, &topic->member, "become a publisher", SHM_TOPIC_SEM_LANE);
}

SHMH_COLD enum ShmStatus shmti_refused(struct ShmTopicPublisher *publisher, size_t length) {
  const struct ShmTopic *const topic = publisher->topic;
  if (topic->message_size != 0) {
    return shmh_fault(&publisher->error, &topic->member, SHM_REFUSED, "publish the message", "",
                      "it has %llu bytes, and every message of this topic has %lu",
                      (unsigned long long)length, (unsigned long)topic->message_size);
  }
  return shmh_fault(&publisher->error, &topic->member, SHM_REFUSED, "publish the message",
                    "publish it in pieces, or create the topic with a larger lane_capacity",
                    "it has %llu bytes, and the limit is %lu", (unsigned long long)length,
                    (unsigned long)topic->max_message);
}

/* The bytes that a message needs at this position, with the padding before it if it would wrap. */
SHMH_HOT uint32_t shmti_need(const struct ShmTopicPublisher *publisher, uint64_t position,
                             uint32_t length) {
  const uint32_t size = shmti_record_size(length);
  const uint32_t to_end = publisher->capacity - ((uint32_t)position & (publisher->capacity - 1));
  return size > to_end ? to_end + size : size;
}

/* Announces that the ring will be written up to this position, before a byte of it is. */
SHMH_HOT void shmti_announce(struct ShmTopicPublisher *publisher, uint64_t end) {
  /* forward only: the last owner may have announced more, and written it */
  if ((int32_t)((uint32_t)end - publisher->intent) > 0) publisher->intent = (uint32_t)end;
  shmh_note(&publisher->words->intent, publisher->intent);
  /* SYNC overwrite */
  shmh_fence_before_writing();
}

/* Writes padding, if needed, and a record at the position; returns the position after it. */
SHMH_HOT uint64_t shmti_write(struct ShmTopicPublisher *publisher, uint64_t position,
                              const void *bytes, uint32_t length, uint32_t tag) {
  const uint32_t size = shmti_record_size(length);
  const uint32_t need = shmti_need(publisher, position, length);
  unsigned char *place = publisher->ring + ((uint32_t)position & (publisher->capacity - 1));
  if (SHMH_UNLIKELY(need != size)) {
    const ShmhWord padding = SHM_TOPIC_PADDING;
    __atomic_store_n((ShmhWord *)(void *)place, padding, __ATOMIC_RELAXED);
    place = publisher->ring;
  }
  const uint32_t start = (uint32_t)position + need - size;
  const uint32_t back = publisher->count != 0 ? start - publisher->last : 0;
  publisher->count++;
  publisher->last = start;
  ShmhWord *const words = (ShmhWord *)(void *)place;
  __atomic_store_n(&words[0], (ShmhWord)tag << 32 | length, __ATOMIC_RELAXED);
  __atomic_store_n(&words[1], (ShmhWord)back << 32 | (uint32_t)publisher->count,
                   __ATOMIC_RELAXED);
  shmh_copy_in(place + sizeof(struct ShmTopicRecord), bytes, length);
  return position + need;
}

/* Makes everything up to this position visible, with one store. */
SHMH_HOT void shmti_publish(struct ShmTopicPublisher *publisher, uint64_t end) {
  publisher->state ^= 1;
  publisher->tail = end;
  struct ShmTopicLaneState *const state = &publisher->words->states[publisher->state];
  shmh_note(&state->tail, (uint32_t)end);
  shmh_note(&state->tail_high, (uint32_t)(end >> 32));
  shmh_note(&state->last, publisher->last);
  shmh_note(&state->count_low, (uint32_t)publisher->count);
  shmh_note(&state->count_high, (uint32_t)(publisher->count >> 32));
  /* SYNC tail: records and state come before it. SYNC waiting: the load comes after it */
  __atomic_store_n(&publisher->words->tail, (uint32_t)end, __ATOMIC_SEQ_CST);
  shmh_notify(publisher->waiting);
}

/*
 * Publishes a message: copies it into the lane and makes it visible to all subscribers. Never
 * waits. Its number is publisher->count.
 *
 * RETURN VALUE: OK; or as `publisher->error` describes: REFUSED (the length), FORKED.
 */
SHMH_HOT enum ShmStatus shm_topic_publish(struct ShmTopicPublisher *publisher, const void *bytes,
                                          size_t length, uint32_t tag) {
  if (SHMH_UNLIKELY(!shmi_opened_here(&publisher->process))) {
    return shmh_forked(&publisher->error, &publisher->topic->member);
  }
  if (SHMH_UNLIKELY(length - publisher->shortest > publisher->span)) {
    return shmti_refused(publisher, length);
  }
  shmti_announce(publisher,
                 publisher->tail + shmti_need(publisher, publisher->tail, (uint32_t)length));
  shmti_publish(publisher,
                shmti_write(publisher, publisher->tail, bytes, (uint32_t)length, tag));
  return SHM_OK;
}

/*
 * Publishes `count` messages, of which bytes, length and tag count. Faster than one by one: a
 * quarter of the ring becomes visible with one store. The number of the last one is
 * publisher->count.
 *
 * RETURN VALUE: as shm_topic_publish. REFUSED: no message was published.
 */
static inline enum ShmStatus shm_topic_publish_many(struct ShmTopicPublisher *publisher,
                                                    const struct ShmTopicMessage *messages,
                                                    size_t count) {
  if (!shmi_opened_here(&publisher->process)) {
    return shmh_forked(&publisher->error, &publisher->topic->member);
  }
  for (size_t i = 0; i < count; i++) {
    if (messages[i].length - publisher->shortest > publisher->span) {
      return shmti_refused(publisher, messages[i].length);
    }
  }
  const uint32_t part = publisher->capacity / 4;
  for (size_t from = 0, to = 0; from < count; from = to) {
    uint64_t end = publisher->tail;
    do {
      end += shmti_need(publisher, end, messages[to].length);
      to++;
    } while (to < count &&
             end + shmti_need(publisher, end, messages[to].length) - publisher->tail <= part);
    shmti_announce(publisher, end);
    uint64_t position = publisher->tail;
    for (size_t i = from; i < to; i++) {
      position = shmti_write(publisher, position, messages[i].bytes, messages[i].length,
                             messages[i].tag);
    }
    shmti_publish(publisher, position);
  }
  return SHM_OK;
}

/* Releases the lane. Does nothing if closed, and in a forked child. */
static inline void shm_topic_close_publisher(struct ShmTopicPublisher *publisher) {
  if (publisher->topic == NULL || !shmi_opened_here(&publisher->process)) return;
  uint32_t *const closed = &publisher->words->closed;
  __atomic_store_n(closed, shmh_peek(closed) + 1, __ATOMIC_RELEASE); /* SYNC role */
  shmi_release(publisher->topic->member.set, shmti_sem_lane(publisher->lane), 1);
  publisher->topic = NULL;
}

/* ---- subscriber: reading beside a publisher -------------------------------------------------- */

/* How much is copied at once, if a record is not longer. */
#define SHMTI_COPY 65536

static inline const unsigned char *shmti_ring(const struct ShmTopicSubscriber *subscriber,
                                              uint32_t lane) {
  return subscriber->rings + (size_t)lane * subscriber->capacity;
}

/*
 * How far behind the intent a position is, after its bytes were copied. More than the capacity:
 * they may have been overwritten. The state is the present one; false: no state belongs to the
 * tail.
 */
static inline bool shmti_measure(const struct ShmTopicSubscriber *subscriber, uint32_t lane,
                                 uint64_t position, struct ShmtiState *state, uint64_t *behind) {
  const struct ShmTopicLane *const words = &subscriber->words[lane];
  /* SYNC overwrite: the loads of the copy come before the load of the intent */
  shmh_fence_after_copy();
  const uint32_t intent = __atomic_load_n(&words->intent, __ATOMIC_ACQUIRE);
  const uint32_t by_intent = intent - (uint32_t)position;
  if (!shmti_read_state(words, state)) return false;
  /* a lap of 2^32 bytes during the copy shows in the 64 bits of the tail */
  const uint64_t by_tail = state->tail - position;
  *behind = by_tail > by_intent ? by_tail : by_intent;
  return true;
}

/* Forgets what was copied, and makes the next lane the one to read. */
static inline void shmti_next_lane(struct ShmTopicSubscriber *subscriber) {
  subscriber->at = subscriber->end = 0;
  subscriber->lane = subscriber->lane + 1 == subscriber->lanes ? 0 : subscriber->lane + 1;
}

/* Counts what was overwritten, or skipped, before it was received. */
static inline void shmti_miss(struct ShmTopicSubscriber *subscriber, struct ShmtiReader *reader,
                              uint64_t expected) {
  reader->missed += reader->next - expected;
  subscriber->missed += reader->next - expected;
}

/* Moves on to the tail. What was not received is missed; at the beginning nothing is expected. */
static inline void shmti_skip(struct ShmTopicSubscriber *subscriber, struct ShmtiReader *reader,
                              const struct ShmtiState *state) {
  const uint64_t expected = reader->next;
  reader->lost = false;
  reader->position = state->tail;
  reader->next = state->count + 1;
  if (expected != 0 && reader->next > expected) shmti_miss(subscriber, reader, expected);
}

/* Memory is corrupt: the lane starts again at its tail, or at the next one that is possible. */
SHMH_COLD enum ShmStatus shmti_lose(struct ShmTopicSubscriber *subscriber, uint32_t lane,
                                    const char *what, uint64_t there, uint64_t other) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  struct ShmtiState state;
  if (shmti_read_state(&subscriber->words[lane], &state) &&
      shmti_is_state(&state, subscriber->capacity)) {
    shmti_skip(subscriber, reader, &state);
  } else {
    reader->lost = true;
    reader->position = state.tail;
  }
  return shmti_corrupt(&subscriber->error, subscriber->topic, lane, what, there, other);
}

/* An eighth of the ring is left to the publisher, so that there is time to read what is found. */
static inline uint32_t shmti_longest_reach(uint32_t capacity) { return capacity / 8 * 7; }

/*
 * Goes to the oldest record that is still whole and at most `most` bytes behind, but not before
 * message `from`: walks back from the newest. If there is none, to the tail. CORRUPT: the
 * records contradict the state.
 */
SHMH_COLD enum ShmStatus shmti_walk(struct ShmTopicSubscriber *subscriber, uint32_t lane,
                                    struct ShmtiState state, uint64_t from, uint64_t most) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  const unsigned char *const ring = shmti_ring(subscriber, lane);
  const uint32_t capacity = subscriber->capacity;
  uint64_t position = state.tail - ((uint32_t)state.tail - state.last);
  uint64_t oldest = state.tail;
  uint64_t next = state.count + 1;
  for (uint64_t number = state.count; number >= from && number > 0; number--) {
    struct ShmTopicRecord record;
    struct ShmtiState now;
    uint64_t behind;
    const uint32_t index = (uint32_t)position & (capacity - 1);
    if (index > capacity - sizeof record) {
      return shmti_lose(subscriber, lane, "the place of a record", position, number);
    }
    shmh_copy_out(&record, ring + index, sizeof record);
    if (!shmti_measure(subscriber, lane, position, &now, &behind) ||
        !shmti_is_state(&now, capacity) || now.tail < state.tail) {
      return shmti_lose(subscriber, lane, "its tail", now.tail, state.tail);
    }
    if (behind > most) break;
    if (record.number != (uint32_t)number ||
        record.length - subscriber->shortest > subscriber->span ||
        (number == 1 ? record.back != 0
                     : record.back < sizeof record || record.back > capacity / 2) ||
        record.back % SHM_TOPIC_RECORD_ALIGN != 0 || record.back > position) {
      return shmti_lose(subscriber, lane, "the number of a record", record.number, number);
    }
    oldest = position;
    next = number;
    position -= record.back;
  }
  reader->position = oldest;
  reader->next = next;
  return SHM_OK;
}

/* The subscriber was overrun: goes to the oldest whole record, and counts what it missed. */
SHMH_COLD enum ShmStatus shmti_recover(struct ShmTopicSubscriber *subscriber, uint32_t lane,
                                       const struct ShmtiState *state) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  const uint64_t expected = reader->next;
  if (!shmti_is_state(state, subscriber->capacity) || state->tail < reader->position ||
      state->count + 1 < expected) {
    return shmti_lose(subscriber, lane, "its number of messages", state->count, expected);
  }
  const enum ShmStatus status = shmti_walk(subscriber, lane, *state, expected, reader->reach);
  if (status != SHM_OK) return status;
  /* to walk far takes long: a subscriber that is a little slow would be overrun in it each time. The
     longest message fits a quarter of the ring, so the newest one is found */
  reader->reach = subscriber->capacity / 4;
  shmti_miss(subscriber, reader, expected);
  return SHM_OK;
}

/* Makes room in the buffer for at least so many bytes. */
static inline enum ShmStatus shmti_grow(struct ShmTopicSubscriber *subscriber, size_t size) {
  if (SHMH_LIKELY(size <= subscriber->room)) return SHM_OK;
  void *const more = realloc(subscriber->buffer, size);
  if (more == NULL) {
    return shmh_error(&subscriber->error, &subscriber->topic->member, "copy the messages",
                      "realloc", ENOMEM);
  }
  subscriber->buffer = (unsigned char *)more;
  subscriber->room = size;
  return SHM_OK;
}

/* What was copied from a reader's position. */
struct ShmtiCopy {
  size_t length;  /* bytes copied */
  size_t to_tail; /* from the position to the tail, and to the end of the ring */
  size_t to_end;
  size_t wanted;  /* the copy for the first record must have so many bytes; 0: it has */
};

/*
 * Checks the copied records, as far as they are whole: subscriber->end is where they end. Padding
 * at the position is skipped instead. CORRUPT: the first one is no record, and no overrun explains
 * it.
 */
SHMH_HOT enum ShmStatus shmti_check_records(struct ShmTopicSubscriber *subscriber, uint32_t lane,
                                            struct ShmtiCopy *copy) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  const size_t most = copy->to_tail < copy->to_end ? copy->to_tail : copy->to_end;
  uint64_t number = reader->next;
  size_t at = 0;
  copy->wanted = 0;
  while (at < copy->length) {
    struct ShmTopicRecord record;
    const size_t left = copy->length - at;
    memset(&record, 0, sizeof record);
    memcpy(&record, subscriber->buffer + at, left < sizeof record ? left : sizeof record);
    if (SHMH_UNLIKELY(record.length == SHM_TOPIC_PADDING)) {
      if (at != 0) break; /* the next copy begins with it */
      if (copy->to_end > copy->to_tail || copy->to_end == subscriber->capacity) {
        return shmti_lose(subscriber, lane, "the length of a record", record.length, most);
      }
      reader->position += copy->to_end;
      return SHM_OK;
    }
    const bool is_length = record.length - subscriber->shortest <= subscriber->span;
    const size_t size = is_length ? shmti_record_size(record.length) : SIZE_MAX;
    const bool is_number = left < sizeof record || record.number == (uint32_t)number;
    if (SHMH_UNLIKELY(size > most - at || !is_number)) {
      if (at != 0) break; /* what is before it is whole */
      if (!is_number) {
        return shmti_lose(subscriber, lane, "the number of a record", record.number, number);
      }
      return shmti_lose(subscriber, lane, "the length of a record", record.length, most);
    }
    if (SHMH_UNLIKELY(size > left)) {
      if (at == 0) copy->wanted = size;
      break;
    }
    at += size;
    number++;
  }
  subscriber->end = at;
  return SHM_OK;
}

/* The reader begins again at the tail that follows one of a corrupt lane. */
SHMH_COLD enum ShmStatus shmti_find(struct ShmTopicSubscriber *subscriber, uint32_t lane) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  const struct ShmTopicLane *const words = &subscriber->words[lane];
  struct ShmtiState state;
  if (__atomic_load_n(&words->tail, __ATOMIC_ACQUIRE) == (uint32_t)reader->position) {
    return SHM_EMPTY;
  }
  if (!shmti_read_state(words, &state) || !shmti_is_state(&state, subscriber->capacity)) {
    return shmti_lose(subscriber, lane, "its tail", state.tail, reader->position);
  }
  shmti_skip(subscriber, reader, &state);
  return SHM_EMPTY;
}

/* Attempts to copy from a lane; one fails only if the copy was overwritten meanwhile. */
#define SHMTI_COPIES 1000

/* Copies and checks the next records of the lane. EMPTY: there is none, or all were overwritten. */
static inline enum ShmStatus shmti_fill(struct ShmTopicSubscriber *subscriber, uint32_t lane) {
  struct ShmtiReader *const reader = &subscriber->readers[lane];
  const struct ShmTopicLane *const words = &subscriber->words[lane];
  const uint32_t capacity = subscriber->capacity;
  struct ShmtiCopy copy = {0, 0, 0, 0};
  enum ShmStatus status = SHM_OK;
  subscriber->at = subscriber->end = 0;
  if (SHMH_UNLIKELY(reader->lost)) return shmti_find(subscriber, lane);
  for (int attempt = 0; attempt < SHMTI_COPIES; attempt++) {
    struct ShmtiState state;
    uint64_t behind;
    if (SHMH_UNLIKELY(!shmti_read_state(words, &state))) {
      return shmti_lose(subscriber, lane, "its tail", state.tail, reader->position);
    }
    if (state.tail == reader->position) {
      reader->reach = shmti_longest_reach(capacity);
      return SHM_EMPTY;
    }
    if (SHMH_UNLIKELY(!shmti_is_state(&state, capacity) || state.tail < reader->position)) {
      return shmti_lose(subscriber, lane, "its tail", state.tail, reader->position);
    }
    behind = state.tail - reader->position;
    if (SHMH_LIKELY(behind <= capacity)) {
      const uint32_t index = (uint32_t)reader->position & (capacity - 1);
      copy.to_tail = behind;
      copy.to_end = capacity - index;
      const size_t longest = copy.wanted > SHMTI_COPY ? copy.wanted : SHMTI_COPY;
      copy.length = copy.to_tail < copy.to_end ? copy.to_tail : copy.to_end;
      if (copy.length > longest) copy.length = longest;
      status = shmti_grow(subscriber, copy.length);
      if (SHMH_UNLIKELY(status != SHM_OK)) return status;
      shmh_copy_out(subscriber->buffer, shmti_ring(subscriber, lane) + index, copy.length);
      if (SHMH_UNLIKELY(!shmti_measure(subscriber, lane, reader->position, &state, &behind))) {
        return shmti_lose(subscriber, lane, "its tail", state.tail, reader->position);
      }
    }
    status = SHMH_LIKELY(behind <= capacity) ? shmti_check_records(subscriber, lane, &copy)
                                             : shmti_recover(subscriber, lane, &state);
    if (status != SHM_OK || subscriber->end != 0) return status;
  }
  return SHM_EMPTY;
}

/* Delivers the record at the front of the buffer. */
SHMH_HOT void shmti_deliver(struct ShmTopicSubscriber *subscriber,
                            struct ShmTopicMessage *message) {
  struct ShmtiReader *const reader = &subscriber->readers[subscriber->lane];
  struct ShmTopicRecord record;
  memcpy(&record, subscriber->buffer + subscriber->at, sizeof record);
  const size_t size = shmti_record_size(record.length);
  message->bytes = subscriber->buffer + subscriber->at + sizeof record;
  message->length = record.length;
  message->tag = record.tag;
  message->lane = subscriber->lane;
  message->number = reader->next++;
  message->missed = reader->missed;
  reader->missed = 0;
  reader->position += size;
  subscriber->at += size;
}

/* ---- subscriber ------------------------------------------------------------------------------ */

/*
 * Opens a subscriber: it receives what is published from now on, and before it of each publisher
 * the last `history` messages that its ring still holds (SHM_TOPIC_ALL: all of them). It holds
 * nothing that others see. Its memory is freed by shm_topic_close_subscriber.
 *
 * RETURN VALUE: OK; or as `subscriber->error` describes: FORKED, FAILED (no memory).
 */
static inline enum ShmStatus shm_topic_open_subscriber(struct ShmTopicSubscriber *subscriber,
                                                       struct ShmTopic *topic, uint64_t history) {
  memset(subscriber, 0, sizeof *subscriber);
  const struct ShmMembership *const member = &topic->member;
  if (!shmi_opened_here(&member->process)) return shmh_forked(&subscriber->error, member);
  subscriber->process = member->process;
  subscriber->words = shmti_lanes(topic);
  subscriber->rings = member->base + shmti_rings_at(topic->lanes);
  subscriber->waiting = &shmti_control(topic)->waiting.waiting;
  subscriber->lanes = topic->lanes;
  subscriber->capacity = topic->lane_capacity;
  subscriber->shortest = topic->message_size;
  subscriber->span = topic->max_message - topic->message_size;
  subscriber->topic = topic;
  const size_t room = topic->lane_capacity < SHMTI_COPY ? topic->lane_capacity : SHMTI_COPY;
  const enum ShmStatus status = shmti_grow(subscriber, room);
  if (status != SHM_OK) return status;
  for (uint32_t lane = 0; lane < topic->lanes; lane++) {
    struct ShmtiReader *const reader = &subscriber->readers[lane];
    struct ShmtiState state;
    /* a lane that cannot be read fails in its turn, when its tail changes */
    reader->lost = !shmti_read_state(&subscriber->words[lane], &state) ||
                   !shmti_is_state(&state, topic->lane_capacity);
    reader->position = state.tail;
    reader->next = reader->lost ? 0 : state.count + 1;
    reader->reach = shmti_longest_reach(topic->lane_capacity);
    if (history == 0 || reader->lost || state.count == 0) continue;
    shmti_walk(subscriber, lane, state, history < state.count ? state.count - history + 1 : 1,
               reader->reach);
  }
  return SHM_OK;
}

/* Closes a subscriber and frees its memory. Does nothing if closed, and in a forked child. */
static inline void shm_topic_close_subscriber(struct ShmTopicSubscriber *subscriber) {
  if (subscriber->topic == NULL || !shmi_opened_here(&subscriber->process)) return;
  free(subscriber->buffer);
  subscriber->buffer = NULL;
  subscriber->topic = NULL;
}

/*
 * The next message, if there is one: a whole copy, which is valid until the next call with the
 * subscriber. message->missed says how many of its publisher's messages were overwritten before it.
 *
 * RETURN VALUE: OK; EMPTY; or as `subscriber->error` describes: CORRUPT (the lane in error.lane
 * goes on with what is published next, the other lanes are not concerned), FORKED, FAILED (no
 * memory).
 */
SHMH_HOT enum ShmStatus shm_topic_try_receive(struct ShmTopicSubscriber *subscriber,
                                              struct ShmTopicMessage *message) {
  /* no compiler finds out that a status of OK comes with a message */
  memset(message, 0, sizeof *message);
  if (SHMH_UNLIKELY(!shmi_opened_here(&subscriber->process))) {
    return shmh_forked(&subscriber->error, &subscriber->topic->member);
  }
  for (uint32_t looks = 0; looks < subscriber->lanes; looks++) {
    const enum ShmStatus status = subscriber->at != subscriber->end
                                      ? SHM_OK
                                      : shmti_fill(subscriber, subscriber->lane);
    if (SHMH_LIKELY(status == SHM_OK)) {
      shmti_deliver(subscriber, message);
      /* a lane's turn ends with what was copied together */
      if (subscriber->at == subscriber->end) shmti_next_lane(subscriber);
      return status;
    }
    /* a lane that cannot be read must not prevent the use of the others */
    shmti_next_lane(subscriber);
    if (status != SHM_EMPTY) return status;
  }
  return SHM_EMPTY;
}

/* The tail of a lane as a position, as far as it can be told from its low half. */
SHMH_HOT uint64_t shmti_tail_after(const struct ShmTopicSubscriber *subscriber, uint32_t lane) {
  const uint64_t position = subscriber->readers[lane].position;
  const uint32_t tail = __atomic_load_n(&subscriber->words[lane].tail, __ATOMIC_ACQUIRE);
  return position + (tail - (uint32_t)position);
}

/*
 * Passes every message that is there to the receiver, at most `max` of them (0: no limit). The
 * bytes are a checked copy, valid during the call; nothing is allocated. `received` may be NULL.
 *
 * RETURN VALUE: OK; EMPTY if there was none; or as shm_topic_try_receive, also after some messages.
 */
SHMH_HOT enum ShmStatus shm_topic_drain(struct ShmTopicSubscriber *subscriber,
                                        ShmTopicReceiver receive, void *argument, uint64_t max,
                                        uint64_t *received) {
  const uint64_t most = max != 0 ? max : UINT64_MAX;
  uint64_t count = 0;
  enum ShmStatus status = SHM_EMPTY;
  if (received != NULL) *received = 0;
  if (SHMH_UNLIKELY(!shmi_opened_here(&subscriber->process))) {
    return shmh_forked(&subscriber->error, &subscriber->topic->member);
  }
  for (uint32_t looks = 0; looks < subscriber->lanes && count < most; looks++) {
    const uint32_t lane = subscriber->lane;
    const struct ShmtiReader *const reader = &subscriber->readers[lane];
    /* not what is published meanwhile: it would keep us in this lane */
    const uint64_t end = shmti_tail_after(subscriber, lane);
    while (reader->position < end && count < most) {
      struct ShmTopicMessage message;
      if (subscriber->at == subscriber->end) {
        status = shmti_fill(subscriber, lane);
        if (SHMH_UNLIKELY(status != SHM_OK)) break;
      }
      shmti_deliver(subscriber, &message);
      receive(argument, &message);
      count++;
    }
    if (subscriber->at == subscriber->end) shmti_next_lane(subscriber);
    if (SHMH_UNLIKELY(status != SHM_OK && status != SHM_EMPTY)) break;
  }
  if (received != NULL) *received = count;
  if (SHMH_UNLIKELY(status != SHM_OK && status != SHM_EMPTY)) return status;
  return count > 0 ? SHM_OK : SHM_EMPTY;
}

/* Whether there is something to receive. */
static inline bool shmti_has_news(const void *argument) {
  const struct ShmTopicSubscriber *const subscriber = (const struct ShmTopicSubscriber *)argument;
  if (subscriber->at != subscriber->end) return true;
  for (uint32_t lane = 0; lane < subscriber->lanes; lane++) {
    /* sequentially consistent, for the sleeper's half of SYNC waiting */
    if (__atomic_load_n(&subscriber->words[lane].tail, __ATOMIC_SEQ_CST) !=
        (uint32_t)subscriber->readers[lane].position) {
      return true;
    }
  }
  return false;
}

/*
 * Waits until there is something to receive. The message received before stays valid.
 *
 * RETURN VALUE: OK; or as `subscriber->error` describes: TIMEOUT, STOPPED, REMOVED, FORKED.
 */
static inline enum ShmStatus shm_topic_wait(struct ShmTopicSubscriber *subscriber,
                                            const struct ShmWait *wait) {
  if (!shmi_opened_here(&subscriber->process)) {
    return shmh_forked(&subscriber->error, &subscriber->topic->member);
  }
  return shmh_await_news(&subscriber->error, &subscriber->topic->member, subscriber->waiting,
                         &subscriber->spinning, shmti_has_news, subscriber, wait);
}

/*
 * The next message, as shm_topic_try_receive, but waits for one.
 *
 * RETURN VALUE: OK, or as shm_topic_try_receive and shm_topic_wait.
 */
SHMH_HOT enum ShmStatus shm_topic_receive(struct ShmTopicSubscriber *subscriber,
                                          struct ShmTopicMessage *message,
                                          const struct ShmWait *wait) {
  enum ShmStatus status = shm_topic_try_receive(subscriber, message);
  while (SHMH_UNLIKELY(status == SHM_EMPTY)) {
    status = shm_topic_wait(subscriber, wait);
    if (status != SHM_OK) break;
    status = shm_topic_try_receive(subscriber, message);
    if (status != SHM_EMPTY) break;
    /* a tail that was taken back is untrusted data: it must not keep us here */
    if (shmh_should_stop(wait)) return shmh_stopped(&subscriber->error, &subscriber->topic->member);
    if (shm_now() >= shmh_deadline(wait)) {
      return shmh_expired(&subscriber->error, &subscriber->topic->member);
    }
  }
  return status;
}

#endif
