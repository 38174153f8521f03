/**
 * Whether two layouts are the same, though made by different declarations. Internal: used by the parser, for
 * what a text defines twice.
 */

/** Whether two layouts, or parts of them, have the same data. Their functions follow from it. */
export function isSameLayout(one: object, other: object): boolean {
  const [mine, theirs] = [dataOf(one), dataOf(other)];
  return mine.length === theirs.length && mine.every(([key, part], i) => {
    const [otherKey, otherPart] = theirs[i]!;
    if (key !== otherKey) return false;
    return part === otherPart ||
      (isObject(part) && isObject(otherPart) && isSameLayout(part, otherPart));
  });
}

function dataOf(layout: object): [string, unknown][] {
  return Object.entries(layout).filter(([, part]) => typeof part !== "function");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
