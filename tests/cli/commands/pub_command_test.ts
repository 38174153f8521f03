/** `pub`: what it publishes of arguments, lines and JSON, what it refuses, and what it leaves. */

import assert from "node:assert/strict";
import { Channel, parseStruct } from "../../../mod.ts";
import type { AnyStructLayout, Fields, StructLayout } from "../../../src/layout/layout.ts";
import { Topic } from "../../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer } from "../../support/peer.ts";
import { assertFailed, objectsAt, runHere, runHereWith } from "../command_line.ts";

guardAgainstLeaks();

/** What `pub` with these arguments publishes, as [text, tag], and how it ends. */
async function published(
  args: readonly string[],
  input = "",
  lanes: { readonly lanes?: number; readonly laneCapacity?: number } = {},
): Promise<Ended & { readonly messages: [string, number][] }> {
  using topic = Topic.openOrCreate({ key: freshKey(), ...lanes });
  using subscriber = topic.subscriber();
  const ended = await runHereWith(input, "pub", `--key=${topic.key}`, ...args);
  const messages: [string, number][] = [];
  subscriber.drain((bytes, tag) => {
    messages.push([new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), tag]);
  });
  return { ...ended, messages };
}

Deno.test("pub: each argument, or each line of stdin, is a message with the tag", async () => {
  const rows: readonly (readonly [string[], string, [string, number][]])[] = [
    [["one", "", "äöü\n"], "ignored\n", [["one", 0], ["", 0], ["äöü\n", 0]]],
    [["--tag=4294967295", "a"], "", [["a", 0xffffffff]]],
    [["--", "--tag", "-"], "", [["--tag", 0], ["-", 0]]],
    [[], "one\n\r\n\ufefflast", [["one", 0], ["", 0], ["\ufefflast", 0]]],
    [[], "", []],
  ];
  for (const [args, input, expected] of rows) {
    const { code, stdout, stderr, messages } = await published(args, input);
    assert.deepEqual([code, stdout, stderr, messages], [0, "", "", expected], args.join(" "));
  }
});

Deno.test("pub: what is too long is refused, and the rest is published", async () => {
  const small = { laneCapacity: 256 };
  const args = ["x".repeat(48), "y".repeat(49), "z"];
  const limit = "and a message at most 48: not sent";
  const { code, stderr, messages } = await published(args, "", small);
  assert.deepEqual(messages.map(([text]) => text), [args[0], "z"]);
  assert.deepEqual([code, stderr], [1, `error: argument 2 has 49 bytes, ${limit}\n`]);
  const lines = await published([], `a\n${"y".repeat(500)}\nb\n`, small);
  assert.deepEqual(lines.messages.map(([text]) => text), ["a", "b"]);
  assert.deepEqual([lines.code, lines.stderr], [1, `error: line 2 has 500 bytes, ${limit}\n`]);
});

const POINT = "double x; long long n;";

Deno.test("pub --struct: JSON becomes structs; what is none is refused, and named", async () => {
  const key = freshKey();
  const layout = parseStruct(POINT) as AnyStructLayout as StructLayout<Fields>;
  using topic = Topic.of(layout, { key });
  using subscriber = topic.subscriber();
  const input = ['{"x":1.5,"n":1}', "{", '{"x":2}', '{"x":"NaN","n":"-9223372036854775808"}', ""];
  const { code, stderr } = await runHereWith(
    input.join("\n"),
    ...["pub", `--key=${key}`, "--struct", POINT],
  );
  const values: string[] = [];
  subscriber.drain((value) => {
    values.push(JSON.stringify(value));
  });
  assert.deepEqual(values, [input[0], input[3]]);
  assert.match(
    stderr,
    /^error: line 2: not JSON: [^\n]*: not sent\nerror: line 3: "n" is missing: not sent\n$/,
  );
  assert.equal(code, 1);
  const other = await runHere("pub", `--key=${key}`, "--struct", "double x, y;", '{"x":1,"y":2}');
  assertFailed(other, /EFORMAT[^\n]*first field that differs is y:f64@8 here/);
});

Deno.test("pub: a topic that no other process has open goes, and it says so; --keep keeps it", async () => {
  const key = freshKey();
  const gone = await runHere("pub", `--key=${key}`, "one");
  assert.match(
    gone.stderr,
    /^segment \d+ is removed, and its messages with it: no other process had the topic open; --keep /,
  );
  assert.deepEqual([gone.code, objectsAt(key)], [0, []]);
  assert.equal((await runHere("pub", `--key=${key}`, "-q", "one")).stderr, "");
  const args = ["--keep", "--lanes=2", "--capacity=4K", "--mode=640"];
  const kept = await runHere("pub", `--key=${key}`, ...args, "one");
  assert.deepEqual([kept.code, kept.stderr], [0, ""]);
  {
    using topic = Topic.open(key, { readOnly: true });
    assert.deepEqual([topic.lanes, topic.laneCapacity], [2, 4096]);
  }
  assertFailed(
    await runHere("pub", `--key=${key}`, "--lanes=3", "x"),
    /EFORMAT[^\n]*; leave --lanes out to take what is there, or choose another --key\n$/,
  );
  assertFailed(
    await runHere("pub", `--key=${key}`, "--struct=int a;", '{"a":1}'),
    /EFORMAT[^\n]*; leave --struct out to take what is there, or choose another --key\n$/,
  );
  assert.equal((await runHere("topic", "rm", `${key}`)).code, 0);
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("pub: every lane is taken, and a channel at the key, are errors", async () => {
  const key = freshKey();
  using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
  using _publisher = topic.publisher();
  assertFailed(
    await runHere("pub", `--key=${key}`, "x"),
    new RegExp(
      `EBUSY[^\n]*\\b${Deno.pid}\\b[^\n]*; wait until one ends, or create one with more --lanes`,
    ),
  );
  using channel = Channel.openOrCreate({ key: freshKey() });
  assertFailed(await runHere("pub", `--key=${channel.key}`, "x"), /EFORMAT|EINVAL/);
});

testWith(
  { tools: ["deno"] },
  "pub: a signal ends it between lines, and what was published stays",
  async () => {
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      using topic = Topic.openOrCreate({ key: freshKey() });
      using subscriber = topic.subscriber();
      await using peer = Peer.cli("pub", `--key=${topic.key}`);
      await peer.write("one\ntwo\n");
      const texts = [await subscriber.receive(), await subscriber.receive()].map(({ text }) =>
        text
      );
      peer.kill(signal);
      const ended = await peer.ended();
      assert.deepEqual([ended.code, ended.stderr], [
        code,
        `ended by ${signal}: 2 messages published\n`,
      ]);
      assert.deepEqual(texts, ["one", "two"]);
    }
  },
);

testWith(
  { tools: ["deno"] },
  "pub: ends with 1 if the topic was removed in the meantime",
  async () => {
    using topic = Topic.openOrCreate({ key: freshKey() });
    using subscriber = topic.subscriber();
    await using peer = Peer.cli("pub", `--key=${topic.key}`);
    await peer.write("one\n");
    await subscriber.receive();
    topic.remove();
    await peer.endInput();
    const { code, stderr } = await peer.ended();
    assert.match(stderr, /^error: segment \d+ was removed: a subscriber that comes now finds no/);
    assert.equal(code, 1);
  },
);

testWith(
  { tools: ["deno"] },
  "pub: killed, it leaves its lane to the next one, and all it published",
  async () => {
    const key = freshKey();
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 4096 });
    using subscriber = topic.subscriber();
    await using peer = Peer.cli("pub", `--key=${key}`);
    await peer.write("one\n");
    assert.equal((await subscriber.receive()).text, "one");
    peer.kill("SIGKILL");
    await peer.ended();
    assert.equal((await runHere("pub", `--key=${key}`, "two")).code, 0);
    const { text, number, missed } = await subscriber.receive();
    assert.deepEqual([text, number, missed], ["two", 2, 0]);
  },
);
