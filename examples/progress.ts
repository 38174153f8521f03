/**
 * A counter that many processes add to.
 *
 *     deno run --allow-ffi examples/progress.ts work 500    in as many terminals as you like
 *     deno run --allow-ffi examples/progress.ts show 2000   prints how far all of them are
 *
 * `Atomics.add` on shared memory is one indivisible step for all processes, so nothing is lost and
 * nothing needs a lock.
 */

import { Segment } from "../mod.ts";

const KEY = 0x5eed1003;
const [role, number] = Deno.args;
const goal = Number(number);

using segment = Segment.openOrCreate({ key: KEY, size: 4 });
const done = new Int32Array(segment.buffer);

if (role === "work") {
  for (let i = 0; i < goal; i++) Atomics.add(done, 0, 1);
} else {
  let shown = -1;
  while (shown < goal) {
    const now = Atomics.load(done, 0);
    if (now !== shown) console.log(`${shown = now} of ${goal}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  segment.remove();
}
