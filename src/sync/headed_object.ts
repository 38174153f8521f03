/**
 * Opening an object with a header: a channel, a Latest or a Topic. It is one segment and one semaphore set
 * under one key. A member joins: it creates and initialises what does not exist, is counted, and the last
 * member to leave removes the object. A process that opens it read-only only reads the memory: no peer
 * sees it. `docs/wire_format.md` has all steps. Internal: used by these three protocols.
 *
 * A protocol describes itself in a {@linkcode Protocol} and derives a class with its own errors:
 *
 * ```
 * const LATEST: Protocol<Shape> = { name: "Latest", magic: MAGIC.LATEST, structs: STRUCTS, ... };
 *
 * class LatestObject extends HeadedObject<Shape> {
 *   constructor(options: HeadedOptions<Shape>) {
 *     super(LATEST, options);
 *   }
 * }
 * ```
 *
 * `segment`, `set`, `shape`, `created` and `readOnly` are then what was opened. A wait calls
 * `checkPresent` in each slice, `close()` returns what `leave` returns, and `closed` is the error for using
 * the object after that. `headed_stat.ts` reads objects from outside.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { saysGone } from "../sysv/object_stat.ts";
import { Segment } from "../sysv/segment.ts";
import { findSegment } from "../sysv/segment_stat.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { findSemaphoreSet } from "../sysv/semaphore_stat.ts";
import { pause } from "../sysv/wait.ts";
import { Deadline } from "./deadline.ts";
import { type HeadedOptions, type Inside, JoinableObject } from "./headed_joining.ts";
import { NO_SET } from "./joining.ts";
import {
  checkSharedKey,
  JOIN_MS,
  type LeaveResult,
  Membership,
  presentValue,
} from "./membership.ts";
import type { Protocol } from "./object_header.ts";
import { WaitSchedule } from "./wait_schedule.ts";

export type { HeadedOptions } from "./headed_joining.ts";

/** What a process sends, receives, writes or reads with. */
interface End {
  readonly isOpen: boolean;
  close(): void;
}

/** An object that this process has open, as a member or read-only. */
export class HeadedObject<Shape extends object> {
  readonly segment: Segment;
  /** Of an object that is open read-only, nothing in it may be changed. */
  readonly set: SemaphoreSet;
  readonly shape: Shape;
  readonly created: boolean;
  readonly #protocol: Protocol<Shape>;
  /** `undefined` if it is open read-only. */
  readonly #membership: Membership | undefined;
  readonly #ends = new Set<End>();

  /**
   * Joins, or opens read-only. Blocks only while another peer joins or leaves, or initialises the object.
   *
   * @throws {ShmError} `ENOENT` it does not exist and must not be created; `EFORMAT` the key belongs to
   * something else, or to an object of another version, shape or struct; `ETIMEDOUT`; `EUNTRUSTED`;
   * `EACCES`; `ENOSPC`; `ENOMEM`
   */
  constructor(protocol: Protocol<Shape>, options: HeadedOptions<Shape>) {
    const object = new JoinableObject(protocol, options);
    const { set, inside, membership } = options.readOnly === true
      ? openReadOnly(object, options.timeout)
      : join(object, options.timeout);
    this.segment = inside.segment;
    this.set = set;
    this.shape = inside.shape;
    this.created = inside.segment.created;
    this.#protocol = protocol;
    this.#membership = membership;
  }

  /** Whether it is open read-only. */
  get readOnly(): boolean {
    return this.#membership === undefined;
  }

  /** Whether users other than the owner could change it when it was opened; `false` if created here. */
  get othersMayWrite(): boolean {
    return !this.created && (this.segment.othersMayWrite || this.set.othersMayWrite);
  }

  /** The ends to close, some of which may be closed already. */
  get ends(): Iterable<End> {
    return this.#ends;
  }

  /** Keeps an end, to close it in `leave`. */
  adopt<One extends End>(end: One): One {
    if (this.#ends.has(end)) return end;
    for (const other of this.#ends) if (!other.isOpen) this.#ends.delete(other);
    this.#ends.add(end);
    return end;
  }

  /** Removes segment and set, also after `leave`. */
  remove(): void {
    this.segment.remove();
    this.set.remove();
  }

  /**
   * Closes the ends, and leaves. The last member to leave removes the segment and the set, unless the
   * protocol or the creator keeps it. Calling it again does nothing.
   */
  leave(): LeaveResult {
    for (const end of this.#ends) end.close();
    this.#ends.clear();
    const { segment, shape } = this;
    const membership = this.#membership;
    if (membership === undefined) {
      segment.detach();
      return "kept";
    }
    return membership.leave(segment, (alone) => {
      if (!alone) return "in use";
      if (!membership.disposable) return "kept";
      const { markedForRemoval, nattch } = segment.stat();
      // No peer can reach its contents, and a set without its segment would keep every peer from joining
      if (markedForRemoval) return "removed";
      return this.#protocol.stays?.(segment.buffer, shape, nattch) ?? "removed";
    });
  }

  /**
   * Checks that the object was not removed. Two system calls at most: only for waits.
   *
   * @throws {ShmError} `EIDRM` it was removed while in use
   */
  checkPresent(): void {
    const { segment } = this;
    const { name } = this.#protocol;
    if (!segment.attached) throw this.closed(`the ${name}`, false);
    if (this.#membership !== undefined) {
      this.#membership.checkPresent(segment);
    } else if (segment.stat().markedForRemoval) {
      throw new ShmError(`go on using the ${name}`, "shmctl", ERRNO.EIDRM, {
        key: segment.key,
        id: segment.id,
        facts: "its last member has left, or it was removed",
        remedy: "open it again when there is a new one",
      });
    } else {
      // No member goes on without the set, so nothing new will come
      presentValue({ name, standsAlone: false }, segment, this.set, 0);
    }
  }

  /** The error for using an object that was closed, or that is `open` and lost its memory. */
  closed(what: string, open: boolean): ShmError {
    const { segment } = this;
    const { name } = this.#protocol;
    return new ShmError(`use ${what}`, undefined, "EDETACHED", {
      key: segment.key,
      id: segment.id,
      remedy: open
        ? "its memory was transferred away with the bytes of a message (structuredClone, " +
          `postMessage): transfer a copy, and close and open the ${name} again`
        : "it was closed: open it again",
    });
  }

  /** The error for a call that cannot run now because of another one, or of another process. */
  busy(action: string, remedy: string): ShmError {
    const { key, id } = this.segment;
    return new ShmError(action, undefined, ERRNO.EBUSY, { key, id, remedy });
  }
}

/** What a way to open an object returns. */
interface Opened<Shape> {
  readonly inside: Inside<Shape>;
  readonly set: SemaphoreSet;
  readonly membership: Membership | undefined;
}

function join<Shape extends object>(
  object: JoinableObject<Shape>,
  timeout: number | undefined,
): Opened<Shape> {
  try {
    const { membership, inside } = Membership.join(object, timeout);
    return { membership, inside, set: membership.set };
  } catch (error) {
    throw object.refused(error);
  }
}

/**
 * Checks that options for creating an object called `name` are not given to open it read-only.
 *
 * @throws {TypeError}
 */
export function checkNotCreated(
  name: string,
  { mode, persistent }: { readonly mode?: unknown; readonly persistent?: unknown },
): void {
  if (mode === undefined && persistent === undefined) return;
  throw new TypeError(
    `"mode" and "persistent" are for a ${name} that is created, not with readOnly`,
  );
}

/** Opens without joining. Does not stay attached while it waits: that would keep others from creating. */
function openReadOnly<Shape extends object>(
  object: JoinableObject<Shape>,
  timeout = JOIN_MS,
): Opened<Shape> {
  const { key, trust } = object;
  checkSharedKey(object);
  const deadline = Deadline.after(timeout);
  const schedule = new WaitSchedule(deadline, () => object.notReady());
  for (;;) {
    let inside: Inside<Shape> | undefined;
    const segment = openOrThrow(object, () => Segment.open(key, { readOnly: true, trust }));
    try {
      const set = setBeside(object, segment);
      inside = set === undefined ? undefined : object.look(segment, set.count);
      if (set !== undefined && inside !== undefined) return { inside, set, membership: undefined };
    } finally {
      if (inside === undefined) segment.detach();
    }
    pause(schedule.next()).block();
  }
}

/** The result of `open`, or the object's own error if there is nothing. */
function openOrThrow<Opened, Shape extends object>(
  object: JoinableObject<Shape>,
  open: () => Opened,
): Opened {
  try {
    return open();
  } catch (error) {
    throw ShmError.is(error, "ENOENT") ? object.absent() : error;
  }
}

/** The set of a segment; `undefined` if it was just removed, as its segment was or will be. */
function setBeside<Shape extends object>(
  object: JoinableObject<Shape>,
  { key, id }: Segment,
): SemaphoreSet | undefined {
  try {
    if (findSemaphoreSet(key) !== undefined) {
      return SemaphoreSet.open(key, { trust: object.trust });
    }
  } catch (error) {
    if (ShmError.is(error, "ENOENT") || saysGone(error)) return undefined;
    throw error;
  }
  if (findSegment(key) !== id) return undefined;
  throw object.foreign(NO_SET, id);
}
