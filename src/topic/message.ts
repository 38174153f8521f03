/** Messages that a subscriber returns: bytes, or what a codec has decoded. Internal: used by the topic. */

import type { MessageDecoder } from "../layout/struct_codec.ts";
import { BytesMessage, DecodedMessage } from "../sync/received_message.ts";
import type { TopicMessage } from "./topic_options.ts";

/** A message of bytes. */
export class TopicBytesMessage extends BytesMessage implements TopicMessage {
  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    tag: number,
    lane: number,
    readonly number: number,
    readonly missed: number,
  ) {
    super(bytes, tag, lane);
  }
}

/** A message whose value is decoded when it is read first. */
export class TopicDecodedMessage<Out> extends DecodedMessage<Out> implements TopicMessage<Out> {
  readonly number: number;
  readonly missed: number;

  constructor(decoder: MessageDecoder<Out>, message: TopicBytesMessage) {
    super(decoder, message);
    this.number = message.number;
    this.missed = message.missed;
  }
}
