/**
 * Joining a channel and leaving it: how it is told from another program's objects, who makes its
 * segment a channel, and what becomes of that in the end. What is the same for a mailbox is in
 * `src/sync/membership.ts`. For `channel.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { processExists } from "../../ffi/libc.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import type { Deadline } from "../sync/deadline.ts";
import {
  type EntrySemaphores,
  type LeaveResult,
  Membership,
  type SharedObject,
} from "../sync/membership.ts";
import { timedOut } from "../sync/wait_schedule.ts";
import type { Segment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { pause } from "../sysv/wait.ts";
import { checkWanted, initialise, isReady, otherFormat, readHeader } from "./channel_header.ts";
import { HEADER, LANE_CAPACITY, LANES, SEMAPHORE_AFTER_LANES } from "./descriptor.ts";
import { isEmpty } from "./lane_words.ts";
import { capacityFor, lanesFor } from "./lanes.ts";
import { segmentSize, semaphoreCount, type Shape } from "./shape.ts";

/** How to join. */
export interface JoinOptions {
  readonly key: number;
  /** What is said of it must be so; what is not said is the default when creating. */
  readonly wanted: Partial<Shape>;
  /** Permission bits of what is created; without it nothing is created. */
  readonly create?: { readonly mode: number; readonly persistent: boolean };
  readonly trust: boolean;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
}

/** How often a segment that is not ready is looked at, in milliseconds. */
const LOOK_MS = 2;

const MISSING = "nobody has created it (or it was removed): start the program that does, or use " +
  "Channel.openOrCreate";
const NOT_READY =
  "its segment is not a channel yet, and its creator has gone: Channel.openOrCreate " +
  "makes it one";

/** Where the header's fields end, which a creator that was killed may have written. */
const FIELDS_END = HEADER.fields.segment_size.offset + HEADER.fields.segment_size.size;

/** One process's membership of a channel. */
export class ChannelMembership {
  readonly segment: Segment;
  readonly set: SemaphoreSet;
  readonly shape: Shape;
  readonly created: boolean;
  readonly #membership: Membership;

  private constructor(membership: Membership, { segment, shape }: Inside) {
    this.segment = segment;
    this.set = membership.set;
    this.shape = shape;
    this.created = segment.created;
    this.#membership = membership;
  }

  /**
   * Joins. Blocks only while another peer joins or leaves, or a channel is about to be ready.
   *
   * @throws {ShmError} see {@linkcode Channel.openOrCreate}
   */
  static join(options: JoinOptions): ChannelMembership {
    const { membership, inside } = Membership.join(new ChannelObject(options), options.timeout);
    return new ChannelMembership(membership, inside);
  }

  /**
   * Leaves; roles and lanes are released before. The last one out removes segment and set if the
   * channel is empty and nobody asked to keep it. Twice is once.
   */
  leave(): LeaveResult {
    const { segment, shape } = this;
    const membership = this.#membership;
    return membership.leave(segment, (alone) => {
      if (!alone) return "in use";
      if (!membership.disposable) return "kept";
      const { markedForRemoval, nattch } = segment.stat();
      // Its messages reach no peer any more, and its set alone would keep every other one out
      if (markedForRemoval) return "removed";
      if (!isEmpty(segment.buffer, shape)) return "unread";
      return nattch > 1 ? "in use" : "removed";
    });
  }
}

/** What is found or made with the entry lock held. */
interface Inside {
  readonly segment: Segment;
  readonly shape: Shape;
}

/** A channel, to those who join. */
class ChannelObject implements SharedObject<Inside> {
  readonly name = "channel";
  readonly standsAlone = false;
  readonly key: number;
  readonly trust: boolean;
  readonly create: { readonly mode: number; readonly semaphores: number } | (() => ShmError);
  readonly #wanted: Partial<Shape>;
  readonly #persistent: boolean;

  constructor({ key, wanted, create, trust }: JoinOptions) {
    this.key = key;
    this.trust = trust;
    this.#wanted = wanted;
    this.#persistent = create?.persistent === true;
    this.create = create === undefined
      ? () => this.#absent(MISSING)
      : { mode: create.mode, semaphores: semaphoreCount(wanted.lanes ?? LANES.DEFAULT) };
  }

  fits({ id, size }: SegmentStat): boolean {
    for (let lanes: number = LANES.MIN; lanes <= LANES.MAX; lanes++) {
      if (capacityFor(lanes, size) !== undefined) return true;
    }
    throw this.foreign(
      `it is not a channel: ${size} bytes are no size for any number of lanes; choose another key`,
      id,
    );
  }

  entry(set: SemaphoreSet, segment: SegmentStat | undefined): EntrySemaphores {
    const lanes = lanesFor(set.count);
    if (lanes === undefined) {
      throw this.foreign(`no channel has a set of ${set.count} semaphores; choose another key`);
    }
    if (segment === undefined) this.#checkLeftover(set, lanes);
    else if (capacityFor(lanes, segment.size) === undefined) {
      throw this.foreign(
        `it is not a channel: ${segment.size} bytes are no size for ${lanes} lanes, as the set ` +
          "beside it has; choose another key",
        segment.id,
      );
    }
    const { LOCK, USERS, DISPOSABLE } = SEMAPHORE_AFTER_LANES;
    return { lock: lanes + LOCK, users: lanes + USERS, disposable: lanes + DISPOSABLE };
  }

  /** Looks at a set without a segment: somebody is about to create it, or was killed before that. */
  #checkLeftover(set: SemaphoreSet, lanes: number): void {
    const { lanes: wanted = lanes } = this.#wanted;
    if (wanted === lanes) return;
    throw this.foreign(
      `lanes differs: the semaphore set ${set.id} is for ${lanes}, ${wanted} asked for; ` +
        "leave it out, or remove the set (`ipcrm -s`) if nobody uses it",
    );
  }

  size(set: SemaphoreSet): number {
    return segmentSize(this.#shape(lanesFor(set.count)!));
  }

  /** The shape of what we would create beside a set for `lanes`. */
  #shape(lanes: number): Shape {
    const { laneCapacity = LANE_CAPACITY.DEFAULT, messageSize = 0 } = this.#wanted;
    return { lanes, laneCapacity, messageSize };
  }

  enter(segment: Segment, membership: Membership, deadline: Deadline): Inside | undefined {
    const { key } = this;
    const { count } = membership.set;
    const place = { key, id: segment.id, size: segment.size, semaphores: count };
    const coming = this.#shape(lanesFor(count)!);
    const state = segment.created ? "blank" : this.#await(segment, membership, coming, deadline);
    if (state === "other") {
      // Of its creator nothing is left but its shape, which nobody asks for
      membership.dissolve(segment);
      return undefined;
    }
    if (state === "blank") {
      membership.disposable = !this.#persistent;
      initialise(segment.buffer, coming);
    }
    const shape = readHeader(segment.buffer, place);
    checkWanted(shape, this.#wanted, place);
    return { segment, shape };
  }

  /**
   * Waits until somebody has made the segment a channel, who does not know the entry lock, for we hold
   * it. Ends if nobody will: `blank` is ours to make a channel, `other` is one we would not have made.
   */
  #await(
    segment: Segment,
    membership: Membership,
    coming: Shape,
    deadline: Deadline,
  ): "ready" | "blank" | "other" {
    while (!isReady(segment.buffer)) {
      const { cpid, nattch } = segment.stat();
      // One that is dead and not yet reaped exists, but is not attached
      if (nattch <= 1) {
        if (typeof this.create === "function") throw this.#absent(NOT_READY, segment.id);
        if (isBlank(segment.buffer)) {
          if (segment.size === segmentSize(coming)) return "blank";
          // A pid of 0 is in another pid namespace: nobody knows
          if (cpid !== 0 && !processExists(cpid) && membership.idle) return "other";
        }
      }
      if (deadline.passed) {
        throw timedOut("open the channel", "shmat", {
          key: this.key,
          id: segment.id,
          remedy: `the segment was not initialised in time: process ${cpid} created it and ` +
            (processExists(cpid) ? "has not made it a channel" : "is gone") +
            "; choose another key, or remove it (`rm`)",
        });
      }
      pause(LOOK_MS).block();
    }
    return "ready";
  }

  #absent(remedy: string, id?: number): ShmError {
    const { key } = this;
    return new ShmError("open the channel", "shmget", ERRNO.ENOENT, { key, id, remedy });
  }

  foreign(what: string, id?: number): ShmError {
    return otherFormat({ key: this.key, id }, what);
  }
}

/** Whether nothing but fields of a header was ever written to it. */
function isBlank(memory: ArrayBuffer): boolean {
  const words = new BigUint64Array(memory, FIELDS_END);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  return true;
}
