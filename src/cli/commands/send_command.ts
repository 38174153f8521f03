/** `cli.ts send`: sends arguments, lines of stdin, or all of stdin through a channel. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import { LANES, RECORD } from "../../channel/descriptor.ts";
import type { Producer } from "../../channel/producer.ts";
import { command } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import {
  CHANNEL_KEY,
  CHANNEL_OPTIONS,
  channelSettings,
  type MessageSettings,
} from "../message_options.ts";
import { reportError } from "../output.ts";
import { programName } from "../program_name.ts";
import { isRemoved, tellExposure } from "../session.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { type Draft, draftsFrom, fits, misfitText } from "../terminal/lines.ts";
import { Progress } from "../terminal/progress.ts";
import { inputBlocks, inputChunks, inputSize } from "../terminal/standard_input.ts";
import { plural } from "../text/wording.ts";
import { choiceOption, type Parsed, sizeOption, wholeOption } from "../usage.ts";

const WITHOUT_CONSUMER = ["wait", "error"] as const;
const MOST_TAG = 0xffffffff;

const OPTIONS = {
  binary: { short: "b", help: "send all of stdin unchanged, in blocks" },
  block: { value: "SIZE", help: "with --binary: the most bytes of one message (256K)" },
  tag: { value: "N", help: "a number each message carries: 0 (default) to 2^32-1" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "end with exit code 1 when there is no room for 5s",
  },
  "no-consumer": {
    value: "WHAT",
    choices: WITHOUT_CONSUMER,
    help: "when full, without a consumer: wait (default), error",
  },
  ...CHANNEL_OPTIONS,
} as const;

/**
 * The default size of a message from stdin. A read from a pipe returns at most 64K, and a read from a
 * file as much as was asked for. Several fit into a lane: one is read while another is received.
 */
const DEFAULT_BLOCK = 1 << 18;
const BLOCKS_IN_LANE = 4;

interface Settings extends Pick<MessageSettings<unknown>, "tell" | "wait"> {
  readonly binary: boolean;
  readonly block: number | undefined;
  readonly tag: number;
  readonly withoutConsumer: typeof WITHOUT_CONSUMER[number];
}

function settingsOf(
  { options, positionals }: Parsed<keyof typeof OPTIONS>,
  common: MessageSettings<unknown>,
): Settings {
  const binary = options.binary === true;
  const block = sizeOption("block", options.block, 1);
  if (binary && positionals.length > 0) {
    throw new UsageError("--binary sends stdin: give no MESSAGE");
  }
  if (!binary && block !== undefined) throw new UsageError("--block goes with --binary");
  return {
    ...common,
    binary,
    block,
    tag: wholeOption("tag", options.tag, 0, MOST_TAG) ?? 0,
    withoutConsumer: choiceOption("no-consumer", options["no-consumer"], WITHOUT_CONSUMER) ??
      "wait",
  };
}

/** How often a sender that waits for space checks whether there is a consumer, in milliseconds. */
const LOOK_MS = 1_000;

export const sendCommand = command({
  options: OPTIONS,
  help: (options) =>
    `Send messages through a channel.

Usage: cli.ts send [options] [MESSAGE...]
       cli.ts send [options] --binary

Each MESSAGE is one message; without any, each line of stdin is one, sent as
soon as it comes, without its newline (\\n or \\r\\n). With --binary all of stdin
is sent unchanged: a message is what one read returns, at most SIZE bytes.
\`recv --binary\` puts it together again.

A channel has a lane for each sender, ${LANES.DEFAULT} unless it was created with --lanes. The
messages of one sender stay in order; those of several senders may mix. A
message has at most half the capacity of a lane less 8 bytes: 524280 of 1M. A
longer one is refused, and the others are sent. If all messages of the channel
have one size, another size is refused, and --binary uses that size.

A sent message is in the channel, even if no process receives. It stays there,
and its segment too, when all processes have ended. If a lane is full, send
waits for room, or for a consumer; with --no-consumer error it fails without a
consumer.

Options:
${options}

--lanes and --capacity apply if the channel is created. If it exists, they must
be equal to its own. With --binary a line shows the progress if stderr is a
terminal, unless --quiet is given.

Exit codes: 0 all is sent; 1 a message was refused, there was no room in time
or no consumer, or the channel was removed; 2 wrong usage; 129, 130, 131, 143
when ended by SIGHUP, SIGINT, SIGQUIT or SIGTERM: what was sent stays sent.

Examples:
  deno run --allow-ffi cli.ts send "hello" "world"
  tail -f log | deno run --allow-ffi cli.ts send --key 0xcafe --tag 7
  cat big.iso | deno run --allow-ffi cli.ts send --binary
`,
  async run(parsed): Promise<number> {
    const common = channelSettings(parsed.options);
    const settings = settingsOf(parsed, common);
    const { tell } = common;
    using interruption = new Interruption();
    using channel = Channel.openOrCreate(common.open);
    tellExposure(channel, common);
    const block = blockSize(channel, settings);
    const sending = new Sending(channel, settings, interruption.signal);
    let removed = false;
    try {
      if (settings.binary) await sending.input(block, !common.quiet);
      else await sending.texts(parsed.positionals);
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      interruption.leaveLine(tell);
      tell(`${error.message}: ${plural(sending.sent, "message")} sent`);
      return error.exitCode;
    } finally {
      const { id, key } = channel;
      removed = isRemoved(id);
      if (channel.close() === "unread" && !removed) {
        const receiver = `${programName()} recv${key === CHANNEL_KEY ? "" : ` --key ${key}`}`;
        tell(`segment ${id} stays until its messages are received: ${receiver}`);
      }
    }
    if (removed) {
      throw new CommandFailure(
        `segment ${channel.id} was removed: messages that were not received are lost`,
      );
    }
    return sending.refused === 0 ? 0 : 1;
  },
});

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

class Sending {
  /** The number of messages sent, and of messages refused. */
  sent = 0;
  refused = 0;
  readonly #channel: Channel;
  readonly #producer: Producer;
  readonly #settings: Settings;
  readonly #signal: AbortSignal;
  #toldToWait = false;
  #progress: Progress | undefined;

  constructor(channel: Channel, settings: Settings, signal: AbortSignal) {
    this.#channel = channel;
    this.#settings = settings;
    this.#signal = signal;
    this.#producer = channel.producer({ withoutConsumer: settings.withoutConsumer });
  }

  /** Sends each text, or line of stdin, as a message; those that come together are published together. */
  async texts(texts: readonly string[]): Promise<void> {
    const { tag } = this.#settings;
    for await (const drafts of draftsFrom(texts, this.#signal, this.#channel.maxMessage)) {
      for (const draft of drafts) {
        const staged = fits(draft.length, this.#channel) &&
          this.#producer.stage(draft.bytes, { tag });
        if (staged) this.sent++;
        else await this.#sendWhole(draft);
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
      await this.#sendWhole({ what: "the last block", bytes: each, length: each.length });
      progress.add(each.length);
    }
    progress.end(this.#settings.tell, "sent");
  }

  /** Sends the bytes if they can be a message unchanged: nothing is cut off. */
  async #sendWhole(draft: Draft): Promise<void> {
    if (fits(draft.length, this.#channel)) return await this.#send(draft.bytes);
    this.#progress?.clear();
    reportError(misfitText(draft, this.#channel));
    this.refused++;
  }

  /** Sends one message. A signal has an effect here only if the channel is full. */
  async #send(bytes: Uint8Array): Promise<void> {
    const { tag, wait, withoutConsumer } = this.#settings;
    if (!this.#producer.trySend(bytes, { tag })) {
      const tell = (): void => this.#tellToWait();
      if (withoutConsumer === "wait") tell();
      // The consumer may also leave later
      const watch = withoutConsumer === "wait" ? setInterval(tell, LOOK_MS) : undefined;
      try {
        await this.#producer.send(bytes, { tag, ...wait, signal: this.#signal });
      } finally {
        clearInterval(watch);
      }
    }
    this.sent++;
  }

  /** Tells once that the lane is full and no process receives. */
  #tellToWait(): void {
    if (this.#toldToWait || this.#channel.consumerPid !== undefined) return;
    this.#toldToWait = true;
    this.#progress?.clear();
    const key = formatKey(this.#channel.key);
    this.#settings.tell(`the lane is full, and no process receives at key ${key}: waiting`);
  }
}
