/**
 * What a receiver does with one message after the other: pass each to a handler, or let a loop iterate
 * over them. Internal: used by mailbox and channel.
 */

/** A receiver of messages, of which the one received last is not acknowledged yet. */
export interface Receiver<Message extends object, Options> {
  readonly isOpen: boolean;
  /** Acknowledges the message before, and resolves to the next one; `undefined` if there is none any more. */
  receive(options: Options): Promise<Message | undefined>;
  ack(): void;
  nack(): void;
}

/**
 * Calls `handler` with each message, and acknowledges the message when the handler's promise fulfils. If
 * the handler fails, puts the message back and rejects with the same reason. Fulfils when the signal
 * aborts or no message comes any more.
 */
export async function handleEach<
  Message extends object,
  Options extends { readonly signal?: AbortSignal },
>(
  receiver: Receiver<Message, Options>,
  handler: (message: Message) => unknown,
  options: Options,
): Promise<void> {
  const { signal } = options;
  while (signal?.aborted !== true) {
    let message: Message | undefined;
    try {
      message = await receiver.receive(options);
    } catch (failure) {
      // Only an aborted signal has a reason
      if (failure === signal?.reason) return;
      throw failure;
    }
    if (message === undefined) return;
    try {
      await handler(message);
    } catch (failure) {
      // Closing has put it back already
      if (receiver.isOpen) receiver.nack();
      throw failure;
    }
    receiver.ack();
  }
}

/** What a loop needs of a receiver. */
interface LoopReceiver<Message extends object, Options>
  extends Pick<Receiver<Message, Options>, "isOpen" | "receive"> {
  /** Where messages are acknowledged. */
  ack?(): void;
}

/**
 * Iterates over the messages as they come. A message is acknowledged, where there is such a thing, when the
 * loop asks for the next one, and when the loop is left.
 */
export function iterate<Message extends object, Options>(
  receiver: LoopReceiver<Message, Options>,
  options: Options,
): AsyncIterableIterator<Message, undefined> {
  const iterator: AsyncIterableIterator<Message, undefined> = {
    next: () =>
      receiver.receive(options).then((value) =>
        value === undefined ? { done: true, value: undefined } : { done: false, value }
      ),
    return: () => {
      if (receiver.isOpen) receiver.ack?.();
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
