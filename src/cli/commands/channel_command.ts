/** `cli.ts channel`: lists channels, shows one, empties lanes of one, removes them. */

import { Channel } from "../../channel/channel.ts";
import { LANES } from "../../channel/descriptor.ts";
import { listChannels, statChannel } from "../../channel/channel_stat.ts";
import {
  channelColumns,
  channelFacts,
  defaultChannelColumns,
  LANE_COLUMNS,
  laneFacts,
} from "../objects/channel_facts.ts";
import { CHANNELS, contentOf } from "../objects/channel_removal.ts";
import { type Command, command } from "../command.ts";
import { printLabelled } from "../text/labelled_lines.ts";
import { tellOutcomes } from "../objects/named_objects.ts";
import { print, printJson } from "../output.ts";
import { REMOVAL_OPTIONS, remove } from "../objects/removal.ts";
import { AccountNames } from "../objects/object_facts.ts";
import { selection, SELECTION_OPTIONS } from "../objects/selection.ts";
import { tableJson, tableLines } from "../text/table.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { Inventory } from "../objects/unused.ts";
import { optionsHelp, wholeOption } from "../usage.ts";
import { keyText, plural, sizeInWords } from "../text/wording.ts";
import { channelLines, objectLines } from "../objects/object_lines.ts";
import { TABLE_OPTIONS, tableSettings } from "../table_options.ts";
import { UsageError } from "../errors.ts";

const COLUMN_NAMES = channelColumns().map(({ name }) => name);

const help = (options: string): string =>
  `List channels, show one, drop the messages of a lane, remove channels.

Usage: cli.ts channel ls [options]
       cli.ts channel stat [--json] KEY|ID
       cli.ts channel discard --lane N [--lane N...] KEY|ID
       cli.ts channel rm [options] KEY|ID...
       cli.ts channel rm [options] --mine|--orphans|--older-than AGE

ls lists the channels: KEY, ID (of the segment), OWNER, LANES (how many may
send at a time) and their CAPACITY, DEPTH (messages that wait) and the BYTES
they take, PRODUCERS (lanes that are in use) and the pid of the CONSUMER. stat
shows one channel, lane by lane: all MESSAGES so far; FULLWAITS (how often a
sender waited for room); OPENED and CLOSED (how many senders had the lane, and
how many of them closed it); the PID that has or had it, and whether it is
ALIVE and has it now.

discard drops all messages of a lane, also if recv cannot read the lane, and
leaves the other lanes as they are. It fails while a consumer has the channel.

rm removes a channel: its segment, its semaphore set, and its messages. If a
process is attached, rm asks first; without a terminal it leaves the channel
alone. Processes that use the channel get an error. rm shows the channels that
options choose, and asks or needs --yes. A channel that is kept or has unread
messages is not an orphan, and only --force removes it (see rm --help).

Reading attaches a channel for a moment, read-only, and needs read permission.
Its users notice nothing. ls omits the channels that this user may not read.

${TARGET_HELP}

Options:
${options}

--columns and --sort accept the names that --json uses. JSON of ls, and of stat
with "perLane" (lane, depth, bytes, messages, fullWaits, opened, closed, pid,
alive): owner and mode as in \`ls --json\`, and size, nattch, lanes,
laneCapacity, messageSize (null if sizes differ), maxMessage, depth, bytes,
messages, fullWaits, producers, consumer, users (how many have it open), kept
(it stays when all users are gone), setId. null is unknown or none.

Exit codes: 0 done, an empty list too; 1 there is none, or it failed; 2 wrong
usage.

Examples:
  deno run --allow-ffi cli.ts channel ls
  deno run --allow-ffi cli.ts channel stat 2222 --json
  deno run --allow-ffi cli.ts channel rm --mine --orphans
`;

const JSON_OPTION = { json: { help: "as JSON; the stable form" } } as const;

const LS = command({
  help,
  options: {
    ...SELECTION_OPTIONS,
    ...TABLE_OPTIONS,
    columns: { ...TABLE_OPTIONS.columns, choices: COLUMN_NAMES, list: true },
    sort: { ...TABLE_OPTIONS.sort, choices: COLUMN_NAMES },
    bytes: { short: "b", help: "sizes in bytes instead of 64K (1K is 1024)" },
  },
  completes: "nothing",
  refusal: "channel stat shows a single one",
  async run({ options }): Promise<void> {
    const style = { bytes: options.bytes === true };
    const { columns, sorted } = tableSettings(options, channelColumns(style));
    const chosen = selection(options);
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
  },
});

const STAT = command({
  help,
  options: { ...TARGET_OPTIONS, ...JSON_OPTION },
  async run(parsed): Promise<void> {
    const { id } = findSegment(targetOf(parsed));
    // Reading is harmless, even if another user created it
    const stat = statChannel(id, { trust: true });
    const facts = channelFacts(stat);
    const lanes = laneFacts(stat);
    if (parsed.options.json === true) {
      await printJson(JSON.stringify({ ...facts, perLane: lanes }, null, 2));
      return;
    }
    await printLabelled([
      ["channel", `segment ${id}, ${sizeInWords(facts.size)}; semaphore set ${facts.setId}`],
      ...objectLines(facts),
      ...channelLines(facts),
    ]);
    // If there are many lanes, most may never have been used
    const used = lanes.filter(({ opened, depth }) => opened > 0 || depth > 0);
    const unused = lanes.length - used.length;
    const note = unused === 0 ? [] : [`${plural(unused, "lane was", "lanes were")} never used`];
    await print(
      ["", ...(used.length === 0 ? [] : tableLines(LANE_COLUMNS, used)), ...note].join("\n"),
    );
  },
});

const DISCARD = command({
  help,
  options: {
    lane: {
      value: "N",
      multiple: true,
      help: "with discard: this lane, counted from 0; repeatable",
    },
    trust: { help: "with discard: of a channel that another user created" },
    ...TARGET_OPTIONS,
  },
  async run(parsed): Promise<void> {
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
  },
});

const RM = command({
  help,
  options: REMOVAL_OPTIONS,
  run: (parsed) => tellOutcomes(remove(CHANNELS, parsed), parsed.options.json === true),
});

const VERBS = { ls: LS, stat: STAT, discard: DISCARD, rm: RM } as const;
const NAMES = Object.keys(VERBS) as (keyof typeof VERBS)[];

/** Every option of every verb once: an option that two verbs share has one line. */
const OPTIONS = {
  ...LS.options,
  ...RM.options,
  ...DISCARD.options,
  json: TABLE_OPTIONS.json,
};

export const channelCommand: Command = {
  options: OPTIONS,
  verbs: NAMES,
  completes: "segments",
  help: () => help(optionsHelp(OPTIONS)),
  async run([name, ...args]: readonly string[]): Promise<number> {
    const verb = NAMES.find((each) => each === name);
    if (verb !== undefined) return await VERBS[verb].run(args);
    const problem = name === undefined
      ? "Missing verb:"
      : `no ${JSON.stringify(name)} of a channel:`;
    throw new UsageError(`${problem} ls, stat, discard or rm comes first`);
  },
};
