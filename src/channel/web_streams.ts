/**
 * Web streams over the ends of a channel: a consumer as a `ReadableStream`, a producer as a
 * `WritableStream`. One chunk is one message. Internal: used by `consumer.ts` and `producer.ts`.
 */

import { checkBytes } from "../layout/arguments.ts";
import { RECORD } from "./descriptor.ts";

/** What a readable stream needs of its consumer. */
export interface StreamSource<Out> {
  readonly isOpen: boolean;
  /** Acknowledges the messages before, and resolves to the next one; `undefined` at the end. */
  receive(
    options: { readonly until: "closed"; readonly signal: AbortSignal },
  ): Promise<{ readonly value: Out } | undefined>;
  nack(): void;
}

/** The readable stream of one consumer. */
export class ChannelReadable<Out> {
  readonly stream: ReadableStream<Out>;
  #controller!: ReadableStreamDefaultController<Out>;
  #receiving: Promise<unknown> | undefined;
  #putBack: Promise<void> | undefined;
  #over = false;

  /**
   * `checkComplete` throws if some producers died: then the end of the messages is not the end. Nothing is
   * received before `after`: the stream before this one may still have to put back its last chunk.
   */
  constructor(source: StreamSource<Out>, checkComplete: () => void, after?: Promise<void>) {
    const cancelled = new AbortController();
    const options = { until: "closed", signal: cancelled.signal } as const;
    const putBack = async (): Promise<void> => {
      // A message may be on its way to `pull`, which cannot pass it on any more
      await Promise.allSettled([after, this.#receiving]);
      if (source.isOpen) source.nack();
    };
    this.stream = new ReadableStream<Out>({
      start: async (controller) => {
        this.#controller = controller;
        await Promise.allSettled([after]);
      },
      pull: async (controller) => {
        try {
          const receiving = source.receive(options);
          this.#receiving = receiving;
          const message = await receiving;
          if (message !== undefined) return controller.enqueue(message.value);
          checkComplete();
        } catch (failure) {
          this.#over = true;
          throw failure;
        }
        this.#over = true;
        controller.close();
      },
      cancel: () => {
        this.#over = true;
        cancelled.abort();
        return this.#putBack = putBack();
      },
      // A chunk counts as received when the next one is asked for: take none ahead
    }, { highWaterMark: 0 });
  }

  /** Whether the stream ended, failed or was cancelled. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Fulfils when a cancelled stream has put back its last chunk. */
  get putBack(): Promise<void> | undefined {
    return this.#putBack;
  }

  /** Errors the stream, unless it has ended. */
  fail(reason: Error): void {
    this.#controller.error(reason);
  }
}

/** What a writable stream needs of its producer. */
export interface StreamTarget<In> {
  send(message: In, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Closes the producer: the consumer knows that the stream is complete. */
  close(): void;
  /** Closes the producer as if it had died. */
  abandon(): void;
}

/**
 * The bytes that a chunk will take in the lane. It must not throw: the stream would fail without a call of
 * `write` or `abort`, and the producer would not know. `send` refuses what is not bytes.
 */
function recordSize(chunk: unknown): number {
  try {
    return RECORD.size + checkBytes(chunk, "message").byteLength;
  } catch {
    return RECORD.size;
  }
}

/** The writable stream of one producer. */
export class ChannelWritable<In> {
  readonly stream: WritableStream<In>;
  #controller!: WritableStreamDefaultController;
  /** Whether the stream itself closes the producer. */
  #ending = false;
  #written = false;

  /** `messageSize` is the length of every message, or 0; at most `ahead` bytes wait in the stream. */
  constructor(target: StreamTarget<In>, messageSize: number, ahead: number) {
    const abandon = (): void => {
      this.#ending = true;
      target.abandon();
    };
    this.stream = new WritableStream<In>({
      start: (controller) => {
        this.#controller = controller;
      },
      write: async (chunk, { signal }) => {
        try {
          await target.send(chunk, { signal });
        } catch (error) {
          // No chunk can follow this one, so the consumer must not take the end for a complete stream
          abandon();
          throw error;
        }
      },
      close: () => {
        this.#ending = true;
        target.close();
      },
      abort: abandon,
    }, {
      highWaterMark: ahead,
      // Called for each chunk at once, also for those that never come to `write`
      size: (chunk) => {
        this.#written = true;
        return messageSize > 0 ? RECORD.size + messageSize : recordSize(chunk);
      },
    });
  }

  /** Whether chunks were written, or a writer or a pipe may still write some, and the stream was not closed. */
  get isUnfinished(): boolean {
    return !this.#ending && (this.#written || this.stream.locked);
  }

  /** Errors the stream if the producer was closed by other means. */
  fail(reason: Error): void {
    if (!this.#ending) this.#controller.error(reason);
  }
}
