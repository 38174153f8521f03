/*
 * The mailbox of @sysv/shm for C11 and C++17: one message at a time, shared at a System V key.
 * The protocol is docs/wire_format.md; this header follows it step by step and uses its words.
 * Header only; it needs shm_membership.h and shm_sync.h in the same directory. In C, include it
 * before any system header (it requests the GNU interfaces).
 *
 * Which process writes what in the segment
 *   can_read  a sender 0 -> 1; the server 1 -> 0; a sender withdrawing 1 -> 0. Byte atomics only
 *   msg       the holder of SENDER, while can_read is 0. Read by the server while can_read is 1
 * Invariant: while can_read is 1, msg is a whole message and no process changes it.
 *
 * Happens-before edges
 *   SYNC message  can_read = 1 (release) by the sender -> load of 1 (acquire) by the server
 *   SYNC ack      can_read = 0 (release) by the server -> load of 0 (acquire) by a sender
 *
 * Memory holds untrusted data: other users of the key may be hostile. It is copied before it is
 * checked.
 *
 * A forked child holds nothing of what its parent holds here: calls with an inherited handle do
 * nothing and return FORKED. A child that needs the mailbox must open it again. Until the child
 * ends or calls exec it keeps the segment attached, and so its parent does not remove it.
 *
 *   struct ShmMailbox box;
 *   struct ShmMailboxOptions options = {SHM_MAILBOX_KEY, 0600, false, false};
 *   if (shm_mailbox_join(&box, &options, NULL) != SHM_MAILBOX_OK) { ...shm_describe... }
 *   shm_mailbox_send(&box, "hello", 5, true, NULL, &outcome);
 *   shm_mailbox_leave(&box);
 */
#ifndef SYSV_SHM_COMMON_H
#define SYSV_SHM_COMMON_H

#include "shm_membership.h"

/* The layout: a test reads these lines and compares them with src/mailbox/descriptor.ts. */

/* the segment */
#define SHM_MAILBOX_KEY 1111
#define SHM_MAILBOX_SIZE 2049
#define SHM_MAILBOX_FLAG_OFFSET 0
#define SHM_MAILBOX_TEXT_OFFSET 1
#define SHM_MAILBOX_TEXT_SIZE 2048
#define SHM_MAILBOX_TEXT_MAX 2047

/* the semaphores of its set */
#define SHM_MAILBOX_SEM_LOCK 0
#define SHM_MAILBOX_SEM_USERS 1
#define SHM_MAILBOX_SEM_SERVER 2
#define SHM_MAILBOX_SEM_SENDER 3
#define SHM_MAILBOX_SEM_IN_FLIGHT 4
#define SHM_MAILBOX_SEM_DISPOSABLE 5
#define SHM_MAILBOX_SEM_COUNT 6

/* a sender that sent within JUST_NOW retries for STAND_BACK, from FIRST_PAUSE on, then queues */
#define SHMI_JUST_NOW_NS INT64_C(1000000)
#define SHMI_STAND_BACK_NS INT64_C(50000000)
#define SHMI_FIRST_PAUSE_NS INT64_C(100000)

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
  SHM_MAILBOX_TIMEOUT,   /* timed out */
  SHM_MAILBOX_STOPPED,   /* the caller's stop flag was set */
  SHM_MAILBOX_BUSY,      /* another process holds the role */
  SHM_MAILBOX_REFUSED,   /* the text does not fit into the mailbox */
  SHM_MAILBOX_REMOVED,   /* the segment or the set was removed while in use */
  SHM_MAILBOX_UNTRUSTED, /* another user created or owns the object at the key */
  SHM_MAILBOX_FOREIGN,   /* the object at the key is not a mailbox */
  SHM_MAILBOX_FORKED,    /* the handle was opened by a parent of this process */
  SHM_MAILBOX_FAILED     /* a system call failed */
};

/* What happened to a message; the status alone does not tell. */
enum ShmMailboxOutcome {
  SHM_MAILBOX_NOT_SENT,  /* it was never in the slot */
  SHM_MAILBOX_LEFT,      /* it is in the slot, for this server or the next */
  SHM_MAILBOX_TAKEN,     /* a server has acknowledged it */
  SHM_MAILBOX_WITHDRAWN, /* it was in the slot; no server received it or will */
  SHM_MAILBOX_IN_FLIGHT, /* a server has received it and not acknowledged it yet */
  SHM_MAILBOX_UNKNOWN    /* the mailbox was removed during the send */
};

struct ShmMailboxOptions {
  key_t key;
  unsigned mode;   /* permissions of what we create, within 0666 */
  bool persistent; /* leave the segment behind */
  bool trust;      /* accept an object that another user created or owns */
};

/* How long to wait and what ends it early. NULL instead: forever. */
struct ShmMailboxWait {
  int64_t deadline;                  /* of shm_now; SHM_MAILBOX_FOREVER: none */
  const volatile sig_atomic_t *stop; /* may be NULL */
  void (*idle)(void *);              /* called after each slice without success; may be NULL */
  void *idle_argument;
};

static const int64_t SHM_MAILBOX_FOREVER = INT64_MAX;

struct ShmMailbox {
  struct ShmMailboxOptions options;
  struct ShmMembership member;  /* member.mode: permissions found, of segment and set together */
  bool serving;                 /* we hold SERVER */
  bool was_server;              /* we held it once */
  bool in_flight;               /* we hold IN_FLIGHT */
  bool wakes;                   /* the last check found only members, which wake waiters */
  struct ShmiSpinning spinning;
  int64_t turn_ended;           /* when we last released SENDER */
  struct ShmError error;        /* of the last call that did not return OK */
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* The error of a call that failed. */
static inline enum ShmMailboxStatus shmi_error(struct ShmMailbox *box, enum ShmMailboxStatus status,
                                               const char *action, const char *call, int number) {
  shmi_call_failed(&box->error, box->options.key, action, call, number);
  return status;
}

/* The error of a check that failed; the arguments from `what` on are as those of printf. */
__attribute__((format(printf, 5, 6))) static inline enum ShmMailboxStatus shmi_fault(
    struct ShmMailbox *box, enum ShmMailboxStatus status, const char *action, const char *hint,
    const char *what, ...) {
  va_list values;
  va_start(values, what);
  shmi_check_failed(&box->error, box->options.key, action, hint, what, values);
  va_end(values);
  return status;
}

static inline enum ShmMailboxStatus shmi_timeout(struct ShmMailbox *box) {
  return shmi_fault(box, SHM_MAILBOX_TIMEOUT, "use the mailbox", "", "timed out");
}

static inline enum ShmMailboxStatus shmi_stopped(struct ShmMailbox *box) {
  return shmi_fault(box, SHM_MAILBOX_STOPPED, "use the mailbox", "", "told to stop");
}

static inline enum ShmMailboxStatus shmi_removed(struct ShmMailbox *box) {
  return shmi_fault(box, SHM_MAILBOX_REMOVED, "use the mailbox",
                    "its segment or its semaphore set was removed, perhaps with ipcrm: start its"
                    " programs again",
                    "it was removed while in use");
}

/* ---- semaphores ------------------------------------------------------------------------------ */

static inline bool shmi_should_stop(const struct ShmMailboxWait *wait) {
  return wait != NULL && wait->stop != NULL && *wait->stop != 0;
}

static inline int64_t shmi_deadline(const struct ShmMailboxWait *wait) {
  return wait != NULL ? wait->deadline : SHM_MAILBOX_FOREVER;
}

/* Whether the mailbox still exists. Records whether there are strangers, which wake no waiters. */
static inline enum ShmMailboxStatus shm_mailbox_check(struct ShmMailbox *box) {
  const enum ShmiPresence presence = shmi_presence(&box->member);
  box->wakes = presence == SHMI_AMONG_MEMBERS;
  return presence != SHMI_REMOVED ? SHM_MAILBOX_OK : shmi_removed(box);
}

/* A handle works only in the process that opened it, not in its children. */
static inline enum ShmMailboxStatus shmi_check_process(struct ShmMailbox *box) {
  if (shmi_opened_here(&box->member.process)) return SHM_MAILBOX_OK;
  return shmi_fault(box, SHM_MAILBOX_FORKED, "use the mailbox",
                    "open it again in this process",
                    "another process opened it, and fork does not pass on what that process holds");
}

/*
 * Does the operations in one step. Tries at least once, then waits in slices while the mailbox
 * exists.
 */
static inline enum ShmMailboxStatus shmi_operate(struct ShmMailbox *box, struct sembuf *operations,
                                                 size_t count, const struct ShmMailboxWait *wait) {
  const int64_t deadline = shmi_deadline(wait);
  for (;;) {
    const int64_t longest = shmi_should_stop(wait) ? 0 : SHMI_SLICE_NS;
    const int64_t left = shmi_slice(longest, shm_now(), deadline);
    const struct timespec slice = shmi_timespec(left > 0 ? left : 0);
    if (semtimedop(box->member.set, operations, count, &slice) == 0) return SHM_MAILBOX_OK;
    if (shmi_gone(errno)) return shmi_removed(box);
    if (errno != EAGAIN && errno != EINTR) {
      return shmi_error(box, SHM_MAILBOX_FAILED, "use the semaphores of the mailbox", "semtimedop",
                        errno);
    }
    if (shmi_should_stop(wait)) return shmi_stopped(box);
    const enum ShmMailboxStatus status = shm_mailbox_check(box);
    if (status != SHM_MAILBOX_OK) return status;
    if (shm_now() >= deadline) return shmi_timeout(box);
    if (wait != NULL && wait->idle != NULL) wait->idle(wait->idle_argument);
  }
}

/* Waiting for zero and adding are one step; when we die the kernel subtracts the 1 again. */
static inline enum ShmMailboxStatus shmi_acquire(struct ShmMailbox *box, int number,
                                                 const struct ShmMailboxWait *wait) {
  struct sembuf take[2] = {shmi_operation(number, 0, 0), shmi_operation(number, +1, SEM_UNDO)};
  return shmi_operate(box, take, 2, wait);
}

static inline enum ShmMailboxStatus shmi_try_acquire(struct ShmMailbox *box, int number) {
  if (shmi_acquire_now(box->member.set, number) == 0) return SHM_MAILBOX_OK;
  if (errno == EAGAIN) return SHM_MAILBOX_BUSY;
  if (shmi_gone(errno)) return shmi_removed(box);
  return shmi_error(box, SHM_MAILBOX_FAILED, "use the semaphores of the mailbox", "semop", errno);
}

/* ---- the flag and the waits ------------------------------------------------------------------ */

/* The word and the flag overlap ShmEntry, so the compiler must not assume that they do not. */
typedef uint32_t __attribute__((may_alias)) ShmiWord;

static inline unsigned char *shmi_flag(const struct ShmMailbox *box) {
  return box->member.base + SHM_MAILBOX_FLAG_OFFSET;
}

/* Not a bool: memory may hold a third value, which a bool cannot. Any value but 0 counts as 1. */
static inline bool shmi_can_read(const struct ShmMailbox *box) {
  return __atomic_load_n(shmi_flag(box), __ATOMIC_ACQUIRE) != 0;
}

static inline bool shmi_spin_for_flag(const struct ShmMailbox *box, bool wanted) {
  const int64_t end = shm_now() + SHMI_SPIN_NS;
  do {
    for (int look = 0; look < 32; look++) {
      if (shmi_can_read(box) == wanted) return true;
      shmi_relax();
    }
  } while (shm_now() < end);
  return false;
}

/*
 * System calls show whether the mailbox still exists, and whether a classic peer, which wakes no
 * waiter, is attached; most waits end before them. With a classic peer the slices begin short: an
 * immediate answer is seen at once, and a slow one costs ten checks a second.
 */
static inline enum ShmMailboxStatus shmi_sleep_for_flag(struct ShmMailbox *box, bool wanted,
                                                        const struct ShmMailboxWait *wait) {
  const int64_t deadline = shmi_deadline(wait);
  int64_t shorter = 100000;
  int64_t next_check = shm_now() + (box->wakes ? SHMI_SLICE_NS : shorter);
  for (;;) {
    /* the word before the flag: then a change between the two loads prevents the sleep */
    const ShmiWord *const first = (const ShmiWord *)(const void *)box->member.base;
    const uint32_t word = __atomic_load_n(first, __ATOMIC_ACQUIRE);
    if (shmi_can_read(box) == wanted) return SHM_MAILBOX_OK;
    if (shmi_should_stop(wait)) return shmi_stopped(box);
    const int64_t now = shm_now();
    if (now >= next_check || now >= deadline) {
      const enum ShmMailboxStatus status = shm_mailbox_check(box);
      if (status != SHM_MAILBOX_OK) return status;
      if (now >= deadline) return shmi_timeout(box);
      if (wait != NULL && wait->idle != NULL) wait->idle(wait->idle_argument);
      shorter = shorter * 2 < SHMI_SLICE_NS ? shorter * 2 : SHMI_SLICE_NS;
      next_check = now + (box->wakes ? SHMI_SLICE_NS : shorter);
    }
    shmi_futex_wait(box->member.base, word, shmi_slice(next_check - now, now, deadline));
  }
}

static inline enum ShmMailboxStatus shmi_await_flag(struct ShmMailbox *box, bool wanted,
                                                    const struct ShmMailboxWait *wait) {
  if (shmi_can_read(box) == wanted) return SHM_MAILBOX_OK;
  if (shmi_spins(&box->spinning)) {
    const bool found = shmi_spin_for_flag(box, wanted);
    shmi_spun(&box->spinning, found);
    if (found) return SHM_MAILBOX_OK;
  }
  const int64_t began = shm_now();
  const enum ShmMailboxStatus status = shmi_sleep_for_flag(box, wanted, wait);
  shmi_slept(&box->spinning, shm_now() - began);
  return status;
}

/* ---- acknowledging and releasing ------------------------------------------------------------- */

/*
 * Acknowledges the received message: its sender continues, and the slot is free. Asking for the
 * next message does it too, leaving does not.
 */
static inline void shm_mailbox_ack(struct ShmMailbox *box) {
  if (!box->in_flight || !shmi_opened_here(&box->member.process)) return;
  __atomic_store_n(shmi_flag(box), (unsigned char)0, __ATOMIC_RELEASE); /* SYNC ack */
  shmi_futex_wake(box->member.base);
  shmi_release(box->member.set, SHM_MAILBOX_SEM_IN_FLIGHT, 1);
  box->in_flight = false;
}

/* Negative acknowledge: the received message stays, for the next receive or the next server. */
static inline void shm_mailbox_nack(struct ShmMailbox *box) {
  if (!box->in_flight || !shmi_opened_here(&box->member.process)) return;
  shmi_release(box->member.set, SHM_MAILBOX_SEM_IN_FLIGHT, 1);
  box->in_flight = false;
}

static inline void shm_mailbox_release_server(struct ShmMailbox *box) {
  if (!box->serving || !shmi_opened_here(&box->member.process)) return;
  shmi_release(box->member.set, SHM_MAILBOX_SEM_SERVER, 1);
  box->serving = false;
}

/* ---- joining and leaving --------------------------------------------------------------------- */

static inline bool shmi_mailbox_fits(int count, size_t size) {
  return count == SHM_MAILBOX_SEM_COUNT && size == SHM_MAILBOX_SIZE;
}

static inline void shmi_mailbox_choose(struct ShmMembership *member) {
  member->lock = SHM_MAILBOX_SEM_LOCK;
  member->users = SHM_MAILBOX_SEM_USERS;
  member->disposable = SHM_MAILBOX_SEM_DISPOSABLE;
  member->new_size = SHM_MAILBOX_SIZE;
}

/* A segment of zeros is a mailbox, and any contents may be a message. */
static inline enum ShmiStatus shmi_mailbox_prepare(struct ShmMembership *member,
                                                   const struct ShmiUntil *until) {
  (void)member;
  (void)until;
  return SHMI_OK;
}

static const struct ShmiKind SHMI_MAILBOX_KIND = {
    "mailbox", "open the mailbox", SHM_MAILBOX_SEM_COUNT, SHM_MAILBOX_SEM_COUNT, true,
    shmi_mailbox_fits, shmi_mailbox_choose, shmi_mailbox_prepare};

/*
 * Joins the mailbox at the key, or creates it. The wait is for peers that join or leave; without a
 * deadline it lasts SHM_JOIN_MS. Use the handle only in the process that joined, not in its
 * children.
 */
static inline enum ShmMailboxStatus shm_mailbox_join(struct ShmMailbox *box,
                                                     const struct ShmMailboxOptions *options,
                                                     const struct ShmMailboxWait *wait) {
  static const enum ShmMailboxStatus statuses[] = {
      SHM_MAILBOX_OK,     SHM_MAILBOX_FAILED,    SHM_MAILBOX_TIMEOUT, SHM_MAILBOX_STOPPED,
      SHM_MAILBOX_FAILED, SHM_MAILBOX_UNTRUSTED, SHM_MAILBOX_FOREIGN, SHM_MAILBOX_FAILED};
  struct ShmMembership *const member = &box->member;
  memset(box, 0, sizeof *box);
  box->options = *options;
  member->kind = &SHMI_MAILBOX_KIND;
  member->key = options->key;
  member->wanted_mode = options->mode;
  member->create = true;
  member->persistent = options->persistent;
  member->trust = options->trust;
  member->default_count = SHM_MAILBOX_SEM_COUNT;
  const enum ShmiStatus status =
      shmi_join(member, shmi_deadline(wait), wait != NULL ? wait->stop : NULL);
  if (status == SHMI_OK) return SHM_MAILBOX_OK;
  box->error = member->error;
  return statuses[status];
}

/* Whether we remove the segment; called with the lock held, when we are the only member. */
static inline bool shmi_removes(const struct ShmMailbox *box) {
  struct shmid_ds segment;
  const struct ShmMembership *const member = &box->member;
  const bool due = box->was_server
                       ? !box->options.persistent
                       : shmi_value(member->set, SHM_MAILBOX_SEM_DISPOSABLE) == 1;
  return due && !shmi_can_read(box) &&
         shmctl(member->segment, IPC_STAT, &segment) == 0 && segment.shm_nattch == 1;
}

/* Releases all roles, then leaves. Does nothing if not joined, and in a forked child. */
static inline void shm_mailbox_leave(struct ShmMailbox *box) {
  struct ShmMembership *const member = &box->member;
  if (member->set == -1 || shmi_check_process(box) != SHM_MAILBOX_OK) return;
  shm_mailbox_nack(box);
  shm_mailbox_release_server(box);
  if (shmi_lock_to_leave(member) != SHMI_OK) return;
  const bool alone = shmi_alone(member);
  if (alone && shmi_removes(box)) {
    shmi_remove_segment(member);
  } else if (!alone && box->was_server) {
    /* the last peer to leave does what we would have done */
    shmi_set_value(member->set, SHM_MAILBOX_SEM_DISPOSABLE, box->options.persistent ? 0 : 1);
  }
  shmi_exit_from(member, alone);
}

/* Permissions that other users have on the mailbox beyond options.mode, 0 if none. */
static inline unsigned shm_mailbox_excess(const struct ShmMailbox *box) {
  return box->member.mode & 0022U & ~box->options.mode;
}

/* ---- roles ----------------------------------------------------------------------------------- */

/* Counts only peers of this protocol: a classic server holds no role. */
static inline bool shm_mailbox_has_server(const struct ShmMailbox *box) {
  return shmi_value(box->member.set, SHM_MAILBOX_SEM_SERVER) > 0;
}

/* Whether a process is attached that does not use the protocol, such as a classic program. */
static inline bool shm_mailbox_has_stranger(const struct ShmMailbox *box) {
  return shmi_presence(&box->member) == SHMI_WITH_STRANGER;
}

/* BUSY: there is another server, named in the error. */
static inline enum ShmMailboxStatus shm_mailbox_acquire_server(struct ShmMailbox *box) {
  enum ShmMailboxStatus status = shmi_check_process(box);
  if (status == SHM_MAILBOX_OK) status = shmi_try_acquire(box, SHM_MAILBOX_SEM_SERVER);
  if (status == SHM_MAILBOX_BUSY) {
    const pid_t pid = shmi_holder(box->member.set, SHM_MAILBOX_SEM_SERVER, 1);
    shmi_fault(box, status, "serve the mailbox", "stop that one, or use another key",
               "it has a server already, %s", shmi_process_name(pid).text);
  }
  if (status == SHM_MAILBOX_OK) {
    box->serving = true;
    box->was_server = true;
  }
  return status;
}

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * Acquires SENDER. A sender that held it until now does not queue for it at once, but tries again
 * less and less often. Handing it over takes as long as several messages of one sender; so senders
 * with many messages take turns in bursts, while an occasional sender has its turn next.
 */
static inline enum ShmMailboxStatus shmi_take_turn(struct ShmMailbox *box,
                                                   const struct ShmMailboxWait *wait) {
  enum ShmMailboxStatus status = shmi_try_acquire(box, SHM_MAILBOX_SEM_SENDER);
  if (status != SHM_MAILBOX_BUSY) return status;
  const int64_t now = shm_now();
  const bool just_now = now - box->turn_ended <= SHMI_JUST_NOW_NS;
  const int64_t stands_back = just_now ? SHMI_STAND_BACK_NS : 0;
  const int64_t end = now + shmi_slice(stands_back, now, shmi_deadline(wait));
  for (int64_t pause = SHMI_FIRST_PAUSE_NS; shm_now() + pause < end; pause *= 2) {
    const struct timespec moment = shmi_timespec(pause);
    if (nanosleep(&moment, NULL) == -1 && shmi_should_stop(wait)) break;
    status = shmi_try_acquire(box, SHM_MAILBOX_SEM_SENDER);
    if (status != SHM_MAILBOX_BUSY) return status;
  }
  return shmi_acquire(box, SHM_MAILBOX_SEM_SENDER, wait);
}

/* Withdraws a message that no server took; returns what happened to it, or that this is unknown. */
static inline enum ShmMailboxOutcome shmi_withdraw(struct ShmMailbox *box) {
  /* a server that has received it has one slice to acknowledge it */
  const struct ShmMailboxWait grace = {shm_now() + SHMI_SLICE_NS, NULL, NULL, NULL};
  const enum ShmMailboxStatus status = shmi_acquire(box, SHM_MAILBOX_SEM_IN_FLIGHT, &grace);
  if (status == SHM_MAILBOX_OK) {
    /* SYNC ack, if it was 0. An exchange and not a compare with 1: any value but 0 counts as 1 */
    const unsigned char before =
        __atomic_exchange_n(shmi_flag(box), (unsigned char)0, __ATOMIC_ACQ_REL);
    const bool withdrawn = before != 0;
    if (withdrawn) shmi_futex_wake(box->member.base);
    shmi_release(box->member.set, SHM_MAILBOX_SEM_IN_FLIGHT, 1);
    return withdrawn ? SHM_MAILBOX_WITHDRAWN : SHM_MAILBOX_TAKEN;
  }
  if (!shmi_can_read(box)) return SHM_MAILBOX_TAKEN;
  return status == SHM_MAILBOX_TIMEOUT ? SHM_MAILBOX_IN_FLIGHT : SHM_MAILBOX_UNKNOWN;
}

/*
 * Sends one message; with wait_taken, OK means that a server has acknowledged it. With any status,
 * the outcome is what happened to the message.
 */
static inline enum ShmMailboxStatus shm_mailbox_send(struct ShmMailbox *box, const char *text,
                                                     size_t length, bool wait_taken,
                                                     const struct ShmMailboxWait *wait,
                                                     enum ShmMailboxOutcome *outcome) {
  *outcome = SHM_MAILBOX_NOT_SENT;
  if (length > SHM_MAILBOX_TEXT_MAX || memchr(text, '\0', length) != NULL) {
    return shmi_fault(box, SHM_MAILBOX_REFUSED, "send the message",
                      "", "it has more than 2047 bytes or a NUL");
  }
  enum ShmMailboxStatus status = shmi_check_process(box);
  if (status == SHM_MAILBOX_OK) status = shmi_take_turn(box, wait);
  if (status != SHM_MAILBOX_OK) return status;
  status = shmi_await_flag(box, false, wait); /* SYNC ack */
  if (status != SHM_MAILBOX_OK) {
    shmi_release(box->member.set, SHM_MAILBOX_SEM_SENDER, 1);
    return status;
  }
  unsigned char *const msg = box->member.base + SHM_MAILBOX_TEXT_OFFSET;
  memcpy(msg, text, length);
  memset(msg + length, 0, SHM_MAILBOX_TEXT_SIZE - length);
  struct sembuf ours = shmi_operation(SHM_MAILBOX_SEM_SENDER, +1, SEM_UNDO);
  status = shmi_operate(box, &ours, 1, wait);
  if (status != SHM_MAILBOX_OK) {
    shmi_release(box->member.set, SHM_MAILBOX_SEM_SENDER, 1);
    return status;
  }
  __atomic_store_n(shmi_flag(box), (unsigned char)1, __ATOMIC_RELEASE); /* SYNC message */
  shmi_futex_wake(box->member.base);
  status = wait_taken ? shmi_await_flag(box, false, wait) /* SYNC ack */
                      : shm_mailbox_check(box);
  if (status == SHM_MAILBOX_OK) {
    *outcome = wait_taken ? SHM_MAILBOX_TAKEN : SHM_MAILBOX_LEFT;
  } else {
    *outcome = shmi_withdraw(box);
    if (*outcome == SHM_MAILBOX_TAKEN) status = SHM_MAILBOX_OK;
  }
  box->turn_ended = shm_now();
  shmi_release(box->member.set, SHM_MAILBOX_SEM_SENDER, 2);
  return status;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* The process whose message is in the slot, from the kernel; 0 if unknown. */
static inline pid_t shm_mailbox_sender(const struct ShmMailbox *box) {
  return shmi_holder(box->member.set, SHM_MAILBOX_SEM_SENDER, 2);
}

/*
 * Acknowledges the received message, if there is one, then waits for a message and copies it into
 * text, with a NUL after it. It stays in the slot, not acknowledged, until shm_mailbox_ack or
 * shm_mailbox_nack. `sender` may be NULL: shm_mailbox_sender returns it too, until the message is
 * acknowledged.
 */
static inline enum ShmMailboxStatus shm_mailbox_receive(struct ShmMailbox *box,
                                                        char text[SHM_MAILBOX_TEXT_SIZE + 1],
                                                        size_t *length, pid_t *sender,
                                                        const struct ShmMailboxWait *wait) {
  shm_mailbox_ack(box);
  for (;;) {
    enum ShmMailboxStatus status = shmi_check_process(box);
    if (status == SHM_MAILBOX_OK) status = shmi_await_flag(box, true, wait); /* SYNC message */
    if (status != SHM_MAILBOX_OK) return status;
    status = shmi_try_acquire(box, SHM_MAILBOX_SEM_IN_FLIGHT);
    if (status == SHM_MAILBOX_BUSY) {
      /* a sender is withdrawing; if it was stopped halfway, it must not make us spin */
      struct sembuf free_again = shmi_operation(SHM_MAILBOX_SEM_IN_FLIGHT, 0, 0);
      status = shmi_operate(box, &free_again, 1, wait);
      if (status != SHM_MAILBOX_OK) return status;
      continue;
    }
    if (status != SHM_MAILBOX_OK) return status;
    box->in_flight = true;
    if (shmi_can_read(box)) break;
    shmi_release(box->member.set, SHM_MAILBOX_SEM_IN_FLIGHT, 1);
    box->in_flight = false;
  }
  memcpy(text, box->member.base + SHM_MAILBOX_TEXT_OFFSET, SHM_MAILBOX_TEXT_SIZE);
  text[SHM_MAILBOX_TEXT_SIZE] = '\0';
  *length = strlen(text);
  if (sender != NULL) *sender = shm_mailbox_sender(box);
  return SHM_MAILBOX_OK;
}

#endif
