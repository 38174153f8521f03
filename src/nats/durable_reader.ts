/**
 * Reads a durable consumer of a stream in order, whatever becomes of this process and of those before it.
 * Internal: used by `bridge_in.ts`.
 *
 * **Order.** A durable consumer delivers a message again when it was not acknowledged in time, and the
 * messages after it in the meantime. So that none overtakes another, the reader first collects all that was
 * delivered before and not acknowledged: the server says how many these are, and up to which number in the
 * stream. It waits until they are due, and hands them out sorted. From then on the deliveries, which the
 * server counts, come without a gap: a gap means that one went elsewhere, and the reader begins again.
 */

import { BridgeError, reasonOf } from "./bridge_error.ts";
import type { Link } from "./link.ts";
import type { DurableInfo, NatsMessage } from "./nats_client.ts";
import type { ProgressCount } from "./progress_count.ts";
import { HEADER } from "./stream_publisher.ts";

/** One message from the stream. */
export interface Incoming {
  /** Its number in the stream. */
  readonly sequence: number;
  readonly tag: number;
  readonly bytes: Uint8Array;
  /** The subject that acknowledges it. */
  readonly reply: string;
}

interface Delivery extends Incoming {
  /** How many deliveries of the durable consumer there were, with this one. */
  readonly deliveries: number;
}

const NANOSECONDS = 1e6;
/** How long the server waits for an acknowledgement before it delivers again, if it is created here. */
const ACK_WAIT_MS = 2_000;
/** How much later than announced the server may deliver again, in milliseconds. */
const LATE_MS = 250;
/** How long one request for messages is open, and how long after that its end is taken for lost. */
const PULL_MS = { OPEN: 5_000, LOST: 2_000 };
/** After this a server that says nothing has not answered. */
const SILENCE_MS = PULL_MS.OPEN + PULL_MS.LOST;
/** How long to wait before the next request if the server cannot serve one now, in milliseconds. */
const RETRY_MS = 250;
/** How far the time when a durable consumer was created may move: servers lose some of it when they start again. */
const SAME_MS = 1_000;
/** How often in a row the deliveries may have a gap. */
const GAPS = 5;
/** Bytes of one request, unless the server takes larger messages. */
const PULL_BYTES = 1 << 23;

/** The reading end of one durable consumer. */
export class DurableReader implements Disposable {
  readonly #link: Link;
  readonly #stream: string;
  readonly #durable: string;
  readonly #most: number;
  readonly #count: ProgressCount;
  readonly #ackWait: number;
  readonly #created: number;
  #inbox = "";
  #subscription: { unsubscribe(): void } | undefined;
  #arrived: Delivery[] = [];
  /** Messages that the present request may still bring. */
  #wanted = 0;
  #lastArrival = 0;
  #isSettled = false;
  #gaps = 0;
  /** The count of the next delivery. */
  #expected = 0;
  /** How many messages were delivered before and come again, and the highest number among them. */
  #owed = { count: 0, last: 0 };
  /** What has arrived while some of them are missing. */
  readonly #held = new Map<number, Delivery>();
  /** Whether the present request ended without all that it may bring. */
  #isLate = false;
  #failure: BridgeError | undefined;

  constructor(
    link: Link,
    { stream, durable, maxInFlight, info, count }: {
      readonly stream: string;
      readonly durable: string;
      readonly maxInFlight: number;
      readonly info: DurableInfo;
      readonly count: ProgressCount;
    },
  ) {
    this.#link = link;
    this.#stream = stream;
    this.#durable = durable;
    this.#most = maxInFlight;
    this.#count = count;
    this.#created = Date.parse(info.created);
    this.#ackWait = (info.config.ack_wait ?? 30e9) / NANOSECONDS;
  }

  /**
   * The next messages, at least one and in order; none if `signal` aborts.
   *
   * @throws {BridgeError} `ECONNECT`, `EREFUSED`, `ESTREAM`
   */
  async next(signal: AbortSignal | undefined): Promise<readonly Incoming[]> {
    while (signal?.aborted !== true) {
      this.#link.check();
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#link.isUp) {
        this.#isSettled = false;
        await this.#link.wait(PULL_MS.OPEN, signal);
      } else if (!this.#isSettled) {
        await this.#settle(signal);
      } else if (this.#arrived.length > 0) {
        const messages = this.#inOrder();
        if (this.#isSettled && this.#wanted === 0) this.#pull();
        if (messages.length > 0) return messages;
      } else {
        const late = this.#takeLate();
        if (late.length > 0) return late;
        if (this.#wanted === 0) this.#pull();
        await this.#link.wait(SILENCE_MS, signal);
        const silence = performance.now() - this.#lastArrival;
        if (silence > SILENCE_MS) {
          this.#wanted = 0;
          // A durable consumer that was deleted between two requests does not answer either
          this.#isSettled = false;
        }
        if (this.#link.isUp && silence > SILENCE_MS) {
          this.#count.wait(`no answer for ${SILENCE_MS / 1e3} s`);
        }
      }
    }
    return [];
  }

  /** Acknowledges a message: the stream does not deliver it to this durable consumer again. */
  ack({ reply }: Incoming): void {
    this.#link.publish(reply, "+ACK");
  }

  /** Takes what has arrived, up to the first gap in the deliveries. */
  #inOrder(): readonly Incoming[] {
    const arrived = this.#arrived;
    this.#arrived = [];
    const gap = arrived.findIndex(({ deliveries }) => {
      if (deliveries !== this.#expected) return true;
      this.#expected++;
      return false;
    });
    if (gap !== -1) this.#noteGap();
    else this.#gaps = 0;
    const messages = gap === -1 ? arrived : arrived.slice(0, gap);
    return this.#owed.count === 0 ? messages : this.#hold(messages);
  }

  #noteGap(): void {
    this.#isSettled = false;
    if (++this.#gaps <= GAPS) return;
    throw new BridgeError(
      "ESTREAM",
      `read ${this.#durable} of stream ${this.#stream} in order`,
      "another process reads from the same durable consumer; give each bridge one of its own",
    );
  }

  /** Keeps the messages until all that come again are here, and then returns all in order. */
  #hold(messages: readonly Delivery[]): readonly Incoming[] {
    for (const message of messages) this.#held.set(message.sequence, message);
    const { count, last } = this.#owed;
    const here = this.#held.keys().filter((sequence) => sequence <= last).toArray();
    return here.length < count ? [] : this.#release();
  }

  /** All that was held, in order. */
  #release(): readonly Incoming[] {
    const sorted = [...this.#held.values()].sort((a, b) => a.sequence - b.sequence);
    this.#held.clear();
    this.#owed = { count: 0, last: 0 };
    return sorted;
  }

  /** What was held, once the server has nothing more to deliver: the rest is gone from the stream. */
  #takeLate(): readonly Incoming[] {
    return this.#isLate && this.#owed.count > 0 ? this.#release() : [];
  }

  /** Learns what was delivered before and is not acknowledged, and waits until it is due again. */
  async #settle(signal: AbortSignal | undefined): Promise<void> {
    const { connection, client, manager } = this.#link;
    // What the server still sends for earlier requests must not arrive any more
    this.#subscription?.unsubscribe();
    this.#arrived = [];
    this.#held.clear();
    this.#wanted = 0;
    this.#inbox = client.createInbox();
    let info: DurableInfo | undefined;
    let failure: unknown;
    try {
      this.#subscription = connection.subscribe(this.#inbox, {
        callback: (error, message) => {
          if (error === null) this.#take(message);
        },
      });
      const asked = manager.consumers.info(this.#stream, this.#durable);
      asked.then((answer) => info = answer, (reason) => failure = reason)
        .then(() => this.#link.happened());
      // Not awaited: the signal must end it while the server is silent
      while (info === undefined && failure === undefined && signal?.aborted !== true) {
        await this.#link.wait(PULL_MS.OPEN, signal);
      }
    } catch (reason) {
      failure = reason;
    }
    if (info === undefined) {
      if (signal?.aborted === true) return;
      if ((failure as { status?: unknown }).status === 404) throw this.#gone();
      this.#count.wait(reasonOf(failure));
      return await this.#link.pause(RETRY_MS, signal);
    }
    // Another stream counts its messages anew: new ones would have the numbers of those that were sent
    if (Math.abs(Date.parse(info.created) - this.#created) > SAME_MS) throw this.#gone();
    this.#lastArrival = performance.now();
    this.#expected = info.delivered.consumer_seq + 1;
    this.#owed = { count: info.num_ack_pending, last: info.delivered.stream_seq };
    if (this.#owed.count > 0) await this.#link.pause(this.#ackWait + LATE_MS, signal);
    this.#isSettled = this.#link.isUp;
    if (this.#isSettled) this.#count.goOn();
  }

  #gone(): BridgeError {
    return new BridgeError(
      "ESTREAM",
      `read from stream ${this.#stream}`,
      `the stream or its durable consumer ${this.#durable} was deleted, or is another one of the same name`,
    );
  }

  #pull(): void {
    const { connection } = this.#link;
    this.#wanted = this.#most;
    this.#isLate = false;
    this.#lastArrival = performance.now();
    const request = {
      batch: this.#most,
      max_bytes: Math.max(PULL_BYTES, 2 * (connection.info?.max_payload ?? 0)),
      expires: PULL_MS.OPEN * NANOSECONDS,
    };
    this.#link.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${this.#durable}`,
      JSON.stringify(request),
      { reply: this.#inbox },
    );
  }

  #take({ subject, reply, data, headers }: NatsMessage): void {
    this.#lastArrival = performance.now();
    this.#count.goOn();
    if (subject === this.#inbox) {
      this.#end(headers?.code, headers?.description);
    } else if (reply !== undefined) {
      this.#wanted--;
      const [sequence, deliveries] = countsIn(reply);
      this.#arrived.push({
        sequence: sequence!,
        tag: Number(headers?.get(HEADER.TAG) ?? 0) >>> 0,
        bytes: data,
        reply,
        deliveries: deliveries!,
      });
    }
    this.#link.happened();
  }

  /** The server ends a request: it has expired, or cannot be served now. */
  #end(code: number | undefined, description: string | undefined): void {
    const isUsual = code === 404 || code === 408;
    this.#isLate = isUsual;
    if (code === 409 && /consumer deleted/i.test(description ?? "")) this.#failure = this.#gone();
    // No server has it now
    if (code === 503) this.#isSettled = false;
    const inbox = this.#inbox;
    setTimeout(() => {
      if (inbox !== this.#inbox) return;
      this.#wanted = 0;
      this.#link.happened();
    }, isUsual ? 0 : RETRY_MS);
  }

  /** Stops receiving. */
  [Symbol.dispose](): void {
    this.#subscription?.unsubscribe();
  }
}

/**
 * The number of the message in the stream, and the count of deliveries. Source: the reply subjects of
 * JetStream, `$JS.ACK.<stream>.<consumer>.<repeats>.` and these, with two more words before the stream in newer
 * servers.
 */
function countsIn(reply: string): number[] {
  const words = reply.split(".");
  const first = words.length === 9 ? 5 : 7;
  return words.slice(first, first + 2).map(Number);
}

/** Finds the durable consumer, or creates it, and checks that it loses nothing. */
export async function findDurable(
  { manager }: Link,
  { stream, durable, subject, maxInFlight }: {
    readonly stream: string;
    readonly durable: string;
    readonly subject?: string;
    readonly maxInFlight: number;
  },
): Promise<DurableInfo> {
  let info: DurableInfo;
  try {
    info = await manager.consumers.info(stream, durable).catch((failure) => {
      if (failure.status !== 404) throw failure;
      return manager.consumers.add(stream, {
        durable_name: durable,
        ack_policy: "explicit",
        ack_wait: ACK_WAIT_MS * NANOSECONDS,
        max_ack_pending: Math.max(1_000, 2 * maxInFlight),
        ...(subject === undefined ? {} : { filter_subject: subject }),
      });
    });
  } catch (cause) {
    throw new BridgeError(
      "ESTREAM",
      `find the durable consumer ${durable} of stream ${stream}`,
      reasonOf(cause),
      cause,
    );
  }
  const { ack_policy, deliver_subject, filter_subject, max_ack_pending, max_deliver = -1 } =
    info.config;
  const refuse = (what: string): never => {
    throw new BridgeError(
      "ESTREAM",
      `use the durable consumer ${durable} of stream ${stream}`,
      what,
    );
  };
  if (deliver_subject !== undefined) {
    refuse("it pushes messages; a bridge needs one that is pulled");
  }
  if (ack_policy !== "explicit") {
    refuse(`its ack_policy is ${ack_policy}, and a bridge needs explicit`);
  }
  if (max_ack_pending === -1) {
    refuse("its max_ack_pending is unlimited, and a bridge holds what is on its way in memory");
  }
  if (max_deliver !== -1) refuse(`its max_deliver is ${max_deliver}: it would give messages up`);
  if (subject !== undefined && filter_subject !== subject) {
    refuse(`it delivers ${filter_subject ?? "all subjects"}, and ${subject} is wanted`);
  }
  return info;
}
