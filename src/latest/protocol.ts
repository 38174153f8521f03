/** What a latest value is to those that join it: its sizes, its semaphores, its header. Internal. */

import type { Protocol } from "../sync/object_header.ts";
import { defaultCells, isCells, isLatestSize, isValueSize, SEMAPHORE_COUNT } from "./cells.ts";
import { MAGIC, STRUCTS, VERSION } from "./descriptor.ts";
import { segmentSize, type Shape } from "./shape.ts";

/** The protocol of latest values. */
export const LATEST: Protocol<Shape> = {
  name: "Latest",
  creator: "Latest.openOrCreate",
  cHeader: "c/shm_latest.h",
  readable: true,
  magic: MAGIC,
  version: VERSION,
  structs: STRUCTS,
  newShape({ size = 1, cells = defaultCells(size) }): Shape {
    return { size, cells };
  },
  segmentSize,
  semaphoreCount: () => SEMAPHORE_COUNT,
  unfit({ size, semaphores = SEMAPHORE_COUNT }): string | undefined {
    if (semaphores !== SEMAPHORE_COUNT) return `no Latest has a set of ${semaphores} semaphores`;
    if (size === undefined || isLatestSize(size, semaphores)) return undefined;
    return `it is not a Latest: no number of cells gives a segment of ${size} bytes`;
  },
  toWords: ({ size, cells }) => [cells, size, 0],
  fromWords([cells = 0, size = 0], facts, contradicts): Shape {
    if (!isCells(cells)) throw contradicts("cells", cells, "a power of two from 2 to 4096");
    const expected = `a segment of ${facts.size} bytes`;
    if (!isValueSize(size) || segmentSize({ size, cells }) !== facts.size) {
      throw contradicts("value_size", size, expected);
    }
    return { size, cells };
  },
  advice: (property) =>
    property === "size"
      ? "use the same size (with Latest.of, a struct of that size) in all programs, or choose another key"
      : undefined,
};
