/** `cli.ts bridge`: passes the messages of a channel or a topic to NATS JetStream, and back. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
import { Topic } from "../../topic/topic.ts";
import { BridgeError } from "../../nats/bridge_error.ts";
import { bridgeIn } from "../../nats/bridge_in.ts";
import {
  type BridgeProgress,
  isName,
  isSubject,
  MAX_IN_FLIGHT,
  NAME_RULE,
} from "../../nats/bridge_options.ts";
import { bridgeOut } from "../../nats/bridge_out.ts";
import { type NatsServer, natsServer, SERVER_OPTIONS } from "../bridge/nats_server.ts";
import { serverNames } from "../../nats/link.ts";
import { command } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { CHANNEL_OPTIONS, channelSettings } from "../message_options.ts";
import { LEFT, tellExposure } from "../session.ts";
import { type Interrupted, Interruption } from "../terminal/interruption.ts";
import { plural } from "../text/wording.ts";
import { type Parsed, valueOf, wholeOption } from "../usage.ts";

const OPTIONS = {
  stream: { value: "NAME", help: "the stream" },
  subject: { value: "SUBJECT", help: "out: where to publish; in: which messages (all)" },
  durable: { value: "NAME", help: "in: the durable consumer; made if it is missing" },
  create: { help: "out: make the stream if it is missing" },
  topic: { help: "the key is that of a topic, not of a channel" },
  "in-flight": { value: "N", help: `messages on their way at a time: ${MAX_IN_FLIGHT} (default)` },
  ...SERVER_OPTIONS,
  ...CHANNEL_OPTIONS,
} as const;

type Options = Parsed<keyof typeof OPTIONS>["options"];

/** What both directions need. */
interface Settings {
  readonly server: NatsServer;
  readonly stream: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BridgeProgress) => void;
  readonly maxInFlight: number;
}

type Direction = (shared: Channel | Topic, settings: Settings) => Promise<BridgeProgress>;

/** Each direction, with its options checked. */
const DIRECTIONS: Readonly<Record<"out" | "in", (options: Options) => Direction>> = {
  out: (options) => {
    const subject = needed("out", "subject", options, (text) => subjectOf(text, false));
    refuse("out", "durable", options);
    const create = options.create === true;
    return (shared, settings) => {
      const source = shared instanceof Channel ? shared.consumer() : shared.subscriber();
      return bridgeOut(source, { ...settings, subject, create });
    };
  },
  in: (options) => {
    const durable = needed("in", "durable", options, nameOf);
    refuse("in", "create", options);
    const subject = valueOf("subject", options.subject, (text) => subjectOf(text, true));
    const filter = subject === undefined ? {} : { subject };
    return (shared, settings) => {
      const target = shared instanceof Channel ? shared.producer() : shared.publisher();
      return bridgeIn(target, { ...settings, ...filter, durable });
    };
  },
};

export const bridgeCommand = command({
  options: OPTIONS,
  verbs: Object.keys(DIRECTIONS),
  completes: "nothing",
  help: (options) =>
    `Pass the messages of a channel or a topic to NATS JetStream, and back.

Usage: cli.ts bridge out --stream NAME --subject SUBJECT [options]
       cli.ts bridge in --stream NAME --durable NAME [options]

\`bridge out\` receives from the channel and publishes to a stream. A message is
acknowledged to the channel after the stream has stored it. \`bridge in\` sends
what the stream has through the channel, and acknowledges it to the stream after
that. So nothing is lost, whatever is killed. The stream recognises what is
published twice; a channel that \`bridge in\` sends to may get messages twice.
The messages of one lane stay in order.

With --topic, out publishes what is published to a topic while it runs. A
topic's publishers wait for no bridge: what is overwritten too early is counted
as missed, and what is on its way when the bridge ends may be lost.

While the server is away, the stream full, or the channel full, the bridge
waits. A message that is too large for the other side ends it with exit code 1,
and stays where it is.

The client of NATS is downloaded from npm at first use. The bridge needs
--allow-net beside --allow-ffi.

Options:
${options}

The file of --connect has a JSON object with options of the client, such as
user, pass, token and tls. In it, creds names a credentials file, and caFile,
certFile and keyFile in tls name PEM files. Other users can read the command
line of a process, so --server takes no password.

Exit codes: 0 ended by Ctrl-C; 1 failed; 2 wrong usage; 129, 131, 143 ended by
SIGHUP, SIGQUIT, SIGTERM.

Examples:
  deno run --allow-ffi --allow-net cli.ts bridge out --stream S --subject shm.s
  deno run --allow-ffi --allow-net cli.ts bridge in --stream S --durable here
`,
  async run({ options, positionals: [verb] }): Promise<number> {
    if (verb !== "out" && verb !== "in") {
      throw new UsageError("Missing verb: out or in comes first");
    }
    const direction = DIRECTIONS[verb](options);
    const stream = needed(verb, "stream", options, nameOf);
    const maxInFlight = wholeOption("in-flight", options["in-flight"], 1, 65536) ?? MAX_IN_FLIGHT;
    const common = channelSettings(options);
    const { tell } = common;
    const server = await natsServer(options);

    using interruption = new Interruption();
    const { signal } = interruption;
    const isTopic = options.topic === true;
    using shared = isTopic ? Topic.openOrCreate(common.open) : Channel.openOrCreate(common.open);
    tellExposure(shared, common);
    const where = serverNames(server.servers);
    tell(`bridge ${verb}: key ${formatKey(shared.key)}, stream ${stream} of ${where}`);
    const onProgress = waitingTeller(tell);
    const { messages, duplicates, missed } = await direction(
      shared,
      { server, stream, signal, onProgress, maxInFlight },
    ).catch(failed);
    interruption.leaveLine(tell);
    const { message: why, exitCodeOfEndless } = signal.reason as Interrupted;
    const again = duplicates === 0 ? "" : ` (${duplicates} known already)`;
    const lost = missed === 0 ? "" : `, ${missed} missed`;
    const left = `segment ${shared.id} ${LEFT[shared.close()]}`;
    tell(`${why}: ${plural(messages, "message")} passed on${again}${lost}; ${left}`);
    return exitCodeOfEndless;
  },
});

function nameOf(text: string): string {
  if (isName(text)) return text;
  throw new TypeError(`${JSON.stringify(text)} is not ${NAME_RULE}`);
}

function subjectOf(text: string, wild: boolean): string {
  if (isSubject(text, wild)) return text;
  throw new TypeError(
    `${JSON.stringify(text)} is not a subject${wild ? "" : " without wildcards"}`,
  );
}

function needed(
  verb: string,
  name: "stream" | "subject" | "durable",
  options: Options,
  check: (text: string) => string,
): string {
  const value = valueOf(name, options[name], check);
  if (value === undefined) throw new UsageError(`bridge ${verb} needs --${name}`);
  return value;
}

function refuse(verb: string, name: "durable" | "create", options: Options): void {
  if (options[name] !== undefined) throw new UsageError(`bridge ${verb} takes no --${name}`);
}

/** Tells when the bridge begins to wait for the server, and when it goes on. */
function waitingTeller(tell: (line: string) => void): (progress: BridgeProgress) => void {
  let before: string | undefined;
  return ({ waiting }) => {
    if (waiting !== before) tell(waiting === undefined ? "goes on" : `waiting: ${waiting}`);
    before = waiting;
  };
}

/** A failure of NATS is one line. */
function failed(error: unknown): never {
  throw error instanceof BridgeError ? new CommandFailure(error.message) : error;
}
