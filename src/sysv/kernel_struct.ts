/**
 * Reads the structs that libc fills in, using the table of platforms. Internal: used by this folder.
 */

import type { Field, KernelStruct } from "../../ffi/platform.ts";

/** The bytes of one C struct, with the table of its fields. */
export class KernelStructReader<Name extends string> {
  /** The bytes to pass to libc. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #fields: Readonly<Record<Name, Field>>;
  readonly #data: DataView;

  constructor(struct: KernelStruct<Name>) {
    this.bytes = new Uint8Array(struct.size);
    this.#fields = struct.fields;
    this.#data = new DataView(this.bytes.buffer);
  }

  /** Reads an unsigned field, exact up to 2^64. */
  big(name: Name): bigint {
    const { offset, size } = this.#fields[name];
    return size === 8 ? this.#data.getBigUint64(offset, true) : BigInt(this.number(name));
  }

  /** Reads an unsigned field whose values are in practice below 2^53. */
  number(name: Name): number {
    const { offset, size } = this.#fields[name];
    if (size === 2) return this.#data.getUint16(offset, true);
    if (size === 4) return this.#data.getUint32(offset, true);
    return Number(this.#data.getBigUint64(offset, true));
  }

  /** Writes an unsigned field. */
  set(name: Name, value: number): void {
    const { offset, size } = this.#fields[name];
    if (size === 2) this.#data.setUint16(offset, value, true);
    else if (size === 4) this.#data.setUint32(offset, value, true);
    else this.#data.setBigUint64(offset, BigInt(value), true);
  }
}

/** Returns one struct with the fields of `outer` and of the `struct ipc_perm` at its start. */
export function withPerm<Outer extends string, Perm extends string>(
  outer: KernelStruct<Outer>,
  perm: KernelStruct<Perm>,
): KernelStruct<Outer | Perm> {
  return { size: outer.size, fields: { ...outer.fields, ...perm.fields } };
}
