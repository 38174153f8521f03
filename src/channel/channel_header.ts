/**
 * The header of a channel: written once by the process that initialises it, checked by all others.
 * Internal: used by the channel.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { HEADER, layoutHash, MAGIC, MAGIC_SWAPPED, VERSION } from "./descriptor.ts";
import { capacityFor, lanesFor } from "./lanes.ts";
import { maxMessage, segmentSize, type Shape } from "./shape.ts";

/** The kernel's information about an object that may be a channel. */
export interface KernelFacts {
  readonly key: number;
  readonly id: number;
  /** Bytes of the segment. */
  readonly size: number;
  /** Number of semaphores in the set of the same key. */
  readonly semaphores: number;
}

const MAGIC_WORD = HEADER.fields.magic.offset / Int32Array.BYTES_PER_ELEMENT;

/** Whether the channel was initialised. */
export function isReady(memory: ArrayBuffer): boolean {
  // SYNC ready: a load that sees a magic orders all reads of the header after the creator's writes
  return Atomics.load(new Int32Array(memory, 0, HEADER.size / 4), MAGIC_WORD) !== 0;
}

/** Makes a segment of zeros a channel. The caller must hold the entry lock. */
export function initialise(memory: ArrayBuffer, shape: Shape): void {
  HEADER.write(memory, {
    magic: 0,
    version: 0,
    layout_hash: layoutHash(),
    lanes: shape.lanes,
    lane_capacity: shape.laneCapacity,
    message_size: shape.messageSize,
    segment_size: BigInt(segmentSize(shape)),
  });
  const words = new Int32Array(memory, 0, HEADER.size / 4);
  Atomics.store(words, HEADER.fields.version.offset / 4, VERSION);
  // SYNC ready: all of the header comes before this store
  Atomics.store(words, MAGIC_WORD, MAGIC);
}

/**
 * Reads the shape from the header of an initialised channel, checked against the kernel's information.
 *
 * @throws {ShmError} `EFORMAT` it is not a channel, or one of another version; names the difference
 */
export function readHeader(memory: ArrayBuffer, place: KernelFacts): Shape {
  // Copy first, then check: a process that can write here may write at any time
  const copy = memory.slice(0, HEADER.size);
  const header = HEADER.read(copy);
  const differs = (field: string, there: string, expected: string, remedy: string): ShmError =>
    otherFormat(place, `${field} differs: ${there} there, ${expected} here; ${remedy}`);
  if (header.magic === MAGIC_SWAPPED) {
    throw differs(
      "the byte order",
      "big-endian",
      "little-endian",
      "a program for another machine made it",
    );
  }
  if (header.magic !== MAGIC) {
    throw otherFormat(
      place,
      `it is not a channel: its first word is ${hex(header.magic)}, not ${hex(MAGIC)}; ` +
        "choose another key",
    );
  }
  const sameRelease = "use the same release of the library (and c/shm_channel.h) everywhere";
  if (header.version !== VERSION) {
    throw differs("version", String(header.version), String(VERSION), sameRelease);
  }
  if (header.layout_hash !== layoutHash()) {
    throw differs("layout_hash", hex(header.layout_hash), hex(layoutHash()), sameRelease);
  }
  const shape = {
    lanes: header.lanes,
    laneCapacity: header.lane_capacity,
    messageSize: header.message_size,
  };
  const broken = "its header was overwritten, or it was put together by hand: remove it " +
    "and start again";
  if (lanesFor(place.semaphores) !== shape.lanes) {
    throw differs("lanes", String(shape.lanes), `a set of ${place.semaphores} semaphores`, broken);
  }
  if (capacityFor(shape.lanes, place.size) !== shape.laneCapacity) {
    const there = String(shape.laneCapacity);
    throw differs("lane_capacity", there, `a segment of ${place.size} bytes`, broken);
  }
  if (header.segment_size !== BigInt(place.size)) {
    throw differs(
      "segment_size",
      String(header.segment_size),
      `a segment of ${place.size} bytes`,
      broken,
    );
  }
  if (shape.messageSize > maxMessage(shape.laneCapacity)) {
    throw differs(
      "message_size",
      String(shape.messageSize),
      `at most ${maxMessage(shape.laneCapacity)}`,
      broken,
    );
  }
  return shape;
}

/** The properties that a caller requested. */
export type Wanted = Partial<Shape>;

/**
 * Checks that an existing channel has the properties that the caller requested.
 *
 * @throws {ShmError} `EFORMAT` names the first option that differs
 */
export function checkWanted(shape: Shape, wanted: Wanted, place: KernelFacts): void {
  for (const name of ["lanes", "laneCapacity", "messageSize"] as const) {
    const asked = wanted[name];
    if (asked === undefined || asked === shape[name]) continue;
    throw new ShmError("open the channel", undefined, "EFORMAT", {
      key: place.key,
      id: place.id,
      facts: `${name} differs: ${shape[name]} there, ${asked} requested`,
      remedy: name === "messageSize"
        ? "leave it out, or with Channel.of use a struct of that size, or choose another key"
        : "leave it out to take what is there, or choose another key",
      option: name,
    });
  }
}

/** The error for an object that is not the expected channel. */
export function otherFormat(
  { key, id }: { readonly key: number; readonly id?: number | undefined },
  what: string,
): ShmError {
  return new ShmError("open the channel", undefined, "EFORMAT", { key, id, remedy: what });
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
