/** How much memory reading takes, and that more than there is is not taken unasked. */

import assert from "node:assert/strict";
import { readFileStart } from "../../../ffi/files.ts";
import { Segment } from "../../../mod.ts";
import { availableBytes, presentBytes } from "../../../src/cli/objects/missing_memory.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { run } from "../command_line.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };

const TABLE = `       key      shmid perms      size  cpid  lpid nattch   rss  swap
         5          0   600  16777216    11    11      0  8192  4096
        -6      32769   600      4096    11    11      0     0     0
`;

Deno.test("presentBytes: in memory or swapped out; a segment that is not listed is not known", () => {
  assert.equal(presentBytes(0, TABLE), 12288);
  assert.equal(presentBytes(32769, TABLE), 0);
  assert.equal(presentBytes(1, TABLE), undefined);
  assert.equal(presentBytes(0, ""), undefined);
});

Deno.test("availableBytes: in bytes, or not known", () => {
  assert.equal(availableBytes("MemTotal:  5 kB\nMemAvailable:   3 kB\nBuffers: 1 kB\n"), 3072);
  assert.equal(availableBytes(""), undefined);
});

function text(path: string): string {
  return new TextDecoder().decode(readFileStart(path, 2 ** 24) as Uint8Array);
}

testWith(CLI, "dump, read: more memory than is free is not taken unasked", async () => {
  const size = 4 * availableBytes(text("/proc/meminfo"))!;
  using segment = Segment.create({ size, noReserve: true });
  segment.remove();
  for (const command of ["dump", "read"]) {
    const { code, stdout, stderr } = await run(command, `id:${segment.id}`);
    assert.match(
      stderr,
      /^error: segment \d+: to read \S+ of it may take \S+ of memory [^\n]*--offset and --length, or --force\n$/,
    );
    assert.deepEqual([code, stdout], [1, ""]);
    const part = await run(command, `id:${segment.id}`, "--offset=1M", "--length=16");
    assert.deepEqual([part.code, part.stderr], [0, ""]);
  }
  // The one page that was looked at has memory now
  assert.equal(presentBytes(segment.id, text("/proc/sysvipc/shm")), 4096);
});

testWith(CLI, "dump: much memory is reported, unless it is there already", async () => {
  const size = 2 ** 26;
  using segment = Segment.create({ size });
  segment.remove();
  const first = await run("dump", `id:${segment.id}`);
  assert.match(
    first.stderr,
    /^note: this may give 64M of memory to pages that had none, for good\n$/,
  );
  assert.equal(first.code, 0);
  assert.equal((await run("dump", `id:${segment.id}`)).stderr, "");
});
