/**
 * A futex awaited on the event loop, woken as a socket would be: by the kernel, and not by a thread that
 * waits in its stead. All waits of an event loop share one io_uring, which lives as long as it.
 *
 * Where there is no io_uring `listen` says so, and `atomic_int32.ts` waits on another thread.
 */

import { FutexRing } from "../../ffi/io_uring.ts";
import { EventfdReader } from "./eventfd_reader.ts";

/**
 * A wait of at least so many milliseconds is worth loading what is needed for all to come. Shorter ones
 * are over before, and end late if the event loop is loading then.
 */
const WORTH_LOADING_MS = 10;
/** Many short ones are worth it too: traffic that flows with pauses has no long ones. */
const WORTH_LOADING_WAITS = 16;

let ring: FutexRing | undefined;
/** Waits that are with the kernel, by their numbers. */
const armed = new Map<number, () => void>();
let lastWait = 0;
/** Whether the only wait there was has ended, and the ring was not asked yet. */
let unreaped = false;

/** The ring of this event loop; `undefined` if it cannot be had, or not just now. */
function sharedRing(ms: number, waits: number): FutexRing | undefined {
  if (ring !== undefined) return ring;
  if (!EventfdReader.loaded) {
    const worthLoading = ms >= WORTH_LOADING_MS || waits >= WORTH_LOADING_WAITS;
    if (worthLoading && FutexRing.supported) EventfdReader.load();
    return undefined;
  }
  const opened = FutexRing.open();
  if (typeof opened === "number") return undefined;
  if (EventfdReader.open(opened.event, () => endWaits(opened)) === undefined) {
    opened.close();
    return undefined;
  }
  return ring = opened;
}

function endWaits(from: FutexRing): void {
  if (armed.size === 1 && !unreaped) {
    // Which wait it is needs no asking, and its waiter is in a hurry: the ring is asked before the next
    unreaped = true;
    const [ended] = armed.values();
    return ended!();
  }
  unreaped = false;
  for (const wait of from.reap()) {
    const ended = armed.get(wait);
    armed.delete(wait);
    ended?.();
  }
}

/** One wait at a time, always for the same word. */
export class AsyncFutex {
  /** The number of a wait that is with the kernel, which may be one that was given up here. */
  #armed: number | undefined;
  #done: (() => void) | undefined;
  /** Ends the wait under way each time it fires. It outlives one wait, for the next. */
  #timer: ReturnType<typeof setInterval> | undefined;
  /** What it was set to, in milliseconds. */
  #timerMs = 0;
  /** Whether it has not fired yet. */
  #timerIsNew = true;
  /** How often it was waited on. */
  #waits = 0;
  #open = true;

  /**
   * Waits at most `ms` milliseconds for the word at `address` to be something else than `value`, or to
   * be woken. It may end early. Then `done` is called, once, and never from within this call: by the
   * event loop itself, as a promise in between costs microseconds where nothing is warm.
   *
   * @returns `false` if that cannot be done here, or not just now
   */
  listen(address: Deno.PointerObject, value: number, ms: number, done: () => void): boolean {
    if (!this.#open) {
      queueMicrotask(done);
      return true;
    }
    if (unreaped) endWaits(ring!);
    if (this.#armed === undefined && !this.#arm(address, value, ms)) return false;
    this.#limit(ms);
    this.#done = done;
    return true;
  }

  #arm(address: Deno.PointerObject, value: number, ms: number): boolean {
    const ring = sharedRing(ms, ++this.#waits);
    if (ring === undefined) return false;
    const wait = lastWait + 1;
    if (ring.arm(wait, address, value) < 0) return false;
    lastWait = this.#armed = wait;
    armed.set(wait, () => {
      if (!unreaped) this.#armed = undefined;
      this.#end();
    });
    return true;
  }

  /**
   * Sees to it that the wait ends within `ms`. A timer that fires no later will do, though the wait
   * ends early then: to set and clear one costs as much as all else between a wake and its receiver,
   * and most of what an idle wait costs. It also keeps the process alive, which the ring itself does not.
   */
  #limit(ms: number): void {
    const firesInTime = this.#timerIsNew ? this.#timerMs <= ms : this.#timerMs === ms;
    if (this.#timer !== undefined && firesInTime) return;
    clearInterval(this.#timer);
    this.#timerMs = ms;
    this.#timerIsNew = true;
    this.#timer = setInterval(() => {
      this.#timerIsNew = false;
      if (this.#done === undefined) this.#stopTimer();
      else this.#end();
    }, ms);
  }

  #stopTimer(): void {
    // The first call of any timer function loads them all, which takes milliseconds
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #end(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  /** Ends a wait under way, as soon as the caller is done. */
  interrupt(): void {
    if (this.#done !== undefined) queueMicrotask(() => this.#end());
  }

  /** Ends a wait under way, in the kernel too. Twice is once. */
  close(): void {
    this.#open = false;
    this.#stopTimer();
    if (unreaped) endWaits(ring!);
    if (this.#armed !== undefined) {
      armed.delete(this.#armed);
      ring!.cancel(this.#armed);
      this.#armed = undefined;
    }
    this.interrupt();
  }
}
