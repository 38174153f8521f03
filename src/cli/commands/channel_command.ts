/** `cli.ts channel`: lists channels, shows one, removes them. */

import { listChannels, statChannel } from "../../channel/channel_stat.ts";
import { channelColumns, LANE_COLUMNS, usualChannelColumns } from "../objects/channel_columns.ts";
import { type ChannelFacts, channelFacts, laneFacts } from "../objects/channel_facts.ts";
import { CHANNELS } from "../objects/channel_removal.ts";
import type { Command } from "../command.ts";
import { type LabelledLine, objectLines, printLabelled } from "../text/labelled_lines.ts";
import { tellOutcomes } from "../objects/named_objects.ts";
import { print, printJson } from "../output.ts";
import { counted } from "../objects/removable.ts";
import { remove } from "../objects/removal.ts";
import { AccountNames } from "../objects/segment_facts.ts";
import { selection, SELECTION_OPTIONS } from "../objects/selection.ts";
import { TABLE_OPTIONS, tableJson, tableLines, tableSettings } from "../text/table.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { optionsHelp, type OptionTable, parse, UsageError } from "../usage.ts";
import { sizeInWords } from "../text/wording.ts";

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
  force: { short: "f", help: "do not ask, whoever uses it" },
  json: { help: "as JSON; the stable form" },
  ...HELP_OPTION,
} as const satisfies OptionTable;

const VERBS = { ls: list, stat: show, rm: removeAll } as const;

const NAMES = Object.keys(VERBS) as (keyof typeof VERBS)[];

/** Every option of every verb once: what is the same in two of them has one line. */
const OPTIONS: OptionTable = { ...LS_OPTIONS, ...RM_OPTIONS, json: TABLE_OPTIONS.json };

const HELP = `List channels, show one, remove them.

Usage: cli.ts channel ls [options]
       cli.ts channel stat [--json] KEY|ID
       cli.ts channel rm [options] KEY|ID...
       cli.ts channel rm [options] --mine|--orphans|--older-than AGE

ls lists what channels there are: KEY, ID (the segment's), OWNER, LANES (how
many may send at a time) and their CAPACITY, DEPTH (messages that wait) and the
BYTES they take, PRODUCERS (lanes that are taken) and the pid of the CONSUMER.
stat shows one, lane by lane: MESSAGES there were, ever; FULLWAITS (how often
there was no room for one who sent); OPENED and CLOSED (how many had the lane,
and how many of them said that they were done); the PID that has or had it, and
whether it is ALIVE and has it now.

rm removes a channel, its segment and its semaphore set, and the messages in it.
Where somebody is attached you are asked first, and where there is no terminal
to ask on it is left alone; those who use it get an error.

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
  name: "channel",
  summary: "list channels, show one, remove them",
  options: OPTIONS,
  verbs: NAMES,
  completes: "segments",
  help: HELP,
  async run([name, ...args]: readonly string[]): Promise<number> {
    const verb = NAMES.find((each) => each === name);
    if (verb !== undefined) return await VERBS[verb](args);
    const what = name === undefined ? "channel what?" : `no ${JSON.stringify(name)} of a channel:`;
    throw new UsageError(`${what} ls, stat or rm comes first`);
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
  const rows = sorted(
    listChannels({ trust: true }).filter(({ segment }) => chosen(segment)).map((stat) =>
      channelFacts(stat, names)
    ),
  );
  if (options.json === true) await printJson(tableJson(columns, rows));
  else await print(tableLines(columns ?? usualChannelColumns(style), rows).join("\n"));
  return 0;
}

async function show(args: readonly string[]): Promise<number> {
  const parsed = parse(args, STAT_OPTIONS);
  const { id } = findSegment(targetOf(parsed));
  // Looking harms nobody, whoever made it
  const stat = statChannel(id, { trust: true });
  const facts = channelFacts(stat);
  const lanes = laneFacts(stat);
  if (parsed.options.json === true) {
    await printJson(JSON.stringify({ ...facts, perLane: lanes }, null, 2));
    return 0;
  }
  await printLabelled(channelLines(facts));
  // Of many lanes most may never have been used
  const used = lanes.filter(({ opened, depth }) => opened > 0 || depth > 0);
  const unused = lanes.length - used.length;
  const note = unused === 0 ? [] : [`${counted(unused, "lane was", "lanes were")} never used`];
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
    ["full", `${counted(facts.fullWaits, "wait", "waits")} for room`],
    ["producers", `${facts.producers}`],
    ["consumer", consumer === null ? "none" : `pid ${consumer}`],
    ["users", `${users}${kept ? ", and it stays when they are gone" : ""}`],
  ];
}

async function removeAll(args: readonly string[]): Promise<number> {
  const parsed = parse(args, RM_OPTIONS);
  return await tellOutcomes(remove(CHANNELS, parsed), parsed.options.json === true);
}
