/**
 * Lines of equal waits: of those in this event loop that wait for the very same, only the first asks the
 * kernel, and the others follow in the order of asking. So any number of them needs one thread. For
 * `semaphore_wait.ts`.
 */

/** The lines, by what their waits wait for. A set keeps the order in which they came. */
const lines = new Map<string, Set<QueuedWait>>();

/** A place in a line, for one wait. To be left when the wait is over, however it ends. */
export class QueuedWait {
  readonly #name: string;
  readonly #line: Set<QueuedWait>;
  #end: (() => void) | undefined;

  /** The last place of the line of waits called `name`. */
  constructor(name: string) {
    let line = lines.get(name);
    if (line === undefined) lines.set(name, line = new Set());
    this.#name = name;
    this.#line = line;
    line.add(this);
  }

  /** Whether it is this one's turn to ask the kernel. */
  get first(): boolean {
    const [first] = this.#line;
    return first === this;
  }

  /** Resolves when this is the first, or after `ms` milliseconds, or when it is interrupted. */
  turn(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => this.interrupt(), ms);
    this.#end = () => {
      clearTimeout(timer);
      resolve();
    };
    return promise;
  }

  /** Ends a `turn` that is under way. */
  interrupt(): void {
    this.#end?.();
    this.#end = undefined;
  }

  /** Lets the next one be the first. */
  leave(): void {
    this.#line.delete(this);
    const [first] = this.#line;
    if (first === undefined) lines.delete(this.#name);
    else first.interrupt();
  }
}
