/** `bridge record` and `bridge replay`: from one channel to another by a file, and what they say when they cannot. */

import assert from "node:assert/strict";
import { Channel, f64, i32, struct, Topic } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../../support/peer.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"], files: true };
const encoder = new TextEncoder();

/** Runs the command with the permissions it asks for, for one file. */
function bridge(verb: "record" | "replay", file: string, ...args: readonly string[]): Peer {
  const allowed = `--allow-${verb === "record" ? "write" : "read"}=${file}`;
  return run([allowed], verb, ...args, file);
}

function run(flags: readonly string[], ...args: readonly string[]): Peer {
  const deno = ["run", "--allow-ffi", "--no-prompt", ...flags, `${PROJECT}cli.ts`, "bridge"];
  return Peer.start(Deno.execPath(), [...deno, ...args]);
}

/** The bytes of a recording of structs, whose declaration is no C. */
function withoutDeclaration(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const chunk = bytes.indexOf(0x06, 8);
  // A chunk has its CRC after its head, two times and a size; 0 means that it has none
  bytes.fill(0, chunk + 33, chunk + 37);
  const at = new TextDecoder("latin1").decode(bytes).indexOf("struct message", chunk);
  bytes.fill("?".charCodeAt(0), at, at + "struct".length);
  return bytes;
}

testWith(CLI, "bridge record, replay: from one channel to another, by a file", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  using near = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using far = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using producer = near.producer();
  using consumer = far.consumer();
  await using recorder = bridge("record", file, `--key=${near.key}`);
  await recorder.stderr(new RegExp(`^bridge record: key ${near.key} .* to ${file}$`, "m"));
  for (let n = 0; n < 20; n++) producer.trySend(encoder.encode(`message ${n}`), { tag: n });
  // It acknowledges what the file has
  while (near.stats().lanes[0]!.depth > 0) await new Promise((go) => setTimeout(go, 20));
  recorder.kill("SIGINT");
  const recorded = await recorder.ended();
  assert.deepEqual([recorded.code, recorded.stdout], [0, ""], recorded.stderr);
  assert(
    recorded.stderr.endsWith(
      `ended by SIGINT: 20 messages recorded in ${file}; segment ${near.id} kept: ` +
        "other processes are attached\n",
    ),
    recorded.stderr,
  );
  const { code, stdout, stderr } = await bridge("replay", file, `--key=${far.key}`, "--fast")
    .ended();
  assert.deepEqual([code, stdout], [0, ""], stderr);
  assert.equal(
    stderr,
    `bridge replay: ${file} to key ${far.key} (0x${far.key.toString(16)})\n` +
      `20 messages replayed; segment ${far.id} kept: other processes are attached\n`,
  );
  const found: [string, number][] = [];
  consumer.drain((bytes, tag) => void found.push([new TextDecoder().decode(bytes.slice()), tag]));
  assert.deepEqual(found, Array.from({ length: 20 }, (_, n) => [`message ${n}`, n]));
});

testWith(
  CLI,
  "bridge record, replay: structs of a topic; programs with another struct are refused",
  async () => {
    using folder = new TestFolder();
    const file = `${folder.path}/a.mcap`;
    const Point = struct({ id: i32, x: f64 });
    using topic = Topic.of(Point, { key: freshKey(), laneCapacity: 4096 });
    using publisher = topic.publisher();
    const args = [`--key=${topic.key}`, "--topic", "--struct=int id; double x;", "--count=2"];
    await using recorder = bridge("record", file, ...args);
    await recorder.stderr(/^bridge record: /m);
    let isOver = false;
    const ended = recorder.ended().finally(() => isOver = true);
    for (let id = 0; !isOver; id++) {
      publisher.publish({ id, x: 0.5 });
      await new Promise((go) => setTimeout(go, 10));
    }
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^2 messages recorded in /m);
    assert.match(Deno.readTextFileSync(file), /"value":\{"id":\d+,"x":0\.5\}/);
    using same = Topic.of(Point, { key: freshKey(), laneCapacity: 4096 });
    using subscriber = same.subscriber();
    const replayed = await bridge("replay", file, `--key=${same.key}`, "--topic").ended();
    assert.equal(replayed.code, 0, replayed.stderr);
    const xs: number[] = [];
    subscriber.drain(({ x }) => void xs.push(x));
    assert.deepEqual(xs, [0.5, 0.5]);
    using other = Channel.of(struct({ id: i32, y: f64 }), { key: freshKey() });
    const refused = await bridge("replay", file, `--key=${other.key}`).ended();
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^error: cannot .*EFORMAT.*the first field that differs is x:f64@8 here/,
    );
    using bytes = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    const undeclared = `${folder.path}/undeclared.mcap`;
    Deno.writeFileSync(undeclared, withoutDeclaration(Deno.readFileSync(file)));
    const unreadable = await bridge("replay", undeclared, `--key=${freshKey()}`).ended();
    assert.equal(unreadable.code, 1);
    assert.match(
      unreadable.stderr,
      /^error: cannot replay .*EFORMAT.*; it declares a struct that cannot be used: line \d+, .*\n$/,
    );
    const untyped = await bridge("replay", file, `--key=${bytes.key}`).ended();
    assert.equal(untyped.code, 0, untyped.stderr);
    using consumer = bytes.consumer();
    assert.equal(consumer.drain((each) => assert.equal(each.length, 16)), 2);
  },
);

testWith(CLI, "bridge replay: warns of a file whose recorder was killed", async () => {
  using folder = new TestFolder();
  const file = `${folder.path}/a.mcap`;
  using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using producer = channel.producer();
  producer.trySend(encoder.encode("hello"));
  await using recorder = bridge("record", file, `--key=${channel.key}`);
  while (channel.stats().lanes[0]!.depth > 0) await new Promise((go) => setTimeout(go, 20));
  recorder.kill("SIGKILL");
  await recorder.ended();
  const { code, stderr } = await bridge("replay", file, `--key=${channel.key}`, "--quiet").ended();
  assert.equal(code, 0);
  assert.equal(
    stderr,
    `warning: ${file} has no end: its recorder was killed, or is still at work. What it has was replayed\n`,
  );
  using consumer = channel.consumer();
  assert.equal(consumer.tryReceive()?.text, "hello");
  consumer.ack();
});

testWith(CLI, "bridge record, replay: one line says what is missing", async () => {
  using folder = new TestFolder();
  const file = folder.file("a.mcap", "precious");
  // They run at a time, and a channel has one consumer
  const key = (): string => `--key=${freshKey()}`;
  const rows: readonly [peer: Peer, error: string][] = [
    [
      bridge("record", file, key()),
      `cannot create ${file}: EEXIST, it exists already; a recording replaces no file: choose ` +
      "another name, or remove it",
    ],
    [
      run([], "record", key(), `${folder.path}/b.mcap`),
      `cannot create ${folder.path}/b.mcap: EACCES, permission denied; Deno runs without the ` +
      `permission: add --allow-write=${folder.path}/b.mcap`,
    ],
    [
      run([], "replay", key(), file),
      `cannot read ${file}: EACCES, permission denied; Deno runs without the permission: add ` +
      `--allow-read=${file}`,
    ],
    [
      bridge("replay", `${folder.path}/none`, key()),
      `cannot read ${folder.path}/none: ENOENT, no such file, key or object`,
    ],
    [
      bridge("replay", file, key()),
      `cannot replay ${file}: EFORMAT, its format is another one; it is no MCAP file`,
    ],
  ];
  for (const [peer, error] of rows) {
    const { code, stdout, stderr } = await peer.ended();
    assert.equal(stderr.split("\n").at(-2), `error: ${error}`);
    assert.deepEqual([code, stdout], [1, ""]);
  }
  const { code, stderr } = await run([], "replay", key(), "").ended();
  assert.deepEqual([code, stderr.split("\n")[0]], [2, "error: bridge replay needs a FILE"]);
  assert.equal(Deno.readTextFileSync(file), "precious");
});
