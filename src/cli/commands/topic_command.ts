/** `cli.ts topic`: lists topics, shows one, removes them. */

import { type Command, verbCommand } from "../command.ts";
import { libraryVerbs } from "../library_command.ts";
import { TARGET_HELP } from "../objects/target.ts";
import { TOPIC } from "../objects/topic_facts.ts";

const help = (options: string): string =>
  `List topics, show one, remove topics. \`pub\` and \`sub\` publish and subscribe.

Usage: cli.ts topic ls [options]
       cli.ts topic stat [--json] KEY|ID
       cli.ts topic rm [options] KEY|ID...
       cli.ts topic rm [options] --mine|--orphans|--older-than AGE

ls lists the topics: KEY, ID (of the segment), OWNER, LANES (how many may
publish at a time) and their CAPACITY, the MESSAGES so far, PUBLISHERS (lanes
that are in use), USERS (how many have it open; those who only read are not
counted) and KEPT (it stays when all users are gone). stat shows one topic, lane
by lane: all MESSAGES so far; OPENED and CLOSED (how many publishers had the
lane, and how many of them closed it); the PID that has or had it, and whether
it is ALIVE and has it now.

rm removes a topic: its segment and its semaphore set. If a process is attached,
rm asks first; without a terminal it leaves the topic alone. Processes that use
the topic get an error. rm shows the topics that options choose, and asks or
needs --yes. A topic that is kept is not an orphan, and only --force removes it
(see rm --help).

Reading attaches a topic for a moment, read-only, and needs read permission. ls
omits the topics that this user may not read.

${TARGET_HELP}

Options:
${options}

--columns and --sort accept the names that --json uses. JSON of ls, and of stat
with "perLane" (lane, messages, opened, closed, pid, alive): owner and mode as
in \`ls --json\`, and size, nattch, setId, users, kept, typeHash (of the struct
of its messages, or null), lanes, laneCapacity, messageSize (null if sizes
differ), maxMessage, messages, publishers. null is unknown or none.

Exit codes: 0 done, an empty list too; 1 there is none, or it failed; 2 wrong
usage.

Examples:
  deno run --allow-ffi cli.ts topic ls
  deno run --allow-ffi cli.ts topic stat 3333 --json
  deno run --allow-ffi cli.ts topic rm --mine --orphans
`;

const { ls, stat, rm } = libraryVerbs("topic", TOPIC);

export const topicCommand: Command = verbCommand({
  verbs: { ls, stat, rm },
  noun: "a topic",
  help,
});
