/**
 * `cli.ts watch`: tells of what others write into their segments, as lines, as JSON and on a real
 * terminal; ends when the segment does; and leaves nothing behind.
 */

import assert from "node:assert/strict";
import { Channel, removeSegment, Segment, statSegment } from "../../../mod.ts";
import { ForeignObject, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { asNobody, NOBODY } from "../../support/other_user.ts";
import { type Ended, freshKey, Peer, PROJECT, TestFolder } from "../../support/peer.ts";
import { ON_TERMINAL } from "../../support/terminal.ts";
import { assertFailed, runHere, until } from "../command_line.ts";
import { Session } from "../on_screen.ts";
import { runAsNobody } from "../segment_bytes.ts";

guardAgainstLeaks();

const FOREIGN = { tools: ["deno", "ipcmk", "ipcrm", "perl"] };
const SCREEN = { ...ON_TERMINAL, tools: [...ON_TERMINAL.tools!, ...FOREIGN.tools, "stty"] };

/** Starts it and waits until it has looked for the first time. */
async function watching(id: number, ...args: readonly string[]): Promise<Peer> {
  const peer = Peer.cli("watch", `id:${id}`, ...args);
  await peer.stderr(/^watching .*\n/m);
  return peer;
}

/** Lets core Perl write bytes into a segment. */
function perlWrites(id: number, text: string, offset: number): void {
  const bytes = new TextEncoder().encode(text);
  const program = 'shmwrite($ARGV[0], pack("H*", $ARGV[1]), $ARGV[2], $ARGV[3]) or die $!';
  output("perl", "-e", program, `${id}`, bytes.toHex(), `${offset}`, `${bytes.length}`);
}

testWith(FOREIGN, "watch: what Perl writes, until ipcrm removes the segment", async () => {
  using made = ForeignObject.segment(5000);
  await using peer = await watching(made.id);
  perlWrites(made.id, "hello", 0x10);
  assert.match(
    await peer.line(),
    /^\d\d:\d\d:\d\d\.\d{3} {2}00000010 {2}00 00 00 00 00 -> 68 65 6c 6c 6f$/,
  );
  perlWrites(made.id, "jello", 0x10);
  assert.match(await peer.line(), / {2}00000010 {2}68 -> 6a$/);
  perlWrites(made.id, "x", 4999);
  assert.match(await peer.line(), / {2}00001387 {2}00 -> 78$/);
  output("ipcrm", "-m", `${made.id}`);
  const { code, stderr } = await peer.ended();
  assert.equal(code, 0);
  assert.match(stderr, /^watching segment \d+ \(key 0x\w{8}\), 5000 bytes from 0 on\n/);
  assert.match(stderr, new RegExp(`\nsegment ${made.id} was marked for removal\n$`));
});

Deno.test("watch: names the kind of an object of this library", async () => {
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 64 });
  const { code, stderr } = await runHere("watch", `id:${channel.id}`, "--timeout=1ms");
  assert.match(stderr, /^watching segment \d+ \(key 0x\w{8}\), a channel, 576 bytes from 0 on\n/);
  assert.equal(code, 1);
});

testWith(FOREIGN, "watch: prints what was written just before the end", async () => {
  for (let round = 0; round < 3; round++) {
    using made = ForeignObject.segment(64);
    await using peer = await watching(made.id, "--interval", "500ms");
    perlWrites(made.id, "last", 0);
    output("ipcrm", "-m", `${made.id}`);
    const { code, stdout } = await peer.ended();
    assert.match(stdout, / {2}00000000 {2}00 00 00 00 -> 6c 61 73 74\n$/);
    assert.equal(code, 0);
  }
});

testWith(FOREIGN, "watch --offset, --length: that range, with the segment's offsets", async () => {
  using made = ForeignObject.segment(100);
  await using peer = await watching(made.id, "-s", "0x10", "-n", "4", "-c", "1");
  perlWrites(made.id, "-".repeat(16), 0);
  perlWrites(made.id, "-".repeat(20), 20);
  perlWrites(made.id, "+", 0x13);
  const { code, stdout } = await peer.ended();
  assert.match(stdout, /^\S+ {2}00000013 {2}00 -> 2b\n$/);
  assert.equal(code, 0);
});

testWith(FOREIGN, "watch --json: numbers and hex, one object a line", async () => {
  await using held = await perlSegment({ key: freshKey(), size: 32 });
  const { id } = held;
  await using peer = await watching(id, "--json", "--count", "2");
  perlWrites(id, "AB\0C\0D", 4);
  const [first, second] = [JSON.parse(await peer.line()), JSON.parse(await peer.line())];
  assert.match(first.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...first, time: "" }, {
    time: "",
    offset: 4,
    size: 2,
    old: "0000",
    new: "4142",
  });
  assert.deepEqual({ ...second, time: first.time }, {
    ...first,
    offset: 7,
    size: 1,
    old: "00",
    new: "43",
  });
  const { code, stdout, stderr } = await peer.ended();
  assert.equal(stdout.trimEnd().split("\n").length, 2, "the third was not asked for");
  assert.equal(code, 0);
  assert.match(stderr, /\n2 changes seen\n$/);
  removeSegment(id);
});

testWith(FOREIGN, "watch --struct: the fields of a C struct, as text and as JSON", async () => {
  using made = ForeignObject.segment(4096);
  const declaration = "bool can_read; char msg[2048]";
  await using text = await watching(made.id, "--struct", declaration);
  await using json = await watching(made.id, "--struct", declaration, "--json");
  perlWrites(made.id, "\x01hello\n", 0);
  assert.match(await text.line(), /^\S+ {2}can_read {2}false -> true$/);
  assert.match(await text.line(), /^\S+ {2}msg {2}"" -> "hello\\n"$/);
  assert.equal(JSON.parse(await json.line()).new, true);
  const { time: _time, ...msg } = JSON.parse(await json.line());
  assert.deepEqual(msg, {
    path: "msg",
    offset: 1,
    size: 2048,
    type: "char[2048]",
    old: "",
    new: "hello\n",
  });
  removeSegment(made.id);
  assert.deepEqual([(await text.ended()).code, (await json.ended()).code], [0, 0]);
});

testWith(FOREIGN, "watch: ends by --timeout, by a signal and with its segment", async () => {
  using made = ForeignObject.segment(64);
  const cases: readonly (readonly [string[], Deno.Signal | "rm" | undefined, number, RegExp])[] = [
    [["--timeout", "300ms"], undefined, 1, /nothing changed for 300 ms\n$/],
    [[], "SIGINT", 0, /ended by SIGINT\n$/],
    [[], "SIGTERM", 143, /ended by SIGTERM\n$/],
    [["--count", "1"], "SIGINT", 130, /ended by SIGINT\n$/],
    [["--count", "1"], "SIGHUP", 129, /ended by SIGHUP\n$/],
    [["--count", "1"], "rm", 1, /was marked for removal\n$/],
  ];
  for (const [args, end, expected, note] of cases) {
    await using peer = await watching(made.id, ...args);
    if (end === "rm") removeSegment(made.id);
    else if (end !== undefined) peer.kill(end);
    const { code, stdout, stderr } = await peer.ended();
    assert.deepEqual([code, stdout], [expected, ""], String(args));
    assert.match(stderr, note);
    if (end !== "rm") assert.equal(statSegment(made.id).nattch, 0, "detached");
  }
});

testWith(FOREIGN, "watch: a marked segment, until no other process is attached", async () => {
  await using held = await perlSegment({ key: freshKey(), size: 64 });
  const { perl, id } = held;
  removeSegment(id);
  await using peer = await watching(id);
  perlWrites(id, "still here", 0);
  assert.match(await peer.line(), / 73 74 69 6c 6c 20 68 65 \.\. \(10 bytes\)$/);
  await perl.endInput();
  const { code, stderr } = await peer.ended();
  assert.equal(code, 0);
  assert.match(stderr, /\nsegment \d+ goes: no other process is attached any more\n$/);
});

testWith(FOREIGN, "watch: ends with 0 when its reader ends", async () => {
  using made = ForeignObject.segment(64);
  await using peer = Peer.start("sh", [
    "-c",
    '"$@" | head -n 1; wait',
    "sh",
    ...[Deno.execPath(), "run", "--allow-ffi", `${PROJECT}cli.ts`, "watch", `id:${made.id}`],
  ]);
  await peer.stderr(/^watching .*\n/m);
  for (let value = 1; statSegment(made.id).nattch > 0; value = value % 100 + 1) {
    perlWrites(made.id, String.fromCharCode(value), 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { stdout, stderr } = await peer.ended();
  assert.match(stdout, /^\S+ {2}00000000 {2}00 -> \w\w\n$/);
  assert.doesNotMatch(stderr, /error/i);
});

testWith(FOREIGN, "watch: a part of a large segment, and it says so", async () => {
  using made = ForeignObject.segment(17 * 2 ** 20);
  await using peer = await watching(made.id, "--interval", "10ms", "--offset", "1K");
  assert.match(
    peer.printed.stderr,
    /^note: watching 16 MiB of 17824768 bytes; --offset chooses others$/m,
  );
  perlWrites(made.id, "-", 1023);
  perlWrites(made.id, "-", 1024 + 16 * 2 ** 20);
  perlWrites(made.id, "+", 1024 + 16 * 2 ** 20 - 1);
  assert.match(await peer.line(), / {2}010003ff {2}00 -> 2b$/);
  const refused = await runHere("watch", `id:${made.id}`, "--length", "17M");
  const message = "error: 17825792 bytes are too many to watch: at most 16 MiB\n";
  assert(refused.stderr.startsWith(message), refused.stderr);
});

testWith({ ...FOREIGN, root: true }, "watch: needs read permission, when it starts", async () => {
  using made = ForeignObject.segment(64, "0644");
  await using peer = asNobody(`
      import { main } from "file://${PROJECT}cli.ts";
      Deno.exit(await main(["watch", "id:${made.id}", "--count", "3"]));
    `);
  await peer.stderr(/^watching .*\n/m);
  perlWrites(made.id, "a", 0);
  await peer.line();
  using segment = Segment.attach(made.id);
  segment.setPermissions({ mode: 0o600 });
  perlWrites(made.id, "b", 0);
  assert.match(await peer.line(), / {2}61 -> 62$/);
  perlWrites(made.id, "c", 0);
  assert.match(await peer.line(), / {2}62 -> 63$/);
  assert.equal((await peer.ended()).code, 0);
  assertFailed(await runAsNobody("watch", `id:${made.id}`), /cannot attach [^\n]*EACCES/);
});

testWith({ ...FOREIGN, root: true }, "watch: a segment of another user", async () => {
  using made = ForeignObject.segment(64);
  {
    using segment = Segment.attach(made.id);
    segment.setPermissions({ uid: NOBODY });
  }
  await using peer = await watching(made.id, "--count", "1");
  perlWrites(made.id, "a", 0);
  assert.equal((await peer.ended()).code, 0);
});

testWith(SCREEN, "watch: on a terminal, the bytes and their changes", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(4096);
  await using session = Session.start(folder, { colours: true }, "watch", `id:${made.id}`);
  await session.sees(
    new RegExp(
      `^segment ${made.id}  key 0x\\w{8}  4096 bytes \\(4K\\) .*\\d\\d:\\d\\d:\\d\\d$`,
      "m",
    ),
  );
  await session.sees("0 changes  0 attached beside us  every 100ms  following");
  perlWrites(made.id, "hello", 0x10);
  await session.sees("* 00000010  68 65 6c 6c 6f 00 ");
  assert.deepEqual(session.screen.styled("7"), ["68 65 6c 6c 6f", "hello"]);
  await session.sees("\n  00000010  68 65 6c 6c 6f 00 ");
  assert.deepEqual(session.screen.styled("33"), ["68 65 6c 6c 6f", "hello"]);
  perlWrites(made.id, "far", 0xffd);
  await session.sees(
    "* 00000ff0  00 00 00 00 00 00 00 00  00 00 00 00 00 66 61 72  |.............far|",
  );
  await session.type("\x1b[H");
  await session.sees("\n  00000000  00");
  session.resize(40, 10);
  await session.sees("\n  0010 68 65 6c 6c 6f 00 00 00 hello...\n");
  session.resize(20, 5);
  await session.sees(/^ {2}0000 00 00 \.\.$/m);
  await session.type("\x1b");
  assert.equal(await session.ended(), 0);
  assert.match(session.written, /2 changes seen\r\n/);
  assert.equal(statSegment(made.id).nattch, 0);
});

testWith(SCREEN, "watch --struct: on a terminal, the fields until its end", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(64);
  const declaration = "int count; char name[16]; unsigned char rest[4]";
  const size = { columns: 40, rows: 10 };
  await using session = Session.start(
    folder,
    size,
    "watch",
    `id:${made.id}`,
    "--struct",
    declaration,
  );
  await session.sees(/^ {2}count 0\n {2}name {2}""\n {2}rest {2}\{0, 0, 0, 0\}$/m);
  perlWrites(made.id, "\x07\0\0\0日本\x1b[2J", 0);
  await session.sees(/^\* count 7 {2}was 0\n\* name {2}"日本\\x1b\[2J" {2}was ""$/m);
  await session.sees(/^ {2}count 7 {2}was 0$/m);
  output("ipcrm", "-m", `${made.id}`);
  assert.equal(await session.ended(), 0);
  assert(session.written.includes(`segment ${made.id} was marked for removal\r\n`));
});

for (
  const [signal, code] of [["SIGTERM", 143], ["SIGHUP", 129], ["SIGQUIT", 131], [
    "SIGINT",
    0,
  ]] as const
) {
  testWith(SCREEN, `watch: ${signal} leaves the terminal as it was`, async () => {
    using folder = new TestFolder();
    using made = ForeignObject.segment(64);
    await using session = Session.start(folder, {}, "watch", `id:${made.id}`);
    await session.sees("q quit");
    Deno.kill(session.pid, signal);
    assert.equal(await session.ended(), code);
    await until(() => statSegment(made.id).nattch === 0);
  });
}

testWith(SCREEN, "watch --json: on a terminal, escaped lines", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(64);
  const options = ["--json", "--count", "1", "--struct", "char text[16]"];
  await using session = Session.start(
    folder,
    { columns: 200 },
    "watch",
    `id:${made.id}`,
    ...options,
  );
  await session.sees("watching segment");
  perlWrites(made.id, "\x1b[2J\u009b", 0);
  assert.equal(await session.ended(), 0);
  assert(session.written.includes('"old":"","new":"\\u001b[2J\\u009b"}'));
});

Deno.test("watch: a wrong range or segment is an error before it attaches", async () => {
  using made = Segment.create({ size: 64 });
  made.detach();
  const watch = (...args: readonly string[]): Promise<Ended> => runHere("watch", ...args);
  const { atime } = statSegment(made.id);
  const id = `id:${made.id}`;
  assertFailed(await watch(id, "--struct", "int a[17]"), /has 64 bytes.*, not 68$/m);
  assertFailed(await watch(id, "--offset", "65"), /offset 65 is beyond its end$/m);
  assertFailed(await watch(id, "--offset", "60", "--length", "5"), /there are 4, not 5$/m);
  assert.deepEqual(statSegment(made.id).atime, atime);
  removeSegment(made.id);
  assertFailed(await watch(id), /no segment has id/);
});

Deno.test("watch --struct: more than 10 000 fields are refused", async () => {
  const fields = (count: number): string =>
    Array.from({ length: count }, (_, i) => `struct { struct { int x; } b[8]; } f${i}[8];`).join(
      "",
    );
  const refused = await runHere("watch", "id:2147483647", "--struct", fields(157));
  assert.match(
    refused.stderr,
    /^error: option --struct: more than 10000 fields, too many to watch$/m,
  );
  assertFailed(
    await runHere("watch", "id:2147483647", "--struct", fields(156)),
    /no segment has id/,
  );
});

testWith(FOREIGN, "watch --detach-between: attaches only while it reads", async () => {
  using made = ForeignObject.segment(64);
  await using peer = await watching(made.id, "--detach-between", "--interval=10ms");
  // Others are attached now and then only: as often as it looks, for a moment
  await until(() => statSegment(made.id).nattch === 0);
  {
    using segment = Segment.attach(made.id);
    segment.write(new Uint8Array([0x61]), 3);
    await peer.stdout(/ 00 -> 61/);
  }
  await until(() => statSegment(made.id).nattch === 0);
  removeSegment(made.id);
  const { code, stderr } = await peer.ended();
  assert.equal(code, 0);
  assert.match(stderr, /segment \d+ (is gone|was marked for removal)\n$/);
});
