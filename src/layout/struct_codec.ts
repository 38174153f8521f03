/**
 * What a message is to the programs: its bytes, or a struct of which a codec makes bytes. Internal: used by
 * the protocols.
 */

import type { AnyStructLayout, Fields, StructInput, StructLayout, StructView } from "./layout.ts";
import { encodeOwn, type OwnMemory, ownMemory } from "./value_copy.ts";

/** Makes the bytes of messages. */
export interface MessageEncoder<In> {
  /**
   * Returns the bytes of `message`, which the next call overwrites.
   *
   * @throws {TypeError | RangeError} a value that a field cannot hold
   */
  encode(message: In): Uint8Array<ArrayBuffer>;
}

/** Makes messages of bytes. The caller has checked that they have the size of the struct. */
export interface MessageDecoder<Out> {
  /** Returns the message in `bytes`, which are the receiver's own. */
  decode(bytes: Uint8Array<ArrayBuffer>): Out;
  /** Returns the message in a copy of `bytes` that the next call overwrites. */
  show(bytes: Uint8Array<ArrayBuffer>): Out;
}

/** Both directions. Where there is no codec, messages are bytes. */
export interface MessageCodec<In, Out> extends MessageEncoder<In>, MessageDecoder<Out> {
  /** The struct. */
  readonly layout: AnyStructLayout;
}

/** A codec for structs. It may serve all senders and receivers of one process. */
export class StructCodec<F extends Fields> implements MessageCodec<StructInput<F>, StructView<F>> {
  readonly layout: StructLayout<F>;
  readonly #encoded: OwnMemory;
  /** Whether a message is being encoded, which may run code of the caller that sends another one. */
  #encoding = false;
  /** The memory of the view that `show` returns; replaced if a caller transferred it away. */
  #shown: Uint8Array<ArrayBuffer>;
  #view: StructView<F>;

  constructor(layout: StructLayout<F>) {
    this.layout = layout;
    this.#encoded = ownMemory(layout.size);
    this.#shown = new Uint8Array(layout.size);
    this.#view = layout.view(this.#shown.buffer);
  }

  encode(message: StructInput<F>): Uint8Array<ArrayBuffer> {
    const nested = this.#encoding;
    const memory = nested ? ownMemory(this.layout.size) : this.#encoded;
    this.#encoding = true;
    try {
      encodeOwn(this.layout, memory, message);
    } finally {
      this.#encoding = nested;
    }
    return memory.bytes;
  }

  decode(bytes: Uint8Array<ArrayBuffer>): StructView<F> {
    return this.layout.view(bytes.buffer, bytes.byteOffset);
  }

  show(bytes: Uint8Array<ArrayBuffer>): StructView<F> {
    if (this.#shown.length === 0) {
      this.#shown = new Uint8Array(this.layout.size);
      this.#view = this.layout.view(this.#shown.buffer);
    }
    this.#shown.set(bytes);
    return this.#view;
  }
}
