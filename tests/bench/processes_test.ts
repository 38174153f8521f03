/** `bench/processes.ts` */

import assert from "node:assert/strict";
import { parseLines, Processes, type Start } from "../../bench/processes.ts";
import { testWith } from "../support/needs.ts";

const SAFETY_MS = 60_000;

function shell(script: string): Start {
  return { command: ["sh", "-c", script] };
}

Deno.test("lines of JSON are found among what else was printed", () => {
  assert.deepEqual(parseLines('noise\n\0\0{"role":"recv","messages":3}\n{"other":1}\n'), [
    { role: "recv", messages: 3 },
  ]);
  assert.deepEqual(parseLines(""), []);
});

testWith({ tools: ["sh"] }, "those that run together give all their lines", async () => {
  const lines = await new Processes().together(
    [shell(`echo '{"role":"recv"}'`), shell(`echo '{"role":"send","messages":7}'`)],
    SAFETY_MS,
  );
  assert.deepEqual(lines, [{ role: "recv" }, { role: "send", messages: 7 }]);
});

testWith(
  { tools: ["sh", "sleep"] },
  "one that fails ends the others, with its reason",
  async () => {
    const running = new Processes().together(
      [shell("exec sleep 1000"), shell("echo trace; echo Error: no luck >&2; exit 3")],
      SAFETY_MS,
    );
    await assert.rejects(running, { message: "Error: no luck" });
  },
);

testWith({ tools: ["sh"] }, "one that fails without a word is told by its code", async () => {
  await assert.rejects(new Processes().together([shell("exit 3")], SAFETY_MS), {
    message: "it ended with code 3",
  });
});

testWith({ tools: ["sh", "sleep"] }, "those that do not end in time are ended", async () => {
  const running = new Processes().together([shell("exec sleep 1000")], 50);
  await assert.rejects(running, { message: "no end after 0.05 s" });
});

testWith({ tools: ["sh", "taskset"] }, "a process is pinned to the cores it may use", async () => {
  const script = `grep Cpus_allowed_list /proc/self/status | ` +
    `sed 's/.*:[^0-9]*\\(.*\\)/{"role":"\\1"}/'`;
  const [line] = await new Processes().together(
    [{ ...shell(script), cores: [0] }],
    SAFETY_MS,
  );
  assert.equal(line!.role, "0");
});
