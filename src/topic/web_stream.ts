/**
 * A subscriber as a `ReadableStream`: one chunk is one message, and the stream never ends by itself.
 * Internal: used by `subscriber.ts`.
 */

/** What a readable stream needs of its subscriber. */
export interface StreamSource<Out> {
  receive(options: { readonly signal: AbortSignal }): Promise<{ readonly value: Out }>;
}

/** The readable stream of one subscriber. */
export class TopicReadable<Out> {
  readonly stream: ReadableStream<Out>;
  #controller!: ReadableStreamDefaultController<Out>;
  #over = false;

  constructor(source: StreamSource<Out>) {
    const cancelled = new AbortController();
    this.stream = new ReadableStream<Out>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: async (controller) => {
        try {
          const { value } = await source.receive({ signal: cancelled.signal });
          if (!this.#over) controller.enqueue(value);
        } catch (failure) {
          if (this.#over) return;
          this.#over = true;
          throw failure;
        }
      },
      cancel: () => {
        this.#over = true;
        cancelled.abort();
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
