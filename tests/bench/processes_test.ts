/** `bench/processes.ts` */

import assert from "node:assert/strict";
import { parseLines, Processes, type Start } from "../../bench/processes.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

const SAFETY_MS = 60_000;
/** A killed process may take a moment to go. */
const GONE_MS = 10_000;

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

testWith({ tools: ["sh"] }, "one that fails without a word is told by its code", async () => {
  await assert.rejects(new Processes().together([shell("exit 3")], SAFETY_MS), {
    message: "it ended with code 3",
  });
});

/** Notes its process id in a file, and stays. SIGTERM would not end it. */
function staying(path: string): Start {
  return shell(`trap "" TERM; echo $$ > ${path}; exec sleep 1000`);
}

/** Stays too, with a process of its own beside it that keeps none of its streams open. */
function stayingWithChild(path: string): Start {
  return shell(`sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > ${path}; wait`);
}

/** Whether it runs: one that only waits to be collected does not. */
function runs(pid: string): boolean {
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/stat`], stderr: "null" })
    .outputSync();
  return /\) [^ZX]/.test(new TextDecoder().decode(stdout));
}

/** Rejects as `message` says, and none of the processes whose ids are in the files runs then. */
async function endsAll(
  running: Promise<unknown>,
  message: string | RegExp,
  files: readonly string[],
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const safety = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SAFETY_MS);
  });
  try {
    await assert.rejects(Promise.race([running, safety]), { message });
  } finally {
    clearTimeout(timer);
    const pids = files.map((path) => Deno.readTextFileSync(path).trim());
    const end = performance.now() + GONE_MS;
    while (pids.some(runs) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const left = pids.filter(runs);
    for (const pid of left) Deno.kill(Number(pid), "SIGKILL");
    assert.deepEqual(left, [], "processes live on");
  }
}

const needs = { tools: ["sh", "sleep", "cat"], files: true } as const;

testWith(needs, "one that fails ends all others, with its reason", async () => {
  using folder = new TestFolder();
  const files = ["a", "b", "c"].map((name) => `${folder.path}/${name}`);
  const there = files.map((path) => `[ -s ${path} ]`).join(" && ");
  const failing = shell(
    `until ${there}; do sleep 0.01; done; echo trace; echo Error: no luck >&2; exit 3`,
  );
  const running = new Processes().together(
    [staying(files[0]!), stayingWithChild(files[1]!), failing, staying(files[2]!)],
    SAFETY_MS,
  );
  await endsAll(running, "Error: no luck", files);
});

testWith(needs, "those that do not end in time are ended, with what they started", async () => {
  using folder = new TestFolder();
  const files = ["a", "b"].map((name) => `${folder.path}/${name}`);
  const running = new Processes().together(
    [staying(files[0]!), stayingWithChild(files[1]!), shell("exit 0")],
    500,
  );
  await endsAll(running, "no end after 0.5 s", files);
});

testWith(needs, "one that cannot be started ends the others", async () => {
  using folder = new TestFolder();
  const running = new Processes().together(
    [shell("exec sleep 1000"), { command: [`${folder.path}/nothing`] }],
    SAFETY_MS,
  );
  await endsAll(running, /nothing/, []);
});

testWith(needs, "killAll ends all that run, whoever started them", async () => {
  using folder = new TestFolder();
  const files = ["a", "b"].map((name) => `${folder.path}/${name}`);
  const processes = new Processes();
  const there = files.map((path) => `[ -s ${path} ]`).join(" && ");
  const both = files.map((path) => processes.together([staying(path)], SAFETY_MS));
  const running = Promise.all(both);
  await new Processes().together([shell(`until ${there}; do sleep 0.01; done`)], SAFETY_MS);
  processes.killAll();
  await endsAll(running, "it ended with code 137", files);
  await Promise.allSettled(both);
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
