/**
 * One peer's place at the mailbox, for its server and its client: how it is told from another program's
 * objects, its roles, and what becomes of its segment in the end. How one joins and leaves is the same
 * for a channel: `src/sync/membership.ts`.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFlag, checkTimeout } from "../layout/arguments.ts";
import { Role } from "../sync/role.ts";
import {
  type EntrySemaphores,
  type LeaveResult,
  Membership,
  type SharedObject,
} from "../sync/membership.ts";
import { AtomicInt32 } from "../sync/atomic_int32.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode, saysGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { LAYOUT, MAILBOX_KEY, SEMAPHORE, SEMAPHORE_COUNT, WORD_OFFSET } from "./descriptor.ts";
import { ShmEntry, wrongSize } from "./shm_entry.ts";

/**
 * How a server or a client finds or makes the mailbox.
 *
 * @example
 * ```ts
 * import { MailboxClient, type MailboxOptions, MailboxServer } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: MailboxOptions = { key: 0x5eed0012, mode: 0o660 };
 * using server = MailboxServer.open(options);
 * using client = MailboxClient.open(options);
 * assert.equal(client.serverPid, Deno.pid);
 * assert.equal(server.segment.stat().mode, 0o660);
 * ```
 */
export interface MailboxOptions {
  /** The key both sides use; 1111 (0x457), the classic one, if not said. */
  readonly key?: number;
  /** Permission bits of what is created; 0o600 if not said. */
  readonly mode?: number;
  /** Accept a mailbox that another user, not root, created or owns. */
  readonly trust?: boolean;
  /** Replace a segment of another size that nobody is attached to, instead of refusing it. */
  readonly recreate?: boolean;
  /**
   * How many milliseconds to wait while others join or leave; opening fails with `ETIMEDOUT` then.
   * Defaults to 5000. Closing waits as long too, and at most 1000: then it leaves the segment as it is.
   */
  readonly timeout?: number;
}

/** What an object with {@linkcode MailboxOptions} may hold. */
export const MAILBOX = {
  key: checkKey,
  mode: checkMode,
  trust: checkFlag,
  recreate: checkFlag,
  timeout: checkTimeout,
};

const { LOCK, USERS, SERVER, SENDER, IN_FLIGHT, DISPOSABLE } = SEMAPHORE;

/** One peer's place at the mailbox. */
export class MailboxMembership {
  readonly segment: Segment;
  /** Changes whenever the flag does. */
  readonly word: AtomicInt32;
  readonly server: Role;
  readonly sender: Role;
  readonly inFlight: Role;
  readonly #entry: ShmEntry;
  readonly #text: Uint8Array<ArrayBuffer>;
  readonly #set: SemaphoreSet;
  readonly #membership: Membership;
  /** Whether classic programs were attached at the last check, if there was one. */
  #classicPeers: boolean | undefined;

  private constructor(entry: ShmEntry, membership: Membership) {
    const { set } = membership;
    this.segment = entry.segment;
    this.#entry = entry;
    const { offset, size } = LAYOUT.fields.msg;
    this.#text = new Uint8Array(entry.segment.buffer, offset, size);
    this.word = new AtomicInt32(entry.segment, WORD_OFFSET);
    this.#set = set;
    this.#membership = membership;
    this.server = new Role(set, SERVER);
    this.sender = new Role(set, SENDER);
    this.inFlight = new Role(set, IN_FLIGHT);
  }

  /**
   * Joins; `persistent` says that what it creates is to stay. Blocks only while another peer joins or
   * leaves.
   */
  static join(options: MailboxOptions, persistent = false): MailboxMembership {
    const { membership, inside } = Membership.join(
      new MailboxObject(options, persistent),
      options.timeout,
    );
    return new MailboxMembership(inside, membership);
  }

  /**
   * The struct in memory.
   *
   * @throws {ShmError} `EDETACHED` after leaving
   */
  get entry(): ShmEntry {
    this.checkOpen();
    return this.#entry;
  }

  /** Writes a text that is encoded already, and NULs to the end of the slot. */
  write(text: Uint8Array<ArrayBuffer>): void {
    this.checkOpen();
    this.#text.set(text);
    this.#text.fill(0, text.length);
  }

  /** @throws {ShmError} `EDETACHED` after leaving */
  checkOpen(): void {
    if (this.segment.attached) return;
    throw new ShmError("use the mailbox", undefined, "EDETACHED", {
      key: this.segment.key,
      id: this.segment.id,
      remedy: "it was closed: open it again",
    });
  }

  /** The process that is the server; `undefined` if none is, or a classic one, which has no role. */
  get serverPid(): number | undefined {
    return this.server.holder;
  }

  /** Whether somebody is there who may be the server: the one known, or a peer that knows no roles. */
  get serverMayBeThere(): boolean {
    return this.serverPid !== undefined ||
      this.segment.stat().nattch > this.#set.value(USERS);
  }

  /**
   * The process whose message is in the slot, if it is a peer that knows the set and is still there.
   * Asked twice, so that a change in between is noticed.
   */
  get senderPid(): number | undefined {
    const pid = this.#set.lastPid(SENDER);
    return this.#set.value(SENDER) === 2 && this.#set.lastPid(SENDER) === pid ? pid : undefined;
  }

  /** Does operations on the set that never have to wait. */
  now(operations: PreparedOperations): void {
    this.#set.tryOp(operations);
  }

  /** As {@linkcode MailboxMembership.now}, to release what is held: if the set is gone, nothing is. */
  release(operations: PreparedOperations): void {
    try {
      this.now(operations);
    } catch (error) {
      if (!saysGone(error)) throw error;
    }
  }

  /**
   * Checks that segment and set are still those that the key leads to, and notes whether classic
   * programs are attached: they change the flag and wake nobody.
   *
   * @throws {ShmError} `EIDRM` somebody removed one of them underneath, `EDETACHED` after leaving
   */
  checkPresent(): void {
    this.checkOpen();
    const { markedForRemoval, nattch } = this.segment.stat();
    if (markedForRemoval) throw this.#removed("segment", "shmctl");
    try {
      this.#classicPeers = nattch > this.#set.value(USERS);
    } catch (error) {
      if (saysGone(error)) {
        throw this.#removed("semaphore set", "semctl");
      }
      throw error;
    }
  }

  /**
   * Whether all peers that may change the flag wake those that wait for it, as of the last check. If
   * not, the flag is to be looked at again soon.
   */
  get wakes(): boolean {
    if (this.#classicPeers === undefined) this.checkPresent();
    return !this.#classicPeers;
  }

  #removed(what: string, call: "shmctl" | "semctl"): ShmError {
    const { key, id } = this.segment;
    return new ShmError("go on using the mailbox", call, ERRNO.EIDRM, {
      key,
      id,
      remedy:
        `somebody removed its ${what} while it was in use (ipcrm?): start server and clients ` +
        "again",
    });
  }

  /**
   * Leaves; roles and locks are released before. The last one out removes the set, and the segment too
   * if it is empty, nobody else is attached, and we may: because a peer of this round created it, or as
   * the server (`persistent` says whether it wants it kept). Twice is once.
   */
  leave(asServer?: { readonly persistent: boolean }): LeaveResult {
    const { segment } = this;
    const membership = this.#membership;
    return membership.leave(segment, (alone) => {
      if (!alone) {
        // Who leaves last does what we would have done
        if (asServer !== undefined) membership.disposable = !asServer.persistent;
        return "in use";
      }
      const mayRemove = asServer === undefined ? membership.disposable : !asServer.persistent;
      if (!mayRemove) return "kept";
      if (this.#entry.canRead) return "unread";
      return segment.stat().nattch > 1 ? "in use" : "removed";
    });
  }
}

/** A mailbox, to those who join. */
class MailboxObject implements SharedObject<ShmEntry> {
  readonly name = "mailbox";
  readonly semaphores = SEMAPHORE_COUNT;
  readonly standsAlone = true;
  readonly key: number;
  readonly trust: boolean;
  readonly create: { readonly mode: number; readonly semaphores: number };
  readonly #recreate: boolean;
  readonly #persistent: boolean;

  constructor(options: MailboxOptions, persistent: boolean) {
    const { key = MAILBOX_KEY, mode = 0o600, trust = false, recreate = false } = options;
    this.key = key;
    this.trust = trust;
    this.create = { mode, semaphores: SEMAPHORE_COUNT };
    this.#recreate = recreate;
    this.#persistent = persistent;
  }

  fits(stat: SegmentStat, others: number): boolean {
    if (stat.size === LAYOUT.size) return true;
    if (!this.#recreate || others > 0) throw wrongSize(stat, others);
    return false;
  }

  entry(): EntrySemaphores {
    return { lock: LOCK, users: USERS, disposable: DISPOSABLE };
  }

  size(): number {
    return LAYOUT.size;
  }

  enter(segment: Segment, membership: Membership): ShmEntry {
    if (segment.created) membership.disposable = !this.#persistent;
    return ShmEntry.over(segment);
  }

  foreign(what: string, id?: number): ShmError {
    return new ShmError("open the mailbox", "semget", ERRNO.EINVAL, {
      key: this.key,
      id,
      remedy: what,
    });
  }
}
