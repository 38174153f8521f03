/**
 * Structs and unions: the place of each member, and the functions that view, read and write one in
 * memory. Internal: used by `struct` and `union`.
 *
 * Sizes and offsets are those of gcc on Linux. They are the same on x86-64 and aarch64.
 */

import { checkFlag, checkNumber, optionsReader } from "./arguments.ts";
import { placedBits } from "./bits.ts";
import { checkAlignment, checkLayout, checkName, isLayout, makeLayout } from "./check.ts";
import { declare } from "./declare.ts";
import type {
  AnyStructLayout,
  BitsLayout,
  FieldLayout,
  Fields,
  Layout,
  Member,
  Pack,
  StructLayout,
  StructOptions,
  StructValue,
  StructView,
  UnionLayout,
  ViewOptions,
} from "./layout.ts";
import { describe, gone } from "./refusal.ts";
import { viewsOf } from "./struct_view.ts";
import { assign, load } from "./value_copy.ts";

const PACKS: readonly unknown[] = [1, 2, 4, 8, 16] satisfies Pack[];

const readStructOptions = optionsReader({
  pack(pack: unknown): Pack {
    if (PACKS.includes(pack)) return pack as Pack;
    throw new RangeError(`pack is 1, 2, 4, 8 or 16, got ${describe(pack)}`);
  },
  align: (align: unknown) => checkAlignment(align, "the alignment of a struct"),
});
const readViewOptions = optionsReader({ readOnly: checkFlag });

/** The smallest multiple of `alignment` that is not less than `offset`. */
function roundUp(offset: number, alignment: number): number {
  // Not with `&`: offsets can go beyond 32 bits.
  return Math.ceil(offset / alignment) * alignment;
}

/** Places members one after the other, or all at the beginning. */
class Placement {
  readonly #union: boolean;
  readonly #pack: number;
  /** The end of the last member: bytes, and bits of one more byte. In bits it would not be exact. */
  #bytes = 0;
  #bits = 0;
  /** The end of the longest member in bytes. */
  #end = 0;
  #alignment: number;
  /** The alignment where bit-fields without a name count, as on aarch64. */
  #alignmentOfAll: number;

  constructor(kind: "struct" | "union", { pack, align = 1 }: Read) {
    this.#union = kind === "union";
    this.#pack = pack ?? Infinity;
    this.#alignment = align;
    this.#alignmentOfAll = align;
  }

  get alignment(): number {
    return this.#alignment;
  }

  get size(): number {
    return roundUp(this.#end, this.#alignment);
  }

  /** Whether compilers for x86-64 and for aarch64 choose different alignments. */
  get differs(): boolean {
    return this.#alignmentOfAll > this.#alignment;
  }

  #align(natural: number, named = true): number {
    const alignment = Math.min(natural, this.#pack);
    if (named) this.#alignment = Math.max(this.#alignment, alignment);
    this.#alignmentOfAll = Math.max(this.#alignmentOfAll, alignment);
    return alignment;
  }

  #moveTo(offset: number): void {
    this.#bytes = offset;
    this.#bits = 0;
  }

  #extend(bytes: number, bits: number): void {
    this.#bytes += bytes;
    this.#bits = bits;
    this.#end = Math.max(this.#end, this.#bytes + Math.ceil(bits / 8));
    if (this.#union) this.#moveTo(0);
  }

  /** Returns the offset of the next member. C aligns it as its type and as requested; pack limits both. */
  place({ size, alignment }: Layout, align: number): number {
    const offset = roundUp(
      this.#bytes + Math.ceil(this.#bits / 8),
      this.#align(Math.max(alignment, align)),
    );
    this.#moveTo(offset);
    this.#extend(size, 0);
    return offset;
  }

  /** Returns the place of the next bit-field. */
  placeBits({ type: { size }, width }: BitsLayout, named: boolean): [offset: number, bit: number] {
    if (width > 0) this.#align(size, named);
    // No pack limits this one
    else this.#alignmentOfAll = Math.max(this.#alignmentOfAll, size);
    const used = (this.#bytes % size) * 8 + this.#bits;
    // Outside packed structs it does not cross a boundary of its type. One of no bits moves to the next.
    const crosses = this.#pack === Infinity && used + width > size * 8;
    if (crosses || (width === 0 && used > 0)) this.#moveTo(roundUp(this.#bytes + 1, size));
    const place: [number, number] = [this.#bytes, this.#bits];
    const end = this.#bits + width;
    this.#extend(Math.floor(end / 8), end % 8);
    return place;
  }
}

type Read = ReturnType<typeof readStructOptions>;

function memberOf(key: string, declared: FieldLayout, placement: Placement): Member {
  const what = `field "${key}"`;
  const named = declared?.kind !== "anonymous";
  const wrapped = declared?.kind === "aligned" || declared?.kind === "anonymous";
  const layout = wrapped ? declared.layout : declared;
  checkLayout(layout, what);
  if (layout.kind === "bits") {
    if (layout.width === 0 && named) {
      throw new TypeError(`${what} has no bits: it must be anonymous`);
    }
    const [offset, bit] = placement.placeBits(layout, named);
    const placed = placedBits(layout.type, layout.width, bit);
    return memberAt(named ? key : undefined, offset, placed, {});
  }
  const align = declared.kind === "aligned" ? { align: checkAlignment(declared.align, what) } : {};
  const offset = placement.place(layout, align.align ?? 1);
  return memberAt(named ? key : undefined, offset, layout, align);
}

function memberAt(
  name: string | undefined,
  offset: number,
  layout: Layout,
  align: { readonly align?: number },
): Member {
  return Object.freeze({ name, offset, size: layout.size, layout, ...align });
}

/** The fields of the members, with those of the anonymous ones at their offsets. */
function fieldsOf(members: readonly Member[]): AnyStructLayout["fields"] {
  const fields: Record<string, AnyStructLayout["fields"][string]> = {};
  const add = (name: string, field: AnyStructLayout["fields"][string]): void => {
    if (Object.hasOwn(fields, name)) throw new TypeError(`there are two fields "${name}"`);
    fields[name] = Object.freeze(field);
  };
  for (const { name, ...member } of members) {
    if (name !== undefined) add(name, member);
    else if ("fields" in member.layout) {
      for (const [inner, field] of Object.entries(member.layout.fields)) {
        add(inner, { ...field, offset: member.offset + field.offset });
      }
    }
  }
  return Object.freeze(fields);
}

function checkFields(kind: string, fields: Fields): void {
  if (typeof fields !== "object" || fields === null || isLayout(fields)) {
    throw new TypeError(`${kind}(fields) takes an object, got ${describe(fields)}`);
  }
  const prototype = Object.getPrototypeOf(fields);
  if (prototype !== null && prototype !== Object.prototype) {
    throw new TypeError(`${kind}(fields) takes a plain object, without a "__proto__" of its own`);
  }
  for (const name of Object.keys(fields)) checkName(name, "the name of a field");
}

/** Throws unless `size` bytes at `offset` are within the buffer. */
function checkPlace(kind: string, buffer: ArrayBufferLike, offset: number, size: number): void {
  if (!(buffer instanceof ArrayBuffer || buffer instanceof SharedArrayBuffer)) {
    throw new TypeError(
      `a ${kind} lies in an ArrayBuffer or SharedArrayBuffer, got ${describe(buffer)}`,
    );
  }
  checkNumber(offset, "offset");
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + size > buffer.byteLength) {
    if (buffer instanceof ArrayBuffer && buffer.detached) throw gone();
    throw new RangeError(
      `a ${kind} of ${size} bytes at offset ${offset} is outside the buffer of ${buffer.byteLength} bytes`,
    );
  }
}

/** Returns the layout of a struct or union. */
export function makeRecord<F extends Fields>(
  kind: "struct" | "union",
  fields: F,
  options: StructOptions,
): StructLayout<F> | UnionLayout<F> {
  checkFields(kind, fields);
  const read = readStructOptions(options);
  const placement = new Placement(kind, read);
  const members: Member[] = [];
  for (const [name, layout] of Object.entries(fields)) {
    members.push(memberOf(name, layout, placement));
    if (!Number.isSafeInteger(placement.size)) {
      throw new RangeError(`a ${kind} is at most 2^53-1 bytes: field "${name}" goes beyond`);
    }
  }
  if (placement.differs) {
    throw new TypeError(
      "a bit-field without a name aligns the struct on aarch64 and not on x86-64: give it a name",
    );
  }
  const { size, alignment } = placement;
  const unnamed = members.some(({ name }) => name === undefined);

  let views: ReturnType<typeof viewsOf> | undefined;
  const layout = makeLayout({
    kind,
    size,
    alignment,
    fields: fieldsOf(members),
    ...(unnamed ? { members: Object.freeze(members) } : {}),
    ...read,
    view(buffer: ArrayBufferLike, offset = 0, options?: ViewOptions): StructView<F> {
      const { readOnly = false } = readViewOptions(options);
      // The first view makes the class: most structs inside this library are never viewed
      views ??= viewsOf(layout);
      checkPlace(kind, buffer, offset, size);
      return views(new DataView(buffer, offset, size), readOnly) as StructView<F>;
    },
    read(buffer: ArrayBufferLike, offset = 0): StructValue<F> {
      checkPlace(kind, buffer, offset, size);
      return load(layout, new Uint8Array(buffer, offset, size)) as StructValue<F>;
    },
    write(buffer: ArrayBufferLike, value: unknown, offset = 0): void {
      checkPlace(kind, buffer, offset, size);
      assign(layout, new Uint8Array(buffer, offset, size), value, "");
    },
    declare(name: string): string {
      return declare(layout, name);
    },
  }) as AnyStructLayout;
  // Only the loop above loses the types of the fields.
  return layout as unknown as StructLayout<F> | UnionLayout<F>;
}
