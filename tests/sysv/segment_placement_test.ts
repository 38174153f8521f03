/** The address and the access of an attach: fixed addresses, executable code, and what is refused. */

import assert from "node:assert/strict";
import { getauxval } from "../../ffi/libc.ts";
import { Segment, ShmError } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const PAGE = 0x10000n; // a multiple of the page size of every system

let places = 0;

/** A free address that no test has had; kernels for aarch64 with 39 bits of addresses have it too. */
function place(): bigint {
  for (;;) {
    const address = 0x10_0000_0000n + BigInt(++places) * 0x1_0000_0000n;
    try {
      using probe = Segment.create({ size: 4 * Number(PAGE), address });
      probe.remove();
      return address;
    } catch (error) {
      // The process has memory there
      if (!ShmError.is(error, "EINVAL")) throw error;
    }
  }
}

Deno.test("Segment: address is where the segment is attached, by every way of attaching it", () => {
  const key = freshKey();
  const [one, two, three, four] = [place(), place(), place(), place()];
  using created = Segment.create({ key, size: 5000, address: one });
  try {
    using opened = Segment.open(key, { address: two });
    using found = Segment.openOrCreate({ key, size: 1, address: three });
    using attached = Segment.attach(created.id, { address: four, readOnly: true });
    assert.deepEqual(
      [created, opened, found, attached].map(({ address }) => address),
      [one, two, three, four],
    );
    created.bytes[4999] = 1;
    for (const each of [opened, found, attached]) assert.equal(each.read(4999)[0], 1);
    assert.equal(Deno.UnsafePointer.value(opened.pointer), two);
  } finally {
    created.remove();
  }
});

Deno.test("Segment.detach: the address is free again, and the segment no longer has it", () => {
  const address = place();
  using owner = Segment.create({ size: 1 });
  owner.remove();
  for (let i = 0; i < 3; i++) {
    const segment = Segment.attach(owner.id, { address: address + BigInt(i), round: true });
    assert.equal(segment.address, address);
    segment.bytes[0] = i; // handed out: zero pages are there after the detach
    segment.detach();
    assert.throws(() => segment.address, { code: "EDETACHED" });
  }
});

Deno.test("Segment: round takes the page of the address", () => {
  const address = place();
  using segment = Segment.create({ size: 1, address: address + 0xfffn, round: true });
  segment.remove();
  assert.equal(segment.address, address);
});

Deno.test("Segment: an address that is mapped already is refused, and nothing is left behind", () => {
  const key = freshKey();
  const address = place();
  using here = Segment.create({ size: 3 * Number(PAGE), address });
  here.remove();
  const refused = { code: "EINVAL", message: /at address 0x\w+: shmat.*mapped there already/ };
  for (const offset of [-PAGE, 0n, PAGE, 2n * PAGE]) {
    const there = { address: address + offset };
    const size = 2 * Number(PAGE);
    assert.throws(() => Segment.create({ key, size, ...there }), refused, `${offset}`);
    assert.throws(() => Segment.openOrCreate({ key, size, ...there }), refused);
    assert.throws(() => Segment.attach(here.id, there), refused);
  }
  using other = Segment.create({ key, size: 1 });
  other.remove();
  assert.throws(() => Segment.open(key), { code: "ENOENT" });
  using named = Segment.create({ key, size: 1 });
  try {
    assert.throws(() => Segment.open(key, { address }), refused);
    assert.throws(() => Segment.openOrCreate({ key, size: 1, address }), refused);
    assert.equal(named.stat().nattch, 1);
  } finally {
    named.remove();
  }
  assert.throws(() => Segment.attach(0x7ffffff0, { address }), {
    code: "EINVAL",
    message: /no segment has this id/,
  });
});

Deno.test("Segment: an unsafe or malformed address is refused before any call", () => {
  const key = freshKey();
  using there = Segment.create({ key, size: 1 });
  there.remove();
  const address = 0x7fff_0000_0000n;
  const refused: readonly [Partial<Parameters<typeof Segment.create>[0]>, typeof Error][] = [
    [{ address: 0n }, RangeError],
    [{ address: 1n, round: true }, RangeError],
    [{ address: 0xf000n }, RangeError],
    [{ address: -PAGE }, RangeError],
    [{ address: place() + 1n }, RangeError],
    [{ address }, RangeError],
    [{ address: 2n ** 64n - PAGE }, RangeError],
    [{ address: 2n ** 64n + PAGE }, RangeError],
    [{ address: 2n ** 100n }, RangeError],
    [{ address: 0x10000 as unknown as bigint }, TypeError],
    [{ round: true }, TypeError],
  ];
  for (const [placement, kind] of refused) {
    const label = `${placement.address}`;
    assert.throws(() => Segment.create({ key, size: 1, ...placement }), kind, label);
    assert.throws(() => Segment.openOrCreate({ key, size: 1, ...placement }), kind, label);
    assert.throws(() => Segment.attach(there.id, placement), kind, label);
  }
  using none = Segment.create({ key, size: 1 });
  none.remove();
});

Deno.test("Segment: a segment that would end in the upper half of the addresses is refused", () => {
  const key = freshKey();
  const size = 2 ** 32;
  // AT_EXECFN: the program's name is at the very end of its stack
  const middle = 2n ** BigInt(getauxval(31).toString(2).length - 1);
  const beyond = middle - BigInt(size) + PAGE;
  using segment = Segment.create({ key, size, noReserve: true });
  try {
    for (const address of [beyond, middle]) {
      const tooFar = { name: "RangeError", message: /the middle of the address space/ };
      assert.throws(() => Segment.open(key, { address }), tooFar);
      assert.throws(() => Segment.attach(segment.id, { address }), tooFar);
      assert.throws(() => Segment.openOrCreate({ key, size, address }), tooFar);
    }
    try {
      using fits = Segment.open(key, { address: middle - BigInt(size) });
      assert.equal(fits.address + BigInt(size), middle);
      assert.equal(segment.stat().nattch, 2);
    } catch (error) {
      // The runtime has mapped memory there, at a random address: the kernel refuses it, not the library
      if (!(error instanceof ShmError && error.code === "EINVAL")) throw error;
    }
  } finally {
    segment.remove();
  }
});

testWith(
  { tools: ["deno", "gcc"], files: true },
  "Segment: a list that a C program links with pointers can be followed at the same address",
  async () => {
    const address = place();
    const key = freshKey();
    using folder = new TestFolder();
    const source = folder.file(
      "list.c",
      `#include <stdio.h>
       #include <sys/shm.h>
       struct node { struct node *next; long value; };
       int main(void) {
         struct node *first = shmat(shmget(${key}, 0, 0), (void *)${address}, 0);
         if (first != (void *)${address}) return 1;
         for (int i = 0; i < 5; i++) {
           first[i].value = i * i;
           first[i].next = i < 4 ? &first[i + 1] : NULL;
         }
         puts("linked");
       }`,
    );
    using segment = Segment.create({ key, size: 4096, address });
    try {
      await using peer = Peer.start(folder.compile("gcc", "list", ["-O1", "-Wall", source]));
      assert.deepEqual((await peer.ended()).stdout, "linked\n");
    } finally {
      segment.remove();
    }
    const values: number[] = [];
    for (let at = address; at !== 0n;) {
      const node = Deno.UnsafePointer.create(at);
      assert(node !== null);
      const view = new Deno.UnsafePointerView(node);
      values.push(Number(view.getBigInt64(8)));
      at = view.getBigUint64(0);
    }
    assert.deepEqual(values, [0, 1, 4, 9, 16]);
  },
);

testWith(
  { tools: ["deno"] },
  "Segment: attaches at random addresses, while the runtime allocates, never end the process",
  async () => {
    await using peer = Peer.typescript(
      `import { Segment, ShmError } from "@sysv/shm";
      // All that is mapped now, reserved ranges too
      const maps = () => Deno.readTextFileSync("/proc/self/maps").trim().split("\\n")
        .filter((line) => !line.includes("/SYSV"))
        .map((line) => line.split(/[- ]/).slice(0, 2).map((hex) => BigInt("0x" + hex)));
      using owner = Segment.create({ size: 1 << 20 });
      owner.remove();
      const middle = 0x400000000000n;
      const held = [];
      let garbage = [], refused = 0;
      const attach = (address) => {
        try {
          held.push(Segment.attach(owner.id, { address, round: true }));
        } catch (error) {
          if (!(error instanceof ShmError && error.code === "EINVAL")) throw error;
          refused++;
        }
      };
      for (let round = 0; round < 10; round++) {
        const taken = maps().filter(([start]) => start >= 0x10000n && start + 0x200000n < middle);
        // What is mapped, and right before and after it
        for (const [start, end] of taken) {
          attach(start);
          attach(start - 0x100000n);
          if (end + 0x200000n < middle) attach(end);
        }
        for (let i = 0; i < 50; i++) {
          attach(BigInt(Math.floor(Math.random() * 2 ** 34) + 1) * 4096n);
        }
        garbage = Array.from({ length: 200 }, (_, i) => new Array(10_000).fill(i));
        new Uint8Array(1 << 24).fill(1);
        const last = Uint8Array.of(round);
        for (const segment of held) segment.write(last, segment.size - 1);
        if (round % 3 === 2) for (const segment of held.splice(0)) segment.detach();
        gc();
      }
      for (const segment of held) segment.detach();
      const worker = new Worker("data:text/javascript,postMessage(new Array(1e6).fill(1).length)", {
        type: "module",
      });
      const length = await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
      worker.terminate();
      console.log(refused > 100, garbage[199][9999], length, owner.stat().nattch);`,
      "--v8-flags=--expose-gc",
    );
    const { stdout, stderr, code } = await peer.ended();
    assert.deepEqual([stdout, stderr, code], ["true 199 1000000 1\n", "", 0]);
  },
);

Deno.test("Segment: execute asks the kernel for SHM_EXEC, and the default mode allows it", () => {
  using segment = Segment.create({ size: 1, execute: true });
  segment.remove();
  assert.equal(segment.stat().mode, 0o700);
  using other = Segment.create({ size: 1, execute: true, mode: 0o750 });
  other.remove();
  assert.equal(other.stat().mode, 0o750);
  using reader = Segment.attach(segment.id, { execute: true, readOnly: true });
  assert.equal(reader.readOnly, true);
});

testWith(
  { tools: ["deno"] },
  "Segment: the mapping has the access that the options ask for",
  async () => {
    await using peer = Peer.typescript(
      `import { Segment } from "@sysv/shm";
    using owner = Segment.create({ size: 1, mode: 0o700 });
    owner.remove();
    for (const options of [{}, { readOnly: true }, { execute: true }, { readOnly: true, execute: true }]) {
      using segment = Segment.attach(owner.id, options);
      const address = segment.address.toString(16);
      const maps = Deno.readTextFileSync("/proc/self/maps");
      console.log(new RegExp("^" + address + "-\\\\w+ (\\\\S+) .*SYSV", "m").exec(maps)?.[1]);
    }`,
    );
    const { stdout, stderr } = await peer.ended();
    assert.deepEqual([stdout, stderr], ["rw-s\nr--s\nrwxs\nr-xs\n", ""]);
  },
);

Deno.test({
  name: "Segment: code in a segment that was attached with execute runs" +
    (Deno.build.arch === "x86_64" ? "" : " [its code is for x86-64]"),
  ignore: Deno.build.arch !== "x86_64",
  fn: () => {
    using segment = Segment.create({ size: 4096, execute: true });
    segment.remove();
    // lea eax, [rdi + rsi]; ret
    segment.write(new Uint8Array([0x8d, 0x04, 0x37, 0xc3]));
    const add = new Deno.UnsafeFnPointer(
      segment.pointer as Deno.PointerObject<{ parameters: ["i32", "i32"]; result: "i32" }>,
      { parameters: ["i32", "i32"], result: "i32" },
    );
    assert.equal(add.call(40, 2), 42);
  },
});

testWith(
  { tools: ["deno"], root: true },
  "Segment.attach: execute without the x bit is EACCES, and the message names it",
  async () => {
    await using peer = asNobody(`
    import { Segment } from "@sysv/shm";
    try { Segment.create({ size: 1, execute: true, mode: 0o600 }); }
    catch (error) { console.log(error.message); }
    using segment = Segment.create({ size: 1, execute: true });
    segment.remove();
    console.log(segment.stat().mode.toString(8));
    segment.setPermissions({ mode: 0o600 });
    for (const readOnly of [false, true]) {
      try { Segment.attach(segment.id, { execute: true, readOnly }); }
      catch (error) { console.log(error.message); }
    }
  `);
    const { stdout, stderr } = await peer.ended();
    assert.equal(stderr, "");
    const [created, mode, attached, readOnly] = stdout.trim().split("\n");
    assert.match(
      created!,
      /attach the segment to execute: shmat.*EACCES.*read and write and execute/,
    );
    assert.equal(mode, "700");
    assert.match(
      attached!,
      /mode 0600.*widen the mode, or attach with readOnly: true and without execute$/,
    );
    assert.match(
      readOnly!,
      /read-only to execute.*may not read and execute it.*attach without execute$/,
    );
  },
);
