/*
 * Joining and leaving a segment with its semaphore set, for common.h and shm_headed.h.
 * Internal: programs include common.h or the header of another protocol.
 *
 * The steps are those of docs/wire_format.md, "Joining" and "Leaving". They follow two rules: an
 * object at the key is not changed before it is known what it is; and the entry lock is released,
 * whatever fails in between.
 */
#ifndef SYSV_SHM_MEMBERSHIP_H
#define SYSV_SHM_MEMBERSHIP_H

#include "shm_sync.h"

/* the kernel's SHM_DEST, a bit of shm_perm.mode: the segment is marked for removal */
#define SHMI_MARKED_FOR_REMOVAL 01000

/* How long joining may take without a deadline. A program may define it before it includes this. */
#ifndef SHM_JOIN_MS
#define SHM_JOIN_MS 5000
#endif

/* How long leaving waits for the entry lock. Its holder needs microseconds, unless stopped. */
#define SHMI_LEAVE_NS INT64_C(1000000000)

enum ShmiStatus {
  SHMI_OK,
  SHMI_AGAIN,   /* an object came or went in between: start again. Never the result of joining */
  SHMI_TIMEOUT,
  SHMI_STOPPED, /* the caller's stop flag was set */
  SHMI_ABSENT,  /* there is none, and none must be created */
  SHMI_UNTRUSTED,
  SHMI_FOREIGN, /* the object at the key is something else */
  SHMI_FAILED   /* a system call failed */
};

/* The end of a wait. */
struct ShmiUntil {
  int64_t deadline;
  const volatile sig_atomic_t *stop; /* may be NULL */
};

struct ShmMembership;

/* The differences between the protocols. */
struct ShmiKind {
  const char *thing;  /* "mailbox" */
  const char *action; /* "open the mailbox" */
  int least;          /* semaphores in its set */
  int most;
  bool stands_alone;  /* whether its segment may exist without a set */
  /* whether a segment of this size is possible with a set of this many semaphores */
  bool (*fits)(int count, size_t size);
  /* with the set known: sets the numbers of the semaphores, and the size of a new segment */
  void (*choose)(struct ShmMembership *member);
  /* with the lock held and the segment attached: initialises or checks its contents */
  enum ShmiStatus (*prepare)(struct ShmMembership *member, const struct ShmiUntil *until);
};

/* The type of messages or values in a header. Hash 0: none. */
struct ShmMessageType {
  uint32_t hash;
  uint16_t fields[46]; /* a fingerprint of all text up to each of the first fields; then 0 */
};

/* The membership of one process in a segment and its semaphore set. */
struct ShmMembership {
  const struct ShmiKind *kind;
  key_t key;
  unsigned wanted_mode; /* permissions of what we create */
  bool create;
  bool read_only;       /* only attaches, without write access: does not enter, is not counted */
  bool persistent;      /* what we create stays when the last peer leaves */
  bool trust;
  int wanted_count;     /* of semaphores; 0: as found, or `default_count` */
  int default_count;
  size_t new_size;      /* of a segment that we create */
  int count;            /* of semaphores, as found */
  int lock;             /* semaphore number: held while joining and leaving */
  int users;            /* semaphore number: how many members there are */
  int disposable;       /* semaphore number: whether the last member removes segment and set */
  int set;              /* -1: not a member */
  int segment;          /* -1: none */
  unsigned char *base;  /* NULL: not attached */
  size_t size;          /* of the segment, from the kernel */
  unsigned mode;        /* permissions found, of segment and set together */
  bool made_set;
  bool made_segment;
  bool dissolved;       /* we removed an abandoned segment */
  int64_t leave_for;    /* how long leaving waits for the lock, in nanoseconds */
  struct ShmiProcess process;
  enum ShmiStatus failure; /* why joining failed, with the error */
  struct ShmError error;
  /* of an object with a header (shm_headed.h) */
  const char *type_text;      /* our message type; NULL: none */
  struct ShmMessageType type; /* the same as numbers */
  uint32_t wanted[3];         /* the shape asked for: lanes, capacity...; 0: as found */
  uint32_t shape[3];          /* the shape to create; after joining, the one found */
  bool typed;                 /* a type is stated, here or in the header */
  bool created;               /* we initialised it */
};

/* The error of a call that failed. */
static inline enum ShmiStatus shmi_failed(struct ShmMembership *member, const char *action,
                                          const char *call, int number) {
  shmi_call_failed(&member->error, member->key, action, call, number);
  return member->failure = SHMI_FAILED;
}

/* The error of a check that failed; the arguments from `what` on are as those of printf. */
__attribute__((format(printf, 4, 5))) static inline enum ShmiStatus shmi_wrong(
    struct ShmMembership *member, enum ShmiStatus status, const char *hint, const char *what, ...) {
  va_list values;
  va_start(values, what);
  shmi_check_failed(&member->error, member->key, member->kind->action, hint, what, values);
  va_end(values);
  return member->failure = status;
}

static inline bool shmi_is_stopped(const struct ShmiUntil *until) {
  return until->stop != NULL && *until->stop != 0;
}

/* Whether to continue. Not OK: stopped or timed out. */
static inline enum ShmiStatus shmi_go_on(struct ShmMembership *member,
                                         const struct ShmiUntil *until) {
  if (shmi_is_stopped(until)) return shmi_wrong(member, SHMI_STOPPED, "", "told to stop");
  return shm_now() >= until->deadline ? SHMI_TIMEOUT : SHMI_OK;
}

/* The error of a wait for the lock that timed out. */
static inline enum ShmiStatus shmi_held(struct ShmMembership *member) {
  return shmi_wrong(member, SHMI_TIMEOUT, "is it stopped?",
                    "%s has been joining or leaving for too long",
                    shmi_process_name(shmi_holder(member->set, member->lock, 1)).text);
}

/* Does operations of which the first waits for the lock, in slices. AGAIN: the set was removed. */
static inline enum ShmiStatus shmi_lock(struct ShmMembership *member, struct sembuf *operations,
                                        size_t count, const struct ShmiUntil *until) {
  for (int64_t wanted = 0;; wanted = SHMI_SLICE_NS) {
    const int64_t left = shmi_slice(wanted, shm_now(), until->deadline);
    const struct timespec slice = shmi_timespec(left > 0 ? left : 0);
    if (semtimedop(member->set, operations, count, &slice) == 0) return SHMI_OK;
    if (shmi_gone(errno)) return SHMI_AGAIN;
    if (errno != EAGAIN && errno != EINTR) {
      return shmi_failed(member, "take the entry lock", "semtimedop", errno);
    }
    const enum ShmiStatus status = shmi_go_on(member, until);
    if (status == SHMI_TIMEOUT) return shmi_held(member);
    if (status != SHMI_OK) return status;
  }
}

static inline bool shmi_unlock(struct ShmMembership *member) {
  return shmi_release(member->set, member->lock, 1);
}

static inline void shmi_detach(struct ShmMembership *member) {
  if (member->base != NULL) shmdt(member->base);
  member->base = NULL;
  member->segment = -1;
}

/* Leaves and releases the lock; does both even if another program reset one of the semaphores. */
static inline void shmi_exit(struct ShmMembership *member) {
  struct sembuf out[2] = {shmi_operation(member->users, -1, IPC_NOWAIT | SEM_UNDO),
                          shmi_operation(member->lock, -1, IPC_NOWAIT | SEM_UNDO)};
  shmi_detach(member);
  if (semop(member->set, out, 2) == -1) {
    shmi_release(member->set, member->users, 1);
    shmi_unlock(member);
  }
  member->set = -1;
}

/* Whether we are the only member, with the lock held. */
static inline bool shmi_alone(const struct ShmMembership *member) {
  return shmi_value(member->set, member->users) == 1;
}

/* the highest number of semaphores of any kind */
#define SHMI_SEMAPHORES_MAX 260

/* All values of the set; false: it was removed, or cannot be read. */
static inline bool shmi_values(const struct ShmMembership *member,
                               unsigned short values[SHMI_SEMAPHORES_MAX]) {
  union ShmiSemun argument;
  argument.array = values;
  return semctl(member->set, 0, GETALL, argument) != -1;
}

/* Whether all values but those of these two (-1: of none) are 0. */
static inline bool shmi_are_zero(const struct ShmMembership *member, const unsigned short *values,
                                 int one, int other) {
  for (int i = 0; i < member->count; i++) {
    if (i != one && i != other && values[i] != 0) return false;
  }
  return true;
}

/* Whether we are the only member and no role is held, with the lock held. */
static inline bool shmi_is_idle(const struct ShmMembership *member) {
  unsigned short values[SHMI_SEMAPHORES_MAX];
  if (!shmi_values(member, values)) return false;
  values[member->disposable] = 0;
  return values[member->users] == 1 &&
         shmi_are_zero(member, values, member->lock, member->users);
}

/* The user id that stands for all users that a user namespace does not map: user_namespaces(7). */
#define SHMI_OVERFLOW_UID 65534

static inline bool shmi_maps_all_users(void) {
  FILE *map = fopen("/proc/self/uid_map", "re");
  unsigned long count = 0;
  const bool all =
      map != NULL && fscanf(map, "%*u %*u %lu", &count) == 1 && count == UINT32_MAX;
  if (map != NULL) fclose(map);
  return all;
}

/* Whether a user is root or this one. The id of users that are not mapped may be another user than this
 * one, which has it too; but then a mode without rights for others gives no access. */
static inline bool shmi_trusted(uid_t uid, unsigned mode) {
  if (uid == 0) return true;
  if (uid != geteuid()) return false;
  return uid != SHMI_OVERFLOW_UID || (mode & 066) == 0 || shmi_maps_all_users();
}

static inline bool shmi_trusts(const struct ShmMembership *member, const struct ipc_perm *owner) {
  const unsigned mode = (unsigned)owner->mode;
  return member->trust || (shmi_trusted(owner->cuid, mode) && shmi_trusted(owner->uid, mode));
}

static inline enum ShmiStatus shmi_untrusted(struct ShmMembership *member, const char *object,
                                             const struct ipc_perm *owner) {
  return shmi_wrong(member, SHMI_UNTRUSTED,
                    "set trust if you trust that user, or agree on another key",
                    "user %lu created its %s and user %lu owns it",
                    (unsigned long)owner->cuid, object, (unsigned long)owner->uid);
}

static inline enum ShmiStatus shmi_absent(struct ShmMembership *member) {
  return shmi_wrong(member, SHMI_ABSENT,
                    "start the program that creates it, or agree on the key", "there is none");
}

/* Checks the kernel's information about a segment, except its size. */
static inline enum ShmiStatus shmi_inspect(struct ShmMembership *member, int id,
                                           struct shmid_ds *segment) {
  if (shmctl(id, IPC_STAT, segment) == -1) {
    if (shmi_gone(errno)) return SHMI_AGAIN;
    return shmi_failed(member, "inspect the segment", "shmctl", errno);
  }
  if ((segment->shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) != 0) return SHMI_AGAIN;
  if (!shmi_trusts(member, &segment->shm_perm)) {
    return shmi_untrusted(member, "segment", &segment->shm_perm);
  }
  return SHMI_OK;
}

static inline enum ShmiStatus shmi_check_size(struct ShmMembership *member, int id,
                                              const struct shmid_ds *segment, int count) {
  if (member->kind->fits(count, segment->shm_segsz)) return SHMI_OK;
  shmi_wrong(member, SHMI_FOREIGN, "",
             "the segment there has %lu bytes, which no %s with %d semaphores has",
             (unsigned long)segment->shm_segsz, member->kind->thing, count);
  snprintf(member->error.hint, sizeof member->error.hint,
           "use another key, or if it is not needed (user %lu's): ipcrm -m %d",
           (unsigned long)segment->shm_perm.uid, id);
  return SHMI_FOREIGN;
}

/*
 * Enters a set that has no segment: it is new, abandoned, or another program's. In one step, and
 * only if all its values are 0: any other set is left unchanged.
 */
static inline enum ShmiStatus shmi_enter_unused(struct ShmMembership *member) {
  struct sembuf operations[SHMI_SEMAPHORES_MAX + 2];
  unsigned short values[SHMI_SEMAPHORES_MAX], later[SHMI_SEMAPHORES_MAX];
  size_t count = 0;
  for (int i = 0; i < member->count; i++) operations[count++] = shmi_operation(i, 0, IPC_NOWAIT);
  operations[count++] = shmi_operation(member->lock, +1, IPC_NOWAIT | SEM_UNDO);
  operations[count++] = shmi_operation(member->users, +1, IPC_NOWAIT | SEM_UNDO);
  if (semop(member->set, operations, count) == 0) return SHMI_OK;
  const int number = errno;
  if (shmi_gone(number) || number == EINTR) return SHMI_AGAIN;
  const int last = semctl(member->set, member->lock, GETPID);
  const bool known = shmi_values(member, values);
  const bool unused = known && shmi_are_zero(member, values, -1, -1);
  if (number != EAGAIN) {
    /* we made it in vain; but if others have entered in the meantime, they need it */
    if (member->made_set && unused) semctl(member->set, 0, IPC_RMID);
    return shmi_failed(member, "enter the semaphore set", "semop", number);
  }
  if (!known || unused) return SHMI_AGAIN;
  static const char what[] = "semaphore set %d has this key and is in use, and there is no segment;"
                             " the set was not changed";
  if (values[member->lock] <= 1 && values[member->users] > 0) {
    /* they join or leave, or have not noticed yet that their segment was removed */
    if (values[member->lock] == 1) shmi_held(member);
    else shmi_wrong(member, SHMI_TIMEOUT, "end the programs that use it, or use another key", what, member->set);
    return SHMI_AGAIN;
  }
  /* peers that came and were killed since then leave such values too, and a segment to remove */
  const bool alone = shmget(member->key, 0, 0) == -1 && shmi_values(member, later) &&
                     memcmp(later, values, (size_t)member->count * sizeof values[0]) == 0 &&
                     semctl(member->set, member->lock, GETPID) == last;
  if (!alone) return SHMI_AGAIN;
  shmi_wrong(member, SHMI_FOREIGN, "", what, member->set);
  snprintf(member->error.hint, sizeof member->error.hint,
           "use another key, or if it is not needed: ipcrm -s %d", member->set);
  return SHMI_FOREIGN;
}

/* Step 3: the set. Its count and owner are checked before it is changed. */
static inline enum ShmiStatus shmi_find_set(struct ShmMembership *member, bool has_segment) {
  member->set = semget(member->key, 0, 0);
  if (member->set == -1 && errno == ENOENT) {
    if (has_segment && !member->kind->stands_alone) return SHMI_ABSENT;
    member->count = member->wanted_count != 0 ? member->wanted_count : member->default_count;
    member->set = semget(member->key, member->count,
                         IPC_CREAT | IPC_EXCL | (int)member->wanted_mode);
    if (member->set == -1 && errno == EEXIST) return SHMI_AGAIN;
    member->made_set = member->set != -1;
    member->mode = member->wanted_mode;
  }
  if (member->set == -1) {
    return shmi_failed(member, "open the semaphore set", "semget", errno);
  }
  if (!member->made_set) {
    struct semid_ds set;
    union ShmiSemun argument;
    argument.buf = &set;
    if (semctl(member->set, 0, IPC_STAT, argument) == -1) {
      if (shmi_gone(errno)) return SHMI_AGAIN;
      return shmi_failed(member, "inspect the semaphore set", "semctl", errno);
    }
    if (set.sem_nsems < (unsigned long)member->kind->least ||
        set.sem_nsems > (unsigned long)member->kind->most) {
      shmi_wrong(member, SHMI_FOREIGN, "",
                 "the semaphore set there has %lu semaphores, so it is no %s's",
                 (unsigned long)set.sem_nsems, member->kind->thing);
      snprintf(member->error.hint, sizeof member->error.hint,
               "use another key, or if it is not needed: ipcrm -s %d", member->set);
      return SHMI_FOREIGN;
    }
    if (!shmi_trusts(member, &set.sem_perm)) {
      return shmi_untrusted(member, "semaphore set", &set.sem_perm);
    }
    member->count = (int)set.sem_nsems;
    if (!has_segment && member->wanted_count != 0 && member->count != member->wanted_count) {
      shmi_wrong(member, SHMI_FOREIGN, "",
                 "the semaphore set there has %d semaphores, and %d are wanted", member->count,
                 member->wanted_count);
      snprintf(member->error.hint, sizeof member->error.hint,
               "use another key, or if it is not needed: ipcrm -s %d", member->set);
      return SHMI_FOREIGN;
    }
    member->mode = (unsigned)set.sem_perm.mode & 0777U;
  }
  member->kind->choose(member);
  return SHMI_OK;
}

/* Steps 1 to 3. OK: we hold the lock and are counted, unless we only read. */
static inline enum ShmiStatus shmi_enter(struct ShmMembership *member,
                                         const struct ShmiUntil *until) {
  struct shmid_ds segment;
  enum ShmiStatus status;
  member->made_set = member->made_segment = member->dissolved = false;
  const int id = shmget(member->key, 0, 0);
  if (id == -1 && errno != ENOENT) {
    return shmi_failed(member, "open the segment", "shmget", errno);
  }
  if (id == -1 && !member->create) return shmi_absent(member);
  if (id != -1) {
    status = shmi_inspect(member, id, &segment);
    /* the size of a mailbox does not depend on the set: check it first, and make no set in vain */
    if (status == SHMI_OK && member->kind->least == member->kind->most) {
      status = shmi_check_size(member, id, &segment, member->kind->least);
    }
    if (status != SHMI_OK) return status;
  }
  status = shmi_find_set(member, id != -1);
  if (status == SHMI_ABSENT) {
    if (shmget(member->key, 0, 0) != id || semget(member->key, 0, 0) != -1) return SHMI_AGAIN;
    return shmi_wrong(member, SHMI_FOREIGN,
                      "it is another program's, or its set was removed (ipcrm -s): use another key,"
                      " or remove the segment (ipcrm -m)",
                      "segment %d has this key and is no %s, because there is no semaphore set", id,
                      member->kind->thing);
  }
  if (status == SHMI_OK && id != -1) {
    status = shmi_check_size(member, id, &segment, member->count);
  }
  if (status != SHMI_OK || member->read_only) return status;
  if (id == -1 || member->made_set) return shmi_enter_unused(member);
  struct sembuf enter[3] = {shmi_operation(member->lock, 0, 0),
                            shmi_operation(member->lock, +1, SEM_UNDO),
                            shmi_operation(member->users, +1, SEM_UNDO)};
  return shmi_lock(member, enter, 3, until);
}

/* Step 4, with the lock held unless we only read. */
static inline enum ShmiStatus shmi_find_segment(struct ShmMembership *member,
                                                const struct ShmiUntil *until) {
  struct shmid_ds segment;
  int id = shmget(member->key, 0, 0);
  if (id == -1 && errno == ENOENT) {
    if (!member->create) return shmi_absent(member);
    id = shmget(member->key, member->new_size,
                IPC_CREAT | IPC_EXCL | (int)member->wanted_mode);
    if (id == -1 && errno == EEXIST) return SHMI_AGAIN;
    member->made_segment = id != -1;
  }
  if (id == -1) return shmi_failed(member, "open the segment", "shmget", errno);
  member->segment = id;
  void *const address = shmat(id, NULL, member->read_only ? SHM_RDONLY : 0);
  if (address == (void *)-1) {
    if (shmi_gone(errno)) return SHMI_AGAIN;
    return shmi_failed(member, "attach the segment", "shmat", errno);
  }
  member->base = (unsigned char *)address;
  enum ShmiStatus status = shmi_inspect(member, id, &segment);
  if (status == SHMI_OK) status = shmi_check_size(member, id, &segment, member->count);
  if (status != SHMI_OK) return status;
  member->size = segment.shm_segsz;
  member->mode |= (unsigned)segment.shm_perm.mode & 0777U;
  if (member->made_segment &&
      shmi_set_value(member->set, member->disposable, member->persistent ? 0 : 1) == -1) {
    if (shmi_gone(errno)) return SHMI_AGAIN;
    return shmi_failed(member, "set up the semaphore set", "semctl", errno);
  }
  return member->kind->prepare(member, until);
}

/* Removes the segment. DISPOSABLE first: a set is used again only if all its values are 0. */
static inline bool shmi_remove_segment(struct ShmMembership *member) {
  shmi_set_value(member->set, member->disposable, 0);
  if (shmctl(member->segment, IPC_RMID, NULL) == 0) return true;
  const int number = errno;
  shmi_set_value(member->set, member->disposable, 1);
  errno = number;
  return false;
}

/* Undoes joining, with the lock held: removes what we made, and leaves what we found unchanged. */
static inline void shmi_undo(struct ShmMembership *member) {
  struct shmid_ds segment;
  if (member->read_only) {
    shmi_detach(member);
    return;
  }
  if (member->made_segment &&
      (shmctl(member->segment, IPC_STAT, &segment) == -1 || segment.shm_nattch <= 1)) {
    shmi_remove_segment(member);
  }
  shmi_detach(member);
  const bool ours = member->made_set &&
                    (member->kind->stands_alone || shmget(member->key, 0, 0) == -1);
  if ((ours || member->dissolved) && shmi_alone(member) &&
      semctl(member->set, 0, IPC_RMID) == 0) {
    member->set = -1;
  } else {
    shmi_exit(member);
  }
}

/* Joins the object at the key, or creates it. The membership holds the options, else zeros. */
static inline enum ShmiStatus shmi_join(struct ShmMembership *member, int64_t deadline,
                                        const volatile sig_atomic_t *stop) {
  const int64_t begin = shm_now();
  const int64_t usual = begin + SHM_JOIN_MS * INT64_C(1000000);
  const struct ShmiUntil until = {deadline != INT64_MAX ? deadline : usual, stop};
  const int64_t allowed = until.deadline - begin;
  member->leave_for = allowed < 0 ? 0 : allowed < SHMI_LEAVE_NS ? allowed : SHMI_LEAVE_NS;
  member->segment = -1;
  member->process = shmi_this_process();
  for (int64_t wanted = 1000000;;
       wanted = wanted * 2 < SHMI_SLICE_NS ? wanted * 2 : SHMI_SLICE_NS) {
    shmi_wrong(member, SHMI_TIMEOUT, "", "other programs keep removing it");
    enum ShmiStatus status = shmi_enter(member, &until);
    if (status == SHMI_OK) {
      status = shmi_find_segment(member, &until);
      if (status == SHMI_OK && (member->read_only || shmi_unlock(member))) return SHMI_OK;
      if (status == SHMI_OK) status = SHMI_AGAIN;
      shmi_undo(member);
    }
    member->set = -1;
    if (status != SHMI_AGAIN) return status;
    status = shmi_go_on(member, &until);
    if (status != SHMI_OK) return status == SHMI_TIMEOUT ? member->failure : status;
    const struct timespec moment = shmi_timespec(shmi_slice(wanted, shm_now(), until.deadline));
    nanosleep(&moment, NULL);
  }
}

/*
 * Acquires the lock in order to leave. Not OK: we have left, and removed nothing; AGAIN: the set
 * was removed before.
 */
static inline enum ShmiStatus shmi_lock_to_leave(struct ShmMembership *member) {
  const struct ShmiUntil until = {shm_now() + member->leave_for, NULL};
  struct sembuf take[2] = {shmi_operation(member->lock, 0, 0),
                           shmi_operation(member->lock, +1, SEM_UNDO)};
  const enum ShmiStatus status = shmi_lock(member, take, 2, &until);
  if (status != SHMI_OK) {
    shmi_detach(member);
    shmi_release(member->set, member->users, 1);
    member->set = -1;
  }
  return status;
}

/* Leaves, and removes the set on request; a set of another user stays. */
static inline void shmi_exit_from(struct ShmMembership *member, bool remove_set) {
  shmi_detach(member);
  if (remove_set && semctl(member->set, 0, IPC_RMID) == 0) member->set = -1;
  else shmi_exit(member);
}

/* Whether the object that we joined still exists, and which processes use it. */
enum ShmiPresence {
  SHMI_REMOVED,       /* segment or set: no peer wakes processes that wait there */
  SHMI_WITH_STRANGER, /* a process is, or may be, attached that has not joined */
  SHMI_AMONG_MEMBERS
};

static inline enum ShmiPresence shmi_presence(const struct ShmMembership *member) {
  struct shmid_ds segment;
  const bool known = shmctl(member->segment, IPC_STAT, &segment) == 0;
  if (known ? (segment.shm_perm.mode & SHMI_MARKED_FOR_REMOVAL) != 0 : shmi_gone(errno)) {
    return SHMI_REMOVED;
  }
  const int users = shmi_value(member->set, member->users);
  if (users == -1 && shmi_gone(errno)) return SHMI_REMOVED;
  return known && users >= 0 && segment.shm_nattch <= (unsigned long)users ? SHMI_AMONG_MEMBERS
                                                                          : SHMI_WITH_STRANGER;
}

#endif
