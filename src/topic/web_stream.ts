/**
 * A subscriber as a `ReadableStream`: one chunk is one message, and the stream never ends by itself.
 * Internal: used by `subscriber.ts`.
 */

/**
 * Waits for the next message of a subscriber, and passes it to `deliver` in the same step in which it is
 * taken. So a message is not taken from the topic and dropped because the stream was cancelled in between.
 */
export type StreamSource<Out> = (
  deliver: (value: Out) => void,
  signal: AbortSignal,
) => Promise<unknown>;

/** The readable stream of one subscriber. */
export class TopicReadable<Out> {
  readonly stream: ReadableStream<Out>;
  #controller!: ReadableStreamDefaultController<Out>;
  #receiving: Promise<unknown> | undefined;
  #over = false;

  constructor(receive: StreamSource<Out>) {
    const cancelled = new AbortController();
    this.stream = new ReadableStream<Out>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: async (controller) => {
        try {
          await (this.#receiving = receive((value) => controller.enqueue(value), cancelled.signal));
        } catch (failure) {
          if (this.#over) return;
          this.#over = true;
          throw failure;
        }
      },
      cancel: async () => {
        this.#over = true;
        cancelled.abort();
        // Other calls of the subscriber find no message before it has ended
        await Promise.allSettled([this.#receiving]);
      },
      // A message that is taken ahead would be old when it is read
    }, { highWaterMark: 0 });
  }

  /** Whether the stream failed or was cancelled. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Errors the stream, unless it has ended. */
  fail(reason: Error): void {
    this.#over = true;
    this.#controller.error(reason);
  }
}
