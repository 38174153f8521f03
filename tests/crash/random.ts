/** Random decisions that a seed repeats. */

/** Mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 random bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.bits() / 2 ** 32 * limit);
  }

  /** One of several. */
  of<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.below(choices.length)]!;
  }
}

/** What decides this run: SYSV_SHM_TEST_SEED (with --allow-env) if it is set, else chance. */
export function seed(): number {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "SYSV_SHM_TEST_SEED" });
  const given = state === "granted" ? Deno.env.get("SYSV_SHM_TEST_SEED") : undefined;
  return given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : Number(given);
}
