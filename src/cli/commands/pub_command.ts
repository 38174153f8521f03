/** `cli.ts pub`: publishes arguments or lines of stdin to a topic. */

import type { Fields, StructLayout } from "../../layout/layout.ts";
import { LANES } from "../../topic/lanes.ts";
import { Topic } from "../../topic/topic.ts";
import { structFromJson } from "../bytes/struct_json.ts";
import { messageStructOf, STRUCT_OPTIONS } from "../bytes/struct_options.ts";
import { command } from "../command.ts";
import { CommandFailure } from "../errors.ts";
import { ofStruct, TOPIC_OPTIONS, topicSettings } from "../message_options.ts";
import { reportError } from "../output.ts";
import { isRemoved, tellExposure } from "../session.ts";
import { Interrupted, Interruption } from "../terminal/interruption.ts";
import { type Draft, draftsFrom, fits, type MessageSizes, misfitText } from "../terminal/lines.ts";
import { plural } from "../text/wording.ts";
import { wholeOption } from "../usage.ts";

/** The longest line of JSON that is read. */
const LONGEST_JSON = 2 ** 24;

export const pubCommand = command({
  options: {
    tag: { value: "N", help: "a number each message carries: 0 (default) to 2^32-1" },
    struct: { value: "DECL", help: "messages are JSON of a struct of these fields in C" },
    ...STRUCT_OPTIONS,
    ...TOPIC_OPTIONS,
  },
  help: (options) =>
    `Publish messages to a topic.

Usage: cli.ts pub [options] [MESSAGE...]

Each MESSAGE is one message; without any, each line of stdin is one, published
as soon as it comes, without its newline (\\n or \\r\\n). Every \`sub\` gets every
message. pub never waits: a subscriber that is too slow misses messages, and is
told how many. What must not be lost goes through a channel: \`send\`.

A topic has a lane for each publisher, ${LANES.DEFAULT} unless it was created with --lanes. The
messages of one publisher stay in order; those of several may mix. A message has
at most a quarter of the capacity of a lane less 16 bytes: 262128 of 1M. A
longer one is refused, and the others are published.

With --struct or --struct-file each MESSAGE is a struct in JSON, as dump prints
it with --json; one that is not is refused. Peers with another struct cannot
open the topic. DECL and FILE are as for dump.

A topic goes when no process has it open, and its messages go with it. With
--keep it stays, and \`sub --history\` finds the newest messages in it.

Options:
${options}

--lanes and --capacity apply if the topic is created. If it exists, they must be
equal to its own.

Exit codes: 0 all is published; 1 a message was refused, or the topic could not
be opened; 2 wrong usage; 129, 130, 131, 143 when ended by SIGHUP, SIGINT,
SIGQUIT or SIGTERM: what was published stays published.

Examples:
  deno run --allow-ffi cli.ts pub "hello" "world"
  tail -f log | deno run --allow-ffi cli.ts pub --key 0xcafe
  deno run --allow-ffi cli.ts pub --struct 'double x, y;' '{"x": 1.5, "y": -2}'
`,
  async run(parsed): Promise<number> {
    const { options, positionals } = parsed;
    const common = topicSettings(options);
    const { open, tell } = common;
    const tag = wholeOption("tag", options.tag, 0, 0xffffffff) ?? 0;
    const layout = await messageStructOf(parsed);
    using interruption = new Interruption();
    using topic = layout === undefined
      ? Topic.openOrCreate(open)
      : ofStruct(layout, () => Topic.of(layout, open));
    tellExposure(topic, common);
    const publisher = topic.publisher();
    const limit = layout === undefined ? topic.maxMessage : LONGEST_JSON;
    let [published, refused, removed] = [0, 0, false];
    try {
      for await (const drafts of draftsFrom(positionals, interruption.signal, limit)) {
        const messages: unknown[] = drafts.flatMap((draft) => {
          const made = messageOf(draft, topic, layout);
          if ("message" in made) return [made.message];
          reportError(made.refusal);
          refused++;
          return [];
        });
        if (messages.length > 0) publisher.publishBatch(messages as never[], { tag });
        published += messages.length;
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      interruption.leaveLine(tell);
      tell(`${error.message}: ${plural(published, "message")} published`);
      return error.exitCode;
    } finally {
      removed = isRemoved(topic.id);
      if (topic.close() === "removed" && !removed && published > 0) {
        tell(
          `segment ${topic.id} is removed, and its messages with it: no other process had the ` +
            "topic open; --keep leaves it in place",
        );
      }
    }
    if (removed) {
      throw new CommandFailure(
        `segment ${topic.id} was removed: a subscriber that comes now finds no message`,
      );
    }
    return refused === 0 ? 0 : 1;
  },
});

/** What is published of a draft, or why it is refused. */
function messageOf(
  draft: Draft,
  topic: MessageSizes,
  layout: StructLayout<Fields> | undefined,
): { readonly message: unknown } | { readonly refusal: string } {
  if (layout === undefined) {
    return fits(draft.length, topic)
      ? { message: draft.bytes }
      : { refusal: misfitText(draft, topic) };
  }
  try {
    return { message: structFromJson(layout, new TextDecoder().decode(draft.bytes)) };
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    return { refusal: `${draft.what}: ${error.message}: not sent` };
  }
}
