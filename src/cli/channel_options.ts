/** The options that `send` and `recv` share. */

import { LANE_CAPACITY, LANES } from "../channel/descriptor.ts";
import type { ChannelOptions } from "../channel/channel_options.ts";
import { report } from "./output.ts";
import { formatSize, parseSize } from "./text/size.ts";
import {
  countOption,
  keyOption,
  modeOption,
  type OptionTable,
  type Parsed,
  valueOf,
} from "./usage.ts";
import { UsageError } from "./errors.ts";

/** The default key of `send` and `recv`; the mailbox uses 1111. */
export const CHANNEL_KEY = 2222;

/** The options of both commands. */
export const CHANNEL_OPTIONS = {
  key: {
    short: "k",
    value: "KEY",
    help: `${CHANNEL_KEY} (default), 0x8ae, path:project (ftok)`,
  },
  lanes: {
    value: "N",
    help: `how many may send at a time, if created: ${LANES.DEFAULT} (default)`,
  },
  capacity: { value: "SIZE", help: "of each lane, if created: 1M (default); a power of two" },
  mode: { value: "MODE", help: "permissions of what is created (default 0600)" },
  keep: { help: "if created: leave it in place at the end" },
  trust: { help: "accept a channel that another user created" },
  quiet: { short: "q", help: "say nothing on stderr but errors" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

/** The values of the common options. */
export interface ChannelSettings {
  /** How to open the channel. */
  readonly open: ChannelOptions;
  readonly quiet: boolean;
  /** Prints a notice that is not an error. */
  readonly tell: (line: string) => void;
}

/**
 * Reads the common options.
 *
 * @throws {UsageError} an invalid key, mode, number of lanes or capacity
 */
export function channelSettings(
  options: Parsed<keyof typeof CHANNEL_OPTIONS>["options"],
): ChannelSettings {
  const lanes = lanesOption(options.lanes);
  const laneCapacity = capacityOption(options.capacity);
  const mode = modeOption(options.mode);
  const quiet = options.quiet === true;
  return {
    open: {
      key: keyOption(options.key) ?? CHANNEL_KEY,
      ...(lanes === undefined ? {} : { lanes }),
      ...(laneCapacity === undefined ? {} : { laneCapacity }),
      ...(mode === undefined ? {} : { mode }),
      persistent: options.keep === true,
      trust: options.trust === true,
    },
    quiet,
    tell: quiet ? () => {} : report,
  };
}

function lanesOption(text: string | true | undefined): number | undefined {
  const lanes = countOption("lanes", text);
  if (lanes !== undefined && lanes > LANES.MAX) {
    throw new UsageError(`option --lanes: at most ${LANES.MAX}`);
  }
  return lanes;
}

function capacityOption(text: string | true | undefined): number | undefined {
  if (typeof text !== "string") return undefined;
  return valueOf("capacity", text, (each) => {
    const bytes = parseSize(each);
    const { MIN, MAX } = LANE_CAPACITY;
    if (bytes < MIN || bytes > MAX || !Number.isInteger(Math.log2(bytes))) {
      throw new RangeError(`${each} is no power of two from ${MIN} to ${formatSize(MAX)}`);
    }
    return bytes;
  });
}
