/**
 * The options that the commands for messages share: `server` and `client` of a mailbox, `send` and `recv`
 * of a channel, `pub` and `sub` of a topic.
 */

import { LANE_CAPACITY, LANES } from "../channel/lanes.ts";
import type { ChannelOptions } from "../channel/channel_options.ts";
import type { MailboxOptions } from "../mailbox/mailbox_membership.ts";
import { LANE_CAPACITY as TOPIC_CAPACITY, LANES as TOPIC_LANES } from "../topic/lanes.ts";
import type { Fields, StructLayout } from "../layout/layout.ts";
import { UsageError } from "./errors.ts";
import { report } from "./output.ts";
import { formatSize, parseSize } from "./text/size.ts";
import {
  durationOption,
  keyOption,
  modeOption,
  type OptionTable,
  type Parsed,
  valueOf,
  wholeOption,
} from "./usage.ts";

/** The default keys of channels and topics; the mailbox uses 1111. */
export const CHANNEL_KEY = 2222;
const TOPIC_KEY = 3333;

/** The options of all commands that may create an object of this library. */
export const SHARED_OPTIONS = {
  mode: { value: "MODE", help: "permissions of what is created (default 0600)" },
  trust: { help: "accept one that another user created" },
  quiet: { short: "q", help: "print only errors on stderr" },
} as const satisfies OptionTable;

/** The options of `server` and `client`. */
export const MAILBOX_OPTIONS = {
  key: {
    short: "k",
    value: "KEY",
    help: "1111 (default), 0x457, 02127, path:project (ftok)",
  },
  ...SHARED_OPTIONS,
} as const satisfies OptionTable;

const LANE_OPTIONS = {
  capacity: { value: "SIZE", help: "of each lane, if created: 1M (default); a power of 2" },
  keep: { help: "if created: leave it in place at the end" },
  ...SHARED_OPTIONS,
} as const satisfies OptionTable;

/** The options of `send` and `recv`. */
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
  ...LANE_OPTIONS,
} as const satisfies OptionTable;

/** The options of `pub` and `sub`. */
export const TOPIC_OPTIONS = {
  key: {
    short: "k",
    value: "KEY",
    help: `${TOPIC_KEY} (default), 0xd05, path:project (ftok)`,
  },
  lanes: {
    value: "N",
    help: `most publishers at a time, if created: ${TOPIC_LANES.DEFAULT} (default)`,
  },
  ...LANE_OPTIONS,
} as const satisfies OptionTable;

/** The options of `server`, `recv` and `sub`. */
export const RECEIVE_OPTIONS = {
  count: { short: "n", value: "N", help: "stop after N messages" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "end with exit code 1 when no message comes for 5s",
  },
} as const satisfies OptionTable;

export interface MessageSettings<OpenOptions> {
  /** How to open the mailbox, the channel or the topic. */
  readonly open: OpenOptions;
  /** How long each message is waited for. */
  readonly wait: { readonly timeout?: number };
  readonly quiet: boolean;
  /** Prints a notice that is not an error. */
  readonly tell: (line: string) => void;
}

type Options<Name extends string> = Parsed<Name | "timeout">["options"];

/**
 * Reads the options of `server` and `client`.
 *
 * @throws {UsageError} an invalid key, mode or timeout
 */
export function mailboxSettings(
  options: Options<keyof typeof MAILBOX_OPTIONS>,
): MessageSettings<MailboxOptions> {
  const shared = sharedSettings(options);
  return { ...shared, open: { ...shared.open, ...given({ key: keyOption(options.key) }) } };
}

/**
 * Reads the options of `send` and `recv`.
 *
 * @throws {UsageError} an invalid key, mode, timeout, number of lanes or capacity
 */
export function channelSettings(
  options: Options<keyof typeof CHANNEL_OPTIONS>,
): MessageSettings<LaneSettings> {
  return laneSettings(options, CHANNEL_KEY, LANES, LANE_CAPACITY);
}

/** As {@linkcode channelSettings}, for `pub` and `sub`. */
export function topicSettings(
  options: Options<keyof typeof TOPIC_OPTIONS>,
): MessageSettings<LaneSettings> {
  return laneSettings(options, TOPIC_KEY, TOPIC_LANES, TOPIC_CAPACITY);
}

/** How to open a channel or a topic. */
export type LaneSettings = Omit<ChannelOptions, "messageSize">;

/**
 * What `make` makes of structs.
 *
 * @throws {UsageError} the lanes are too small for the struct
 */
export function ofStruct<Made>({ size }: StructLayout<Fields>, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    // The other options were checked before
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`option --capacity: a struct of ${size} bytes needs larger lanes`);
  }
}

interface Range {
  readonly MIN: number;
  readonly MAX: number;
}

function laneSettings(
  options: Options<keyof typeof CHANNEL_OPTIONS>,
  key: number,
  lanes: Range,
  capacity: Range,
): MessageSettings<LaneSettings> {
  const shared = sharedSettings(options);
  const open = {
    ...shared.open,
    key: keyOption(options.key) ?? key,
    persistent: options.keep === true,
    ...given({
      lanes: wholeOption("lanes", options.lanes, lanes.MIN, lanes.MAX),
      laneCapacity: capacityOption(options.capacity, capacity),
    }),
  };
  return { ...shared, open };
}

/** Reads {@linkcode SHARED_OPTIONS}, and `--timeout` if the command has it. */
export function sharedSettings(
  options: Options<keyof typeof SHARED_OPTIONS>,
): MessageSettings<Pick<MailboxOptions, "mode" | "trust" | "timeout">> {
  const wait = given({ timeout: durationOption("timeout", options.timeout) });
  const quiet = options.quiet === true;
  return {
    open: { ...wait, ...given({ mode: modeOption(options.mode) }), trust: options.trust === true },
    wait,
    quiet,
    tell: quiet ? () => {} : report,
  };
}

/** The properties that have a value. */
export function given<Values extends Readonly<Record<string, number | undefined>>>(
  values: Values,
): { [Name in keyof Values]?: number } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof Values]?: number };
}

function capacityOption(text: string | true | undefined, { MIN, MAX }: Range): number | undefined {
  return valueOf("capacity", text, (each) => {
    const bytes = parseSize(each);
    if (bytes < MIN || bytes > MAX || !Number.isInteger(Math.log2(bytes))) {
      throw new RangeError(`${each} is not a power of two from ${MIN} to ${formatSize(MAX)}`);
    }
    return bytes;
  });
}
