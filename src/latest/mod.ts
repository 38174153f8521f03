/**
 * The latest value: one writer and any number of readers, which always get the whole newest value. A value is a
 * struct or bytes.
 *
 * @example
 * ```ts
 * import { Latest } from "@sysv/shm/latest";
 * import { f64, struct } from "@sysv/shm/layout";
 * import assert from "node:assert/strict";
 *
 * const Pose = struct({ x: f64, y: f64 });
 * using latest = Latest.of(Pose, { key: 0x5eed500f });
 * using writer = latest.writer(); // usually in another process
 * writer.write({ x: 1, y: 2 });
 * assert.equal(latest.reader().read()?.value.y, 2);
 * ```
 *
 * @module
 */

export { Latest } from "./latest.ts";
export type {
  LatestChange,
  LatestOfOptions,
  LatestOpenOptions,
  LatestOptions,
  LatestReaderOptions,
  LatestValue,
} from "./latest_options.ts";
export type { LatestReader } from "./latest_reader.ts";
export { type LatestStat, listLatests, statLatest } from "./latest_stat.ts";
export type { LatestWriter } from "./latest_writer.ts";
