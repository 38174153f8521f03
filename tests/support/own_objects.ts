/**
 * Which System V objects this test file and its peers made, and which other programs did: the machine
 * is not ours alone. Ours is what has a key that a test drew, or was made or last used by one of our
 * processes. The kernel tells who created a segment; of a semaphore set only who last used it, so a
 * set without a key that nobody has used yet cannot be told from others'.
 */

import { SEM } from "../../ffi/constants.ts";
import { semctl } from "../../ffi/sem.ts";
import { listSegments, listSemaphoreSets } from "../../mod.ts";

/** This process, and the peers it started. */
const processes = new Set([Deno.pid]);

const keys = new Set<number>();

/** The prefix of all keys that tests draw; under it are also those that examples and pages have printed. */
const PREFIX = 0x5e000000;
const PRINTED = 0x5eed0000;

/** A key that no other test uses: one of 16 million, at random, under a prefix of ours. */
export function freshKey(): number {
  const key = PREFIX | (crypto.getRandomValues(new Uint32Array(1))[0]! & 0xffffff);
  if ((key & 0xffff0000) === PRINTED) return freshKey();
  keys.add(key);
  return key;
}

/** Says that a process is ours. */
export function addOwnProcess(pid: number): void {
  processes.add(pid);
}

function isOwnSet(id: number, count: number): boolean {
  for (let semaphore = 0; semaphore < count; semaphore++) {
    // Negative where it is gone meanwhile, or another user's
    const user = semctl(id, semaphore, SEM.GETPID);
    if (user < 0) return false;
    if (processes.has(user)) return true;
  }
  return false;
}

/** All of ours that there is now, one line an object: `segment 5 key 0 by 4711`, `semaphore set 6 key 7`. */
export function ownObjects(): string[] {
  const segments = listSegments().filter(({ key, cpid }) => keys.has(key) || processes.has(cpid));
  const sets = listSemaphoreSets().filter(({ id, key, count }) =>
    keys.has(key) || isOwnSet(id, count)
  );
  return [
    ...segments.map(({ id, key, cpid }) => `segment ${id} key ${key} by ${cpid}`),
    ...sets.map(({ id, key }) => `semaphore set ${id} key ${key}`),
  ];
}
