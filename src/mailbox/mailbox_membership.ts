/**
 * One peer's membership of a mailbox, used by its server and its client: how a mailbox is recognised,
 * its roles, and when its segment is removed. Joining and leaving are the same as for a channel:
 * `src/sync/membership.ts`.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFlag, checkTimeout } from "../layout/arguments.ts";
import { Role } from "../sync/role.ts";
import type { EntrySemaphores } from "../sync/joining.ts";
import { type LeaveResult, Membership, type SharedObject } from "../sync/membership.ts";
import { AtomicInt32 } from "../sync/atomic_int32.ts";
import { checkKey } from "../sysv/key.ts";
import { checkMode, saysGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { LAYOUT, MAILBOX_KEY, SEMAPHORE, SEMAPHORE_COUNT, WORD_OFFSET } from "./descriptor.ts";
import { ShmEntry, wrongSize } from "./shm_entry.ts";

/** How a server or a client finds or creates the mailbox. */
export interface MailboxOptions {
  /** The key that both sides use. Defaults to 1111 (0x457), the classic one. */
  readonly key?: number;
  /** Permission bits of the segment and the set if they are created. Defaults to 0o600. */
  readonly mode?: number;
  /** Accept a mailbox that another user, other than root, created or owns. Defaults to `false`. */
  readonly trust?: boolean;
  /** Replace a segment of another size that no process is attached to, instead of refusing it. */
  readonly recreate?: boolean;
  /**
   * Milliseconds that opening waits at most while other peers join or leave; then `ETIMEDOUT`.
   * Defaults to 5000. Closing waits as long, but 1000 at most; then it leaves the segment as it is.
   */
  readonly timeout?: number;
}

/** The checks of {@linkcode MailboxOptions}, one for each option. */
export const MAILBOX = {
  key: checkKey,
  mode: checkMode,
  trust: checkFlag,
  recreate: checkFlag,
  timeout: checkTimeout,
};

const { LOCK, USERS, SERVER, SENDER, IN_FLIGHT, DISPOSABLE } = SEMAPHORE;

/** One peer's membership of a mailbox. */
export class MailboxMembership {
  readonly segment: Segment;
  /** The word that changes whenever the flag does. */
  readonly word: AtomicInt32;
  readonly server: Role;
  readonly sender: Role;
  readonly inFlight: Role;
  readonly #entry: ShmEntry;
  readonly #text: Uint8Array<ArrayBuffer>;
  readonly #set: SemaphoreSet;
  readonly #membership: Membership;
  /** Whether classic programs were attached at the last check; `undefined` before the first one. */
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
   * Joins the mailbox. With `persistent`, a segment that it creates stays. Blocks only while another
   * peer joins or leaves.
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

  /** Writes an encoded text, and fills the rest of the slot with NULs. */
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

  /** The server's process; `undefined` if there is none, or only a classic one, which has no role. */
  get serverPid(): number | undefined {
    return this.server.holder;
  }

  /** Whether there may be a server: a peer holds the role, or a peer without roles is attached. */
  get serverMayBeThere(): boolean {
    return this.serverPid !== undefined ||
      this.segment.stat().nattch > this.#set.value(USERS);
  }

  /**
   * The process whose message is in the slot, if it uses the set and still exists. Reads the pid twice,
   * so that a change in between is noticed.
   */
  get senderPid(): number | undefined {
    const pid = this.#set.lastPid(SENDER);
    return this.#set.value(SENDER) === 2 && this.#set.lastPid(SENDER) === pid ? pid : undefined;
  }

  /** Does operations on the set that never need to wait. */
  now(operations: PreparedOperations): void {
    this.#set.tryOp(operations);
  }

  /** As {@linkcode MailboxMembership.now}, to release: if the set is gone, nothing is held. */
  release(operations: PreparedOperations): void {
    try {
      this.now(operations);
    } catch (error) {
      if (!saysGone(error)) throw error;
    }
  }

  /**
   * Checks that segment and set are not removed, and notes whether classic programs are attached: they
   * change the flag and wake no process.
   *
   * @throws {ShmError} `EIDRM` one of them was removed while in use, `EDETACHED` after leaving
   */
  checkPresent(): void {
    this.checkOpen();
    this.#classicPeers = this.#membership.checkPresent(this.segment) > 0;
  }

  /**
   * Whether all peers that may change the flag wake the waiting ones, as of the last check. If not, a
   * waiter must read the flag again soon.
   */
  get wakes(): boolean {
    if (this.#classicPeers === undefined) this.checkPresent();
    return !this.#classicPeers;
  }

  /**
   * Leaves the mailbox; the caller releases roles and locks before. The last peer to leave removes the
   * set. It removes the segment too if that is empty, no other process is attached, and it may: the
   * segment is disposable, or this peer is the server and did not ask for `persistent`. Calling it again
   * does nothing.
   */
  leave(asServer?: { readonly persistent: boolean }): LeaveResult {
    const { segment } = this;
    const membership = this.#membership;
    return membership.leave(segment, (alone) => {
      if (!alone) {
        // The last peer to leave does what we would have done
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

/** The mailbox as an object that peers join. */
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
