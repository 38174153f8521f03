/**
 * A bell that a wake of another process rings on this one's event loop: who awaits a word of shared
 * memory is woken as a socket would be, by the kernel, and not by a thread that waits in its stead.
 * For the rooms to the right, one for each place where something is awaited; whoever makes it closes it.
 *
 * Where the kernel has no such thing it says so, and `word.ts` waits on another thread.
 */

import { FutexRing } from "../../ffi/io_uring.ts";

/** The end of the pipe that the event loop reads. */
interface Listener {
  destroy(): void;
}

/** One wait at a time. */
export class Bell {
  #ring: FutexRing | undefined;
  #listener: Listener | undefined;
  /** Whether a wait of ours is with the kernel, which may be one that was given up here. */
  #armed = false;
  #ended: (() => void) | undefined;
  /** Ends whatever sleep is under way when it fires. It outlives one that was woken, for the next. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What it was set to, in milliseconds. */
  #timerMs = 0;
  #open = true;

  /**
   * Waits at most `ms` milliseconds for the word at `address`, always the same, to be something else
   * than `value`, or for somebody to wake it. It may end early.
   *
   * @returns `false` if there are no bells here
   */
  async sleep(address: Deno.PointerObject, value: number, ms: number): Promise<boolean> {
    // Whoever closed us, now or meanwhile, ended this wait with it
    if (this.#open && !(await this.#ready())) return false;
    if (!this.#open) return true;
    if (!this.#armed) {
      if (this.#ring!.arm(address, value) < 0) return false;
      this.#armed = true;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = resolve;
    this.#limit(ms);
    await promise;
    this.#ended = undefined;
    return true;
  }

  /**
   * Sees to it that the sleep ends within `ms`. A timer that fires no later will do, though the sleep
   * ends early then: to set and clear one costs as much as all else between a wake and its receiver.
   * It also keeps the process alive, which the bell itself does not.
   */
  #limit(ms: number): void {
    if (this.#timer !== undefined && this.#timerMs <= ms) return;
    clearTimeout(this.#timer);
    this.#timerMs = ms;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.interrupt();
    }, ms);
  }

  /** Ends a `sleep` under way. */
  interrupt(): void {
    this.#ended?.();
  }

  async #ready(): Promise<boolean> {
    if (this.#ring !== undefined) return true;
    if (!FutexRing.supported) return false;
    // Not before it is needed: most programs never sleep here
    const { Socket } = await import("node:net");
    if (!this.#open || this.#ring !== undefined) return true;
    const ring = FutexRing.open();
    if (typeof ring === "number") return false;
    const callback = (): boolean => {
      this.#armed = false;
      this.interrupt();
      return true;
    };
    const socket = new Socket({
      fd: ring.pipe,
      readable: true,
      writable: false,
      onread: { buffer: new Uint8Array(64), callback },
    });
    socket.on("error", () => this.interrupt());
    socket.unref();
    this.#ring = ring;
    this.#listener = socket;
    return true;
  }

  /** Ends a `sleep` under way and gives everything back. Twice is once. */
  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listener?.destroy();
    this.#ring?.close();
    this.#ring = this.#listener = undefined;
    this.interrupt();
  }
}
