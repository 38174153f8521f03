/** Objects with a header: a small protocol, joined and opened read-only, and everything that refuses it. */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import {
  Channel,
  f32,
  f64,
  i32,
  removeSegment,
  Segment,
  SemaphoreSet,
  statSegment,
  struct,
} from "../../mod.ts";
import type { AnyStructLayout } from "../../src/layout/layout.ts";
import { messageType } from "../../src/layout/message_type.ts";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { HeadedObject, type HeadedOptions } from "../../src/sync/headed_object.ts";
import { listHeaded, statHeaded } from "../../src/sync/headed_stat.ts";
import { MAGIC, OBJECT_HEADER } from "../../src/sync/header_layout.ts";
import type { Protocol } from "../../src/sync/object_header.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { asNobody } from "../support/other_user.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

/** A box has `slots` of `size` bytes behind its header, and a semaphore for each. */
interface Shape {
  readonly slots: number;
  readonly size: number;
}

const BOX: Protocol<Shape> = {
  name: "box",
  creator: "Box.openOrCreate",
  cHeader: "c/shm_box.h",
  magic: 0x424d4853,
  version: 3,
  structs: { HEADER: OBJECT_HEADER },
  newShape: ({ slots = 2, size = 64 }, semaphores) => ({
    slots: semaphores === undefined ? slots : semaphores - 3,
    size,
  }),
  segmentSize: ({ slots, size }) => OBJECT_HEADER.size + slots * size,
  semaphoreCount: ({ slots }) => slots + 3,
  unfit({ size, semaphores }): string | undefined {
    if (semaphores !== undefined && semaphores < 4) return `no box has ${semaphores} semaphores`;
    if (size !== undefined && (size <= 128 || size % 64 !== 0)) return `no box has ${size} bytes`;
    return undefined;
  },
  toWords: ({ slots, size }) => [slots, size, 0],
  fromWords([slots = 0, size = 0], facts, contradicts): Shape {
    if (slots !== facts.semaphores - 3) throw contradicts("slots", slots, "another number");
    return { slots, size };
  },
};

const NOT_LONG = 20;
const CREATE = { mode: 0o600, persistent: false };

type Given = Partial<HeadedOptions<Shape>> & { readonly key: number };

/** Creates or joins a box. */
function box(given: Given): HeadedObject<Shape> {
  return new HeadedObject(BOX, { wanted: {}, create: CREATE, trust: false, ...given });
}

/** Opens a box read-only. */
function look(given: Given): HeadedObject<Shape> {
  return new HeadedObject(BOX, { wanted: {}, readOnly: true, trust: false, ...given });
}

const Point = struct({ id: i32, x: f64 });
const Other = struct({ id: i32, x: f32 });

function isGone(key: number): boolean {
  return findSegment(key) === undefined && findSemaphoreSet(key) === undefined;
}

Deno.test("HeadedObject: creates, joins and leaves; the last member removes the object", () => {
  const key = freshKey();
  const first = box({ key, wanted: { slots: 3 } });
  assert.deepEqual([first.created, first.readOnly, first.shape], [true, false, {
    slots: 3,
    size: 64,
  }]);
  assert.deepEqual(first.set.values(), [0, 0, 0, 0, 1, 1]);
  const second = new HeadedObject(BOX, { key, wanted: {}, trust: false });
  assert.deepEqual([second.created, second.shape], [false, first.shape]);
  second.checkPresent();
  assert.equal(first.leave(), "in use");
  assert.throws(() => first.checkPresent(), {
    code: "EDETACHED",
    message: /use the box.*it was closed/,
  });
  assert.equal(second.leave(), "removed");
  assert(isGone(key));
  const kept = box({ key, create: { mode: 0o600, persistent: true } });
  kept.segment.remove();
  kept.set.remove();
  assert.throws(() => kept.checkPresent(), { code: "EIDRM", message: /go on using the box/ });
  kept.leave();
});

Deno.test("HeadedObject: a persistent one is kept", () => {
  const key = freshKey();
  assert.equal(box({ key, create: { mode: 0o600, persistent: true } }).leave(), "kept");
  const again = box({ key });
  assert.deepEqual([again.created, again.leave()], [false, "kept"]);
  removeSegment(findSegment(key)!);
  SemaphoreSet.open(key).remove();
});

Deno.test("HeadedObject: what is missing is named, with the function that creates it", () => {
  const message = /open the box.*no program has created it.*or use Box.openOrCreate$/;
  const key = freshKey();
  assert.throws(() => new HeadedObject(BOX, { key, wanted: {}, trust: false }), {
    code: "ENOENT",
    message,
  });
  assert.throws(() => look({ key }), { code: "ENOENT", message });
  for (const open of [box, look]) {
    assert.throws(() => open({ key: 0 }), { name: "RangeError", message: /a box needs a key/ });
  }
});

Deno.test("HeadedObject: a word of the header that differs is named", () => {
  const key = freshKey();
  const first = box({ key });
  const { segment } = first;
  for (
    const [word, value, message] of [
      ["magic", 0x53484d42, /its first word is 0x53484d42, not 0x424d4853; choose another key/],
      ["magic", 0x53484d4c, /the byte order differs: big-endian there/],
      ["magic", MAGIC.LATEST, /this key belongs to a Latest, not to a box; choose another key/],
      ["magic", MAGIC.TOPIC, /this key belongs to a Topic, not to a box; choose another key/],
      ["version", 1, /version differs: 1 there, 3 here; use the same release.*c\/shm_box.h/],
      ["layout_hash", 1, /layout_hash differs: 0x00000001 there/],
      ["segment_size", 1, /segment_size differs: 1 there, a segment of 256 bytes here/],
      ["shape", 1, /slots differs: 1 there, another number here; its header was overwritten/],
    ] as const
  ) {
    const { offset } = OBJECT_HEADER.fields[word];
    const sound = segment.read(offset, 4);
    segment.write(Uint32Array.of(value), offset);
    for (const open of [box, look]) {
      assert.throws(() => open({ key }), { code: "EFORMAT", message }, word);
    }
    segment.write(sound, offset);
  }
  for (const open of [box, look]) {
    assert.throws(() => open({ key, wanted: { size: 32 } }), {
      code: "EFORMAT",
      message: /size differs: 64 there, 32 requested; leave it out/,
      option: "size",
    });
  }
  assert.equal(first.leave(), "removed");
});

Deno.test("HeadedObject: another struct is refused, and its first field that differs is named", () => {
  const key = freshKey();
  const refused = (layout: AnyStructLayout, message: RegExp): void => {
    for (const open of [box, look]) {
      assert.throws(() => open({ key, layout }), { code: "EFORMAT", message });
    }
  };
  const typed = box({ key, layout: Point });
  const { type } = OBJECT_HEADER.read(typed.segment.buffer);
  const { hash, fields } = messageType(Point);
  assert.deepEqual(type, { hash, fields });
  refused(Other, /it holds another struct: the first field that differs is x:f32@4 here/);
  refused(struct({ id: i32 }), /it has more fields there, after id:i32@0 here/);
  for (const open of [box, look]) {
    for (const layout of [Point, struct({ id: i32, x: f64 }), undefined]) {
      open({ key, layout }).leave();
    }
  }
  assert.equal(typed.leave(), "removed");
  const untyped = box({ key });
  assert.equal(OBJECT_HEADER.read(untyped.segment.buffer).type.hash, 0);
  for (const open of [box, look]) open({ key, layout: Point }).leave();
  assert.equal(untyped.leave(), "removed");
});

Deno.test("HeadedObject: the key of a channel is named as such, also by its size or its set", () => {
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 64 });
  const narrow: Protocol<Shape> = {
    ...BOX,
    unfit: (facts) => facts.size === undefined ? undefined : "no box is as large",
  };
  const few: Protocol<Shape> = {
    ...BOX,
    unfit: (facts) => facts.semaphores === undefined ? undefined : "no box has as many semaphores",
  };
  for (const protocol of [BOX, narrow, few]) {
    for (const readOnly of [false, true]) {
      assert.throws(
        () => new HeadedObject(protocol, { key: channel.key, wanted: {}, readOnly, trust: false }),
        {
          code: "EFORMAT",
          message: /this key belongs to a channel, not to a box; choose another key/,
        },
      );
    }
  }
  assert.equal(channel.stats().users, 1);
  using segment = Segment.create({ key: freshKey(), size: 100 });
  assert.throws(() => box({ key: segment.key }), {
    code: "EFORMAT",
    message: /no box has 100 bytes/,
  });
  segment.remove();
});

Deno.test("HeadedObject: a read-only one is not counted, keeps its memory, and keeps no object alive", () => {
  const key = freshKey();
  const member = box({ key });
  const set = SemaphoreSet.open(key);
  const { otime } = set.stat();
  const reader = look({ key });
  assert.deepEqual([reader.readOnly, reader.created, reader.shape], [true, false, member.shape]);
  assert.deepEqual([reader.segment.readOnly, set.values()], [true, [0, 0, 0, 1, 1]]);
  assert.deepEqual(set.stat().otime, otime);
  reader.checkPresent();
  member.segment.write(Uint8Array.of(7), 200);
  assert.equal(member.leave(), "removed");
  assert(isGone(key));
  assert.equal(reader.segment.read(200, 1)[0], 7);
  assert.throws(() => reader.checkPresent(), {
    code: "EIDRM",
    message: /go on using the box.*its last member has left, or it was removed; open it again when/,
  });
  assert.deepEqual([reader.leave(), reader.leave()], ["kept", "kept"]);
  assert.throws(() => reader.checkPresent(), { code: "EDETACHED" });
});

Deno.test("HeadedObject: a member and a reader notice that only the set was removed", () => {
  const key = freshKey();
  const member = box({ key });
  const reader = look({ key });
  member.set.remove();
  for (const one of [member, reader]) {
    assert.throws(() => one.checkPresent(), {
      code: "EIDRM",
      message: new RegExp(
        `go on using the box.*its semaphore set was removed while in use.*ipcrm -m ${one.segment.id}`,
      ),
    });
  }
  assert.equal(member.leave(), "in use");
  assert.equal(reader.leave(), "kept");
  removeSegment(findSegment(key)!);
});

Deno.test("HeadedObject: a segment without a set is not read", () => {
  using segment = Segment.create({ key: freshKey(), size: 256 });
  for (const open of [box, look]) {
    assert.throws(() => open({ key: segment.key }), {
      code: "EFORMAT",
      message: /no semaphore set has this key/,
    });
  }
  segment.remove();
});

/** Leaves what a killed creator began: any part of the header. */
async function halfMade(key: number): Promise<void> {
  await using peer = Peer.typescript(
    `import { Segment, SemaphoreSet } from "@sysv/shm";
    SemaphoreSet.create({ key: ${key}, count: 5 });
    const segment = Segment.create({ key: ${key}, size: 256 });
    segment.bytes.fill(0xaa, 4, 128);
    console.log("created");
    setInterval(() => segment.attached, 1000); // a segment that is not used may be detached`,
    "--allow-ffi",
  );
  await peer.line();
  assert.throws(() => look({ key, timeout: NOT_LONG }), {
    code: "ETIMEDOUT",
    message: /open the box.*was not initialised in time/,
  });
  peer.kill("SIGKILL");
  await peer.ended();
}

testWith(
  { tools: ["deno"] },
  "HeadedObject: what a killed creator began is completed, not read",
  async () => {
    const key = freshKey();
    await halfMade(key);
    const absent = {
      code: "ENOENT",
      message: /is not a box yet, and its creator has gone: Box.open/,
    };
    assert.throws(() => look({ key, timeout: 30_000 }), absent);
    assert.throws(() => new HeadedObject(BOX, { key, wanted: {}, trust: false }), absent);
    const member = box({ key });
    assert.equal(
      OBJECT_HEADER.read(member.segment.buffer).type.hash,
      0,
      "nothing of the first creator is left",
    );
    look({ key, layout: Point }).leave();
    assert.equal(member.leave(), "removed");
  },
);

testWith(
  { tools: ["deno"] },
  "HeadedObject: a read-only one waits for a creator that is not done",
  async () => {
    const key = freshKey();
    const set = SemaphoreSet.create({ key, count: 5 });
    const segment = Segment.create({ key, size: 256 });
    await using reader = Peer.typescript(
      `import { HeadedObject } from "${PROJECT}src/sync/headed_object.ts";
    const BOX = { name: "box", magic: 1, version: 1, structs: {}, unfit() {}, fromWords: (words) => words };
    console.log("opening");
    const { shape } = new HeadedObject(BOX, { key: ${key}, wanted: {}, readOnly: true, timeout: 30_000 });
    console.log(shape.join());`,
      "--allow-ffi",
    );
    assert.equal(await reader.line(), "opening");
    OBJECT_HEADER.write(segment.buffer, {
      magic: 0,
      version: 1,
      layout_hash: 0x811c9dc5,
      shape: [7, 8, 9],
      segment_size: 256n,
      type: { hash: 0, fields: new Array<number>(46).fill(0) },
    });
    Atomics.store(new Int32Array(segment.buffer), 0, 1);
    assert.equal(await reader.line(), "7,8,9");
    assert.deepEqual([(await reader.ended()).code, reader.printed.stderr], [0, ""]);
    segment.remove();
    segment.detach();
    set.remove();
  },
);

testWith(
  { tools: ["deno"] },
  "HeadedObject: a read-only one that waits keeps no member from initialising the object",
  async () => {
    const key = freshKey();
    SemaphoreSet.create({ key, count: 5 });
    const segment = Segment.create({ key, size: 256 });
    segment.detach();
    await using reader = Peer.typescript(
      `import { HeadedObject } from "${PROJECT}src/sync/headed_object.ts";
      import { OBJECT_HEADER } from "${PROJECT}src/sync/header_layout.ts";
      const BOX = {
        name: "box",
        magic: ${BOX.magic},
        version: ${BOX.version},
        structs: { HEADER: OBJECT_HEADER },
        unfit() {},
        fromWords: (words) => words,
      };
      const options = { key: ${key}, wanted: {}, readOnly: true, timeout: 30_000 };
      console.log(new HeadedObject(BOX, options).shape.join());`,
      "--allow-ffi",
    );
    // It has looked, and waits for the process that created the segment: this one
    while (statSegment(segment.id).lpid !== reader.pid) await delay(1);
    const member = box({ key, timeout: 30_000 });
    assert.equal(await reader.line(), "2,64,0");
    await reader.ended();
    assert.equal(member.leave(), "removed");
  },
);

testWith(
  { tools: ["deno"], root: true },
  "HeadedObject: the permission to read is enough to open it read-only",
  async () => {
    const key = freshKey();
    const member = box({ key, create: { mode: 0o644, persistent: false } });
    await using reader = asNobody(`
      import { HeadedObject } from "${PROJECT}src/sync/headed_object.ts";
      import { OBJECT_HEADER } from "${PROJECT}src/sync/header_layout.ts";
      const BOX = {
        name: "box",
        magic: ${BOX.magic},
        version: ${BOX.version},
        structs: { HEADER: OBJECT_HEADER },
        unfit() {},
        fromWords: (words) => words,
      };
      const { shape, readOnly } = new HeadedObject(BOX, { key: ${key}, wanted: {}, readOnly: true });
      console.log(readOnly, shape.join());`);
    assert.equal(await reader.line(), "true 2,64,0");
    await reader.ended();
    assert.equal(member.leave(), "removed");
  },
);

Deno.test("statHeaded and listHeaded: the objects of one protocol, without joining", () => {
  const key = freshKey();
  const member = box({ key, layout: Point });
  const { id } = member.segment;
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 64 });
  const read = statHeaded(BOX, id, false, (segment, set, { slots }) => ({
    facts: [segment.readOnly, set.count, slots],
  }));
  assert.deepEqual([...read.facts, read.typeHash], [true, 5, 2, messageType(Point).hash]);
  assert.deepEqual([read.segment.key, read.setId], [key, member.set.id]);
  const all = listHeaded(BOX, false, () => ({})).map(({ segment }) => segment.key);
  assert.deepEqual([all.includes(key), all.includes(channel.key)], [true, false]);
  assert.throws(() => statHeaded(BOX, channel.id, false, () => ({})), { code: "EFORMAT" });
  assert.throws(() => statHeaded(BOX, -1, false, () => ({})), RangeError);
  assert.deepEqual(member.set.values(), [0, 0, 0, 1, 1]);
  assert.equal(member.leave(), "removed");
});
