/** Segments of huge pages: their flags, their use to the last byte, and their release as a whole. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { HUGE_PAGE } from "../../ffi/constants.ts";
import { hugePagePool, testWithHugePages } from "../support/huge_pages.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

/** Pages of the pool that are neither used nor reserved. */
function available(): number {
  const { free, reserved } = hugePagePool();
  return free - reserved;
}

Deno.test("Segment.create: hugePages of no such size, or with noReserve, is refused before any call", () => {
  for (const hugePages of [0, 1, 4096, 2 ** 21 + 1, 2 ** 35, -(2 ** 21), NaN, Infinity]) {
    assert.throws(() => Segment.create({ size: 1, hugePages }), RangeError, `${hugePages}`);
  }
  assert.throws(() => Segment.create({ size: 1, hugePages: true, noReserve: true }), TypeError);
  using plain = Segment.create({ size: 1, hugePages: false, noReserve: true });
  plain.remove();
});

testWith(
  { tools: ["deno", "strace"] },
  "Segment.create: each size of huge pages is in the flags as in C, 16 GiB in the sign bit too",
  async () => {
    const sizes = ["true", ...HUGE_PAGE.LOGARITHMS.map((logarithm) => 2 ** logarithm)];
    await using peer = Peer.start("strace", [
      ...["-f", "-qq", "-e", "trace=shmget", "-e", "signal=none"],
      ...[Deno.execPath(), "eval", "--ext=ts"],
      `import { Segment } from "${new URL("../../mod.ts", import.meta.url)}";
      for (const hugePages of [${sizes}]) {
        // More than any pool has: whatever this system offers, nothing is created
        try { Segment.create({ size: 2 ** 50, hugePages }); } catch { /* as it must */ }
      }`,
    ]);
    const { stderr } = await peer.ended();
    const asked = [...stderr.matchAll(/shmget\(.*SHM_HUGETLB\|(?:(\d+)<<SHM_HUGE_SHIFT\|)?0600/g)];
    assert.deepEqual(
      asked.map(([, logarithm]) => logarithm),
      [undefined, ...HUGE_PAGE.LOGARITHMS.map(String)],
      stderr,
    );
  },
);

testWithHugePages(
  {},
  "Segment.create: the size is not rounded up to huge pages, the mapping is",
  () => {
    const before = available();
    const { pageSize } = hugePagePool();
    for (const hugePages of [true, pageSize]) {
      using segment = Segment.create({ size: pageSize + 1, hugePages });
      segment.remove();
      assert.equal(available(), before - 2);
      assert.deepEqual([segment.size, segment.stat().size], [pageSize + 1, pageSize + 1]);
      segment.write(new Uint8Array([7]), pageSize);
      using other = Segment.attach(segment.id, { readOnly: true });
      assert.deepEqual([...other.read(pageSize - 1)], [0, 7]);
      assert.throws(() => segment.write(new Uint8Array(1), pageSize + 1), RangeError);
      assert.equal(BigInt(segment.address) % BigInt(pageSize), 0n);
    }
    assert.equal(available(), before);
  },
);

testWithHugePages({}, "Segment.openOrCreate: accepts an existing segment as it is", () => {
  const key = freshKey();
  const before = available();
  using plain = Segment.create({ key, size: 100 });
  try {
    using found = Segment.openOrCreate({ key, size: 100, hugePages: true });
    assert.deepEqual([found.created, available()], [false, before]);
  } finally {
    plain.remove();
  }
});

testWithHugePages(
  {},
  "Segment.detach: a transferred buffer of huge pages is cut off, its neighbours are not",
  () => {
    const { pageSize } = hugePagePool();
    const size = pageSize + 5000;
    using owner = Segment.create({ size, hugePages: true });
    owner.remove();
    const address = 0x2000_0000_0000n;
    using after = Segment.attach(owner.id, { address: address + BigInt(2 * pageSize) });
    using before = Segment.attach(owner.id, { address: address - BigInt(2 * pageSize) });
    const middle = Segment.attach(owner.id, { address });
    const moved = new Uint8Array(middle.buffer.transfer());
    moved[size - 1] = 1;
    assert.equal(owner.bytes[size - 1], 1);
    middle.detach();
    assert.equal(owner.stat().nattch, 3);
    moved[size - 1] = 2; // zero pages of nobody's
    assert.deepEqual(
      [owner, before, after].map(({ bytes }) => [bytes[0], bytes[size - 1]]),
      [[0, 1], [0, 1], [0, 1]],
    );
  },
);

testWithHugePages(
  { tools: ["deno"] },
  "Segment: a dropped segment of huge pages is detached, and its pages are free again",
  async () => {
    const before = available();
    await using peer = Peer.typescript(
      `import { listSegments, Segment } from "@sysv/shm";
    const id = (() => {
      const segment = Segment.create({ size: 5000, hugePages: true });
      segment.remove();
      segment.bytes[0] = 1;
      return segment.id;
    })();
    while (listSegments().some((stat) => stat.id === id)) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    console.log("gone");`,
      "--v8-flags=--expose-gc",
    );
    const { stdout, stderr } = await peer.ended();
    assert.deepEqual([stdout, stderr], ["gone\n", ""]);
    assert.equal(available(), before);
  },
);

testWithHugePages(
  {},
  "Segment.attach: the address of huge pages must be a multiple of their size",
  () => {
    const { pageSize } = hugePagePool();
    using segment = Segment.create({ size: 1, hugePages: true });
    segment.remove();
    const address = 0x2100_0000_0000n;
    assert.throws(() => Segment.attach(segment.id, { address: address + 0x10000n }), {
      code: "EINVAL",
      message: /at address 0x210000010000: .*huge pages.*multiple of their size/,
    });
    using there = Segment.attach(segment.id, { address: address + BigInt(pageSize) });
    assert.equal(there.address, address + BigInt(pageSize));
  },
);

testWithHugePages(
  {},
  "Segment.lockMemory: changes nothing for huge pages, which are never swapped out",
  () => {
    using segment = Segment.create({ size: 1, hugePages: true });
    segment.remove();
    segment.lockMemory();
    assert.equal(segment.stat().locked, false);
    segment.unlockMemory();
  },
);

testWithHugePages(
  {},
  "Segment.create: an empty pool of huge pages says how to fill it, and a wrong size where to look",
  () => {
    const { total, pageSize } = hugePagePool();
    const key = freshKey();
    const size = (total + 1) * pageSize;
    assert.throws(() => Segment.create({ key, size, hugePages: true }), {
      code: "ENOMEM",
      message: /too few huge pages.*sysctl vm\.nr_hugepages.*leave hugePages out$/,
    });
    assert.throws(() => Segment.openOrCreate({ key, size, hugePages: pageSize }), {
      code: "ENOMEM",
      message: new RegExp(
        `it needs ${total + 1} free huge pages of ${pageSize} bytes.*hugepages-${
          pageSize / 1024
        }kB/nr_hugepages`,
      ),
    });
    assert.throws(() => Segment.create({ key, size: 1, hugePages: 2 ** 16 }), {
      code: "EINVAL",
      message: /no huge pages of 65536 bytes.*hugepages-64kB.*kernel\.shmmax.*leave hugePages out$/,
    });
  },
);
