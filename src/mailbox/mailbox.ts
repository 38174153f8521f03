/**
 * Arriving at the mailbox and leaving it, for its server and its client: the segment, the semaphore
 * set beside it, and who removes both in the end. `docs/wire_format.md` has the steps and why they
 * are right with any peer killed between any two of them.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { Claim } from "../sync/claim.ts";
import { Deadline } from "../sync/deadline.ts";
import { Door } from "../sync/door.ts";
import { Word } from "../sync/word.ts";
import { checkKey, IPC_PRIVATE } from "../sysv/key.ts";
import { Segment } from "../sysv/segment.ts";
import { listSegments, removeSegment } from "../sysv/segment_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
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
}

/**
 * What became of the segment when a peer left: `removed`; `kept` because that was asked for or because
 * it was there before us; `unread` because a message is in it; `in use` because others are attached,
 * or might be.
 *
 * @example
 * ```ts
 * import { type Departure, MailboxClient } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const client = MailboxClient.open({ key: 0x5eed0013 });
 * const departure: Departure = client.close();
 * assert.equal(departure, "removed");
 * ```
 */
export type Departure = "removed" | "kept" | "unread" | "in use";

/** The door is held for microseconds, unless its holder was stopped. */
const ARRIVE_MS = 5_000;

const { USERS, SERVER, SENDER, HAND, DISPOSABLE } = SEMAPHORE;

const DOOR_PLACE = { door: SEMAPHORE.LOCK, users: USERS, what: "mailbox" } as const;

/** One peer's place at the mailbox. */
export class Mailbox {
  readonly segment: Segment;
  /** Changes whenever the flag does. */
  readonly word: Word;
  readonly server: Claim;
  readonly sender: Claim;
  readonly hand: Claim;
  readonly #entry: ShmEntry;
  readonly #set: SemaphoreSet;
  readonly #door: Door;

  private constructor(entry: ShmEntry, set: SemaphoreSet, door: Door) {
    this.segment = entry.segment;
    this.#entry = entry;
    this.word = new Word(entry.segment, WORD_OFFSET);
    this.#set = set;
    this.#door = door;
    this.server = new Claim(set, SERVER);
    this.sender = new Claim(set, SENDER);
    this.hand = new Claim(set, HAND);
  }

  /**
   * Takes a place; `keep` says that what it creates is to stay. Blocks only while another peer arrives
   * or leaves.
   */
  static arrive(options: MailboxOptions, keep = false): Mailbox {
    const key = options.key === undefined ? MAILBOX_KEY : checkKey(options.key);
    if (key === IPC_PRIVATE) throw new RangeError("a mailbox needs a key that others can find");
    const { set, door } = enter(key, options);
    try {
      const entry = ShmEntry.over(openSegment(key, options));
      if (entry.segment.created) set.setValue(DISPOSABLE, keep ? 0 : 1);
      door.open();
      return new Mailbox(entry, set, door);
    } catch (error) {
      exit(door);
      throw error;
    }
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

  /**
   * Checks that the mailbox is still the one that its key leads to.
   *
   * @throws {ShmError} `EIDRM` somebody removed it underneath
   */
  checkPresent(): void {
    const { key, id } = this.segment;
    if (!this.segment.stat().markedForRemoval) return;
    throw new ShmError("go on using the mailbox", "shmctl", ERRNO.EIDRM, {
      key,
      id,
      remedy:
        "somebody removed its segment while it was in use (ipcrm?): start server and clients " +
        "again",
    });
  }

  /**
   * Gives up the place; roles and locks are released before. The last one out removes the set, and
   * the segment too if it is empty, nobody else is attached, and we may: because a peer of this
   * round created it, or as the server (`keep` says whether it wants it kept).
   *
   * To be called once.
   */
  leave(asServer?: { readonly keep: boolean }): Departure {
    const { segment } = this;
    if (!this.#door.close()) {
      segment.detach();
      return "in use";
    }
    const departure = this.#removeIfLast(asServer);
    segment.detach();
    exit(this.#door);
    return departure;
  }

  #removeIfLast(asServer: { readonly keep: boolean } | undefined): Departure {
    const { segment } = this;
    if (!this.#door.alone) {
      // Who leaves last does what we would have done
      if (asServer !== undefined) this.#set.setValue(DISPOSABLE, asServer.keep ? 0 : 1);
      return "in use";
    }
    const mayRemove = asServer === undefined ? this.#set.value(DISPOSABLE) === 1 : !asServer.keep;
    if (!mayRemove) return "kept";
    if (this.#entry.canRead) return "unread";
    if (segment.stat().nattch > 1) return "in use";
    segment.remove();
    return "removed";
  }
}

/** Opens the set and gets in at the door, which is then held. */
function enter(key: number, options: MailboxOptions): { set: SemaphoreSet; door: Door } {
  const deadline = Deadline.after(ARRIVE_MS);
  for (;;) {
    const { mode = 0o600, trust = false } = options;
    const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT, mode, trust });
    const door = Door.enter(set, DOOR_PLACE, deadline);
    if (door !== undefined) return { set, door };
  }
}

function openSegment(key: number, options: MailboxOptions): Segment {
  const misfit = listSegments().find((stat) => stat.key === key && stat.size !== LAYOUT.size);
  if (misfit !== undefined) {
    if (options.recreate !== true || misfit.nattch > 0) throw wrongSize(misfit, misfit.nattch);
    removeSegment(misfit.id);
  }
  const { mode = 0o600, trust = false } = options;
  return Segment.openOrCreate({ key, size: LAYOUT.size, mode, trust });
}

/** Leaves, and removes the set if nobody else uses it and we may. */
function exit(door: Door): void {
  if (door.alone) door.exitRemoving();
  else door.exit();
}
