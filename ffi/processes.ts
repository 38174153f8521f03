/** Processes and signals: whether a process runs, and the limits and signals of this one. Internal. */

import { POLL, SYSCALL } from "./constants.ts";
import { ERRNO } from "./errno.ts";
import { others, processes } from "./libc.ts";

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
export function isReady(fd: number, events: number): boolean {
  // struct pollfd { int fd; short events, revents; }
  return processes().symbols.poll(Int32Array.of(fd, events), 1n, 0) === 1;
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

/** Returns the limit of this process on one of the resources `RLIMIT`; `undefined` if it has none. */
export function resourceLimit(resource: number): bigint | undefined {
  // struct rlimit { rlim_t rlim_cur, rlim_max; }, 64 bits each on all supported platforms
  const limits = new BigUint64Array(2);
  const known = others().symbols.getrlimit(resource, limits) === 0;
  return known && limits[0] !== UNLIMITED ? limits[0] : undefined;
}

/** RLIM_INFINITY. */
const UNLIMITED = 2n ** 64n - 1n;

/** Whether this process was started with the signal ignored, as nohup(1) does with SIGHUP. */
export function ignoresSignal(signal: number): boolean {
  // struct sigaction begins with the handler on all supported platforms; 1 is SIG_IGN
  const action = new BigUint64Array(32);
  return others().symbols.sigaction(signal, null, action) === 0 && action[0] === 1n;
}
