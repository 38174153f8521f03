/** `cli.ts client`: sends arguments or lines of stdin to a mailbox. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import { MAX_TEXT_BYTES } from "../../mailbox/descriptor.ts";
import { MailboxClient, type SendOptions } from "../../mailbox/mailbox_client.ts";
import { command } from "../command.ts";
import { MAILBOX_OPTIONS, mailboxSettings } from "../message_options.ts";
import { printable, printRaw, reportError, reportRaw } from "../output.ts";
import { tellExposure } from "../session.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { type Draft, draftsFrom } from "../terminal/lines.ts";
import { cropText } from "../terminal/spans.ts";

const PROMPT = "Input message>>> ";

export const clientCommand = command({
  options: {
    timeout: {
      short: "t",
      value: "DURATION",
      help: "end with exit code 1 when one is not received in 5s",
    },
    "no-wait": { help: "leave the last message in the mailbox and end" },
    ...MAILBOX_OPTIONS,
  },
  help: (options) =>
    `Send messages to a mailbox.

Usage: cli.ts client [options] [TEXT...]

Each TEXT is one message; without any, each line of stdin is one. A message has
at most ${MAX_TEXT_BYTES} bytes of UTF-8 and no NUL. A line that has more is refused, and
the others are sent. The client waits until the server has received each
message. If that takes too long, or a signal ends the client, it withdraws the
message, so that no server receives it later, and prints which one it was. On a
terminal it prompts for each message, also if stdout is a file.

Options:
${options}

Exit codes: 0 every message was received (with --no-wait: deposited); 1 one was
refused or not received; 2 wrong usage; 129, 130, 143 when ended by SIGHUP,
SIGINT or SIGTERM.

Examples:
  deno run --allow-ffi cli.ts client "hello" "world"
  tail -f log | deno run --allow-ffi cli.ts client --key 0xcafe
  deno run --allow-ffi cli.ts client --no-wait -- --starts-with-a-dash
`,
  async run({ options, positionals }): Promise<number> {
    const common = mailboxSettings(options);
    const { open, quiet, tell, wait } = common;
    using interruption = new Interruption();
    const { signal } = interruption;
    using client = MailboxClient.open(open);
    const { segment } = client;
    tellExposure(segment, common);
    const onNoServer = (): void =>
      tell(`no server is attached to key ${formatKey(segment.key)}: waiting for one`);
    const sendOptions: SendOptions = { ...wait, signal, onNoServer };
    const say = positionals.length > 0 ? undefined : dialogue(quiet);
    let underWay: string | undefined;
    let code = 0;
    try {
      await say?.(PROMPT);
      for await (const drafts of draftsFrom(positionals, signal, MAX_TEXT_BYTES)) {
        for (const draft of drafts) {
          signal.throwIfAborted();
          const text = textOf(draft);
          if (text === undefined) code = 1;
          else {
            underWay = text;
            await say?.(`Send message: ${printable(text)}\n`);
            if (options["no-wait"] === true) await client.post(text, sendOptions);
            else await client.send(text, sendOptions);
            underWay = undefined;
          }
          await say?.(PROMPT);
        }
      }
      await say?.("\n");
      return code;
    } catch (error) {
      // The next output begins on a new line, after a prompt or after ^C
      if (say === undefined) interruption.leaveLine(tell);
      else await say("\n");
      // An error about a message with an unknown outcome must be reported in spite of the signal
      const unknownOutcome = error instanceof ShmError ? error : undefined;
      const interrupted = unknownOutcome === undefined ? error : unknownOutcome.cause;
      if (!(interrupted instanceof Interrupted)) throw error;
      if (unknownOutcome !== undefined) reportError(unknownOutcome.message);
      else if (underWay !== undefined) tell(`not delivered, withdrawn: ${quoted(underWay)}`);
      tell(interrupted.message);
      return interrupted.exitCode;
    }
  },
});

/** How much of a message is quoted, in columns. */
const QUOTED_COLUMNS = 60;

function quoted(text: string): string {
  return cropText(printable(JSON.stringify(text)), QUOTED_COLUMNS);
}

/** How to prompt a user who types, if there is one: on the terminal, and never into a file. */
function dialogue(quiet: boolean): ((text: string) => Promise<void>) | undefined {
  if (!Deno.stdin.isTerminal()) return undefined;
  if (Deno.stdout.isTerminal()) return printRaw;
  return quiet ? undefined : (text) => Promise.resolve(reportRaw(text));
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a draft that can be a message unchanged; otherwise reports why not. */
function textOf({ what, bytes, length }: Draft): string | undefined {
  const nul = bytes.indexOf(0);
  if (length > MAX_TEXT_BYTES) {
    reportError(`${what} has ${length} bytes, and a message at most ${MAX_TEXT_BYTES}: not sent`);
  } else if (nul !== -1) {
    const reason = `has a NUL at byte ${nul}, where a message ends`;
    reportError(`${what} (${length} bytes) ${reason}: not sent`);
  } else {
    try {
      return decoder.decode(bytes);
    } catch {
      reportError(`${what} (${length} bytes) is not UTF-8: not sent`);
    }
  }
  return undefined;
}
