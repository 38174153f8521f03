/**
 * Reads an eventfd on the event loop. Deno has no call for that. The handle under a socket of `node:net`
 * can read an eventfd, which the socket itself refuses. The handle is undocumented, so a test pins it:
 * if it is missing or different, there are no readers, and `atomic_int32.ts` waits on another thread.
 * Internal: used by `async_futex.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { closeFd, openEventfd, openPipe, readFileStart } from "../../ffi/files.ts";

/** The part of the handle that we use: libuv's stream, with Node's names. Calls return 0 or -errno. */
interface Handle {
  open(fd: number): number;
  useUserBuffer(buffer: Uint8Array): void;
  onread: () => void;
  readStart(): number;
  unref(): void;
  close(): void;
}

type HandleClass = new (type: number) => Handle;

/** The type of a handle that is connected, not listening. */
const CONNECTED = 0;
/** More than the 8 bytes that an eventfd returns: a full buffer would cause a second, useless read. */
const BUFFER_BYTES = 64;

/** The handle's class; `null` if it is not the expected one, `undefined` before it was tried. */
let handleClass: HandleClass | null | undefined;
let Socket: typeof import("node:net").Socket | undefined;

/** The class of the handle of a socket, found with a temporary pipe and tried once on an eventfd. */
function findHandleClass(): HandleClass | null | undefined {
  const pipe = openPipe();
  if (typeof pipe === "number") return undefined;
  const [readEnd, writeEnd] = pipe;
  closeFd(writeEnd);
  try {
    // Not started: only its handle is needed
    const how = { fd: readEnd, readable: true, writable: false, manualStart: true };
    const socket: { readonly _handle?: object; destroy(): void } = new Socket!(how);
    const found = socket._handle?.constructor as HandleClass;
    socket.destroy();
    const event = openEventfd();
    if (event < 0) return undefined;
    const tried = startHandle(found, event, () => {});
    tried?.close();
    return tried === undefined ? null : found;
  } catch {
    // The owner of the file descriptors is unknown now, so they stay open
    return null;
  }
}

/** A handle that reads and owns `fd`. If it cannot read it, closes `fd` and returns `undefined`. */
function startHandle(kind: HandleClass, fd: number, counted: () => void): Handle | undefined {
  const handle = new kind(CONNECTED);
  if (handle.open(fd) !== 0) {
    closeFd(fd);
    return undefined;
  }
  handle.useUserBuffer(new Uint8Array(BUFFER_BYTES));
  handle.onread = counted;
  if (handle.readStart() !== 0) {
    handle.close();
    return undefined;
  }
  handle.unref();
  return handle;
}

/** Fulfils when `node:net` is loaded or has failed to load. */
let loading: Promise<void> | undefined;

async function loadSocket(): Promise<void> {
  try {
    // Without /proc, Deno panics when it loads this module
    if (readFileStart("/proc/self/exe", 1) === -ERRNO.ENOENT) handleClass = null;
    else ({ Socket } = await import("node:net"));
  } catch {
    handleClass = null;
  }
}

/** Calls back when the eventfd counted something, until it is closed. Does not keep the process alive. */
export class EventfdReader {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Whether `open` may succeed now. */
  static get loaded(): boolean {
    return Socket !== undefined && handleClass !== null;
  }

  /** Loads `node:net`, which takes milliseconds. Most programs never need it. */
  static load(): Promise<void> {
    return loading ??= loadSocket();
  }

  /**
   * Starts to read the eventfd `fd`, and owns it from then on. If it cannot be read, or cannot be read
   * yet, closes `fd` and returns `undefined`.
   */
  static open(fd: number, counted: () => void): EventfdReader | undefined {
    if (handleClass === undefined && Socket !== undefined) handleClass = findHandleClass();
    if (!handleClass) {
      closeFd(fd);
      return undefined;
    }
    const handle = startHandle(handleClass, fd, counted);
    return handle === undefined ? undefined : new EventfdReader(handle);
  }

  /** Stops reading and closes the file descriptor. */
  close(): void {
    this.#handle.close();
  }
}
