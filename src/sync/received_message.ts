/**
 * Received messages: bytes, or what a codec has decoded. Internal: used by the protocols.
 */

import type { MessageDecoder } from "../layout/struct_codec.ts";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Decodes UTF-8. The bytes must not change in the meantime: a peer must not have access to them. */
export function decodeText(bytes: Uint8Array<ArrayBuffer>): string {
  return decoder.decode(bytes);
}

/** A message of bytes, and its text, which is decoded when it is read. */
export class BytesMessage {
  constructor(
    readonly bytes: Uint8Array<ArrayBuffer>,
    readonly tag: number,
    readonly lane: number,
  ) {}

  get value(): Uint8Array<ArrayBuffer> {
    return this.bytes;
  }

  get text(): string {
    return decoder.decode(this.bytes);
  }
}

/** A message whose value is decoded when it is read first: a view can cost more than the rest of it. */
export class DecodedMessage<Out> {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: number;
  readonly lane: number;
  readonly #decoder: MessageDecoder<Out>;
  #value: Out | undefined;

  constructor(decoder: MessageDecoder<Out>, { bytes, tag, lane }: BytesMessage) {
    this.#decoder = decoder;
    this.bytes = bytes;
    this.tag = tag;
    this.lane = lane;
  }

  get value(): Out {
    return this.#value ??= this.#decoder.decode(this.bytes);
  }

  get text(): string {
    return decoder.decode(this.bytes);
  }
}
