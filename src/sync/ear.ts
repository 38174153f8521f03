/**
 * Hearing a file descriptor on the event loop. Deno has no call for that; the handle under a socket of
 * `node:net` does it, for an eventfd too, which the socket itself refuses. The handle is not
 * documented: where it is missing or is another one there are no ears, and `word.ts` waits on another
 * thread. A test pins it. For `bell.ts`.
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
/** More than the 8 bytes an eventfd gives: whoever fills the buffer is asked again, for nothing. */
const BUFFER_BYTES = 64;

/** The handles' class; `null`: it is not what we know. */
let handleClass: HandleClass | null | undefined;
let Socket: typeof import("node:net").Socket | undefined;

/**
 * The class of the handle of a socket over a pipe of ours, which is gone again. Tried once, so that whoever
 * uses it later need not expect it to be another thing.
 */
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

/** A handle that hears `fd`, and owns it; `undefined`, and `fd` closed, if it cannot. */
function startHandle(kind: HandleClass, fd: number, heard: () => void): Handle | undefined {
  const handle = new kind(CONNECTED);
  if (handle.open(fd) !== 0) {
    closeFd(fd);
    return undefined;
  }
  handle.useUserBuffer(new Uint8Array(BUFFER_BYTES));
  handle.onread = heard;
  if (handle.readStart() !== 0) {
    handle.close();
    return undefined;
  }
  handle.unref();
  return handle;
}

/** Calls back when something can be read, until it is closed. Keeps no process alive. */
export class Ear {
  readonly #handle: Handle;

  private constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** Whether there may be ears in this Deno: nobody has found that there are none. */
  static get possible(): boolean {
    return handleClass !== null;
  }

  /** Whether `load` was done. */
  static get loaded(): boolean {
    return Socket !== undefined;
  }

  /** Loads what ears need. Most programs never do. */
  static async load(): Promise<void> {
    ({ Socket } = await import("node:net"));
  }

  /**
   * Hears the eventfd `fd`, and owns it from now on; `undefined`, and closed, if it cannot be heard, or
   * not just now.
   */
  static open(fd: number, heard: () => void): Ear | undefined {
    if (handleClass === undefined) handleClass = findHandleClass();
    if (!handleClass) {
      closeFd(fd);
      return undefined;
    }
    const handle = startHandle(handleClass, fd, heard);
    return handle === undefined ? undefined : new Ear(handle);
  }

  /** Hears no more, and closes the file descriptor. */
  close(): void {
    this.#handle.close();
  }
}
