/** A latest value between processes, users and Workers: killed writers, many readers, no trace. */

import assert from "node:assert/strict";
import { array, f64, Latest, Segment, struct, u32 } from "../../mod.ts";
import { Random, seed } from "../crash/random.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer } from "../support/peer.ts";
import { type Errand, Twins } from "./reader_worker.ts";

guardAgainstLeaks();

const SCAN = "struct({ n: u32, all: array(f64, 500) })";
const Scan = struct({ n: u32, all: array(f64, 500) });

/** A safety net only. */
const SOON = { timeout: 60_000 };

/** Writes values whose elements are all the number of the value, without an end. */
function endlessWriter(key: number): Peer {
  return Peer.typescript(`
    import { array, f64, Latest, struct, u32 } from "@sysv/shm";
    const latest = Latest.of(${SCAN}, { key: ${key} });
    const writer = await latest.acquireWriter();
    console.log(writer.version);
    for (let turn = 0;; turn++) {
      writer.update((scan) => {
        scan.n = writer.version + 1;
        for (let i = 0; i < 500; i++) scan.all[i] = scan.n;
      });
      if (turn % 1000 === 999) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  `);
}

testWith(
  { tools: ["deno"] },
  "LatestWriter: one that is killed anywhere leaves the last value whole, and the next goes on",
  async () => {
    using latest = Latest.of(Scan, { key: freshKey(), cells: 2 });
    using reader = latest.reader();
    const start = seed();
    const random = new Random(start);
    let version = 0;
    /** Reads, and checks that the value is whole and not older than the one before. */
    const look = (): void => {
      const found = reader.read();
      if (found === undefined) return;
      assert.equal(found.value.n, found.version, `seed ${start}`);
      assert.deepEqual([...new Set(found.value.all)], [found.value.n]);
      assert(found.version >= version);
      version = found.version;
    };
    for (let kill = 0; kill < 10; kill++) {
      await using writer = endlessWriter(latest.key);
      assert.equal(Number(await writer.line()), version);
      assert.equal(latest.writerPid, writer.pid);
      await reader.wait(SOON);
      for (let reads = random.below(200); reads >= 0; reads--) look();
      writer.kill("SIGKILL");
      await writer.ended();
      look();
      assert.equal(latest.writerPid, undefined);
    }
    using writer = latest.writer();
    assert.equal(writer.version, version);
    writer.update((scan) => {
      assert.equal(scan.all[499], version);
    });
    assert.equal(reader.version, version + 1);
  },
);

testWith(
  { tools: ["deno"], root: true },
  "Latest with readOnly: another user reads and waits, and nothing in the memory tells of it",
  async () => {
    const key = freshKey();
    using latest = Latest.of(Twins, { key, mode: 0o644 });
    using writer = latest.writer();
    writer.write({ a: 1, b: 1, c: 1, d: 1 });
    using segment = Segment.attach(latest.id);
    const before = segment.read(0, 384);
    await using peer = asNobody(`
      import { Latest, struct, u32 } from "@sysv/shm";
      const Twins = struct({ a: u32, b: u32, c: u32, d: u32 });
      try {
        Latest.of(Twins, { key: ${key} });
      } catch ({ code, remedy }) {
        console.log(code, remedy);
      }
      const latest = Latest.of(Twins, { key: ${key}, readOnly: true });
      const reader = latest.reader();
      console.log(reader.read().value.a, latest.writerPid);
      const change = await reader.wait();
      console.log(change.value.a, change.version, change.skipped);
      const sync = reader.waitSync();
      console.log(sync.version, reader.view(({ d }) => d));
      try {
        await reader.wait();
      } catch ({ code }) {
        console.log(code, latest.close());
      }
    `);
    assert.equal(await peer.line(), "EACCES open it with readOnly: true");
    assert.equal(await peer.line(), `1 ${Deno.pid}`);
    assert.deepEqual(segment.read(0, 384), before);
    writer.write({ a: 2, b: 2, c: 2, d: 2 });
    assert.equal(await peer.line(), "2 2 0");
    writer.write({ a: 3, b: 3, c: 3, d: 3 });
    assert.equal(await peer.line(), "3 3");
    assert.equal(latest.close(), "removed");
    assert.equal(await peer.line(), "EIDRM kept");
    assert.deepEqual([(await peer.ended()).code, peer.printed.stderr], [0, ""]);
  },
);

testWith(
  { tools: ["deno"] },
  "LatestReader.changes: readers in many processes see the last value, and count exactly",
  async () => {
    const key = freshKey();
    using latest = Latest.of(Twins, { key, cells: 4 });
    using writer = latest.writer();
    const last = 20_000;
    const readers = [false, true, false].map((readOnly) =>
      Peer.typescript(`
        import { Latest, struct, u32 } from "@sysv/shm";
        const Twins = struct({ a: u32, b: u32, c: u32, d: u32 });
        using latest = Latest.of(Twins, { key: ${key}, readOnly: ${readOnly} });
        using reader = latest.reader();
        console.log("ready");
        let sum = 0;
        for await (const { value: { a, b, c, d }, version, skipped } of reader.changes()) {
          sum = sum === 0 ? version : sum + 1 + skipped;
          if (a !== b || a !== c || a !== d || sum !== version) throw new Error("torn");
          if (version === ${last}) break;
        }
        console.log(sum);
      `)
    );
    for (const reader of readers) assert.equal(await reader.line(), "ready");
    for (let n = 1; n <= last; n++) {
      writer.write({ a: n, b: n, c: n, d: n });
      if (n % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const reader of readers) {
      assert.equal(await reader.line(), String(last));
      assert.equal((await reader.ended()).code, 0);
    }
  },
);

testWith({ files: true }, "LatestReader: Workers read what the main thread writes", async () => {
  const key = freshKey();
  using latest = Latest.of(Twins, { key, cells: 2 });
  using writer = latest.writer();
  const last = 5000;
  const workers = [0, 1].map(() => {
    const worker = new Worker(new URL("./reader_worker.ts", import.meta.url), { type: "module" });
    const ready = Promise.withResolvers<void>();
    const done = Promise.withResolvers<string>();
    worker.onmessage = ({ data }) => data === "ready" ? ready.resolve() : done.resolve(data);
    worker.postMessage({ key, last } satisfies Errand);
    return { worker, ready: ready.promise, done: done.promise };
  });
  for (const { ready } of workers) await ready;
  for (let n = 1; n <= last; n++) {
    writer.write({ a: n, b: n, c: n, d: n });
    if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  for (const { worker, done } of workers) {
    assert.equal(await done, `${last} 0`);
    worker.terminate();
  }
});
