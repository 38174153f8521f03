/** `cli.ts channel`: lists channels, shows one, empties lanes of one, removes them. */

import { Channel } from "../../channel/channel.ts";
import { LANES } from "../../channel/descriptor.ts";
import { listChannels, statChannel } from "../../channel/channel_stat.ts";
import { channelColumns, defaultChannelColumns, LANE_COLUMNS } from "../objects/channel_columns.ts";
import { type ChannelFacts, channelFacts, laneFacts } from "../objects/channel_facts.ts";
import { CHANNELS, contentOf } from "../objects/channel_removal.ts";
import type { Command } from "../command.ts";
import { type LabelledLine, printLabelled } from "../text/labelled_lines.ts";
import { tellOutcomes } from "../objects/named_objects.ts";
import { print, printJson } from "../output.ts";
import { remove } from "../objects/removal.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { selection, SELECTION_OPTIONS } from "../objects/selection.ts";
import { tableJson, tableLines } from "../text/table.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { Inventory } from "../objects/unused.ts";
import { optionsHelp, type OptionTable, parse, wholeOption } from "../usage.ts";
import { keyText, plural, sizeInWords } from "../text/wording.ts";
import { objectLines } from "../objects/object_lines.ts";
import { TABLE_OPTIONS, tableSettings } from "../table_options.ts";
import { UsageError } from "../errors.ts";

const COLUMN_NAMES = channelColumns().map(({ name }) => name);

const HELP_OPTION = { help: { short: "h", help: "show this" } } as const satisfies OptionTable;

const LS_OPTIONS = {
  ...SELECTION_OPTIONS,
  ...TABLE_OPTIONS,
  columns: { ...TABLE_OPTIONS.columns, choices: COLUMN_NAMES, list: true },
  sort: { ...TABLE_OPTIONS.sort, choices: COLUMN_NAMES },
  bytes: { short: "b", help: "sizes in bytes, where people read 64K (1K is 1024)" },
  ...HELP_OPTION,
} as const satisfies OptionTable;

const STAT_OPTIONS = {
  ...TARGET_OPTIONS,
  json: { help: "as JSON; the stable form" },
  ...HELP_OPTION,
} as const satisfies OptionTable;

const RM_OPTIONS = {
  ...TARGET_OPTIONS,
  ...SELECTION_OPTIONS,
  "dry-run": { short: "n", help: "say what would be done, and do nothing" },
  yes: { short: "y", help: "do not ask about those that the options choose" },
  force: { short: "f", help: "do not ask about anything, be it in use" },
  json: { help: "as JSON; the stable form" },
  ...HELP_OPTION,
} as const satisfies OptionTable;

const DISCARD_OPTIONS = {
  lane: { value: "N", multiple: true, help: "with discard: this lane, counted from 0; repeatable" },
  trust: { help: "with discard: of a channel that another user created" },
  ...TARGET_OPTIONS,
  ...HELP_OPTION,
} as const satisfies OptionTable;

const VERBS = { ls: list, stat: show, discard, rm: removeAll } as const;

const NAMES = Object.keys(VERBS) as (keyof typeof VERBS)[];

/** Every option of every verb once: an option that two verbs share has one line. */
const OPTIONS: OptionTable = {
  ...LS_OPTIONS,
  ...RM_OPTIONS,
  ...DISCARD_OPTIONS,
  json: TABLE_OPTIONS.json,
};

const help = (): string =>
  `List channels, show one, drop what a lane holds, remove channels.

Usage: cli.ts channel ls [options]
       cli.ts channel stat [--json] KEY|ID
       cli.ts channel discard --lane N [--lane N...] KEY|ID
       cli.ts channel rm [options] KEY|ID...
       cli.ts channel rm [options] --mine|--orphans|--older-than AGE

ls lists what channels there are: KEY, ID (the segment's), OWNER, LANES (how
many may send at a time) and their CAPACITY, DEPTH (messages that wait) and the
BYTES they take, PRODUCERS (lanes that are taken) and the pid of the CONSUMER.
stat shows one, lane by lane: MESSAGES there were, ever; FULLWAITS (how often
there was no room for one who sent); OPENED and CLOSED (how many had the lane,
and how many of them said that they were done); the PID that has or had it, and
whether it is ALIVE and has it now.

discard drops all messages of a lane, readable or not, and leaves the other
lanes as they are: for a lane that recv cannot read. Nobody may be receiving.

rm removes a channel, its segment and its semaphore set, and the messages in it.
Where a process is attached you are asked first, and where there is no terminal
to ask on it is left alone; those who use it get an error. What the options
choose is shown and asked about, or needs --yes; a channel that is kept or has
unread messages is no orphan, and only --force takes it along (see rm --help).

Looking attaches a channel for a moment, read-only, and needs read permission;
nobody who uses it notices. Those that may not be read are left out of the list.

${TARGET_HELP}

Options:
${optionsHelp(OPTIONS)}

--columns and --sort know the names that --json uses. JSON of ls, and of stat
with "perLane" (lane, depth, bytes, messages, fullWaits, opened, closed, pid,
alive): what \`ls --json\` has of owner and mode, and size, nattch, lanes,
laneCapacity, messageSize (null where they differ), maxMessage, depth, bytes,
messages, fullWaits, producers, consumer, users (how many have it open), kept
(it stays when all are gone), setId. null is unknown or nobody.

Exit codes: 0 done, an empty list too; 1 there is none, or it failed; 2 wrong
usage.

Examples:
  deno run --allow-ffi cli.ts channel ls
  deno run --allow-ffi cli.ts channel stat 2222 --json
  deno run --allow-ffi cli.ts channel rm --mine --orphans
`;

/** The subcommand. */
export const channelCommand: Command = {
  options: OPTIONS,
  verbs: NAMES,
  completes: "segments",
  help,
  async run([name, ...args]: readonly string[]): Promise<number> {
    const verb = NAMES.find((each) => each === name);
    if (verb !== undefined) return await VERBS[verb](args);
    const what = name === undefined ? "Missing verb:" : `no ${JSON.stringify(name)} of a channel:`;
    throw new UsageError(`${what} ls, stat, discard or rm comes first`);
  },
};

async function list(args: readonly string[]): Promise<number> {
  const { options, positionals } = parse(args, LS_OPTIONS);
  if (positionals[0] !== undefined) {
    throw new UsageError(`unexpected argument ${positionals[0]}: channel stat shows a single one`);
  }
  const style = { bytes: options.bytes === true };
  const { columns, sorted } = tableSettings(options, channelColumns(style));
  const chosen = selection(options) ?? (() => true);
  const names = new AccountNames();
  const inventory = new Inventory();
  const rows = sorted(
    listChannels({ trust: true })
      .filter((stat) =>
        chosen(stat.segment, () => inventory.segment(stat.segment, contentOf(stat)))
      )
      .map((stat) => channelFacts(stat, names)),
  );
  if (options.json === true) await printJson(tableJson(columns, rows));
  else await print(tableLines(columns ?? defaultChannelColumns(style), rows).join("\n"));
  return 0;
}

async function show(args: readonly string[]): Promise<number> {
  const parsed = parse(args, STAT_OPTIONS);
  const { id } = findSegment(targetOf(parsed));
  // Reading is harmless, even if another user created it
  const stat = statChannel(id, { trust: true });
  const facts = channelFacts(stat);
  const lanes = laneFacts(stat);
  if (parsed.options.json === true) {
    await printJson(JSON.stringify({ ...facts, perLane: lanes }, null, 2));
    return 0;
  }
  await printLabelled(channelLines(facts));
  // If there are many lanes, most may never have been used
  const used = lanes.filter(({ opened, depth }) => opened > 0 || depth > 0);
  const unused = lanes.length - used.length;
  const note = unused === 0 ? [] : [`${plural(unused, "lane was", "lanes were")} never used`];
  await print(
    ["", ...(used.length === 0 ? [] : tableLines(LANE_COLUMNS, used)), ...note].join("\n"),
  );
  return 0;
}

function channelLines(facts: ChannelFacts): LabelledLine[] {
  const { lanes, laneCapacity, messageSize, maxMessage, depth, bytes, consumer, users, kept } =
    facts;
  return [
    ["channel", `segment ${facts.id}, ${sizeInWords(facts.size)}; semaphore set ${facts.setId}`],
    ...objectLines(facts),
    ["lanes", `${lanes} of ${sizeInWords(laneCapacity)}`],
    [
      "messages",
      messageSize === null
        ? `of at most ${sizeInWords(maxMessage)}`
        : `of ${sizeInWords(messageSize)}`,
    ],
    ["waiting", depth === 0 ? "none" : `${depth}, ${sizeInWords(bytes)} in all`],
    ["ever", `${facts.messages}`],
    ["full", `${plural(facts.fullWaits, "wait")} for room`],
    ["producers", `${facts.producers}`],
    ["consumer", consumer === null ? "none" : `pid ${consumer}`],
    ["users", `${users}${kept ? ", and it stays when they are gone" : ""}`],
  ];
}

async function discard(args: readonly string[]): Promise<number> {
  const parsed = parse(args, DISCARD_OPTIONS);
  const numbers = parsed.repeated.lane ?? [];
  if (numbers.length === 0) throw new UsageError("Missing --lane N, counted from 0");
  const wanted = numbers.map((text) => wholeOption("lane", text, 0, LANES.MAX - 1)!);
  const { id, key } = findSegment(targetOf(parsed));
  // Before it is opened, this checks that it is a channel, and reads the number of its lanes
  const { lanes } = statChannel(id, { trust: true });
  const beyond = wanted.find((lane) => lane >= lanes.length);
  if (beyond !== undefined) {
    throw new UsageError(
      `option --lane: there are ${lanes.length} lanes, and so no lane ${beyond}`,
    );
  }
  using channel = Channel.open(key, { trust: parsed.options.trust === true });
  const consumer = channel.consumer();
  const lines = [...new Set(wanted)].map((lane) => {
    const bytes = consumer.discard(lane);
    return `dropped ${sizeInWords(bytes)} in lane ${lane} of channel ${id} (${keyText(key)})`;
  });
  await print(lines.join("\n"));
  return 0;
}

async function removeAll(args: readonly string[]): Promise<number> {
  const parsed = parse(args, RM_OPTIONS);
  return await tellOutcomes(remove(CHANNELS, parsed), parsed.options.json === true);
}
