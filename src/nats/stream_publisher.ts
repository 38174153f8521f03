/**
 * Publishes messages to a stream in order, and again until the stream has stored each of them. Internal: used
 * by `bridge_out.ts`.
 *
 * **Order.** A batch is written to one connection at once. The server reads the bytes of a connection in order,
 * so whatever breaks the connection, what it has stored is the beginning of the batch. Everything behind is
 * published again, in order; what was stored already, but whose answer was lost, is recognised by its id. After
 * a failure one message goes alone, until a stream that is just starting takes it: so none overtakes another.
 */

import { BridgeError, reasonOf } from "./bridge_error.ts";
import type { Link } from "./link.ts";
import type { NatsMessage } from "./nats_client.ts";

/** One message on its way to the stream. */
export interface Outgoing {
  /** Names the message: the stream drops a second one of the same id. */
  readonly id: string;
  readonly lane: number;
  readonly tag: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The headers that a bridge adds, beside the id that JetStream defines. */
export const HEADER = { ID: "Nats-Msg-Id", LANE: "Shm-Lane", TAG: "Shm-Tag" } as const;

/** More bytes than the headers of a message take. The server counts them as part of it. */
export const HEADER_BYTES = 128;

/** How long to wait for the next answer of a connected server, in milliseconds. */
const ANSWER_MS = 5_000;
/** The same for a bridge that ends: the next one publishes again what is not answered. */
const LAST_ANSWER_MS = 500;
/** How long to wait before the next attempt, and at most, in milliseconds. */
const RETRY_MS = { FIRST: 50, MOST: 2_000 };

/** What the server answers to a message: that it is stored, or why not. */
interface Answer {
  readonly stream?: string;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: number; readonly description: string };
}

/** What became of one message of the batch. */
const WAITING = 0;
const STORED = 1;
const REFUSED = 2;

/** Publishes to one subject of one stream. */
export class StreamPublisher implements Disposable {
  readonly #link: Link;
  readonly #stream: string;
  readonly #subject: string;
  readonly #inbox: string;
  readonly #subscription: { unsubscribe(): void };
  readonly #tellWaiting: (reason: string) => void;
  #batch: readonly Outgoing[] = [];
  #states = new Uint8Array(0);
  /** Attempts are numbered through: an answer to an earlier batch tells nothing about this one. */
  #attempt = 0;
  #firstAttempt = 0;
  /** Messages from here on are not part of the present attempt. */
  #end = 0;
  #unanswered = 0;
  #duplicates = 0;
  /** Why the present attempt cannot succeed, and whether another one may. */
  #refusal: { readonly reason: string; readonly isFinal: boolean } | undefined;

  constructor(
    link: Link,
    { stream, subject }: { readonly stream: string; readonly subject: string },
    tellWaiting: (reason: string) => void,
  ) {
    this.#link = link;
    this.#stream = stream;
    this.#subject = subject;
    this.#tellWaiting = tellWaiting;
    this.#inbox = link.client.createInbox();
    this.#subscription = link.connection.subscribe(`${this.#inbox}.*.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message);
      },
    });
  }

  /**
   * Publishes a batch. When it fulfils, the stream has stored all of it; `undefined` if `signal` aborted
   * before.
   *
   * @returns how many of the messages the stream had already
   * @throws {BridgeError} `EREFUSED`, `ECONNECT`
   */
  async publish(batch: readonly Outgoing[], signal?: AbortSignal): Promise<number | undefined> {
    this.#batch = batch;
    this.#states = new Uint8Array(batch.length);
    this.#duplicates = 0;
    this.#firstAttempt = this.#attempt + 1;
    let most = batch.length;
    let pause = RETRY_MS.FIRST;
    for (let stored = 0;;) {
      this.#link.check();
      if (this.#link.isUp) {
        const reason = await this.#try(stored, most, signal);
        const before = stored;
        while (this.#states[stored] === STORED) stored++;
        if (stored === batch.length) return this.#duplicates;
        most = reason === undefined ? batch.length : 1;
        if (stored > before) pause = RETRY_MS.FIRST;
        if (signal?.aborted) return undefined;
        if (reason === undefined) continue;
        // The link has told that there is no connection
        if (this.#link.isUp) this.#tellWaiting(reason);
        await this.#link.pause(pause, signal);
        pause = Math.min(2 * pause, RETRY_MS.MOST);
      } else {
        most = 1;
        await this.#link.wait(RETRY_MS.MOST, signal);
      }
      if (signal?.aborted) return undefined;
    }
  }

  /** Publishes what is not stored from `begin` on, at most `most` messages. Returns why not all are stored. */
  async #try(
    begin: number,
    most: number,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    this.#attempt++;
    this.#refusal = undefined;
    this.#unanswered = 0;
    this.#end = begin;
    // Nothing may run in between: what follows is the beginning of the next message for the connection
    for (; this.#end < this.#batch.length && this.#unanswered < most; this.#end++) {
      if (this.#states[this.#end] === STORED) continue;
      this.#states[this.#end] = WAITING;
      this.#unanswered++;
      this.#send(this.#end);
    }
    while (this.#unanswered > 0 && this.#link.isUp) {
      const before = this.#unanswered;
      await this.#link.wait(ANSWER_MS, signal);
      if (signal?.aborted && this.#unanswered > 0) await this.#link.wait(LAST_ANSWER_MS);
      this.#link.check();
      if (this.#unanswered === before && this.#link.isUp) {
        return `no answer for ${ANSWER_MS / 1e3} s`;
      }
    }
    return this.#whyNotAll();
  }

  #whyNotAll(): string | undefined {
    if (this.#refusal === undefined) {
      return this.#unanswered > 0 ? "the connection broke" : undefined;
    }
    const { reason, isFinal } = this.#refusal;
    if (isFinal) throw this.#refused(reason);
    return reason;
  }

  #send(index: number): void {
    const { id, lane, tag, bytes } = this.#batch[index]!;
    const headers = this.#link.client.headers();
    headers.set(HEADER.ID, id);
    headers.set(HEADER.LANE, String(lane));
    headers.set(HEADER.TAG, String(tag));
    const reply = `${this.#inbox}.${this.#attempt}.${index}`;
    try {
      this.#link.connection.publish(this.#subject, bytes, { reply, headers });
    } catch (cause) {
      // Closed, or connected to a server that takes less
      this.#states[index] = REFUSED;
      throw this.#refused(reasonOf(cause));
    }
  }

  #take({ subject, data, headers }: NatsMessage): void {
    const [attempt, index] = subject.slice(this.#inbox.length + 1).split(".").map(Number);
    if (attempt! < this.#firstAttempt) return;
    const before = this.#states[index!];
    if (before === undefined || before === STORED) return;
    // Only the server itself answers without a body
    const isUntaken = data.length === 0 && headers !== undefined;
    const answer = isUntaken ? undefined : answerIn(data);
    if (!isUntaken && answer === undefined) return;
    const refusal = answer === undefined
      ? { reason: `no stream takes ${this.#subject} at present`, isFinal: false }
      : this.#refusalIn(answer, index!);
    if (refusal !== undefined) {
      if (attempt !== this.#attempt || before === REFUSED) return;
      this.#states[index!] = REFUSED;
      if (this.#refusal === undefined || refusal.isFinal) this.#refusal = refusal;
    }
    if (before !== WAITING || index! >= this.#end) return;
    this.#unanswered--;
    if (this.#unanswered === 0) this.#link.happened();
  }

  /** Notes that a message is stored, or returns why it is not. */
  #refusalIn(answer: Answer, index: number): { reason: string; isFinal: boolean } | undefined {
    const { error, stream, duplicate } = answer;
    if (error) {
      // 5xx: full, or no leader at present
      return { reason: error.description, isFinal: error.code < 500 };
    }
    if (stream !== this.#stream) {
      return { reason: `subject ${this.#subject} is of stream ${stream}`, isFinal: true };
    }
    this.#states[index] = STORED;
    if (duplicate === true) this.#duplicates++;
    return undefined;
  }

  #refused(reason: string): BridgeError {
    const { id, lane, bytes } = this.#batch[this.#states.indexOf(REFUSED)]!;
    return new BridgeError(
      "EREFUSED",
      `publish to stream ${this.#stream}`,
      `${reason}; message ${id} of lane ${lane}, ${bytes.length} bytes, and those after it stay in the channel`,
    );
  }

  /** Stops listening for answers. */
  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }
}

/** The answer in a message; `undefined` if it is none: what this throws would end the client's connection. */
function answerIn(data: Uint8Array): Answer | undefined {
  try {
    const answer: Answer | null = JSON.parse(new TextDecoder().decode(data));
    const parts = [answer?.error?.description, answer?.stream];
    return answer !== null && parts.some((part) => typeof part === "string") ? answer : undefined;
  } catch {
    return undefined;
  }
}
