/** What happened in a run, by name, and how often. */

/** What happened, by name. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** One more of it. */
  add(name: string, times = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + times);
  }

  /** All that begin with `prefix`, without it, the most frequent first. */
  entries(prefix: string): [name: string, count: number][] {
    return [...this.#counts].filter(([name]) => name.startsWith(prefix))
      .map(([name, count]): [string, number] => [name.slice(prefix.length), count])
      .sort(([, a], [, b]) => b - a);
  }

  /** How many there were of those that begin with `prefix`. */
  sum(prefix: string): number {
    return this.entries(prefix).reduce((sum, [, count]) => sum + count, 0);
  }
}
