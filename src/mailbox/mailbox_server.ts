/**
 * The one server of a mailbox: takes messages out, one at a time, and says when each is done with.
 *
 * A message stays in the slot, and with it the sender's wait, until the server acknowledges it. A
 * server that dies before that, or puts it back, has taken nothing: the next one finds the message.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { ERRNO } from "../../ffi/errno.ts";
import { Deadline } from "../sync/deadline.ts";
import { waitAsync, type Waiting, waitSync } from "../sysv/wait.ts";
import { Slices, timedOut } from "../sync/waiting.ts";
import type { Segment } from "../sysv/segment.ts";
import { type Departure, Mailbox, type MailboxOptions } from "./mailbox.ts";
import type { Message } from "./message.ts";

/**
 * How {@linkcode MailboxServer.open} opens a mailbox.
 *
 * @example
 * ```ts
 * import { MailboxServer, type MailboxServerOptions, removeSegment } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: MailboxServerOptions = { key: 0x5eed0014, keep: true };
 * const server = MailboxServer.open(options);
 * assert.equal(server.close(), "kept");
 * removeSegment(server.segment.id);
 * ```
 */
export interface MailboxServerOptions extends MailboxOptions {
  /** Leave the segment where it is in the end, empty or not. */
  readonly keep?: boolean;
}

/**
 * How long a receiver waits.
 *
 * @example
 * ```ts
 * import { Deadline, MailboxServer, type ReceiveOptions } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const options: ReceiveOptions = { deadline: Deadline.after(10) };
 * using server = MailboxServer.open({ key: 0x5eed0015 });
 * await assert.rejects(server.receive(options), { code: "ETIMEDOUT" });
 * ```
 */
export interface ReceiveOptions {
  /** When to give up; never if not said. */
  readonly deadline?: Deadline;
  /** Gives up when it aborts, with its reason. */
  readonly signal?: AbortSignal;
}

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
 * for await (const message of server) {
 *   assert.equal(message.text, "hello");
 *   break; // ends the loop; the message is acknowledged
 * }
 * await sent; // resolves when it was
 * ```
 */
export class MailboxServer implements Disposable {
  readonly #mailbox: Mailbox;
  readonly #keep: boolean;
  #inHand = false;
  #departure: Departure | undefined;

  private constructor(mailbox: Mailbox, keep: boolean) {
    this.#mailbox = mailbox;
    this.#keep = keep;
    Object.freeze(this);
  }

  /**
   * Finds or creates the mailbox and becomes its server. What is in it already is received first.
   *
   * @throws {ShmError} `EBUSY` another process is the server (the message says which), `EINVAL`
   * something else holds the key, `EUNTRUSTED`, `EACCES`, ...
   */
  static open(options: MailboxServerOptions = {}): MailboxServer {
    const { keep = false } = options;
    const mailbox = Mailbox.join(options, keep);
    let server: MailboxServer | undefined;
    let holder: number | undefined;
    try {
      if (mailbox.server.tryTake()) return server = new MailboxServer(mailbox, keep);
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
   * The next message if there is one now. Acknowledges the one before.
   *
   * @throws {ShmError} `EDETACHED` after close
   */
  tryReceive(): Message | undefined {
    this.acknowledge();
    const { entry, hand } = this.#mailbox;
    // SYNC message: seeing the flag here orders the copy below after all the sender wrote
    if (!entry.canRead || !hand.tryTake()) return undefined;
    // Before the hand was ours, its sender may have withdrawn it
    if (!entry.canRead) {
      hand.release();
      return undefined;
    }
    this.#inHand = true;
    return { text: entry.msg, time: new Date(), sender: this.#mailbox.senderPid ?? null };
  }

  /**
   * Says that the message received last is done with: its sender goes on, the slot is free. Does
   * nothing if none is in hand. Receiving the next message does it too, and so does closing.
   */
  acknowledge(): void {
    if (!this.#inHand) return;
    // SYNC taken: all reads of the text come before this store
    this.#mailbox.entry.canRead = false;
    this.putBack();
  }

  /**
   * Leaves the message received last in the mailbox, where the next to receive finds it again. Does
   * nothing if none is in hand.
   */
  putBack(): void {
    if (!this.#inHand) return;
    this.#inHand = false;
    this.#mailbox.hand.release();
  }

  /**
   * The next message. Acknowledges the one before.
   *
   * @throws {ShmError} `ETIMEDOUT` the deadline passed, `EIDRM` the mailbox was removed underneath
   */
  receive(options: ReceiveOptions = {}): Promise<Message> {
    return waitAsync(this.#receiving(options.deadline), options.signal);
  }

  /** As {@linkcode MailboxServer.receive}, blocking the thread. */
  receiveSync(options: { readonly deadline?: Deadline } = {}): Message {
    return waitSync(this.#receiving(options.deadline));
  }

  *#receiving(deadline: Deadline = Deadline.never): Waiting<Message> {
    const { word } = this.#mailbox;
    const slices = new Slices(deadline, () =>
      timedOut("receive a message", "futex", {
        key: this.segment.key,
        remedy: "nobody sent one in time",
      }));
    for (;;) {
      this.#mailbox.checkOpen();
      const seen = word.load();
      const message = this.tryReceive();
      if (message !== undefined) return message;
      this.#mailbox.checkPresent();
      yield word.changedFrom(seen, slices.next());
    }
  }

  /**
   * Message after message. Each is acknowledged when the next is asked for, and when the loop is left.
   *
   * @throws {ShmError} `ETIMEDOUT` no message came within `timeout` milliseconds, `EIDRM` the mailbox
   * was removed underneath
   */
  async *messages(
    options: { readonly timeout?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Message, never, void> {
    const { timeout, signal } = options;
    try {
      for (;;) {
        const deadline = timeout === undefined ? Deadline.never : Deadline.after(timeout);
        yield await this.receive({ deadline, ...(signal === undefined ? {} : { signal }) });
      }
    } finally {
      this.acknowledge();
    }
  }

  /** `for await (const message of server)`: {@linkcode MailboxServer.messages} without end. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, never, void> {
    return this.messages();
  }

  /**
   * Acknowledges the message in hand, stops being the server and leaves. The segment is removed if it
   * is empty, nobody else is attached, and `keep` was not asked for. Twice is once.
   *
   * @returns what became of the segment
   */
  close(): Departure {
    return this.#departure ??= this.#close();
  }

  #close(): Departure {
    try {
      this.acknowledge();
    } finally {
      try {
        this.putBack();
        this.#mailbox.server.release();
      } finally {
        this.#departure = this.#mailbox.leave({ keep: this.#keep });
      }
    }
    return this.#departure;
  }

  /** `using` closes at the end of the block. */
  [Symbol.dispose](): void {
    this.close();
  }
}
