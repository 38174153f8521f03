/**
 * Every test file that touches System V objects calls {@linkcode guardAgainstLeaks} once: after its
 * tests, the segments and semaphore sets in the system must be those there were before.
 *
 * It looks at the whole IPC namespace, so other programs that create or remove objects meanwhile
 * disturb it; `.ci/run` therefore gives the tests a namespace of their own where it may.
 */

import assert from "node:assert/strict";
import { listSegments, listSemaphoreSets } from "../../mod.ts";

/** All there is now, one line an object. */
export function systemObjects(): string[] {
  const segments = listSegments().map(({ id, key, cpid }) => `segment ${id} key ${key} by ${cpid}`);
  const sets = listSemaphoreSets().map(({ id, key }) => `semaphore set ${id} key ${key}`);
  return [...segments, ...sets];
}

/** Compares the system's objects before the file's first test with those after its last. */
export function guardAgainstLeaks(): void {
  let before: string[] = [];
  Deno.test.beforeAll(() => {
    before = systemObjects();
  });
  Deno.test.afterAll(() => {
    assert.deepEqual(systemObjects(), before, "System V objects were left behind or removed");
  });
}
