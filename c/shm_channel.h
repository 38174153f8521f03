/*
 * The channel of @sysv/shm for C11 and C++17: many producers, one consumer, in order per producer,
 * at the speed of memory. The protocol is docs/wire_format.md; this header follows it step by step
 * and uses its words. Header only; it needs shm_channel_layout.h, shm_membership.h and shm_sync.h in
 * the same directory. In C, include it before any system header (it requests the GNU interfaces).
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
 *   if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_CHANNEL_OK)
 *     ...shm_channel_describe(&channel.error, line, sizeof line)...
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

#include "shm_membership.h"
#include "shm_channel_layout.h"

/* Macros that a program may define before it includes this. */

/* No wait sleeps longer than this before it checks again: a killed peer may not have woken us. */
#ifndef SHM_CHANNEL_SLICE_MS
#define SHM_CHANNEL_SLICE_MS 100
#endif

/* How often a wait looks before it sleeps, while that helps. The default of ShmChannelWait.spin. */
#ifndef SHM_CHANNEL_SPIN
#define SHM_CHANNEL_SPIN 200
#endif

/* A deadline that never passes. */
#define SHM_CHANNEL_FOREVER INT64_MAX

enum ShmChannelStatus {
  SHM_CHANNEL_OK,
  SHM_CHANNEL_FULL,        /* the lane has no room for the message now */
  SHM_CHANNEL_EMPTY,       /* there is nothing to receive now */
  SHM_CHANNEL_UNHANDLED,   /* the handler could not use a message, which stays */
  SHM_CHANNEL_CLOSED,      /* there was a producer, there is none now, and no message is left */
  SHM_CHANNEL_TIMEOUT,     /* timed out */
  SHM_CHANNEL_STOPPED,     /* the caller's stop flag was set */
  SHM_CHANNEL_BUSY,        /* there is a consumer already; or every lane has an owner */
  SHM_CHANNEL_NO_CONSUMER, /* there is no room, and no consumer that would free some */
  SHM_CHANNEL_REFUSED,     /* an argument is out of range, such as the length of a message */
  SHM_CHANNEL_ABSENT,      /* there is no channel at the key */
  SHM_CHANNEL_REMOVED,     /* the segment or the set was removed while in use */
  SHM_CHANNEL_UNTRUSTED,   /* another user created or owns the object at the key */
  SHM_CHANNEL_FOREIGN,     /* the object at the key is not a channel, or not the requested one */
  SHM_CHANNEL_CORRUPT,     /* memory holds an impossible value */
  SHM_CHANNEL_FORKED,      /* the handle was opened by a parent of this process */
  SHM_CHANNEL_FAILED       /* a system call failed */
};

/* Start with shm_channel_options(key). */
struct ShmChannelOptions {
  key_t key;
  uint32_t lanes;         /* 0: as found, or 8 */
  uint32_t lane_capacity; /* bytes of one ring, a power of two. 0: as found, or 1 MiB */
  uint32_t message_size;  /* bytes of every message. 0: as found, or lengths differ */
  unsigned mode;          /* permissions of what we create, within 0666 */
  bool persistent;        /* what we create stays when the last peer leaves */
  bool trust;             /* accept an object that another user created or owns */
};

/* How long to wait and what ends it; start with shm_channel_within. NULL instead: forever. */
struct ShmChannelWait {
  int64_t deadline;                  /* of shm_now; SHM_CHANNEL_FOREVER: none */
  const volatile sig_atomic_t *stop; /* may be NULL */
  uint32_t spin;                     /* looks before sleeping, while that is likely to succeed */
  bool need_consumer;                /* a producer fails if there is no consumer to wait for */
  bool until_closed;                 /* the consumer waits only as long as there are producers */
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

/* What happened to the channel when we left. */
enum ShmChannelLeaveResult {
  SHM_CHANNEL_IN_USE,     /* it stays, other processes use it */
  SHM_CHANNEL_UNREAD,     /* it stays, with messages that no consumer has received */
  SHM_CHANNEL_KEPT,       /* it stays, as its creator chose */
  SHM_CHANNEL_NOT_OURS,   /* it stays, only another user may remove it */
  SHM_CHANNEL_WAS_REMOVED /* it was removed */
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

/* ---- for the compiler ------------------------------------------------------------------------ */

#define SHMCI_HOT static inline __attribute__((always_inline))
#define SHMCI_COLD static __attribute__((unused, cold, noinline))
#define SHMCI_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SHMCI_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Length and tag of a record in one word; at other times the same bytes are payload. */
typedef uint64_t __attribute__((may_alias)) ShmciHeader;

/* Accesses that are not part of a named edge. */
SHMCI_HOT uint32_t shmci_peek(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

SHMCI_HOT void shmci_note(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* ---- arguments ------------------------------------------------------------------------------- */

static inline struct ShmChannelOptions shm_channel_options(key_t key) {
  struct ShmChannelOptions options;
  memset(&options, 0, sizeof options);
  options.key = key;
  options.mode = 0600;
  return options;
}

/* The wait for this number of nanoseconds from now; SHM_CHANNEL_FOREVER: without an end. */
static inline struct ShmChannelWait shm_channel_within(int64_t nanoseconds) {
  struct ShmChannelWait wait;
  memset(&wait, 0, sizeof wait);
  wait.deadline =
      nanoseconds == SHM_CHANNEL_FOREVER ? SHM_CHANNEL_FOREVER : shm_now() + nanoseconds;
  wait.spin = SHM_CHANNEL_SPIN;
  return wait;
}

static inline bool shmci_should_stop(const struct ShmChannelWait *wait) {
  return wait != NULL && wait->stop != NULL && *wait->stop != 0;
}

static inline int64_t shmci_deadline(const struct ShmChannelWait *wait) {
  return wait != NULL ? wait->deadline : SHM_CHANNEL_FOREVER;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* One line, no newline: what failed, in which call, why, at which key, what to do about it. */
static inline void shm_channel_describe(const struct ShmError *error, char *out, size_t size) {
  shmi_describe(error, out, size);
}

/* The error of a call that failed. */
SHMCI_COLD enum ShmChannelStatus shmci_error(struct ShmError *error,
                                             const struct ShmChannel *channel,
                                             enum ShmChannelStatus status, const char *action,
                                             const char *call, int number) {
  shmi_call_failed(error, channel->options.key, action, call, number);
  return status;
}

/* The error of a check that failed; the arguments from `what` on are as those of printf. */
__attribute__((format(printf, 6, 7))) SHMCI_COLD enum ShmChannelStatus shmci_fault(
    struct ShmError *error, const struct ShmChannel *channel, enum ShmChannelStatus status,
    const char *action, const char *hint, const char *what, ...) {
  va_list values;
  va_start(values, what);
  shmi_check_failed(error, channel->options.key, action, hint, what, values);
  va_end(values);
  return status;
}

SHMCI_COLD enum ShmChannelStatus shmci_removed(struct ShmError *error,
                                               const struct ShmChannel *channel) {
  return shmci_fault(error, channel, SHM_CHANNEL_REMOVED, "use the channel",
                     "its segment or its semaphore set was removed, perhaps with ipcrm: start its"
                     " programs again",
                     "it was removed while in use");
}

SHMCI_COLD enum ShmChannelStatus shmci_corrupt(struct ShmError *error,
                                               const struct ShmChannel *channel, uint32_t lane,
                                               const char *what, uint32_t there, uint32_t other) {
  shmci_fault(error, channel, SHM_CHANNEL_CORRUPT, "use the channel",
              "another program wrote into it: discard this lane (shm_channel_discard, or the command"
              " `channel discard`), the others can be read on",
              "lane %lu: %s is %lu, which is impossible (with %lu)", (unsigned long)lane, what,
              (unsigned long)there, (unsigned long)other);
  error->lane = lane;
  return SHM_CHANNEL_CORRUPT;
}

/* A handle works only in the process that opened it, not in its children. */
SHMCI_COLD enum ShmChannelStatus shmci_forked(struct ShmError *error,
                                              const struct ShmChannel *channel) {
  return shmci_fault(error, channel, SHM_CHANNEL_FORKED, "use the channel",
                     "open it again in this process",
                     "process %lu opened it, and fork passes on none of what it holds",
                     (unsigned long)channel->member.process.id);
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static inline int shmci_sem_lane(uint32_t lane) { return SHM_CHANNEL_SEM_LANE + (int)lane; }

/* Acquires a role or lane. BUSY: another process holds it. */
static inline enum ShmChannelStatus shmci_acquire(struct ShmError *error,
                                                  const struct ShmChannel *channel, int number) {
  if (shmi_acquire_now(channel->member.set, number) == 0) return SHM_CHANNEL_OK;
  if (errno == EAGAIN) return SHM_CHANNEL_BUSY;
  if (shmi_gone(errno)) return shmci_removed(error, channel);
  return shmci_error(error, channel, SHM_CHANNEL_FAILED, "use the semaphores of the channel",
                     "semop", errno);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static inline bool shmci_is_capacity(uint64_t capacity) {
  return capacity >= SHM_CHANNEL_LANE_CAPACITY_MIN &&
         capacity <= SHM_CHANNEL_LANE_CAPACITY_MAX && (capacity & (capacity - 1)) == 0;
}

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
  const size_t rings = size - shmci_rings_at(lanes);
  if (size < shmci_rings_at(lanes) || rings % lanes != 0) return 0;
  return shmci_is_capacity(rings / lanes) ? (uint32_t)(rings / lanes) : 0;
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

/* The capacity of the rings that we create. */
static inline uint32_t shmci_new_capacity(const struct ShmChannel *channel) {
  const uint32_t wanted = channel->options.lane_capacity;
  return wanted != 0 ? wanted : SHM_CHANNEL_LANE_CAPACITY_DEFAULT;
}

/* The channel that this membership belongs to. */
static inline struct ShmChannel *shmci_channel_of(struct ShmMembership *member) {
  static_assert(offsetof(struct ShmChannel, member) == 0, "the membership comes first");
  return (struct ShmChannel *)(void *)member;
}

static inline void shmci_choose(struct ShmMembership *member) {
  struct ShmChannel *const channel = shmci_channel_of(member);
  const int lanes = member->count - SHM_CHANNEL_SEMAPHORES_BESIDE_LANES;
  channel->lanes = (uint32_t)lanes;
  member->lock = lanes + SHM_CHANNEL_SEM_AFTER_LANES_LOCK;
  member->users = lanes + SHM_CHANNEL_SEM_AFTER_LANES_USERS;
  member->disposable = lanes + SHM_CHANNEL_SEM_AFTER_LANES_DISPOSABLE;
  member->new_size = shmci_size(channel->lanes, shmci_new_capacity(channel));
}

/* Makes a segment of zeros a channel, with the lock held. */
static inline void shmci_initialise(struct ShmChannel *channel) {
  struct ShmChannelHeader *const header = &shmci_control(channel)->header;
  const size_t size = channel->member.size;
  shmci_note(&header->layout_hash, SHM_CHANNEL_LAYOUT_HASH);
  shmci_note(&header->lanes, channel->lanes);
  shmci_note(&header->lane_capacity, shmci_capacity_for(channel->lanes, size));
  shmci_note(&header->message_size, channel->options.message_size);
  __atomic_store_n(&header->segment_size, (uint64_t)size, __ATOMIC_RELAXED);
  shmci_note(&header->version, SHM_CHANNEL_VERSION);
  __atomic_store_n(&header->magic, SHM_CHANNEL_MAGIC, __ATOMIC_RELEASE); /* SYNC ready */
  channel->created = true;
}

/* Whether all bytes after the header's fields are 0, as after the death of its creator. */
static inline bool shmci_is_blank(const struct ShmChannel *channel) {
  const unsigned char *const base = channel->member.base;
  const size_t fields = offsetof(struct ShmChannelHeader, segment_size) + sizeof(uint64_t);
  for (size_t at = fields; at < channel->member.size; at += sizeof(uint64_t)) {
    uint64_t bytes;
    memcpy(&bytes, base + at, sizeof bytes);
    if (bytes != 0) return false;
  }
  return true;
}

/*
 * For a segment without a magic, with the lock held: its creator would hold the lock, so it was
 * killed, or does not use the lock. Completes an abandoned segment, or removes it if it has another
 * shape than we want. AGAIN: start again; ready false: wait for that creator.
 */
static inline enum ShmiStatus shmci_complete(struct ShmChannel *channel, bool *ready) {
  struct ShmMembership *const member = &channel->member;
  const uint32_t lanes = channel->options.lanes;
  struct shmid_ds segment;
  *ready = true;
  if (shmctl(member->segment, IPC_STAT, &segment) == -1) {
    return shmi_failed(member, "inspect the segment", "shmctl", errno);
  }
  const bool alone = segment.shm_nattch <= 1;
  if (!member->create && alone) {
    return shmi_wrong(member, SHMI_ABSENT, "open it with shm_channel_open_or_create",
                      "process %ld was gone before it had made it a channel",
                      (long)segment.shm_cpid);
  }
  if (member->create && alone && shmci_is_blank(channel)) {
    if ((lanes == 0 || lanes == channel->lanes) && member->new_size == member->size) {
      shmi_set_value(member->set, member->disposable, member->persistent ? 0 : 1);
      shmci_initialise(channel);
      return SHMI_OK;
    }
    if (shmi_process_gone(segment.shm_cpid) && shmi_is_idle(member)) {
      if (!shmi_remove_segment(member)) {
        return shmi_failed(member, "remove what is half-made", "shmctl", errno);
      }
      member->dissolved = true;
      return SHMI_AGAIN;
    }
  }
  *ready = false;
  return SHMI_OK;
}

static inline enum ShmiStatus shmci_await_ready(struct ShmChannel *channel,
                                                const struct ShmiUntil *until) {
  const uint32_t *const magic = &shmci_control(channel)->header.magic;
  while (__atomic_load_n(magic, __ATOMIC_ACQUIRE) == 0) { /* SYNC ready */
    const struct timespec moment = shmi_timespec(2000000);
    bool ready;
    enum ShmiStatus status = shmci_complete(channel, &ready);
    if (ready) return status;
    status = shmi_go_on(&channel->member, until);
    if (status == SHMI_TIMEOUT) {
      return shmi_wrong(&channel->member, status,
                        "end the process that made the segment, or use another key",
                        "it was not initialised in time");
    }
    if (status != SHMI_OK) return status;
    nanosleep(&moment, NULL);
  }
  return SHMI_OK;
}

SHMCI_COLD enum ShmiStatus shmci_differs(struct ShmChannel *channel, const char *field,
                                         uint64_t there, uint64_t here, const char *hint) {
  return shmi_wrong(&channel->member, SHMI_FOREIGN, hint,
                    "%s differs: %llu (0x%llx) there, %llu (0x%llx) here", field,
                    (unsigned long long)there, (unsigned long long)there,
                    (unsigned long long)here, (unsigned long long)here);
}

/* Checks every field of the header, read once, against the kernel's information and the options. */
static inline enum ShmiStatus shmci_check_header(struct ShmChannel *channel) {
  static const char release[] = "use the same release of the library and of shm_channel.h";
  static const char broken[] = "its header was overwritten: remove it (ipcrm) and start again";
  static const char wanted[] = "ask for 0 to take what is there, or choose another key";
  const struct ShmChannelHeader *const header = &shmci_control(channel)->header;
  const struct ShmChannelOptions *const options = &channel->options;
  const uint32_t magic = __atomic_load_n(&header->magic, __ATOMIC_ACQUIRE); /* SYNC ready */
  if (magic == SHM_CHANNEL_MAGIC_SWAPPED) {
    return shmci_differs(channel, "byte order", magic, SHM_CHANNEL_MAGIC,
                         "a program for another machine made it");
  }
  if (magic != SHM_CHANNEL_MAGIC) {
    return shmci_differs(channel, "magic", magic, SHM_CHANNEL_MAGIC,
                         "it is not a channel, use another key");
  }
  const uint32_t version = shmci_peek(&header->version);
  if (version != SHM_CHANNEL_VERSION) {
    return shmci_differs(channel, "version", version, SHM_CHANNEL_VERSION, release);
  }
  const uint32_t hash = shmci_peek(&header->layout_hash);
  if (hash != SHM_CHANNEL_LAYOUT_HASH) {
    return shmci_differs(channel, "layout_hash", hash, SHM_CHANNEL_LAYOUT_HASH, release);
  }
  const uint32_t lanes = shmci_peek(&header->lanes);
  if (lanes != channel->lanes) {
    return shmci_differs(channel, "lanes", lanes, channel->lanes, broken);
  }
  const uint32_t capacity = shmci_capacity_for(lanes, channel->member.size);
  const uint32_t there = shmci_peek(&header->lane_capacity);
  if (capacity == 0 || there != capacity) {
    return shmci_differs(channel, "lane_capacity", there, capacity, broken);
  }
  const uint64_t size = __atomic_load_n(&header->segment_size, __ATOMIC_RELAXED);
  if (size != channel->member.size) {
    return shmci_differs(channel, "segment_size", size, channel->member.size, broken);
  }
  const uint32_t message_size = shmci_peek(&header->message_size);
  if (message_size > shmci_max_message(capacity)) {
    return shmci_differs(channel, "message_size", message_size, shmci_max_message(capacity),
                         broken);
  }
  if (options->lanes != 0 && options->lanes != lanes) {
    return shmci_differs(channel, "lanes", lanes, options->lanes, wanted);
  }
  if (options->lane_capacity != 0 && options->lane_capacity != capacity) {
    return shmci_differs(channel, "lane_capacity", capacity, options->lane_capacity, wanted);
  }
  if (options->message_size != 0 && options->message_size != message_size) {
    return shmci_differs(channel, "message_size", message_size, options->message_size, wanted);
  }
  channel->lane_capacity = capacity;
  channel->message_size = message_size;
  channel->max_message = message_size != 0 ? message_size : shmci_max_message(capacity);
  return SHMI_OK;
}

static inline enum ShmiStatus shmci_prepare(struct ShmMembership *member,
                                            const struct ShmiUntil *until) {
  struct ShmChannel *const channel = shmci_channel_of(member);
  if (member->made_segment) shmci_initialise(channel);
  const enum ShmiStatus status = shmci_await_ready(channel, until);
  return status == SHMI_OK ? shmci_check_header(channel) : status;
}

static const struct ShmiKind SHMCI_KIND = {
    "channel",
    "open the channel",
    SHM_CHANNEL_LANES_MIN + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES,
    SHM_CHANNEL_LANES_MAX + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES,
    false,
    shmci_fits,
    shmci_choose,
    shmci_prepare};

static inline enum ShmChannelStatus shmci_check_options(struct ShmChannel *channel) {
  const struct ShmChannelOptions *const options = &channel->options;
  const char *wrong = NULL;
  const uint32_t capacity = options->lane_capacity != 0 ? options->lane_capacity
                                                        : SHM_CHANNEL_LANE_CAPACITY_DEFAULT;
  if (options->key == IPC_PRIVATE) wrong = "the key 0 (IPC_PRIVATE) can be no meeting point";
  if (options->lanes > SHM_CHANNEL_LANES_MAX) wrong = "lanes is more than 256";
  if ((options->mode & ~0666U) != 0) wrong = "mode is not within 0666";
  if (!shmci_is_capacity(capacity)) {
    wrong = "lane_capacity is not a power of two from 64 to 2^30";
  } else if (options->message_size > shmci_max_message(capacity)) {
    wrong = "message_size is more than lane_capacity / 2 - 8";
  }
  if (wrong == NULL) return SHM_CHANNEL_OK;
  return shmci_fault(&channel->error, channel, SHM_CHANNEL_REFUSED, "open the channel", "", "%s",
                     wrong);
}

static inline enum ShmChannelStatus shmci_join(struct ShmChannel *channel,
                                               const struct ShmChannelOptions *options,
                                               bool create, const struct ShmChannelWait *wait) {
  static const enum ShmChannelStatus statuses[] = {
      SHM_CHANNEL_OK,     SHM_CHANNEL_FAILED,    SHM_CHANNEL_TIMEOUT, SHM_CHANNEL_STOPPED,
      SHM_CHANNEL_ABSENT, SHM_CHANNEL_UNTRUSTED, SHM_CHANNEL_FOREIGN, SHM_CHANNEL_FAILED};
  struct ShmMembership *const member = &channel->member;
  memset(channel, 0, sizeof *channel);
  channel->options = *options;
  member->kind = &SHMCI_KIND;
  member->set = -1;
  member->key = options->key;
  member->wanted_mode = options->mode;
  member->create = create;
  member->persistent = options->persistent;
  member->trust = options->trust;
  member->default_count = SHM_CHANNEL_LANES_DEFAULT + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES;
  if (options->lanes != 0) {
    member->wanted_count = (int)options->lanes + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES;
  }
  const enum ShmChannelStatus refused = shmci_check_options(channel);
  if (refused != SHM_CHANNEL_OK) return refused;
  const enum ShmiStatus status =
      shmi_join(member, shmci_deadline(wait), wait != NULL ? wait->stop : NULL);
  if (status == SHMI_OK) return SHM_CHANNEL_OK;
  channel->error = member->error;
  return statuses[status];
}

/*
 * Opens the channel at the key, or creates it. The wait is for peers that join or leave; without a
 * deadline it lasts SHM_JOIN_MS. Use the handle only in the process that opened it.
 */
static inline enum ShmChannelStatus shm_channel_open_or_create(
    struct ShmChannel *channel, const struct ShmChannelOptions *options,
    const struct ShmChannelWait *wait) {
  return shmci_join(channel, options, true, wait);
}

/* Opens the channel at the key. ABSENT: there is none. */
static inline enum ShmChannelStatus shm_channel_open(struct ShmChannel *channel,
                                                     const struct ShmChannelOptions *options,
                                                     const struct ShmChannelWait *wait) {
  return shmci_join(channel, options, false, wait);
}

/* ---- leaving --------------------------------------------------------------------------------- */

static inline bool shmci_is_empty(const struct ShmChannel *channel) {
  const struct ShmChannelLane *const words = shmci_lanes(channel);
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    if (shmci_peek(&words[lane].producer.tail) != shmci_peek(&words[lane].consumer.head)) {
      return false;
    }
  }
  return true;
}

/* Whether the channel is removed, and if not, why; with the lock held. */
static inline enum ShmChannelLeaveResult shmci_leave_result(const struct ShmChannel *channel) {
  const struct ShmMembership *const member = &channel->member;
  struct shmid_ds segment;
  if (!shmi_alone(member)) return SHM_CHANNEL_IN_USE;
  if (shmi_value(member->set, member->disposable) != 1) return SHM_CHANNEL_KEPT;
  if (shmctl(member->segment, IPC_STAT, &segment) == -1) return SHM_CHANNEL_IN_USE;
  /* a removed segment (ipcrm) cannot be found again, so its messages do not count */
  const bool found = (segment.shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) == 0;
  if (found && !shmci_is_empty(channel)) return SHM_CHANNEL_UNREAD;
  return segment.shm_nattch == 1 ? SHM_CHANNEL_WAS_REMOVED : SHM_CHANNEL_IN_USE;
}

/*
 * Leaves. Does nothing if it has left already, and in a forked child. Close producers and consumer
 * first: their memory is detached too.
 */
static inline enum ShmChannelLeaveResult shm_channel_leave(struct ShmChannel *channel) {
  struct ShmMembership *const member = &channel->member;
  if (member->set == -1 || !shmi_opened_here(&member->process)) return SHM_CHANNEL_IN_USE;
  const enum ShmiStatus status = shmi_lock_to_leave(member);
  if (status == SHMI_AGAIN) return SHM_CHANNEL_WAS_REMOVED;
  if (status != SHMI_OK) return SHM_CHANNEL_IN_USE;
  enum ShmChannelLeaveResult fate = shmci_leave_result(channel);
  if (fate == SHM_CHANNEL_WAS_REMOVED && !shmi_remove_segment(member)) fate = SHM_CHANNEL_NOT_OURS;
  shmi_exit_from(member, fate == SHM_CHANNEL_WAS_REMOVED);
  return fate;
}

/* Removes segment and set even if peers use them: their waits end with REMOVED. */
static inline enum ShmChannelStatus shm_channel_remove(struct ShmChannel *channel) {
  if (!shmi_opened_here(&channel->member.process)) return shmci_forked(&channel->error, channel);
  if (shmctl(channel->member.segment, IPC_RMID, NULL) == -1 && !shmi_gone(errno)) {
    return shmci_error(&channel->error, channel, SHM_CHANNEL_FAILED, "remove the channel",
                       "shmctl", errno);
  }
  if (semctl(channel->member.set, 0, IPC_RMID) == -1 && !shmi_gone(errno)) {
    return shmci_error(&channel->error, channel, SHM_CHANNEL_FAILED,
                       "remove the semaphores of the channel", "semctl", errno);
  }
  return SHM_CHANNEL_OK;
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
  return shmci_peek(&tallies[0].position) != position &&
                 shmci_peek(&tallies[1].position) == position
             ? 1
             : 0;
}

static inline uint64_t shmci_counter_value(const struct ShmChannelMessageCounter *counter) {
  /* acquire: a later check of the position must not move before this */
  return (uint64_t)__atomic_load_n(&counter->count_high, __ATOMIC_ACQUIRE) << 32 |
         __atomic_load_n(&counter->count_low, __ATOMIC_ACQUIRE);
}

/* Writes the counter that is not current, before its position is published. */
SHMCI_HOT void shmci_fill_counter(struct ShmChannelMessageCounter *counter, uint32_t position,
                                  uint64_t count) {
  shmci_note(&counter->position, position);
  shmci_note(&counter->count_low, (uint32_t)count);
  shmci_note(&counter->count_high, (uint32_t)(count >> 32));
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
  const uint32_t head = shmci_peek(&words->consumer.head);
  stats->messages = shmci_count_up_to(&words->producer.tail, words->producer.tallies);
  stats->depth = stats->messages > received ? stats->messages - received : 0;
  const uint32_t bytes = shmci_peek(&words->producer.tail) - head;
  stats->bytes = bytes < channel->lane_capacity ? bytes : channel->lane_capacity;
  stats->full_waits = shmci_peek(&words->producer.full_waits);
  stats->opened = shmci_peek(&words->producer.opened);
  stats->closed = shmci_peek(&words->producer.closed);
  stats->alive = shmi_value(channel->member.set, shmci_sem_lane(lane)) > 0;
  stats->pid = shmi_holder(channel->member.set, shmci_sem_lane(lane), 1);
}

/* ---- waiting --------------------------------------------------------------------------------- */

SHMCI_COLD enum ShmChannelStatus shmci_expired(struct ShmError *error,
                                               const struct ShmChannel *channel) {
  return shmci_fault(error, channel, SHM_CHANNEL_TIMEOUT, "use the channel", "",
                     "timed out");
}

SHMCI_COLD enum ShmChannelStatus shmci_stopped(struct ShmError *error,
                                               const struct ShmChannel *channel) {
  return shmci_fault(error, channel, SHM_CHANNEL_STOPPED, "use the channel", "", "told to stop");
}

/* The number of looks before sleeping. */
static inline uint32_t shmci_looks(const struct ShmiSpinning *spinning,
                                   const struct ShmChannelWait *wait) {
  if (!shmi_spins(spinning)) return 0;
  return wait != NULL ? wait->spin : SHM_CHANNEL_SPIN;
}

/*
 * Sleeps until the word is no longer 1, or for a slice. Not OK: the wait must end. Checks only once
 * in a slice whether the channel still exists, because that takes two system calls.
 */
static inline enum ShmChannelStatus shmci_sleep(struct ShmError *error,
                                                const struct ShmChannel *channel,
                                                const uint32_t *asleep,
                                                const struct ShmChannelWait *wait,
                                                int64_t *next_check) {
  const int64_t deadline = shmci_deadline(wait);
  const int64_t slice = SHM_CHANNEL_SLICE_MS * INT64_C(1000000);
  const int64_t now = shm_now();
  if (shmci_should_stop(wait)) return shmci_stopped(error, channel);
  if (now >= *next_check || now >= deadline) {
    if (shmi_presence(&channel->member) == SHMI_REMOVED) return shmci_removed(error, channel);
    *next_check = now + slice;
  }
  if (now >= deadline) return shmci_expired(error, channel);
  shmi_futex_wait(asleep, 1, shmi_slice(slice, now, deadline));
  return SHM_CHANNEL_OK;
}

/* SYNC asleep, the waker's half: follows a sequentially consistent store of a position. */
SHMCI_HOT void shmci_wake(uint32_t *asleep) {
  if (SHMCI_UNLIKELY(__atomic_load_n(asleep, __ATOMIC_SEQ_CST) != 0) &&
      __atomic_exchange_n(asleep, 0U, __ATOMIC_SEQ_CST) != 0) {
    shmi_futex_wake(asleep);
  }
}

/* ---- producer -------------------------------------------------------------------------------- */

SHMCI_COLD enum ShmChannelStatus shmci_no_lane(struct ShmChannelProducer *producer,
                                               const struct ShmChannel *channel) {
  struct ShmError *const error = &producer->error;
  shmci_fault(error, channel, SHM_CHANNEL_BUSY, "become a producer",
              "wait until one of them closes, or create the channel with more lanes",
              "all %lu lanes are taken, by processes", (unsigned long)channel->lanes);
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    const size_t used = strlen(error->what);
    const pid_t pid = shmi_holder(channel->member.set, shmci_sem_lane(lane), 1);
    if (pid > 0) snprintf(error->what + used, sizeof error->what - used, " %ld", (long)pid);
  }
  return SHM_CHANNEL_BUSY;
}

/* Acquires this lane. BUSY: it has an owner; CORRUPT: its words are impossible for a ring. */
static inline enum ShmChannelStatus shmci_acquire_lane(struct ShmChannelProducer *producer,
                                                       struct ShmChannel *channel, uint32_t lane) {
  const enum ShmChannelStatus status =
      shmci_acquire(&producer->error, channel, shmci_sem_lane(lane));
  if (status != SHM_CHANNEL_OK) return status;
  struct ShmChannelLane *const words = &shmci_lanes(channel)[lane];
  /* SYNC role: all that the last owner did in the ring comes before what we do */
  __atomic_load_n(&words->producer.closed, __ATOMIC_ACQUIRE);
  const uint32_t tail = shmci_peek(&words->producer.tail);
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
  shmci_note(&words->producer.opened, shmci_peek(&words->producer.opened) + 1);
  shmci_note(&words->producer.asleep, 0);
  return SHM_CHANNEL_OK;
}

/*
 * Acquires a lane. BUSY: every lane has an owner, named in producer->error. CORRUPT: the free lanes
 * cannot be used.
 */
static inline enum ShmChannelStatus shm_channel_open_producer(struct ShmChannelProducer *producer,
                                                              struct ShmChannel *channel) {
  enum ShmChannelStatus failure = SHM_CHANNEL_BUSY;
  memset(producer, 0, sizeof *producer);
  if (!shmi_opened_here(&channel->member.process)) return shmci_forked(&producer->error, channel);
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    const enum ShmChannelStatus status = shmci_acquire_lane(producer, channel, lane);
    if (status == SHM_CHANNEL_BUSY) continue;
    if (status != SHM_CHANNEL_CORRUPT) return status;
    /* a lane that cannot be written must not prevent the use of the others */
    failure = status;
  }
  return failure == SHM_CHANNEL_BUSY ? shmci_no_lane(producer, channel) : failure;
}

SHMCI_COLD enum ShmChannelStatus shmci_refused(struct ShmChannelProducer *producer,
                                               size_t length) {
  const struct ShmChannel *const channel = producer->channel;
  if (channel->message_size != 0) {
    return shmci_fault(&producer->error, channel, SHM_CHANNEL_REFUSED, "send the message", "",
                       "it has %llu bytes, and every message of this channel has %lu",
                       (unsigned long long)length, (unsigned long)channel->message_size);
  }
  return shmci_fault(&producer->error, channel, SHM_CHANNEL_REFUSED, "send the message",
                     "send it in pieces, or create the channel with a larger lane_capacity",
                     "it has %llu bytes, and the limit is %lu", (unsigned long long)length,
                     (unsigned long)channel->max_message);
}

SHMCI_HOT uint32_t shmci_record_size(uint32_t length) {
  return (uint32_t)sizeof(struct ShmChannelRecord) +
         ((length + SHM_CHANNEL_RECORD_ALIGN - 1) & ~(SHM_CHANNEL_RECORD_ALIGN - 1));
}

/* The bytes that a message needs, with the padding before it if it would wrap. */
SHMCI_HOT uint32_t shmci_need(const struct ShmChannelProducer *producer, uint32_t length) {
  const uint32_t size = shmci_record_size(length);
  const uint32_t to_end = producer->capacity - (producer->written & (producer->capacity - 1));
  return size <= to_end ? size : to_end + size;
}

SHMCI_HOT bool shmci_has_room(const struct ShmChannelProducer *producer, uint32_t need) {
  return producer->written + need - producer->head <= producer->capacity;
}

/* Loads the head again (SYNC head). FULL: there is still too little room. */
SHMCI_COLD enum ShmChannelStatus shmci_look_for_room(struct ShmChannelProducer *producer,
                                                     uint32_t need) {
  /* sequentially consistent, for the sleeper's half of SYNC asleep */
  const uint32_t head = __atomic_load_n(&producer->words->consumer.head, __ATOMIC_SEQ_CST);
  if (SHMCI_UNLIKELY(producer->tail - head > producer->capacity ||
                     head % SHM_CHANNEL_RECORD_ALIGN != 0)) {
    return shmci_corrupt(&producer->error, producer->channel, producer->lane, "its head", head,
                         producer->tail);
  }
  producer->head = head;
  return shmci_has_room(producer, need) ? SHM_CHANNEL_OK : SHM_CHANNEL_FULL;
}

/*
 * Reserves a place for a message, 8-aligned, to be written and then committed or aborted. FULL:
 * there is no room. One at a time: a second claim replaces the first.
 */
SHMCI_HOT enum ShmChannelStatus shm_channel_claim(struct ShmChannelProducer *producer,
                                                  size_t length, uint32_t tag, void **place) {
  *place = NULL;
  if (SHMCI_UNLIKELY(!shmi_opened_here(&producer->process))) {
    return shmci_forked(&producer->error, producer->channel);
  }
  if (SHMCI_UNLIKELY(length - producer->shortest > producer->span)) {
    return shmci_refused(producer, length);
  }
  const uint32_t need = shmci_need(producer, (uint32_t)length);
  if (SHMCI_UNLIKELY(!shmci_has_room(producer, need))) {
    const enum ShmChannelStatus status = shmci_look_for_room(producer, need);
    if (status != SHM_CHANNEL_OK) return status;
  }
  const uint32_t size = shmci_record_size((uint32_t)length);
  unsigned char *record = producer->ring + (producer->written & (producer->capacity - 1));
  if (SHMCI_UNLIKELY(need != size)) {
    const ShmciHeader padding = SHM_CHANNEL_PADDING;
    __atomic_store_n((ShmciHeader *)(void *)record, padding, __ATOMIC_RELAXED);
    record = producer->ring;
  }
  const ShmciHeader header = (ShmciHeader)tag << 32 | length;
  __atomic_store_n((ShmciHeader *)(void *)record, header, __ATOMIC_RELAXED);
  producer->claimed = producer->written + need;
  *place = record + sizeof(struct ShmChannelRecord);
  return SHM_CHANNEL_OK;
}

/* Stages the claimed message, which must be written: the next publish sends it. */
SHMCI_HOT void shm_channel_stage_claimed(struct ShmChannelProducer *producer) {
  if (producer->claimed == producer->written) return;
  producer->written = producer->claimed;
  producer->count++;
}

/* Gives up the claimed message: it is not sent. */
SHMCI_HOT void shm_channel_abort(struct ShmChannelProducer *producer) {
  producer->claimed = producer->written;
}

/* Makes all staged messages visible, at once. */
SHMCI_HOT void shm_channel_publish(struct ShmChannelProducer *producer) {
  struct ShmChannelLaneProducer *const own = &producer->words->producer;
  if (producer->written == producer->tail || !shmi_opened_here(&producer->process)) return;
  producer->counter ^= 1;
  producer->tail = producer->written;
  shmci_fill_counter(&own->tallies[producer->counter], producer->tail, producer->count);
  /* SYNC tail: the records and the counter come before it. SYNC asleep: the load comes after it */
  __atomic_store_n(&own->tail, producer->tail, __ATOMIC_SEQ_CST);
  shmci_wake(producer->consumer_asleep);
}

/* Publishes the claimed message, which must be written, with all messages staged before. */
SHMCI_HOT void shm_channel_commit(struct ShmChannelProducer *producer) {
  shm_channel_stage_claimed(producer);
  shm_channel_publish(producer);
}

/* Writes a message that becomes visible with the next publish. FULL: there is no room for it. */
SHMCI_HOT enum ShmChannelStatus shm_channel_stage(struct ShmChannelProducer *producer,
                                                  const void *bytes, size_t length, uint32_t tag) {
  void *place;
  const enum ShmChannelStatus status = shm_channel_claim(producer, length, tag, &place);
  if (SHMCI_UNLIKELY(status != SHM_CHANNEL_OK)) return status;
  if (length > 0) memcpy(place, bytes, length);
  shm_channel_stage_claimed(producer);
  return SHM_CHANNEL_OK;
}

/* Sends a message, after all staged messages. FULL: there is no room for it. */
SHMCI_HOT enum ShmChannelStatus shm_channel_try_send(struct ShmChannelProducer *producer,
                                                     const void *bytes, size_t length,
                                                     uint32_t tag) {
  const enum ShmChannelStatus status = shm_channel_stage(producer, bytes, length, tag);
  shm_channel_publish(producer);
  return status;
}

/* Fails if the wait needs a consumer and there is none: no process would free room. */
static inline enum ShmChannelStatus shmci_check_consumer(struct ShmChannelProducer *producer,
                                                         const struct ShmChannelWait *wait) {
  const struct ShmChannel *const channel = producer->channel;
  if (wait == NULL || !wait->need_consumer) return SHM_CHANNEL_OK;
  if (shmi_value(channel->member.set, SHM_CHANNEL_SEM_CONSUMER) != 0) return SHM_CHANNEL_OK;
  return shmci_fault(&producer->error, channel, SHM_CHANNEL_NO_CONSUMER, "send the message",
                     "start a consumer", "the lane is full and there is no consumer");
}

SHMCI_COLD enum ShmChannelStatus shmci_sleep_for_room(struct ShmChannelProducer *producer,
                                                      uint32_t need,
                                                      const struct ShmChannelWait *wait) {
  struct ShmChannelLaneProducer *const own = &producer->words->producer;
  const int64_t began = shm_now();
  int64_t next_check = began + SHM_CHANNEL_SLICE_MS * INT64_C(1000000);
  enum ShmChannelStatus status;
  do {
    /* SYNC asleep, the sleeper's half: the store, then the load of the head */
    __atomic_store_n(&own->asleep, 1U, __ATOMIC_SEQ_CST);
    status = shmci_look_for_room(producer, need);
    if (status != SHM_CHANNEL_FULL) break;
    const uint32_t tail = shmci_peek(&own->tail);
    if (tail != producer->tail) {
      status = shmci_corrupt(&producer->error, producer->channel, producer->lane, "its tail", tail,
                             producer->tail);
      break;
    }
    status = shmci_check_consumer(producer, wait);
    if (status != SHM_CHANNEL_OK) break;
    status = shmci_sleep(&producer->error, producer->channel, &own->asleep, wait, &next_check);
  } while (status == SHM_CHANNEL_OK);
  shmci_note(&own->asleep, 0);
  shmi_slept(&producer->spinning, shm_now() - began);
  return status;
}

/* Publishes the staged messages, then waits until a message of this length can be claimed. */
static inline enum ShmChannelStatus shm_channel_wait_room(struct ShmChannelProducer *producer,
                                                          size_t length,
                                                          const struct ShmChannelWait *wait) {
  if (!shmi_opened_here(&producer->process)) {
    return shmci_forked(&producer->error, producer->channel);
  }
  if (length - producer->shortest > producer->span) return shmci_refused(producer, length);
  shm_channel_publish(producer);
  const uint32_t need = shmci_need(producer, (uint32_t)length);
  enum ShmChannelStatus status =
      shmci_has_room(producer, need) ? SHM_CHANNEL_OK : shmci_look_for_room(producer, need);
  if (status != SHM_CHANNEL_FULL) return status;
  uint32_t *const full_waits = &producer->words->producer.full_waits;
  shmci_note(full_waits, shmci_peek(full_waits) + 1);
  const uint32_t looks = shmci_looks(&producer->spinning, wait);
  for (uint32_t look = 0; look < looks && status == SHM_CHANNEL_FULL; look++) {
    shmi_relax();
    status = shmci_look_for_room(producer, need);
  }
  if (looks > 0) shmi_spun(&producer->spinning, status != SHM_CHANNEL_FULL);
  return status == SHM_CHANNEL_FULL ? shmci_sleep_for_room(producer, need, wait) : status;
}

/* Sends a message, after all staged messages, and waits for room. */
SHMCI_HOT enum ShmChannelStatus shm_channel_send(struct ShmChannelProducer *producer,
                                                 const void *bytes, size_t length, uint32_t tag,
                                                 const struct ShmChannelWait *wait) {
  enum ShmChannelStatus status = shm_channel_try_send(producer, bytes, length, tag);
  while (SHMCI_UNLIKELY(status == SHM_CHANNEL_FULL)) {
    status = shm_channel_wait_room(producer, length, wait);
    if (status == SHM_CHANNEL_OK) status = shm_channel_try_send(producer, bytes, length, tag);
  }
  return status;
}

/* Publishes staged messages and releases the lane. Does nothing if closed or in a forked child. */
static inline void shm_channel_close_producer(struct ShmChannelProducer *producer) {
  if (producer->channel == NULL || !shmi_opened_here(&producer->process)) return;
  uint32_t *const closed = &producer->words->producer.closed;
  shm_channel_publish(producer);
  __atomic_store_n(closed, shmci_peek(closed) + 1, __ATOMIC_RELEASE); /* SYNC role */
  shmi_release(producer->channel->member.set, shmci_sem_lane(producer->lane), 1);
  shmci_wake(producer->consumer_asleep);
  producer->channel = NULL;
}

/* ---- consumer -------------------------------------------------------------------------------- */

/* Whether any lane has a producer now. */
static inline enum ShmChannelStatus shmci_see_producers(struct ShmChannelConsumer *consumer,
                                                        const struct ShmChannel *channel,
                                                        bool *present) {
  unsigned short values[SHM_CHANNEL_LANES_MAX + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES];
  union ShmiSemun argument;
  argument.array = values;
  if (semctl(channel->member.set, 0, GETALL, argument) == -1) {
    if (shmi_gone(errno)) return shmci_removed(&consumer->error, channel);
    return shmci_error(&consumer->error, channel, SHM_CHANNEL_FAILED,
                       "use the semaphores of the channel", "semctl", errno);
  }
  *present = false;
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    *present = *present || values[shmci_sem_lane(lane)] != 0;
  }
  consumer->seen = consumer->seen || *present;
  return SHM_CHANNEL_OK;
}

/* Becomes the consumer. BUSY: another process is, named in consumer->error. */
static inline enum ShmChannelStatus shm_channel_open_consumer(struct ShmChannelConsumer *consumer,
                                                              struct ShmChannel *channel) {
  memset(consumer, 0, sizeof *consumer);
  if (!shmi_opened_here(&channel->member.process)) return shmci_forked(&consumer->error, channel);
  enum ShmChannelStatus status =
      shmci_acquire(&consumer->error, channel, SHM_CHANNEL_SEM_CONSUMER);
  if (status == SHM_CHANNEL_BUSY) {
    return shmci_fault(&consumer->error, channel, status, "become the consumer",
                       "stop that one or use another key", "it has a consumer already, process %ld",
                       (long)shm_channel_consumer_pid(channel));
  }
  if (status != SHM_CHANNEL_OK) return status;
  struct ShmChannelControl *const control = shmci_control(channel);
  struct ShmChannelLane *const words = shmci_lanes(channel);
  /* SYNC role: all that the last consumer read comes before what we free */
  __atomic_load_n(&control->consumer.asleep, __ATOMIC_ACQUIRE);
  for (uint32_t lane = 0; lane < channel->lanes; lane++) {
    struct ShmciReader *const reader = &consumer->readers[lane];
    /* any value: a lane that cannot be read fails in its turn, and can be discarded */
    const uint32_t head = shmci_peek(&words[lane].consumer.head);
    reader->head = reader->read = reader->tail = head;
    reader->counter = shmci_current_counter(words[lane].consumer.tallies, head);
    reader->count = shmci_counter_value(&words[lane].consumer.tallies[reader->counter]);
    reader->opened = shmci_peek(&words[lane].producer.opened);
  }
  /* read after `opened`: one of the two shows a producer that opens in between */
  bool present;
  status = shmci_see_producers(consumer, channel, &present);
  if (status != SHM_CHANNEL_OK) {
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
  shmci_note(consumer->asleep, 0);
  shmci_note(&control->consumer.opened, shmci_peek(&control->consumer.opened) + 1);
  return SHM_CHANNEL_OK;
}

SHMCI_HOT void shmci_next_lane(struct ShmChannelConsumer *consumer) {
  consumer->lane = consumer->lane + 1 == consumer->lanes ? 0 : consumer->lane + 1;
}

/* Frees the space of all delivered messages of a lane, for its owner. */
SHMCI_HOT void shmci_publish_head(struct ShmChannelConsumer *consumer, uint32_t lane) {
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
  shmci_wake(&words->producer.asleep);
}

/* Records that the lane's head will be behind what was delivered; called before it is. */
SHMCI_HOT void shmci_lag(struct ShmChannelConsumer *consumer, uint32_t lane) {
  const struct ShmciReader *const reader = &consumer->readers[lane];
  if (reader->read == reader->head) consumer->dirty[consumer->dirty_count++] = (uint16_t)lane;
}

/*
 * Acknowledges all delivered messages: they count as received, and their space is free, so their
 * bytes must not be read any more. Asking for the next message does it too, closing does not.
 */
SHMCI_HOT void shm_channel_ack(struct ShmChannelConsumer *consumer) {
  if (consumer->dirty_count > 0 && SHMCI_UNLIKELY(!shmi_opened_here(&consumer->process))) return;
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
SHMCI_HOT enum ShmChannelStatus shmci_look_at_tail(struct ShmChannelConsumer *consumer,
                                                   uint32_t lane) {
  struct ShmciReader *const reader = &consumer->readers[lane];
  if (reader->read != reader->tail) return SHM_CHANNEL_OK;
  /* SYNC tail */
  const uint32_t tail = __atomic_load_n(&consumer->words[lane].producer.tail, __ATOMIC_ACQUIRE);
  if (tail == reader->read) return SHM_CHANNEL_EMPTY;
  const uint32_t out = reader->read - reader->head;
  if (SHMCI_UNLIKELY(tail - reader->read > consumer->capacity - out ||
                     (tail | reader->head) % SHM_CHANNEL_RECORD_ALIGN != 0)) {
    return shmci_corrupt(&consumer->error, consumer->channel, lane, "its tail", tail,
                         reader->head);
  }
  reader->tail = tail;
  consumer->seen = true;
  return SHM_CHANNEL_OK;
}

/*
 * The record at the position, which is before the tail; moves the position past padding. EMPTY:
 * there was only padding.
 */
SHMCI_HOT enum ShmChannelStatus shmci_parse(struct ShmChannelConsumer *consumer, uint32_t lane,
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
    if (SHMCI_LIKELY(length <= most && length - consumer->shortest <= consumer->span)) {
      message->bytes = ring + index + sizeof(struct ShmChannelRecord);
      message->length = length;
      message->tag = (uint32_t)(header >> 32);
      message->lane = lane;
      return SHM_CHANNEL_OK;
    }
    if (length != SHM_CHANNEL_PADDING || to_end > left || index == 0) {
      shmci_corrupt(&consumer->error, consumer->channel, lane, "the length of a record", length,
                    most);
      /* the constant: so the compiler knows that OK means that there is a message */
      return SHM_CHANNEL_CORRUPT;
    }
    *position += to_end;
    if (*position == tail) return SHM_CHANNEL_EMPTY;
  }
}

/* The next message that was not delivered; its lane becomes the current one. */
SHMCI_HOT enum ShmChannelStatus shmci_front(struct ShmChannelConsumer *consumer,
                                            struct ShmChannelMessage *message) {
  if (SHMCI_UNLIKELY(!shmi_opened_here(&consumer->process))) {
    return shmci_forked(&consumer->error, consumer->channel);
  }
  for (uint32_t looks = 0; looks < consumer->lanes; looks++) {
    const uint32_t lane = consumer->lane;
    struct ShmciReader *const reader = &consumer->readers[lane];
    enum ShmChannelStatus status = shmci_look_at_tail(consumer, lane);
    if (status == SHM_CHANNEL_OK) {
      uint32_t position = reader->read;
      status = shmci_parse(consumer, lane, &position, reader->tail, message);
      if (SHMCI_UNLIKELY(position != reader->read)) shmci_lag(consumer, lane);
      reader->read = position;
      if (SHMCI_LIKELY(status == SHM_CHANNEL_OK)) return status;
    }
    /* a lane that cannot be read must not prevent the use of the others */
    shmci_next_lane(consumer);
    if (status != SHM_CHANNEL_EMPTY) return status;
  }
  return SHM_CHANNEL_EMPTY;
}

/* Marks the message at the front as delivered. A lane's turn ends at the tail of its beginning. */
SHMCI_HOT void shmci_advance(struct ShmChannelConsumer *consumer,
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
SHMCI_HOT enum ShmChannelStatus shm_channel_more(struct ShmChannelConsumer *consumer,
                                                 struct ShmChannelMessage *message) {
  /* no compiler finds out that a status of OK comes with a message */
  memset(message, 0, sizeof *message);
  const enum ShmChannelStatus status = shmci_front(consumer, message);
  if (SHMCI_LIKELY(status == SHM_CHANNEL_OK)) shmci_advance(consumer, message);
  return status;
}

/*
 * The next message, in the ring; acknowledges those before. It stays unacknowledged until
 * shm_channel_ack or the next call: if the consumer closes or dies before, the next consumer
 * receives it, at least once. EMPTY: there is none.
 */
SHMCI_HOT enum ShmChannelStatus shm_channel_next(struct ShmChannelConsumer *consumer,
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
SHMCI_HOT enum ShmChannelStatus shm_channel_drain(struct ShmChannelConsumer *consumer,
                                                  ShmChannelReceiver receive, void *argument,
                                                  uint64_t max, uint64_t *received) {
  const uint64_t most = max != 0 ? max : UINT64_MAX;
  /* freed in parts, so that the owner of a full lane continues to write while we read */
  const uint32_t part = consumer->capacity / 4;
  uint64_t count = 0;
  enum ShmChannelStatus status = SHM_CHANNEL_OK;
  if (received != NULL) *received = 0;
  if (SHMCI_UNLIKELY(!shmi_opened_here(&consumer->process))) {
    return shmci_forked(&consumer->error, consumer->channel);
  }
  shm_channel_ack(consumer);
  for (uint32_t looks = 0; looks < consumer->lanes && count < most; looks++) {
    const uint32_t lane = consumer->lane;
    struct ShmciReader *const reader = &consumer->readers[lane];
    status = shmci_look_at_tail(consumer, lane);
    if (status == SHM_CHANNEL_OK) {
      const uint32_t tail = reader->tail;
      uint32_t read = reader->read;
      uint32_t taken = 0;
      while (read != tail && count < most) {
        struct ShmChannelMessage message;
        status = shmci_parse(consumer, lane, &read, tail, &message);
        if (SHMCI_UNLIKELY(status != SHM_CHANNEL_OK)) break;
        receive(argument, &message);
        read += shmci_record_size(message.length);
        taken++;
        count++;
        if (SHMCI_UNLIKELY(read - reader->head >= part)) {
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
    if (status != SHM_CHANNEL_OK || reader->read == reader->tail) shmci_next_lane(consumer);
    if (status == SHM_CHANNEL_CORRUPT) break;
  }
  if (received != NULL) *received = count;
  if (status == SHM_CHANNEL_CORRUPT) return status;
  return count > 0 ? SHM_CHANNEL_OK : SHM_CHANNEL_EMPTY;
}

/* Whether there is something to receive: OK. Reads every tail again. */
static inline enum ShmChannelStatus shmci_look_at_tails(const struct ShmChannelConsumer *consumer) {
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    /* sequentially consistent, for the sleeper's half of SYNC asleep */
    if (__atomic_load_n(&consumer->words[lane].producer.tail, __ATOMIC_SEQ_CST) !=
        consumer->readers[lane].read) {
      return SHM_CHANNEL_OK;
    }
  }
  return SHM_CHANNEL_EMPTY;
}

/* Checks that memory still holds the positions that we stored. */
static inline enum ShmChannelStatus shmci_check_heads(struct ShmChannelConsumer *consumer) {
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    const uint32_t head = shmci_peek(&consumer->words[lane].consumer.head);
    if (head != consumer->readers[lane].head) {
      return shmci_corrupt(&consumer->error, consumer->channel, lane, "its head", head,
                           consumer->readers[lane].head);
    }
  }
  return SHM_CHANNEL_OK;
}

/* CLOSED: there was a producer, there is none now, and, read after that, no message is left. */
static inline enum ShmChannelStatus shmci_check_closed(struct ShmChannelConsumer *consumer,
                                                       const struct ShmChannelWait *wait) {
  if (wait == NULL || !wait->until_closed) return SHM_CHANNEL_OK;
  /* the past producers before the present ones: one that comes in between must not count as gone */
  for (uint32_t lane = 0; lane < consumer->lanes; lane++) {
    if (shmci_peek(&consumer->words[lane].producer.opened) != consumer->readers[lane].opened) {
      consumer->seen = true;
    }
  }
  bool present;
  const enum ShmChannelStatus status = shmci_see_producers(consumer, consumer->channel, &present);
  if (status != SHM_CHANNEL_OK) return status;
  const bool over =
      consumer->seen && !present && shmci_look_at_tails(consumer) == SHM_CHANNEL_EMPTY;
  return over ? SHM_CHANNEL_CLOSED : SHM_CHANNEL_OK;
}

SHMCI_COLD enum ShmChannelStatus shmci_sleep_for_messages(struct ShmChannelConsumer *consumer,
                                                          const struct ShmChannelWait *wait) {
  const int64_t began = shm_now();
  int64_t next_check = began + SHM_CHANNEL_SLICE_MS * INT64_C(1000000);
  enum ShmChannelStatus status;
  do {
    /* SYNC asleep, the sleeper's half: the store, then the loads of the tails */
    __atomic_store_n(consumer->asleep, 1U, __ATOMIC_SEQ_CST);
    status = shmci_look_at_tails(consumer);
    if (status != SHM_CHANNEL_EMPTY) break;
    status = shmci_check_heads(consumer);
    if (status != SHM_CHANNEL_OK) break;
    status = shmci_check_closed(consumer, wait);
    if (status != SHM_CHANNEL_OK) break;
    status = shmci_sleep(&consumer->error, consumer->channel, consumer->asleep, wait, &next_check);
  } while (status == SHM_CHANNEL_OK);
  shmci_note(consumer->asleep, 0);
  shmi_slept(&consumer->spinning, shm_now() - began);
  return status;
}

/* Acknowledges the delivered messages, then waits until there is something to receive. */
static inline enum ShmChannelStatus shm_channel_wait(struct ShmChannelConsumer *consumer,
                                                     const struct ShmChannelWait *wait) {
  if (!shmi_opened_here(&consumer->process)) {
    return shmci_forked(&consumer->error, consumer->channel);
  }
  shm_channel_ack(consumer);
  enum ShmChannelStatus status = shmci_look_at_tails(consumer);
  if (status == SHM_CHANNEL_OK) return status;
  const uint32_t looks = shmci_looks(&consumer->spinning, wait);
  for (uint32_t look = 0; look < looks && status == SHM_CHANNEL_EMPTY; look++) {
    shmi_relax();
    status = shmci_look_at_tails(consumer);
  }
  if (looks > 0) shmi_spun(&consumer->spinning, status == SHM_CHANNEL_OK);
  return status == SHM_CHANNEL_EMPTY ? shmci_sleep_for_messages(consumer, wait) : status;
}

/*
 * Copies the next message into the buffer; it must be acknowledged as with shm_channel_next. EMPTY:
 * there is none. REFUSED: the buffer is too small, it needs message->length bytes; the message was
 * not delivered. With shm_channel_ack right after it, a message comes at most once.
 */
SHMCI_HOT enum ShmChannelStatus shm_channel_try_receive(struct ShmChannelConsumer *consumer,
                                                        void *buffer, size_t size,
                                                        struct ShmChannelMessage *message) {
  /* no compiler finds out that a status of OK comes with a message */
  memset(message, 0, sizeof *message);
  shm_channel_ack(consumer);
  const enum ShmChannelStatus status = shmci_front(consumer, message);
  if (SHMCI_UNLIKELY(status != SHM_CHANNEL_OK)) return status;
  if (SHMCI_UNLIKELY(message->length > size)) {
    return shmci_fault(&consumer->error, consumer->channel, SHM_CHANNEL_REFUSED,
                       "receive the message", "no message is longer than channel.max_message",
                       "it has %lu bytes and there is room for %llu",
                       (unsigned long)message->length, (unsigned long long)size);
  }
  if (message->length > 0) memcpy(buffer, message->bytes, message->length);
  message->bytes = buffer;
  shmci_advance(consumer, message);
  return SHM_CHANNEL_OK;
}

/* As shm_channel_try_receive, but waits for a message. */
SHMCI_HOT enum ShmChannelStatus shm_channel_receive(struct ShmChannelConsumer *consumer,
                                                    void *buffer, size_t size,
                                                    struct ShmChannelMessage *message,
                                                    const struct ShmChannelWait *wait) {
  enum ShmChannelStatus status = shm_channel_try_receive(consumer, buffer, size, message);
  while (SHMCI_UNLIKELY(status == SHM_CHANNEL_EMPTY)) {
    status = shm_channel_wait(consumer, wait);
    if (status != SHM_CHANNEL_OK) break;
    status = shm_channel_try_receive(consumer, buffer, size, message);
    /* a tail that was taken back is untrusted data: it must not keep us here */
    if (SHMCI_UNLIKELY(status == SHM_CHANNEL_EMPTY && shm_now() >= shmci_deadline(wait))) {
      return shmci_expired(&consumer->error, consumer->channel);
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
static inline enum ShmChannelStatus shm_channel_consume(struct ShmChannelConsumer *consumer,
                                                        ShmChannelHandler handler, void *argument,
                                                        const struct ShmChannelWait *wait) {
  for (;;) {
    struct ShmChannelMessage message;
    memset(&message, 0, sizeof message);
    enum ShmChannelStatus status = shm_channel_wait(consumer, wait);
    if (status == SHM_CHANNEL_OK) status = shmci_front(consumer, &message);
    if (shmci_should_stop(wait)) return shmci_stopped(&consumer->error, consumer->channel);
    /* a tail that was taken back is untrusted data: it must not keep us here */
    if (status == SHM_CHANNEL_EMPTY && shm_now() < shmci_deadline(wait)) continue;
    if (status == SHM_CHANNEL_EMPTY) return shmci_expired(&consumer->error, consumer->channel);
    if (status != SHM_CHANNEL_OK) return status;
    /* it is not marked as delivered yet: nothing has to be put back, an exception may pass */
    if (!handler(argument, &message)) return SHM_CHANNEL_UNHANDLED;
    shmci_advance(consumer, &message);
    shm_channel_ack(consumer);
  }
}

/*
 * Drops everything that is in a lane now, even contents that no reader can interpret (CORRUPT, with
 * the lane in error.lane), and continues after it. Unacknowledged messages of other lanes stay so.
 */
static inline enum ShmChannelStatus shm_channel_discard(struct ShmChannelConsumer *consumer,
                                                        uint32_t lane) {
  if (!shmi_opened_here(&consumer->process)) {
    return shmci_forked(&consumer->error, consumer->channel);
  }
  if (lane >= consumer->lanes) {
    return shmci_fault(&consumer->error, consumer->channel, SHM_CHANNEL_REFUSED, "discard a lane",
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
  if (reader->read == reader->head) shmci_lag(consumer, lane);
  reader->read = reader->tail = tail;
  /* only the owner's counter may know how many messages they were */
  const struct ShmChannelMessageCounter *const tallies = consumer->words[lane].producer.tallies;
  const struct ShmChannelMessageCounter *const counter =
      &tallies[shmci_current_counter(tallies, tail)];
  const uint64_t sent = shmci_counter_value(counter);
  if (shmci_peek(&counter->position) == tail && sent > reader->count) {
    reader->count = sent;
    reader->taken = 0;
  }
  /* store the head even if only memory differs from what we know */
  if (reader->read == reader->head) reader->head--;
  shmci_publish_head(consumer, lane);
  uint32_t at = 0;
  while (consumer->dirty[at] != lane) at++;
  consumer->dirty[at] = consumer->dirty[--consumer->dirty_count];
  return SHM_CHANNEL_OK;
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
