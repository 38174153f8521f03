/**
 * Joining and leaving a channel: how it is distinguished from objects of other programs, which process
 * initialises its segment, and when it is removed. The part in common with a mailbox is in
 * `src/sync/membership.ts`. Internal: used by `channel.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { processExists } from "../../ffi/processes.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import type { Deadline } from "../sync/deadline.ts";
import type { EntrySemaphores } from "../sync/joining.ts";
import { type LeaveResult, Membership, type SharedObject } from "../sync/membership.ts";
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

/** How to join a channel. */
export interface JoinOptions {
  readonly key: number;
  /** A channel that exists must match these; when creating, the others have their defaults. */
  readonly wanted: Partial<Shape>;
  /** How to create the channel. Without it, a missing channel is not created. */
  readonly create?: { readonly mode: number; readonly persistent: boolean };
  readonly trust: boolean;
  /** Milliseconds to wait. */
  readonly timeout?: number | undefined;
}

/** Milliseconds between two checks of a segment that is not ready. */
const LOOK_MS = 2;

const MISSING =
  "no program has created it, or it was removed: start the program that does, or use " +
  "Channel.openOrCreate";
const NOT_READY =
  "its segment is not a channel yet, and its creator has gone: Channel.openOrCreate " +
  "makes it one";

/** Where the header's fields end. A killed creator may have written any of the fields. */
const FIELDS_END = HEADER.fields.segment_size.offset + HEADER.fields.segment_size.size;

/**
 * The membership of one process in a channel, with the errors that its producers and its consumer have
 * in common.
 */
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
   * Joins. Blocks only while another peer joins or leaves, or initialises the channel.
   *
   * @throws {ShmError} see {@linkcode Channel.openOrCreate}
   */
  static join(options: JoinOptions): ChannelMembership {
    const { membership, inside } = Membership.join(new ChannelObject(options), options.timeout);
    return new ChannelMembership(membership, inside);
  }

  /**
   * Leaves; roles and lanes must be released before. The last peer to leave removes the segment and the
   * set if the channel is empty and its creator did not keep it. Calling it again does nothing.
   */
  leave(): LeaveResult {
    const { segment, shape } = this;
    const membership = this.#membership;
    return membership.leave(segment, (alone) => {
      if (!alone) return "in use";
      if (!membership.disposable) return "kept";
      const { markedForRemoval, nattch } = segment.stat();
      // No peer can reach its messages, and a set without its segment would keep every peer from joining
      if (markedForRemoval) return "removed";
      if (!isEmpty(segment.buffer, shape)) return "unread";
      return nattch > 1 ? "in use" : "removed";
    });
  }

  /**
   * Checks that the channel was not removed. Two system calls: only for waits.
   *
   * @throws {ShmError} `EIDRM` it was removed while in use
   */
  checkPresent(): void {
    if (!this.segment.attached) throw this.closed("the channel", false);
    this.#membership.checkPresent(this.segment);
  }

  /** The error for using an object that was closed, or that is `open` and lost its memory. */
  closed(what: string, open: boolean): ShmError {
    const { segment } = this;
    return new ShmError(`use ${what}`, undefined, "EDETACHED", {
      key: segment.key,
      id: segment.id,
      remedy: open
        ? "its memory was transferred away with the bytes of a message (structuredClone, " +
          "postMessage): transfer a copy, and close and open the channel again"
        : "it was closed: open it again",
    });
  }

  /** The error for an impossible value in memory. */
  corrupt(lane: number, what: string): ShmError {
    return new ShmError("go on using the channel", undefined, "ECORRUPT", {
      key: this.segment.key,
      id: this.segment.id,
      lane,
      facts: `lane ${lane}: ${what}; another program writes into this memory`,
      remedy: "Consumer.discard drops what is in the lane",
    });
  }

  /** The error for the end of a stream of which some producers did not close. */
  incomplete(dead: number): ShmError {
    return new ShmError("read the stream to its end", undefined, ERRNO.EOWNERDEAD, {
      key: this.segment.key,
      id: this.segment.id,
      facts: `${dead === 1 ? "a producer" : `${dead} producers`} died or gave up before closing, ` +
        "and the stream may be incomplete; all that was sent was received",
      remedy:
        "close a producer before its process ends (`using`), and its writable before the producer",
    });
  }

  /** The error for a call that cannot run because another of this process is under way. */
  busy(action: string, remedy: string): ShmError {
    return new ShmError(action, undefined, ERRNO.EBUSY, {
      key: this.segment.key,
      id: this.segment.id,
      remedy,
    });
  }
}

/** What is found or created while the entry lock is held. */
interface Inside {
  readonly segment: Segment;
  readonly shape: Shape;
}

/** A channel, as an object that peers join. */
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
      `it is not a channel: no number of lanes gives a segment of ${size} bytes; choose another key`,
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
        `it is not a channel: ${lanes} lanes, which its set is for, give no segment of ` +
          `${segment.size} bytes; choose another key`,
        segment.id,
      );
    }
    const { LOCK, USERS, DISPOSABLE } = SEMAPHORE_AFTER_LANES;
    return { lock: lanes + LOCK, users: lanes + USERS, disposable: lanes + DISPOSABLE };
  }

  /** Checks a set without a segment: its creator is about to create the segment, or was killed before. */
  #checkLeftover(set: SemaphoreSet, lanes: number): void {
    const { lanes: wanted = lanes } = this.#wanted;
    if (wanted === lanes) return;
    throw this.foreign(
      `lanes differs: the semaphore set ${set.id} is for ${lanes}, ${wanted} requested; ` +
        "leave it out, or remove the set (`ipcrm -s`) if no program uses it",
    );
  }

  size(set: SemaphoreSet): number {
    return segmentSize(this.#shape(lanesFor(set.count)!));
  }

  /** The shape of a segment that this process would create for a set of `lanes`. */
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
      // Nothing of its creator is left but the shape, which no process wants
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
   * Waits until the segment is a channel. We hold the entry lock, so its creator is a process that does
   * not use the lock. Ends if none will do it: `blank` is for this process to initialise, `other` has a
   * shape that this process would not have created.
   */
  #await(
    segment: Segment,
    membership: Membership,
    coming: Shape,
    deadline: Deadline,
  ): "ready" | "blank" | "other" {
    while (!isReady(segment.buffer)) {
      const { cpid, nattch } = segment.stat();
      // A process that is dead and not yet reaped exists, but is not attached
      if (nattch <= 1) {
        if (typeof this.create === "function") throw this.#absent(NOT_READY, segment.id);
        if (isBlank(segment.buffer)) {
          if (segment.size === segmentSize(coming)) return "blank";
          // A pid of 0 belongs to another pid namespace: whether it lives is unknown
          if (cpid !== 0 && !processExists(cpid) && membership.idle) return "other";
        }
      }
      if (deadline.passed) {
        throw timedOut("open the channel", "shmat", {
          key: this.key,
          id: segment.id,
          remedy: `the segment was not initialised in time: process ${cpid} created it and ` +
            (processExists(cpid) ? "has not made it a channel" : "is gone") +
            "; choose another key, or remove it",
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

/** Whether nothing was written to it but fields of a header. */
function isBlank(memory: ArrayBuffer): boolean {
  const words = new BigUint64Array(memory, FIELDS_END);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0n) return false;
  return true;
}
