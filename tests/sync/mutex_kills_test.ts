/**
 * A counter in shared memory that TypeScript and C processes raise under one mutex, while they are
 * killed at random instants: no increment is lost, no two are inside at once, and none is stuck.
 *
 * The seed decides which process is started, and after which time it is killed; the machine's timing
 * adds its own. SYSV_SHM_TEST_SEED (with --allow-env) repeats the decisions of the run that printed it.
 */

import assert from "node:assert/strict";
import { array, i32, Mutex, Segment, struct } from "../../mod.ts";
import { Random, seed } from "../crash/random.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

const PEERS = 48;
const AT_ONCE = 4;

/**
 * What the mutex guards. `total` is what all have counted together; each also counts for itself in
 * `own`, so that a lost increment shows. `inside` is the process that has the mutex locked. A
 * process that finds another there on entering, which can only have been killed there, notes it in
 * `found`. A process that finds another there on leaving was not alone.
 */
const Shared = struct({
  total: i32,
  inside: i32,
  notAlone: i32,
  finds: i32,
  found: array(i32, PEERS),
  own: array(i32, PEERS),
});

const IN_C = new CProgram(`
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#define PEERS ${PEERS}
${Shared.declare("Shared")}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  volatile struct Shared *shared = shmat(atoi(argv[1]), NULL, 0);
  int set = atoi(argv[2]), me = atoi(argv[3]), pid = getpid();
  if ((void *)shared == (void *)-1) return 1;
  struct sembuf take[] = {{0, 0, 0}, {0, 1, SEM_UNDO}};
  struct sembuf release[] = {{0, -1, IPC_NOWAIT | SEM_UNDO}};
  puts("counting");
  fflush(stdout);
  for (unsigned turn = 0;; turn++) {
    while (semop(set, take, 2) != 0)
      if (errno != EINTR) return 1;
    if (shared->inside != 0) shared->found[shared->finds++ % PEERS] = shared->inside;
    shared->inside = pid;
    int total = shared->total;
    for (volatile unsigned spin = 0; spin < (turn % 64) * 1000; spin++) continue;
    shared->total = total + 1;
    shared->own[me]++;
    if (shared->inside != pid) shared->notAlone++;
    shared->inside = 0;
    if (semop(set, release, 1) != 0) return 1;
  }
}
`);

/** The same here; now and then by promise. */
function inTypeScript(segment: Segment, mutex: Mutex, me: number): Peer {
  return Peer.typescript(`
    import { array, i32, Mutex, Segment, SemaphoreSet, struct } from "@sysv/shm";
    const each = array(i32, ${PEERS});
    const Shared = struct({
      total: i32, inside: i32, notAlone: i32, finds: i32, found: each, own: each,
    });
    const shared = Segment.attach(${segment.id}).view(Shared);
    const mutex = new Mutex(SemaphoreSet.attach(${mutex.set.id}));
    console.log("counting");
    for (let turn = 0;; turn++) {
      using _lock = turn % 8 === 0 ? await mutex.lock() : mutex.lockSync();
      if (shared.inside !== 0) shared.found[shared.finds++ % ${PEERS}] = shared.inside;
      shared.inside = Deno.pid;
      const { total } = shared;
      for (let spin = 0; spin < (turn % 64) * 1000; spin++);
      shared.total = total + 1;
      shared.own[${me}]++;
      if (shared.inside !== Deno.pid) shared.notAlone++;
      shared.inside = 0;
    }
  `);
}

testWith(
  { ...C_NEEDS, tools: [...C_NEEDS.tools, "deno"] },
  `Mutex: ${PEERS} processes, killed at random, lose no increment`,
  async () => {
    const start = seed();
    const random = new Random(start);
    using segment = Segment.create({ size: Shared.size });
    segment.remove();
    const shared = segment.view(Shared);
    const mutex = Mutex.openOrCreate({ key: freshKey() });
    /** Runs one peer to its violent end. */
    const life = async (me: number): Promise<void> => {
      const inC = random.below(2) === 0;
      const ms = random.below(60);
      await using peer = inC
        ? IN_C.start(segment.id, mutex.set.id, me)
        : inTypeScript(segment, mutex, me);
      assert.equal(await peer.line(), "counting");
      await new Promise((resolve) => setTimeout(resolve, ms));
      peer.kill("SIGKILL");
      const { signal, stderr } = await peer.ended();
      assert.deepEqual([signal, stderr], ["SIGKILL", ""]);
    };
    try {
      let next = 0;
      const lives = async (): Promise<void> => {
        while (next < PEERS) await life(next++);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lives));
      // No process is left that could release it: the kernel did
      using _lock = await mutex.lock({ timeout: 60_000 });
      const { total, notAlone, finds } = shared;
      const found = [...shared.found].slice(0, finds);
      if (shared.inside !== 0) found.push(shared.inside);
      // One found twice in a row: its first finder died before it said that it was inside itself
      const dead = found.filter((pid, n) => pid !== found[n - 1]);
      const own = [...shared.own].reduce((sum, count) => sum + count, 0);
      assert.equal(notAlone, 0);
      assert.equal(new Set(dead).size, dead.length, `found twice, so not dead: ${found}`);
      // A process that died between the two counts is one of those found inside
      assert(total >= own && total <= own + found.length, `${own} counted, ${total} in total`);
      assert(found.length > 0 && own > PEERS, `${found.length} died inside, ${own} increments`);
    } catch (error) {
      throw new Error(`with SYSV_SHM_TEST_SEED=${start}`, { cause: error });
    } finally {
      mutex.remove();
    }
  },
);
