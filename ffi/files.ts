/** Pipes, files of /proc and file descriptors. Internal. */

import { OPEN, POLL } from "./constants.ts";
import { files, ring } from "./libc.ts";
import { isReady } from "./processes.ts";

/**
 * How many bytes can be written at once to a file descriptor that is ready for writing. Source: pipe(7),
 * PIPE_BUF; a socket is ready only if it has room for more.
 */
export const WRITABLE_BYTES = 4096;

/** Whether {@linkcode WRITABLE_BYTES} can be written now to a pipe, socket or file without waiting. */
export function isWritable(fd: number): boolean {
  return isReady(fd, POLL.OUT);
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

/** Opens a file descriptor that counts events, for polling. Returns it, or -errno. */
export function openEventfd(): number {
  const { symbols, errno } = ring();
  const result = symbols.eventfd(0, OPEN.NONBLOCK | OPEN.CLOEXEC);
  return result === -1 ? -errno[0]! : result;
}
