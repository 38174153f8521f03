/**
 * Arriving at a channel and leaving it: the segment, the semaphore set beside it, and who removes both
 * in the end. `docs/wire_format.md` has the steps. For `channel.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { processExists } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import type { Deadline } from "../sync/deadline.ts";
import { Door } from "../sync/door.ts";
import { timedOut } from "../sync/waiting.ts";
import { checkKey, IPC_PRIVATE } from "../sysv/key.ts";
import { Segment } from "../sysv/segment.ts";
import { findSegment, type SegmentStat, tryStat } from "../sysv/segment_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { checkWanted, initialise, isReady, otherFormat, readHeader } from "./channel_header.ts";
import { LANE_CAPACITY, LANES, SEMAPHORE_AFTER_LANES } from "./descriptor.ts";
import { isEmpty } from "./lane_words.ts";
import {
  capacityFor,
  checkShape,
  lanesFor,
  segmentSize,
  semaphoreCount,
  type Shape,
} from "./shape.ts";

/**
 * What became of a channel when a peer left: `removed`; `kept` because that was asked for; `unread`
 * because messages are in it; `in use` because others are there, or might be.
 *
 * @example
 * ```ts
 * import { Channel, type ChannelDeparture } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const channel = Channel.openOrCreate({ key: 0x5eed4001, laneCapacity: 4096 });
 * const departure: ChannelDeparture = channel.close();
 * assert.equal(departure, "removed");
 * ```
 */
export type ChannelDeparture = "removed" | "kept" | "unread" | "in use";

/** How to get in. */
export interface Arrival {
  readonly key: number;
  /** What is said of it must be so; what is not said is the default when creating. */
  readonly wanted: Partial<Shape>;
  /** Permission bits of what is created; without it nothing is created. */
  readonly create?: { readonly mode: number; readonly keep: boolean };
  readonly trust: boolean;
  readonly deadline: Deadline;
}

/** How often a segment that is not ready is looked at, in milliseconds. */
const LOOK_MS = 2;

/** One process's place at a channel. */
export class Membership {
  readonly segment: Segment;
  readonly set: SemaphoreSet;
  readonly shape: Shape;
  readonly created: boolean;
  readonly #door: Door;

  private constructor(how: {
    readonly segment: Segment;
    readonly set: SemaphoreSet;
    readonly shape: Shape;
    readonly created: boolean;
    readonly door: Door;
  }) {
    this.segment = how.segment;
    this.set = how.set;
    this.shape = how.shape;
    this.created = how.created;
    this.#door = how.door;
  }

  /**
   * Takes a place. Blocks only while another peer arrives or leaves, or is about to be ready.
   *
   * @throws {ShmError} see {@linkcode Channel.openOrCreate}
   */
  static arrive(arrival: Arrival): Membership {
    if (checkKey(arrival.key) === IPC_PRIVATE) {
      throw new RangeError("a channel needs a key that others can find");
    }
    for (;;) {
      const membership = Membership.#tryArrive(arrival);
      if (membership !== undefined) return membership;
      if (arrival.deadline.passed) {
        throw timedOut("open the channel", "semop", {
          key: arrival.key,
          remedy: "somebody removes it again and again while we arrive",
        });
      }
    }
  }

  /** `undefined`: what was there when we looked was removed before we were in. */
  static #tryArrive(arrival: Arrival): Membership | undefined {
    const { key, create } = arrival;
    const set = findSet(arrival);
    if (set === undefined) return undefined;
    // A set that has the key may be anything's: nothing is done to it before the segment is known
    const stat = segmentStat(key);
    const lanes = lanesFor(set.count);
    if (lanes === undefined) {
      throw otherFormat(
        { key },
        `no channel has a set of ${set.count} semaphores; choose another key`,
      );
    }
    if (stat !== undefined) checkSize(stat, key, lanes);
    else if (create === undefined) throw noChannel(key);
    else checkLeftover(set, lanes, arrival);
    const door = Door.enter(set, doorPlace(lanes), arrival.deadline);
    if (door === undefined) return undefined;
    let entered: { readonly segment: Segment; readonly shape: Shape } | undefined;
    try {
      entered = enterSegment(arrival, set, lanes);
    } catch (error) {
      // A set that we made for nothing goes again
      if (set.created && door.alone) door.exitRemoving();
      else door.exit();
      throw error;
    }
    if (entered === undefined) {
      door.exit();
      return undefined;
    }
    const { segment, shape } = entered;
    door.open();
    return new Membership({ segment, set, shape, created: segment.created, door });
  }

  /**
   * Gives up the place; roles and lanes are released before. The last one out removes segment and set
   * if the channel is empty and nobody asked to keep it. Once.
   */
  leave(): ChannelDeparture {
    const { segment } = this;
    let inside: boolean;
    try {
      inside = this.#door.close();
    } catch (error) {
      segment.detach();
      throw error;
    }
    if (!inside) {
      segment.detach();
      return "in use";
    }
    const departure = this.#departure();
    if (departure === "removed") segment.remove();
    segment.detach();
    if (departure === "removed") this.#door.exitRemoving();
    else this.#door.exit();
    return departure;
  }

  #departure(): ChannelDeparture {
    const { segment, set, shape } = this;
    if (!this.#door.alone) return "in use";
    if (set.value(shape.lanes + SEMAPHORE_AFTER_LANES.DISPOSABLE) !== 1) return "kept";
    if (!isEmpty(segment.buffer, shape)) return "unread";
    return segment.stat().nattch > 1 ? "in use" : "removed";
  }
}

function doorPlace(lanes: number): { door: number; users: number; what: string } {
  return {
    door: lanes + SEMAPHORE_AFTER_LANES.LOCK,
    users: lanes + SEMAPHORE_AFTER_LANES.USERS,
    what: "channel",
  };
}

/** The set under the key, made if there is none. `undefined`: it came or went while we looked. */
function findSet({ key, wanted, create, trust }: Arrival): SemaphoreSet | undefined {
  const open = (): SemaphoreSet | undefined =>
    unlessMissing(ERRNO.ENOENT, () => SemaphoreSet.open(key, { trust }));
  const found = open();
  if (found !== undefined) return found;
  // A channel's set is there before its segment, and goes after it
  const stat = segmentStat(key);
  if (stat !== undefined) {
    const late = open();
    if (late === undefined && segmentStat(key)?.id === stat.id) {
      throw otherFormat(
        { key, id: stat.id },
        "it is not a channel: no semaphore set stands beside the segment. It is another program's, " +
          "or somebody removed the set (`ipcrm -s`): choose another key, or remove it (`rm`)",
      );
    }
    return late;
  }
  if (create === undefined) throw noChannel(key);
  const count = semaphoreCount(wanted.lanes ?? LANES.USUAL);
  return unlessMissing(
    ERRNO.EEXIST,
    () => SemaphoreSet.create({ key, count, mode: create.mode }),
  );
}

/** What `action` gives, or `undefined` if it fails with `errno`: others come and go meanwhile. */
function unlessMissing<Result>(errno: number, action: () => Result): Result | undefined {
  try {
    return action();
  } catch (error) {
    if (error instanceof ShmError && error.errno === errno) return undefined;
    throw error;
  }
}

function segmentStat(key: number): SegmentStat | undefined {
  const id = findSegment(key);
  if (id === undefined) return undefined;
  const stat = tryStat(id);
  return typeof stat === "number" ? undefined : stat;
}

/** Looks at a segment by the kernel's facts alone. */
function checkSize({ id, size }: SegmentStat, key: number, lanes: number): void {
  if (capacityFor(lanes, size) !== undefined) return;
  throw otherFormat(
    { key, id },
    `it is not a channel: ${size} bytes are no size for ${lanes} lanes, as the set beside it has; ` +
      "choose another key",
  );
}

/** Looks at a set without a segment: somebody is about to create it, or was killed before that. */
function checkLeftover(set: SemaphoreSet, lanes: number, { key, wanted }: Arrival): void {
  if (wanted.lanes === undefined || wanted.lanes === lanes) return;
  throw otherFormat(
    { key },
    `lanes differs: the semaphore set ${set.id} is for ${lanes}, ${wanted.lanes} asked for; ` +
      "leave it out, or remove the set (`ipcrm -s`) if nobody uses it",
  );
}

/** The segment and its shape, with the door held. `undefined`: it came or went while we looked. */
function enterSegment(
  arrival: Arrival,
  set: SemaphoreSet,
  lanes: number,
): { readonly segment: Segment; readonly shape: Shape } | undefined {
  const { key, wanted, create, trust } = arrival;
  const stat = segmentStat(key);
  const coming: Shape = checkShape({
    lanes,
    laneCapacity: wanted.laneCapacity ?? LANE_CAPACITY.USUAL,
    messageSize: wanted.messageSize ?? 0,
  });
  if (stat === undefined) {
    if (create === undefined) throw noChannel(key);
    const size = segmentSize(coming);
    const segment = unlessMissing(
      ERRNO.EEXIST,
      () => Segment.create({ key, size, mode: create.mode }),
    );
    if (segment === undefined) return undefined;
    settingUp(segment, () => begin(segment, set, coming, create.keep));
    return { segment, shape: coming };
  }
  checkSize(stat, key, lanes);
  const segment = unlessMissing(ERRNO.ENOENT, () => Segment.open(key, { trust }));
  if (segment === undefined) return undefined;
  return settingUp(segment, () => {
    const place = { key, id: segment.id, size: segment.size, semaphores: set.count };
    checkSize(segment.stat(), key, lanes);
    // Nobody who knows the door is at it: we hold the door
    const ours = create !== undefined && segment.size === segmentSize(coming);
    if (!awaitReady(segment, stat.cpid, ours, arrival)) begin(segment, set, coming, create!.keep);
    const shape = readHeader(segment.buffer, place);
    checkWanted(shape, wanted, place);
    return { segment, shape };
  });
}

function begin(segment: Segment, set: SemaphoreSet, shape: Shape, keep: boolean): void {
  set.setValue(shape.lanes + SEMAPHORE_AFTER_LANES.DISPOSABLE, keep ? 0 : 1);
  initialise(segment.buffer, shape);
}

/** Does `action`; if that fails we are not attached any more, and what we created is gone again. */
function settingUp<Result>(segment: Segment, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (segment.created) segment.remove();
    segment.detach();
    throw error;
  }
}

/**
 * Waits for a creator that does not know the door, and says whether it made the segment a channel.
 * `ours`: if not, that is for us to do, should nobody be left who would.
 */
function awaitReady(
  segment: Segment,
  cpid: number,
  ours: boolean,
  { key, deadline }: Arrival,
): boolean {
  const clock = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  while (!isReady(segment.buffer)) {
    // A creator that is dead and not yet reaped exists, but is not attached
    if (ours && (!processExists(cpid) || segment.stat().nattch <= 1)) return false;
    if (deadline.passed) {
      throw timedOut("open the channel", "shmat", {
        key,
        id: segment.id,
        remedy: `the segment was not initialised in time: process ${cpid} created it and ` +
          (processExists(cpid) ? "has not made it a channel" : "is gone") +
          "; choose another key, or remove it (`rm`)",
      });
    }
    Atomics.wait(clock, 0, 0, LOOK_MS);
  }
  return true;
}

function noChannel(key: number): ShmError {
  return new ShmError("open the channel", "shmget", ERRNO.ENOENT, {
    key,
    remedy: "nobody has created it (or it was removed): start the program that does, or use " +
      "Channel.openOrCreate",
  });
}
