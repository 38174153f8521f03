/**
 * The constants of System V IPC on Linux, by their C names.
 *
 * They are the same on x86-64 and aarch64, with glibc and with musl. `tests/ffi/constants_test.ts`
 * compares them with the local compiler. Source: `<sys/ipc.h>`, `<sys/shm.h>`, `<sys/sem.h>`,
 * `<linux/shm.h>`. Internal: used by `ffi/`, `src/sysv` and `src/sync`.
 */

/** Flags and commands shared by shared memory and semaphores. */
export const IPC = {
  PRIVATE: 0,
  CREAT: 0o1000,
  EXCL: 0o2000,
  NOWAIT: 0o4000,
  RMID: 0,
  SET: 1,
  STAT: 2,
  INFO: 3,
} as const;

/** Flags of `shmget` and `shmat`, commands of `shmctl`, and flag bits in a reported mode. */
export const SHM = {
  HUGETLB: 0o4000,
  NORESERVE: 0o10000,
  RDONLY: 0o10000,
  RND: 0o20000,
  REMAP: 0o40000,
  EXEC: 0o100000,
  LOCK: 11,
  UNLOCK: 12,
  STAT: 13,
  INFO: 14,
  STAT_ANY: 15,
  DEST: 0o1000,
  LOCKED: 0o2000,
} as const;

/**
 * Huge pages: the base-2 logarithms of the sizes `SHM_HUGE_64KB` to `SHM_HUGE_16GB`, of which a system
 * offers a few, and the position of such a logarithm in the flags of `shmget`.
 */
export const HUGE_PAGE = {
  SHIFT: 26,
  LOGARITHMS: [16, 19, 20, 21, 23, 24, 25, 28, 29, 30, 31, 34],
} as const;

/** Flags of `semop` and commands of `semctl`. */
export const SEM = {
  UNDO: 0x1000,
  GETPID: 11,
  GETVAL: 12,
  GETALL: 13,
  GETNCNT: 14,
  GETZCNT: 15,
  SETVAL: 16,
  SETALL: 17,
  STAT: 18,
  INFO: 19,
  STAT_ANY: 20,
} as const;

/** The largest value of a semaphore (SEMVMX), and therefore the largest useful summand. */
export const MAX_VALUE = 32767;

/** The largest number of semaphores in a set: `struct sembuf` holds an index as an `unsigned short`. */
export const MAX_COUNT = 65536;

/** Operations of the `futex` system call. They work between processes, so without the private flag. */
export const FUTEX = {
  WAIT: 0,
  WAKE: 1,
} as const;

/** Flags of `unshare`. */
export const CLONE = {
  SYSVSEM: 0x40000,
} as const;

/** Arguments of `mmap` that this library uses. */
export const MMAP = {
  PROT_READ: 1,
  PROT_WRITE: 2,
  SHARED: 0x01,
  PRIVATE: 0x02,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
} as const;

/** Flags of `pipe2`. */
export const OPEN = {
  RDONLY: 0,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
} as const;

/** Events of `poll`. */
export const POLL = {
  IN: 1,
  OUT: 4,
} as const;

/** System calls that have the same number on every architecture. */
export const SYSCALL = {
  IO_URING_SETUP: 425n,
  IO_URING_ENTER: 426n,
  IO_URING_REGISTER: 427n,
  PIDFD_OPEN: 434n,
} as const;

/** Resources of `getrlimit`. Source: `<sys/resource.h>`. */
export const RLIMIT = {
  MEMLOCK: 8,
  AS: 9,
} as const;

/** Arguments of `getauxval`: the page size, and the address of bytes on the main stack. */
export const AT = {
  PAGESZ: 6,
  RANDOM: 25,
} as const;
