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

Deno.test("processes: lines of JSON are found among what else was printed", () => {
  assert.deepEqual(parseLines('noise\n\0\0{"role":"recv","messages":3}\n{"other":1}\n'), [
    { role: "recv", messages: 3 },
  ]);
  assert.deepEqual(parseLines(""), []);
});

testWith({ tools: ["sh"] }, "processes: those that run together give all their lines", async () => {
  const lines = await new Processes().together(
    [shell(`echo '{"role":"recv"}'`), shell(`echo '{"role":"send","messages":7}'`)],
    SAFETY_MS,
  );
  assert.deepEqual(lines, [{ role: "recv" }, { role: "send", messages: 7 }]);
});

testWith(
  { tools: ["sh"] },
  "processes: one that fails without a word is told by its code",
  async () => {
    await assert.rejects(new Processes().together([shell("exit 3")], SAFETY_MS), {
      message: "it ended with code 3",
    });
  },
);

/** Notes its process id in a file, and stays. SIGTERM would not end it. */
function staying(path: string): Start {
  return shell(`trap "" TERM; echo $$ > ${path}; exec sleep 1000`);
}

/** Stays too, with a process of its own beside it that keeps none of its streams open. */
function stayingWithChild(path: string): Start {
  return shell(`sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > ${path}; wait`);
}

function printedBy(command: string, ...args: readonly string[]): string[] {
  const { stdout } = new Deno.Command(command, { args: [...args], stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** Those of the processes noted in the files that run: one that only waits to be collected does not. */
function running(files: readonly string[]): string[] {
  // One that was killed before it could note its id is not among them
  return printedBy("cat", ...files).filter((pid) =>
    printedBy("cat", `/proc/${pid}/stat`).some((line) => /\) [^ZX]/.test(line))
  );
}

/** It rejects as `message` says, and then none of the processes is left whose ids `find` gives. */
async function endsAll(
  together: Promise<unknown>,
  message: string | RegExp,
  find: () => string[],
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const safety = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SAFETY_MS);
  });
  try {
    await assert.rejects(Promise.race([together, safety]), { message });
  } finally {
    clearTimeout(timer);
    const end = performance.now() + GONE_MS;
    while (find().length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const left = find();
    for (const pid of left) Deno.kill(Number(pid), "SIGKILL");
    assert.deepEqual(left, [], "processes live on");
  }
}

const needs = { tools: ["sh", "sleep", "cat"], files: true } as const;

testWith(needs, "processes: one that fails ends all others, with its reason", async () => {
  using folder = new TestFolder();
  const files = ["a", "b", "c"].map((name) => `${folder.path}/${name}`);
  const there = files.map((path) => `[ -s ${path} ]`).join(" && ");
  const failing = shell(
    `until ${there}; do sleep 0.01; done; echo trace; echo Error: no luck >&2; exit 3`,
  );
  const together = new Processes().together(
    [staying(files[0]!), stayingWithChild(files[1]!), failing, staying(files[2]!)],
    SAFETY_MS,
  );
  await endsAll(together, "Error: no luck", () => running(files));
});

testWith(
  needs,
  "processes: those that do not end in time are ended, with what they started",
  async () => {
    using folder = new TestFolder();
    const files = ["a", "b"].map((name) => `${folder.path}/${name}`);
    const together = new Processes().together(
      [staying(files[0]!), stayingWithChild(files[1]!), shell("exit 0")],
      500,
    );
    await endsAll(together, "no end after 0.5 s", () => running(files));
  },
);

testWith(
  { ...needs, tools: ["sh", "sleep", "pgrep"] },
  "processes: one that cannot be started ends the others",
  async () => {
    using folder = new TestFolder();
    // It may be ended before it could note its id: it is found by its command line
    const sleeping: Start = { command: ["sh", "-c", "sleep 1000; :", folder.path] };
    const missing: Start = { command: [`${folder.path}/nothing`] };
    const together = new Processes().together([sleeping, missing], SAFETY_MS);
    await endsAll(
      together,
      /nothing/,
      () => printedBy("pgrep", "-f", `sleep 1000; : ${folder.path}`),
    );
  },
);

testWith(needs, "processes: killAll ends all that run", async () => {
  using folder = new TestFolder();
  const files = ["a", "b"].map((name) => `${folder.path}/${name}`);
  const processes = new Processes();
  const there = files.map((path) => `[ -s ${path} ]`).join(" && ");
  const both = files.map((path) => processes.together([staying(path)], SAFETY_MS));
  const together = Promise.all(both);
  await new Processes().together([shell(`until ${there}; do sleep 0.01; done`)], SAFETY_MS);
  processes.killAll();
  await endsAll(together, "it ended with code 137", () => running(files));
  await Promise.allSettled(both);
});

testWith(
  { tools: ["sh", "taskset"] },
  "processes: a process is pinned to the cores it may use",
  async () => {
    const script = `grep Cpus_allowed_list /proc/self/status | ` +
      `sed 's/.*:[^0-9]*\\(.*\\)/{"role":"\\1"}/'`;
    const [line] = await new Processes().together(
      [{ ...shell(script), cores: [0] }],
      SAFETY_MS,
    );
    assert.equal(line!.role, "0");
  },
);
