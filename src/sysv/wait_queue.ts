/**
 * Queues of equal waits. Of all waits in this event loop for the same operations, only the first calls
 * the kernel; the others follow in the order of their calls. So any number of them needs one thread.
 * Internal: used by `semaphore_wait.ts`.
 */

/** The queues, by the operations that their waits wait for. A `Set` keeps the order of insertion. */
const lines = new Map<string, Set<QueuedWait>>();

/** The place of one wait in its queue. Call `leave` when the wait ends, for whatever reason. */
export class QueuedWait {
  readonly #name: string;
  readonly #line: Set<QueuedWait>;
  #end: (() => void) | undefined;

  /** Joins the end of the queue `name`. */
  constructor(name: string) {
    let line = lines.get(name);
    if (line === undefined) lines.set(name, line = new Set());
    this.#name = name;
    this.#line = line;
    line.add(this);
  }

  /** Whether this wait is the one that calls the kernel. */
  get first(): boolean {
    const [first] = this.#line;
    return first === this;
  }

  /** Resolves when this wait is the first, after `ms` milliseconds, or when it is interrupted. */
  turn(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.interrupt(), ms);
    this.#end = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }

  /** Ends the current `turn`. */
  interrupt(): void {
    this.#end?.();
    this.#end = undefined;
  }

  /** Leaves the queue. The next wait becomes the first. */
  leave(): void {
    this.#line.delete(this);
    const [first] = this.#line;
    if (first === undefined) lines.delete(this.#name);
    else first.interrupt();
  }
}
