/**
 * The one server of a mailbox: takes messages out, one at a time, and acknowledges each.
 *
 * A message stays in the slot, and with it the sender's wait, until the server acknowledges it. A
 * server that dies, closes or throws before that has taken nothing: the next one finds the message.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import {
  checkFlag,
  checkFunction,
  checkSignal,
  checkTimeout,
  optionsReader,
} from "../layout/arguments.ts";
import { AsyncFutex } from "../sync/async_futex.ts";
import { Deadline } from "../sync/deadline.ts";
import { AdaptiveSpin, DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import { type Waiting, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import {
  readWaitOptions,
  readWaitSyncOptions,
  timedOut,
  type WaitLimits,
  WaitSchedule,
} from "../sync/wait_schedule.ts";
import type { Segment } from "../sysv/segment.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { MAILBOX, MailboxMembership, type MailboxOptions } from "./mailbox_membership.ts";
import type { Message } from "./message.ts";

/**
 * How {@linkcode MailboxServer.open} opens a mailbox.
 *
 * @example
 * ```ts
 * import { MailboxServer, type MailboxServerOptions, removeSegment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: MailboxServerOptions = { key: 0x5eed0014, persistent: true };
 * const server = MailboxServer.open(options);
 * assert.equal(server.close(), "kept");
 * removeSegment(server.segment.id);
 * ```
 */
export interface MailboxServerOptions extends MailboxOptions {
  /** Leave the segment where it is in the end, empty or not. */
  readonly persistent?: boolean;
}

/**
 * How long a receiver waits.
 *
 * @example
 * ```ts
 * import { MailboxServer, type ReceiveOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: ReceiveOptions = { timeout: 10 };
 * using server = MailboxServer.open({ key: 0x5eed0015 });
 * await assert.rejects(server.receive(options), { code: "ETIMEDOUT" });
 * ```
 */
export interface ReceiveOptions {
  /** Milliseconds to wait at most; then `ETIMEDOUT`. Defaults to no limit. */
  readonly timeout?: number;
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * How {@linkcode MailboxServer.serve} and {@linkcode MailboxServer.messages} wait.
 *
 * @example
 * ```ts
 * import { MailboxServer, type ServeOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: ServeOptions = { timeout: 10 };
 * using server = MailboxServer.open({ key: 0x5eed001a });
 * await assert.rejects(server.serve(() => {}, options), { code: "ETIMEDOUT" });
 * ```
 */
export interface ServeOptions {
  /** How many milliseconds to wait for each message. Defaults to no limit. */
  readonly timeout?: number;
  /** Ends it when it aborts: `serve` fulfils, the loop over `messages` throws its reason. */
  readonly signal?: AbortSignal;
}

const readServerOptions = optionsReader({ ...MAILBOX, persistent: checkFlag });
const readServeOptions = optionsReader({ timeout: checkTimeout, signal: checkSignal });

/**
 * The server of a mailbox. There is one at a time; its claim ends with its process.
 *
 * @example
 * ```ts
 * import { MailboxClient, MailboxServer } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using server = MailboxServer.open({ key: 0x5eed0008 });
 * using client = MailboxClient.open({ key: 0x5eed0008 });
 * const sent = client.send("hello");
 * const message = await server.receive();
 * assert.equal(message.text, "hello");
 * server.ack(); // done with it; server.serve(handler) does this by itself
 * await sent;
 * ```
 */
export class MailboxServer implements Disposable {
  readonly #mailbox: MailboxMembership;
  readonly #persistent: boolean;
  readonly #futex = new AsyncFutex();
  readonly #spin = new AdaptiveSpin(DEFAULT_SPIN_US);
  readonly #queue = new SerialQueue();
  #inFlight = false;
  #leaveResult: LeaveResult | undefined;

  private constructor(mailbox: MailboxMembership, persistent: boolean) {
    this.#mailbox = mailbox;
    this.#persistent = persistent;
    Object.freeze(this);
  }

  /**
   * Finds or creates the mailbox and becomes its server. What is in it already is received first.
   *
   * @throws {ShmError} `EBUSY` another process is the server (the message says which), `EINVAL`
   * something else holds the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(options: MailboxServerOptions = {}): MailboxServer {
    const { persistent = false, ...read } = readServerOptions(options);
    const mailbox = MailboxMembership.join(read, persistent);
    let server: MailboxServer | undefined;
    let holder: number | undefined;
    try {
      if (mailbox.server.tryAcquire()) return server = new MailboxServer(mailbox, persistent);
      holder = mailbox.serverPid;
    } finally {
      if (server === undefined) mailbox.leave();
    }
    const { key, id } = mailbox.segment;
    throw new ShmError("become the mailbox's server", "semop", ERRNO.EBUSY, {
      key,
      id,
      remedy: `process ${holder ?? "(just gone)"} is its server: stop it, or choose another key`,
    });
  }

  /** The segment the mailbox is in. */
  get segment(): Segment {
    return this.#mailbox.segment;
  }

  /**
   * The next message if there is one now. Acknowledges the one before. `undefined` also while a
   * {@linkcode MailboxServer.receive} waits, which is served first.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  tryReceive(): Message | undefined {
    this.ack();
    return this.#queue.waiting === 0 && !this.#queue.handing ? this.#take() : undefined;
  }

  #take(): Message | undefined {
    const { entry, inFlight } = this.#mailbox;
    // SYNC message: seeing the flag here orders the copy below after all the sender wrote
    if (this.#inFlight || !entry.canRead || !inFlight.tryAcquire()) return undefined;
    // Before the hand was ours, its sender may have withdrawn it
    if (!entry.canRead) {
      inFlight.release();
      return undefined;
    }
    this.#inFlight = true;
    return new ReceivedMessage(entry.msg, this.#mailbox);
  }

  /**
   * Acknowledges the message in hand: its sender goes on, the slot is free. Does nothing if none is in
   * hand. Asking for the next message does it too; {@linkcode MailboxServer.close} does not.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  ack(): void {
    this.#mailbox.checkOpen();
    if (!this.#inFlight || this.#queue.handing) return;
    // SYNC ack: all reads of the text come before this store
    this.#mailbox.entry.canRead = false;
    this.#letGo();
  }

  /**
   * Negative acknowledge: leaves the message in hand in the mailbox, where the next receive finds it
   * again. Does nothing if none is in hand.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  nack(): void {
    this.#mailbox.checkOpen();
    if (!this.#inFlight || this.#queue.handing) return;
    this.#letGo();
    // A receive that waits behind the one whose message this was
    if (this.#queue.waiting > 0) this.#mailbox.word.notify();
  }

  #letGo(): void {
    this.#inFlight = false;
    this.#mailbox.inFlight.release();
  }

  /**
   * The next message. Acknowledges the one that is in hand at the time of the call. Several calls at
   * once are served in their order, each after the message of the one before was acknowledged.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EIDRM` the mailbox was removed underneath,
   * `EDETACHED` after close
   */
  receive(options?: ReceiveOptions): Promise<Message> {
    let read: WaitLimits;
    try {
      read = readWaitOptions(options);
      read.signal?.throwIfAborted();
      this.ack();
      const { waiting, handing } = this.#queue;
      if (waiting === 0 && !handing && yieldBudget.pause() === undefined) {
        const message = this.#soon();
        if (message !== undefined) return this.#queue.handOver(message);
      }
    } catch (failure) {
      return Promise.reject(failure);
    }
    return this.#queue.run(
      read,
      () => this.#expired(),
      () => this.#receiving(read.deadline),
    );
  }

  /**
   * As {@linkcode MailboxServer.receive}, blocking the thread.
   *
   * @throws {ShmError} as {@linkcode MailboxServer.receive}; `EBUSY` a `receive` has a message that its
   * caller has not had yet
   */
  receiveSync(options?: { readonly timeout?: number }): Message {
    const { deadline } = readWaitSyncOptions(options);
    this.ack();
    if (this.#inFlight) {
      throw new ShmError("receive a message", undefined, ERRNO.EBUSY, {
        key: this.segment.key,
        remedy: "a receive() of this server is under way: await it first",
      });
    }
    return this.#soon() ?? waitSync(this.#receiving(deadline));
  }

  /** The message that is there, or comes within the time to spin. */
  #soon(): Message | undefined {
    const { entry } = this.#mailbox;
    return this.#spin.look(() => entry.canRead) ? this.#take() : undefined;
  }

  *#receiving(deadline: Deadline = Deadline.never): Waiting<Message> {
    const { word } = this.#mailbox;
    const schedule = new WaitSchedule(deadline, () => this.#expired());
    this.#spin.sleeps();
    try {
      for (let slept = false;; slept = true) {
        this.#mailbox.checkOpen();
        // Before the look at the flag: what changes after this ends the wait or prevents it
        const seen = word.load();
        const message = this.#take();
        if (message !== undefined) return message;
        // System calls, which most waits are over before
        if (slept || deadline.passed) this.#mailbox.checkPresent();
        yield word.changedFrom(seen, schedule.next({ woken: this.#mailbox.wakes }), this.#futex);
      }
    } finally {
      this.#spin.woke();
    }
  }

  #expired(): ShmError {
    return timedOut("receive a message", "futex", {
      key: this.segment.key,
      remedy: "no message came in time",
    });
  }

  /**
   * Calls `handler` with each message as it comes, one after the other, and acknowledges it when the
   * promise that `handler` returns fulfils. If that rejects, or `handler` throws, the message stays in
   * the mailbox for the next receive, and `serve` rejects with the same reason. So a message is lost
   * neither by an exception nor by the end of the process.
   *
   * It fulfils when `signal` aborts: at once, or once the handler under way has ended.
   *
   * @throws {ShmError} `ETIMEDOUT` no message came within `timeout` milliseconds, `EIDRM` the mailbox
   * was removed underneath, `EDETACHED` after close
   *
   * @example
   * ```ts
   * import { MailboxClient, MailboxServer } from "@sysv/shm";
   * import assert from "node:assert/strict";
   *
   * using server = MailboxServer.open({ key: 0x5eed0019 });
   * using client = MailboxClient.open({ key: 0x5eed0019 });
   * const stop = new AbortController();
   * const served = server.serve(({ text }) => assert.equal(text, "hello"), { signal: stop.signal });
   * await client.send("hello"); // fulfils when the handler is done
   * stop.abort();
   * await served;
   * ```
   */
  async serve(
    handler: (message: Message) => unknown,
    options?: ServeOptions,
  ): Promise<void> {
    checkFunction(handler, "handler");
    const read = readServeOptions(options);
    const { signal } = read;
    while (signal?.aborted !== true) {
      let message: Message;
      try {
        message = await this.receive(read);
      } catch (failure) {
        // Only a signal that has aborted has a reason
        if (failure === signal?.reason) return;
        throw failure;
      }
      try {
        await handler(message);
      } catch (failure) {
        // After close it is back already
        if (this.segment.attached) this.nack();
        throw failure;
      }
      this.ack();
    }
  }

  /**
   * The messages as they come, without end. Each is acknowledged when the next is asked for, and when
   * the loop is left, by `break` and by `throw` alike: the two cannot be told apart here. Where an
   * exception must not lose a message, use {@linkcode MailboxServer.serve}.
   *
   * @throws {ShmError} `ETIMEDOUT` no message came within `timeout` milliseconds, `EIDRM` the mailbox
   * was removed underneath
   */
  messages(options?: ServeOptions): AsyncIterableIterator<Message, undefined> {
    const read = readServeOptions(options);
    const iterator: AsyncIterableIterator<Message, undefined> = {
      next: () => this.receive(read).then((value) => ({ done: false as const, value })),
      return: () => {
        if (this.segment.attached) this.ack();
        return Promise.resolve({ done: true as const, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** `for await (const message of server)`: {@linkcode MailboxServer.messages} without end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.messages();
  }

  /**
   * Stops being the server and leaves. A message in hand is not acknowledged: the next server receives
   * it. The segment is removed if it is empty, nobody else is attached, and `persistent` was not asked for.
   * A `receive` that waits rejects with `EDETACHED`. Twice is once.
   *
   * @returns what became of the segment
   */
  close(): LeaveResult {
    return this.#leaveResult ??= this.#close();
  }

  #close(): LeaveResult {
    try {
      if (this.#inFlight) this.#letGo();
      this.#mailbox.server.release();
    } finally {
      this.#leaveResult = this.#mailbox.leave({ persistent: this.#persistent });
      this.#futex.close();
    }
    return this.#leaveResult;
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** The sender is asked for only where that is wanted: it takes three system calls. */
class ReceivedMessage implements Message {
  readonly text: string;
  readonly time = new Date();
  readonly #mailbox: MailboxMembership;

  constructor(text: string, mailbox: MailboxMembership) {
    this.text = text;
    this.#mailbox = mailbox;
  }

  get sender(): number | null {
    return this.#mailbox.senderPid ?? null;
  }
}
