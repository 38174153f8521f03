/** `cli.ts channel`: lists channels, shows one, empties lanes of one, removes them. */

import { Channel } from "../../channel/channel.ts";
import { statChannel } from "../../channel/channel_stat.ts";
import { LANES } from "../../channel/lanes.ts";
import { type Command, command, verbCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { libraryVerbs } from "../library_command.ts";
import { CHANNEL } from "../objects/channel_facts.ts";
import { findSegment, TARGET_HELP, TARGET_OPTIONS, targetOf } from "../objects/target.ts";
import { print } from "../output.ts";
import { keyText, sizeInWords } from "../text/wording.ts";
import { wholeOption } from "../usage.ts";

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
(it stays when all users are gone), typeHash (of the struct of its messages),
setId. null is unknown or none.

Exit codes: 0 done, an empty list too; 1 there is none, or it failed; 2 wrong
usage.

Examples:
  deno run --allow-ffi cli.ts channel ls
  deno run --allow-ffi cli.ts channel stat 2222 --json
  deno run --allow-ffi cli.ts channel rm --mine --orphans
`;

const DISCARD = command({
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

const { ls, stat, rm } = libraryVerbs("channel", CHANNEL);

export const channelCommand: Command = verbCommand({
  verbs: { ls, stat, discard: DISCARD, rm },
  noun: "a channel",
  help,
});
