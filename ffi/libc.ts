/**
 * The functions of libc. This is the only file with `Deno.dlopen` and the only reader of errno.
 *
 * Each function here is one C call with the kernel's convention: it returns the C result on success and
 * the *negative errno* on failure. So no caller can read errno too late or read that of another thread.
 * The caller turns a failure into an exception, because only the caller knows what was tried and what to
 * do about it. Internal: used by `src/sysv` and `src/sync`.
 */

import { CLONE, MMAP, OPEN, POLL, SYSCALL } from "./constants.ts";
import { ERRNO } from "./errno.ts";
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

function libc(): Libc {
  return opened ??= open(Deno.build.os, Deno.build.arch);
}

/** Makes a function that returns a part of libc and opens it at the first call. */
function part<P extends Part>(name: P): () => Libc<P> {
  let opened: Libc<P> | undefined;
  return () => opened ??= { ...libc(), symbols: openPart(name) };
}

const semaphores = part("semaphores");
const memory = part("memory");
const ring = part("ring");
const files = part("files");
const accountNames = part("accountNames");
const accountIds = part("accountIds");
const processes = part("processes");
const others = part("others");

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
function attaching(): Libc {
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

/** Returns the effective user id of this process. */
export function geteuid(): number {
  return libc().symbols.geteuid();
}

/** Returns a value that the kernel passed at program start. `type` is one of `AT`. Source: getauxval(3). */
export function getauxval(type: number): bigint {
  return memory().symbols.getauxval(BigInt(type));
}

/** The two kinds of accounts that own objects. */
export type AccountKind = "user" | "group";

/** Returns the name of a user or group, or `undefined`. Source: getpwuid_r(3), getgrgid_r(3). */
export function accountName(kind: AccountKind, id: number): string | undefined {
  const { symbols } = accountNames();
  const call = kind === "user" ? symbols.getpwuid_r : symbols.getgrgid_r;
  return lookUp(kind, (entry, text, found) => call(id, entry, text, BigInt(text.length), found))
    ?.name;
}

/** Returns the id of a user or group, or `undefined`. Source: getpwnam_r(3), getgrnam_r(3). */
export function accountId(kind: AccountKind, name: string): number | undefined {
  if (name.includes("\0")) return undefined;
  const { symbols } = accountIds();
  const call = kind === "user" ? symbols.getpwnam_r : symbols.getgrnam_r;
  const cName = new TextEncoder().encode(name + "\0");
  return lookUp(kind, (entry, text, found) => call(cName, entry, text, BigInt(text.length), found))
    ?.id;
}

/** The buffer size in bytes for the texts of one account: the first try and the largest. */
const ACCOUNT_TEXT = { first: 1024, most: 1 << 20 } as const;

function lookUp(
  kind: AccountKind,
  call: (
    entry: Uint8Array<ArrayBuffer>,
    text: Uint8Array<ArrayBuffer>,
    found: BigUint64Array<ArrayBuffer>,
  ) => number,
): { readonly name: string; readonly id: number } | undefined {
  const { passwd, group } = platform().structs;
  const { size, fields } = kind === "user"
    ? { size: passwd.size, fields: { name: passwd.fields.pw_name, id: passwd.fields.pw_uid } }
    : { size: group.size, fields: { name: group.fields.gr_name, id: group.fields.gr_gid } };
  const entry = new Uint8Array(size);
  const found = new BigUint64Array(1);
  for (let room: number = ACCOUNT_TEXT.first; room <= ACCOUNT_TEXT.most; room *= 2) {
    const text = new Uint8Array(room);
    const result = call(entry, text, found);
    if (result === ERRNO.ERANGE) continue;
    if (result !== 0 || found[0] === 0n) return undefined;
    const data = new DataView(entry.buffer);
    // The name is a pointer into `text`
    const start = Deno.UnsafePointer.value(Deno.UnsafePointer.of(text));
    const rest = text.subarray(Number(data.getBigUint64(fields.name.offset, true) - start));
    return {
      name: new TextDecoder().decode(rest.subarray(0, rest.indexOf(0))),
      id: data.getUint32(fields.id.offset, true),
    };
  }
  return undefined;
}

/** The state of a process id: the process runs, has ended but was not waited for, or does not exist. */
export type ProcessState = "alive" | "zombie" | "gone";

/**
 * Returns the state of the process with this id, in the pid namespace of this process. An id that was
 * reused by another process counts as alive. It needs no permission on the process, and no /proc.
 *
 * A pidfd becomes readable when its process ends, also for a zombie. Without pidfds (Linux before 5.3, a
 * sandbox) a zombie counts as alive. Source: pidfd_open(2), kill(2) with signal 0.
 */
export function processState(pid: number): ProcessState {
  if (pid <= 0) return "gone";
  const { symbols, errno } = processes();
  const fd = symbols.pidfdOpen(SYSCALL.PIDFD_OPEN, pid, 0);
  if (fd === -1) {
    // EINVAL, and since Linux 6.9 ENOENT: the id belongs to a thread and not to a process
    const error = errno[0]!;
    if (error === ERRNO.ESRCH || error === ERRNO.EINVAL || error === ERRNO.ENOENT) return "gone";
    return symbols.kill(pid, 0) === 0 || errno[0] === ERRNO.EPERM ? "alive" : "gone";
  }
  const ended = isReady(fd, POLL.IN);
  symbols.close(fd);
  return ended ? "zombie" : "alive";
}

/** Whether one of `events`, a hang-up or an error is present now. Source: poll(2). */
function isReady(fd: number, events: number): boolean {
  // struct pollfd { int fd; short events, revents; }
  return processes().symbols.poll(Int32Array.of(fd, events), 1n, 0) === 1;
}

/**
 * How many bytes can be written at once to a file descriptor that is ready for writing. Source: pipe(7),
 * PIPE_BUF; a socket is ready only if it has room for more.
 */
export const WRITABLE_BYTES = 4096;

/** Whether {@linkcode WRITABLE_BYTES} can be written now to a pipe, socket or file without waiting. */
export function isWritable(fd: number): boolean {
  return isReady(fd, POLL.OUT);
}

/** Whether a process with this id runs. A zombie does not. See {@linkcode processState}. */
export function processExists(pid: number): boolean {
  return processState(pid) === "alive";
}

/** Stops this process with SIGSTOP until it gets SIGCONT, as Ctrl-Z does in a terminal. */
export function stopThisProcess(): void {
  processes().symbols.kill(Deno.pid, SIGSTOP);
}

/** The signal has the same number on all supported platforms. Source: signal(7). */
const SIGSTOP = 19;

/** Whether this process was started with the signal ignored, as nohup(1) does with SIGHUP. */
export function ignoresSignal(signal: number): boolean {
  // struct sigaction begins with the handler on all supported platforms; 1 is SIG_IGN
  const action = new BigUint64Array(32);
  return others().symbols.sigaction(signal, null, action) === 0 && action[0] === 1n;
}

/** Returns the id of the segment, or -errno. */
export function shmget(key: number, size: number, flags: number): number {
  const { symbols, errno } = attaching();
  const id = symbols.shmget(key, BigInt(size), flags);
  return id === -1 ? -errno[0]! : id;
}

/** Returns the address of the attached segment, or -errno. */
export function shmat(
  id: number,
  address: Deno.PointerValue,
  flags: number,
): Deno.PointerObject | number {
  attaching();
  const { symbols, errno } = memory();
  const pointer = symbols.shmat(id, address, flags);
  const failed = errno[0]!;
  // A failure is (void *)-1, which Deno returns as a normal pointer
  if (pointer === null || Deno.UnsafePointer.value(pointer) === MINUS_ONE) return -failed;
  return pointer;
}

const MINUS_ONE = 2n ** 64n - 1n;

/** Returns 0, or -errno. */
export function shmdt(address: Deno.PointerObject): number {
  const { symbols, errno } = memory();
  return symbols.shmdt(address) === -1 ? -errno[0]! : 0;
}

/** Returns the result of the command (0, an index or an id), or -errno. */
export function shmctl(
  id: number,
  command: number,
  buffer: Uint8Array<ArrayBuffer> | null,
): number {
  const { symbols, errno } = libc();
  const result = symbols.shmctl(id, command, buffer);
  return result === -1 ? -errno[0]! : result;
}

/** Returns the id of the set, or -errno. */
export function semget(key: number, count: number, flags: number): number {
  const { symbols, errno } = semaphores();
  const id = symbols.semget(key, count, flags);
  return id === -1 ? -errno[0]! : id;
}

/** Operations for `semop`: an array of `struct sembuf`, packed by {@linkcode packSembufs}. */
export type Sembufs = Int16Array<ArrayBuffer>;

/** One operation on one semaphore, with the fields of `struct sembuf`. */
export interface SemaphoreOperation {
  /** The index of the semaphore in the set. */
  readonly semaphore: number;
  /** The number to add to the value; 0 waits for zero. */
  readonly add: number;
  /** `IPC.NOWAIT` and `SEM.UNDO`, or 0. */
  readonly flags: number;
}

/** Packs operations as in C: three 16-bit fields each, on all supported platforms. */
export function packSembufs(operations: readonly SemaphoreOperation[]): Sembufs {
  const sembufs = new Int16Array(3 * operations.length);
  operations.forEach(({ semaphore, add, flags }, i) => sembufs.set([semaphore, add, flags], 3 * i));
  return sembufs;
}

/** Returns 0, or -errno. Without `IPC.NOWAIT` in the operations it waits without limit. */
export function semop(id: number, operations: Sembufs): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semop(id, operations, BigInt(operations.length / 3));
  return result === -1 ? -errno[0]! : 0;
}

/** Returns 0, or -errno: `EAGAIN` if `timeoutMs` milliseconds were not enough. */
export function semtimedop(id: number, operations: Sembufs, timeoutMs: number): number {
  const { symbols, errno } = semaphores();
  const count = BigInt(operations.length / 3);
  const timeout = timespec(timeoutMs);
  return symbols.semtimedop(id, operations, count, timeout) === -1 ? -errno[0]! : 0;
}

/** Returns whether it succeeded within `timeoutMs`. Its errno stays on the helper thread. */
export async function semtimedopAsync(
  id: number,
  operations: Sembufs,
  timeoutMs: number,
): Promise<boolean> {
  const count = BigInt(operations.length / 3);
  const timeout = timespec(timeoutMs);
  const call = semaphores().symbols.semtimedopAsync(id, operations, count, timeout);
  return await lending([operations, timeout], call) === 0;
}

/** Buffers of calls still running on other threads. Without this set they could be garbage collected. */
const lent = new Set<readonly ArrayBufferView[]>();

/** Keeps `buffers` alive until `call`, which uses them, has ended. */
async function lending<Result>(
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

/** Returns the result of the command, or -errno. `value` is the `val` of `union semun`. */
export function semctl(id: number, semaphore: number, command: number, value = 0): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semctl(id, semaphore, command, value);
  return result === -1 ? -errno[0]! : result;
}

/** Returns the result of the command, or -errno. `buffer` is the `buf` or `array` of `union semun`. */
export function semctlBuffer(
  id: number,
  command: number,
  buffer: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>,
): number {
  const { symbols, errno } = semaphores();
  const result = symbols.semctlBuffer(id, 0, command, buffer);
  return result === -1 ? -errno[0]! : result;
}

/** Returns the key for a path and a project id. A valid key can be -1, so an error has its own field. */
export function ftok(
  path: string,
  projectId: number,
): { readonly key: number } | { readonly errno: number } {
  const { symbols, errno } = others();
  const cPath = new TextEncoder().encode(path + "\0");
  errno[0] = 0;
  const key = symbols.ftok(cPath, projectId);
  const failed = errno[0]!;
  return key === -1 && failed !== 0 ? { errno: failed } : { key };
}

/** Returns the result of futex, or -errno. If `operation` is a wait, it blocks this thread. */
export function futex(
  word: Deno.PointerObject,
  operation: number,
  value: number,
  timeoutMs: number | undefined,
): number {
  const { symbols, errno, platform } = memory();
  const timeout = timeoutMs === undefined ? null : timespec(timeoutMs);
  const result = symbols.futex(platform.syscalls.futex, word, operation, value, timeout);
  return result === -1 ? -errno[0]! : result;
}

/** Waits on another thread. Its errno stays there, so the caller checks the word and the clock. */
export async function futexAsync(
  word: Deno.PointerObject,
  operation: number,
  value: number,
  timeoutMs: number,
): Promise<void> {
  const { symbols, platform } = memory();
  const timeout = timespec(timeoutMs);
  const call = symbols.futexAsync(platform.syscalls.futex, word, operation, value, timeout);
  await lending([timeout], call);
}

/**
 * Replaces an attached segment with new private zero pages. This detaches it, and the addresses stay
 * valid for code that still holds them. Returns 0, or -errno.
 */
export function replaceWithZeroPages(address: Deno.PointerObject, size: number): number {
  const { symbols, errno } = memory();
  const flags = MMAP.PRIVATE | MMAP.FIXED | MMAP.ANONYMOUS | MMAP.NORESERVE;
  for (const access of [MMAP.PROT_READ | MMAP.PROT_WRITE, MMAP.PROT_READ]) {
    const result = symbols.mmapFixed(address, BigInt(size), access, flags, -1, 0n);
    if (result !== MINUS_ONE) return 0;
    // Without overcommit (vm.overcommit_memory=2) the kernel may refuse writable pages
    if (errno[0] !== ERRNO.ENOMEM) break;
  }
  return -errno[0]!;
}

/** Maps `size` bytes of a ring. Returns the address, or -errno. {@linkcode unmap} reverses it. */
export function mapRing(fd: number, size: number, offset: bigint): Deno.PointerObject | number {
  const { symbols, errno } = ring();
  const access = MMAP.PROT_READ | MMAP.PROT_WRITE;
  const flags = MMAP.SHARED | MMAP.POPULATE;
  const pointer = symbols.mmap(null, BigInt(size), access, flags, fd, offset);
  const failed = errno[0]!;
  return pointer === null || Deno.UnsafePointer.value(pointer) === MINUS_ONE ? -failed : pointer;
}

/** Unmaps memory of {@linkcode mapRing} or zero pages. No view of it may be used after that. */
export function unmap(address: Deno.PointerObject, size: number): number {
  const { symbols, errno } = ring();
  return symbols.munmap(address, BigInt(size)) === -1 ? -errno[0]! : 0;
}

/** Opens a non-blocking pipe. Returns the read end and the write end, or -errno. */
export function openPipe(): [number, number] | number {
  const { symbols, errno } = ring();
  const ends = new Int32Array(2);
  const result = symbols.pipe2(ends, OPEN.NONBLOCK | OPEN.CLOEXEC);
  return result === -1 ? -errno[0]! : [ends[0]!, ends[1]!];
}

/**
 * Returns the start of a file, at most `most` bytes, or -errno. It is for a few files, such as those in
 * /proc about this process, which Deno opens only with `--allow-all`.
 */
export function readFileStart(path: string, most: number): Uint8Array<ArrayBuffer> | number {
  const { symbols, errno } = files();
  const cPath = new TextEncoder().encode(path + "\0");
  const fd = symbols.open(cPath, OPEN.RDONLY | OPEN.CLOEXEC);
  if (fd === -1) return -errno[0]!;
  let bytes = new Uint8Array(Math.min(most, FILE_BYTES));
  let used = 0;
  try {
    for (;;) {
      const room = bytes.subarray(used);
      const count = symbols.read(fd, room, BigInt(room.length));
      if (count === -1) return -errno[0]!;
      used += count;
      if (count === 0 || used === most) return bytes.subarray(0, used);
      if (used < bytes.length) continue;
      const larger = new Uint8Array(Math.min(most, 2 * used));
      larger.set(bytes);
      bytes = larger;
    }
  } finally {
    symbols.close(fd);
  }
}

/** The size in bytes of the first buffer for a file. */
const FILE_BYTES = 4096;

/** Closes a file descriptor of this library. Returns 0, or -errno. */
export function closeFd(fd: number): number {
  const { symbols, errno } = ring();
  return symbols.close(fd) === -1 ? -errno[0]! : 0;
}

/** Makes a ring of `entries` requests and fills in `params`. Returns its file descriptor, or -errno. */
export function ioUringSetup(entries: number, params: Int32Array<ArrayBuffer>): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringSetup(SYSCALL.IO_URING_SETUP, entries, params);
  return result === -1 ? -errno[0]! : result;
}

/** Submits `count` requests to the kernel without waiting. Returns how many it accepted, or -errno. */
export function ioUringEnter(fd: number, count: number, flags: number): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringEnter(SYSCALL.IO_URING_ENTER, fd, count, 0, flags, null, 0n);
  return result === -1 ? -errno[0]! : result;
}

/** Registers one resource with a ring. Returns 0 or more, or -errno. */
export function ioUringRegister(fd: number, op: number, argument: Int32Array<ArrayBuffer>): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringRegister(SYSCALL.IO_URING_REGISTER, fd, op, argument, 1);
  return result === -1 ? -errno[0]! : result;
}

/** Opens a file descriptor that counts events, for polling. Returns it, or -errno. */
export function openEventfd(): number {
  const { symbols, errno } = ring();
  const result = symbols.eventfd(0, OPEN.NONBLOCK | OPEN.CLOEXEC);
  return result === -1 ? -errno[0]! : result;
}

/** `struct timespec { time_t tv_sec; long tv_nsec; }`, 64 bits each on all supported platforms. */
function timespec(ms: number): BigInt64Array<ArrayBuffer> {
  const nanoseconds = BigInt(Math.max(0, Math.round(ms * 1e6)));
  return BigInt64Array.of(nanoseconds / 1_000_000_000n, nanoseconds % 1_000_000_000n);
}
