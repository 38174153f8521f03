/**
 * Recordings: the messages of a channel or a topic to an MCAP file, which viewers such as Foxglove open, and back to
 * a channel or a topic. It needs `--allow-write` or `--allow-read` for the file, and no package.
 *
 * @module
 */

export { record } from "./record.ts";
export type {
  RecordingProgress,
  RecordOptions,
  ReplayOptions,
  ReplayResult,
} from "./recording_options.ts";
export { replay } from "./replay.ts";
