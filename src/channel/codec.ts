/**
 * What a message is to the programs: its bytes, or a struct of which a codec makes bytes. Internal: used by
 * the channel.
 */

import type { Fields, StructInput, StructLayout, StructView } from "../layout/layout.ts";
import type { ChannelVisit } from "./lane_reader.ts";

/** Makes the bytes of messages. */
export interface MessageEncoder<In> {
  /**
   * Returns the bytes of `message`, which the next call overwrites.
   *
   * @throws {TypeError | RangeError} a value that a field cannot hold
   */
  encode(message: In): Uint8Array<ArrayBuffer>;
}

/** Makes messages of bytes. */
export interface MessageDecoder<Out> {
  /** Returns the message in `bytes`, which are the receiver's own. */
  decode(bytes: Uint8Array<ArrayBuffer>): Out;
  /** Returns a visitor of bytes that calls `visit` with the message in them. */
  visitor(visit: ChannelVisit<Out>): ChannelVisit;
}

/** Both directions. A channel without a codec has messages of bytes. */
export interface MessageCodec<In, Out> extends MessageEncoder<In>, MessageDecoder<Out> {}

/** A codec for structs. It may serve all producers and the consumer of one process. */
export class StructCodec<F extends Fields> implements MessageCodec<StructInput<F>, StructView<F>> {
  readonly #layout: StructLayout<F>;
  readonly #encoded: Uint8Array<ArrayBuffer>;
  /** The memory of the view that visitors get; replaced if one of them transferred it away. */
  #visited: Uint8Array<ArrayBuffer>;
  #view: StructView<F>;

  constructor(layout: StructLayout<F>) {
    this.#layout = layout;
    this.#encoded = new Uint8Array(layout.size);
    this.#visited = new Uint8Array(layout.size);
    this.#view = layout.view(this.#visited.buffer);
  }

  encode(message: StructInput<F>): Uint8Array<ArrayBuffer> {
    // A text that does not fit is kept where it is already: no message depends on the one before
    this.#encoded.fill(0);
    this.#layout.write(this.#encoded.buffer, message);
    return this.#encoded;
  }

  /** The consumer has checked that every message has the size of the struct. */
  decode(bytes: Uint8Array<ArrayBuffer>): StructView<F> {
    return this.#layout.view(bytes.buffer, bytes.byteOffset);
  }

  visitor(visit: ChannelVisit<StructView<F>>): ChannelVisit {
    return (bytes, tag, lane) => {
      if (this.#visited.length === 0) {
        this.#visited = new Uint8Array(this.#layout.size);
        this.#view = this.#layout.view(this.#visited.buffer);
      }
      this.#visited.set(bytes);
      return visit(this.#view, tag, lane);
    };
  }
}
