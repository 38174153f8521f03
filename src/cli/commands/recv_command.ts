/** `cli.ts recv`: prints the messages of a channel as they come. */

import { ShmError } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import { type Consumer, deadByLane, numberPassed } from "../../channel/consumer.ts";
import { explained } from "../advice.ts";
import { command } from "../command.ts";
import { UsageError } from "../errors.ts";
import { CHANNEL_OPTIONS, channelSettings, RECEIVE_OPTIONS } from "../message_options.ts";
import { report, reportError } from "../output.ts";
import { Gathering, type MessageForm } from "../received_messages.ts";
import { type End, endBy, LEFT, openedText, tellExposure } from "../session.ts";
import { Interruption } from "../terminal/interruption.ts";
import { Progress } from "../terminal/progress.ts";
import { choiceOption, countOption, type Parsed } from "../usage.ts";

const ACKS = ["after", "before"] as const;

const OPTIONS = {
  ...RECEIVE_OPTIONS,
  json: { help: "one message a line, as JSON; the stable form" },
  binary: { short: "b", help: "the bytes of the messages, and nothing else" },
  "until-closed": { help: "end when all senders are gone (--binary: default)" },
  follow: { short: "f", help: "wait for further senders (without --binary: default)" },
  ack: {
    value: "WHEN",
    choices: ACKS,
    help: "acknowledge after (default) or before writing",
  },
  ...CHANNEL_OPTIONS,
} as const;

interface Settings {
  readonly form: MessageForm;
  readonly count: number | undefined;
  readonly wait: { readonly timeout?: number };
  readonly untilClosed: boolean;
  readonly ack: typeof ACKS[number];
}

function settingsOf(
  options: Parsed<keyof typeof OPTIONS>["options"],
  wait: Settings["wait"],
): Settings {
  if (options.json === true && options.binary === true) {
    throw new UsageError("--json or --binary: not both");
  }
  if (options.follow === true && options["until-closed"] === true) {
    throw new UsageError("--follow or --until-closed: not both");
  }
  const binary = options.binary === true;
  return {
    form: binary ? "binary" : options.json === true ? "json" : "lines",
    count: countOption("count", options.count),
    wait,
    untilClosed: options["until-closed"] === true || (binary && options.follow !== true),
    ack: choiceOption("ack", options.ack, ACKS) ?? "after",
  };
}

export const recvCommand = command({
  options: OPTIONS,
  completes: "nothing",
  help: (options) =>
    `Print the messages of a channel as they come.

Usage: cli.ts recv [options]

Each message is printed on stdout as a line; everything else goes to stderr. On
a terminal, characters that could control it are printed as escapes; otherwise
the bytes go as they are, so a message with newlines is several lines. With
--binary nothing is added: the output is what \`send --binary\` was given. The
messages of one sender stay in order; those of several senders may mix.

recv goes on until it is interrupted, or --count is reached. With
--until-closed it ends like a pipe: once there was a sender, all senders are
gone, closed or killed, and everything is received. With --binary that is the
default, and --follow makes it go on. A warning names each sender that was
killed, because its data may be incomplete; with --binary the exit code is then
1.

If a lane cannot be read because another program has overwritten it, the
messages of the other lanes are printed first, and then the exit code is 1.

A message counts as received once it is written (at least once): if recv is
killed or its reader ends before, the next recv prints the message, perhaps
again. With --ack before it counts as received before it is written (at most
once): it may be lost, and never comes twice.

Options:
${options}

--lanes and --capacity apply if the channel is created. If it exists, they must
be equal to its own. With --binary a line shows the progress if stderr is a
terminal and stdout is not, unless --quiet is given.

JSON: lane, number (of the message in its lane, from 1: the same if it comes
again), tag, length (in bytes), and text; if it is not UTF-8, bytes (in base64)
instead of text.

Ctrl-C and signals end recv. It writes the messages that it has taken, and
removes the channel if it is empty and no other process uses it, unless --keep
is given.

Exit codes: 0 ended, or --count reached; 1 failed, timed out, a lane could not
be read, or all senders were gone before --count was reached; 2 wrong usage;
129, 131, 143 ended by SIGHUP, SIGQUIT, SIGTERM; 130 ended by Ctrl-C before the
end that --count or --until-closed asks for, and 0 without them.

Examples:
  deno run --allow-ffi cli.ts recv
  deno run --allow-ffi cli.ts recv --key 0xcafe --json | jq .text
  deno run --allow-ffi cli.ts recv --binary > copy
`,
  async run({ options }): Promise<number> {
    const common = channelSettings(options);
    const { open, quiet, tell, wait } = common;
    const settings = settingsOf(options, wait);

    using interruption = new Interruption();
    using channel = Channel.openOrCreate(open);
    const consumer = channel.consumer();
    tellExposure(channel, common);
    tell(`receiving ${openedText(channel)}`);
    const shown = settings.form === "binary" && !quiet && Deno.stderr.isTerminal() &&
      !Deno.stdout.isTerminal();
    using progress = new Progress({ shown });
    const receiving = new Receiving(consumer, settings, progress);
    const { why, code } = await receiving.run(interruption.signal);
    progress.end(tell, "received");
    const dead = deadByLane(consumer);
    const lost = channel.stats().lanes.filter(({ lane }) => dead[lane]! > 0);
    interruption.leaveLine(tell);
    for (const { lane, pid = "unknown" } of lost) {
      report(
        `warning: lane ${lane}: its sender, process ${pid}, ended without closing the channel`,
      );
    }
    for (const failure of receiving.unreadable) reportError(explained(failure));
    tell(`${why}; segment ${channel.id} ${LEFT[channel.close()]}`);
    const incomplete = receiving.unreadable.length > 0 ||
      (lost.length > 0 && settings.form === "binary" && settings.untilClosed);
    return code === 0 && incomplete ? 1 : code;
  },
});

/** The lane that cannot be read, if that is what the error reports. */
function unreadableLane(error: unknown): number | undefined {
  return ShmError.is(error, "ECORRUPT") ? error.lane : undefined;
}

/** Thrown at the message that must wait for the next round. */
const ENOUGH = Symbol("enough");

class Receiving {
  readonly #consumer: Consumer;
  readonly #settings: Settings;
  readonly #progress: Progress;
  readonly #gathering: Gathering;
  /** The errors of lanes that cannot be read, by lane. */
  readonly #unreadable = new Map<number, ShmError>();
  /** The unreadable lanes that were met since the last message. */
  readonly #met = new Set<number>();
  #metTwice = false;
  #received = 0;

  constructor(consumer: Consumer, settings: Settings, progress: Progress) {
    this.#consumer = consumer;
    this.#settings = settings;
    this.#progress = progress;
    this.#gathering = new Gathering(settings.form, Deno.stdout.isTerminal());
  }

  /** The errors of the lanes that could not be read, one for each. */
  get unreadable(): readonly ShmError[] {
    return [...this.#unreadable.values()];
  }

  /** Receives until there is a reason to end. */
  async run(signal: AbortSignal): Promise<End> {
    const { count, untilClosed, wait } = this.#settings;
    try {
      while (this.#received !== count) {
        signal.throwIfAborted();
        if (!await this.#ready(signal)) {
          return { why: "all senders are gone", code: count === undefined ? 0 : 1 };
        }
        await this.#pass();
        // Met again, with no message of another lane in between: the other lanes are empty
        if (this.#metTwice) return { why: "a lane cannot be read", code: 1 };
      }
      return { why: `${count} received`, code: 0 };
    } catch (error) {
      return endBy(error, { goal: count !== undefined || untilClosed, ...wait });
    }
  }

  async #ready(signal: AbortSignal): Promise<boolean> {
    const { untilClosed, wait } = this.#settings;
    try {
      return await this.#consumer.ready({
        ...wait,
        ...(untilClosed ? { until: "closed" } : {}),
        signal,
      });
    } catch (error) {
      if (unreadableLane(error) === undefined) throw error;
      // The lanes after it may hold messages; those before it do not
      return true;
    }
  }

  /** Notes that a lane cannot be read; returns `false` if the error is about something else. */
  #note(error: unknown): boolean {
    const lane = unreadableLane(error);
    if (lane === undefined) return false;
    this.#metTwice = this.#met.has(lane);
    this.#met.add(lane);
    this.#unreadable.set(lane, error as ShmError);
    return true;
  }

  /** Passes on the messages that are there, or as many of them as fit into one write. */
  async #pass(): Promise<void> {
    const gathering = this.#gathering;
    const { count = Infinity } = this.#settings;
    this.#gather(count - this.#received);
    const messages = gathering.count;
    try {
      this.#progress.add(await gathering.write());
    } catch (error) {
      // A message that could not be printed stays for the next receiver
      this.#consumer.nack();
      throw error;
    }
    this.#consumer.ack();
    this.#received += messages;
    if (messages === 0) return;
    this.#met.clear();
    this.#metTwice = false;
  }

  #gather(max: number): void {
    const gathering = this.#gathering;
    try {
      this.#consumer.drain((bytes, tag, lane) => {
        if (gathering.full) throw ENOUGH;
        gathering.add({ lane, number: numberPassed(this.#consumer, lane), tag }, bytes);
      }, { max, ack: this.#settings.ack });
    } catch (error) {
      // Messages delivered before an error are passed on first; the error comes again
      if (error !== ENOUGH && !this.#note(error) && gathering.count === 0) throw error;
    }
  }
}
