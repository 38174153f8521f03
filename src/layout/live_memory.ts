/**
 * What a live view is over: its bytes and their layout. Internal: by it the codec knows a view, whose bytes
 * it can copy, from any other object. No caller can read it: the memory of a read-only view stays hidden.
 */

import type { Layout } from "./layout.ts";

/** Exactly the bytes of one value, and their layout. */
export interface Memory {
  readonly data: DataView;
  readonly layout: Layout;
}

/** Its constructor returns `object`, so that a class derived from it can give fields to that object. */
class Returning {
  constructor(object?: object) {
    if (object !== undefined) return object;
  }
}

/** Keeps the memory of a view: of `object`, which may be a proxy, or of the instance itself. */
export class LiveMemory extends Returning {
  readonly #memory: Memory;

  constructor(memory: Memory, object?: object) {
    super(object);
    this.#memory = memory;
  }

  /** Returns the memory of a live view, and `undefined` for anything else. */
  static of(value: unknown): Memory | undefined {
    return typeof value === "object" && value !== null && #memory in value
      ? value.#memory
      : undefined;
  }
}
