/**
 * An object with a header as an object that peers join: which segments and sets can be one, which process
 * initialises it, and what is checked before it is used. Internal: used by `headed_object.ts`.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { processExists } from "../../ffi/processes.ts";
import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import type { AnyStructLayout } from "../layout/layout.ts";
import { memoryOf, Segment } from "../sysv/segment.ts";
import { findSegment, type SegmentStat, segmentTable, tryStat } from "../sysv/segment_stat.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { findSemaphoreSet } from "../sysv/semaphore_stat.ts";
import { pause } from "../sysv/wait.ts";
import type { Deadline } from "./deadline.ts";
import { OBJECT_HEADER } from "./header_layout.ts";
import type { EntrySemaphores } from "./joining.ts";
import type { Membership, SharedObject } from "./membership.ts";
import {
  checkType,
  checkWanted,
  initialise,
  isBlank,
  isReady,
  otherFormat,
  otherProtocol,
  type Protocol,
  protocolOf,
  readHeader,
} from "./object_header.ts";
import { timedOut } from "./wait_schedule.ts";

/** How to open an object. */
export interface HeadedOptions<Shape extends object> {
  readonly key: number;
  /** An object that exists must match these; when creating, the others have their defaults. */
  readonly wanted: Partial<Shape>;
  /** The struct of its messages or its value; `undefined` for bytes. */
  readonly layout?: AnyStructLayout | undefined;
  /** How to create the object. Without it, a missing object is not created. */
  readonly create?: { readonly mode: number; readonly persistent: boolean } | undefined;
  /** Whether to open it without joining. Not with `create`. */
  readonly readOnly?: boolean | undefined;
  readonly trust: boolean;
  /** Milliseconds to wait. */
  readonly timeout?: number | undefined;
}

/** What is found or created. */
export interface Inside<Shape> {
  readonly segment: Segment;
  readonly shape: Shape;
}

/** The segments of all protocols are multiples of this. */
const SIZE_UNIT = 32;

/** Milliseconds between two checks of a segment that is not ready. */
const LOOK_MS = 2;

/** An object with a header, as an object that peers join. */
export class JoinableObject<Shape extends object> implements SharedObject<Inside<Shape>> {
  readonly name: string;
  readonly standsAlone = false;
  readonly key: number;
  readonly trust: boolean;
  readonly create: { readonly mode: number; readonly semaphores: number } | (() => ShmError);
  readonly #protocol: Protocol<Shape>;
  readonly #wanted: Partial<Shape>;
  readonly #layout: AnyStructLayout | undefined;
  readonly #persistent: boolean;

  constructor(protocol: Protocol<Shape>, options: HeadedOptions<Shape>) {
    const { key, wanted, layout, create, trust } = options;
    this.name = protocol.name;
    this.key = key;
    this.trust = trust;
    this.#protocol = protocol;
    this.#wanted = wanted;
    this.#layout = layout;
    this.#persistent = create?.persistent === true;
    this.create = create === undefined
      ? () => this.absent()
      : { mode: create.mode, semaphores: protocol.semaphoreCount(protocol.newShape(wanted)) };
  }

  fits({ id, size }: SegmentStat): boolean {
    this.#checkFit({ size }, id);
    return true;
  }

  entry(set: SemaphoreSet, segment: SegmentStat | undefined): EntrySemaphores {
    const { count } = set;
    if (segment === undefined) {
      this.#checkFit({ semaphores: count });
      this.#checkLeftover(set);
    } else this.#checkFit({ semaphores: count, size: segment.size }, segment.id);
    return { lock: count - 3, users: count - 2, disposable: count - 1 };
  }

  #checkFit(facts: { readonly size?: number; readonly semaphores?: number }, id?: number): void {
    const reason = this.#protocol.unfit(facts);
    if (reason !== undefined) throw this.foreign(`${reason}; choose another key`, id);
  }

  /** Checks a set without a segment: its creator is about to create the segment, or was killed before. */
  #checkLeftover({ id, count }: SemaphoreSet): void {
    const wanted = this.#protocol.newShape(this.#wanted);
    const coming = this.#coming(count);
    for (const [property, there] of Object.entries(coming)) {
      const asked = wanted[property as keyof Shape];
      if (this.#wanted[property as keyof Shape] === undefined || asked === there) continue;
      throw this.foreign(
        `${property} differs: the semaphore set ${id} is for ${there}, ${asked} requested; ` +
          "leave it out, or remove the set (`ipcrm -s`) if no program uses it",
      );
    }
  }

  size(set: SemaphoreSet): number {
    return this.#protocol.segmentSize(this.#coming(set.count));
  }

  /** The shape of a segment that this process would create for a set. */
  #coming(semaphores: number): Shape {
    return this.#protocol.newShape(this.#wanted, semaphores);
  }

  enter(segment: Segment, membership: Membership, deadline: Deadline): Inside<Shape> | undefined {
    const { count } = membership.set;
    const coming = this.#coming(count);
    const state = segment.created ? "blank" : this.#await(segment, membership, coming, deadline);
    if (state === "other") {
      // Nothing of its creator is left but the shape, which no process wants
      membership.dissolve(segment);
      return undefined;
    }
    if (state === "blank") {
      membership.disposable = !this.#persistent;
      initialise(this.#protocol, segment.buffer, coming, this.#layout);
    }
    return this.#check(segment, count);
  }

  /** Checks the header of a segment that is ready. */
  #check(segment: Segment, semaphores: number): Inside<Shape> {
    const { buffer } = memoryOf(segment, "read the header");
    const place = { key: this.key, id: segment.id, size: segment.size, semaphores };
    const { shape, type } = readHeader(this.#protocol, buffer, place);
    checkType(this.#protocol, type, this.#layout, place);
    checkWanted(this.#protocol, shape, this.#wanted, place);
    return { segment, shape };
  }

  /** As {@linkcode JoinableObject.enter}, without having joined; `undefined` if it is not ready yet. */
  look(segment: Segment, semaphores: number): Inside<Shape> | undefined {
    this.#checkFit({ size: segment.size, semaphores }, segment.id);
    if (isReady(memoryOf(segment, "read the header").buffer)) {
      return this.#check(segment, semaphores);
    }
    // Without the entry lock: a creator that lives may be about to attach it
    const { cpid, nattch } = segment.stat();
    if (nattch <= 1 && cpid !== 0 && !processExists(cpid)) throw this.absent(segment.id);
    return undefined;
  }

  /**
   * Waits until the segment is ready. We hold the entry lock, so its creator is a process that does not
   * use the lock. Ends if none will do it: `blank` is for this process to initialise, `other` has a shape
   * that this process would not have created.
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
        if (typeof this.create === "function") throw this.absent(segment.id);
        if (isBlank(segment.buffer)) {
          if (segment.size === this.#protocol.segmentSize(coming)) return "blank";
          // A pid of 0 belongs to another pid namespace: whether it lives is unknown
          if (cpid !== 0 && !processExists(cpid) && membership.idle) return "other";
        }
      }
      if (deadline.passed) throw this.notReady(segment.id, cpid);
      pause(LOOK_MS).block();
    }
    return "ready";
  }

  /** The error for an object that was not initialised in time. */
  notReady(id?: number, creator?: number): ShmError {
    const { key, name } = this;
    const isGone = creator !== undefined && creator !== 0 && !processExists(creator);
    const by = creator === undefined
      ? ""
      : `: ${formatProcess(creator)} created it and ${
        isGone ? "is gone" : `has not made it a ${name}`
      }`;
    return timedOut(`open the ${name}`, "shmat", {
      key,
      id,
      remedy: `the segment was not initialised in time${by}; choose another key, or remove it`,
    });
  }

  /** The error for an object that does not exist, or of which only the segment with this `id` does. */
  absent(id?: number): ShmError {
    const { key, name } = this;
    const { creator } = this.#protocol;
    return new ShmError(`open the ${name}`, "shmget", ERRNO.ENOENT, {
      key,
      id,
      remedy: id === undefined
        ? "no program has created it, or it was removed: start the program that does, or use " +
          creator
        : `its segment is not a ${name} yet, and its creator has gone: ${creator} makes it one`,
    });
  }

  /** Why joining failed: `error`, with advice for a user who may read the object and not change it. */
  refused(error: unknown): unknown {
    const { key, name } = this;
    if (!this.#protocol.readable || !ShmError.is(error, "EACCES")) return error;
    const id = findSegment(key);
    if (id === undefined || typeof segmentTable.tryRead(id) === "number") return error;
    return new ShmError(`join the ${name}`, error.call, error.errno, {
      key,
      id,
      facts: "this user may only read it",
      remedy: "open it with readOnly: true",
      option: "readOnly",
    });
  }

  foreign(what: string, id?: number): ShmError {
    const other = id === undefined ? undefined : protocolIn(this.key, id);
    const known = other === undefined || other === `a ${this.name}`
      ? what
      : `${otherProtocol(this, other)}; choose another key`;
    return otherFormat(this, { key: this.key, id }, known);
  }
}

/**
 * Which protocol's object a segment is; `undefined` if it is none, or cannot be read. Attaches only what
 * can be one: other programs count who is attached to their segments.
 */
function protocolIn(key: number, id: number): string | undefined {
  const stat = tryStat(id);
  if (typeof stat === "number" || stat.size % SIZE_UNIT !== 0) return undefined;
  if (findSemaphoreSet(key) === undefined) return undefined;
  try {
    using segment = Segment.attach(id, { readOnly: true, trust: true });
    return protocolOf(segment.read(0, OBJECT_HEADER.size).buffer);
  } catch (error) {
    if (error instanceof ShmError) return undefined;
    throw error;
  }
}
