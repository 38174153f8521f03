/*
 * What common.h and shm_channel.h share: time, errno names, semaphores the kernel gives back when
 * their holder dies, futex waits. Nothing here knows what it is used for, and nothing waits for
 * longer than it is told. Not to be included by programs, which include one of the two.
 */
#ifndef SYSV_SHM_SYNC_H
#define SYSV_SHM_SYNC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(void *) == 8,
              "supported: 64-bit little-endian Linux");

/* the kernel's SHM_DEST, a bit of shm_perm.mode: the segment is marked for removal */
#define SHMI_MARKED_FOR_REMOVAL 01000

/* ---- time ------------------------------------------------------------------------------------ */

/* Nanoseconds of the monotonic clock. */
static inline int64_t shm_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline struct timespec shmi_timespec(int64_t nanoseconds) {
  struct timespec span;
  span.tv_sec = (time_t)(nanoseconds / 1000000000);
  span.tv_nsec = (long)(nanoseconds % 1000000000);
  return span;
}

static inline int64_t shmi_slice(int64_t wanted, int64_t now, int64_t deadline) {
  return deadline - now < wanted ? deadline - now : wanted;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static inline const char *shm_errno_name(int number) {
  switch (number) {
    case EACCES: return "EACCES";
    case EAGAIN: return "EAGAIN";
    case EBADF: return "EBADF";
    case EEXIST: return "EEXIST";
    case EFAULT: return "EFAULT";
    case EFBIG: return "EFBIG";
    case EIDRM: return "EIDRM";
    case EINTR: return "EINTR";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO";
    case ENFILE: return "ENFILE";
    case ENOENT: return "ENOENT";
    case ENOMEM: return "ENOMEM";
    case ENOSPC: return "ENOSPC";
    case ENOSYS: return "ENOSYS";
    case EPERM: return "EPERM";
    case EPIPE: return "EPIPE";
    case ERANGE: return "ERANGE";
    default: return "errno";
  }
}

/* What to do about an errno of shmget and its like; "" when there is nothing to say. */
static inline const char *shmi_remedy(int number) {
  switch (number) {
    case ENOSPC:
      return "the system has no room for another, remove unused ones (ipcs -m -s, ipcrm) or raise"
             " kernel.shmmni, kernel.shmall, kernel.sem";
    case ENOMEM: return "free some memory and try again";
    case ENOSYS: return "this kernel was built without System V IPC";
    default: return "";
  }
}

/* What an error says: a failed call, or in its own words what is wrong. */
struct ShmiFault {
  const char *action; /* "open the mailbox" */
  const char *call;   /* NULL when no call failed */
  int number;         /* errno, 0 when no call failed */
  const char *what;
  const char *hint;
};

/* One line, no newline: what failed, in which call, why, at which key, what to do about it. */
static inline void shmi_describe(const struct ShmiFault *fault, key_t key, char *out, size_t size) {
  char cause[288];
  if (fault->number != 0) {
    snprintf(cause, sizeof cause, "%s: %s (%d, %s)", fault->call, shm_errno_name(fault->number),
             fault->number, strerror(fault->number));
  } else {
    snprintf(cause, sizeof cause, "%s", fault->what);
  }
  snprintf(out, size, "cannot %s: %s, key %ld (0x%lx)%s%s", fault->action, cause, (long)key,
           (unsigned long)(uint32_t)key, fault->hint[0] != '\0' ? ": " : "", fault->hint);
}

/* Whether a set or segment went between our finding and our using it. */
static inline bool shmi_gone(int number) { return number == EIDRM || number == EINVAL; }

static inline bool shmi_trusted(uid_t uid) { return uid == 0 || uid == geteuid(); }

/* ---- semaphores ------------------------------------------------------------------------------ */

/* semctl is variadic and leaves this union to its callers. */
union ShmiSemun {
  int val;
  struct semid_ds *buf;
  unsigned short *array;
};

static inline struct sembuf shmi_operation(int number, int change, int flags) {
  struct sembuf operation;
  operation.sem_num = (unsigned short)number;
  operation.sem_op = (short)change;
  operation.sem_flg = (short)flags;
  return operation;
}

static inline int shmi_value(int set, int number) { return semctl(set, number, GETVAL); }

static inline int shmi_set_value(int set, int number, int value) {
  union ShmiSemun argument;
  argument.val = value;
  return semctl(set, number, SETVAL, argument);
}

/* Waits for zero and adds 1 in one step, unless that would wait: EAGAIN. The kernel undoes it. */
static inline int shmi_take_now(int set, int number) {
  struct sembuf take[2] = {shmi_operation(number, 0, IPC_NOWAIT),
                           shmi_operation(number, +1, IPC_NOWAIT | SEM_UNDO)};
  return semop(set, take, 2);
}

/* IPC_NOWAIT: if somebody reset the value by hand, giving back must not wait for it to return. */
static inline void shmi_give(int set, int number, int count) {
  struct sembuf give = shmi_operation(number, -count, IPC_NOWAIT | SEM_UNDO);
  semop(set, &give, 1);
}

/* The process that holds a role or lock: 0 when it is free, or beyond our pid namespace. */
static inline pid_t shmi_holder(int set, int number, int value) {
  /* the pid first: if the value still stands afterwards, the pid was that of its holder */
  const int pid = semctl(set, number, GETPID);
  return pid > 0 && shmi_value(set, number) >= value ? (pid_t)pid : 0;
}

/* ---- futex ----------------------------------------------------------------------------------- */

/* FUTEX_WAIT and FUTEX_WAKE (0 and 1), not the private ones: the waiter is another process. */
static inline void shmi_futex_wait(const void *word, uint32_t expected, int64_t nanoseconds) {
  const struct timespec span = shmi_timespec(nanoseconds);
  syscall(SYS_futex, word, 0, expected, &span, NULL, 0);
}

static inline void shmi_futex_wake(const void *word) {
  syscall(SYS_futex, word, 1, INT_MAX, NULL, NULL, 0);
}

#endif
