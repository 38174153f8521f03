/** `cli.ts read`: exactly the bytes that other programs wrote, or none. */

import assert from "node:assert/strict";
import { Segment } from "../../../mod.ts";
import { ForeignObject, output } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NOBODY } from "../../support/other_user.ts";
import { TestFolder } from "../../support/peer.ts";
import { appeared, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { cliInShell, random, runHere } from "../command_line.ts";
import { runAsNobody, segmentOf } from "../segment_bytes.ts";

guardAgainstLeaks();

const PERL = { files: true, tools: ["deno", "sh", "ipcmk", "perl"] };
const DD = { tools: ["deno", "sh", "dd", "wc", "ipcmk", "ipcrm"] };
const ROOT = { tools: ["deno"], root: true };

const SHELL = { tools: ["deno", "sh", "head"], files: true };

const MOST = String(Number.MAX_SAFE_INTEGER);

/** Runs `read` into a file, because its output is not text, and returns the content of the file. */
async function read(...args: readonly string[]): Promise<Uint8Array> {
  using folder = new TestFolder();
  const path = `${folder.path}/bytes`;
  await using peer = cliInShell(`exec "$@" >'${path}'`, "read", ...args);
  const { code, stderr } = await peer.ended();
  assert.deepEqual([code, stderr], [0, ""]);
  return Deno.readFileSync(path);
}

testWith(PERL, "read: every byte that Perl wrote, all of them or some", async () => {
  using foreign = ForeignObject.segment(1000);
  output(
    "perl",
    "-e",
    `shmwrite(${foreign.id}, join("", map chr, 0..255) x 4, 0, 1000) or die $!`,
  );
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
  assert.deepEqual(await read(`id:${foreign.id}`), bytes);
  assert.deepEqual(
    await read(`--id=${foreign.id}`, "--offset", "0xff", "--length", "300"),
    bytes.subarray(255, 555),
  );
  assert.deepEqual(await read(`id:${foreign.id}`, "-s", "999"), bytes.subarray(999));
  assert.deepEqual(await read(`id:${foreign.id}`, "-s", "1000"), new Uint8Array(0));
  assert.deepEqual(await read(`id:${foreign.id}`, "-n", "0"), new Uint8Array(0));
});

testWith(SHELL, "read: from beyond 4 GiB, and more than is copied at a time", async () => {
  const length = 3 * 2 ** 20 + 5;
  const offset = 2 ** 32 + 7;
  using segment = Segment.create({ size: offset + length, noReserve: true });
  segment.remove();
  const pick = random(51);
  const bytes = Uint8Array.from({ length }, () => pick(256));
  segment.write(bytes, offset);
  const found = await read(`id:${segment.id}`, "--offset", `${offset}`);
  assert(found.toHex() === bytes.toHex(), "other bytes came");
});

testWith(DD, "read: a segment that is removed meanwhile is read to its end", async () => {
  const size = 4 * 2 ** 20;
  using foreign = ForeignObject.segment(size);
  await using peer = cliInShell(
    `exec 3<&0; "$@" </dev/null | {
      dd bs=1 count=1 2>/dev/null | wc -c; read go <&3; wc -c
    }`,
    ...["read", `id:${foreign.id}`],
  );
  // It has begun, and cannot go on: a pipe holds less than is to come
  assert.equal((await peer.line()).trim(), "1");
  output("ipcrm", "-m", `${foreign.id}`);
  await peer.write("go\n");
  assert.equal((await peer.line()).trim(), `${size - 1}`);
  assert.equal((await peer.ended()).stderr, "");
});

testWith(ON_TERMINAL, "read on a terminal: text as it is", async () => {
  using folder = new TestFolder();
  using segment = segmentOf("two lines\n\tof tëxt 😀\n\0rest");
  await using peer = cliOnTerminal(folder, "read", `id:${segment.id}`, "--length=25");
  const ended = await peer.ended();
  assert.equal(ended.code, 0);
  assert.deepEqual(appeared(ended), ["two lines", "\tof tëxt 😀", ""]);
});

testWith(ON_TERMINAL, "read on a terminal: only text, unless --force", async () => {
  using folder = new TestFolder();
  const longest = 2 ** 20;
  using segment = segmentOf(`a\0b\x1b[2Jc\rd\u202ee\x9bf${"g".repeat(longest)}`);
  const bytes = new Uint8Array(segment.buffer);
  const at = (byte: number): number => bytes.indexOf(byte);
  for (
    const [offset, length, what] of [
      [1, 1, "bytes that are not text"],
      [at(0x1b), 4, "bytes that are not text"],
      [at(0x0d), 1, "bytes that are not text"],
      [at(0xe2), 3, "bytes that are not text"],
      [at(0xc2), 2, "bytes that are not text"],
      // A part of a character, of which a terminal makes what it likes
      [at(0x9b), 1, "bytes that are not text"],
      [at(0x67) - 1, longest + 1, `${longest + 1} bytes`],
    ] as const
  ) {
    await using peer = cliOnTerminal(
      folder,
      ...["read", `id:${segment.id}`, `-s${offset}`, `-n${length}`],
    );
    const ended = await peer.ended();
    assert.equal(ended.code, 1);
    assert.deepEqual(appeared(ended), [
      `error: segment ${segment.id}: ${what} will not go to a terminal: use dump, a pipe or a file, ` +
      "or --force",
      "",
    ]);
  }
  await using forced = cliOnTerminal(folder, "read", `id:${segment.id}`, "-n7", "--force");
  assert.deepEqual(appeared(await forced.ended()), ["a\0b\x1b[2J"]);
});

for (const command of ["read", "dump"]) {
  const all = { read: /^content$/, dump: /\|content\|\n00000007\n$/ }[command]!;

  Deno.test(`${command}: a range beyond the end is one line of error, and no byte`, async () => {
    using segment = segmentOf("0123456789");
    for (
      const [options, message] of [
        [["-s", "11"], "has 10 bytes: offset 11 is beyond its end"],
        [["-s", "11", "-n", "0"], "has 10 bytes: offset 11 is beyond its end"],
        [["-s", MOST, "-n", MOST], `has 10 bytes: offset ${MOST} is beyond its end`],
        [["-s", "5", "-n", "6"], "has 10 bytes: from offset 5 there are 5, not 6"],
        [["-s", "10", "-n", "1"], "has 10 bytes: from offset 10 there are 0, not 1"],
        [["-s", "1", "-n", MOST], `has 10 bytes: from offset 1 there are 9, not ${MOST}`],
      ] as const
    ) {
      const { code, stdout, stderr } = await runHere(command, `id:${segment.id}`, ...options);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.equal(stderr, `error: segment ${segment.id} ${message}\n`);
    }
  });

  testWith(SHELL, `${command}: a reader that ends is no error, a full disk is`, async () => {
    using segment = segmentOf(new Uint8Array(2 ** 20).fill(0x78));
    const script = '{ "$@"; echo "ended with $?" >&2; } | head -c 5';
    for (const options of command === "dump" ? [["-v"], ["--json"]] : [[]]) {
      const args = [command, `id:${segment.id}`, ...options];
      await using peer = cliInShell(script, ...args);
      const { stdout, stderr } = await peer.ended();
      assert.match(stdout, /^(xxxxx|00000|\{\n {2}")$/);
      assert.equal(stderr, "ended with 0\n");
      await using full = cliInShell('exec "$@" >/dev/full', ...args);
      const { code, stderr: error } = await full.ended();
      assert.equal(code, 1);
      assert.match(error, /^error: cannot write to standard output: No space left.*\n$/);
    }
  });

  testWith(ROOT, `${command}: read permission is enough, also for another user's`, async () => {
    using readable = segmentOf("content");
    readable.setPermissions({ mode: 0o444 });
    using secret = segmentOf("secret");
    const shown = await runAsNobody(command, `id:${readable.id}`);
    assert.deepEqual([shown.code, shown.stderr], [0, ""]);
    assert.match(shown.stdout, all);
    const refused = await runAsNobody(command, `id:${secret.id}`);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.match(refused.stderr, /^error: .*EACCES.*\n$/);
    using theirs = segmentOf("content");
    theirs.setPermissions({ uid: NOBODY });
    assert.match((await runHere(command, `id:${theirs.id}`)).stdout, all);
  });
}
