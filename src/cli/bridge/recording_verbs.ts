/** `cli.ts bridge record` and `bridge replay`: a channel or a topic to a file, and back. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import type { Fields, StructLayout } from "../../layout/layout.ts";
import { isMessageLayout } from "../../layout/message_text.ts";
import { record } from "../../mcap/record.ts";
import { recordedStruct } from "../../mcap/recorded_lane.ts";
import { replay } from "../../mcap/replay.ts";
import { Topic } from "../../topic/topic.ts";
import { messageStructOf, STRUCT_OPTIONS } from "../bytes/struct_options.ts";
import { command } from "../command.ts";
import { UsageError } from "../errors.ts";
import {
  CHANNEL_OPTIONS,
  channelSettings,
  type LaneSettings,
  type MessageSettings,
  ofStruct,
} from "../message_options.ts";
import { report } from "../output.ts";
import { LEFT, tellExposure } from "../session.ts";
import { type Interrupted, Interruption } from "../terminal/interruption.ts";
import { plural } from "../text/wording.ts";
import { countOption } from "../usage.ts";

const COMMON = {
  topic: { help: "the key is that of a topic, not of a channel" },
  ...CHANNEL_OPTIONS,
} as const;

/** A channel or a topic, of bytes or of structs. */
type Shared =
  | Channel
  | Topic
  | ReturnType<typeof Channel.of<Fields>>
  | ReturnType<typeof Topic.of<Fields>>;

/** `bridge record` */
export const recordVerb = command({
  options: {
    count: { short: "n", value: "N", help: "record: stop after N messages" },
    struct: { value: "DECL", help: "record: messages are structs of these fields in C" },
    ...STRUCT_OPTIONS,
    ...COMMON,
  },
  async run(parsed): Promise<number> {
    const { options } = parsed;
    const file = fileOf("record", parsed.positionals);
    const count = countOption("count", options.count);
    const common = channelSettings(options);
    const { tell } = common;
    const layout = await messageStructOf(parsed);
    using interruption = new Interruption();
    const { signal } = interruption;
    using shared = opened(options.topic === true, layout, common);
    tellExposure(shared, common);
    const settings = { file, signal, ...(count === undefined ? {} : { count }) };
    tell(`bridge record: key ${formatKey(shared.key)} to ${file}`);
    const { messages, missed } = await recorded(shared, settings);
    interruption.leaveLine(tell);
    const { why, code } = endOf(signal, count === undefined);
    const lost = missed === 0 ? "" : `, ${missed} missed`;
    const left = `segment ${shared.id} ${LEFT[shared.close()]}`;
    tell(`${why}${plural(messages, "message")} recorded in ${file}${lost}; ${left}`);
    return code;
  },
});

/** `bridge replay` */
export const replayVerb = command({
  options: {
    fast: { help: "replay: as fast as possible, not at its own pace" },
    ...COMMON,
  },
  async run({ options, positionals }): Promise<number> {
    const file = fileOf("replay", positionals);
    const common = channelSettings(options);
    const { tell } = common;
    const isTopic = options.topic === true;
    const layout = await structIn(file);
    using interruption = new Interruption();
    const { signal } = interruption;
    const isBytes = layout === undefined || takesBytes(isTopic, common.open);
    using shared = opened(isTopic, isBytes ? undefined : layout, common);
    tellExposure(shared, common);
    tell(`bridge replay: ${file} to key ${formatKey(shared.key)}`);
    const fast = options.fast === true;
    const { messages, complete } = await replay(shared as Channel, { file, fast, signal });
    interruption.leaveLine(tell);
    const { why, code } = endOf(signal, false);
    if (!complete) {
      report(
        `warning: ${file} has no end: its recorder was killed, or is still at work. What it has was replayed`,
      );
    }
    const left = `segment ${shared.id} ${LEFT[shared.close()]}`;
    tell(`${why}${plural(messages, "message")} replayed; ${left}`);
    return code;
  },
});

function fileOf(verb: string, [file, extra]: readonly string[]): string {
  if (file === undefined || file === "") throw new UsageError(`bridge ${verb} needs a FILE`);
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
  return file;
}

function opened(
  isTopic: boolean,
  layout: StructLayout<Fields> | undefined,
  { open }: MessageSettings<LaneSettings>,
): Shared {
  if (layout === undefined) return isTopic ? Topic.openOrCreate(open) : Channel.openOrCreate(open);
  return ofStruct(
    layout,
    (): Shared => isTopic ? Topic.of(layout, open) : Channel.of(layout, open),
  );
}

function recorded(
  shared: Shared,
  settings: Parameters<typeof record>[1],
): ReturnType<typeof record> {
  return record(
    (shared instanceof Channel ? shared.consumer() : shared.subscriber()) as Parameters<
      typeof record
    >[0],
    settings,
  );
}

/** The layout of the structs in a recording, if it has structs. */
async function structIn(file: string): Promise<StructLayout<Fields> | undefined> {
  const text = await recordedStruct(file);
  if (text === undefined) return undefined;
  const { parseStruct } = await import("../../cparse/parse_struct.ts");
  try {
    const layout = parseStruct(text, { name: "message" });
    if (isMessageLayout(layout)) return layout as StructLayout<Fields>;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw unreadable(file, error.message);
  }
  throw unreadable(file, "it has no length of its own");
}

function unreadable(file: string, why: string): ShmError {
  return new ShmError(`replay ${file}`, undefined, "EFORMAT", {
    facts: `it declares a struct that cannot be used: ${why}`,
  });
}

/** Whether there is a channel or topic that takes messages of any length, and states no struct. */
function takesBytes(isTopic: boolean, { key, trust = false }: LaneSettings): boolean {
  try {
    using shared = isTopic ? Topic.open(key, { trust }) : Channel.open(key, { trust });
    return shared.messageSize === 0;
  } catch (error) {
    if (ShmError.is(error, "ENOENT")) return false;
    throw error;
  }
}

/** Why a verb ended that had an end of its own unless it is `endless`. */
function endOf(
  { aborted, reason }: AbortSignal,
  endless: boolean,
): { readonly why: string; readonly code: number } {
  if (!aborted) return { why: "", code: 0 };
  const { message, exitCode, exitCodeOfEndless } = reason as Interrupted;
  return { why: `${message}: `, code: endless ? exitCodeOfEndless : exitCode };
}
