/** `cli.ts server`: prints the messages of a mailbox as they come. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import { MailboxServer } from "../../mailbox/mailbox_server.ts";
import type { Message } from "../../mailbox/message.ts";
import { Deadline } from "../../sync/deadline.ts";
import { formatMode } from "../../sysv/object_stat.ts";
import { command } from "../command.ts";
import { MAILBOX_OPTIONS, mailboxSettings, RECEIVE_OPTIONS } from "../message_options.ts";
import { printable, report, shownJson } from "../output.ts";
import { printMessage } from "../received_messages.ts";
import { type End, endBy, LEFT, tellExposure } from "../session.ts";
import { Interruption } from "../terminal/interruption.ts";
import { countOption } from "../usage.ts";

const IDLE = "Entry can not read. Sleep 1s.";
const IDLE_MS = 1000;

interface Settings {
  readonly count: number | undefined;
  readonly timeout: number | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
}

export const serverCommand = command({
  options: {
    ...RECEIVE_OPTIONS,
    json: { help: "one message a line, as JSON: text, time, sender (pid)" },
    keep: { help: "leave the segment in place at the end" },
    recreate: { help: "replace a segment of another size that is not in use" },
    verbose: { short: "v", help: "print once a second that there is no message" },
    ...MAILBOX_OPTIONS,
  },
  completes: "nothing",
  help: (options) =>
    `Print the messages of a mailbox as they come.

Usage: cli.ts server [options]

Each message is printed on stdout as "Received message: TEXT"; everything else
goes to stderr. The mailbox is the classic one of 2049 bytes, so C++ programs
can send to it too. A message counts as received once it is printed: if the
server is killed before, the next server receives it.

Options:
${options}

Ctrl-C and signals end the server. It removes the segment if it is empty and no
other process is attached, unless --keep is given.

Exit codes: 0 ended, or --count reached; 1 failed or timed out; 2 wrong usage;
129, 131, 143 ended by SIGHUP, SIGQUIT, SIGTERM; 130 ended by Ctrl-C before
--count was reached, and 0 without --count.

Examples:
  deno run --allow-ffi cli.ts server
  deno run --allow-ffi cli.ts server --key 0xcafe --count 1 --timeout 10s
  deno run --allow-ffi cli.ts server --json | jq .text
`,
  async run({ options }): Promise<number> {
    const common = mailboxSettings(options);
    const { open, tell, wait } = common;
    const settings: Settings = {
      count: countOption("count", options.count),
      timeout: wait.timeout,
      json: options.json === true,
      verbose: options.verbose === true,
    };

    using interruption = new Interruption();
    using server = MailboxServer.open({
      ...open,
      persistent: options.keep === true,
      recreate: options.recreate === true,
    });
    const { segment } = server;
    tellExposure(segment, common);
    tell(
      `listening on key ${formatKey(segment.key)}, segment ${segment.id}, ${segment.size} bytes, ` +
        `mode ${formatMode(segment.stat().mode)}`,
    );
    const { why, code } = await receiveAll(server, settings, interruption.signal);
    interruption.leaveLine(tell);
    tell(`${why}; segment ${segment.id} ${LEFT[server.close()]}`);
    return code;
  },
});

async function receiveAll(
  server: MailboxServer,
  settings: Settings,
  signal: AbortSignal,
): Promise<End> {
  const { count, timeout = Infinity } = settings;
  try {
    for (let received = 0; received !== count; received++) {
      await show(await next(server, settings, signal), settings.json);
      server.ack();
    }
    return { why: `${count} received`, code: 0 };
  } catch (error) {
    // Only printed messages are acknowledged: one that could not be printed stays for the next server
    server.nack();
    return endBy(error, { goal: count !== undefined, timeout });
  }
}

/** The next message. Until it comes, the classic line is printed every second, if it was asked for. */
async function next(
  server: MailboxServer,
  { timeout, verbose }: Settings,
  signal: AbortSignal,
): Promise<Message> {
  const end = timeout === undefined ? Deadline.never : Deadline.after(timeout);
  for (;;) {
    const left = verbose ? Math.min(end.remaining, IDLE_MS) : end.remaining;
    try {
      return await server.receive({ timeout: left, signal });
    } catch (error) {
      if (end.passed || !ShmError.is(error, "ETIMEDOUT")) throw error;
      report(IDLE);
    }
  }
}

async function show(message: Message, json: boolean): Promise<void> {
  // The classic client also sends the newline, which its fgets keeps
  const text = message.text.replace(/\n$/, "");
  if (json) {
    const { time, sender } = message;
    await printMessage(shownJson(JSON.stringify({ text, time: time.toISOString(), sender })));
  } else {
    const shown = Deno.stdout.isTerminal() ? printable(text) : text;
    await printMessage(`Received message: ${shown}`);
  }
}
