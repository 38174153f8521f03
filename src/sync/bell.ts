/**
 * A bell that a wake of another process rings on this one's event loop: who awaits a word of shared
 * memory is woken as a socket would be, by the kernel, and not by a thread that waits in its stead.
 * For the rooms to the right, one for each place where something is awaited; whoever makes it closes it.
 *
 * Where the kernel has no such thing it says so, and `word.ts` waits on another thread.
 */

import { FutexRing } from "../../ffi/io_uring.ts";
import { Ear } from "./ear.ts";

/** One wait at a time. */
export class Bell {
  #ring: FutexRing | undefined;
  #ear: Ear | undefined;
  /** Whether a wait of ours is with the kernel, which may be one that was given up here. */
  #armed = false;
  #done: (() => void) | undefined;
  /** Ends whatever wait is under way when it fires. It outlives one that was woken, for the next. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What it was set to, in milliseconds. */
  #timerMs = 0;
  #open = true;

  /**
   * Waits at most `ms` milliseconds for the word at `address`, always the same, to be something else
   * than `value`, or for somebody to wake it. It may end early. Then `done` is called, once, and never
   * from within this call: by the event loop itself, as a promise in between costs microseconds where
   * nothing is warm.
   *
   * @returns `false` if there are no bells here, or none can be had just now
   */
  listen(address: Deno.PointerObject, value: number, ms: number, done: () => void): boolean {
    if (!this.#open) {
      queueMicrotask(done);
      return true;
    }
    if (this.#ring === undefined) {
      if (!Ear.possible || !FutexRing.supported) return false;
      if (!Ear.loaded) {
        // This wait ends when there is what the next one needs
        Ear.load().then(() => this.interrupt());
        this.#done = done;
        return true;
      }
      if (!this.#hang()) return false;
    }
    if (!this.#armed) {
      if (this.#ring!.arm(address, value) < 0) return false;
      this.#armed = true;
    }
    this.#limit(ms);
    this.#done = done;
    return true;
  }

  /** Makes the ring and the ear that hears it; `false` if they cannot be had. */
  #hang(): boolean {
    const ring = FutexRing.open();
    if (typeof ring === "number") return false;
    const ear = Ear.open(ring.event, () => {
      this.#armed = false;
      this.#end();
    });
    if (ear === undefined) {
      ring.close();
      return false;
    }
    this.#ring = ring;
    this.#ear = ear;
    return true;
  }

  /**
   * Sees to it that the wait ends within `ms`. A timer that fires no later will do, though the wait
   * ends early then: to set and clear one costs as much as all else between a wake and its receiver.
   * It also keeps the process alive, which the bell itself does not.
   */
  #limit(ms: number): void {
    if (this.#timer !== undefined && this.#timerMs <= ms) return;
    clearTimeout(this.#timer);
    this.#timerMs = ms;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#end();
    }, ms);
  }

  #end(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  /** Ends a wait under way, as soon as whoever asks for it is done. */
  interrupt(): void {
    if (this.#done !== undefined) queueMicrotask(() => this.#end());
  }

  /** Ends a wait under way and gives everything back. Twice is once. */
  close(): void {
    this.#open = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#ear?.close();
    this.#ring?.close();
    this.#ring = this.#ear = undefined;
    this.interrupt();
  }
}
