/**
 * Log lines to any number of viewers, in a `Topic`. A viewer that is slow, stopped or killed holds no program up.
 *
 *     deno run --allow-ffi examples/log.ts view            from now on
 *     deno run --allow-ffi examples/log.ts view all        and what is still in memory; or a number of lines
 *     some-program | deno run --allow-ffi examples/log.ts write web
 *
 * Each writer has a ring of 64 KiB in shared memory, so a viewer that starts late, or after the writer was killed,
 * finds the last lines of each. A viewer that is overrun says how many lines it missed. The topic is
 * `persistent`: `deno run --allow-ffi examples/log.ts remove` removes it.
 */

import { ShmError, Topic } from "../mod.ts";

const [role, argument] = Deno.args;
using topic = Topic.openOrCreate({ key: 0x5eed1031, laneCapacity: 1 << 16, persistent: true });

if (role === "write") {
  using publisher = topic.publisher();
  const encoder = new TextEncoder();
  const name = argument ?? String(Deno.pid);
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      // A line of more than a quarter of the ring is cut
      publisher.publish(encoder.encode(`${name}: ${line}`).subarray(0, topic.maxMessage));
    }
  }
} else if (role === "remove") topic.remove();
else {
  const history = argument === "all" ? "all" : Number(argument ?? 0);
  using subscriber = topic.subscriber({ history });
  try {
    for await (const { text, missed } of subscriber) {
      if (missed > 0) console.log(`... ${missed} lines missed ...`);
      console.log(text);
    }
  } catch (error) {
    if (!ShmError.is(error, "EIDRM")) throw error; // removed: the end
  }
}
