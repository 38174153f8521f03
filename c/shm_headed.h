/*
 * What the protocols whose segment begins with a header have in common, for shm_channel.h,
 * shm_latest.h and shm_topic.h: statuses and waits, the header and its message type, joining and
 * leaving, roles and lanes, sleeping and waking, and copies beside a writer. Programs include one
 * of the three and use the names that begin with shm_, Shm and SHM_.
 *
 * The steps are those of docs/wire_format.md, "Ready", "Message type" and "Read-only".
 */
#ifndef SYSV_SHM_HEADED_H
#define SYSV_SHM_HEADED_H

#include "shm_membership.h"

#include <stdlib.h>

/* Macros that a program may define before it includes this. */

/* No wait sleeps longer than this before it checks again: a killed peer may not have woken us. */
#ifndef SHM_SLICE_MS
#define SHM_SLICE_MS 100
#endif

/* How often a wait looks before it sleeps, while that helps. The default of ShmWait.spin. */
#ifndef SHM_SPIN
#define SHM_SPIN 200
#endif

/* A deadline that never passes. */
#define SHM_FOREVER INT64_MAX

enum ShmStatus {
  SHM_OK,
  SHM_FULL,        /* the lane has no room for the message now */
  SHM_EMPTY,       /* there is nothing to receive or to read now */
  SHM_UNHANDLED,   /* the handler could not use a message, which stays */
  SHM_CLOSED,      /* there was a producer, there is none now, and no message is left */
  SHM_TIMEOUT,     /* timed out */
  SHM_STOPPED,     /* the caller's stop flag was set */
  SHM_BUSY,        /* the role or every lane is taken, or a writer overtakes each read */
  SHM_NO_CONSUMER, /* there is no room, and no consumer that would free some */
  SHM_REFUSED,     /* an argument is out of range, such as the length of a message */
  SHM_ABSENT,      /* there is nothing at the key */
  SHM_REMOVED,     /* the segment or the set was removed while in use */
  SHM_UNTRUSTED,   /* another user created or owns the object at the key */
  SHM_FOREIGN,     /* the object at the key is something else, or not the requested one */
  SHM_CORRUPT,     /* memory holds an impossible value */
  SHM_FORKED,      /* the handle was opened by a parent of this process */
  SHM_FAILED       /* a system call failed */
};

/* What happened to the object when we left. */
enum ShmLeaveResult {
  SHM_IN_USE,     /* it stays, other processes use it */
  SHM_UNREAD,     /* it stays, with messages that no consumer has received */
  SHM_KEPT,       /* it stays, as its creator chose, or because we only read */
  SHM_NOT_OURS,   /* it stays, only another user may remove it */
  SHM_WAS_REMOVED /* it was removed */
};

/* How long to wait and what ends it; start with shm_within. NULL instead: forever. */
struct ShmWait {
  int64_t deadline;                  /* of shm_now; SHM_FOREVER: none */
  const volatile sig_atomic_t *stop; /* may be NULL */
  uint32_t spin;                     /* looks before sleeping, while that is likely to succeed */
  bool need_consumer;                /* a producer fails if there is no consumer to wait for */
  bool until_closed;                 /* a consumer waits only as long as there are producers */
};

/* The wait for this number of nanoseconds from now; SHM_FOREVER: without an end. */
static inline struct ShmWait shm_within(int64_t nanoseconds) {
  struct ShmWait wait;
  memset(&wait, 0, sizeof wait);
  wait.deadline = nanoseconds == SHM_FOREVER ? SHM_FOREVER : shm_now() + nanoseconds;
  wait.spin = SHM_SPIN;
  return wait;
}

static inline bool shmh_should_stop(const struct ShmWait *wait) {
  return wait != NULL && wait->stop != NULL && *wait->stop != 0;
}

static inline int64_t shmh_deadline(const struct ShmWait *wait) {
  return wait != NULL ? wait->deadline : SHM_FOREVER;
}

/* ---- for the compiler ------------------------------------------------------------------------ */

#define SHMH_HOT static inline __attribute__((always_inline))
#define SHMH_COLD static __attribute__((unused, cold, noinline))
#define SHMH_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define SHMH_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Accesses that are not part of a named edge. */
SHMH_HOT uint32_t shmh_peek(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_RELAXED);
}

SHMH_HOT void shmh_note(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* ---- copies beside a writer ------------------------------------------------------------------ */

/* Bytes of shared memory, whatever type they had. */
typedef uint64_t __attribute__((may_alias)) ShmhWord;

/*
 * Copies out of shared memory that another process may write meanwhile: a copy is used only if a
 * word that is read after it shows that it was not. By relaxed atomic words, because C has no other
 * access that may overlap with a writer; `from` is 8-aligned, and all of its last word is there.
 */
SHMH_HOT void shmh_copy_out(void *to, const unsigned char *from, size_t length) {
  unsigned char *const bytes = (unsigned char *)to;
  const ShmhWord *const words = (const ShmhWord *)(const void *)from;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    const uint64_t word = __atomic_load_n(&words[at / sizeof(uint64_t)], __ATOMIC_RELAXED);
    memcpy(bytes + at, &word, sizeof word);
  }
  if (at < length) {
    const uint64_t word = __atomic_load_n(&words[at / sizeof(uint64_t)], __ATOMIC_RELAXED);
    memcpy(bytes + at, &word, length - at);
  }
}

/*
 * ThreadSanitizer knows no fences, and gcc says so. It needs none here: all that may overlap is
 * atomic, so there is no race to report.
 */
#if defined __SANITIZE_THREAD__ && !defined __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif

/* After a copy: its loads come before those that follow. */
SHMH_HOT void shmh_fence_after_copy(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

/* Before writing: the stores that follow come after those before. */
SHMH_HOT void shmh_fence_before_writing(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

#if defined __SANITIZE_THREAD__ && !defined __clang__
#pragma GCC diagnostic pop
#endif

/* Copies into shared memory that another process may read meanwhile; the last word is filled up. */
SHMH_HOT void shmh_copy_in(unsigned char *to, const void *from, size_t length) {
  const unsigned char *const bytes = (const unsigned char *)from;
  ShmhWord *const words = (ShmhWord *)(void *)to;
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    __atomic_store_n(&words[at / sizeof(uint64_t)], word, __ATOMIC_RELAXED);
  }
  if (at < length) {
    uint64_t word = 0;
    memcpy(&word, bytes + at, length - at);
    __atomic_store_n(&words[at / sizeof(uint64_t)], word, __ATOMIC_RELAXED);
  }
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* The names and the header of one protocol. `kind` comes first, so that a membership knows it. */
struct ShmhKind {
  struct ShmiKind kind;
  const char *use;      /* "use the channel" */
  const char *removing; /* "remove the channel" */
  uint32_t magic;
  uint32_t version;
  uint32_t layout_hash;
  const char *names[3]; /* of the words of a shape: "lanes"... */
  size_t sized_by;      /* which of them is the size of a message or value */
  /* with the set known: sets the shape and the size of a new segment */
  void (*plan)(struct ShmMembership *member);
  /* whether the kernel's facts and the shape of the header, in member->shape, fit together */
  enum ShmiStatus (*check)(struct ShmMembership *member);
};

static inline const struct ShmhKind *shmh_kind(const struct ShmMembership *member) {
  static_assert(offsetof(struct ShmhKind, kind) == 0, "the kind comes first");
  return (const struct ShmhKind *)(const void *)member->kind;
}

/* The error of a call that failed. */
SHMH_COLD enum ShmStatus shmh_error(struct ShmError *error, const struct ShmMembership *member,
                                    const char *action, const char *call, int number) {
  shmi_call_failed(error, member->key, action, call, number);
  return SHM_FAILED;
}

/* The error of a check that failed; the arguments from `what` on are as those of printf. */
__attribute__((format(printf, 6, 7))) SHMH_COLD enum ShmStatus shmh_fault(
    struct ShmError *error, const struct ShmMembership *member, enum ShmStatus status,
    const char *action, const char *hint, const char *what, ...) {
  va_list values;
  va_start(values, what);
  shmi_check_failed(error, member->key, action, hint, what, values);
  va_end(values);
  return status;
}

SHMH_COLD enum ShmStatus shmh_removed(struct ShmError *error, const struct ShmMembership *member) {
  return shmh_fault(error, member, SHM_REMOVED, shmh_kind(member)->use,
                    "its segment or its semaphore set was removed, perhaps with ipcrm: start its"
                    " programs again",
                    "it was removed while in use");
}

SHMH_COLD enum ShmStatus shmh_expired(struct ShmError *error, const struct ShmMembership *member) {
  return shmh_fault(error, member, SHM_TIMEOUT, shmh_kind(member)->use, "", "timed out");
}

SHMH_COLD enum ShmStatus shmh_stopped(struct ShmError *error, const struct ShmMembership *member) {
  return shmh_fault(error, member, SHM_STOPPED, shmh_kind(member)->use, "", "told to stop");
}

/* A handle works only in the process that opened it, not in its children. */
SHMH_COLD enum ShmStatus shmh_forked(struct ShmError *error, const struct ShmMembership *member) {
  return shmh_fault(error, member, SHM_FORKED, shmh_kind(member)->use,
                    "open it again in this process",
                    "process %lu opened it, and fork passes on none of what it holds",
                    (unsigned long)member->process.id);
}

/* ---- the header ------------------------------------------------------------------------------ */

/* The header: 128 bytes, the same places in each protocol. */
struct __attribute__((aligned(128))) ShmhHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t layout_hash;
  uint32_t shape[3];
  uint64_t segment_size;
  struct ShmMessageType type;
};

/* Asserts the offset and size of a member. */
#define SHMH_PLACE(type, member, offset, size)              \
  static_assert(offsetof(struct type, member) == (offset) && \
                    sizeof(((struct type *)0)->member) == (size), \
                #type "." #member)

/* Asserts that the header of a protocol has these places. */
#define SHMH_IS_HEADER(type, first, second, third)                                              \
  static_assert(sizeof(struct type) == sizeof(struct ShmhHeader) &&                             \
                    offsetof(struct type, magic) == offsetof(struct ShmhHeader, magic) &&       \
                    offsetof(struct type, version) == offsetof(struct ShmhHeader, version) &&   \
                    offsetof(struct type, layout_hash) ==                                       \
                        offsetof(struct ShmhHeader, layout_hash) &&                             \
                    offsetof(struct type, first) == offsetof(struct ShmhHeader, shape[0]) &&    \
                    offsetof(struct type, second) == offsetof(struct ShmhHeader, shape[1]) &&   \
                    offsetof(struct type, third) == offsetof(struct ShmhHeader, shape[2]) &&    \
                    offsetof(struct type, segment_size) ==                                      \
                        offsetof(struct ShmhHeader, segment_size),                              \
                #type " begins as every header")

static inline struct ShmhHeader *shmh_header(const struct ShmMembership *member) {
  return (struct ShmhHeader *)(void *)member->base;
}

#define SHMH_FINGERPRINTS (sizeof(((struct ShmMessageType *)0)->fields) / sizeof(uint16_t))

/*
 * The numbers of a message type, from its canonical text ("x:f64@0;y:f64@8;16"): FNV-1a of all of
 * it, and its state after each field. NULL: no type. False: it is no such text.
 */
static inline bool shmh_read_type(const char *text, struct ShmMessageType *type, uint32_t *size) {
  uint32_t state = 0x811c9dc5U;
  size_t fields = 0;
  memset(type, 0, sizeof *type);
  *size = 0;
  if (text == NULL) return true;
  const char *rest = text;
  for (const char *at = text; *at != '\0'; at++) {
    state = (state ^ (unsigned char)*at) * 0x01000193U;
    if (*at != ';') continue;
    if (fields < SHMH_FINGERPRINTS) type->fields[fields++] = (uint16_t)(state ^ state >> 16);
    rest = at + 1;
  }
  type->hash = state != 0 ? state : 1;
  for (; *rest >= '0' && *rest <= '9' && *size < 1U << 30; rest++) {
    *size = *size * 10 + (uint32_t)(*rest - '0');
  }
  return fields > 0 && *rest == '\0' && *size > 0 && *size <= 1U << 30;
}

SHMH_COLD enum ShmiStatus shmh_differs(struct ShmMembership *member, const char *field,
                                       uint64_t there, uint64_t here, const char *hint) {
  return shmi_wrong(member, SHMI_FOREIGN, hint,
                    "%s differs: %llu (0x%llx) there, %llu (0x%llx) here", field,
                    (unsigned long long)there, (unsigned long long)there,
                    (unsigned long long)here, (unsigned long long)here);
}

/* The error of a message type that is not ours: names our first field that differs. */
SHMH_COLD enum ShmiStatus shmh_type_differs(struct ShmMembership *member,
                                            const struct ShmMessageType *there) {
  static const char hint[] = "use the same struct in all programs, or another key";
  const struct ShmMessageType *const here = &member->type;
  const char *leaf = member->type_text, *before = "no field";
  int length = 8;
  size_t field = 0;
  for (; field < SHMH_FINGERPRINTS && here->fields[field] == there->fields[field]; field++) {
    const char *const end = strchr(leaf, ';');
    if (end == NULL) break;
    before = leaf;
    length = (int)(end - leaf);
    leaf = end + 1;
  }
  const char *const end = strchr(leaf, ';');
  if (end != NULL && field < SHMH_FINGERPRINTS) {
    return shmi_wrong(member, SHMI_FOREIGN, hint,
                      "it holds another struct: the first field that differs is %.*s here",
                      (int)(end - leaf < 120 ? end - leaf : 120), leaf);
  }
  if (field == SHMH_FINGERPRINTS) {
    return shmi_wrong(member, SHMI_FOREIGN, hint,
                      "it holds another struct: the first %lu fields are the same, and a later"
                      " one or the size differs",
                      (unsigned long)SHMH_FINGERPRINTS);
  }
  if (there->fields[field] != 0) {
    return shmi_wrong(member, SHMI_FOREIGN, hint,
                      "it holds another struct: it has more fields there, after %.*s here",
                      length < 120 ? length : 120, before);
  }
  return shmi_wrong(member, SHMI_FOREIGN, hint,
                    "it holds another struct: its end differs: %.*s and size %s here",
                    length < 120 ? length : 120, before, leaf);
}

static inline enum ShmiStatus shmh_check_type(struct ShmMembership *member) {
  const struct ShmMessageType *const type = &shmh_header(member)->type;
  struct ShmMessageType there;
  there.hash = shmh_peek(&type->hash);
  member->typed = there.hash != 0 || member->type.hash != 0;
  if (there.hash == member->type.hash || there.hash == 0 || member->type.hash == 0) return SHMI_OK;
  for (size_t field = 0; field < SHMH_FINGERPRINTS; field++) {
    there.fields[field] = __atomic_load_n(&type->fields[field], __ATOMIC_RELAXED);
  }
  return shmh_type_differs(member, &there);
}

/* Makes a segment of zeros an object of this kind, with the lock held. */
static inline void shmh_initialise(struct ShmMembership *member) {
  struct ShmhHeader *const header = shmh_header(member);
  const struct ShmhKind *const kind = shmh_kind(member);
  shmh_note(&header->layout_hash, kind->layout_hash);
  for (int i = 0; i < 3; i++) shmh_note(&header->shape[i], member->shape[i]);
  __atomic_store_n(&header->segment_size, (uint64_t)member->size, __ATOMIC_RELAXED);
  shmh_note(&header->type.hash, member->type.hash);
  for (size_t field = 0; field < SHMH_FINGERPRINTS; field++) {
    __atomic_store_n(&header->type.fields[field], member->type.fields[field], __ATOMIC_RELAXED);
  }
  shmh_note(&header->version, kind->version);
  __atomic_store_n(&header->magic, kind->magic, __ATOMIC_RELEASE); /* SYNC ready */
  member->created = true;
}

/* Whether all bytes after the header are 0, as after the death of its creator. */
static inline bool shmh_is_blank(const struct ShmMembership *member) {
  for (size_t at = sizeof(struct ShmhHeader); at < member->size; at += sizeof(uint64_t)) {
    uint64_t bytes;
    memcpy(&bytes, member->base + at, sizeof bytes);
    if (bytes != 0) return false;
  }
  return true;
}

/*
 * For a segment without a magic, with the lock held unless we only read. Its creator would hold the
 * lock, so it was killed, or does not use the lock. Completes an abandoned segment, or removes it
 * if it has another shape than we want. AGAIN: start again; ready false: wait for that creator.
 */
static inline enum ShmiStatus shmh_complete(struct ShmMembership *member, bool *ready) {
  struct shmid_ds segment;
  *ready = true;
  if (shmctl(member->segment, IPC_STAT, &segment) == -1) {
    return shmi_failed(member, "inspect the segment", "shmctl", errno);
  }
  const bool alone = segment.shm_nattch <= 1;
  /* without the lock, a creator may be about to attach */
  if (!member->create && alone &&
      (!member->read_only || shmi_process_gone(segment.shm_cpid))) {
    return shmi_wrong(member, SHMI_ABSENT, "start the program that creates it",
                      "process %ld was gone before it had made it a %s", (long)segment.shm_cpid,
                      member->kind->thing);
  }
  if (member->create && alone && shmh_is_blank(member)) {
    if ((member->wanted_count == 0 || member->wanted_count == member->count) &&
        member->new_size == member->size) {
      shmi_set_value(member->set, member->disposable, member->persistent ? 0 : 1);
      shmh_initialise(member);
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

static inline enum ShmiStatus shmh_await_ready(struct ShmMembership *member,
                                               const struct ShmiUntil *until) {
  static const char hint[] = "end the process that made the segment, or use another key";
  const uint32_t *const magic = &shmh_header(member)->magic;
  while (__atomic_load_n(magic, __ATOMIC_ACQUIRE) == 0) { /* SYNC ready */
    const struct timespec moment = shmi_timespec(2000000);
    bool ready;
    enum ShmiStatus status = shmh_complete(member, &ready);
    if (ready) return status;
    if (member->read_only) {
      /* detached while it waits: no peer initialises a segment that others have attached */
      shmi_wrong(member, SHMI_TIMEOUT, hint, "it was not initialised in time");
      return SHMI_AGAIN;
    }
    status = shmi_go_on(member, until);
    if (status == SHMI_TIMEOUT) {
      return shmi_wrong(member, status, hint, "it was not initialised in time");
    }
    if (status != SHMI_OK) return status;
    nanosleep(&moment, NULL);
  }
  return SHMI_OK;
}

/* The hints of a header that differs. */
static const char SHMH_WRONG_RELEASE[] = "use the same release of the library and its C headers";
static const char SHMH_OVERWRITTEN[] =
    "its header was overwritten: remove it (ipcrm) and start again";

/* Checks every field of the header, read once, against the kernel's information and the options. */
static inline enum ShmiStatus shmh_check_header(struct ShmMembership *member) {
  static const char wanted[] = "ask for 0 to take what is there, or choose another key";
  const struct ShmhHeader *const header = shmh_header(member);
  const struct ShmhKind *const kind = shmh_kind(member);
  const uint32_t magic = __atomic_load_n(&header->magic, __ATOMIC_ACQUIRE); /* SYNC ready */
  if (magic == __builtin_bswap32(kind->magic)) {
    return shmh_differs(member, "byte order", magic, kind->magic,
                        "a program for another machine made it");
  }
  if (magic != kind->magic) {
    return shmh_differs(member, "magic", magic, kind->magic,
                        "it is something else, use another key");
  }
  const uint32_t version = shmh_peek(&header->version);
  if (version != kind->version) {
    return shmh_differs(member, "version", version, kind->version, SHMH_WRONG_RELEASE);
  }
  const uint32_t hash = shmh_peek(&header->layout_hash);
  if (hash != kind->layout_hash) {
    return shmh_differs(member, "layout_hash", hash, kind->layout_hash, SHMH_WRONG_RELEASE);
  }
  const uint64_t size = __atomic_load_n(&header->segment_size, __ATOMIC_RELAXED);
  if (size != member->size) {
    return shmh_differs(member, "segment_size", size, member->size, SHMH_OVERWRITTEN);
  }
  for (int i = 0; i < 3; i++) member->shape[i] = shmh_peek(&header->shape[i]);
  enum ShmiStatus status = kind->check(member);
  if (status == SHMI_OK) status = shmh_check_type(member);
  for (int i = 0; status == SHMI_OK && i < 3; i++) {
    if (member->wanted[i] == 0 || member->wanted[i] == member->shape[i]) continue;
    status = shmh_differs(member, kind->names[i], member->shape[i], member->wanted[i], wanted);
  }
  return status;
}

/* ---- joining and leaving --------------------------------------------------------------------- */

/* The places of the three semaphores that every set ends with. */
static inline void shmh_choose(struct ShmMembership *member) {
  member->lock = member->count - 3;
  member->users = member->count - 2;
  member->disposable = member->count - 1;
  shmh_kind(member)->plan(member);
}

static inline enum ShmiStatus shmh_prepare(struct ShmMembership *member,
                                           const struct ShmiUntil *until) {
  if (member->made_segment) shmh_initialise(member);
  const enum ShmiStatus status = shmh_await_ready(member, until);
  return status == SHMI_OK ? shmh_check_header(member) : status;
}

/* What a program does with an object that is there, or is not. */
enum ShmhOpening { SHMH_OPEN_OR_CREATE, SHMH_OPEN, SHMH_OPEN_READ_ONLY };

/*
 * Begins a membership, of which the caller has set wanted[] and the counts of semaphores. REFUSED:
 * an option has an impossible value.
 */
static inline enum ShmStatus shmh_begin(struct ShmError *error, struct ShmMembership *member,
                                        const struct ShmhKind *kind, enum ShmhOpening opening,
                                        key_t key, unsigned mode, const char *type) {
  const char *wrong = NULL;
  member->kind = &kind->kind;
  member->key = key;
  member->wanted_mode = mode;
  member->create = opening == SHMH_OPEN_OR_CREATE;
  member->read_only = opening == SHMH_OPEN_READ_ONLY;
  member->type_text = type;
  uint32_t size;
  if (key == IPC_PRIVATE) wrong = "the key 0 (IPC_PRIVATE) can be no meeting point";
  if ((mode & ~0666U) != 0) wrong = "mode is not within 0666";
  if (!shmh_read_type(type, &member->type, &size)) {
    wrong = "type is not the text of a message type (a struct's ..._MESSAGE_TYPE)";
  }
  uint32_t *const wanted = &member->wanted[kind->sized_by];
  if (size != 0 && *wanted != 0 && *wanted != size) wrong = "type is of another size";
  if (size != 0) *wanted = size;
  if (wrong == NULL) return SHM_OK;
  return shmh_fault(error, member, SHM_REFUSED, kind->kind.action, "", "%s", wrong);
}

/*
 * The magic of the segment at the key; 0: it can be none of these protocols', or cannot be read.
 * Attaches only what can be one: other programs count who is attached to their segments.
 */
static inline uint32_t shmh_magic_at(key_t key) {
  struct shmid_ds segment;
  const int id = shmget(key, 0, 0);
  if (id == -1 || semget(key, 0, 0) == -1 || shmctl(id, IPC_STAT, &segment) == -1) return 0;
  if (segment.shm_segsz % 32 != 0) return 0;
  const void *const base = shmat(id, NULL, SHM_RDONLY);
  if (base == (void *)-1) return 0;
  const uint32_t magic = shmh_peek(&((const struct ShmhHeader *)base)->magic);
  shmdt(base);
  return magic;
}

/* Words the error again if the object is one of another of these protocols. */
SHMH_COLD void shmh_name_other(struct ShmMembership *member) {
  const uint32_t magic = shmh_magic_at(member->key);
  const char *const other = magic == 0x434d4853U   ? "channel"
                            : magic == 0x4c4d4853U ? "Latest"
                            : magic == 0x544d4853U ? "Topic"
                                                   : NULL;
  if (other == NULL || magic == shmh_kind(member)->magic) return;
  shmi_wrong(member, SHMI_FOREIGN, "use another key", "the key belongs to a %s, not to a %s", other,
             member->kind->thing);
}

/* Joins, or only attaches. */
static inline enum ShmStatus shmh_join(struct ShmError *error, struct ShmMembership *member,
                                       const struct ShmWait *wait) {
  static const enum ShmStatus statuses[] = {SHM_OK,      SHM_FAILED, SHM_TIMEOUT,   SHM_STOPPED,
                                            SHM_ABSENT,  SHM_UNTRUSTED, SHM_FOREIGN, SHM_FAILED};
  const enum ShmiStatus status =
      shmi_join(member, shmh_deadline(wait), wait != NULL ? wait->stop : NULL);
  if (status == SHMI_FOREIGN) shmh_name_other(member);
  if (status != SHMI_OK) *error = member->error;
  return statuses[status];
}

/* Whether the object is removed, and if not, why; with the lock held. */
static inline enum ShmLeaveResult shmh_leave_result(
    const struct ShmMembership *member, bool (*is_empty)(const struct ShmMembership *member)) {
  struct shmid_ds segment;
  if (!shmi_alone(member)) return SHM_IN_USE;
  if (shmi_value(member->set, member->disposable) != 1) return SHM_KEPT;
  if (shmctl(member->segment, IPC_STAT, &segment) == -1) return SHM_IN_USE;
  /* a removed segment (ipcrm) cannot be found again, so its messages do not count */
  const bool found = (segment.shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) == 0;
  if (is_empty == NULL) return SHM_WAS_REMOVED;
  if (found && !is_empty(member)) return SHM_UNREAD;
  return segment.shm_nattch == 1 ? SHM_WAS_REMOVED : SHM_IN_USE;
}

/*
 * Leaves. `is_empty` is NULL for objects that processes may have attached without joining, and
 * whose contents need no reader: the last member removes them.
 */
static inline enum ShmLeaveResult shmh_leave(struct ShmMembership *member,
                                             bool (*is_empty)(const struct ShmMembership *member)) {
  if (member->set == -1 || !shmi_opened_here(&member->process)) return SHM_IN_USE;
  if (member->read_only) {
    shmi_detach(member);
    member->set = -1;
    return SHM_KEPT;
  }
  const enum ShmiStatus status = shmi_lock_to_leave(member);
  if (status == SHMI_AGAIN) return SHM_WAS_REMOVED;
  if (status != SHMI_OK) return SHM_IN_USE;
  enum ShmLeaveResult result = shmh_leave_result(member, is_empty);
  if (result == SHM_WAS_REMOVED && !shmi_remove_segment(member)) result = SHM_NOT_OURS;
  shmi_exit_from(member, result == SHM_WAS_REMOVED);
  return result;
}

/* Removes segment and set. */
static inline enum ShmStatus shmh_remove(struct ShmError *error,
                                         const struct ShmMembership *member) {
  if (!shmi_opened_here(&member->process)) return shmh_forked(error, member);
  if (shmctl(member->segment, IPC_RMID, NULL) == -1 && !shmi_gone(errno)) {
    return shmh_error(error, member, shmh_kind(member)->removing, "shmctl", errno);
  }
  if (semctl(member->set, 0, IPC_RMID) == -1 && !shmi_gone(errno)) {
    return shmh_error(error, member, shmh_kind(member)->removing, "semctl", errno);
  }
  return SHM_OK;
}

/* ---- roles and lanes ------------------------------------------------------------------------- */

/* Acquires a role or lane. BUSY: another process holds it. */
static inline enum ShmStatus shmh_acquire(struct ShmError *error,
                                          const struct ShmMembership *member, int number) {
  if (shmi_acquire_now(member->set, number) == 0) return SHM_OK;
  if (errno == EAGAIN) return SHM_BUSY;
  if (shmi_gone(errno)) return shmh_removed(error, member);
  return shmh_error(error, member, shmh_kind(member)->use, "semop", errno);
}

/* Whether a handle may take a role or lane: REFUSED if it only reads, FORKED in a child. */
static inline enum ShmStatus shmh_may_write(struct ShmError *error,
                                            const struct ShmMembership *member,
                                            const char *action) {
  if (!shmi_opened_here(&member->process)) return shmh_forked(error, member);
  if (!member->read_only) return SHM_OK;
  return shmh_fault(error, member, SHM_REFUSED, action, "open it with write access",
                    "it was opened read-only");
}

/* The error when all lanes have an owner; the semaphores of the lanes begin at `first`. */
SHMH_COLD enum ShmStatus shmh_no_lane(struct ShmError *error, const struct ShmMembership *member,
                                      const char *action, int first) {
  const int lanes = (int)member->shape[0];
  char hint[sizeof error->hint];
  snprintf(hint, sizeof hint, "wait until one of them closes, or create the %s with more lanes",
           member->kind->thing);
  shmh_fault(error, member, SHM_BUSY, action, hint, "all %d lanes are taken, by", lanes);
  for (int lane = 0; lane < lanes; lane++) {
    const size_t used = strlen(error->what);
    const pid_t pid = shmi_holder(member->set, first + lane, 1);
    snprintf(error->what + used, sizeof error->what - used, "%s %s", lane == 0 ? "" : ",",
             shmi_process_name(pid).text);
  }
  return SHM_BUSY;
}

/* Whether lanes may have this capacity: a power of two. */
static inline bool shmh_is_capacity(uint64_t capacity, uint64_t least, uint64_t most) {
  return capacity >= least && capacity <= most && (capacity & (capacity - 1)) == 0;
}

/* The capacity of the rings in this many bytes; 0: it is none. */
static inline uint32_t shmh_capacity_in(size_t bytes, uint32_t lanes, uint64_t least,
                                        uint64_t most) {
  if (bytes % lanes != 0 || !shmh_is_capacity(bytes / lanes, least, most)) return 0;
  return (uint32_t)(bytes / lanes);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* The number of looks before sleeping. */
static inline uint32_t shmh_looks(const struct ShmiSpinning *spinning, const struct ShmWait *wait) {
  if (!shmi_spins(spinning)) return 0;
  return wait != NULL ? wait->spin : SHM_SPIN;
}

/*
 * Sleeps while the word has this value, at most for `longest` nanoseconds. Not OK: the wait must
 * end. Checks only once in a slice whether the object still exists, because that takes two system
 * calls.
 */
static inline enum ShmStatus shmh_sleep(struct ShmError *error, const struct ShmMembership *member,
                                        const uint32_t *word, uint32_t value, int64_t longest,
                                        const struct ShmWait *wait, int64_t *next_check) {
  const int64_t deadline = shmh_deadline(wait);
  const int64_t now = shm_now();
  if (shmh_should_stop(wait)) return shmh_stopped(error, member);
  if (now >= *next_check || now >= deadline) {
    if (shmi_presence(member) == SHMI_REMOVED) return shmh_removed(error, member);
    *next_check = now + SHM_SLICE_MS * INT64_C(1000000);
  }
  if (now >= deadline) return shmh_expired(error, member);
  shmi_futex_wait(word, value, shmi_slice(longest, now, deadline));
  return SHM_OK;
}

/* SYNC asleep, the waker's half: follows a sequentially consistent store. One sleeper a word. */
SHMH_HOT void shmh_wake(uint32_t *word) {
  if (SHMH_UNLIKELY(__atomic_load_n(word, __ATOMIC_SEQ_CST) != 0) &&
      __atomic_exchange_n(word, 0U, __ATOMIC_SEQ_CST) != 0) {
    shmi_futex_wake(word);
  }
}

/*
 * SYNC waiting, the waker's half: follows a sequentially consistent store. The word of many
 * sleepers is an event count, odd while one sleeps or is about to. If it only went from 1 to 0 and
 * back, a process between its check and its sleep would sleep by the 1 of another one.
 */
SHMH_HOT void shmh_notify(uint32_t *waiting) {
  if (SHMH_UNLIKELY((__atomic_load_n(waiting, __ATOMIC_SEQ_CST) & 1) != 0)) {
    __atomic_fetch_add(waiting, 1U, __ATOMIC_SEQ_CST);
    shmi_futex_wake(waiting);
  }
}

/* A read-only process cannot ask to be woken: it looks after each of these slices. */
#define SHMH_SHORTEST_LOOK_NS INT64_C(1000000)
#define SHMH_LONGEST_LOOK_NS INT64_C(10000000)

/*
 * Sleeps until there is news, which `has_news` reads from the memory with sequentially consistent
 * loads. Only a wake makes `waiting` even again: it belongs to all that sleep.
 */
SHMH_COLD enum ShmStatus shmh_sleep_for_news(struct ShmError *error,
                                             const struct ShmMembership *member, uint32_t *waiting,
                                             bool (*has_news)(const void *reader),
                                             const void *reader, const struct ShmWait *wait) {
  int64_t next_check = shm_now() + SHM_SLICE_MS * INT64_C(1000000);
  int64_t longest = SHM_SLICE_MS * INT64_C(1000000);
  if (member->read_only) longest = SHMH_SHORTEST_LOOK_NS;
  for (;;) {
    /* SYNC waiting, the sleeper's half: the odd number, then the loads of the news */
    const uint32_t value = member->read_only
                               ? __atomic_load_n(waiting, __ATOMIC_SEQ_CST)
                               : __atomic_fetch_or(waiting, 1U, __ATOMIC_SEQ_CST) | 1;
    if (has_news(reader)) return SHM_OK;
    const enum ShmStatus status =
        shmh_sleep(error, member, waiting, value, longest, wait, &next_check);
    if (status != SHM_OK) return status;
    if (member->read_only && longest < SHMH_LONGEST_LOOK_NS) longest += SHMH_SHORTEST_LOOK_NS;
  }
}

/* Waits until there is news: spins for a while, then sleeps. */
static inline enum ShmStatus shmh_await_news(struct ShmError *error,
                                             const struct ShmMembership *member, uint32_t *waiting,
                                             struct ShmiSpinning *spinning,
                                             bool (*has_news)(const void *reader),
                                             const void *reader, const struct ShmWait *wait) {
  if (has_news(reader)) return SHM_OK;
  const uint32_t looks = shmh_looks(spinning, wait);
  bool found = false;
  for (uint32_t look = 0; look < looks && !found; look++) {
    shmi_relax();
    found = has_news(reader);
  }
  if (looks > 0) shmi_spun(spinning, found);
  if (found) return SHM_OK;
  const int64_t began = shm_now();
  const enum ShmStatus status =
      shmh_sleep_for_news(error, member, waiting, has_news, reader, wait);
  shmi_slept(spinning, shm_now() - began);
  return status;
}

#endif
