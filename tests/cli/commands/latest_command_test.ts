/** `latest`: values in every form, in and out; what watch prints, and how it ends; lists and removal. */

import assert from "node:assert/strict";
import { statSegment } from "../../../mod.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";
import { Latest, type LatestWriter, statLatest } from "../../../src/latest/mod.ts";
import { findSegment } from "../../../src/sysv/mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import {
  assertFailed,
  cliInShell,
  HERE,
  objectsAt,
  printed,
  runHere,
  runHereWith,
} from "../command_line.ts";
import { runAsNobody, segmentOf } from "../segment_bytes.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const POINT = ["--struct", "double x, y;"] as const;

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A latest value of bytes that goes when the test is over, and its writer. */
function written(
  key: number,
  ...texts: readonly string[]
): { readonly latest: Latest; readonly writer: LatestWriter } & Disposable {
  const latest = Latest.openOrCreate({ key, size: 100 });
  const writer = latest.writer();
  for (const text of texts) writer.write(bytesOf(text));
  return { latest, writer, [Symbol.dispose]: () => latest.close() };
}

const latest = (verb: string, ...args: readonly string[]): Promise<Ended> =>
  runHere("latest", verb, ...args);

Deno.test("latest set, get: text, bytes and JSON; set creates what is kept, and says so", async () => {
  const key = freshKey();
  const name = `${key}`;
  const made = await latest("set", name, "hello");
  const id = findSegment(key)!;
  assert.equal(
    made.stderr,
    `created segment ${id} (key ${
      hexKey(key)
    }), 16 values of at most 1024 bytes (1K), mode 0600; ` +
      `it is kept: \`${HERE} latest rm ${hexKey(key)}\` removes it\n` +
      `wrote version 1 to segment ${id}\n`,
  );
  assert.deepEqual([made.code, made.stdout], [0, ""]);
  assert.equal(await printed("latest", "get", name), "hello\n");
  assert.equal(
    await printed("latest", "get", `id:${id}`, "--json"),
    '{"version":1,"length":5,"text":"hello"}\n',
  );
  const bytes = new Uint8Array([0xff, 0, 10, 0xfe]);
  const second = await runHereWith(bytes, "latest", "set", name);
  assert.deepEqual([second.code, second.stderr], [0, `wrote version 2 to segment ${id}\n`]);
  assert.equal(
    await printed("latest", "get", name, "--json"),
    '{"version":2,"length":4,"bytes":"/wAK/g=="}\n',
  );
  assert.equal(
    await printed("latest", "get", name, "--hex"),
    "00000000  ff 00 0a fe                                       |....|\n00000004\n",
  );
  assert.equal((await latest("set", "-q", name, "")).stderr, "");
  assert.equal(await printed("latest", "get", name, "--raw"), "");
  assert.equal(await printed("latest", "get", name), "\n");
  assert.equal(
    await printed("latest", "rm", name),
    `removed latest value ${id} (key ${hexKey(key)}, at most 1K, version 3)\n`,
  );
  assert.deepEqual(objectsAt(key), []);
});

Deno.test("latest get, watch: what is not there or not written yet is one line, and 1", async () => {
  const key = freshKey();
  assertFailed(await latest("get", `${key}`), /^error: no segment has key /);
  assertFailed(await latest("watch", `${key}`), /^error: no segment has key /);
  using unnamed = segmentOf("no latest value");
  for (const verb of [["get"], ["watch"], ["set", "x"]]) {
    const [name, ...value] = verb;
    assertFailed(await latest(name!, `id:${unnamed.id}`, ...value), /EFORMAT[^\n]*not a Latest/);
  }
  using _empty = written(key);
  assertFailed(
    await latest("get", `${key}`),
    /^error: nothing was written yet to latest value \d+\n$/,
  );
});

Deno.test("latest set: --size and --cells of a new one; what is too long is not written", async () => {
  const key = freshKey();
  const name = `${key}`;
  const long = "x".repeat(2000);
  const refused = await latest("set", name, "--size=1000", long);
  assertFailed(
    refused,
    /^error: VALUE has 2000 bytes, and a value at most 1000: nothing written\n$/,
  );
  assert.deepEqual(objectsAt(key), [], "nothing is created for a value that has no room");
  assert.equal((await latest("set", name, "--cells=4", "-q", long)).stderr, "");
  const { size, cells, version, users, persistent } = statLatest(findSegment(key)!);
  assert.deepEqual([size, cells, version, users, persistent], [2000, 4, 1, 0, true]);
  assertFailed(
    await latest("set", name, `${long}y`),
    /VALUE has 2001 bytes, and a value at most 2000/,
  );
  for (const other of [["--size=5", "x"], ["--struct=int a;", '{"a":1}']]) {
    assertFailed(
      await latest("set", name, ...other),
      /EFORMAT[^\n]*; leave --size or --struct out to take/,
    );
  }
  assert.equal(await printed("latest", "get", name), `${long}\n`);
  await printed("latest", "rm", name);
});

Deno.test("latest --struct: JSON in and out; another struct is refused, and its field named", async () => {
  const key = freshKey();
  const name = `${key}`;
  for (
    const [text, reason] of [["{", "not JSON: "], ['{"x":1}', '"y" is missing: nothing written']]
  ) {
    assertFailed(
      await latest("set", name, ...POINT, text!),
      new RegExp(`^error: VALUE: ${reason}`),
    );
  }
  assert.deepEqual(objectsAt(key), [], "a value that is refused creates nothing");
  assert.equal((await latest("set", name, "-q", ...POINT, '{"x":1.5,"y":"-0"}')).stderr, "");
  assert.equal(await printed("latest", "get", name, ...POINT), '{"x":1.5,"y":"-0"}\n');
  assert.equal(
    (await runHereWith('{"x":2,"y":3}\n', "latest", "set", "-q", name, ...POINT)).code,
    0,
  );
  assert.equal(
    await printed("latest", "get", name, "--json", ...POINT),
    '{"version":2,"value":{"x":2,"y":3}}\n',
  );
  const other = ["--struct", "double x, z;"] as const;
  for (const verb of [["get"], ["watch"], ["set", '{"x":1,"z":2}']]) {
    assertFailed(
      await latest(verb[0]!, name, ...verb.slice(1), ...other),
      /EFORMAT[^\n]*first field that differs is z:f64@8 here/,
    );
  }
  assertFailed(
    await latest("set", name, "hello"),
    /^error: the values of segment \d+ are structs of 16 bytes, and VALUE has 5: nothing written; /,
  );
  // All bytes of a struct, as get --raw gives them
  const { stdout } = await latest("get", name, "--hex");
  assert.match(stdout, /^00000000 {2}00 00 00 00 00 00 00 40 {2}00 00 00 00 00 00 08 40 /);
  assert.equal((await runHereWith(new Uint8Array(16), "latest", "set", "-q", name)).code, 0);
  assert.equal(await printed("latest", "get", name, ...POINT), '{"x":0,"y":0}\n');
  await printed("latest", "rm", name);
});

testWith(
  { files: true },
  "latest --struct-file: a header, of which --struct-name chooses",
  async () => {
    using folder = new TestFolder();
    const path = folder.file("a.h", "struct a { int n; }; struct b { long long n; };");
    const key = freshKey();
    const struct = ["--struct-file", path, "--struct-name", "b"] as const;
    assert.equal(
      (await latest("set", `${key}`, "-q", ...struct, '{"n":"9007199254740993"}')).stderr,
      "",
    );
    assert.equal(await printed("latest", "get", `${key}`, ...struct), '{"n":"9007199254740993"}\n');
    await printed("latest", "rm", `${key}`);
  },
);

testWith(CLI, "latest set: one writer at a time; --timeout waits until it has gone", async () => {
  const key = freshKey();
  using _value = written(key, "theirs");
  assertFailed(
    await latest("set", `${key}`, "ours"),
    new RegExp(`EBUSY[^\n]*process ${Deno.pid} is it already`),
  );
  assertFailed(await latest("set", `${key}`, "--timeout=20ms", "ours"), /ETIMEDOUT/);
  await using waiting = Peer.cli("latest", "set", `${key}`, "--timeout=60s", "ours");
  await new Promise((resolve) => setTimeout(resolve, 100));
  _value.writer.close();
  assert.equal((await waiting.ended()).code, 0);
  assert.equal(await printed("latest", "get", `${key}`), "ours\n");
});

Deno.test("latest watch: the newest value, each later one, and how many were skipped", async () => {
  const key = freshKey();
  using value = written(key, "one", "two");
  for (const json of [false, true]) {
    const before = value.writer.version;
    const watching = latest("watch", `${key}`, "--count=3", ...(json ? ["--json"] : []));
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const text of ["three", "four", "five"]) value.writer.write(bytesOf(text));
    await new Promise((resolve) => setTimeout(resolve, 50));
    value.writer.write(bytesOf("six"));
    const { code, stdout, stderr } = await watching;
    const newest = before === 2 ? "two" : "six";
    const heading = `watching latest value ${value.latest.id} (key ${hexKey(key)})\n`;
    if (json) {
      assert.deepEqual(stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [
        { version: before, skipped: 0, length: 3, text: newest },
        { version: before + 3, skipped: 2, length: 4, text: "five" },
        { version: before + 4, skipped: 0, length: 3, text: "six" },
      ]);
      assert.equal(stderr, `${heading}3 values\n`);
    } else {
      assert.equal(stdout, `${newest}\nfive\nsix\n`);
      assert.equal(stderr, `${heading}2 values skipped before version ${before + 3}\n3 values\n`);
    }
    assert.equal(code, 0);
  }
});

Deno.test("latest watch --timeout: ends with 1 when nothing is written", async () => {
  const key = freshKey();
  using value = written(key, "one");
  const { code, stdout, stderr } = await latest("watch", `${key}`, "--timeout=50ms");
  assert.deepEqual([code, stdout], [1, "one\n"]);
  assert.match(stderr, /\nno value for 50 ms\n$/);
  assert.equal(value.latest.close(), "removed", "watch left no trace");
});

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

testWith(CLI, "latest watch: a signal, its reader's end, and the removal end it", async () => {
  const key = freshKey();
  using value = written(key, "one");
  for (const [signal, expected] of Object.entries(SIGNALS) as [keyof typeof SIGNALS, number][]) {
    for (const goal of [[], ["--count=9"]]) {
      await using peer = Peer.cli("latest", "watch", `${key}`, ...goal);
      await peer.stdout(/^one\n/);
      peer.kill(signal);
      const { code, stderr } = await peer.ended();
      assert.equal(code, signal === "SIGINT" && goal.length === 0 ? 0 : expected);
      assert.match(stderr, new RegExp(`\nended by ${signal}\n$`));
    }
  }
  await using piped = cliInShell('"$@" | head -n 1', "latest", "watch", `${key}`);
  await piped.stdout(/^one\n/);
  value.writer.write(bytesOf("two"));
  assert.equal((await piped.ended()).stdout, "one\n");
  await using peer = Peer.cli("latest", "watch", `${key}`);
  await peer.stdout(/^two\n/);
  value.latest.remove();
  const { code, stderr } = await peer.ended();
  assert.match(stderr, /\nerror: [^\n]*EIDRM[^\n]*\n$/);
  assert.equal(code, 1);
});

testWith(
  CLI,
  "latest watch: goes on after its writer was killed and another one came",
  async () => {
    const key = freshKey();
    assert.equal((await latest("set", `${key}`, "-q", "one")).code, 0);
    await using writer = Peer.typescript(`
    import { Latest } from "@sysv/shm/latest";
    const latest = Latest.open(${key});
    latest.writer().write(new TextEncoder().encode("two"));
    console.log("written");
    setInterval(() => {}, 1000);
  `);
    await writer.stdout(/written/);
    await using watching = Peer.cli("latest", "watch", `${key}`, "--count=2");
    await watching.stdout(/^two\n/);
    writer.kill("SIGKILL");
    await writer.ended();
    assert.equal((await latest("set", `${key}`, "-q", "three")).code, 0);
    assert.equal((await watching.ended()).stdout, "two\nthree\n");
    await printed("latest", "rm", `${key}`);
  },
);

testWith(
  { root: true, tools: ["deno"] },
  "latest get, watch: read permission is enough",
  async () => {
    const key = freshKey();
    assert.equal((await latest("set", "--mode=644", "-q", `${key}`, "public")).code, 0);
    const get = await runAsNobody("latest", "get", `${key}`);
    assert.deepEqual([get.code, get.stdout, get.stderr], [0, "public\n", ""]);
    const watch = await runAsNobody("latest", "watch", `${key}`, "--count=1", "-q");
    assert.deepEqual([watch.code, watch.stdout], [0, "public\n"]);
    const set = await runAsNobody("latest", "set", `${key}`, "forged");
    assertFailed(set, /E(ACCES|UNTRUSTED)/);
    assert.equal(statLatest(findSegment(key)!).version, 1);
    await printed("latest", "rm", `${key}`);
  },
);

testWith(ON_TERMINAL, "latest get: on a terminal, control characters are escapes", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  using _value = written(key, "\x1b[31mred\x07");
  await using peer = cliOnTerminal(folder, "latest", "get", `${key}`);
  assert.deepEqual(appeared(await peer.ended()), ["\\x1b[31mred\\x07", ""]);
});

Deno.test("latest ls, stat, rm: latest values and nothing else", async () => {
  const key = freshKey();
  using value = written(key, "one", "three");
  const { id } = value.latest;
  const table = await printed("latest", "ls");
  assert.match(table, /^KEY +ID OWNER +VALUE CELLS VERSION LENGTH +WRITER USERS KEPT\n/);
  assert.match(
    table,
    new RegExp(`^${hexKey(key)} +${id} \\S+ +100 +16 +2 +5 +${Deno.pid} +1 no$`, "m"),
  );
  const [facts] = JSON.parse(await printed("latest", "ls", "--json"));
  assert.partialDeepStrictEqual(facts, {
    ...{ id, key, valueSize: 100, cells: 16, version: 2, length: 5, typeHash: null },
    ...{ writer: Deno.pid, writers: 1, users: 1, kept: false },
  });
  const before = statSegment(id).nattch;
  const lines = await printed("latest", "stat", `${key}`);
  assert.match(lines, new RegExp(`^latest value +segment ${id}, 2432 bytes`));
  assert.match(
    lines,
    new RegExp(
      "\nvalue +at most 100 bytes\ncells +16\nversion +2, 5 bytes\n" +
        `writer +pid ${Deno.pid}\nwriters ever +1\nusers +1\n$`,
    ),
  );
  assert.equal(statSegment(id).nattch, before);
  assertFailed(
    await latest("rm", `${key}`),
    new RegExp(
      `latest value ${id} [^\n]* it has 1 attach \\(process ${Deno.pid} writes\\): remove it`,
    ),
  );
  assertFailed(await runHere("channel", "stat", `${key}`), /EFORMAT[^\n]*it is not a channel/);
  assertFailed(await runHere("channel", "rm", `${key}`), /^error: no channel has key /);
  assert.match(await printed("ls"), new RegExp(` ${id} .* latest `));
  assert.match((await runHere("stat", `${key}`)).stdout, /\nlooks like +a latest value of shm\n/);
});
