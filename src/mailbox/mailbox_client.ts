/**
 * A client of a mailbox: puts messages in, in turn with other clients, and knows of each whether it
 * was taken.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFunction, optionsReader } from "../layout/arguments.ts";
import { encodeText } from "../layout/c_string.ts";
import { AsyncFutex } from "../sync/async_futex.ts";
import { Deadline } from "../sync/deadline.ts";
import { AdaptiveSpin, DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
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

/**
 * How long a sender waits, and what it wants to know meanwhile.
 *
 * @example
 * ```ts
 * import { MailboxClient, type SendSyncOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SendSyncOptions = { timeout: 10 };
 * using client = MailboxClient.open({ key: 0x5eed0016 });
 * assert.throws(() => client.sendSync("hello", options), { code: "ETIMEDOUT" });
 * ```
 */
export interface SendSyncOptions {
  /** Milliseconds to wait at most; then `ETIMEDOUT`. Defaults to no limit. */
  readonly timeout?: number;
  /** Called once if no server seems to be there while we wait for one. */
  readonly onNoServer?: () => void;
}

/**
 * As {@linkcode SendSyncOptions}, and what can end the wait.
 *
 * @example
 * ```ts
 * import { MailboxClient, type SendOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: SendOptions = { signal: AbortSignal.timeout(10) };
 * using client = MailboxClient.open({ key: 0x5eed0017 });
 * await assert.rejects(client.send("hello", options), { name: "TimeoutError" });
 * ```
 */
export interface SendOptions extends SendSyncOptions {
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

const readMailboxOptions = optionsReader(MAILBOX);
const readSendSyncOptions = optionsReader({
  ...WAIT_SYNC,
  onNoServer: checkFunction<() => void>,
});
const readSendOptions = optionsReader({ ...WAIT, onNoServer: checkFunction<() => void> });

/**
 * A client that had its turn just now does not queue for the next one at once: it stands back meanwhile.
 * To hand a turn over takes as long as several messages of one sender, so senders that have much to send
 * take turns in bursts, while one that sends now and then has its turn next.
 */
const JUST_NOW_MS = 1;
/** After each of these pauses it looks for its turn: others had one message, or have many. */
const STAND_BACK_MS = [1, 48];

/** How far a send came without waiting: it has to queue for its turn, has its turn, is in the slot. */
type Reached = "queue" | "turn" | "deposited";

/** SENDER goes from 1 to 2 when our message is about to be in the slot, and from 2 to 0 after it. */
const signed = SemaphoreSet.prepare([{ semaphore: SEMAPHORE.SENDER, add: 1, undo: true }]);
const done = SemaphoreSet.prepare([{ semaphore: SEMAPHORE.SENDER, add: -2, undo: true }]);

/**
 * A client of a mailbox. Any number of them may send at once: each waits for its turn.
 *
 * @example
 * ```ts
 * import { MailboxClient, ShmError } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using client = MailboxClient.open({ key: 0x5eed0009 });
 * try {
 *   await client.send("anybody there?", { timeout: 50 });
 * } catch (error) {
 *   assert(error instanceof ShmError);
 *   assert.equal(error.code, "ETIMEDOUT"); // and the message is withdrawn
 * }
 * ```
 */
export class MailboxClient implements Disposable {
  readonly #mailbox: MailboxMembership;
  /** Whether SENDER is ours: taken, or signed too (its value is 2), the message being in the slot. */
  #turn: "taken" | "signed" | undefined;
  /** When one with a message ended last, in milliseconds. */
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
   * @throws {ShmError} `EINVAL` something else holds the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(options: MailboxOptions = {}): MailboxClient {
    return new MailboxClient(MailboxMembership.join(readMailboxOptions(options)));
  }

  /** The segment the mailbox is in. */
  get segment(): Segment {
    return this.#mailbox.segment;
  }

  /** The server's process; `undefined` if there is none, or a classic one, which has no role. */
  get serverPid(): number | undefined {
    return this.#mailbox.serverPid;
  }

  /**
   * Sends `text` and waits until the server has taken it. If this fails for lack of time or by the
   * signal, the message is withdrawn: nobody will receive it.
   *
   * @throws {RangeError} more than 2047 bytes of UTF-8, or a NUL in it
   * @throws {ShmError} `ETIMEDOUT` it was not taken in time and is withdrawn, `EBUSY` we gave up while
   * the server had it in hand, so that its outcome is unknown, `EIDRM` the mailbox was removed
   * underneath
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
   * Leaves `text` in the mailbox as soon as that is free, and does not wait for it to be taken. It
   * stays there for a server that comes later, after this process too.
   *
   * @throws {RangeError} more than 2047 bytes of UTF-8, or a NUL in it
   * @throws {ShmError} `ETIMEDOUT` the mailbox was not free in time, `EIDRM` it was removed underneath
   */
  post(text: string, options?: SendOptions): Promise<void> {
    return promised(() => {
      const read = withDeadline<SendOptions>(readSendOptions(options));
      read.signal?.throwIfAborted();
      const encoded = encode(text);
      // Later nothing would tell that there is no mailbox any more
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
   * Leaves `text` in the mailbox if that can be done without waiting, and says whether.
   *
   * @throws {RangeError} more than 2047 bytes of UTF-8, or a NUL in it
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

  /** Waits for our turn, if it is not ours yet, and for room, then deposits. The turn stays ours. */
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
      if (!(yield* this.#standingBack(schedule))) yield* this.#mailbox.sender.acquiring(schedule);
    } catch (reason) {
      // After close the semaphores may be gone: that we closed is why
      this.#mailbox.checkOpen();
      throw reason;
    }
    // From here on the turn is this send's to end: before, it may be another's of the same client
    this.#turn = "taken";
  }

  /** Whether the server takes our message within the time to spin. The turn is over then. */
  #takenSoon(): boolean {
    const { entry } = this.#mailbox;
    // SYNC ack: seeing the flag cleared orders our next text after all the server read
    const taken = this.#spin.look(() => !entry.canRead);
    if (taken) this.#endTurn();
    return taken;
  }

  /** Lets others have their turn if we had ours just now, and says whether it is ours again. */
  *#standingBack(schedule: SendSchedule): Waiting<boolean> {
    // Another send of this client, in whose turn we are, needs no standing back
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
        yield word.changedFrom(seen, schedule.next(), this.#futex);
      } finally {
        this.#spin.woke();
      }
    }
  }

  /** Puts the message into the slot, which is empty and, as we hold SENDER, ours. */
  #deposit(bytes: Uint8Array<ArrayBuffer>): void {
    const { entry } = this.#mailbox;
    this.#mailbox.write(bytes);
    this.#mailbox.now(signed);
    this.#turn = "signed";
    // SYNC message: all of the text comes before this store
    entry.canRead = true;
  }

  /** Lets the next sender have its turn, if it is ours. */
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
   * Takes our message out again and throws `reason`, unless the server was faster. If it has the
   * message in hand, it gets one slice of time to finish: then at least we know.
   */
  *#withdrawing(reason: unknown): Waiting<void> {
    // After close all of this has been done
    if (this.#turn === undefined) throw reason;
    const { inFlight } = this.#mailbox;
    const grace = new WaitSchedule(
      Deadline.after(MAX_SLICE_MS),
      () =>
        new ShmError("know whether the message is taken", "semop", ERRNO.EBUSY, {
          key: this.segment.key,
          remedy: `process ${
            inFlight.holder ?? "(just gone)"
          } has it in hand and may still finish it`,
          cause: reason,
        }),
    );
    try {
      yield* inFlight.acquiring(grace);
    } catch (error) {
      // Without the set nobody can tell whether the server has it
      throw saysGone(error) ? reason : error;
    }
    const withdrawn = this.#mailbox.entry.tryClear();
    inFlight.release();
    if (withdrawn) throw reason;
  }

  /**
   * Leaves. A `send` still under way fails with `EDETACHED`, and its message is withdrawn unless the
   * server has it in hand. Once nobody is there and nothing unread, what the clients created is
   * removed. Twice is once.
   *
   * @returns what became of the segment
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

  /** Takes our message out again, unless the server has it in hand. */
  #withdrawNow(): void {
    const { inFlight, segment } = this.#mailbox;
    if (this.#turn !== "signed" || !segment.attached) return;
    try {
      if (!inFlight.tryAcquire()) return;
    } catch (error) {
      // The set is gone, and nobody is in turn any more
      if (saysGone(error)) return;
      throw error;
    }
    this.#mailbox.entry.tryClear();
    inFlight.release();
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The bytes of the text, before anything is waited for. They hold until the next call.
 *
 * @throws {RangeError} more than 2047 bytes of UTF-8, or a NUL in it
 */
function encode(text: string): Uint8Array<ArrayBuffer> {
  return encodeText(LAYOUT.fields.msg.size, text, "text");
}

/** The slices of one send: each checks that there is still something to wait for. */
class SendSchedule extends WaitSchedule {
  readonly #mailbox: MailboxMembership;
  #onNoServer: (() => void) | undefined;

  constructor(mailbox: MailboxMembership, options: Limited<SendSyncOptions>) {
    super(options.deadline ?? Deadline.never, () =>
      timedOut("send the message", "futex", {
        key: mailbox.segment.key,
        remedy: mailbox.serverMayBeThere
          ? "the server did not take it in time, and nobody will receive it any more"
          : "no server is attached, and nobody will receive it any more: start a server",
      }));
    this.#mailbox = mailbox;
    this.#onNoServer = options.onNoServer;
  }

  override next(how: { readonly woken?: boolean } = {}): number {
    // System calls, which most waits are over before
    if (this.waited > 0) this.#mailbox.checkPresent();
    // A server that starts at the same moment needs no mention
    if (this.waited >= MAX_SLICE_MS && this.#onNoServer && !this.#mailbox.serverMayBeThere) {
      this.#onNoServer();
      this.#onNoServer = undefined;
    }
    return super.next({ woken: how.woken === true || this.#mailbox.wakes });
  }
}
