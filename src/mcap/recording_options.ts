/** The options of recorder and player, the functions that check them, and what both report. */

import {
  checkFlag,
  checkFunction,
  checkInteger,
  checkSignal,
  checkText,
  optionsReader,
  type Read,
} from "../layout/arguments.ts";

/** What a recording has so far, or what was replayed of it. */
export interface RecordingProgress {
  /** Messages that are in the file, or that were sent. */
  readonly messages: number;
  /** Bytes of their payloads. */
  readonly bytes: number;
  /** How many messages of a topic were overwritten before the recorder took them; 0 for a channel. */
  readonly missed: number;
}

/** What was replayed. */
export interface ReplayResult extends RecordingProgress {
  /** Whether the file has an end. It has none if its recorder was killed, or is still at work. */
  readonly complete: boolean;
}

/** The options of {@linkcode record}. */
export interface RecordOptions {
  /** The path of the file, which must not exist. */
  readonly file: string;
  /** Ends the recording when it has this many messages. Defaults to no end. */
  readonly count?: number;
  /** Ends the recording when it aborts: the file gets its end, and the promise fulfils. */
  readonly signal?: AbortSignal;
  /** Is called after each group of messages that the file has got, at least one a second while any come. */
  readonly onProgress?: (progress: RecordingProgress) => void;
}

/** The options of {@linkcode replay}. */
export interface ReplayOptions {
  /** The path of the file. */
  readonly file: string;
  /** Whether to send as fast as possible, and not at the times of the recording. Defaults to `false`. */
  readonly fast?: boolean;
  /** Ends it when it aborts: the promise fulfils. */
  readonly signal?: AbortSignal;
  /** Is called after each group of messages. */
  readonly onProgress?: (progress: RecordingProgress) => void;
}

const COMMON = {
  file: (value: unknown, name: string): string => {
    const path = checkText(value, name);
    if (path === "" || path.includes("\0")) throw new TypeError(`"${name}" takes a path`);
    return path;
  },
  signal: checkSignal,
  onProgress: checkFunction<(progress: RecordingProgress) => void>,
};
const RECORD = {
  ...COMMON,
  count: (value: unknown, name: string): number =>
    checkInteger(value, name, 1, Number.MAX_SAFE_INTEGER),
};
const REPLAY = { ...COMMON, fast: checkFlag };

/** Reads {@linkcode RecordOptions}. */
export const readRecordOptions: (options: unknown) => Read<typeof RECORD, "file"> = optionsReader(
  RECORD,
  ["file"],
);

/** Reads {@linkcode ReplayOptions}. */
export const readReplayOptions: (options: unknown) => Read<typeof REPLAY, "file"> = optionsReader(
  REPLAY,
  ["file"],
);

/** Counts messages, and reports them. */
export class RecordingCount {
  readonly #report: ((progress: RecordingProgress) => void) | undefined;
  #messages = 0;
  #bytes = 0;
  #missed = 0;

  constructor(report: ((progress: RecordingProgress) => void) | undefined) {
    this.#report = report;
  }

  get now(): RecordingProgress {
    return { messages: this.#messages, bytes: this.#bytes, missed: this.#missed };
  }

  /** Adds messages. */
  add({ messages, bytes, missed }: RecordingProgress): void {
    this.#messages += messages;
    this.#bytes += bytes;
    this.#missed += missed;
  }

  /** Reports them. */
  tell(): void {
    this.#report?.(this.now);
  }
}
