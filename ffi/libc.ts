/**
 * Opens libc. This is the only file with `Deno.dlopen`, and the table of the C functions used.
 *
 * The files beside it make the calls, by subject. Each function there is one C call with the kernel's
 * convention: it returns the C result on success and the *negative errno* on failure. So no caller can read
 * errno too late or read that of another thread. The caller turns a failure into an exception, because only
 * the caller knows what was tried and what to do about it. Internal: used by `ffi`.
 */

import { CLONE } from "./constants.ts";
import {
  LIBC_SONAME,
  OLDEST_DENO,
  type Platform,
  PLATFORMS,
  supportedArch,
  supportedDeno,
} from "./platform.ts";
import { ShmError } from "./shm_error.ts";

/**
 * The C declarations, in parts. Each part is opened when one of its functions is first called, because
 * Deno compiles every function that it opens. Source: the SYNOPSIS of each function's man page, section 2
 * or 3.
 */
const PROTOTYPES = {
  /** For segments, and for every program. */
  always: {
    // int *__errno_location(void): glibc and musl; one errno per thread
    __errno_location: { parameters: [], result: "pointer" },
    // const char *gnu_get_libc_version(void): only glibc has it
    gnu_get_libc_version: { parameters: [], result: "pointer", optional: true },
    // uid_t geteuid(void)
    geteuid: { parameters: [], result: "u32" },
    // int shmget(key_t key, size_t size, int shmflg)
    shmget: { parameters: ["i32", "usize", "i32"], result: "i32" },
    // int shmctl(int shmid, int op, struct shmid_ds *buf)
    shmctl: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  },
  /** For semaphore sets. */
  semaphores: {
    // int semget(key_t key, int nsems, int semflg)
    semget: { parameters: ["i32", "i32", "i32"], result: "i32" },
    // int semop(int semid, struct sembuf *sops, size_t nsops)
    semop: { parameters: ["i32", "buffer", "usize"], result: "i32" },
    // int semtimedop(int semid, struct sembuf *sops, size_t nsops, const struct timespec *timeout)
    semtimedop: { parameters: ["i32", "buffer", "usize", "buffer"], result: "i32" },
    // The same on another thread. Its errno stays on that thread: only 0 or -1 is returned
    semtimedopAsync: {
      name: "semtimedop",
      parameters: ["i32", "buffer", "usize", "buffer"],
      result: "i32",
      nonblocking: true,
    },
    // int semctl(int semid, int semnum, int op, ... union semun { int val; ... })
    // Variadic in C; on x86-64 and aarch64 Linux a variadic integer is passed like a declared one
    semctl: { parameters: ["i32", "i32", "i32", "i32"], result: "i32" },
    // The same with union semun { struct semid_ds *buf; unsigned short *array; }
    semctlBuffer: { name: "semctl", parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  },
  /** For attached segments. */
  memory: {
    // void *shmat(int shmid, const void *shmaddr, int shmflg)
    shmat: { parameters: ["i32", "pointer", "i32"], result: "pointer" },
    // int shmdt(const void *shmaddr)
    shmdt: { parameters: ["pointer"], result: "i32" },
    // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
    // The result is a number: to compare pointers, Deno checks its permission each time
    mmapFixed: {
      name: "mmap",
      parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"],
      result: "usize",
    },
    // long syscall(SYS_futex, uint32_t *uaddr, int op, uint32_t val, const struct timespec *timeout)
    // The results of futex fit 32 bits; 64 bits would cost a BigInt for each call
    futex: {
      name: "syscall",
      parameters: ["i64", "pointer", "i32", "u32", "buffer"],
      result: "i32",
    },
    futexAsync: {
      name: "syscall",
      parameters: ["i64", "pointer", "i32", "u32", "buffer"],
      result: "i32",
      nonblocking: true,
    },
    // unsigned long getauxval(unsigned long type)
    getauxval: { parameters: ["usize"], result: "usize" },
  },
  /** For waiting on the event loop. */
  ring: {
    // The same, with the result as a pointer
    mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
    // int munmap(void *addr, size_t length)
    munmap: { parameters: ["pointer", "usize"], result: "i32" },
    // long syscall(SYS_io_uring_setup, u32 entries, struct io_uring_params *params)
    ioUringSetup: { name: "syscall", parameters: ["i64", "u32", "buffer"], result: "i32" },
    // long syscall(SYS_io_uring_enter, unsigned fd, u32 to_submit, u32 min_complete, u32 flags,
    //              const void *argp, size_t argsz)
    ioUringEnter: {
      name: "syscall",
      parameters: ["i64", "i32", "u32", "u32", "u32", "pointer", "usize"],
      result: "i32",
    },
    // long syscall(SYS_io_uring_register, unsigned fd, unsigned op, const void *arg, unsigned count)
    ioUringRegister: {
      name: "syscall",
      parameters: ["i64", "i32", "u32", "buffer", "u32"],
      result: "i32",
    },
    // int eventfd(unsigned int initval, int flags)
    eventfd: { parameters: ["u32", "i32"], result: "i32" },
    // int pipe2(int pipefd[2], int flags)
    pipe2: { parameters: ["buffer", "i32"], result: "i32" },
    // int close(int fd)
    close: { parameters: ["i32"], result: "i32" },
  },
  /** For files of /proc. */
  files: {
    // int open(const char *pathname, int flags, ...): the mode is only needed to create a file
    open: { parameters: ["buffer", "i32"], result: "i32" },
    // ssize_t read(int fd, void *buf, size_t count): for less than 2 GiB
    read: { parameters: ["i32", "buffer", "usize"], result: "i32" },
    // int close(int fd)
    close: { parameters: ["i32"], result: "i32" },
  },
  /** For the names of accounts. */
  accountNames: {
    // int getpwuid_r(uid_t uid, struct passwd *pwd, char *buf, size_t buflen, struct passwd **result)
    getpwuid_r: { parameters: ["u32", "buffer", "buffer", "usize", "buffer"], result: "i32" },
    // int getgrgid_r(gid_t gid, struct group *grp, char *buf, size_t buflen, struct group **result)
    getgrgid_r: { parameters: ["u32", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  },
  /** For the ids of accounts. */
  accountIds: {
    // int getpwnam_r(const char *name, struct passwd *, char *buf, size_t buflen, struct passwd **)
    getpwnam_r: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
    // int getgrnam_r(const char *name, struct group *, char *buf, size_t buflen, struct group **)
    getgrnam_r: { parameters: ["buffer", "buffer", "buffer", "usize", "buffer"], result: "i32" },
  },
  /** For the state of a process. */
  processes: {
    // int kill(pid_t pid, int sig)
    kill: { parameters: ["i32", "i32"], result: "i32" },
    // long syscall(SYS_pidfd_open, pid_t pid, unsigned int flags)
    pidfdOpen: { name: "syscall", parameters: ["i64", "i32", "u32"], result: "i32" },
    // int poll(struct pollfd *fds, nfds_t nfds, int timeout)
    poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
    // int close(int fd)
    close: { parameters: ["i32"], result: "i32" },
  },
  /** For the undo list of a Worker. */
  workers: {
    // int unshare(int flags)
    unshare: { parameters: ["i32"], result: "i32" },
  },
  /** Other functions. */
  others: {
    // key_t ftok(const char *pathname, int proj_id)
    ftok: { parameters: ["buffer", "i32"], result: "i32" },
    // int getrlimit(int resource, struct rlimit *rlim)
    getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
    // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)
    sigaction: { parameters: ["i32", "pointer", "buffer"], result: "i32" },
  },
} as const satisfies Readonly<Record<string, Deno.ForeignLibraryInterface>>;

type Part = keyof typeof PROTOTYPES;
type Symbols<P extends Part> = Deno.DynamicLibrary<typeof PROTOTYPES[P]>["symbols"];

/** The opened libc: the functions of one part, this thread's errno, and the platform. */
interface Libc<P extends Part = "always"> {
  readonly symbols: Symbols<P>;
  readonly errno: Int32Array;
  readonly errnoPointer: Deno.PointerObject;
  readonly platform: Platform;
}

let opened: Libc | undefined;

/** Whether this code runs in a Worker, which can end before its process. */
export const inWorker: boolean = "DedicatedWorkerGlobalScope" in globalThis;

let undoneAtEnd = false;

/**
 * Whether the kernel reverts `SEM_UNDO` operations of this Worker when the Worker ends, and not only when
 * its process ends. This needs the Worker's own thread to leave the undo list that all threads of the
 * process share. Deno's helper threads may use either list, so no helper thread may perform operations
 * with undo that another thread reverts. Some containers forbid it. Source: unshare(2), CLONE_SYSVSEM.
 */
export function workerUndoes(): boolean {
  libc();
  return undoneAtEnd;
}

export function libc(): Libc {
  return opened ??= open(Deno.build.os, Deno.build.arch);
}

/** Makes a function that returns a part of libc and opens it at the first call. */
function part<P extends Part>(name: P): () => Libc<P> {
  let opened: Libc<P> | undefined;
  return () => opened ??= { ...libc(), symbols: openPart(name) };
}

export const semaphores = part("semaphores");
export const memory = part("memory");
export const ring = part("ring");
export const files = part("files");
export const accountNames = part("accountNames");
export const accountIds = part("accountIds");
export const processes = part("processes");
export const others = part("others");

/**
 * Opens libc for the given system. The arguments exist so that a test can pass a system that is refused.
 *
 * @throws {ShmError} `ENOTSUP` on a platform that is not in the table, `ENOTCAPABLE` without
 * `--allow-ffi`
 */
export function open(os: string, arch: string, deno: string = Deno.version.deno): Libc {
  const supported = supportedArch(os, arch);
  if (supported === undefined) {
    throw new ShmError("use System V shared memory", undefined, "ENOTSUP", {
      remedy: `this is ${os} on ${arch}, and Linux on x86_64 or aarch64 is needed`,
    });
  }
  if (!supportedDeno(deno)) {
    throw new ShmError("use System V shared memory", undefined, "ENOTSUP", {
      remedy: `this is Deno ${deno}, and ${OLDEST_DENO} or later is needed: deno upgrade`,
    });
  }
  const symbols = openPart("always");
  if (inWorker) undoneAtEnd = openPart("workers").unshare(CLONE.SYSVSEM) === 0;
  const errnoPointer = symbols.__errno_location();
  if (errnoPointer === null) throw new TypeError("__errno_location() returned null");
  return {
    symbols,
    errnoPointer,
    // Made before any call that can fail: nothing may happen between a call and reading its errno. An
    // allocation there could start a garbage collection, which makes system calls
    errno: new Int32Array(Deno.UnsafePointerView.getArrayBuffer(errnoPointer, 4)),
    platform: PLATFORMS[supported][symbols.gnu_get_libc_version === null ? "musl" : "glibc"],
  };
}

/**
 * Checks the permission without a prompt: after a prompt, Deno would take the name of the library for a
 * file in the current folder and open that file.
 *
 * @throws {ShmError} `ENOTCAPABLE` without full `--allow-ffi`
 */
function checkPermission(): void {
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted" || partial) throw notCapable();
}

function notCapable(cause?: unknown): ShmError {
  return new ShmError("use System V shared memory", undefined, "ENOTCAPABLE", {
    remedy: "run again with --allow-ffi (not limited to a path: pointers need all of it)",
    cause,
  });
}

/**
 * {@linkcode libc} for calls that lead to an attach. A program can revoke its own permission for pointers
 * at any time: then no segment is created or attached, because its memory could not be accessed.
 *
 * @throws {ShmError} `ENOTCAPABLE` the permission was revoked
 */
export function attaching(): Libc {
  const opened = libc();
  try {
    Deno.UnsafePointer.value(opened.errnoPointer);
  } catch (error) {
    throw notCapable(error);
  }
  return opened;
}

function openPart<P extends Part>(name: P): Symbols<P> {
  checkPermission();
  try {
    return Deno.dlopen(LIBC_SONAME, PROTOTYPES[name]).symbols;
  } catch (error) {
    throw new ShmError("use System V shared memory", "dlopen", "ENOTSUP", {
      remedy: `${LIBC_SONAME} could not be opened with the functions needed`,
      cause: error,
    });
  }
}

/** Returns the platform of this process. It opens libc to distinguish glibc and musl. */
export function platform(): Platform {
  return libc().platform;
}

/** Returns a value that the kernel passed at program start. `type` is one of `AT`. Source: getauxval(3). */
export function getauxval(type: number): bigint {
  return memory().symbols.getauxval(BigInt(type));
}

/** Buffers of calls still running on other threads. Without this set they could be garbage collected. */
const lent = new Set<readonly ArrayBufferView[]>();

/** Keeps `buffers` alive until `call`, which uses them, has ended. */
export async function lending<Result>(
  buffers: readonly ArrayBufferView[],
  call: Promise<Result>,
): Promise<Result> {
  lent.add(buffers);
  try {
    return await call;
  } finally {
    lent.delete(buffers);
  }
}

/** `struct timespec { time_t tv_sec; long tv_nsec; }`, 64 bits each on all supported platforms. */
export function timespec(ms: number): BigInt64Array<ArrayBuffer> {
  const nanoseconds = BigInt(Math.max(0, Math.round(ms * 1e6)));
  return BigInt64Array.of(nanoseconds / 1_000_000_000n, nanoseconds % 1_000_000_000n);
}

/** What a call that returns an address returns when it fails. Source: mmap(2), shmat(2). */
export const MINUS_ONE = 2n ** 64n - 1n;
