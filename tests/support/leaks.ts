/**
 * Every test file that touches System V objects calls {@linkcode guardAgainstLeaks} once: after its
 * tests, nothing that it or its peers made may be left. What other programs of the machine create and
 * remove meanwhile is none of its business.
 */

import assert from "node:assert/strict";
import { ownObjects } from "./own_objects.ts";

/** Fails the file if there are more objects of ours after its last test than before its first. */
export function guardAgainstLeaks(): void {
  let before: ReadonlySet<string> = new Set();
  Deno.test.beforeAll(() => {
    before = new Set(ownObjects());
  });
  Deno.test.afterAll(() => {
    const left = ownObjects().filter((object) => !before.has(object));
    assert.deepEqual(left, [], "System V objects were left behind");
  });
}
