/** What a recorder takes messages from: a channel, or a topic. Internal: used by `record.ts`. */

import { Consumer, holdingEnd } from "../channel/consumer.ts";
import { bytesOf } from "../layout/bytes_of.ts";
import type { AnyStructLayout } from "../layout/layout.ts";
import { LiveMemory } from "../layout/live_memory.ts";
import { mistyped } from "../layout/refusal.ts";
import { Subscriber } from "../topic/subscriber.ts";
import type { MessageBytes } from "./message_json.ts";

/** A message that was taken. */
export interface Taken extends MessageBytes {
  readonly lane: number;
  /** The layout of its struct, if it is one. */
  readonly layout: AnyStructLayout | undefined;
}

/** How long to wait for a message. */
interface Limits {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

/** Where messages come from. */
export interface RecordSource {
  /** `"channel"` or `"topic"`. */
  readonly kind: "channel" | "topic";
  /** How many messages each lane has had before. */
  readonly before: readonly number[];
  /** Waits for a message. Acknowledges none. */
  ready(limits: Limits): Promise<unknown>;
  /** Takes at most `most` of the messages that are there. Stops at one for which `visit` throws. */
  take(visit: (message: Taken) => void, most: number): number;
  /** Whether senders soon have no room unless messages are acknowledged. */
  readonly isFilling: boolean;
  /** Says that the file has all that was taken. */
  ack(): void;
  /** Puts back what was taken and not acknowledged, as far as that is possible. */
  putBack(): void;
}

/** The source of messages of a consumer or a subscriber. */
export function sourceOf<Out>(source: Consumer<Out> | Subscriber<Out>): RecordSource {
  if (source instanceof Consumer) return channelSource(source);
  if (source instanceof Subscriber) return topicSource(source);
  throw mistyped("source", "a Consumer or a Subscriber", source);
}

function channelSource<Out>(consumer: Consumer<Out>): RecordSource {
  // As by asking for the next message
  consumer.ack();
  const holding = holdingEnd(consumer);
  return {
    kind: "channel",
    before: holding.acknowledged,
    ready: (limits) => holding.ready(limits),
    take: (visit, most) =>
      holding.drain((value, tag, lane) => {
        visit({ ...contentOf(value), tag, lane, missed: 0 });
      }, most),
    get isFilling(): boolean {
      return holding.isFilling;
    },
    ack: () => consumer.ack(),
    putBack: () => {
      if (consumer.isOpen) consumer.nack();
    },
  };
}

function topicSource<Out>(subscriber: Subscriber<Out>): RecordSource {
  return {
    kind: "topic",
    before: [],
    ready: (limits) => subscriber.ready(limits),
    take: (visit, max) =>
      subscriber.drain((value, tag, lane, missed) => {
        visit({ ...contentOf(value), tag, lane, missed });
      }, { max }),
    isFilling: false,
    ack: () => {},
    putBack: () => {},
  };
}

/** The bytes of a message, in a copy, and the layout of a struct. */
function contentOf(value: unknown): Pick<Taken, "bytes" | "layout"> {
  const memory = LiveMemory.of(value);
  if (memory === undefined) {
    return { bytes: (value as Uint8Array<ArrayBuffer>).slice(), layout: undefined };
  }
  // Messages are of structs alone
  return { bytes: bytesOf(value as object), layout: memory.layout as AnyStructLayout };
}
