/**
 * A futex that is awaited on the event loop. The kernel wakes it as it wakes a socket, without a thread
 * that waits. All waits of an event loop share one io_uring, which lives as long as the event loop.
 *
 * Where there is no io_uring, `listen` returns `false` and `atomic_int32.ts` waits on another thread.
 */

import { FutexRing } from "../../ffi/io_uring.ts";
import { EventfdReader } from "./eventfd_reader.ts";
import { MAX_SLICE_MS } from "./wait_schedule.ts";

/**
 * The first wait of at least this many milliseconds loads what all waits need. Shorter waits would be over
 * before that, and would end late if the event loop is loading then.
 */
const WORTH_LOADING_MS = 10;
/** This many short waits load it too, because traffic with short pauses has no long waits. */
const WORTH_LOADING_WAITS = 16;

let ring: FutexRing | undefined;
/** Waits that the kernel has, by their numbers. */
const armed = new Map<number, () => void>();
let lastWait = 0;
/** Whether the only armed wait has ended, but its completion has not been reaped yet. */
let unreaped = false;

/** The ring of this event loop; `undefined` if there is none, or none yet. */
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
    // It can only be this wait, and its waiter is in a hurry: it is reaped before the next one is armed
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
  /** The number of the wait that the kernel has. Its waiter may have given up. */
  #armed: number | undefined;
  #done: (() => void) | undefined;
  /** Ends the current wait each time it fires. It is kept for the next wait. */
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Its interval in milliseconds. */
  #timerMs = 0;
  /** Whether it has not fired yet. */
  #timerIsNew = true;
  /** How often it may still fire in the current wait. */
  #ticks = 0;
  #ended: (() => boolean) | undefined;
  /** The number of waits so far. */
  #waits = 0;
  #open = true;

  /**
   * Waits at most `ms` milliseconds until the word at `address` differs from `value`, or a wake. It may
   * end early. Then the event loop calls `done` once, never from within this call. A promise in between
   * would cost microseconds where nothing is warm.
   *
   * `ended` is called every 100 ms, and ends the wait with `true`. So a wait for a peer that may not wake
   * it can be long: an idle waiter then does little more than this call, ten times a second.
   *
   * @returns `false` if this is not possible here, or not yet
   */
  listen(
    address: Deno.PointerObject,
    value: number,
    ms: number,
    done: () => void,
    ended?: () => boolean,
  ): boolean {
    if (!this.#open) {
      queueMicrotask(done);
      return true;
    }
    if (unreaped) endWaits(ring!);
    if (this.#armed === undefined && !this.#arm(address, value, ms)) return false;
    this.#limit(ms, ended === undefined ? ms : Math.min(ms, MAX_SLICE_MS));
    this.#done = done;
    this.#ended = ended;
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
   * Makes the wait end within `ms`, by a timer that fires each `interval`. A timer that fires earlier is
   * kept, and the wait ends early: setting and clearing a timer costs as much as everything else between
   * a wake and its receiver, and most of the cost of an idle wait. The timer also keeps the process alive,
   * which the ring does not.
   */
  #limit(ms: number, interval: number): void {
    this.#ticks = this.#timerMs === interval ? Math.floor(ms / interval) : 1;
    const firesInTime = this.#timerIsNew ? this.#timerMs <= interval : this.#timerMs === interval;
    if (this.#timer !== undefined && firesInTime) return;
    clearInterval(this.#timer);
    this.#timerMs = interval;
    this.#timerIsNew = true;
    this.#ticks = Math.floor(ms / interval);
    this.#timer = setInterval(this.#fire, interval);
  }

  readonly #fire = (): void => {
    this.#timerIsNew = false;
    this.#ticks -= 1;
    if (this.#done === undefined) this.#stopTimer();
    else if (this.#ticks <= 0 || this.#ended?.() === true) this.#end();
  };

  #stopTimer(): void {
    // The first call of any timer function loads them all, which takes milliseconds
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #end(): void {
    const done = this.#done;
    this.#done = this.#ended = undefined;
    done?.();
  }

  /** Ends the current wait as soon as the caller returns. */
  interrupt(): void {
    if (this.#done !== undefined) queueMicrotask(() => this.#end());
  }

  /** Ends the current wait, in the kernel too. Calling it again does nothing. */
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
