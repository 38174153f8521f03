/**
 * A counter that many processes add to.
 *
 *     deno run --allow-ffi examples/progress.ts work 500    in as many terminals as you like
 *     deno run --allow-ffi examples/progress.ts show 2000   prints how far all of them are
 *
 * `add` is one indivisible step for all processes, so nothing is lost and nothing needs a lock.
 */

import { AtomicInt32, Segment } from "../mod.ts";

const KEY = 0x5eed1003;
const [role, number] = Deno.args;
const goal = Number(number);

using segment = Segment.openOrCreate({ key: KEY, size: 4 });
const done = new AtomicInt32(segment, 0);

if (role === "work") {
  for (let i = 0; i < goal; i++) done.add(1);
  done.notify();
} else {
  let shown = -1;
  while (shown < goal) {
    shown = await done.wait(shown);
    console.log(`${shown} of ${goal}`);
    await new Promise((resolve) => setTimeout(resolve, 10)); // not a line for each addition
  }
  segment.remove();
}
