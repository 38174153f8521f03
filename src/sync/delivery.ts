/**
 * What a receiver does with one message after the other: pass each to a handler, or let a loop iterate
 * over them. Internal: used by the protocols.
 */

import { promised } from "../sysv/wait.ts";
import { type Limited, withDeadline } from "./wait_schedule.ts";

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

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Iterates over the messages that `receive` resolves to, each within the limits of `options`. `leave` is
 * called when the loop is left: it acknowledges the last message, where there is such a thing. `return`
 * ends a `next` that waits; one that has its message already still gives it, unacknowledged.
 */
export function iterate<
  Message extends object,
  Options extends { readonly timeout?: number; readonly signal?: AbortSignal },
>(
  receive: (limits: Limited<Options>) => Promise<Message | undefined>,
  options: Options,
  leave?: () => void,
): AsyncIterableIterator<Message, undefined> {
  const leaving = new AbortController();
  const left = leaving.signal;
  const signal = options.signal === undefined ? left : AbortSignal.any([options.signal, left]);
  const limits = { ...options, signal };
  const begin = (): Promise<Message | undefined> => receive(withDeadline(limits));
  let waiting = 0;
  let idle: (() => void) | undefined;
  const settled = (): void => {
    waiting--;
    if (waiting === 0) idle?.();
  };
  const iterator: AsyncIterableIterator<Message, undefined> = {
    next: () => {
      if (left.aborted) return Promise.resolve(DONE);
      waiting++;
      return promised(begin).then((value) => {
        settled();
        return value === undefined ? DONE : { done: false, value };
      }, (failure) => {
        settled();
        if (left.aborted && failure === left.reason) return DONE;
        throw failure;
      });
    },
    return: async () => {
      // Before what a `next` has under way: its caller may not use that
      leave?.();
      leaving.abort();
      if (waiting > 0) await new Promise<void>((resolve) => idle = resolve);
      return DONE;
    },
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;
}
