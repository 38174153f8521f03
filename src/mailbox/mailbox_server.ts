/**
 * The server of a mailbox, of which there is one: it receives one message at a time and acknowledges it.
 *
 * A message stays in the slot, and its sender waits, until the server acknowledges it. If the server
 * dies, closes or throws before that, the message is not lost: the next server receives it.
 */

import { formatProcess, ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { checkFlag, checkFunction, optionsReader } from "../layout/arguments.ts";
import { AsyncFutex } from "../sync/async_futex.ts";
import { changedFrom } from "../sync/atomic_int32.ts";
import { Deadline } from "../sync/deadline.ts";
import { handleEach, iterate } from "../sync/delivery.ts";
import { AdaptiveSpin, DEFAULT_SPIN_US } from "../sync/adaptive_spin.ts";
import { SerialQueue } from "../sync/serial_queue.ts";
import { promised, type Waiting, waitSync } from "../sysv/wait.ts";
import { yieldBudget } from "../sysv/yield_budget.ts";
import {
  readEachWaitOptions,
  readWaitOptions,
  readWaitSyncOptions,
  timedOut,
  type WaitLimits,
  type WaitOptions,
  WaitSchedule,
  type WaitSyncOptions,
} from "../sync/wait_schedule.ts";
import type { Segment } from "../sysv/segment.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { MAILBOX, MailboxMembership, type MailboxOptions } from "./mailbox_membership.ts";
import type { Message } from "./message.ts";

/** How {@linkcode MailboxServer.open} opens a mailbox. */
export interface MailboxServerOptions extends MailboxOptions {
  /** Keep the segment after closing, empty or not. Defaults to `false`. */
  readonly persistent?: boolean;
}

const readServerOptions = optionsReader({ ...MAILBOX, persistent: checkFlag });

/**
 * The server of a mailbox. There is one at a time; its role ends when its process ends.
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
 * server.ack(); // the message is handled; server.serve(handler) does this by itself
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
   * Finds or creates the mailbox and becomes its server. A message that is in it already is received
   * first.
   *
   * @throws {ShmError} `EBUSY` another process is the server (the error names it), `EINVAL` an object
   * that is not a mailbox has the key, `EUNTRUSTED`, `EACCES`, ...
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
      remedy: `${formatProcess(holder)} is its server: stop it, or choose another key`,
    });
  }

  /** The segment the mailbox is in. */
  get segment(): Segment {
    return this.#mailbox.segment;
  }

  /** Whether the server is open. */
  get isOpen(): boolean {
    return this.segment.attached;
  }

  /**
   * Returns the next message if there is one now, and acknowledges the one before. Returns `undefined`
   * also while a {@linkcode MailboxServer.receive} waits, because that is served first.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  tryReceive(): Message | undefined {
    this.ack();
    return this.#queue.waiting === 0 && !this.#queue.handing ? this.#take() : undefined;
  }

  #take(): Message | undefined {
    const { entry, inFlight } = this.#mailbox;
    // SYNC message: seeing the flag here orders the copy below after all that the sender wrote
    if (this.#inFlight || !entry.canRead || !inFlight.tryAcquire()) return undefined;
    // The sender may have withdrawn it before we acquired IN_FLIGHT
    if (!entry.canRead) {
      inFlight.release();
      return undefined;
    }
    this.#inFlight = true;
    return new ReceivedMessage(entry.msg, this.#mailbox);
  }

  /**
   * Acknowledges the message that was received last: its sender continues and the slot is free. Does
   * nothing if there is none to acknowledge. Asking for the next message acknowledges too;
   * {@linkcode MailboxServer.close} does not.
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
   * Negatively acknowledges: leaves the message that was received last in the mailbox, where the next
   * receive finds it again. Does nothing if there is none to acknowledge.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  nack(): void {
    this.#mailbox.checkOpen();
    if (!this.#inFlight || this.#queue.handing) return;
    this.#letGo();
    // Another receive may wait behind the one that returned this message
    if (this.#queue.waiting > 0) this.#mailbox.word.notify();
  }

  #letGo(): void {
    this.#inFlight = false;
    this.#mailbox.inFlight.release();
  }

  /**
   * Waits for the next message. Acknowledges the message that is delivered but not acknowledged at the
   * time of the call. Several calls at once are served in their order, each after the message of the
   * one before was acknowledged.
   *
   * @throws {ShmError} `ETIMEDOUT` the timeout is over, `EIDRM` the mailbox was removed while in use,
   * `EDETACHED` after close
   */
  receive(options?: WaitOptions): Promise<Message> {
    return promised(() => this.#receive(readWaitOptions(options)));
  }

  #receive(read: WaitLimits): Promise<Message> {
    read.signal?.throwIfAborted();
    this.ack();
    const { waiting, handing } = this.#queue;
    if (waiting === 0 && !handing && yieldBudget.pause() === undefined) {
      const message = this.#soon();
      if (message !== undefined) return this.#queue.handOver(message);
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
   * @throws {ShmError} as {@linkcode MailboxServer.receive}; `EBUSY` a `receive` has a message that has
   * not reached its caller yet
   */
  receiveSync(options?: WaitSyncOptions): Message {
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

  /** The message that is there, or that comes within the spin time. */
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
        // Before the flag is read: a change after this ends the wait or prevents it
        const seen = word.load();
        const message = this.#take();
        if (message !== undefined) return message;
        // This makes system calls, and most waits end before it
        if (slept || deadline.passed) this.#mailbox.checkPresent();
        const slice = schedule.next({ woken: this.#mailbox.wakes, checked: true });
        yield changedFrom(word, seen, slice, this.#futex);
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
   * Calls `handler` with each message, one after the other, and acknowledges a message when the promise
   * that `handler` returns fulfils. If it rejects, or `handler` throws, the message stays in the mailbox
   * for the next receive, and `serve` rejects with the same reason. So neither an exception nor the end
   * of the process loses a message.
   *
   * `serve` fulfils when `signal` aborts: at once, or when the running handler has ended.
   *
   * @throws {ShmError} `ETIMEDOUT` no message came within `timeout` milliseconds, `EIDRM` the mailbox
   * was removed while in use, `EDETACHED` after close
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
  async serve(handler: (message: Message) => unknown, options?: WaitOptions): Promise<void> {
    await handleEach(this, checkFunction(handler, "handler"), readEachWaitOptions(options));
  }

  /**
   * Iterates over the messages as they come, without end. Each message is acknowledged when the loop
   * asks for the next one, and when the loop is left, by `break` or by `throw`: an iterator cannot
   * distinguish the two. If an exception must not lose a message, use {@linkcode MailboxServer.serve}.
   * The iterator's `return` ends a `next` that waits, which takes no message then.
   *
   * @throws {ShmError} `ETIMEDOUT` no message came within `timeout` milliseconds, `EIDRM` the mailbox
   * was removed while in use
   */
  messages(options?: WaitOptions): AsyncIterableIterator<Message, undefined> {
    return iterate(
      (limits) => this.#receive(limits),
      readEachWaitOptions(options),
      () => this.#leave(),
    );
  }

  /** Acknowledges the message of a loop that is left. */
  #leave(): void {
    if (this.isOpen) this.ack();
  }

  /** `for await (const message of server)`: {@linkcode MailboxServer.messages} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.messages();
  }

  /**
   * Stops being the server and leaves the mailbox. A message that is delivered but not acknowledged
   * stays: the next server receives it. The segment is removed if it is empty, no other process is
   * attached, and `persistent` is not set. A waiting `receive` rejects with `EDETACHED`. Calling it
   * again does nothing.
   *
   * @returns what happened to the segment
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

  /** Closes the server: `using` calls this at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** A received message. It looks up the sender only on access, because that takes three system calls. */
class ReceivedMessage implements Message {
  readonly text: string;
  readonly time = new Date();
  readonly #mailbox: MailboxMembership;

  constructor(text: string, mailbox: MailboxMembership) {
    this.text = text;
    this.#mailbox = mailbox;
  }

  get sender(): number | null {
    // A pid of 0 is that of a process of another pid namespace
    return this.#mailbox.senderPid || null;
  }
}
