/** `cli.ts write`: all of the input is in the segment afterwards, as Perl reads it, or none of it. */

import assert from "node:assert/strict";
import type { Segment } from "../../../mod.ts";
import { ForeignObject, output } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NOBODY } from "../../support/other_user.ts";
import { type Ended, Peer, TestFolder } from "../../support/peer.ts";
import { appeared, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { cliInShell, random, runHereWith, toEnd, until } from "../command_line.ts";
import { runAsNobody, segmentOf } from "../segment_bytes.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };
const PERL = { tools: ["deno", "ipcmk", "perl"] };
const SHELL = { tools: ["deno", "sh", "cat"] };
const ROOT = { tools: ["deno"], root: true };

const BEFORE = "before";

/** A segment with something in it. */
function segmentOfSize(size: number): Segment {
  return segmentOf(BEFORE.padEnd(size, "-"));
}

/** What is in the segment, as text. */
function text(segment: Segment): string {
  return new TextDecoder().decode(segment.read());
}

/** Runs `write` with this input. */
async function write(input: string | Uint8Array, ...args: readonly string[]): Promise<Ended> {
  return await runHereWith(input, "write", ...args);
}

testWith(PERL, "write: every byte at its place, and nothing beside it", async () => {
  using foreign = ForeignObject.segment(300);
  const every = Uint8Array.from({ length: 256 }, (_, i) => 255 - i);
  const { code, stdout, stderr } = await write(every, `id:${foreign.id}`, "--offset", "0x14");
  assert.deepEqual([code, stdout], [0, ""]);
  assert.equal(stderr, `wrote 256 bytes at offset 20 of segment ${foreign.id}\n`);
  const hex = output(
    "perl",
    "-e",
    `shmread(${foreign.id}, my $all, 0, 300) or die $!; print unpack "H*", $all`,
  );
  assert.equal(hex, "00".repeat(20) + every.toHex() + "00".repeat(24));
});

Deno.test("write: exactly to the end, one byte, none", async () => {
  using segment = segmentOfSize(10);
  assert.equal((await write("0123456789", `id:${segment.id}`)).code, 0);
  assert.equal(text(segment), "0123456789");
  const { stderr } = await write("x", `id:${segment.id}`, "-s", "9");
  assert.equal(stderr, `wrote 1 byte at offset 9 of segment ${segment.id}\n`);
  assert.equal(text(segment), "012345678x");
  const none = await write("", `id:${segment.id}`, "-s", "10");
  assert.deepEqual([none.code, none.stderr], [
    0,
    `wrote 0 bytes at offset 10 of segment ${segment.id}\n`,
  ]);
  const quiet = await write("y", `id:${segment.id}`, "--quiet");
  assert.deepEqual([quiet.code, quiet.stderr], [0, ""]);
  assert.equal(text(segment), "y12345678x");
});

Deno.test("write: what does not fit is one line of error, and nothing is written", async () => {
  using segment = segmentOfSize(10);
  const { id } = segment;
  for (
    const [input, options, message] of [
      [
        "0123456789a",
        [],
        `the input is more than the 10 bytes from offset 0 of segment ${id} to its end: nothing written`,
      ],
      [
        "12",
        ["-s9"],
        `the input is more than the 1 byte from offset 9 of segment ${id} to its end: nothing written`,
      ],
      ["", ["-s11"], `segment ${id} has 10 bytes: offset 11 is beyond its end`],
      ["", ["-s5", "-n6"], `segment ${id} has 10 bytes: from offset 5 there are 5, not 6`],
      ["1234", ["-n3"], "the input is more than --length says, 3 bytes: nothing written"],
      ["12", ["-n3"], "the input has 2 bytes and not 3, as --length says: nothing written"],
    ] as const
  ) {
    const ended = await write(input, `id:${id}`, ...options);
    assert.deepEqual(ended, { code: 1, signal: null, stdout: "", stderr: `error: ${message}\n` });
    assert.equal(text(segment), `${BEFORE}----`);
  }
  assert.equal((await write("123", `id:${id}`, "--length=3")).code, 0);
  assert.equal(text(segment), "123ore----");
});

testWith(SHELL, "write: an input without end is refused when it is too long", async () => {
  using segment = segmentOfSize(3 * 2 ** 20);
  await using peer = cliInShell('cat /dev/zero | "$@"', "write", `id:${segment.id}`);
  const { code, stderr } = await peer.ended();
  assert.equal(code, 1);
  assert.match(stderr, /^error: the input is more than the 3145728 bytes .*nothing written\n$/);
  assert.equal(text(segment).slice(0, 7), `${BEFORE}-`);
});

testWith(CLI, "write: more than is read at a time, in pieces as they come", async () => {
  const size = 2 * 2 ** 20 + 12345;
  using segment = segmentOfSize(size);
  const pick = random(61);
  const bytes = Uint8Array.from({ length: size }, () => pick(256));
  await using peer = Peer.cli("write", `id:${segment.id}`, `--length=${size}`);
  for (let at = 0; at < size;) {
    const length = 1 + pick(100_000);
    await peer.write(bytes.subarray(at, at + length));
    at += length;
  }
  // All has been given away but the end: until then nothing is written
  assert.equal(text(segment).slice(0, 7), `${BEFORE}-`);
  const { code } = await toEnd(peer);
  assert.equal(code, 0);
  assert(segment.bytes.toHex() === bytes.toHex(), "other bytes came");
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  testWith(CLI, `write: nothing is written at ${signal} before the end of the input`, async () => {
    using segment = segmentOfSize(10);
    await using peer = Peer.cli("write", `id:${segment.id}`);
    await peer.write("0123");
    // It has attached, so it reads; whether it has read all that is there makes no difference
    await until(() => segment.stat().nattch === 2);
    peer.kill(signal);
    const ended = await toEnd(peer);
    assert.deepEqual([ended.code, ended.stderr], [code, ""]);
    assert.equal(text(segment), `${BEFORE}----`);
  });
}

testWith(ON_TERMINAL, "write on a terminal: what is typed up to Ctrl-D", async () => {
  using folder = new TestFolder();
  using segment = segmentOfSize(10);
  await using peer = cliOnTerminal(folder, "write", `id:${segment.id}`);
  await until(() => segment.stat().nattch === 2);
  await peer.write("hi\r\x04");
  const ended = await peer.ended();
  assert.equal(ended.code, 0);
  assert.deepEqual(appeared(ended), [
    "hi",
    `wrote 3 bytes at offset 0 of segment ${segment.id}`,
    "",
  ]);
  assert.equal(text(segment), "hi\nore----");
});

testWith(SHELL, "write: an input that cannot be read is one line of error", async () => {
  using segment = segmentOfSize(10);
  await using peer = cliInShell('exec "$@" </', "write", `id:${segment.id}`);
  const { code, stderr } = await peer.ended();
  assert.equal(code, 1);
  assert.match(stderr, /^error: cannot read standard input: Is a directory.*\n$/);
  assert.equal(text(segment), `${BEFORE}----`);
});

testWith(ROOT, "write --trust: into another user's segment, if permitted", async () => {
  using theirs = segmentOfSize(10);
  theirs.setPermissions({ uid: NOBODY, mode: 0o666 });
  const refused = await write("x", `id:${theirs.id}`);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error: .*EUNTRUSTED.*--trust.*\n$/);
  assert.equal(text(theirs), `${BEFORE}----`);
  assert.equal((await write("x", `id:${theirs.id}`, "--trust")).code, 0);
  assert.equal(text(theirs), "xefore----");

  using readable = segmentOfSize(10);
  readable.setPermissions({ mode: 0o444 });
  // Told before anything is read: its input is still open
  const { code, stderr } = await runAsNobody("write", `id:${readable.id}`);
  assert.equal(code, 1);
  assert.match(stderr, /^error: .*EACCES.*\n$/);
  assert.equal(text(readable), `${BEFORE}----`);
});
