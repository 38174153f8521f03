/** `cli.ts sub`: prints the messages of a topic as they are published. */

import { ShmError } from "../../../ffi/shm_error.ts";
import { bytesOf } from "../../layout/bytes_of.ts";
import { jsonValue } from "../../layout/json.ts";
import type { Fields, StructLayout } from "../../layout/layout.ts";
import { numberPassed, type Subscriber } from "../../topic/subscriber.ts";
import { Topic } from "../../topic/topic.ts";
import { explained } from "../advice.ts";
import { messageStructOf, STRUCT_OPTIONS } from "../bytes/struct_options.ts";
import { command } from "../command.ts";
import {
  type LaneSettings,
  type MessageSettings,
  ofStruct,
  RECEIVE_OPTIONS,
  TOPIC_OPTIONS,
  topicSettings,
} from "../message_options.ts";
import { report, reportError } from "../output.ts";
import { Gathering } from "../received_messages.ts";
import { type End, endBy, LEFT, openedText, tellExposure } from "../session.ts";
import { Interruption } from "../terminal/interruption.ts";
import { plural } from "../text/wording.ts";
import { countOption, wholeOption } from "../usage.ts";

/** How many messages are taken before it is looked whether they are enough for one write. */
const BATCH = 256;

export const subCommand = command({
  options: {
    ...RECEIVE_OPTIONS,
    history: { value: "N", help: "first the newest N messages of each lane, or all" },
    json: { help: "one message a line, as JSON; the stable form" },
    "read-only": { help: "only read, and leave no trace in the topic" },
    struct: { value: "DECL", help: "messages are structs of these fields in C" },
    ...STRUCT_OPTIONS,
    ...TOPIC_OPTIONS,
  },
  completes: "nothing",
  help: (options) =>
    `Print the messages of a topic as they are published.

Usage: cli.ts sub [options]

Each message is printed on stdout as a line; everything else goes to stderr. On
a terminal, characters that could control it are printed as escapes; otherwise
the bytes go as they are, so a message with newlines is several lines. Every sub
gets every message that is published while it runs; --history begins with those
before. The messages of one publisher stay in order; those of several may mix.

Publishers never wait. If sub, or what reads its output, is slower than a
publisher for longer than the lane holds messages, the oldest are overwritten:
a warning says how many messages of which lane were missed. What must not be
lost goes through a channel: \`recv\`.

With --struct or --struct-file messages are structs, printed as JSON. If the
topic has another struct, sub fails and names the first field that differs. DECL
and FILE are as for dump.

sub opens the topic, or creates it, so that it stays while sub runs. With
--read-only, or if this user may read the topic and not write to it, sub only
reads: it needs an existing topic, does not keep it in place, and looks every
few milliseconds for messages.

Options:
${options}

--lanes and --capacity apply if the topic is created. If it exists, they must be
equal to its own.

JSON: lane, number (of the message in its lane, from 1), tag, missed (messages
of the lane before this one that were overwritten), length (in bytes), and text;
if it is not UTF-8, bytes (in base64) instead of text; with --struct, value
instead of length and text.

Exit codes: 0 ended, or --count reached; 1 failed, timed out, or a lane could
not be read; 2 wrong usage; 129, 131, 143 ended by SIGHUP, SIGQUIT, SIGTERM; 130
ended by Ctrl-C before --count, and 0 without it.

Examples:
  deno run --allow-ffi cli.ts sub
  deno run --allow-ffi cli.ts sub --key 0xcafe --history 10 --json | jq .text
  deno run --allow-ffi cli.ts sub --struct 'double x, y;'
`,
  async run(parsed): Promise<number> {
    const { options } = parsed;
    const common = topicSettings(options);
    const { tell, wait } = common;
    const count = countOption("count", options.count);
    const history = options.history === "all"
      ? "all"
      : wholeOption("history", options.history, 0) ?? 0;
    const layout = await messageStructOf(parsed);
    using interruption = new Interruption();
    using topic = open(layout, common, options["read-only"] === true);
    const subscriber = topic.subscriber({ history });
    tellExposure(topic, common);
    tell(`subscribed ${openedText(topic)}${topic.readOnly ? ", only reading" : ""}`);
    const gathering = new Gathering(
      options.json === true ? "json" : "lines",
      Deno.stdout.isTerminal(),
    );
    const printing = new Printing(subscriber, gathering, layout);
    const { why, code } = await printing.run(count, wait, interruption.signal);
    interruption.leaveLine(tell);
    tell(`${why}; segment ${topic.id} ${LEFT[topic.close()]}`);
    return code === 0 && printing.unreadable.size > 0 ? 1 : code;
  },
});

/** A topic of bytes or of structs. */
type AnyTopic = Topic | ReturnType<typeof Topic.of<Fields>>;
type AnySubscriber = ReturnType<AnyTopic["subscriber"]>;

/** Opens the topic; only to read, if it must not be written to. */
function open(
  layout: StructLayout<Fields> | undefined,
  { open, tell }: MessageSettings<LaneSettings>,
  readOnly: boolean,
): AnyTopic {
  try {
    if (!readOnly) {
      return layout === undefined
        ? Topic.openOrCreate(open)
        : ofStruct(layout, () => Topic.of(layout, open));
    }
  } catch (error) {
    if (!ShmError.is(error, "EACCES")) throw error;
    tell("this user may not write to the topic: only reading");
  }
  const { key, trust = false } = open;
  const reading = { trust, readOnly: true } as const;
  return layout === undefined ? Topic.open(key, reading) : Topic.of(layout, { key, ...reading });
}

/** Messages on their way from a topic to standard output. */
class Printing {
  readonly #subscriber: AnySubscriber;
  readonly #gathering: Gathering;
  readonly #layout: StructLayout<Fields> | undefined;
  /** The lanes that could not be read, of which each is told once. */
  readonly unreadable = new Set<number>();
  /** The messages that were missed since the last write, by lane. */
  readonly #missed = new Map<number, number>();

  constructor(
    subscriber: AnySubscriber,
    gathering: Gathering,
    layout: StructLayout<Fields> | undefined,
  ) {
    this.#subscriber = subscriber;
    this.#gathering = gathering;
    this.#layout = layout;
  }

  /** Prints `count` messages, or until there is another reason to end. */
  async run(
    count: number | undefined,
    wait: { readonly timeout?: number },
    signal: AbortSignal,
  ): Promise<End> {
    const gathering = this.#gathering;
    try {
      for (let printed = 0; printed !== count;) {
        signal.throwIfAborted();
        await this.#gather((count ?? Infinity) - printed, { ...wait, signal });
        printed += gathering.count;
        this.#tellMissed();
        await gathering.write();
      }
      return { why: `${count} received`, code: 0 };
    } catch (error) {
      return endBy(error, { goal: count !== undefined, ...wait });
    }
  }

  /** Waits for messages, and takes those that are there, or as many as fit into one write. */
  async #gather(
    max: number,
    wait: { readonly timeout?: number; readonly signal: AbortSignal },
  ): Promise<void> {
    try {
      await this.#subscriber.ready(wait);
      for (let left = max; left > 0 && !this.#gathering.full;) {
        const count = this.#subscriber.drain(this.#add, { max: Math.min(left, BATCH) });
        if (count === 0) return;
        left -= count;
      }
    } catch (error) {
      if (!ShmError.is(error, "ECORRUPT") || error.lane === undefined) throw error;
      // The subscriber goes on with the other lanes, and with this one behind its newest message
      if (!this.unreadable.has(error.lane)) reportError(explained(error));
      this.unreadable.add(error.lane);
    }
  }

  readonly #add = (value: unknown, tag: number, lane: number, missed: number): void => {
    if (missed > 0) this.#missed.set(lane, (this.#missed.get(lane) ?? 0) + missed);
    const number = numberPassed(this.#subscriber as Subscriber<unknown>, lane);
    const facts = { lane, number, tag, missed };
    if (this.#layout === undefined) this.#gathering.add(facts, value as Uint8Array);
    else {
      const { buffer } = bytesOf(value as object);
      this.#gathering.addValue(facts, jsonValue(this.#layout.read(buffer)));
    }
  };

  #tellMissed(): void {
    for (const [lane, missed] of this.#missed) {
      report(`warning: lane ${lane}: ${plural(missed, "message")} missed, overwritten before read`);
    }
    this.#missed.clear();
  }
}
