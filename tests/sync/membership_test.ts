/** Membership: peers join and leave one at a time, are counted, and leave nothing locked. */

import assert from "node:assert/strict";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { Segment, SemaphoreSet, ShmError } from "../../mod.ts";
import { type LeaveResult, Membership, type SharedObject } from "../../src/sync/membership.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

const SIZE = 64;
const [LOCK, USERS, DISPOSABLE, ROLE] = [0, 1, 2, 3];
const COUNT = 4;

type Fate = Exclude<LeaveResult, "not ours">;

/** Something to join. */
class Room implements SharedObject<Segment> {
  readonly name = "room";
  readonly trust = false;
  readonly semaphores = COUNT;
  readonly create = { mode: 0o600, semaphores: COUNT };
  readonly key: number;
  readonly standsAlone: boolean;
  /** What goes wrong with the entry lock held. */
  failure: Error | undefined;

  constructor(key: number, standsAlone = false) {
    this.key = key;
    this.standsAlone = standsAlone;
  }

  fits({ size, id }: { readonly size: number; readonly id: number }): boolean {
    if (size === SIZE) return true;
    throw this.foreign(`${size} bytes`, id);
  }

  entry(): { lock: number; users: number; disposable: number } {
    return { lock: LOCK!, users: USERS!, disposable: DISPOSABLE! };
  }

  size(): number {
    return SIZE;
  }

  enter(segment: Segment, membership: Membership): Segment {
    if (segment.created) membership.disposable = true;
    if (this.failure !== undefined) throw this.failure;
    return segment;
  }

  foreign(what: string, id?: number): ShmError {
    return new ShmError("open the room", undefined, "EFORMAT", { key: this.key, id, remedy: what });
  }

  join(timeout = 30_000): { leave(fate?: Fate | (() => Fate)): LeaveResult; segment: Segment } {
    const { membership, inside: segment } = Membership.join<Segment>(this, timeout);
    return {
      segment,
      leave: (fate) =>
        membership.leave(segment, (alone) => {
          if (typeof fate === "function") return fate();
          return fate ?? (alone ? "removed" : "in use");
        }),
    };
  }

  /** What is at its key. */
  get values(): number[] {
    return SemaphoreSet.open(this.key).values();
  }

  get isGone(): boolean {
    return findSegment(this.key) === undefined && findSemaphoreSet(this.key) === undefined;
  }
}

Deno.test("Membership.join creates, is counted and leaves the lock free; the last one removes", () => {
  const room = new Room(freshKey());
  const first = room.join();
  assert.deepEqual([first.segment.created, room.values], [true, [0, 1, 1, 0]]);
  const second = room.join();
  assert.deepEqual([second.segment.created, room.values], [false, [0, 2, 1, 0]]);
  assert.equal(first.leave(), "in use");
  assert.equal(first.leave(), "in use", "twice is once");
  assert.deepEqual([first.segment.attached, room.values], [false, [0, 1, 1, 0]]);
  assert.equal(second.leave(), "removed");
  assert(room.isGone);
});

Deno.test("Membership.join fails on a held lock with its holder's name, after the time asked for", () => {
  const room = new Room(freshKey());
  const member = room.join();
  const set = SemaphoreSet.open(room.key);
  set.setValue(LOCK!, 1);
  assert.throws(() => room.join(5), {
    code: "ETIMEDOUT",
    message: /join the room.*process \d+ has been joining or leaving for too long/,
  });
  assert.throws(() => room.join(0), { code: "ETIMEDOUT" });
  assert.throws(() => room.join(-1), RangeError);
  assert.deepEqual(room.values, [1, 1, 1, 0]);
  set.setValue(LOCK!, 0);
  member.leave();
});

Deno.test("Membership.leave without the lock counts down, detaches and removes nothing", () => {
  const room = new Room(freshKey());
  const member = room.join(1);
  const set = SemaphoreSet.open(room.key);
  set.setValue(LOCK!, 1);
  assert.equal(member.leave("removed"), "in use");
  assert.deepEqual([member.segment.attached, room.values], [false, [1, 0, 1, 0]]);
  member.segment.remove();
  set.remove();
});

Deno.test("Membership.leave lets go of the lock and detaches whatever is thrown", () => {
  const room = new Room(freshKey());
  const member = room.join();
  const other = room.join();
  assert.throws(() =>
    member.leave(() => {
      throw new TypeError("as it comes");
    }), { message: "as it comes" });
  assert.deepEqual([member.segment.attached, room.values], [false, [0, 1, 1, 0]]);
  other.leave();
});

Deno.test("Membership.leave lets go of the lock where values were reset", () => {
  const room = new Room(freshKey());
  const member = room.join();
  const other = room.join();
  assert.equal(
    member.leave(() => {
      SemaphoreSet.open(room.key).setValue(USERS!, 0);
      return "in use";
    }),
    "in use",
  );
  assert.deepEqual(room.values, [0, 0, 1, 0]);
  other.leave("removed");
});

Deno.test("Membership.leave passes where the set or the memory is gone", () => {
  for (const when of ["before", "meanwhile"]) {
    const room = new Room(freshKey());
    const member = room.join();
    const set = SemaphoreSet.open(room.key);
    if (when === "before") set.remove();
    assert.equal(
      member.leave(() => {
        set.remove();
        return "removed";
      }),
      "in use",
    );
    assert(!member.segment.attached);
    member.segment.remove();
  }
  const room = new Room(freshKey());
  const member = room.join();
  structuredClone(member.segment.buffer, { transfer: [member.segment.buffer] });
  assert.equal(member.leave("removed"), "in use");
  assert.deepEqual(room.values, [0, 0, 1, 0]);
  assert.equal(room.join().leave(), "removed");
});

Deno.test("Membership.join leaves nothing of what it created where it fails, and no lock held", () => {
  for (const standsAlone of [false, true]) {
    const room = new Room(freshKey(), standsAlone);
    room.failure = new Error("of all things");
    assert.throws(() => room.join(), { message: "of all things" });
    assert(room.isGone);
    room.failure = undefined;
    const member = room.join();
    room.failure = new Error("now too");
    assert.throws(() => room.join(), { message: "now too" });
    assert.deepEqual(room.values, [0, 1, 1, 0]);
    assert.equal(member.leave(), "removed");
  }
});

Deno.test("Membership.join refuses a segment before it touches the set", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: 100 });
  const set = SemaphoreSet.create({ key, count: COUNT });
  assert.throws(() => new Room(key).join(), { code: "EFORMAT", message: /100 bytes/ });
  assert.deepEqual([set.values(), set.stat().otime], [[0, 0, 0, 0], null]);
  set.remove();
  segment.remove();
});

Deno.test("Membership.join uses a set without a segment only if all its values are 0", () => {
  for (
    const values of [[0, 0, 0, 1], [0, 0, 1, 0], [2, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 9]]
  ) {
    const room = new Room(freshKey());
    const set = SemaphoreSet.create({ key: room.key, count: COUNT, values });
    assert.throws(() => room.join(), {
      code: "EFORMAT",
      message: new RegExp(`semaphore set ${set.id} has this key.*The set was not changed`),
    });
    assert.deepEqual(set.values(), values);
    set.remove();
  }
  const room = new Room(freshKey());
  SemaphoreSet.create({ key: room.key, count: COUNT });
  room.failure = new Error("not yet");
  assert.throws(() => room.join(), { message: "not yet" });
  assert.deepEqual(room.values, [0, 0, 0, 0], "it stays as it was found");
  room.failure = undefined;
  assert.equal(room.join().leave(), "removed");
  assert(room.isGone);
});

Deno.test("Membership.join waits for peers whose segment was removed, and names the set", () => {
  const room = new Room(freshKey());
  const member = room.join();
  const set = SemaphoreSet.open(room.key);
  set.setValue(ROLE!, 1);
  member.segment.remove();
  assert.throws(() => room.join(5), {
    code: "ETIMEDOUT",
    message: new RegExp(`semaphore set ${set.id} is in use and there is no segment`),
  });
  assert.deepEqual(set.values(), [0, 1, 1, 1]);
  set.setValue(ROLE!, 0);
  assert.equal(member.leave(), "removed");
  assert.equal(room.join().leave(), "removed");
});

Deno.test("Membership.join refuses a segment that stands without a set, unless it may", () => {
  const key = freshKey();
  using segment = Segment.create({ key, size: SIZE });
  assert.throws(() => new Room(key).join(), { code: "EFORMAT", message: /no semaphore set/ });
  assert.equal(findSemaphoreSet(key), undefined);
  const member = new Room(key, true).join();
  assert.equal(member.leave("kept"), "kept");
  assert.equal(findSemaphoreSet(key), undefined, "the set goes, the segment stays");
  segment.remove();
});

Deno.test("Membership.join keeps the set it created beside a segment that was created in the meantime", () => {
  const key = freshKey();
  let other: Segment | undefined;
  class Overtaken extends Room {
    override size(): number {
      other = Segment.create({ key, size: SIZE });
      return SIZE;
    }
  }
  const room = new Overtaken(key);
  const member = room.join();
  assert.deepEqual([member.segment.created, member.segment.id], [false, other?.id]);
  assert.deepEqual(room.values, [0, 1, 0, 0]);
  other?.detach();
  assert.equal(member.leave("removed"), "removed");
  assert(room.isGone);
});

Deno.test("Membership.join checks again a segment that was created while it waited for the lock", () => {
  const key = freshKey();
  const room = new Room(key).join();
  let replaced: Segment | undefined;
  class Late extends Room {
    override fits(stat: { readonly size: number; readonly id: number }): boolean {
      const fits = super.fits(stat);
      room.segment.remove();
      replaced = Segment.create({ key, size: SIZE + 1 });
      return fits;
    }
  }
  assert.throws(() => new Late(key).join(), { code: "EFORMAT", message: /65 bytes/ });
  assert.deepEqual([replaced?.stat().nattch, findSegment(key)], [1, replaced?.id]);
  replaced?.remove();
  replaced?.detach();
  assert.equal(room.leave("removed"), "removed");
  assert.equal(findSemaphoreSet(key), undefined);
});

Deno.test("Membership.join notices that peers joined in the meantime and were killed", () => {
  const key = freshKey();
  class Overtaken extends Room {
    #overtaken = false;

    override entry(): { lock: number; users: number; disposable: number } {
      if (!this.#overtaken) {
        using _other = Segment.create({ key, size: SIZE });
        SemaphoreSet.open(key).setValue(DISPOSABLE!, 1);
      }
      this.#overtaken = true;
      return super.entry();
    }
  }
  const room = new Overtaken(key);
  const member = room.join();
  assert.deepEqual([member.segment.created, room.values], [false, [0, 1, 1, 0]]);
  assert.equal(member.leave("removed"), "removed");
  assert(room.isGone);
});

Deno.test("Membership.join notices that a segment was created and removed in the meantime", () => {
  const room = new Room(freshKey());
  SemaphoreSet.create({ key: room.key, count: COUNT }).setValue(DISPOSABLE!, 1);
  const { values } = SemaphoreSet.prototype;
  let looks = 0;
  SemaphoreSet.prototype.values = function (): number[] {
    looks++;
    // A peer has joined since the first look, and the values are the same again
    if (looks === 2) this.tryOp([1, -1].map((add) => ({ semaphore: LOCK!, add })));
    if (looks === 3) this.setValue(DISPOSABLE!, 0);
    return values.call(this);
  };
  try {
    assert.equal(room.join().leave(), "removed");
  } finally {
    SemaphoreSet.prototype.values = values;
  }
  assert(room.isGone);
});

Deno.test("Membership.join needs a key that others can find", () => {
  assert.throws(() => new Room(0).join(), { message: /a room needs a key/ });
});

testWith(
  { tools: ["deno"] },
  "Membership.join continues when the holder of the lock is killed",
  async () => {
    const key = freshKey();
    await using peer = Peer.typescript(
      `import { SemaphoreSet } from "file://${PROJECT}mod.ts";
    const set = SemaphoreSet.create({ key: ${key}, count: ${COUNT} });
    set.tryOp([
      { semaphore: ${LOCK}, add: 1, undo: true },
      { semaphore: ${USERS}, add: 1, undo: true },
    ]);
    console.log("inside");
    setInterval(() => {}, 1000);`,
      "--allow-ffi",
    );
    await peer.line();
    const room = new Room(key);
    assert.throws(() => room.join(5), {
      code: "ETIMEDOUT",
      message: new RegExp(`${peer.pid} has`),
    });
    peer.kill("SIGKILL");
    await peer.ended();
    assert.equal(room.join().leave(), "removed");
  },
);
