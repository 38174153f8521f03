/*
 * The mailbox of @sysv/shm for C11 and C++17: one message at a time, shared at a System V key.
 * The protocol is docs/wire_format.md; this header follows it step by step and uses its words.
 * Header only, with shm_sync.h beside it. Include it before any system header in C (it asks for the
 * GNU interfaces).
 *
 * Who writes what in the segment
 *   can_read  a sender 0 -> 1; the server 1 -> 0; a sender withdrawing 1 -> 0. Byte atomics only
 *   msg       the holder of SENDER, while can_read is 0. Read by the server while can_read is 1
 * Invariant: can_read 1 means msg is a whole message and nobody changes it.
 *
 * Happens-before edges
 *   SYNC message  can_read = 1 (release) by the sender -> load of 1 (acquire) by the server
 *   SYNC taken    can_read = 0 (release) by the server -> load of 0 (acquire) by a sender
 *
 * Other users of the key may be hostile: what is in memory is copied first and looked at after.
 *
 *   struct ShmMailbox box;
 *   struct ShmMailboxOptions options = {SHM_MAILBOX_KEY, 0600, false, false};
 *   if (shm_mailbox_arrive(&box, &options, NULL) != SHM_MAILBOX_OK) { ...shm_mailbox_describe... }
 *   shm_mailbox_send(&box, "hello", 5, true, NULL, &outcome);
 *   shm_mailbox_leave(&box);
 */
#ifndef SYSV_SHM_COMMON_H
#define SYSV_SHM_COMMON_H

#include "shm_sync.h"

/* Layout is data: a test reads these lines and compares them with src/mailbox/descriptor.ts. */

/* the segment */
#define SHM_MAILBOX_KEY 1111
#define SHM_MAILBOX_SIZE 2049
#define SHM_MAILBOX_FLAG_OFFSET 0
#define SHM_MAILBOX_TEXT_OFFSET 1
#define SHM_MAILBOX_TEXT_SIZE 2048
#define SHM_MAILBOX_TEXT_MAX 2047

/* the semaphores beside it */
#define SHM_MAILBOX_SEM_LOCK 0
#define SHM_MAILBOX_SEM_USERS 1
#define SHM_MAILBOX_SEM_SERVER 2
#define SHM_MAILBOX_SEM_SENDER 3
#define SHM_MAILBOX_SEM_HAND 4
#define SHM_MAILBOX_SEM_DISPOSABLE 5
#define SHM_MAILBOX_SEM_COUNT 6

/* no wait sleeps longer than this without looking again */
#define SHM_MAILBOX_SLICE_MS 100

struct ShmEntry {
  bool can_read;
  char msg[SHM_MAILBOX_TEXT_SIZE];
};

static_assert(sizeof(bool) == 1, "can_read is one byte");
static_assert(sizeof(struct ShmEntry) == SHM_MAILBOX_SIZE, "ShmEntry is 2049 bytes");
static_assert(offsetof(struct ShmEntry, can_read) == SHM_MAILBOX_FLAG_OFFSET, "can_read first");
static_assert(offsetof(struct ShmEntry, msg) == SHM_MAILBOX_TEXT_OFFSET, "msg comes second");
static_assert(sizeof(((struct ShmEntry *)0)->msg) == SHM_MAILBOX_TEXT_SIZE, "msg is 2048 bytes");

enum ShmMailboxStatus {
  SHM_MAILBOX_OK,
  SHM_MAILBOX_TIMEOUT,   /* the deadline passed */
  SHM_MAILBOX_STOPPED,   /* the caller's stop flag was set */
  SHM_MAILBOX_BUSY,      /* another process holds the role */
  SHM_MAILBOX_REFUSED,   /* the text does not fit the mailbox */
  SHM_MAILBOX_REMOVED,   /* the segment or the set was removed under us */
  SHM_MAILBOX_UNTRUSTED, /* another user made what stands at the key */
  SHM_MAILBOX_FOREIGN,   /* what stands at the key is no mailbox */
  SHM_MAILBOX_FAILED     /* a system call failed */
};

/* What became of a message; a status alone does not say it. */
enum ShmMailboxOutcome {
  SHM_MAILBOX_NOT_SENT,  /* it was never in the slot */
  SHM_MAILBOX_LEFT,      /* in the slot, for the server or the next one */
  SHM_MAILBOX_TAKEN,     /* a server has it */
  SHM_MAILBOX_WITHDRAWN, /* it was in the slot, nobody took it, nobody will */
  SHM_MAILBOX_IN_HAND,   /* a server is at it and has not said that it is done */
  SHM_MAILBOX_UNKNOWN    /* the mailbox was removed under it */
};

struct ShmMailboxError {
  const char *action; /* "open the mailbox" */
  const char *call;   /* "shmget", NULL when no call failed */
  int number;         /* errno, 0 when no call failed */
  key_t key;
  char what[224]; /* what is wrong, when no call failed */
  char hint[160]; /* what to do about it */
};

struct ShmMailboxOptions {
  key_t key;
  unsigned mode; /* permissions of what we create, within 0666 */
  bool keep;     /* leave the segment behind */
  bool trust;    /* accept what another user made */
};

/* How long to wait and what ends it early. NULL instead of one: for ever. */
struct ShmMailboxWait {
  int64_t deadline;                  /* of shm_mailbox_now; SHM_MAILBOX_FOREVER: none */
  const volatile sig_atomic_t *stop; /* may be NULL */
  void (*idle)(void *);              /* called before every sleep; may be NULL */
  void *idle_argument;
};

static const int64_t SHM_MAILBOX_FOREVER = INT64_MAX;

struct ShmMailbox {
  struct ShmMailboxOptions options;
  int set;                     /* -1: not arrived */
  int segment;                 /* -1: none */
  unsigned char *base;         /* NULL: not attached */
  unsigned mode;               /* permissions found, of segment and set together */
  bool serving;                /* we hold SERVER */
  bool was_server;             /* we held it once */
  bool in_hand;                /* we hold HAND */
  struct ShmMailboxError error; /* of the last call that did not return OK */
};

/* ---- time, errors ---------------------------------------------------------------------------- */

static inline int64_t shm_mailbox_now(void) { return shm_now(); }

static inline const char *shm_mailbox_errno_name(int number) { return shm_errno_name(number); }

/* One line, no newline: what failed, in which call, why, at which key, what to do about it. */
static inline void shm_mailbox_describe(const struct ShmMailboxError *error, char *out,
                                        size_t size) {
  const struct ShmiFault fault = {error->action, error->call, error->number, error->what,
                                  error->hint};
  shmi_describe(&fault, error->key, out, size);
}

static inline enum ShmMailboxStatus shmi_error(struct ShmMailbox *box, enum ShmMailboxStatus status,
                                               const char *action, const char *call, int number) {
  struct ShmMailboxError *error = &box->error;
  error->action = action;
  error->call = call;
  error->number = number;
  error->key = box->options.key;
  error->what[0] = '\0';
  const char *const hint =
      number == EACCES
          ? "it belongs to another user, ask them for a wider --mode or agree on another --key"
          : shmi_remedy(number);
  snprintf(error->hint, sizeof error->hint, "%s", hint);
  return status;
}

static inline enum ShmMailboxStatus shmi_fault(struct ShmMailbox *box, enum ShmMailboxStatus status,
                                               const char *action, const char *what,
                                               const char *hint) {
  shmi_error(box, status, action, NULL, 0);
  snprintf(box->error.what, sizeof box->error.what, "%s", what);
  snprintf(box->error.hint, sizeof box->error.hint, "%s", hint);
  return status;
}

static inline enum ShmMailboxStatus shmi_timeout(struct ShmMailbox *box) {
  return shmi_fault(box, SHM_MAILBOX_TIMEOUT, "use the mailbox", "the time allowed is over", "");
}

static inline enum ShmMailboxStatus shmi_stopped(struct ShmMailbox *box) {
  return shmi_fault(box, SHM_MAILBOX_STOPPED, "use the mailbox", "told to stop", "");
}

static inline enum ShmMailboxStatus shmi_removed(struct ShmMailbox *box, const char *call,
                                                 int number) {
  shmi_fault(box, SHM_MAILBOX_REMOVED, "use the mailbox", "its segment was removed while in use",
             "somebody removed the mailbox (ipcrm?), start again to make a new one");
  box->error.call = call;
  box->error.number = number;
  return SHM_MAILBOX_REMOVED;
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static inline bool shmi_should_stop(const struct ShmMailboxWait *wait) {
  return wait != NULL && wait->stop != NULL && *wait->stop != 0;
}

static inline int64_t shmi_deadline(const struct ShmMailboxWait *wait) {
  return wait != NULL ? wait->deadline : SHM_MAILBOX_FOREVER;
}

/* Whether what we wait in is still there: nobody wakes those who wait in a removed segment. */
static inline enum ShmMailboxStatus shm_mailbox_check(struct ShmMailbox *box) {
  struct shmid_ds segment;
  if (shmctl(box->segment, IPC_STAT, &segment) == -1) {
    if (shmi_gone(errno)) return shmi_removed(box, "shmctl", errno);
  } else if ((segment.shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) != 0) {
    return shmi_removed(box, NULL, 0);
  }
  if (shmi_value(box->set, SHM_MAILBOX_SEM_LOCK) == -1 && shmi_gone(errno)) {
    return shmi_removed(box, "semctl", errno);
  }
  return SHM_MAILBOX_OK;
}

/*
 * Does the operations in one step, looking once at least and waiting in slices; with watch, only as
 * long as the segment is there.
 */
static inline enum ShmMailboxStatus shmi_operate(struct ShmMailbox *box, struct sembuf *operations,
                                                 size_t count, bool watch,
                                                 const struct ShmMailboxWait *wait) {
  const int64_t deadline = shmi_deadline(wait);
  for (int64_t wanted = 0;; wanted = SHM_MAILBOX_SLICE_MS * INT64_C(1000000)) {
    const int64_t left = shmi_slice(wanted, shm_mailbox_now(), deadline);
    const struct timespec slice = shmi_timespec(left > 0 ? left : 0);
    if (semtimedop(box->set, operations, count, &slice) == 0) return SHM_MAILBOX_OK;
    if (shmi_gone(errno)) return shmi_removed(box, "semtimedop", errno);
    if (errno != EAGAIN && errno != EINTR) {
      return shmi_error(box, SHM_MAILBOX_FAILED, "use the semaphores of the mailbox", "semtimedop",
                        errno);
    }
    if (shmi_should_stop(wait)) return shmi_stopped(box);
    if (shm_mailbox_now() >= deadline) return shmi_timeout(box);
    if (watch) {
      const enum ShmMailboxStatus status = shm_mailbox_check(box);
      if (status != SHM_MAILBOX_OK) return status;
    }
    if (wait != NULL && wait->idle != NULL) wait->idle(wait->idle_argument);
  }
}

/* Wait for zero and add are one step; when we die the kernel takes the 1 back. */
static inline enum ShmMailboxStatus shmi_take(struct ShmMailbox *box, int number,
                                              const struct ShmMailboxWait *wait) {
  struct sembuf take[2] = {shmi_operation(number, 0, 0), shmi_operation(number, +1, SEM_UNDO)};
  /* those who come and go through the door have no segment yet, or need none any more */
  return shmi_operate(box, take, 2, number != SHM_MAILBOX_SEM_LOCK, wait);
}

static inline enum ShmMailboxStatus shmi_try_take(struct ShmMailbox *box, int number) {
  if (shmi_take_now(box->set, number) == 0) return SHM_MAILBOX_OK;
  if (errno == EAGAIN) return SHM_MAILBOX_BUSY;
  if (shmi_gone(errno)) return shmi_removed(box, "semop", errno);
  return shmi_error(box, SHM_MAILBOX_FAILED, "use the semaphores of the mailbox", "semop", errno);
}

/* ---- the flag and the waits ------------------------------------------------------------------ */

/* The word and the flag overlap ShmEntry, so the compiler must not assume they do not. */
typedef uint32_t __attribute__((may_alias)) ShmiWord;

static inline unsigned char *shmi_flag(const struct ShmMailbox *box) {
  return box->base + SHM_MAILBOX_FLAG_OFFSET;
}

/* Not a bool: memory may hold a third value, which no bool may. Any but 0 counts as 1. */
static inline bool shmi_can_read(const struct ShmMailbox *box) {
  return __atomic_load_n(shmi_flag(box), __ATOMIC_ACQUIRE) != 0;
}

/*
 * Classic peers wake nobody, so the slices begin short: a peer that answers at once is heard at
 * once, one that takes its time costs ten looks a second.
 */
static inline enum ShmMailboxStatus shmi_await_flag(struct ShmMailbox *box, bool wanted,
                                                    const struct ShmMailboxWait *wait) {
  const int64_t deadline = shmi_deadline(wait);
  const int64_t longest = SHM_MAILBOX_SLICE_MS * INT64_C(1000000);
  int64_t slice = 100000;
  for (;;) {
    /* the word before the flag: a change between the two looks then prevents the sleep */
    const ShmiWord *const first = (const ShmiWord *)(const void *)box->base;
    const uint32_t word = __atomic_load_n(first, __ATOMIC_ACQUIRE);
    if (shmi_can_read(box) == wanted) return SHM_MAILBOX_OK;
    if (shmi_should_stop(wait)) return shmi_stopped(box);
    const int64_t now = shm_mailbox_now();
    if (now >= deadline) return shmi_timeout(box);
    const enum ShmMailboxStatus status = shm_mailbox_check(box);
    if (status != SHM_MAILBOX_OK) return status;
    if (wait != NULL && wait->idle != NULL) wait->idle(wait->idle_argument);
    shmi_futex_wait(box->base, word, shmi_slice(slice, now, deadline));
    slice = slice * 2 < longest ? slice * 2 : longest;
  }
}

/* ---- giving back ----------------------------------------------------------------------------- */

/* The application could not use the message: it stays for the next server. */
static inline void shm_mailbox_put_back(struct ShmMailbox *box) {
  if (box->in_hand) shmi_give(box->set, SHM_MAILBOX_SEM_HAND, 1);
  box->in_hand = false;
}

static inline void shm_mailbox_release_server(struct ShmMailbox *box) {
  if (box->serving) shmi_give(box->set, SHM_MAILBOX_SEM_SERVER, 1);
  box->serving = false;
}

/* ---- arriving and leaving -------------------------------------------------------------------- */

static inline enum ShmMailboxStatus shmi_untrusted(struct ShmMailbox *box, const char *thing,
                                                   uid_t creator, uid_t owner) {
  shmi_fault(box, SHM_MAILBOX_UNTRUSTED, "open the mailbox", "",
             "if you trust them say so (--trust), or agree on another --key");
  snprintf(box->error.what, sizeof box->error.what,
           "the %s there was made by user %lu and belongs to user %lu", thing,
           (unsigned long)creator, (unsigned long)owner);
  return SHM_MAILBOX_UNTRUSTED;
}

static inline enum ShmMailboxStatus shmi_foreign_set(struct ShmMailbox *box, int id) {
  struct semid_ds set;
  union ShmiSemun argument;
  argument.buf = &set;
  memset(&set, 0, sizeof set);
  semctl(id, 0, IPC_STAT, argument);
  shmi_error(box, SHM_MAILBOX_FOREIGN, "open the mailbox", NULL, 0);
  snprintf(box->error.what, sizeof box->error.what,
           "the semaphore set there has %lu semaphores and a mailbox has %d, so it is not ours",
           (unsigned long)set.sem_nsems, SHM_MAILBOX_SEM_COUNT);
  snprintf(box->error.hint, sizeof box->error.hint,
           "use another --key, or if nobody needs it: ipcrm -s %d", id);
  return SHM_MAILBOX_FOREIGN;
}

/* Step 1. REMOVED: it went while we looked, begin again. */
static inline enum ShmMailboxStatus shmi_find_set(struct ShmMailbox *box) {
  const struct ShmMailboxOptions *options = &box->options;
  const int id = semget(options->key, SHM_MAILBOX_SEM_COUNT, IPC_CREAT | (int)options->mode);
  if (id == -1) {
    const int number = errno;
    const int other = number == EINVAL ? semget(options->key, 0, 0) : -1;
    if (other != -1) return shmi_foreign_set(box, other);
    return shmi_error(box, SHM_MAILBOX_FAILED, "open the semaphores of the mailbox", "semget",
                      number);
  }
  struct semid_ds set;
  union ShmiSemun argument;
  argument.buf = &set;
  if (semctl(id, 0, IPC_STAT, argument) == -1) {
    if (shmi_gone(errno)) return SHM_MAILBOX_REMOVED;
    return shmi_error(box, SHM_MAILBOX_FAILED, "inspect the semaphores of the mailbox", "semctl",
                      errno);
  }
  if (set.sem_nsems != SHM_MAILBOX_SEM_COUNT) return shmi_foreign_set(box, id);
  if (!options->trust && !(shmi_trusted(set.sem_perm.cuid) && shmi_trusted(set.sem_perm.uid))) {
    return shmi_untrusted(box, "semaphore set", set.sem_perm.cuid, set.sem_perm.uid);
  }
  box->set = id;
  box->mode = (unsigned)set.sem_perm.mode & 0777U;
  return SHM_MAILBOX_OK;
}

/* The checks on the segment we attached; attached, it can no longer change under us. */
static inline enum ShmMailboxStatus shmi_check_segment(struct ShmMailbox *box) {
  struct shmid_ds segment;
  if (shmctl(box->segment, IPC_STAT, &segment) == -1) {
    if (shmi_gone(errno)) return SHM_MAILBOX_REMOVED;
    return shmi_error(box, SHM_MAILBOX_FAILED, "inspect the mailbox", "shmctl", errno);
  }
  if ((segment.shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) != 0) return SHM_MAILBOX_REMOVED;
  if (segment.shm_segsz != SHM_MAILBOX_SIZE) {
    shmi_error(box, SHM_MAILBOX_FOREIGN, "open the mailbox", NULL, 0);
    snprintf(box->error.what, sizeof box->error.what,
             "the segment there has %lu bytes and a mailbox has %d, so it is not ours",
             (unsigned long)segment.shm_segsz, SHM_MAILBOX_SIZE);
    snprintf(box->error.hint, sizeof box->error.hint,
             "use another --key, or if nobody needs it (user %lu's, %lu attached): ipcrm -m %d",
             (unsigned long)segment.shm_perm.uid, (unsigned long)segment.shm_nattch - 1,
             box->segment);
    return SHM_MAILBOX_FOREIGN;
  }
  if (!box->options.trust &&
      !(shmi_trusted(segment.shm_perm.cuid) && shmi_trusted(segment.shm_perm.uid))) {
    return shmi_untrusted(box, "segment", segment.shm_perm.cuid, segment.shm_perm.uid);
  }
  box->mode |= (unsigned)segment.shm_perm.mode & 0777U;
  return SHM_MAILBOX_OK;
}

static inline void shmi_detach(struct ShmMailbox *box) {
  if (box->base != NULL) shmdt(box->base);
  box->base = NULL;
  box->segment = -1;
}

/* Steps 3 and 4, behind the door. REMOVED: it went while we looked, try again. */
static inline enum ShmMailboxStatus shmi_find_segment(struct ShmMailbox *box) {
  const struct ShmMailboxOptions *options = &box->options;
  bool created = true;
  int id = shmget(options->key, SHM_MAILBOX_SIZE, IPC_CREAT | IPC_EXCL | (int)options->mode);
  if (id == -1 && errno == EEXIST) {
    created = false;
    id = shmget(options->key, 0, 0);
    if (id == -1 && errno == ENOENT) return SHM_MAILBOX_REMOVED;
  }
  if (id == -1) return shmi_error(box, SHM_MAILBOX_FAILED, "open the mailbox", "shmget", errno);
  void *const address = shmat(id, NULL, 0);
  if (address == (void *)-1) {
    const int number = errno;
    if (shmi_gone(number)) return SHM_MAILBOX_REMOVED;
    if (created) shmctl(id, IPC_RMID, NULL);
    return shmi_error(box, SHM_MAILBOX_FAILED, "attach the mailbox", "shmat", number);
  }
  box->segment = id;
  box->base = (unsigned char *)address;
  const enum ShmMailboxStatus status = shmi_check_segment(box);
  if (status != SHM_MAILBOX_OK) {
    shmi_detach(box);
    return status;
  }
  if (created) {
    shmi_set_value(box->set, SHM_MAILBOX_SEM_DISPOSABLE, options->keep ? 0 : 1);
  }
  return SHM_MAILBOX_OK;
}

/* Steps 2 to 5 of leaving, holding the door. */
static inline void shmi_leave_by_door(struct ShmMailbox *box) {
  const bool alone = shmi_value(box->set, SHM_MAILBOX_SEM_USERS) == 1;
  if (box->base != NULL && alone) {
    struct shmid_ds segment;
    const bool ours = box->was_server || shmi_value(box->set, SHM_MAILBOX_SEM_DISPOSABLE) == 1;
    if (ours && !box->options.keep && shmctl(box->segment, IPC_STAT, &segment) == 0 &&
        segment.shm_nattch == 1 && !shmi_can_read(box)) {
      shmctl(box->segment, IPC_RMID, NULL);
    }
  } else if (box->base != NULL && box->was_server) {
    shmi_set_value(box->set, SHM_MAILBOX_SEM_DISPOSABLE, box->options.keep ? 0 : 1);
  }
  shmi_detach(box);
  if (alone && semctl(box->set, 0, IPC_RMID) == 0) return;
  /* not alone, or the set is another user's and only they may remove it */
  struct sembuf out[2] = {shmi_operation(SHM_MAILBOX_SEM_USERS, -1, IPC_NOWAIT | SEM_UNDO),
                          shmi_operation(SHM_MAILBOX_SEM_LOCK, -1, IPC_NOWAIT | SEM_UNDO)};
  semop(box->set, out, 2);
}

/* Gives back everything held, then goes; harmless when not arrived. */
static inline void shm_mailbox_leave(struct ShmMailbox *box) {
  if (box->set == -1) return;
  shm_mailbox_put_back(box);
  shm_mailbox_release_server(box);
  struct ShmMailboxWait patience = {shm_mailbox_now() + INT64_C(1000000000), NULL, NULL, NULL};
  if (shmi_take(box, SHM_MAILBOX_SEM_LOCK, &patience) == SHM_MAILBOX_OK) {
    shmi_leave_by_door(box);
  } else {
    shmi_detach(box);
    shmi_give(box->set, SHM_MAILBOX_SEM_USERS, 1);
  }
  box->set = -1;
}

static inline enum ShmMailboxStatus shm_mailbox_arrive(struct ShmMailbox *box,
                                                       const struct ShmMailboxOptions *options,
                                                       const struct ShmMailboxWait *wait) {
  memset(box, 0, sizeof *box);
  box->options = *options;
  box->set = -1;
  box->segment = -1;
  enum ShmMailboxStatus status;
  do {
    if (shmi_should_stop(wait)) return shmi_stopped(box);
    status = shmi_find_set(box);
    if (status == SHM_MAILBOX_OK) {
      struct sembuf enter[3] = {shmi_operation(SHM_MAILBOX_SEM_LOCK, 0, 0),
                                shmi_operation(SHM_MAILBOX_SEM_LOCK, +1, SEM_UNDO),
                                shmi_operation(SHM_MAILBOX_SEM_USERS, +1, SEM_UNDO)};
      status = shmi_operate(box, enter, 3, false, wait);
    }
    /* the last one out took the set along */
  } while (status == SHM_MAILBOX_REMOVED);
  if (status != SHM_MAILBOX_OK) {
    box->set = -1;
    return status;
  }
  do {
    status = shmi_should_stop(wait) ? shmi_stopped(box) : shmi_find_segment(box);
  } while (status == SHM_MAILBOX_REMOVED);
  if (status != SHM_MAILBOX_OK) {
    shmi_leave_by_door(box);
    box->set = -1;
    return status;
  }
  shmi_give(box->set, SHM_MAILBOX_SEM_LOCK, 1);
  return SHM_MAILBOX_OK;
}

/* Permissions others have on the mailbox although we did not ask for them, 0 if none. */
static inline unsigned shm_mailbox_excess(const struct ShmMailbox *box) {
  return box->mode & 0022U & ~box->options.mode;
}

/* ---- roles ----------------------------------------------------------------------------------- */

/* Peers by this protocol only: a classic server holds no role. */
static inline bool shm_mailbox_has_server(const struct ShmMailbox *box) {
  return shmi_value(box->set, SHM_MAILBOX_SEM_SERVER) > 0;
}

/* Whether somebody is attached who does not know the protocol, such as a classic program. */
static inline bool shm_mailbox_has_stranger(const struct ShmMailbox *box) {
  struct shmid_ds segment;
  const int users = shmi_value(box->set, SHM_MAILBOX_SEM_USERS);
  return users >= 0 && shmctl(box->segment, IPC_STAT, &segment) == 0 &&
         segment.shm_nattch > (unsigned long)users;
}

/* BUSY: another server is there, named in the error. */
static inline enum ShmMailboxStatus shm_mailbox_claim_server(struct ShmMailbox *box) {
  const enum ShmMailboxStatus status = shmi_try_take(box, SHM_MAILBOX_SEM_SERVER);
  if (status == SHM_MAILBOX_BUSY) {
    const pid_t pid = shmi_holder(box->set, SHM_MAILBOX_SEM_SERVER, 1);
    shmi_fault(box, SHM_MAILBOX_BUSY, "serve the mailbox", "it has a server already",
               "stop that one or use another --key");
    if (pid > 0) {
      snprintf(box->error.what, sizeof box->error.what, "it has a server already, process %ld",
               (long)pid);
    }
  }
  if (status == SHM_MAILBOX_OK) {
    box->serving = true;
    box->was_server = true;
  }
  return status;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Takes back a message nobody took; says for certain what became of it, or that nobody can. */
static inline enum ShmMailboxOutcome shmi_withdraw(struct ShmMailbox *box) {
  /* a server that has it in hand is given one slice to say that it is done */
  const struct ShmMailboxWait grace = {
      shm_mailbox_now() + SHM_MAILBOX_SLICE_MS * INT64_C(1000000), NULL, NULL, NULL};
  const enum ShmMailboxStatus status = shmi_take(box, SHM_MAILBOX_SEM_HAND, &grace);
  if (status == SHM_MAILBOX_OK) {
    /* SYNC taken, if it was 0. An exchange and not a compare with 1: any value but 0 counts as 1 */
    const unsigned char before =
        __atomic_exchange_n(shmi_flag(box), (unsigned char)0, __ATOMIC_ACQ_REL);
    const bool withdrawn = before != 0;
    if (withdrawn) shmi_futex_wake(box->base);
    shmi_give(box->set, SHM_MAILBOX_SEM_HAND, 1);
    return withdrawn ? SHM_MAILBOX_WITHDRAWN : SHM_MAILBOX_TAKEN;
  }
  if (!shmi_can_read(box)) return SHM_MAILBOX_TAKEN;
  return status == SHM_MAILBOX_TIMEOUT ? SHM_MAILBOX_IN_HAND : SHM_MAILBOX_UNKNOWN;
}

/*
 * Sends one message; with wait_taken, OK means a server has it. Whatever the status, the outcome
 * says what became of the message.
 */
static inline enum ShmMailboxStatus shm_mailbox_send(struct ShmMailbox *box, const char *text,
                                                     size_t length, bool wait_taken,
                                                     const struct ShmMailboxWait *wait,
                                                     enum ShmMailboxOutcome *outcome) {
  *outcome = SHM_MAILBOX_NOT_SENT;
  if (length > SHM_MAILBOX_TEXT_MAX || memchr(text, '\0', length) != NULL) {
    return shmi_fault(box, SHM_MAILBOX_REFUSED, "send the message",
                      "it is longer than 2047 bytes or has a NUL in it", "");
  }
  enum ShmMailboxStatus status = shmi_take(box, SHM_MAILBOX_SEM_SENDER, wait);
  if (status != SHM_MAILBOX_OK) return status;
  status = shmi_await_flag(box, false, wait); /* SYNC taken */
  if (status != SHM_MAILBOX_OK) {
    shmi_give(box->set, SHM_MAILBOX_SEM_SENDER, 1);
    return status;
  }
  unsigned char *const msg = box->base + SHM_MAILBOX_TEXT_OFFSET;
  memcpy(msg, text, length);
  memset(msg + length, 0, SHM_MAILBOX_TEXT_SIZE - length);
  struct sembuf ours = shmi_operation(SHM_MAILBOX_SEM_SENDER, +1, SEM_UNDO);
  status = shmi_operate(box, &ours, 1, true, wait);
  if (status != SHM_MAILBOX_OK) {
    shmi_give(box->set, SHM_MAILBOX_SEM_SENDER, 1);
    return status;
  }
  __atomic_store_n(shmi_flag(box), (unsigned char)1, __ATOMIC_RELEASE); /* SYNC message */
  shmi_futex_wake(box->base);
  status = wait_taken ? shmi_await_flag(box, false, wait) /* SYNC taken */
                      : shm_mailbox_check(box);
  if (status == SHM_MAILBOX_OK) {
    *outcome = wait_taken ? SHM_MAILBOX_TAKEN : SHM_MAILBOX_LEFT;
  } else {
    *outcome = shmi_withdraw(box);
    if (*outcome == SHM_MAILBOX_TAKEN) status = SHM_MAILBOX_OK;
  }
  shmi_give(box->set, SHM_MAILBOX_SEM_SENDER, 2);
  return status;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/*
 * Waits for a message and copies it, with a NUL behind it, into text. It stays in the slot, in our
 * hand, until shm_mailbox_acknowledge or shm_mailbox_put_back. The sender is 0 when nobody knows.
 */
static inline enum ShmMailboxStatus shm_mailbox_receive(struct ShmMailbox *box,
                                                        char text[SHM_MAILBOX_TEXT_SIZE + 1],
                                                        size_t *length, pid_t *sender,
                                                        const struct ShmMailboxWait *wait) {
  for (;;) {
    enum ShmMailboxStatus status = shmi_await_flag(box, true, wait); /* SYNC message */
    if (status != SHM_MAILBOX_OK) return status;
    status = shmi_try_take(box, SHM_MAILBOX_SEM_HAND);
    if (status == SHM_MAILBOX_BUSY) {
      /* a sender is withdrawing; one stopped halfway must not make us spin */
      struct sembuf free_again = shmi_operation(SHM_MAILBOX_SEM_HAND, 0, 0);
      status = shmi_operate(box, &free_again, 1, true, wait);
      if (status != SHM_MAILBOX_OK) return status;
      continue;
    }
    if (status != SHM_MAILBOX_OK) return status;
    box->in_hand = true;
    if (shmi_can_read(box)) break;
    shmi_give(box->set, SHM_MAILBOX_SEM_HAND, 1);
    box->in_hand = false;
  }
  memcpy(text, box->base + SHM_MAILBOX_TEXT_OFFSET, SHM_MAILBOX_TEXT_SIZE);
  text[SHM_MAILBOX_TEXT_SIZE] = '\0';
  *length = strlen(text);
  *sender = shmi_holder(box->set, SHM_MAILBOX_SEM_SENDER, 2);
  return SHM_MAILBOX_OK;
}

/* The application is done with the message: its sender may go on. */
static inline void shm_mailbox_acknowledge(struct ShmMailbox *box) {
  if (!box->in_hand) return;
  __atomic_store_n(shmi_flag(box), (unsigned char)0, __ATOMIC_RELEASE); /* SYNC taken */
  shmi_futex_wake(box->base);
  shmi_give(box->set, SHM_MAILBOX_SEM_HAND, 1);
  box->in_hand = false;
}

#endif
