/** Where a replay sends messages: the lanes of a channel or a topic. Internal: used by `replay.ts`. */

import { Channel, channelCodec } from "../channel/channel.ts";
import { messageText } from "../layout/message_text.ts";
import { mistyped } from "../layout/refusal.ts";
import type { MessageCodec } from "../layout/struct_codec.ts";
import { Topic, topicCodec } from "../topic/topic.ts";

/** One lane, open for sending. */
export interface LaneSender extends Disposable {
  readonly isOpen: boolean;
  /** Takes a message, if there is room. */
  stage(bytes: Uint8Array<ArrayBuffer>, tag: number): boolean;
  /** Shows what was staged to the receivers. */
  publish(): void;
  /** Waits for room. */
  send(bytes: Uint8Array<ArrayBuffer>, tag: number, signal?: AbortSignal): Promise<void>;
}

/** A channel or a topic. */
export interface ReplayTarget {
  /** The canonical text of its struct; `undefined` if it has none. */
  readonly type: string | undefined;
  /** Opens a lane for sending. */
  open(): LaneSender;
}

/** What is replayed into. */
export function targetOf<In, Out>(target: Channel<In, Out> | Topic<In, Out>): ReplayTarget {
  if (target instanceof Channel) {
    const codec = channelCodec(target);
    return { type: typeOf(codec), open: () => channelSender(target, messageWith(codec)) };
  }
  if (target instanceof Topic) {
    const codec = topicCodec(target);
    return { type: typeOf(codec), open: () => topicSender(target, messageWith(codec)) };
  }
  throw mistyped("target", "a Channel or a Topic", target);
}

type Codec<In, Out> = MessageCodec<In, Out> | undefined;
type MessageOf<In> = (bytes: Uint8Array<ArrayBuffer>) => In;

function typeOf<In, Out>(codec: Codec<In, Out>): string | undefined {
  return codec === undefined ? undefined : messageText(codec.layout);
}

/** Makes the message of bytes: a view of a struct is copied as its bytes. */
function messageWith<In, Out>(codec: Codec<In, Out>): MessageOf<In> {
  return (bytes) => {
    if (codec === undefined) return bytes as unknown as In;
    const { size } = codec.layout;
    if (bytes.length !== size) {
      throw new RangeError(`a message of ${bytes.length} bytes is no struct of ${size}`);
    }
    return codec.decode(bytes) as unknown as In;
  };
}

function channelSender<In, Out>(channel: Channel<In, Out>, of: MessageOf<In>): LaneSender {
  const producer = channel.producer();
  return {
    get isOpen(): boolean {
      return producer.isOpen;
    },
    stage: (bytes, tag) => producer.stage(of(bytes), { tag }),
    publish: () => producer.publish(),
    send: (bytes, tag, signal) =>
      producer.send(of(bytes), signal === undefined ? { tag } : { tag, signal }),
    [Symbol.dispose]: () => producer.close(),
  };
}

function topicSender<In, Out>(topic: Topic<In, Out>, of: MessageOf<In>): LaneSender {
  const publisher = topic.publisher();
  const publish = (bytes: Uint8Array<ArrayBuffer>, tag: number): true => {
    publisher.publish(of(bytes), { tag });
    return true;
  };
  return {
    get isOpen(): boolean {
      return publisher.isOpen;
    },
    stage: publish,
    publish: () => {},
    send: (bytes, tag) => Promise.resolve(void publish(bytes, tag)),
    [Symbol.dispose]: () => publisher.close(),
  };
}

/** Where two structs differ, of which the canonical texts are known. */
export function difference(here: string, there: string): string {
  const [ours, theirs] = [here.split(";"), there.split(";")];
  const at = ours.findIndex((leaf, i) => leaf !== theirs[i]);
  const [mine = "", other = ""] = [ours, theirs].map((leaves) =>
    at < leaves.length - 1 ? leaves[at] : "the end"
  );
  return "its messages have another struct: the first field that differs is " +
    `${other} in the file, and ${mine} here`;
}
