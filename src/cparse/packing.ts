/**
 * Tracks `#pragma pack`: the current limit of alignments. Internal: used by `c_declaration.ts`.
 */

import { type Token, unreadable } from "./token.ts";
import type { Pack } from "../layout/layout.ts";

const PRAGMA = /^pack\((?:(push)(?:,(1|2|4|8|16))?|(pop)|(1|2|4|8|16)?)\)$/;

/** The current limit, and the stack of pushed limits. */
export class Packing {
  #current: Pack | undefined;
  readonly #pushed: (Pack | undefined)[] = [];

  get current(): Pack | undefined {
    return this.#current;
  }

  /** Applies a token of kind `pragma`. */
  change(token: Token): void {
    const [found, push, pushed, pop, set] = PRAGMA.exec(token.text) ?? [];
    if (found === undefined) {
      throw unreadable(
        token,
        "write #pragma pack(n), (push, n), (push), (pop) or (); n is 1 to 16",
      );
    }
    if (pop !== undefined) {
      if (this.#pushed.length === 0) throw unreadable(token, "nothing was pushed before");
      this.#current = this.#pushed.pop();
      return;
    }
    const bytes = pushed ?? set;
    if (push !== undefined) this.#pushed.push(this.#current);
    if (bytes !== undefined) this.#current = Number(bytes) as Pack;
    else if (push === undefined) this.#current = undefined;
  }
}
