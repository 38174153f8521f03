/** `cli.ts server`: prints the messages of a mailbox as they come. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import type { LeaveResult } from "../../sync/membership.ts";
import { MailboxServer } from "../../mailbox/mailbox_server.ts";
import type { Message } from "../../mailbox/message.ts";
import { Deadline } from "../../sync/deadline.ts";
import { formatMode } from "../../sysv/object_stat.ts";
import type { Command } from "../command.ts";
import { tellExposure } from "../objects/exposure.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { MAILBOX_OPTIONS, mailboxSettings } from "../mailbox_options.ts";
import { printable, report, shownJson } from "../output.ts";
import { printMessage } from "../received_messages.ts";
import {
  countOption,
  durationOption,
  optionsHelp,
  type OptionTable,
  parse,
  refuseArguments,
} from "../usage.ts";

const OPTIONS = {
  count: { short: "n", value: "N", help: "stop after N messages" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "end with exit code 1 when no message comes for 5s",
  },
  json: { help: "a message a line, as JSON: text, time, sender (pid)" },
  keep: { help: "leave the segment in place at the end" },
  recreate: { help: "replace a segment of another size nobody uses" },
  verbose: { short: "v", help: "say once a second that there is nothing to read" },
  ...MAILBOX_OPTIONS,
} as const satisfies OptionTable;

const help = (): string =>
  `Print the messages of a mailbox as they come.

Usage: cli.ts server [options]

Each message is printed on stdout as "Received message: TEXT"; everything else
goes to stderr. The mailbox is the classic 2049-byte one, so C++ programs can
send to it too. A message counts as taken once it is printed: one that was in
hand when the server was killed is there for the next server.

Options:
${optionsHelp(OPTIONS)}

Ctrl-C and signals end it: the segment is removed if it is empty and
nobody else is attached (unless --keep).

Exit codes: 0 ended, or --count reached; 1 failed or timed out; 2 wrong usage;
129, 131, 143 ended by SIGHUP, SIGQUIT, SIGTERM; 130 ended by Ctrl-C before
--count was reached, and 0 without --count.

Examples:
  deno run --allow-ffi cli.ts server
  deno run --allow-ffi cli.ts server --key 0xcafe --count 1 --timeout 10s
  deno run --allow-ffi cli.ts server --json | jq .text
`;

/** The classic idle line. */
const IDLE = "Entry can not read. Sleep 1s.";
const IDLE_MS = 1000;

/** What happened to the segment, in words. */
const LEFT: Readonly<Record<LeaveResult, string>> = {
  removed: "removed",
  kept: "kept",
  unread: "kept: a message in it is unread",
  "in use": "left to those still attached",
  "not ours": "left to its owner to remove",
};

interface Settings {
  readonly count: number | undefined;
  readonly timeout: number | undefined;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** The subcommand. */
export const serverCommand: Command = {
  options: OPTIONS,
  completes: "nothing",
  help,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals } = parse(args, OPTIONS);
    refuseArguments(positionals);
    const mailbox = mailboxSettings(options);
    const { tell } = mailbox;
    const settings: Settings = {
      count: countOption("count", options.count),
      timeout: durationOption("timeout", options.timeout),
      json: options.json === true,
      verbose: options.verbose === true,
    };

    using interruption = new Interruption();
    using server = MailboxServer.open({
      ...mailbox.open,
      ...(settings.timeout === undefined ? {} : { timeout: settings.timeout }),
      persistent: options.keep === true,
      recreate: options.recreate === true,
    });
    const { segment } = server;
    tellExposure(segment, mailbox);
    tell(
      `listening on key ${formatKey(segment.key)}, segment ${segment.id}, ${segment.size} bytes, ` +
        `mode ${formatMode(segment.stat().mode)}`,
    );
    const end = await receiveAll(server, settings, interruption.signal);
    // The terminal has shown ^C, so the next output begins on a new line
    if (interruption.signal.aborted && Deno.stderr.isTerminal()) tell("");
    tell(`${end.why}; segment ${segment.id} ${LEFT[server.close()]}`);
    return end.code;
  },
};

/** Why the loop ended, and its exit code. */
interface End {
  readonly why: string;
  readonly code: number;
}

async function receiveAll(
  server: MailboxServer,
  settings: Settings,
  signal: AbortSignal,
): Promise<End> {
  const { count, timeout } = settings;
  try {
    for (let received = 0; received !== count; received++) {
      const message = await next(server, settings, signal);
      if (message === undefined) return { why: `no message for ${timeout} ms`, code: 1 };
      await show(message, settings.json);
      server.ack();
    }
    return { why: `${count} received`, code: 0 };
  } catch (error) {
    // Only printed messages are acknowledged: one that could not be printed stays for the next server
    server.nack();
    if (error instanceof Deno.errors.BrokenPipe) return { why: "nobody reads our output", code: 0 };
    if (!(error instanceof Interrupted)) throw error;
    const code = count === undefined ? error.exitCodeOfEndless : error.exitCode;
    return { why: error.message, code };
  }
}

/** The next message, or `undefined` if none came in time. */
async function next(
  server: MailboxServer,
  { timeout, verbose }: Settings,
  signal: AbortSignal,
): Promise<Message | undefined> {
  const end = timeout === undefined ? Deadline.never : Deadline.after(timeout);
  for (;;) {
    const left = verbose ? Math.min(end.remaining, IDLE_MS) : end.remaining;
    try {
      return await server.receive({ timeout: left, signal });
    } catch (error) {
      if (!ShmError.is(error, "ETIMEDOUT")) throw error;
      if (end.passed) return undefined;
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
