/**
 * A client of a mailbox: it takes turns with other clients to send messages, and reports of each
 * message whether the server took it.
 */

import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFunction, optionsReader } from "../layout/arguments.ts";
import { encodeText } from "../layout/c_string.ts";
import { AsyncFutex } from "../sync/async_futex.ts";
import { changedFrom } from "../sync/atomic_int32.ts";
import { Deadline } from "../sync/deadline.ts";
import { AdaptiveSpin, DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { acquiring } from "../sync/role.ts";
import { pause, promised, waitAsync, type Waiting, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import {
  type Limited,
  MAX_SLICE_MS,
  timedOut,
  WAIT,
  WAIT_SYNC,
  WaitSchedule,
  withDeadline,
} from "../sync/wait_schedule.ts";
import { saysGone } from "../sysv/object_stat.ts";
import type { Segment } from "../sysv/segment.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { LAYOUT, SEMAPHORE } from "./descriptor.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { MAILBOX, MailboxMembership, type MailboxOptions } from "./mailbox_membership.ts";

/** How long a sender waits, and what it is notified of in the meantime. */
export interface SendSyncOptions {
  /** Milliseconds to wait at most; then `ETIMEDOUT`. Defaults to no limit. */
  readonly timeout?: number;
  /** Called once if no server seems to be attached during the wait. */
  readonly onNoServer?: () => void;
}

/** As {@linkcode SendSyncOptions}, with a signal that can end the wait. */
export interface SendOptions extends SendSyncOptions {
  /** Ends the wait when it aborts; the promise rejects with its reason. */
  readonly signal?: AbortSignal;
}

const readMailboxOptions = optionsReader(MAILBOX);
const readSendSyncOptions = optionsReader({
  ...WAIT_SYNC,
  onNoServer: checkFunction<() => void>,
});
const readSendOptions = optionsReader({ ...WAIT, onNoServer: checkFunction<() => void> });

/**
 * A client whose turn ended within this time does not queue for the next one at once: it pauses first.
 * Handing over a turn takes as long as several messages of one sender. So senders with many messages
 * take turns in bursts, while one that sends now and then has its turn next.
 */
const JUST_NOW_MS = 1;
/** After each of these pauses it tries for its turn: others had one message, or have many. */
const STAND_BACK_MS = [1, 48];

/** How far a send got without waiting: it must queue for its turn, has its turn, or is in the slot. */
type Reached = "queue" | "turn" | "deposited";

/** SENDER goes from 1 to 2 before our message is in the slot, and from 2 to 0 after the turn. */
const signed = SemaphoreSet.prepare([{ semaphore: SEMAPHORE.SENDER, add: 1, undo: true }]);
const done = SemaphoreSet.prepare([{ semaphore: SEMAPHORE.SENDER, add: -2, undo: true }]);

/**
 * A client of a mailbox. Any number of clients may send at once: each waits for its turn.
 *
 * @example
 * ```ts
 * import { MailboxClient, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using client = MailboxClient.open({ key: 0x5eed0009 });
 * try {
 *   await client.send("hello", { timeout: 50 });
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.code, "ETIMEDOUT"); // and the message is withdrawn
 * }
 * ```
 */
export class MailboxClient implements Disposable {
  readonly #mailbox: MailboxMembership;
  /** Whether we hold SENDER: taken, or signed too (its value is 2), with the message in the slot. */
  #turn: "taken" | "signed" | undefined;
  /** When the last turn with a message ended, in milliseconds. */
  #turnEnded = 0;
  readonly #futex = new AsyncFutex();
  readonly #spin = new AdaptiveSpin(DEFAULT_SPIN_US);
  #leaveResult: LeaveResult | undefined;

  private constructor(mailbox: MailboxMembership) {
    this.#mailbox = mailbox;
    Object.freeze(this);
  }

  /**
   * Finds or creates the mailbox.
   *
   * @throws {ShmError} `EINVAL` an object that is not a mailbox has the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(options: MailboxOptions = {}): MailboxClient {
    return new MailboxClient(MailboxMembership.join(readMailboxOptions(options)));
  }

  /** The segment the mailbox is in. */
  get segment(): Segment {
    return this.#mailbox.segment;
  }

  /** Whether the client is open. */
  get isOpen(): boolean {
    return this.segment.attached;
  }

  /** The server's process; `undefined` if there is none, or only a classic one, which has no role. */
  get serverPid(): number | undefined {
    return this.#mailbox.serverPid;
  }

  /**
   * Sends `text` and waits until the server has taken it. If the timeout or the signal ends the wait,
   * the message is withdrawn: no server will receive it.
   *
   * @throws {RangeError} the text has more than 2047 bytes of UTF-8 or a NUL
   * @throws {ShmError} `ETIMEDOUT` it was not taken in time and is withdrawn, `EBUSY` the wait ended
   * while the server handled it, so that its outcome is unknown, `EIDRM` the mailbox was removed while
   * in use
   */
  send(text: string, options?: SendOptions): Promise<void> {
    return promised(() => {
      const read = withDeadline<SendOptions>(readSendOptions(options));
      read.signal?.throwIfAborted();
      const encoded = encode(text);
      const reached = this.#begin(encoded);
      if (reached === "deposited" && this.#takenSoon()) return yieldBudget.resolve(undefined);
      return waitAsync(this.#sending(encoded, reached, read), read.signal);
    });
  }

  /** As {@linkcode MailboxClient.send}, blocking the thread. */
  sendSync(text: string, options?: SendSyncOptions): void {
    const read = withDeadline<SendSyncOptions>(readSendSyncOptions(options));
    const encoded = encode(text);
    const reached = this.#begin(encoded);
    if (reached === "deposited" && this.#takenSoon()) return;
    waitSync(this.#sending(encoded, reached, read));
  }

  /**
   * Leaves `text` in the mailbox as soon as the mailbox is free, and does not wait for the server to
   * take it. The message stays there for a server that starts later, even after this process ends.
   *
   * @throws {RangeError} the text has more than 2047 bytes of UTF-8 or a NUL
   * @throws {ShmError} `ETIMEDOUT` the mailbox was not free in time, `EIDRM` it was removed while in use
   */
  post(text: string, options?: SendOptions): Promise<void> {
    return promised(() => {
      const read = withDeadline<SendOptions>(readSendOptions(options));
      read.signal?.throwIfAborted();
      const encoded = encode(text);
      // After this, nothing would report that the mailbox is gone
      this.#mailbox.checkPresent();
      const reached = this.#begin(encoded);
      if (reached !== "deposited") {
        return waitAsync(this.#posting(encoded, reached, read), read.signal);
      }
      this.#endTurn();
      return yieldBudget.resolve(undefined);
    });
  }

  /**
   * Leaves `text` in the mailbox if that is possible without waiting, and returns whether it did.
   *
   * @throws {RangeError} the text has more than 2047 bytes of UTF-8 or a NUL
   */
  trySend(text: string): boolean {
    const bytes = encode(text);
    this.#mailbox.checkPresent();
    const reached = this.#begin(bytes);
    if (reached !== "queue") this.#endTurn();
    return reached === "deposited";
  }

  *#sending(
    encoded: Uint8Array<ArrayBuffer>,
    reached: Reached,
    options: SendSyncOptions,
  ): Waiting<void> {
    const schedule = new SendSchedule(this.#mailbox, options);
    if (reached !== "deposited") yield* this.#depositing(encoded.slice(), reached, schedule);
    try {
      yield* this.#untilEmpty(schedule);
    } catch (reason) {
      yield* this.#withdrawing(reason);
    } finally {
      this.#endTurn();
    }
  }

  *#posting(
    encoded: Uint8Array<ArrayBuffer>,
    reached: "queue" | "turn",
    options: SendSyncOptions,
  ): Waiting<void> {
    yield* this.#depositing(encoded.slice(), reached, new SendSchedule(this.#mailbox, options));
    this.#endTurn();
  }

  /** Goes as far as it can without waiting. */
  #begin(bytes: Uint8Array<ArrayBuffer>): Reached {
    const { entry, sender } = this.#mailbox;
    if (!sender.tryAcquire()) return "queue";
    this.#turn = "taken";
    if (entry.canRead) return "turn";
    this.#deposit(bytes);
    return "deposited";
  }

  /** Waits for our turn, unless we have it, and for an empty slot, then deposits. Keeps the turn. */
  *#depositing(
    bytes: Uint8Array<ArrayBuffer>,
    reached: "queue" | "turn",
    schedule: SendSchedule,
  ): Waiting<void> {
    if (reached === "queue") yield* this.#queueing(schedule);
    try {
      yield* this.#untilEmpty(schedule);
    } catch (reason) {
      try {
        this.#endTurn();
      } finally {
        this.#mailbox.checkOpen();
      }
      throw reason;
    }
    this.#deposit(bytes);
  }

  *#queueing(schedule: SendSchedule): Waiting<void> {
    try {
      if (!(yield* this.#standingBack(schedule))) yield* acquiring(this.#mailbox.sender, schedule);
    } catch (reason) {
      // After close the semaphores may be gone; the error must name the close
      this.#mailbox.checkOpen();
      throw reason;
    }
    // From here on this send must end the turn: before, another send of this client may hold it
    this.#turn = "taken";
  }

  /** Whether the server takes our message within the spin time. If so, the turn is over. */
  #takenSoon(): boolean {
    const { entry } = this.#mailbox;
    // SYNC ack: seeing the flag cleared orders our next text after all the server read
    const taken = this.#spin.look(() => !entry.canRead);
    if (taken) this.#endTurn();
    return taken;
  }

  /** Lets others have their turn if ours has just ended; returns whether we have the turn again. */
  *#standingBack(schedule: SendSchedule): Waiting<boolean> {
    // If another send of this client has the turn, there is no need to pause
    if (this.#turn !== undefined || Date.now() - this.#turnEnded > JUST_NOW_MS) return false;
    for (const ms of STAND_BACK_MS) {
      yield pause(Math.min(ms, schedule.next({ woken: true })));
      if (this.#mailbox.sender.tryAcquire()) return true;
    }
    return false;
  }

  *#untilEmpty(schedule: SendSchedule): Waiting<void> {
    for (;;) {
      const { entry, word } = this.#mailbox;
      const seen = word.load();
      // SYNC ack: seeing the flag cleared orders our next text after all the server read
      if (this.#spin.look(() => !entry.canRead)) return;
      this.#spin.sleeps();
      try {
        yield changedFrom(word, seen, schedule.next(), this.#futex);
      } finally {
        this.#spin.woke();
      }
    }
  }

  /** Puts the message into the slot, which is empty and ours, because we hold SENDER. */
  #deposit(bytes: Uint8Array<ArrayBuffer>): void {
    const { entry } = this.#mailbox;
    this.#mailbox.write(bytes);
    this.#mailbox.now(signed);
    this.#turn = "signed";
    // SYNC message: all of the text comes before this store
    entry.canRead = true;
  }

  /** Ends our turn, if we have it, so that the next sender has its turn. */
  #endTurn(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === "taken") this.#mailbox.sender.release();
    if (turn === "signed") {
      this.#turnEnded = Date.now();
      this.#mailbox.release(done);
    }
  }

  /**
   * Takes our message out again and throws `reason`, unless the server was faster. If the server is
   * handling the message, waits one slice of time for it to finish, so that the outcome may be known.
   */
  *#withdrawing(reason: unknown): Waiting<void> {
    // Close has done all of this
    if (this.#turn === undefined) throw reason;
    const { inFlight } = this.#mailbox;
    const grace = new WaitSchedule(
      Deadline.after(MAX_SLICE_MS),
      () =>
        new ShmError("know whether the message is taken", "semop", ERRNO.EBUSY, {
          key: this.segment.key,
          remedy: `${formatProcess(inFlight.holder)} has it and may still finish it`,
          cause: reason,
        }),
    );
    try {
      yield* acquiring(inFlight, grace);
    } catch (error) {
      // Without the set it is unknown whether the server has it
      throw saysGone(error) ? reason : error;
    }
    const withdrawn = this.#mailbox.entry.tryClear();
    inFlight.release();
    if (withdrawn) throw reason;
  }

  /**
   * Leaves the mailbox. A `send` under way fails with `EDETACHED`, and its message is withdrawn unless
   * the server is handling it. The last peer to leave removes what the clients created, unless an
   * unread message is in it. Calling it again does nothing.
   *
   * @returns what happened to the segment
   */
  close(): LeaveResult {
    return this.#leaveResult ??= this.#close();
  }

  #close(): LeaveResult {
    try {
      this.#withdrawNow();
    } finally {
      this.#endTurn();
      this.#leaveResult = this.#mailbox.leave();
      this.#futex.close();
    }
    return this.#leaveResult;
  }

  /** Takes our message out again, unless the server is handling it. */
  #withdrawNow(): void {
    const { inFlight, segment } = this.#mailbox;
    if (this.#turn !== "signed" || !segment.attached) return;
    try {
      if (!inFlight.tryAcquire()) return;
    } catch (error) {
      // The set is gone, so no sender has a turn any more
      if (saysGone(error)) return;
      throw error;
    }
    this.#mailbox.entry.tryClear();
    inFlight.release();
  }

  /** Closes the client: `using` calls this at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The encoded text, checked before any wait. The bytes are valid until the next call.
 *
 * @throws {RangeError} the text has more than 2047 bytes of UTF-8 or a NUL
 */
function encode(text: string): Uint8Array<ArrayBuffer> {
  return encodeText(LAYOUT.fields.msg.size, text, "text");
}

/** The wait schedule of one send: each slice checks that the mailbox still exists. */
class SendSchedule extends WaitSchedule {
  readonly #mailbox: MailboxMembership;
  #onNoServer: (() => void) | undefined;

  constructor(mailbox: MailboxMembership, options: Limited<SendSyncOptions>) {
    super(options.deadline ?? Deadline.never, () =>
      timedOut("send the message", "futex", {
        key: mailbox.segment.key,
        remedy: mailbox.serverMayBeThere
          ? "the server did not take it in time; the message is withdrawn"
          : "no server is attached; the message is withdrawn; start a server",
      }));
    this.#mailbox = mailbox;
    this.#onNoServer = options.onNoServer;
  }

  override next(how: { readonly woken?: boolean } = {}): number {
    // This makes system calls, and most waits end before it
    if (this.waited > 0) this.#mailbox.checkPresent();
    // A server that starts at the same moment is not reported as missing
    if (this.waited >= MAX_SLICE_MS && this.#onNoServer && !this.#mailbox.serverMayBeThere) {
      this.#onNoServer();
      this.#onNoServer = undefined;
    }
    return super.next({ woken: how.woken === true || this.#mailbox.wakes });
  }
}
