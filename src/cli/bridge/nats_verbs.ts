/** `cli.ts bridge out` and `bridge in`: the two directions of the bridge to NATS JetStream. */

import { formatKey } from "../../../ffi/shm_error.ts";
import { Channel } from "../../channel/channel.ts";
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
import { serverNames } from "../../nats/link.ts";
import { Topic } from "../../topic/topic.ts";
import { command } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { CHANNEL_OPTIONS, channelSettings } from "../message_options.ts";
import { LEFT, tellExposure } from "../session.ts";
import { type Interrupted, Interruption } from "../terminal/interruption.ts";
import { plural } from "../text/wording.ts";
import { type Parsed, valueOf, wholeOption } from "../usage.ts";
import { type NatsServer, natsServer, SERVER_OPTIONS } from "./nats_server.ts";

const COMMON = {
  stream: { value: "NAME", help: "out, in: the stream" },
  subject: { value: "SUBJECT", help: "out: where to publish; in: which messages (all)" },
  topic: { help: "the key is that of a topic, not of a channel" },
  "in-flight": { value: "N", help: `messages on their way at a time: ${MAX_IN_FLIGHT} (default)` },
  ...SERVER_OPTIONS,
  ...CHANNEL_OPTIONS,
} as const;

type Options = Parsed<keyof typeof COMMON>["options"];

/** What both directions need. */
interface Settings {
  readonly server: NatsServer;
  readonly stream: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: BridgeProgress) => void;
  readonly maxInFlight: number;
}

type Direction = (shared: Channel | Topic, settings: Settings) => Promise<BridgeProgress>;

/** `bridge out` */
export const outVerb = command({
  options: {
    create: { help: "out: make the stream if it is missing" },
    ...COMMON,
  },
  completes: "nothing",
  run({ options }): Promise<number> {
    const subject = needed("out", "subject", options.subject, (text) => subjectOf(text, false));
    const create = options.create === true;
    return pass("out", options, (shared, settings) => {
      const source = shared instanceof Channel ? shared.consumer() : shared.subscriber();
      return bridgeOut(source, { ...settings, subject, create });
    });
  },
});

/** `bridge in` */
export const inVerb = command({
  options: {
    durable: { value: "NAME", help: "in: the durable consumer; made if it is missing" },
    ...COMMON,
  },
  completes: "nothing",
  run({ options }): Promise<number> {
    const durable = needed("in", "durable", options.durable, nameOf);
    const subject = valueOf("subject", options.subject, (text) => subjectOf(text, true));
    const filter = subject === undefined ? {} : { subject };
    return pass("in", options, (shared, settings) => {
      const target = shared instanceof Channel ? shared.producer() : shared.publisher();
      return bridgeIn(target, { ...settings, ...filter, durable });
    });
  },
});

async function pass(verb: string, options: Options, direction: Direction): Promise<number> {
  const stream = needed(verb, "stream", options.stream, nameOf);
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
  const { messages, duplicates, missed } = await direction(shared, {
    server,
    stream,
    signal,
    onProgress,
    maxInFlight,
  }).catch(failed);
  interruption.leaveLine(tell);
  const { message: why, exitCodeOfEndless } = signal.reason as Interrupted;
  const again = duplicates === 0 ? "" : ` (${duplicates} known already)`;
  const lost = missed === 0 ? "" : `, ${missed} missed`;
  const left = `segment ${shared.id} ${LEFT[shared.close()]}`;
  tell(`${why}: ${plural(messages, "message")} passed on${again}${lost}; ${left}`);
  return exitCodeOfEndless;
}

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
  name: string,
  given: string | true | undefined,
  check: (text: string) => string,
): string {
  const value = valueOf(name, given, check);
  if (value === undefined) throw new UsageError(`bridge ${verb} needs --${name}`);
  return value;
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
