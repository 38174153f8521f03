/** Every example, run as its head says. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { ChannelStat, LaneStat } from "../src/channel/mod.ts";
import { listChannels } from "../mod.ts";
import { listTopics, type TopicStat } from "../src/topic/mod.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { Peer, PROJECT, TestFolder } from "./support/peer.ts";

guardAgainstLeaks();

function example(name: string, ...args: readonly string[]): Peer {
  return Peer.start(Deno.execPath(), [
    "run",
    "--allow-ffi",
    `${PROJECT}examples/${name}.ts`,
    ...args,
  ]);
}

/** Waits for a process that should have nothing to complain of, and returns what it printed. */
async function printed(peer: Peer): Promise<string> {
  const { code, stdout, stderr } = await peer.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

testWith({ tools: ["deno"] }, "share_struct: two Deno processes, either first", async () => {
  await using reader = example("share_struct");
  await using writer = example("share_struct", "21.5", "attic");
  await printed(writer);
  assert.equal(await printed(reader), "21.5 degrees in the attic\n");

  await using early = example("share_struct", "-3", "cellar");
  await printed(early);
  await using late = example("share_struct");
  assert.equal(await printed(late), "-3 degrees in the cellar\n");
});

testWith({ tools: ["deno", "gcc"], files: true }, "with_c: the struct as C has it", async () => {
  using folder = new TestFolder();
  await using declaring = example("with_c", "--declare");
  folder.file("particle.h", await printed(declaring));
  const program = folder.compile("gcc", "with_c", [
    "-Wall",
    "-Wextra",
    "-Werror",
    `-I${folder.path}`,
    `${PROJECT}examples/with_c.c`,
  ]);
  await using c = Peer.start(program);
  assert.equal(await c.line(), "ready");
  await using watcher = example("with_c");
  const steps = (await printed(watcher)).trim().split("\n");
  assert.equal(steps.at(-1), "step 3: 1.5, 9");
  await printed(c);
});

testWith({ tools: ["deno"] }, "progress: nothing that was added is lost", async () => {
  await using show = example("progress", "show", "40000");
  await show.stdout(/^0 of 40000$/m);
  const workers = Array.from({ length: 4 }, () => example("progress", "work", "10000"));
  for (const worker of workers) await printed(worker);
  assert.match(await printed(show), /^0 of 40000\n(.*\n)*40000 of 40000\n$/);
});

testWith({ tools: ["deno"] }, "mailbox: messages through the library", async () => {
  await using server = example("mailbox", "serve");
  await using client = example("mailbox", "send", "hello", "world", "bye");
  await printed(client);
  const hello = "hello (from process known)\nworld (from process known)\n";
  assert.equal(await printed(server), hello);
});

/** The keys of `stream.ts`. */
const STREAM = { orders: 0x5eed1007, receipts: 0x5eed1008 };
/** The key of the questions of `request.ts`, and of the jobs of worker 1 of `jobs.ts`. */
const REQUESTS = 0x5eed1018;
const JOBS_OF_1 = 0x5eed1022;
/** The key of `log.ts`. */
const LOG = 0x5eed1031;

/** Waits until something is so of the first lane of a channel that may come yet. */
async function untilLane(key: number, isSo: (lane: LaneStat) => boolean): Promise<void> {
  await untilChannel(key, ({ lanes }) => isSo(lanes[0]!));
}

/** Waits until something is so of a channel that may come yet. */
async function untilChannel(key: number, isSo: (channel: ChannelStat) => boolean): Promise<void> {
  for (;;) {
    const channel = listChannels().find(({ segment }) => segment.key === key);
    if (channel !== undefined && isSo(channel)) return;
    await delay(1);
  }
}

/** Compiles the C side of an example, with the header that its TypeScript side declares. */
async function compileWith(
  folder: TestFolder,
  name: string,
  header: string,
  ...libraries: readonly string[]
): Promise<string> {
  await using declaring = example(name, "--declare");
  folder.file(header, await printed(declaring));
  return folder.compile("gcc", name, [
    ...["-O2", "-Wall", "-Wextra", "-Werror"],
    `-I${folder.path}`,
    `-I${PROJECT}c`,
    `${PROJECT}examples/${name}.c`,
    ...libraries,
  ]);
}

testWith(
  { tools: ["deno"] },
  "request: answers find their questions, or come too late",
  async () => {
    // No service is there: the question is given up, and its answer finds no caller
    await using hasty = example("request", "ask", "--within", "0", "91");
    assert.equal(await printed(hasty), "91: no answer within 0 ms\n");
    await using first = example("request", "ask", "91", "97");
    await using second = example("request", "ask", "35");
    const stat = ({ lanes }: ChannelStat): number =>
      lanes.reduce((sum, { messages }) => sum + messages, 0);
    await untilChannel(REQUESTS, (channel) => stat(channel) === 4);
    await using service = example("request", "serve");
    assert.deepEqual((await printed(first)).split("\n").sort(), ["", "91: 7", "97: 97"]);
    assert.equal(await printed(second), "35: 5\n");
    assert.equal(await printed(service), "");
  },
);

testWith({ tools: ["deno"] }, "jobs: those of a killed worker are done by another", async () => {
  await using killed = example("jobs", "work", "1");
  await untilChannel(JOBS_OF_1, ({ consumerPid }) => consumerPid !== undefined);
  killed.kill("SIGSTOP");
  await using worker = example("jobs", "work", "0");
  await using dispatcher = example("jobs", "dispatch", "60");
  await untilLane(JOBS_OF_1, ({ depth }) => depth > 0);
  killed.kill("SIGKILL");
  assert.equal(await printed(dispatcher), "worker 0: 60 jobs\n60 of 60 jobs done\n");
  assert.equal(await printed(worker), "");
});

testWith({ tools: ["deno"] }, "settings: workers before and after see the newest", async () => {
  await using early = example("settings", "work");
  await using first = example("settings", "set", "4", "hello");
  await printed(first);
  await early.stdout(/^4 threads say hello$/m);
  await using late = example("settings", "work");
  await late.stdout(/^4 threads say hello$/m);
  await using second = example("settings", "set", "2", "bye");
  await printed(second);
  for (const worker of [early, late]) await worker.stdout(/^2 threads say bye$/m);
  await using stop = example("settings", "stop");
  await printed(stop);
  for (const worker of [early, late]) {
    assert.equal(await printed(worker), "4 threads say hello\n2 threads say bye\n");
  }
});

testWith({ tools: ["deno", "gcc"], files: true }, "telemetry: every sample is shown", async () => {
  using folder = new TestFolder();
  const program = await compileWith(folder, "telemetry", "sample.h");
  await using watcher = example("telemetry");
  assert.equal(await watcher.line(), "waiting for samples");
  await using c = Peer.start(program, ["5000"]);
  assert.equal(await printed(c), "5000 samples, 0 of them dropped\n");
  assert.match(
    await printed(watcher),
    /^5000 samples, 0 lost\ndegrees min .* mean .* max .*\nlate_us min .* mean .* max .*\n$/m,
  );

  // Without a watcher nothing is left
  await using alone = Peer.start(program, ["100"]);
  assert.equal(await printed(alone), "100 samples, 0 of them dropped\n");
});

testWith({ tools: ["deno", "gcc"], files: true }, "sensor: two programs show it live", async () => {
  using folder = new TestFolder();
  const program = await compileWith(folder, "sensor", "reading.h", "-lm");
  await using plot = example("sensor", "plot");
  await using range = example("sensor", "range");
  await using c = Peer.start(program, ["1000000"]);
  await plot.stdout(/^\d\d\.\d #+ \d+ skipped$/m);
  await range.stdout(/^from reading \d+ on$/m);
  c.kill("SIGINT");
  assert.equal(await printed(c), "");
  assert.match(await printed(plot), /^(\d\d\.\d #+ \d+ skipped\n)+$/);
  assert.match(await printed(range), /^from .*\n\d\d\.\d to \d\d\.\d degrees\n$/);
});

testWith({ tools: ["deno"] }, "log: viewers of now, and late ones with history", async () => {
  await using early = example("log", "view");
  const find = (): TopicStat | undefined => listTopics().find(({ segment }) => segment.key === LOG);
  while (find() === undefined) await delay(1);
  for (const line of ["one", "two"]) {
    await using writer = example("log", "write", "web");
    await writer.write(`${line}\n`);
    await writer.endInput();
    await printed(writer);
  }
  await using late = example("log", "view", "all");
  await late.stdout(/^web: one\nweb: two$/m);
  await using later = example("log", "view", "1");
  await later.stdout(/^web: two$/m);
  await using removing = example("log", "remove");
  await printed(removing);
  assert.equal(await printed(late), "web: one\nweb: two\n");
  assert.equal(await printed(later), "web: two\n");
  // It may have subscribed after the first line
  assert.match(await printed(early), /^(web: one\n)?(web: two\n)?$/);
});

testWith(
  { tools: ["deno", "gcc"], files: true },
  "log: topic_publisher.c writes to it, and topic_subscriber.c views it",
  async () => {
    using folder = new TestFolder();
    const peer = (name: string): Peer =>
      Peer.start(
        folder.compile("gcc", name, ["-O1", `-I${PROJECT}c`, `${PROJECT}c/examples/${name}.c`]),
        [String(LOG)],
      );
    await using writer = example("log", "write", "web");
    await writer.write("one\n");
    await writer.endInput();
    await printed(writer);
    await using publisher = peer("topic_publisher");
    await publisher.write("two\n");
    await publisher.endInput();
    await printed(publisher);
    await using viewer = example("log", "view", "all");
    await viewer.stdout(/^web: one\ntwo$/m);
    await using subscriber = peer("topic_subscriber");
    await subscriber.stdout(/^web: one\ntwo$/m);
    subscriber.kill("SIGTERM");
    assert.equal(await printed(subscriber), "web: one\ntwo\n");
    await using removing = example("log", "remove");
    await printed(removing);
    assert.equal(await printed(viewer), "web: one\ntwo\n");
  },
);

testWith({ tools: ["deno", "gcc"], files: true }, "stream: structs both ways", async () => {
  using folder = new TestFolder();
  const program = await compileWith(folder, "stream", "stream.h");
  await using c = Peer.start(program);
  await using deno = example("stream", "30000");
  assert.equal(
    await printed(deno),
    "receipt 0: bolt, 0.25\nreceipt 1: nut, 0.5\nreceipt 2: washer, 0.75\n" +
      "30000 of 30000 orders answered, 41250 in all\n",
  );
  assert.equal(await printed(c), "");
});

testWith(
  { tools: ["deno", "gcc"], files: true },
  "stream: orders that wait when the C side dies end in one line",
  async () => {
    using folder = new TestFolder();
    const program = await compileWith(folder, "stream", "stream.h");
    // All sent and not answered, and more than there is room for
    for (const count of [20_000, 1_000_000]) {
      await using c = Peer.start(program);
      // Stopped when it has both its roles, it answers none of them
      await untilLane(STREAM.receipts, ({ alive }) => alive);
      c.kill("SIGSTOP");
      await using deno = example("stream", String(count));
      await untilLane(
        STREAM.orders,
        ({ messages, fullWaits }) => messages === count || fullWaits > 0,
      );
      c.kill("SIGKILL");
      const { code, stdout, stderr } = await deno.ended();
      assert.deepEqual(
        [code, stdout, stderr],
        [1, "", `error: the C program has ended: 0 of ${count} orders answered\n`],
      );
    }
  },
);

testWith(
  { tools: ["deno"] },
  "pool: a killed worker loses nothing and holds no process up",
  async () => {
    await using killed = example("pool", "work", "300");
    await using writer = example("pool", "write");
    const shows = (peer: Peer, from: number): Promise<unknown> =>
      writer.stdout(new RegExp(`^process ${peer.pid}: \\d+ primes from ${from} on$`, "m"));
    await shows(killed, 1_500_000_000);
    // Stopped, it is still there when the other one is done, however fast it is
    killed.kill("SIGSTOP");
    await using worker = example("pool", "work", "0");
    await shows(worker, 4_500_000);
    await printed(worker);
    killed.kill("SIGKILL");
    const all = await printed(writer);
    const sent = [...all.matchAll(new RegExp(`^process ${killed.pid}: (\\d+) `, "gm"))];
    const primes = sent.reduce((sum, [, found]) => sum + Number(found), 0);
    const died = `^worker 300, process ${killed.pid}: ${primes} primes, ` +
      `died after ${sent.length * 500_000} numbers$`;
    const whole = `^worker 0, process ${worker.pid}: 348513 primes, all 5000000 numbers$`;
    assert.match(all, new RegExp(died, "m"));
    assert.match(all, new RegExp(whole, "m"));
    assert(all.endsWith(`\n${348_513 + primes} primes in all\n`));
  },
);

testWith(
  { files: true },
  "examples/README.md lists every example, and how its head says to run it",
  () => {
    const page = Deno.readTextFileSync(`${PROJECT}examples/README.md`);
    const files = [...Deno.readDirSync(`${PROJECT}examples`)].map(({ name }) => name)
      .concat(
        [...Deno.readDirSync(`${PROJECT}c/examples`)].map(({ name }) => `../c/examples/${name}`),
      )
      .filter((name) => /\.(ts|c)$/.test(name));
    assert(files.length > 10);
    for (const name of files) assert(page.includes(`](${name})`), `${name} is not listed`);

    // With other numbers, and one after another or in the background, as the reader likes
    const alike = (command: string): string =>
      command.trim().replace(/ &$/, "").replace(/\b[0-9][0-9.]*/g, "N");
    const shown = new Set(
      [...page.matchAll(/^```sh(?: not-run: .*)?\n([^]*?)^```$/gm)].flatMap(([, block]) =>
        block!.trim().split("\n").map(alike)
      ),
    );
    let told = 0;
    for (const name of files) {
      const head = Deno.readTextFileSync(`${PROJECT}examples/${name}`).split("*/")[0]!;
      // Indented behind the star; what the command does may follow at some distance
      for (const [, line] of head.matchAll(/^ \* {3,}(\S.*?)(?: {3,}.*)?$/gm)) {
        for (const command of line!.split(" && ")) {
          assert(shown.has(alike(command)), `${name}: the page does not show: ${command}`);
          told++;
        }
      }
    }
    assert(told > 20);
    for (const [, name] of page.matchAll(/ examples\/(\w+\.[a-z]+)/g)) {
      assert(files.includes(name!), `the page runs ${name}, which is not there`);
    }
  },
);
