/** `cli.ts recv`: prints the messages of a channel as they come. */

import { formatKey, ShmError } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import type { Consumer } from "../../channel/consumer.ts";
import type { LeaveResult } from "../../sync/membership.ts";
import { formatMode } from "../../sysv/object_stat.ts";
import { statSegment } from "../../sysv/segment_stat.ts";
import { CHANNEL_OPTIONS, channelSettings } from "../channel_options.ts";
import { explained } from "../advice.ts";
import type { Command } from "../command.ts";
import { lostSenders } from "../lost_senders.ts";
import { report, reportError } from "../output.ts";
import { tellExposure } from "../objects/exposure.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { Progress } from "../terminal/progress.ts";
import { Gathering, type MessageForm } from "../received_messages.ts";
import { formatSize } from "../text/size.ts";
import {
  choiceOption,
  countOption,
  durationOption,
  optionsHelp,
  type OptionTable,
  parse,
  type Parsed,
  refuseArguments,
} from "../usage.ts";
import { plural } from "../text/wording.ts";
import { UsageError } from "../errors.ts";

const ACKS = ["after", "before"] as const;

const OPTIONS = {
  count: { short: "n", value: "N", help: "stop after N messages" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "end with exit code 1 when no message comes for 5s",
  },
  json: { help: "a message a line, as JSON; the stable form" },
  binary: { short: "b", help: "what is in the messages, and nothing else" },
  "until-closed": { help: "end when all who sent are gone (--binary: default)" },
  follow: { short: "f", help: "wait for others who send, for ever (else: default)" },
  ack: {
    value: "WHEN",
    choices: ACKS,
    help: "a message is taken after (default) or before writing",
  },
  ...CHANNEL_OPTIONS,
} as const satisfies OptionTable;

const help = (): string =>
  `Print the messages of a channel as they come.

Usage: cli.ts recv [options]

Each message is printed on stdout as a line; everything else goes to stderr. To
a terminal what could control it is printed as an escape; to anything else the
bytes go as they are, so that a message with newlines is several lines. With
--binary nothing is added: what \`send --binary\` was given comes out again. What
each sends stays in order; of several that send at the same time, the parts
follow each other as they come.

It goes on until it is interrupted, or --count is reached. With --until-closed
it ends when somebody has sent, or was about to, and all of them are gone,
closed or killed, and everything is received: as a pipe ends. With --binary that
is the default, and --follow makes it go on. One that was killed is told of, as
what it sent may end in the middle; with --binary the exit code is 1 then.

A lane that cannot be read, because another program has written over it, keeps
none of the others: what they hold is printed, and then the exit code is 1.

A message counts as taken once it is written: what was in hand when recv was
killed, or when nobody read its output any more, is there for the next recv,
which may print again what was written already (at least once). With --ack
before it is taken first: it may be lost then, and never comes twice (at most
once).

Options:
${optionsHelp(OPTIONS)}

--lanes and --capacity are for the one who comes first: a channel that is there
keeps its own, and is refused where another is asked for. With --binary a line
tells how far it has come, where stderr is a terminal and stdout is none, and
not with --quiet.

JSON: lane, tag, length (in bytes), and text; where that is not UTF-8, bytes (in
base64) in its place.

Ctrl-C and signals end it: what was in hand is written, and the channel
removed if it is empty and nobody else is there (unless --keep).

Exit codes: 0 ended, or --count reached; 1 failed, timed out, a lane could not
be read, or all were gone before --count was reached; 2 wrong usage; 129, 131,
143 ended by SIGHUP, SIGQUIT, SIGTERM; 130 ended by Ctrl-C before the end that
--count or --until-closed asks for, and 0 where they ask for none.

Examples:
  deno run --allow-ffi cli.ts recv
  deno run --allow-ffi cli.ts recv --key 0xcafe --json | jq .text
  deno run --allow-ffi cli.ts recv --binary > copy
`;

/** What happened to the channel, in words. */
const LEFT: Readonly<Record<LeaveResult, string>> = {
  removed: "removed",
  kept: "kept",
  unread: "kept: there are messages in it",
  "in use": "left to those still there",
  "not ours": "left to its owner to remove",
};

interface Settings {
  readonly form: MessageForm;
  readonly count: number | undefined;
  readonly timeout: number | undefined;
  readonly untilClosed: boolean;
  readonly ack: typeof ACKS[number];
}

/** The subcommand. */
export const recvCommand: Command = {
  options: OPTIONS,
  completes: "nothing",
  help,
  async run(args: readonly string[]): Promise<number> {
    const { options, positionals } = parse(args, OPTIONS);
    refuseArguments(positionals);
    const common = channelSettings(options);
    const { tell } = common;
    const settings = settingsOf(options);

    using interruption = new Interruption();
    using channel = Channel.openOrCreate({
      ...common.open,
      ...(settings.timeout === undefined ? {} : { timeout: settings.timeout }),
    });
    const consumer = channel.consumer();
    const { id, lanes, laneCapacity } = channel;
    tellExposure(channel, common);
    tell(
      `receiving at key ${formatKey(channel.key)}, segment ${id}, ` +
        `${plural(lanes, "lane")} of ${formatSize(laneCapacity)}, ` +
        `mode ${formatMode(statSegment(id).mode)}`,
    );
    const shown = settings.form === "binary" && !common.quiet && Deno.stderr.isTerminal() &&
      !Deno.stdout.isTerminal();
    using progress = new Progress({ shown });
    const before = channel.stats();
    const receiving = new Receiving(consumer, settings, progress);
    const end = await receiving.run(interruption.signal);
    progress.end(tell, "received");
    const lost = lostSenders(before, channel.stats());
    // The terminal has shown ^C, so the next output begins on a new line
    if (interruption.signal.aborted && Deno.stderr.isTerminal()) tell("");
    for (const { lane, pid = "unknown" } of lost) {
      report(
        `warning: lane ${lane}: its sender, process ${pid}, ended without closing the channel`,
      );
    }
    for (const failure of receiving.unreadable) reportError(explained(failure));
    tell(`${end.why}; segment ${id} ${LEFT[channel.close()]}`);
    const incomplete = receiving.unreadable.length > 0 ||
      (lost.length > 0 && settings.form === "binary" && settings.untilClosed);
    return end.code === 0 && incomplete ? 1 : end.code;
  },
};

function settingsOf(options: Parsed<keyof typeof OPTIONS>["options"]): Settings {
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
    timeout: durationOption("timeout", options.timeout),
    untilClosed: options["until-closed"] === true || (binary && options.follow !== true),
    ack: choiceOption("ack", options.ack, ACKS) ?? "after",
  };
}

/** Why the loop ended, and its exit code. */
interface End {
  readonly why: string;
  readonly code: number;
}

/** The lane that cannot be read, if that is what the error reports. */
function unreadableLane(error: unknown): number | undefined {
  return ShmError.is(error, "ECORRUPT") ? error.lane : undefined;
}

/** Thrown at the message that must wait for the next round. */
const ENOUGH = Symbol("enough");

/** One run of the command. */
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
    const { count, timeout, untilClosed } = this.#settings;
    try {
      while (this.#received !== count) {
        signal.throwIfAborted();
        if (!await this.#ready(signal)) {
          return { why: "all who sent are gone", code: count === undefined ? 0 : 1 };
        }
        await this.#pass();
        // Met again, with no message of another lane in between: the other lanes are empty
        if (this.#metTwice) return { why: "a lane cannot be read", code: 1 };
      }
      return { why: `${count} received`, code: 0 };
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) {
        return { why: "nobody reads our output", code: 0 };
      }
      if (ShmError.is(error, "ETIMEDOUT")) {
        return { why: `no message for ${timeout} ms`, code: 1 };
      }
      if (!(error instanceof Interrupted)) throw error;
      const goal = count !== undefined || untilClosed;
      return { why: error.message, code: goal ? error.exitCode : error.exitCodeOfEndless };
    }
  }

  async #ready(signal: AbortSignal): Promise<boolean> {
    const { timeout, untilClosed } = this.#settings;
    try {
      return await this.#consumer.ready({
        ...(untilClosed ? { until: "closed" } : {}),
        ...(timeout === undefined ? {} : { timeout }),
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
        gathering.add({ bytes, tag, lane });
      }, { max, ack: this.#settings.ack });
    } catch (error) {
      // Messages delivered before an error are passed on first; the error comes again
      if (error !== ENOUGH && !this.#note(error) && gathering.count === 0) throw error;
    }
  }
}
