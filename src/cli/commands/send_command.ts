/** `cli.ts send`: sends arguments, lines of stdin, or all of stdin through a channel. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import { LANES, RECORD } from "../../channel/descriptor.ts";
import type { Producer } from "../../channel/producer.ts";
import { tryStat } from "../../sysv/segment_stat.ts";
import { CHANNEL_KEY, CHANNEL_OPTIONS, channelSettings } from "../channel_options.ts";
import type { Command } from "../command.ts";
import { tellExposure } from "../objects/exposure.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { type Line, readLines } from "../terminal/lines.ts";
import { reportError } from "../output.ts";
import { Progress } from "../terminal/progress.ts";
import { programName } from "../program_name.ts";
import { inputBlocks, inputChunks, inputSize } from "../terminal/standard_input.ts";
import {
  choiceOption,
  durationOption,
  optionsHelp,
  type OptionTable,
  parse,
  type Parsed,
  sizeOption,
  wholeOption,
} from "../usage.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { plural } from "../text/wording.ts";

const WITHOUT_CONSUMER = ["wait", "error"] as const;
const MOST_TAG = 0xffffffff;

const OPTIONS = {
  binary: { short: "b", help: "all of stdin as it is, in blocks" },
  block: { value: "SIZE", help: "with --binary: a message has at most so much (256K)" },
  tag: { value: "N", help: "a number each message carries: 0 (default) to 2^32-1" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "give up, exit code 1, when there is no room for 5s",
  },
  "no-consumer": {
    value: "WHAT",
    choices: WITHOUT_CONSUMER,
    help: "when full and nobody receives: wait (default), error",
  },
  ...CHANNEL_OPTIONS,
} as const satisfies OptionTable;

/**
 * The default size of a message from stdin. A read from a pipe returns at most 64K, and a read from a
 * file as much as was asked for. Several fit into a lane: one is read while another is received.
 */
const DEFAULT_BLOCK = 1 << 18;
const BLOCKS_IN_LANE = 4;

const help = (): string =>
  `Send messages through a channel.

Usage: cli.ts send [options] [MESSAGE...]
       cli.ts send [options] --binary

Each MESSAGE is one message; without any, each line of stdin is one, sent as
soon as it is there, without its newline (\\n or \\r\\n). With --binary all of
stdin is sent as it is: a message is what there is to read, at most SIZE bytes.
\`recv --binary\` puts it together again.

A channel has a lane for each that sends, ${LANES.DEFAULT} unless it was created with
--lanes, and keeps what each sends in order; of several that send at the same
time nothing is said. A message has at most half the capacity of a lane less 8
bytes: 524280 of 1M. A longer one is refused, and the rest go on; so is one of
another size where all have one size, to which --binary keeps then.

A lane that is full is waited for. What is sent is in the channel, whether
somebody receives it or not, and stays there with its segment when all are gone.

Where nobody receives, send goes on until its lane is full, and waits then for
somebody who does; with --no-consumer error it fails then.

Options:
${optionsHelp(OPTIONS)}

--lanes and --capacity are for the one who comes first: a channel that is there
keeps its own, and is refused where another is asked for. With --binary a line
tells how far it has come, where stderr is a terminal and not with --quiet.

Exit codes: 0 all is sent; 1 a message was refused, there was no room in time
or nobody to receive it, or the channel was removed meanwhile; 2 wrong usage;
129, 130, 131, 143 when ended by SIGHUP, SIGINT, SIGQUIT or SIGTERM: what had
been sent is sent.

Examples:
  deno run --allow-ffi cli.ts send "hello" "world"
  tail -f log | deno run --allow-ffi cli.ts send --key 0xcafe --tag 7
  cat big.iso | deno run --allow-ffi cli.ts send --binary
`;

interface Settings {
  readonly binary: boolean;
  readonly block: number | undefined;
  readonly tag: number;
  readonly timeout: number | undefined;
  readonly withoutConsumer: typeof WITHOUT_CONSUMER[number];
}

function settingsOf(
  { options, positionals }: Pick<Parsed<keyof typeof OPTIONS>, "options" | "positionals">,
): Settings {
  const binary = options.binary === true;
  const block = sizeOption("block", options.block, 1);
  if (binary && positionals.length > 0) {
    throw new UsageError("--binary sends stdin: give no MESSAGE");
  }
  if (!binary && block !== undefined) throw new UsageError("--block goes with --binary");
  return {
    binary,
    block,
    tag: wholeOption("tag", options.tag, 0, MOST_TAG) ?? 0,
    timeout: durationOption("timeout", options.timeout),
    withoutConsumer: choiceOption("no-consumer", options["no-consumer"], WITHOUT_CONSUMER) ??
      "wait",
  };
}

/** How often a sender that waits for space checks whether there is a consumer, in milliseconds. */
const LOOK_MS = 1_000;

/** The subcommand. */
export const sendCommand: Command = {
  options: OPTIONS,
  help,
  async run(args: readonly string[]): Promise<number> {
    const parsed = parse(args, OPTIONS);
    const common = channelSettings(parsed.options);
    const settings = settingsOf(parsed);
    const { tell } = common;

    using interruption = new Interruption();
    using channel = Channel.openOrCreate({
      ...common.open,
      ...(settings.timeout === undefined ? {} : { timeout: settings.timeout }),
    });
    tellExposure(channel, common);
    const block = blockSize(channel, settings);
    const sending = new Sending(channel, settings, interruption.signal, tell);
    let removed = false;
    try {
      if (parsed.positionals.length > 0) {
        await sending.texts(parsed.positionals);
      } else if (settings.binary) await sending.input(block, !common.quiet);
      else await sending.lines();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      // The terminal has shown ^C, so the next output begins on a new line
      if (Deno.stderr.isTerminal()) tell("");
      tell(`${error.message}: ${plural(sending.sent, "message")} sent`);
      return error.exitCode;
    } finally {
      const { id, key } = channel;
      const stat = tryStat(id);
      removed = typeof stat === "number" || stat.markedForRemoval;
      const left = channel.close();
      if (left === "unread" && !removed) {
        tell(
          `segment ${id} stays until its messages are received: ${programName()} recv${
            key === CHANNEL_KEY ? "" : ` --key ${key}`
          }`,
        );
      }
    }
    if (removed) {
      throw new CommandFailure(
        `segment ${channel.id} was removed meanwhile: what nobody had received by then is lost`,
      );
    }
    return sending.refused === 0 ? 0 : 1;
  },
};

/** How many bytes are read at once, so that they fit into a message. */
function blockSize(
  { maxMessage, messageSize, laneCapacity }: Channel,
  { block }: Settings,
): number {
  if (block !== undefined && messageSize !== 0 && block !== messageSize) {
    throw new UsageError(`option --block: all messages of this channel have ${messageSize} bytes`);
  }
  if (block !== undefined && block > maxMessage) {
    throw new UsageError(
      `option --block: ${block} bytes are more than a message can have, ${maxMessage}: raise ` +
        "--capacity of a channel that is still to be created",
    );
  }
  return block ?? Math.min(DEFAULT_BLOCK, laneCapacity / BLOCKS_IN_LANE - RECORD.size);
}

/** One run of the command, with its lane. */
class Sending {
  /** The number of messages sent, and of messages refused. */
  sent = 0;
  refused = 0;
  readonly #channel: Channel;
  readonly #producer: Producer;
  readonly #settings: Settings;
  readonly #signal: AbortSignal;
  readonly #tell: (line: string) => void;
  #toldNobody = false;
  #progress: Progress | undefined;

  constructor(
    channel: Channel,
    settings: Settings,
    signal: AbortSignal,
    tell: (line: string) => void,
  ) {
    this.#channel = channel;
    this.#settings = settings;
    this.#signal = signal;
    this.#tell = tell;
    this.#producer = channel.producer({ withoutConsumer: settings.withoutConsumer });
  }

  /** Sends each text as a message. */
  async texts(texts: readonly string[]): Promise<void> {
    for (const [index, text] of texts.entries()) {
      await this.#sendWhole(`argument ${index + 1}`, new TextEncoder().encode(text));
    }
  }

  /** Sends each line of stdin as a message; lines that come together become visible together. */
  async lines(): Promise<void> {
    const { tag } = this.#settings;
    const input = inputChunks(this.#signal);
    let number = 0;
    for await (const lines of readLines(input, this.#channel.maxMessage)) {
      for (const line of lines) {
        number++;
        const staged = this.#fits(line.length) && this.#producer.stage(line.bytes, { tag });
        if (staged) this.sent++;
        else await this.#sendWhole(`line ${number}`, line.bytes, line);
      }
      this.#producer.publish();
    }
  }

  /** Sends all of stdin, in messages of at most `block` bytes, or of the channel's fixed size. */
  async input(block: number, talks: boolean): Promise<void> {
    const { messageSize } = this.#channel;
    const blocks = messageSize === 0
      ? inputChunks(this.#signal, block)
      : inputBlocks(this.#signal, messageSize);
    using progress = new Progress({
      shown: talks && Deno.stderr.isTerminal(),
      total: inputSize(),
    });
    this.#progress = progress;
    for await (const each of blocks) {
      await this.#sendWhole("the last block", each);
      progress.add(each.length);
    }
    progress.end(this.#tell, "sent");
  }

  #fits(length: number): boolean {
    const { messageSize, maxMessage } = this.#channel;
    return messageSize === 0 ? length <= maxMessage : length === messageSize;
  }

  /** Sends the bytes if they can be a message unchanged: nothing is cut off. */
  async #sendWhole(
    what: string,
    bytes: Uint8Array,
    { length }: Pick<Line, "length"> = bytes,
  ): Promise<void> {
    if (this.#fits(length)) return await this.#send(bytes);
    const { maxMessage, messageSize } = this.#channel;
    const limit = messageSize === 0
      ? `a message at most ${maxMessage}`
      : `each message ${messageSize}`;
    this.#progress?.clear();
    reportError(`${what} has ${length} bytes, and ${limit}: not sent`);
    this.refused++;
  }

  /** Sends one message. A signal has an effect here only if the channel is full. */
  async #send(bytes: Uint8Array): Promise<void> {
    const { tag, timeout, withoutConsumer } = this.#settings;
    if (!this.#producer.trySend(bytes, { tag })) {
      const tell = (): void => this.#tellIfNobodyReceives();
      if (withoutConsumer === "wait") tell();
      // The consumer may also leave later
      const watch = withoutConsumer === "wait" ? setInterval(tell, LOOK_MS) : undefined;
      try {
        await this.#producer.send(bytes, {
          tag,
          ...(timeout === undefined ? {} : { timeout }),
          signal: this.#signal,
        });
      } finally {
        if (watch !== undefined) clearInterval(watch);
      }
    }
    this.sent++;
  }

  #tellIfNobodyReceives(): void {
    if (this.#toldNobody || this.#channel.consumerPid !== undefined) return;
    this.#toldNobody = true;
    const { key } = this.#channel;
    this.#progress?.clear();
    this.#tell(`the lane is full, and nobody receives at key ${formatKey(key)}: waiting`);
  }
}
