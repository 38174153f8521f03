/**
 * Reading an eventfd on the event loop. Deno has no call for that; the handle under a socket of
 * `node:net` does it, for an eventfd too, which the socket itself refuses. The handle is not
 * documented: where it is missing or is another one there are no readers, and `atomic_int32.ts` waits on
 * another thread. A test pins it. For `async_futex.ts`.
 */

import { closeFd, openEventfd, openPipe } from "../../ffi/libc.ts";

/** What we use of the handle: libuv's stream, as Node names its calls. They give 0, or -errno. */
interface Handle {
  open(fd: number): number;
  useUserBuffer(buffer: Uint8Array): void;
  onread: () => void;
  readStart(): number;
  unref(): void;
  close(): void;
}

type HandleClass = new (type: number) => Handle;

/** The type of a handle that is connected to something, not listening. */
const CONNECTED = 0;
/** More than the 8 bytes an eventfd gives: a buffer that is full is read into again, for nothing. */
const BUFFER_BYTES = 64;

/** The handles' class; `null`: it is not what we know. */
let handleClass: HandleClass | null | undefined;
let Socket: typeof import("node:net").Socket | undefined;

/** The class of the handle of a socket over a pipe of ours, which is gone again; tried once here. */
function findHandleClass(): HandleClass | null | undefined {
  const pipe = openPipe();
  if (typeof pipe === "number") return undefined;
  const [readEnd, writeEnd] = pipe;
  closeFd(writeEnd);
  try {
    // Not started: what it is asked for is its handle
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
    // Whose the file descriptors are now is not known: they stay open
    return null;
  }
}

/** A handle that reads `fd`, and owns it; `undefined`, and `fd` closed, if it cannot. */
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

/** Ends when `node:net` is loaded, or cannot be. */
let loading: Promise<void> | undefined;

/** Calls back when something was counted, until it is closed. Keeps no process alive. */
export class EventfdReader {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Whether `open` may succeed now. */
  static get loaded(): boolean {
    return Socket !== undefined && handleClass !== null;
  }

  /** Loads what readers need, which takes milliseconds. Most programs never do. */
  static load(): Promise<void> {
    return loading ??= import("node:net").then(
      (net) => void (Socket = net.Socket),
      () => void (handleClass = null),
    );
  }

  /**
   * Reads the eventfd `fd`, and owns it from now on; `undefined`, and closed, if it cannot be read, or
   * not just now.
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

  /** Reads no more, and closes the file descriptor. */
  close(): void {
    this.#handle.close();
  }
}
