/*
 * Waits and locks of all protocols: time, errors, semaphores that the kernel undoes when their
 * holder dies, spinning, futex waits, and the process that a handle belongs to. Internal: programs
 * include common.h or the header of another protocol.
 */
#ifndef SYSV_SHM_SYNC_H
#define SYSV_SHM_SYNC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && sizeof(void *) == 8,
              "supported: 64-bit little-endian Linux");

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* No wait sleeps longer than this before it checks again. */
#define SHMI_SLICE_NS INT64_C(100000000)

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
    case E2BIG: return "E2BIG";
    case EAGAIN: return "EAGAIN";
    case EBADF: return "EBADF";
    case EEXIST: return "EEXIST";
    case EFAULT: return "EFAULT";
    case EFBIG: return "EFBIG";
    case EIDRM: return "EIDRM";
    case EINTR: return "EINTR";
    case EINVAL: return "EINVAL";
    case EIO: return "EIO";
    case EMFILE: return "EMFILE";
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

/* What to do about an errno of shmget or a similar call; "" if there is no advice. */
static inline const char *shmi_remedy(int number) {
  switch (number) {
    case ENOSPC:
      return "the system has no room for another, remove unused ones (ipcs -m -s, ipcrm) or raise"
             " kernel.shmmni, kernel.shmall, kernel.sem";
    case ENOMEM: return "free some memory and try again";
    case ENOSYS: return "this kernel was built without System V IPC, or a sandbox forbids it";
    case E2BIG: return "ask for fewer lanes, or raise the third value of kernel.sem (SEMOPM)";
    default: return "";
  }
}

/* The lane of an error that is about no lane. */
#define SHM_NO_LANE UINT32_MAX

/* Why the last call with a handle did not succeed. */
struct ShmError {
  const char *action; /* "open the mailbox" */
  const char *call;   /* "shmget", NULL when no call failed */
  int number;         /* errno, 0 when no call failed */
  key_t key;
  uint32_t lane;  /* of CORRUPT, to be discarded; else SHM_NO_LANE */
  char what[224]; /* what is wrong, when no call failed */
  char hint[160]; /* what to do about it */
};

/* Sets the error of a call that failed. */
static inline void shmi_call_failed(struct ShmError *error, key_t key, const char *action,
                                    const char *call, int number) {
  error->action = action;
  error->call = call;
  error->number = number;
  error->key = key;
  error->lane = SHM_NO_LANE;
  error->what[0] = '\0';
  snprintf(error->hint, sizeof error->hint, "%s",
           number == EACCES ? "it belongs to another user, ask them for a wider mode or agree on"
                              " another key"
                            : shmi_remedy(number));
}

/* Sets the error of a check that failed. */
__attribute__((format(printf, 5, 0))) static inline void shmi_check_failed(
    struct ShmError *error, key_t key, const char *action, const char *hint, const char *what,
    va_list values) {
  shmi_call_failed(error, key, action, NULL, 0);
  vsnprintf(error->what, sizeof error->what, what, values);
  snprintf(error->hint, sizeof error->hint, "%s", hint);
}

/* One line, no newline: what failed, in which call, why, at which key, what to do about it. */
static inline void shm_describe(const struct ShmError *error, char *out, size_t size) {
  char cause[288];
  if (error->number != 0) {
    snprintf(cause, sizeof cause, "%s: %s (%d, %s)", error->call, shm_errno_name(error->number),
             error->number, strerror(error->number));
  } else {
    snprintf(cause, sizeof cause, "%s", error->what);
  }
  snprintf(out, size, "cannot %s: %s, key %ld (0x%lx)%s%s", error->action, cause,
           (long)error->key, (unsigned long)(uint32_t)error->key,
           error->hint[0] != '\0' ? ": " : "", error->hint);
}

/* Whether the errno means that a set or segment was removed after we found it. */
static inline bool shmi_gone(int number) { return number == EIDRM || number == EINVAL; }

/* Whether a process has certainly ended, or is a zombie. Unknown outside our pid namespace (0). */
static inline bool shmi_process_gone(pid_t pid) {
  if (pid <= 0) return false;
  if (kill(pid, 0) == -1) return errno == ESRCH;
  const int process = (int)syscall(SYS_pidfd_open, pid, 0);
  if (process == -1) return errno == ESRCH;
  struct pollfd ended = {process, POLLIN, 0};
  const bool gone = poll(&ended, 1, 0) == 1;
  close(process);
  return gone;
}

/* ---- semaphores ------------------------------------------------------------------------------ */

/* semctl is variadic and leaves the definition of this union to its callers. */
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

/* Waits for zero and adds 1 in one step; EAGAIN if it would have to wait. The kernel undoes it. */
static inline int shmi_acquire_now(int set, int number) {
  struct sembuf take[2] = {shmi_operation(number, 0, IPC_NOWAIT),
                           shmi_operation(number, +1, IPC_NOWAIT | SEM_UNDO)};
  return semop(set, take, 2);
}

/* IPC_NOWAIT: if another program reset the value, releasing must not wait for it to return. */
static inline bool shmi_release(int set, int number, int count) {
  struct sembuf give = shmi_operation(number, -count, IPC_NOWAIT | SEM_UNDO);
  return semop(set, &give, 1) == 0;
}

/* The process that holds a role or lock: 0 if it is free, or outside our pid namespace. */
static inline pid_t shmi_holder(int set, int number, int value) {
  /* the pid first: if the value is unchanged afterwards, the pid was that of its holder */
  const int pid = semctl(set, number, GETPID);
  return pid > 0 && shmi_value(set, number) >= value ? (pid_t)pid : 0;
}

/* A holder in messages. It has no id here if its pid namespace is another one, or if it has just gone. */
struct ShmiProcessName {
  char text[40];
};

static inline struct ShmiProcessName shmi_process_name(pid_t pid) {
  struct ShmiProcessName name = {"a process without an id here"};
  if (pid > 0) snprintf(name.text, sizeof name.text, "process %ld", (long)pid);
  return name;
}

/* ---- spinning -------------------------------------------------------------------------------- */

static inline void shmi_relax(void) {
#if defined __x86_64__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

/* How long to look before sleeping: about the cost of going to sleep and being woken. */
#define SHMI_SPIN_NS INT64_C(100000)
/* A shorter sleep than this might have been avoided by looking longer. */
#define SHMI_SHORT_SLEEP_NS (2 * SHMI_SPIN_NS)
/* After vain spinning, the next try comes after 2^6 short sleeps at the latest. */
#define SHMI_MOST_DOUBLINGS 6

/*
 * Whether to look repeatedly for a while before sleeping: only while that helps. After a long sleep
 * it does not, until a sleep is short. If it is in vain although sleeps are short, as when both
 * sides share a core, it is tried less and less often; each success makes it twice as frequent
 * again. An object of zeros spins. src/sync/adaptive_spin.ts does the same.
 */
struct ShmiSpinning {
  uint32_t rests;     /* short sleeps until spinning is tried again */
  uint32_t doublings; /* after the next vain try there will be 2^doublings rests */
};

static inline bool shmi_spins(const struct ShmiSpinning *spinning) { return spinning->rests == 0; }

/* Records whether spinning succeeded. */
static inline void shmi_spun(struct ShmiSpinning *spinning, bool found) {
  if (found) {
    if (spinning->doublings > 0) spinning->doublings--;
  } else {
    spinning->rests = 1U << spinning->doublings;
    if (spinning->doublings < SHMI_MOST_DOUBLINGS) spinning->doublings++;
  }
}

/* Records how long a sleep was that spinning could have replaced. */
static inline void shmi_slept(struct ShmiSpinning *spinning, int64_t nanoseconds) {
  if (nanoseconds >= SHMI_SHORT_SLEEP_NS) spinning->rests = 1;
  else if (spinning->rests > 0) spinning->rests--;
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

/* ---- the process ----------------------------------------------------------------------------- */

/* fork copies handles, but the kernel does not pass their locks and roles to the child */
struct ShmiProcess {
  const uint32_t *word; /* holds the id of the process that last joined; 0 in a forked child */
  uint32_t id;          /* of the process that opened the handle */
};

/* A word that the kernel wipes in a forked child; NULL if the kernel cannot do that. */
static inline uint32_t *shmi_process_word(void) {
  static uint32_t *word = NULL;
  static const size_t size = 4096;
  uint32_t *found = __atomic_load_n(&word, __ATOMIC_ACQUIRE);
  if (found != NULL) return found;
  void *const made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return NULL;
  if (madvise(made, size, MADV_WIPEONFORK) == -1 ||
      !__atomic_compare_exchange_n(&word, &found, (uint32_t *)made, false, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE)) {
    munmap(made, size);
    return found;
  }
  return (uint32_t *)made;
}

/* This process, as the opener of a handle. */
static inline struct ShmiProcess shmi_this_process(void) {
  static const uint32_t unknown = 0;
  struct ShmiProcess process = {&unknown, (uint32_t)getpid()};
  uint32_t *const word = shmi_process_word();
  if (word == NULL) return process;
  __atomic_store_n(word, process.id, __ATOMIC_RELAXED);
  process.word = word;
  return process;
}

/* Whether this process opened the handle. One load; in a forked child also a system call. */
static inline __attribute__((always_inline)) bool shmi_opened_here(
    const struct ShmiProcess *process) {
  return __builtin_expect(__atomic_load_n(process->word, __ATOMIC_RELAXED) == process->id, 1) ||
         process->id == (uint32_t)getpid();
}

#endif
