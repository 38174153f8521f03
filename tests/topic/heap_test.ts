/**
 * The hot paths allocate nothing for a message: after five million of them the heap is as large as before.
 * In a process of its own, with a garbage collection before each look.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

/** One object a message would be at least 12 bytes each: 60 MB. */
const MESSAGES = 5_000_000;
const MOST_GROWTH = 1_000_000;
/** Looks without a collection before them, for garbage. */
const LOOKS = 25;
const TIMES_A_LOOK = 20_000;

const PROGRAM = `
  import { Topic } from "@sysv/shm";
  const [key, size, how] = Deno.args;
  using topic = Topic.openOrCreate({ key: Number(key), lanes: 2, laneCapacity: 1 << 17 });
  using publisher = topic.publisher();
  using subscriber = topic.subscriber();
  const message = new Uint8Array(Number(size)).fill(7);
  const batch = new Array(50).fill(message);
  let sum = 0;
  const visit = (bytes, tag, lane, missed) => { sum += bytes[0] + missed; };
  function round(count) {
    for (let sent = 0; sent < count; sent += 50) {
      if (how === "publishBatch") publisher.publishBatch(batch);
      else for (let i = 0; i < 50; i++) publisher.publish(message);
      subscriber.drain(visit);
    }
  }
  const heap = () => { gc(); gc(); return Deno.memoryUsage().heapUsed; };
  round(200_000); // compiled, and all views made
  const before = heap();
  round(${MESSAGES});
  const grown = heap() - before;
  function garbage(act) {
    const looks = [];
    for (let i = 0; i < ${LOOKS}; i++) {
      const last = Deno.memoryUsage().heapUsed;
      act();
      looks.push(Deno.memoryUsage().heapUsed - last);
    }
    // What a compiler or a collection does falls into a few of the looks: half of them have neither
    return looks.sort((a, b) => a - b)[${LOOKS} >> 1] / ${TIMES_A_LOOK};
  }
  function inVain() {
    for (let i = 0; i < ${TIMES_A_LOOK}; i++) subscriber.drain(visit);
  }
  for (let i = 0; i < 10; i++) inVain();
  const perMessage = garbage(() => round(${TIMES_A_LOOK}));
  const perDrain = garbage(inVain);
  console.log(JSON.stringify({ grown, perMessage, perDrain, sum }));
`;

for (const [size, how] of [[8, "publish"], [64, "publish"], [300, "publishBatch"]] as const) {
  testWith(
    { tools: ["deno"] },
    `Publisher.${how} and Subscriber.drain: 5 million messages of ${size} bytes leave the heap as it was`,
    async () => {
      await using peer = Peer.typescript(
        PROGRAM.replace("Deno.args", `["${freshKey()}", "${size}", "${how}"]`),
        "--allow-ffi",
        "--v8-flags=--expose-gc",
      );
      const { code, stdout, stderr } = await peer.ended();
      assert.equal(code, 0, stderr);
      const { grown, perMessage, perDrain, sum } = JSON.parse(stdout);
      assert.equal(sum, 7 * (200_000 + MESSAGES + LOOKS * TIMES_A_LOOK));
      assert(grown < MOST_GROWTH, `${grown} bytes more`);
      // No garbage either: the least object has more than this
      assert(perMessage < 8, `${perMessage} bytes a message`);
      assert(perDrain < 8, `${perDrain} bytes a drain that finds nothing`);
    },
  );
}
