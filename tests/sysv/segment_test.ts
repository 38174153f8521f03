/** Segments: created, opened, read, written, detached; every wrong use is an exception. */

import assert from "node:assert/strict";
import { geteuid } from "../../ffi/accounts.ts";
import {
  i32,
  IPC_PRIVATE,
  listSegments,
  MailboxServer,
  Segment,
  SemaphoreSet,
  ShmError,
  statSegment,
  struct,
  u8,
} from "../../mod.ts";
import { setSegmentPermissions, type Viewable } from "../../src/sysv/mod.ts";
import { memoryOf } from "../../src/sysv/segment.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

/** A private segment that goes at the end of the block. */
function scratch(size: number): Segment {
  const segment = Segment.create({ size });
  segment.remove();
  return segment;
}

/** Checks the error's code, and its message by pattern. */
function failsWith(code: string, pattern: RegExp): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ShmError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\.$|\n/);
    return true;
  };
}

Deno.test("Segment.create: zeros, of the requested size, with mode 0600", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 100 });
  segment.remove();
  const stat = segment.stat();
  assert.deepEqual(
    [segment.key, segment.size, segment.created, segment.readOnly, segment.attached],
    [key, 100, true, false, true],
  );
  assert.deepEqual([stat.size, stat.mode, stat.nattch, stat.cpid], [100, 0o600, 1, Deno.pid]);
  assert.deepEqual([stat.uid, stat.cuid], [geteuid(), geteuid()]);
  assert.equal(segment.othersMayWrite, false);
  assert.deepEqual(segment.read(), new Uint8Array(100));
});

Deno.test("Segment.write: another attach reads it", () => {
  using one = scratch(64);
  using two = Segment.attach(one.id);
  one.write(new Uint8Array([1, 2, 3]), 61);
  assert.deepEqual([...two.read(60)], [0, 1, 2, 3]);
  two.bytes[0] = 9;
  assert.equal(one.bytes[0], 9);
  new Int32Array(one.buffer)[4] = -2;
  assert.equal(new DataView(two.buffer).getInt32(16, true), -2);
  assert.strictEqual(one.buffer, one.buffer);
  two.write(new Uint16Array([0x0201]), 10);
  two.write(new Uint8Array([3, 4]).buffer, 12);
  assert.deepEqual([...one.read(10, 4)], [1, 2, 3, 4]);
});

Deno.test("Segment.read: returns a copy", () => {
  using segment = scratch(8);
  const copy = segment.read();
  segment.bytes[0] = 1;
  assert.equal(copy[0], 0);
});

Deno.test("Segment.read and write: the bounds are those of the segment, not of its last page; a failure writes nothing", () => {
  using segment = scratch(10);
  const two = new Uint8Array([1, 2]);
  for (const offset of [9, 10, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => segment.write(two, offset), RangeError, String(offset));
  }
  for (const [offset, length] of [[0, 11], [10, 1], [11, 0], [-1, 1], [0, -1], [0, 1.5], [11]]) {
    assert.throws(() => segment.read(offset, length), RangeError, `${offset} ${length}`);
  }
  assert.deepEqual(segment.read(), new Uint8Array(10));
  assert.equal(segment.read(10, 0).length, 0);
  assert.equal(segment.bytes.length, 10);
  assert.throws(() => segment.view(struct({ a: i32 }), 7), RangeError);
  assert.throws(() => segment.view(struct({ a: i32 }), -1), RangeError);
});

Deno.test("Segment.create: keys cover all of int32, signed or unsigned", () => {
  for (const key of [-1, 0xfffffffe, -(2 ** 31), 2 ** 31 - 1]) {
    using segment = Segment.create({ key, size: 1 });
    try {
      assert.equal(segment.key, key | 0);
      using found = Segment.open(key | 0);
      assert.equal(found.id, segment.id);
    } finally {
      segment.remove();
    }
  }
});

Deno.test("Segment.create: private segments are new each time and found only by id", () => {
  using one = scratch(1);
  using two = Segment.openOrCreate({ key: IPC_PRIVATE, size: 1 });
  two.remove();
  assert.notEqual(one.id, two.id);
  assert.deepEqual([one.key, two.key, two.created], [0, 0, true]);
  assert.throws(() => Segment.open(IPC_PRIVATE), RangeError);
});

Deno.test("Segment: null is no key, whichever way it is used", () => {
  const key = null as unknown as number;
  for (
    const use of [
      () => Segment.create({ key, size: 1 }),
      () => Segment.openOrCreate({ key, size: 1 }),
      () => Segment.open(key),
      () => SemaphoreSet.create({ key, count: 1 }),
      () => MailboxServer.open({ key }),
    ]
  ) {
    assert.throws(use, { name: "TypeError", message: /a key is a 32-bit integer, not null/ });
  }
});

Deno.test("Segment.open: a segment that does not exist is ENOENT", () => {
  const key = freshKey();
  assert.throws(
    () => Segment.open(key),
    failsWith("ENOENT", new RegExp(`open.*shmget for key ${key} \\(0x.*Segment\\.create`)),
  );
});

Deno.test("Segment.create: the error describes the segment that exists already", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 100, mode: 0o640 });
  try {
    const hex = (key >>> 0).toString(16);
    assert.throws(
      () => Segment.create({ key, size: 1 }),
      failsWith(
        "EEXIST",
        new RegExp(
          `segment ${segment.id} has 100 bytes, owner uid ${geteuid()}, mode 0640, ` +
            `nattch 1.*Segment\\.open.*ipcrm -M 0x${hex}`,
        ),
      ),
    );
  } finally {
    segment.remove();
  }
});

Deno.test("Segment.openOrCreate: created says which; a larger segment is accepted, a smaller one refused", () => {
  const key = freshKey();
  using first = Segment.openOrCreate({ key, size: 100 });
  try {
    using second = Segment.openOrCreate({ key, size: 60 });
    assert.deepEqual([first.created, second.created, second.size], [true, false, 100]);
    const described = failsWith("EINVAL", /has 100 bytes \(owner uid \d+, nattch 2\).*ipcrm -M/);
    assert.throws(() => Segment.openOrCreate({ key, size: 101 }), described);
    assert.throws(() => Segment.open(key, { minSize: 101 }), described);
    assert.equal(first.stat().nattch, 2, "the refused ones were detached");
  } finally {
    first.remove();
  }
});

Deno.test("Segment: arguments are checked before any call", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => Segment.create({ size }), RangeError, String(size));
  }
  for (const mode of [-1, 0o1000, 1.5]) {
    assert.throws(() => Segment.create({ size: 1, mode }), RangeError, String(mode));
  }
  assert.throws(() => Segment.create({ size: 1, key: 2 ** 32 }), RangeError);
  assert.throws(() => Segment.create({ size: 1, key: 0.5 }), TypeError);
  for (const id of [-1, 1.5, 2 ** 31]) assert.throws(() => Segment.attach(id), RangeError);
});

Deno.test("Segment.create: a size beyond the limit names the limit, memory that is missing names noReserve", () => {
  assert.throws(
    () => Segment.create({ size: Number.MAX_SAFE_INTEGER }),
    failsWith("ENOMEM", /noReserve/),
  );
});

Deno.test("Segment.write: an array that says another length than it has is written as it is", () => {
  using segment = Segment.create({ size: 16 });
  segment.remove();
  const liar = Object.defineProperty(new Uint8Array(4).fill(9), "length", { value: 8 });
  segment.write(liar, 12);
  assert.deepEqual(segment.read(10), Uint8Array.of(0, 0, 9, 9, 9, 9));
  const large = Object.defineProperty(new Uint8Array(8), "length", { value: 4 });
  assert.throws(() => segment.write(large, 12), /write.*8 bytes/);
});

for (const size of [2 ** 31 + 4096, 2 ** 32 + 4096, 5 * 2 ** 32 + 3]) {
  Deno.test(`Segment: ${size} bytes work to the last byte`, () => {
    using segment = Segment.create({ size, noReserve: true });
    segment.remove();
    assert.equal(segment.stat().size, size);
    segment.write(new Uint8Array([1, 2, 3]), size - 3);
    assert.deepEqual([...segment.read(size - 4)], [0, 1, 2, 3]);
    assert.equal(segment.bytes[size - 1], 3);
    const layout = struct({ last: u8 });
    assert.equal(segment.view(layout, size - 1).last, 3);
    assert.throws(() => segment.write(new Uint8Array(1), size), RangeError);
    const { bytes } = segment;
    segment.detach();
    assert.equal(bytes.length, 0);
  });
}

Deno.test("Segment.attach: an id without a segment, and a segment marked for removal", () => {
  assert.throws(() => Segment.attach(0x7ffffff0), failsWith("EINVAL", /id 2147483632.*ipcs -m/));
  using marked = scratch(1);
  using other = Segment.attach(marked.id);
  assert.equal(other.stat().markedForRemoval, true);
  assert.equal(other.key, 0);
});

Deno.test("Segment.detach: every view is empty, and every method throws EDETACHED", () => {
  const segment = scratch(64);
  const { buffer, bytes } = segment;
  const words = new Int32Array(buffer, 0, 4);
  const data = new DataView(buffer);
  const view = segment.view(struct({ a: i32 }));
  segment.detach();
  segment.detach();
  assert.deepEqual([segment.attached, bytes.length, bytes[0], words.length], [
    false,
    0,
    undefined,
    0,
  ]);
  bytes[0] = 1; // nothing there to write to, and no crash
  assert.throws(() => Atomics.load(words, 0));
  assert.throws(() => data.getInt8(0), TypeError);
  assert.throws(() => view.a, TypeError);
  assert.throws(() => view.a = 1, TypeError);
  const uses: (() => unknown)[] = [
    () => segment.buffer,
    () => segment.bytes,
    () => segment.pointer,
    () => segment.read(),
    () => segment.write(new Uint8Array(1)),
    () => segment.view(struct({ a: i32 })),
    () => segment.stat(),
    () => segment.setPermissions({ mode: 0o600 }),
    () => segment.lockMemory(),
    () => segment.unlockMemory(),
    () => segment.address,
  ];
  for (const use of uses) {
    assert.throws(use, (error) => {
      failsWith("EDETACHED", /detached; attach it again/)(error);
      assert.equal((error as ShmError).errno, 0);
      return true;
    });
  }
});

Deno.test("Segment.detach: the end of a using block detaches", () => {
  let kept: Segment;
  {
    using segment = Segment.create({ size: 1 });
    kept = segment;
    assert.equal(statSegment(segment.id).nattch, 1);
  }
  assert.equal(statSegment(kept.id).nattch, 0);
  kept.remove();
});

Deno.test("Segment.remove: again, after detach, after another process; the memory stays until detach", () => {
  const key = freshKey();
  const segment = Segment.create({ key, size: 8 });
  segment.remove();
  segment.remove();
  assert.equal(segment.stat().markedForRemoval, true);
  segment.bytes[0] = 5;
  using successor = Segment.create({ key, size: 8 });
  assert.notEqual(successor.id, segment.id);
  assert.equal(successor.bytes[0], 0);
  using twin = Segment.attach(successor.id);
  successor.remove();
  twin.remove();
  segment.detach();
  segment.remove();
  assert.throws(() => statSegment(segment.id), failsWith("EINVAL", /no segment has this id/));
  const gone = Segment.create({ size: 8 });
  gone.detach();
  gone.remove();
  gone.remove();
});

Deno.test("Segment: a read-only attach reads, and hands out nothing writable", () => {
  using owner = scratch(64);
  using reader = Segment.attach(owner.id, { readOnly: true });
  owner.write(new Uint8Array([7]), 3);
  assert.equal(reader.readOnly, true);
  assert.equal(reader.read(3, 1)[0], 7);
  const layout = struct({ a: i32, b: i32 });
  const view = reader.view(layout);
  assert.equal(view.a, 7 << 24);
  owner.view(layout).b = 5;
  assert.equal(view.b, 5);
  // @ts-expect-error it is read-only
  assert.throws(() => view.a = 1, TypeError);
  assert.notEqual(reader.address, owner.address);
  for (const use of [() => reader.buffer, () => reader.bytes, () => reader.pointer]) {
    assert.throws(use, failsWith("EREADONLY", /read\(\) and view\(\)/));
  }
  assert.throws(() => reader.write(new Uint8Array(1)), failsWith("EREADONLY", /write/));
  reader.detach();
  assert.throws(() => view.a, TypeError);
  assert.throws(() => reader.read(), failsWith("EDETACHED", /read/));
});

Deno.test("memoryOf: the words of a read-only attach, empty after detach", () => {
  using owner = scratch(64);
  using reader = Segment.attach(owner.id, { readOnly: true });
  const { buffer, pointer } = memoryOf(reader, "look");
  owner.write(Uint8Array.of(7), 3);
  const word = new Int32Array(buffer, 0, 1);
  assert.equal(word[0], 7 << 24);
  assert.equal(Deno.UnsafePointer.value(pointer), reader.address);
  reader.detach();
  assert.equal(word.length, 0);
  assert.throws(() => memoryOf(reader, "look"), failsWith("EDETACHED", /cannot look/));
});

Deno.test("Segment.view: a read-only attach gives its memory only to layouts of the library", () => {
  using owner = scratch(64);
  using reader = Segment.attach(owner.id, { readOnly: true });
  const AtomicInt32 = struct({ a: i32 });
  const mine: Viewable<Uint8Array> = {
    size: 4,
    view: (memory, offset) => new Uint8Array(memory, offset, 4),
  };
  const inherited: typeof mine = Object.create(AtomicInt32, { view: { value: mine.view } });
  for (const layout of [mine, { ...AtomicInt32, ...mine }, inherited]) {
    assert.throws(() => reader.view(layout), {
      name: "TypeError",
      message: /struct\(\).*read\(\)/,
    });
    assert.equal(owner.view(layout).length, 4);
  }
  assert.equal(reader.view(AtomicInt32).a, 0);
});

Deno.test("Segment.text: a copy up to the first NUL, or the whole", () => {
  using segment = scratch(16);
  using reader = Segment.attach(segment.id, { readOnly: true });
  segment.write(new TextEncoder().encode("\ufeffZoë\0rest"), 2);
  segment.write(Uint8Array.of(0xff, 0x61), 14);
  for (const each of [segment, reader]) {
    assert.deepEqual(
      [each.text(2), each.text(0), each.text(2, 4), each.text(14), each.text(16)],
      ["\ufeffZoë", "", "\ufeffZ", "\ufffda", ""],
    );
    for (const [offset, length] of [[17], [0, 17], [-1], [0.5]]) {
      assert.throws(() => each.text(offset, length), RangeError);
    }
  }
  segment.detach();
  assert.throws(() => segment.text(), failsWith("EDETACHED", /attach it again/));
});

Deno.test("Segment.create and openOrCreate: readOnly is not an option", () => {
  const key = freshKey();
  const more = { readOnly: true }; // spread so that no compiler sees it
  const refused = { name: "TypeError", message: /^"options" takes key, size, .*, got "readOnly"$/ };
  assert.throws(() => Segment.create({ key, size: 1, ...more }), refused);
  assert.throws(() => Segment.openOrCreate({ key, size: 1, ...more }), refused);
  assert.throws(() => Segment.open(key), { code: "ENOENT" });
});

Deno.test("Segment.setPermissions: changes mode and owner, and nothing that was left out", () => {
  using segment = scratch(1);
  segment.setPermissions({ mode: 0o640 });
  assert.equal(segment.stat().mode, 0o640);
  segment.setPermissions({});
  assert.equal(segment.stat().mode, 0o640);
  for (const change of [{ mode: 0o1000 }, { uid: -1 }, { gid: 0xffffffff }, { uid: 1.5 }]) {
    assert.throws(() => segment.setPermissions(change), RangeError);
    // Before any call: whether the segment exists is not known yet
    assert.throws(() => setSegmentPermissions(0x7ffffff0, change), RangeError);
  }
  const before = segment.stat();
  setSegmentPermissions(segment.id, { mode: 0o604, uid: before.uid });
  assert.deepEqual({ ...segment.stat(), ctime: null }, { ...before, mode: 0o604, ctime: null });
});

testWith(
  { root: true },
  "Segment.open and attach: the segment of another user is refused without trust",
  () => {
    const key = freshKey();
    using segment = Segment.create({ key, size: 100 });
    try {
      segment.setPermissions({ uid: 65534 });
      assert.equal(segment.stat().uid, 65534);
      const refused = failsWith("EUNTRUSTED", /uid 65534 created or owns it.*trust: true/);
      assert.throws(() => Segment.open(key), refused);
      assert.throws(() => Segment.attach(segment.id), refused);
      assert.throws(() => Segment.openOrCreate({ key, size: 100 }), refused);
      assert.equal(segment.stat().nattch, 1, "the refused ones were detached");
      using trusted = Segment.open(key, { trust: true });
      assert.equal(trusted.id, segment.id);
    } finally {
      segment.remove();
    }
  },
);

Deno.test("Segment.othersMayWrite: true if others may write, unless this process created it", () => {
  const key = freshKey();
  using made = Segment.create({ key, size: 1, mode: 0o666 });
  try {
    using found = Segment.open(key);
    assert.deepEqual([made.othersMayWrite, found.othersMayWrite], [false, true]);
    made.setPermissions({ mode: 0o644 });
    using safe = Segment.open(key);
    assert.equal(safe.othersMayWrite, false);
  } finally {
    made.remove();
  }
});

testWith(
  { tools: ["deno"] },
  "Segment: a dropped segment is detached, unless its buffer is in use or was transferred",
  async () => {
    await using peer = Peer.typescript(
      `import { Segment } from "@sysv/shm";
      const owner = Segment.create({ size: 4096 });
      owner.remove();
      let seen, moved;
      (() => {
        for (let i = 0; i < 50; i++) Segment.attach(owner.id).bytes[0] = i;
        seen = Segment.attach(owner.id).bytes;
        moved = Segment.attach(owner.id).buffer.transfer();
      })();
      const before = owner.stat().nattch;
      while (owner.stat().nattch > 3) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      for (let i = 0; i < 5; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      seen[1] = 7;
      new Uint8Array(moved)[2] = 1;
      console.log(before, owner.stat().nattch, owner.bytes[1], owner.bytes[2]);`,
      "--v8-flags=--expose-gc",
    );
    const { stdout, stderr, code } = await peer.ended();
    // 53: the owner, fifty dropped, one still seen, one transferred; 3: without those dropped
    assert.deepEqual([stdout, stderr, code], ["53 3 7 1\n", "", 0]);
  },
);

testWith(
  { tools: ["deno"] },
  "Segment.view: a view of a read-only attach that was dropped still reads the memory",
  async () => {
    await using peer = Peer.typescript(
      `import { i32, Segment, struct } from "@sysv/shm";
      const owner = Segment.create({ size: 2 ** 24 });
      owner.remove();
      const Fields = struct({ a: i32 });
      const view = (() => Segment.attach(owner.id, { readOnly: true }).view(Fields))();
      for (let i = 0; i < 5; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      owner.view(Fields).a = 7;
      console.log(owner.stat().nattch, view.a);`,
      "--v8-flags=--expose-gc",
    );
    const { stdout, stderr, code } = await peer.ended();
    assert.deepEqual([stdout, stderr, code], ["2 7\n", "", 0]);
  },
);

testWith(
  { tools: ["deno"] },
  "Segment.detach: the finalizer leaves an address alone that another attach has now",
  async () => {
    await using peer = Peer.typescript(
      `import { Segment } from "@sysv/shm";
    const owner = Segment.create({ size: 4096 });
    owner.remove();
    const first = (() => {
      const segment = Segment.attach(owner.id);
      const at = segment.address;
      segment.detach();
      return at;
    })();
    const heirs = Array.from({ length: 8 }, () => Segment.attach(owner.id));
    for (let i = 0; i < 20; i++) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    owner.bytes[0] = 5;
    console.log(heirs.some((heir) => heir.address === first), owner.stat().nattch);
    console.log(heirs.every((heir) => heir.bytes[0] === 5));`,
      "--v8-flags=--expose-gc",
    );
    const { stdout, stderr } = await peer.ended();
    // true: the test is about an address used again, so it must have been
    assert.deepEqual([stdout, stderr], ["true 9\ntrue\n", ""]);
  },
);

Deno.test("Segment.detach: a buffer that was transferred is cut off from the segment, not unmapped", () => {
  using owner = scratch(4096);
  const other = Segment.attach(owner.id);
  const moved = new Uint8Array(other.buffer.transfer());
  moved[0] = 1;
  assert.equal(owner.bytes[0], 1);
  other.detach();
  assert.equal(owner.stat().nattch, 1);
  moved[0] = 2; // zero pages of nobody's
  assert.deepEqual([moved[0], owner.bytes[0]], [2, 1]);
});

testWith(
  { tools: ["deno", "gcc"], files: true },
  "Segment.openOrCreate and create: never fail while another process removes the segment all the time",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const source = folder.file(
      "remover.c",
      `#include <stdio.h>
       #include <sys/shm.h>
       int main(void) {
         puts("removing");
         fflush(stdout);
         for (;;) shmctl(shmget(${key}, 0, 0), IPC_RMID, NULL);
       }`,
    );
    await using remover = Peer.start(folder.compile("gcc", "remover", ["-O1", source]));
    assert.equal(await remover.line(), "removing");
    for (let i = 0; i < 3000; i++) {
      using segment = Segment.openOrCreate({ key, size: 100 });
      using created = Segment.create({ size: 1 });
      created.remove();
      assert.equal(segment.size, 100);
      segment.remove();
    }
  },
);

Deno.test("Segment: a hundred segments at once have a memory each", () => {
  const segments = Array.from({ length: 100 }, (_, i) => {
    const segment = scratch(16);
    segment.bytes[0] = i;
    return segment;
  });
  assert.equal(new Set(segments.map(({ id }) => id)).size, 100);
  assert.deepEqual(segments.map(({ bytes }) => bytes[0]), segments.map((_, i) => i));
  for (const segment of segments) segment.detach();
  const ids = new Set(segments.map(({ id }) => id));
  assert.equal(listSegments().some(({ id }) => ids.has(id)), false);
});
