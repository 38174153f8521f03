/** `cli.ts client`: sends arguments or lines of stdin to a mailbox. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import { MAX_TEXT_BYTES } from "../../mailbox/descriptor.ts";
import { MailboxClient, type SendOptions } from "../../mailbox/mailbox_client.ts";
import type { Command } from "../command.ts";
import { tellExposure } from "../objects/exposure.ts";
import { Interrupted, Interruption, orAborted } from "../terminal/interruption.ts";
import { type Line, readLines } from "../terminal/lines.ts";
import { cropText } from "../terminal/spans.ts";
import { MAILBOX_OPTIONS, mailboxSettings } from "../mailbox_options.ts";
import { printable, printRaw, reportError, reportRaw, StandardStreamError } from "../output.ts";
import { durationOption, optionsHelp, type OptionTable, parse } from "../usage.ts";

const OPTIONS = {
  timeout: {
    short: "t",
    value: "DURATION",
    help: "give up, exit code 1, when one is not taken in 5s",
  },
  "no-wait": { help: "leave the last message in the mailbox and end" },
  ...MAILBOX_OPTIONS,
} as const satisfies OptionTable;

const help = (): string =>
  `Send messages to a mailbox.

Usage: cli.ts client [options] [TEXT...]

Each TEXT is one message; without any, each line of stdin is one. A message has
at most ${MAX_TEXT_BYTES} bytes of UTF-8 and no NUL; a line that has more is refused, and the
rest go on. Each message is waited for until the server has taken it. A message
that is not taken in time, or when a signal ends the client, is withdrawn:
nobody will receive it later, and it is said which. The prompts for one who
types go to the terminal, also where stdout is a file.

Options:
${optionsHelp(OPTIONS)}

Exit codes: 0 every message was taken (with --no-wait: deposited); 1 one was
refused or not taken; 2 wrong usage; 129, 130, 143 when ended by SIGHUP, SIGINT
or SIGTERM.

Examples:
  deno run --allow-ffi cli.ts client "hello" "world"
  tail -f log | deno run --allow-ffi cli.ts client --key 0xcafe
  deno run --allow-ffi cli.ts client --no-wait -- --starts-with-a-dash
`;

const PROMPT = "Input message>>> ";

/** The subcommand. */
export const clientCommand: Command = {
  options: OPTIONS,
  help,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals } = parse(args, OPTIONS);
    const mailbox = mailboxSettings(options);
    const { tell } = mailbox;
    const timeout = durationOption("timeout", options.timeout);

    using interruption = new Interruption();
    using client = MailboxClient.open({
      ...mailbox.open,
      ...(timeout === undefined ? {} : { timeout }),
    });
    const { segment } = client;
    tellExposure(segment, mailbox);
    const onNoServer = (): void =>
      tell(`no server is attached to key ${formatKey(segment.key)}: waiting for one`);
    let underWay: string | undefined;
    const send = async (text: string): Promise<void> => {
      underWay = text;
      const sendOptions: SendOptions = {
        ...(timeout === undefined ? {} : { timeout }),
        signal: interruption.signal,
        onNoServer,
      };
      if (options["no-wait"] === true) await client.post(text, sendOptions);
      else await client.send(text, sendOptions);
      underWay = undefined;
    };
    const source = positionals.length > 0
      ? fromArguments(positionals)
      : fromInput(options.quiet === true);
    try {
      return await sendAll(source, send, interruption.signal);
    } catch (error) {
      // An error about a message with an unknown outcome must be reported in spite of the signal
      const inHand = error instanceof ShmError ? error : undefined;
      const interrupted = inHand === undefined ? error : inHand.cause;
      if (!(interrupted instanceof Interrupted)) throw error;
      // The terminal has shown ^C, so the next output begins on a new line
      if (source.say === undefined && Deno.stderr.isTerminal()) tell("");
      if (inHand !== undefined) reportError(inHand.message);
      else if (underWay !== undefined) tell(`not delivered, withdrawn: ${quoted(underWay)}`);
      tell(interrupted.message);
      return interrupted.exitCode;
    }
  },
};

/** How much of a message is quoted, in columns. */
const QUOTED_COLUMNS = 60;

function quoted(text: string): string {
  return cropText(printable(JSON.stringify(text)), QUOTED_COLUMNS);
}

/** A message to send, or the reason why it cannot be sent. */
type Draft = { readonly text: string } | { readonly refusal: string };

/** The source of messages, in the batches in which they came, and the dialogue with a user who types. */
interface Source {
  readonly drafts: AsyncIterator<Iterable<Draft>, void, void>;
  readonly say?: (text: string) => Promise<void>;
}

function fromArguments(texts: readonly string[]): Source {
  async function* drafts(): AsyncGenerator<Iterable<Draft>, void, void> {
    yield texts.map((text, index) =>
      check(`argument ${index + 1}`, new TextEncoder().encode(text))
    );
  }
  return { drafts: drafts() };
}

function fromInput(quiet: boolean): Source {
  async function* drafts(): AsyncGenerator<Iterable<Draft>, void, void> {
    let number = 0;
    try {
      for await (const lines of readLines(Deno.stdin.readable, MAX_TEXT_BYTES)) {
        yield lines.map((line) => check(`line ${++number}`, line.bytes, line));
      }
    } catch (error) {
      throw new StandardStreamError("read standard input", error);
    }
  }
  const say = talk(quiet);
  return say === undefined ? { drafts: drafts() } : { drafts: drafts(), say };
}

/** How to write to a user who types, if there is one: to the terminal, and never into a file. */
function talk(quiet: boolean): Source["say"] {
  if (!Deno.stdin.isTerminal()) return undefined;
  if (Deno.stdout.isTerminal()) return printRaw;
  return quiet ? undefined : (text) => Promise.resolve(reportRaw(text));
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text, if it can be a message unchanged: nothing is cut off. */
function check(what: string, bytes: Uint8Array, { length }: Pick<Line, "length"> = bytes): Draft {
  if (length > MAX_TEXT_BYTES) {
    return { refusal: `${what} has ${length} bytes, and a message at most ${MAX_TEXT_BYTES}` };
  }
  const nul = bytes.indexOf(0);
  if (nul !== -1) {
    return { refusal: `${what} (${length} bytes) has a NUL at byte ${nul}, where a message ends` };
  }
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { refusal: `${what} (${length} bytes) is not UTF-8` };
  }
}

/** Sends all messages and returns the exit code. */
async function sendAll(
  { drafts, say }: Source,
  send: (text: string) => Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  let code = 0;
  try {
    await say?.(PROMPT);
    for (;;) {
      const { value, done } = await orAborted(drafts.next(), signal);
      if (done === true || value === undefined) return code;
      for (const draft of value) {
        signal.throwIfAborted();
        if ("refusal" in draft) {
          reportError(`${draft.refusal}: not sent`);
          code = 1;
        } else {
          await say?.(`Send message: ${printable(draft.text)}\n`);
          try {
            await send(draft.text);
          } catch (error) {
            if (!ShmError.is(error, "ETIMEDOUT")) throw error;
            reportError(error.message);
            return 1;
          }
        }
        await say?.(PROMPT);
      }
    }
  } finally {
    // The next output, on stderr or from the shell, begins on a new line
    await say?.("\n");
  }
}
