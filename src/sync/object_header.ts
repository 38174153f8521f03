/**
 * The first 128 bytes of a channel, a Latest and a Topic: written once by the process that initialises the
 * object, checked by all others. Internal: used by `headed_object.ts` and by the protocols.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import type { AnyStructLayout } from "../layout/layout.ts";
import { layoutHash, type NamedStructs } from "../layout/layout_hash.ts";
import {
  firstDifference,
  messageType,
  type MessageTypeValue,
  NO_MESSAGE_TYPE,
} from "../layout/message_type.ts";
import { MAGIC, OBJECT_HEADER, swapped } from "./header_layout.ts";

const NAMES: ReadonlyMap<number, string> = new Map([
  [MAGIC.CHANNEL, "a channel"],
  [MAGIC.LATEST, "a Latest"],
  [MAGIC.TOPIC, "a Topic"],
]);

/** The kernel's information about the objects of a key. */
export interface KernelFacts {
  /** Bytes of the segment. */
  readonly size: number;
  /** Number of semaphores in the set of the same key. */
  readonly semaphores: number;
}

/** An object in errors. */
export interface Place {
  readonly key: number;
  readonly id?: number | undefined;
}

/** Makes the error for a word of the header that contradicts the kernel's information. */
export type Contradiction = (word: string, there: number, expected: string) => ShmError;

/** What is different in each protocol. `Shape` has what does not change while an object exists. */
export interface Protocol<Shape extends object> {
  /** Its name in errors, after "a" and "the". */
  readonly name: string;
  /** The function that creates an object, for advice. */
  readonly creator: string;
  /** The C header that implements it, for advice. */
  readonly cHeader: string;
  /** Whether it can be opened without joining, by a user who may only read. */
  readonly readable?: true;
  readonly magic: number;
  /** Changes when the meaning of the bytes changes. */
  readonly version: number;
  /** All structs in its memory, of which the layout hash is computed. */
  readonly structs: NamedStructs;
  /** The shape of a new object; of one whose set exists already and has `semaphores`, if given. */
  newShape(wanted: Partial<Shape>, semaphores?: number): Shape;
  /** Bytes of the segment. */
  segmentSize(shape: Shape): number;
  /** Number of semaphores. The last three are the entry lock, the users and "disposable". */
  semaphoreCount(shape: Shape): number;
  /** Why no object has a set or a segment like this; `undefined` if one has. */
  unfit(facts: Partial<KernelFacts>): string | undefined;
  /** The three words of the header for a shape. */
  toWords(shape: Shape): readonly number[];
  /**
   * The shape in the three words of a header, checked against the kernel's information, which fits.
   *
   * @throws what `contradicts` returns, if a word is not possible
   */
  fromWords(words: readonly number[], facts: KernelFacts, contradicts: Contradiction): Shape;
  /**
   * Whether an object that no other peer has joined stays, because it is `unread` or because a process
   * is attached that has not joined (`nattch` is more than 1). Without this, it is removed.
   */
  stays?(memory: ArrayBuffer, shape: Shape, nattch: number): "unread" | "in use" | undefined;
  /** What to do if a property has another value than requested. Defaults to leaving it out. */
  advice?(property: keyof Shape): string | undefined;
}

/** The parts of a header that are not the same in all objects of a protocol. */
export interface FoundHeader<Shape> {
  readonly shape: Shape;
  readonly type: MessageTypeValue;
}

const WORDS = OBJECT_HEADER.size / Int32Array.BYTES_PER_ELEMENT;
const MAGIC_WORD = OBJECT_HEADER.fields.magic.offset / Int32Array.BYTES_PER_ELEMENT;
const VERSION_WORD = OBJECT_HEADER.fields.version.offset / Int32Array.BYTES_PER_ELEMENT;

/** Whether the object was initialised. */
export function isReady(memory: ArrayBuffer): boolean {
  // SYNC ready: a load that sees a magic orders all reads of the header after the creator's writes
  return Atomics.load(new Int32Array(memory, 0, WORDS), MAGIC_WORD) !== 0;
}

/**
 * Whether nothing was written but a header. A killed creator may have written any part of that.
 */
export function isBlank(memory: ArrayBuffer): boolean {
  const words = new Int32Array(memory, OBJECT_HEADER.size);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}

/** Makes a blank segment an object of `protocol`. The caller must hold the entry lock. */
export function initialise<Shape extends object>(
  protocol: Protocol<Shape>,
  memory: ArrayBuffer,
  shape: Shape,
  layout: AnyStructLayout | undefined,
): void {
  const { hash, fields } = layout === undefined ? NO_MESSAGE_TYPE : messageType(layout);
  OBJECT_HEADER.write(memory, {
    magic: 0,
    version: 0,
    layout_hash: layoutHash(protocol.structs),
    shape: protocol.toWords(shape),
    segment_size: BigInt(protocol.segmentSize(shape)),
    type: { hash, fields },
  });
  const words = new Int32Array(memory, 0, WORDS);
  Atomics.store(words, VERSION_WORD, protocol.version);
  // SYNC ready: all of the header comes before this store
  Atomics.store(words, MAGIC_WORD, protocol.magic);
}

/** The protocol whose magic is the first word of `header`, with its article; `undefined` if none is. */
export function protocolOf(header: ArrayBuffer): string | undefined {
  return NAMES.get(new DataView(header).getUint32(OBJECT_HEADER.fields.magic.offset, true));
}

/**
 * Reads the header of an initialised object, and checks it against the kernel's information.
 *
 * @throws {ShmError} `EFORMAT` it is another protocol's, or of another version; names the difference
 */
export function readHeader<Shape extends object>(
  protocol: Protocol<Shape>,
  memory: ArrayBuffer,
  place: Place & KernelFacts,
): FoundHeader<Shape> {
  // Copy first, then check: a process that can write here may write at any time
  const copy = memory.slice(0, OBJECT_HEADER.size);
  const header = OBJECT_HEADER.read(copy);
  const { name, magic, version } = protocol;
  const differs = (word: string, there: string, expected: string, remedy: string): ShmError =>
    otherFormat(protocol, place, `${word} differs: ${there} there, ${expected} here; ${remedy}`);
  if (NAMES.has(swapped(header.magic))) {
    const remedy = "a program for another machine made it";
    throw differs("the byte order", "big-endian", "little-endian", remedy);
  }
  if (header.magic !== magic) {
    const other = protocolOf(copy);
    const what = other === undefined
      ? `it is not a ${name}: its first word is ${hex(header.magic)}, not ${hex(magic)}`
      : otherProtocol(protocol, other);
    throw otherFormat(protocol, place, `${what}; choose another key`);
  }
  const sameRelease = `use the same release of the library (and ${protocol.cHeader}) everywhere`;
  if (header.version !== version) {
    throw differs("version", String(header.version), String(version), sameRelease);
  }
  const hash = layoutHash(protocol.structs);
  if (header.layout_hash !== hash) {
    throw differs("layout_hash", hex(header.layout_hash), hex(hash), sameRelease);
  }
  const contradicts = (word: string, there: number | bigint, expected: string): ShmError => {
    const remedy = "its header was overwritten, or it was put together by hand: remove it and " +
      "start again";
    return differs(word, String(there), expected, remedy);
  };
  if (header.segment_size !== BigInt(place.size)) {
    throw contradicts("segment_size", header.segment_size, `a segment of ${place.size} bytes`);
  }
  return { shape: protocol.fromWords(header.shape, place, contradicts), type: header.type };
}

/**
 * Checks that an existing object holds the struct of `layout`, unless no struct was stated, here or there.
 *
 * @throws {ShmError} `EFORMAT` names the first field that differs
 */
export function checkType<Shape extends object>(
  { name }: Protocol<Shape>,
  type: MessageTypeValue,
  layout: AnyStructLayout | undefined,
  { key, id }: Place,
): void {
  if (layout === undefined || type.hash === 0 || type.hash === messageType(layout).hash) return;
  throw new ShmError(`open the ${name}`, undefined, "EFORMAT", {
    key,
    id,
    facts: `it holds another struct: ${firstDifference(layout, type)}`,
    remedy: "use the same struct in all programs, or choose another key",
  });
}

/**
 * Checks that an existing object has the properties that the caller requested.
 *
 * @throws {ShmError} `EFORMAT` names the first option that differs
 */
export function checkWanted<Shape extends object>(
  { name, advice }: Protocol<Shape>,
  shape: Shape,
  wanted: Partial<Shape>,
  { key, id }: Place,
): void {
  for (const property of Object.keys(wanted) as (keyof Shape & string)[]) {
    const asked = wanted[property];
    if (asked === undefined || asked === shape[property]) continue;
    throw new ShmError(`open the ${name}`, undefined, "EFORMAT", {
      key,
      id,
      facts: `${property} differs: ${shape[property]} there, ${asked} requested`,
      remedy: advice?.(property) ??
        "leave it out to take what is there, or choose another key",
      option: property as ShmError["option"],
    });
  }
}

/** What is wrong with an object of another protocol. */
export function otherProtocol({ name }: { readonly name: string }, other: string): string {
  return `this key belongs to ${other}, not to a ${name}`;
}

/** The error for an object that is not the expected one. */
export function otherFormat(
  { name }: { readonly name: string },
  { key, id }: Place,
  what: string,
): ShmError {
  return new ShmError(`open the ${name}`, undefined, "EFORMAT", { key, id, remedy: what });
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
