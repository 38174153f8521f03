/**
 * TypeScript and C at one latest value, while both run: `peer.c` against the library. What one value at a
 * time shows is in `tests/interop/conformance_test.ts`.
 */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Latest, ShmError } from "../../mod.ts";
import type { LatestReader } from "../../src/latest/mod.ts";
import { numberedBytes, numberedLength, SOON, summary } from "../support/c_peer.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** It is woken or it sleeps for ever: so it is woken. */
const peer = new CProgram(new URL("peer.c", import.meta.url), "-O2", "-DSHM_SLICE_MS=600000");

/** A latest value of bytes at a key of its own. */
function scratch(size: number, cells?: number): Latest {
  return Latest.openOrCreate({ key: freshKey(), size, ...(cells === undefined ? {} : { cells }) });
}

for (const flags of [[], ["--read-only"]]) {
  testWith(C_NEEDS, `shm_latest_read: values of TypeScript are never torn ${flags}`, async () => {
    using latest = scratch(200, 2);
    using writer = latest.writer();
    await using reader = peer.start("read", latest.key, 20_000, ...flags);
    await reader.line();
    while (writer.version < 20_000) {
      const version = writer.version + 1;
      writer.write(numberedBytes(version, numberedLength(version, 200)));
      if (version % 500 === 0) await delay(0);
    }
    assert.equal((await summary(reader)).version, 20_000);
  });
}

/** The newest value; nothing if a writer at full speed overtook all attempts, before the copy is compiled. */
function readUnlessOvertaken(reader: LatestReader): ReturnType<LatestReader["read"]> {
  try {
    return reader.read();
  } catch (error) {
    if (!ShmError.is(error, "EAGAIN")) throw error;
    return undefined;
  }
}

testWith(C_NEEDS, "shm_latest_write: its values are never torn in TypeScript", async () => {
  using latest = scratch(200, 2);
  await using writer = peer.start("write", latest.key, 300_000, "--size", 200, "--lengths", 200);
  await writer.line();
  using reader = latest.reader();
  for (let version = 0; version < 300_000;) {
    await reader.wait(SOON);
    for (let i = 0; i < 50; i++) {
      const found = readUnlessOvertaken(reader);
      if (found === undefined) continue;
      assert(found.version >= version);
      version = found.version;
      assert.deepEqual(found.value, numberedBytes(version, numberedLength(version, 200)));
    }
  }
  assert.deepEqual(await summary(writer), { values: 300_000, version: 300_000 });
});

testWith(
  C_NEEDS,
  "shm_latest_next: sleeps until a TypeScript writer wakes it, each time",
  async () => {
    using latest = scratch(64);
    using writer = latest.writer();
    // Three that sleep on one word: each of them must be woken
    await using one = peer.start("next", latest.key, 300, "--spin", 0);
    await using two = peer.start("next", latest.key, 300, "--spin", 0);
    await using three = peer.start("next", latest.key, 300, "--read-only");
    const readers = [one, two, three];
    for (const reader of readers) await reader.line();
    let running = readers.length;
    const ends = readers.map(async (reader) => {
      const { distinct } = await summary(reader);
      assert.equal(distinct, 300);
      running--;
    });
    while (running > 0) {
      writer.write(numberedBytes(writer.version + 1, 64));
      await delay(1);
    }
    await Promise.all(ends);
  },
);

testWith(
  C_NEEDS,
  "LatestReader.changes: sees what C writes, and counts what it skipped",
  async () => {
    using latest = scratch(64);
    await using writer = peer.start("write", latest.key, 2000, "--in-place", "--pause", 100);
    using reader = latest.reader({ spin: 0 });
    let before: number | undefined;
    for await (const { value, version, skipped } of reader.changes(SOON)) {
      assert.deepEqual(value, numberedBytes(version, 64));
      assert.equal(skipped, before === undefined ? 0 : version - before - 1);
      before = version;
      if (version === 2000) break;
    }
    await summary(writer);
  },
);

testWith(C_NEEDS, "shm_latest_begin: what a killed writer began is never seen", async () => {
  using latest = scratch(64, 2);
  for (let version = 3; version <= 12; version += 3) {
    await using writer = peer.start("write", latest.key, 3, "--half");
    await writer.stdout(/half/);
    writer.kill("SIGKILL");
    await writer.ended();
    assert.equal(latest.writerPid, undefined);
    assert.deepEqual(latest.reader().read(), { value: numberedBytes(version, 64), version });
    await using reader = peer.start("read", latest.key, version);
    assert.equal((await summary(reader)).version, version);
  }
  using writer = latest.writer();
  assert.equal(writer.write(numberedBytes(13, 64)), 13);
  await using reader = peer.start("read", latest.key, 13);
  await summary(reader);
});
