/** The peer of the conformance suite in TypeScript. `line_peer.ts` says what it reads and answers. */

import { Buffer } from "node:buffer";
import {
  Channel,
  f32,
  f64,
  i32,
  Latest,
  MailboxClient,
  MailboxServer,
  ShmError,
  struct,
  Topic,
} from "../../../mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Yields what became of each payload. */
type Sending = AsyncGenerator<string | number, void, void>;

/** What one role does. */
interface Handle {
  send?(payloads: readonly Bytes[], ms: number, tag: number): Sending;
  stage?(payload: Bytes, tag: number): void;
  /** The payload and the facts about it; `undefined` is the end of the stream. */
  receive?(ms: number): Promise<readonly [Bytes, ...string[]] | undefined>;
  ack?(): void;
  nack?(): void;
  close(): void;
}

type Options = Readonly<Record<string, string>>;

const Point = struct({ id: i32, x: f64, y: f64 });

/** The structs of the suite, by their canonical texts. */
const STRUCTS: Readonly<Record<string, typeof Point>> = {
  "id:i32@0;x:f64@8;y:f64@16;24": Point,
  "id:i32@0;x:f64@8;y:f32@16;24": struct({ id: i32, x: f64, y: f32 }),
};

/** Converts between bytes and what messages are in the library: structs, if a type is stated. */
class Codec {
  readonly layout: typeof Point | undefined;

  constructor({ type }: Options) {
    this.layout = type === undefined ? undefined : STRUCTS[type];
  }

  /** Typed as bytes: the peer treats both kinds of objects as one. */
  decode(bytes: Bytes): Bytes {
    return (this.layout?.read(bytes.buffer, bytes.byteOffset) ?? bytes) as Bytes;
  }

  encode(value: unknown): Bytes {
    if (this.layout === undefined) return value as Bytes;
    const bytes = new Uint8Array(this.layout.size);
    this.layout.write(bytes.buffer, value as Parameters<typeof Point.write>[1]);
    return bytes;
  }
}

/** Those of the options that are given, by their names in the library. */
function named(options: Options, names: Readonly<Record<string, string>>): Record<string, number> {
  const given = Object.entries(names).filter(([name]) => name in options);
  return Object.fromEntries(given.map(([name, option]) => [option, Number(options[name])]));
}

const JOIN = { timeout: "timeout" } as const;
const LANES = { ...JOIN, lanes: "lanes", capacity: "laneCapacity" } as const;

const flag = (options: Options, name: string, option = name): Record<string, boolean> =>
  name in options ? { [option]: true } : {};

/** What one that creates adds to its options. */
const kept = (options: Options): Record<string, boolean> => flag(options, "keep", "persistent");

const opensOnly = (options: Options): boolean => "open" in options || "readonly" in options;

function client(key: number, options: Options): Handle {
  const mailbox = MailboxClient.open({ key, ...named(options, JOIN) });
  const sendOne = async (text: string, ms: number): Promise<string> => {
    try {
      if (ms === 0) return mailbox.trySend(text) ? "left" : "unsent";
      await mailbox.send(text, { timeout: ms });
      return "taken";
    } catch (error) {
      if (ShmError.is(error, "ETIMEDOUT")) return "unsent";
      if (ShmError.is(error, "EBUSY")) return "unknown";
      throw error;
    }
  };
  return {
    async *send(payloads, ms): Sending {
      for (const payload of payloads) yield await sendOne(Buffer.from(payload).toString(), ms);
    },
    close: () => void mailbox.close(),
  };
}

function server(key: number, options: Options): Handle {
  const mailbox = MailboxServer.open({ key, ...named(options, JOIN), ...kept(options) });
  return {
    receive: async (ms) => {
      const { text, sender } = await mailbox.receive({ timeout: ms });
      return [Buffer.from(text), `sender=${sender ?? 0}`];
    },
    ack: () => mailbox.ack(),
    nack: () => mailbox.nack(),
    close: () => void mailbox.close(),
  };
}

function channel(key: number, options: Options, { layout }: Codec): Channel {
  const shape = { key, ...named(options, LANES), ...kept(options) };
  if (layout !== undefined) return Channel.of(layout, shape) as unknown as Channel;
  if (opensOnly(options)) return Channel.open(key, named(options, JOIN));
  return Channel.openOrCreate({ ...shape, ...named(options, { size: "messageSize" }) });
}

function producer(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = channel(key, options, codec);
  const lane = closingOnFailure(joined, () => joined.producer());
  return {
    async *send(payloads, ms, tag): Sending {
      for (const payload of payloads) {
        const message = codec.decode(payload);
        if (ms === 0) yield lane.trySend(message, { tag }) ? "sent" : "unsent";
        else yield await lane.send(message, { tag, timeout: ms }).then(() => "sent");
      }
    },
    stage: (payload, tag) => void lane.stage(codec.decode(payload), { tag }),
    close: () => void joined.close(),
  };
}

function consumer(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = channel(key, options, codec);
  const lanes = closingOnFailure(joined, () => joined.consumer());
  const until = "closed" in options ? { until: "closed" } as const : {};
  return {
    receive: async (ms) => {
      const message = await lanes.receive({ timeout: ms, ...until });
      return message && [codec.encode(message.value), `tag=${message.tag}`, `lane=${message.lane}`];
    },
    ack: () => lanes.ack(),
    nack: () => lanes.nack(),
    close: () => void joined.close(),
  };
}

function latest(key: number, options: Options, { layout }: Codec): Latest {
  const join = { ...named(options, JOIN), ...flag(options, "readonly", "readOnly") };
  const shape = { key, ...join, ...named(options, { cells: "cells" }), ...kept(options) };
  if (layout !== undefined) return Latest.of(layout, shape) as unknown as Latest;
  if (opensOnly(options)) return Latest.open(key, join);
  return Latest.openOrCreate({ ...shape, size: Number(options["size"]) });
}

function writer(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = latest(key, options, codec);
  const role = closingOnFailure(joined, () => joined.writer());
  return {
    async *send(payloads): Sending {
      for (const payload of payloads) yield role.write(codec.decode(payload));
    },
    close: () => void joined.close(),
  };
}

function reader(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = latest(key, options, codec);
  const values = joined.reader();
  return {
    receive: async (ms) => {
      const { value, version } = await values.wait({ timeout: ms });
      return [codec.encode(value), `version=${version}`];
    },
    close: () => void joined.close(),
  };
}

function topic(key: number, options: Options, { layout }: Codec): Topic {
  const join = { ...named(options, JOIN), ...flag(options, "readonly", "readOnly") };
  const shape = { key, ...join, ...named(options, LANES), ...kept(options) };
  if (layout !== undefined) return Topic.of(layout, shape) as unknown as Topic;
  if (opensOnly(options)) return Topic.open(key, join);
  return Topic.openOrCreate({ ...shape, ...named(options, { size: "messageSize" }) });
}

function publisher(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = topic(key, options, codec);
  const lane = closingOnFailure(joined, () => joined.publisher());
  return {
    async *send(payloads, _ms, tag): Sending {
      const last = lane.publishBatch(payloads.map((payload) => codec.decode(payload)), { tag });
      for (let left = payloads.length; left > 0; left--) yield last - left + 1;
    },
    close: () => void joined.close(),
  };
}

function subscriber(key: number, options: Options): Handle {
  const codec = new Codec(options);
  const joined = topic(key, options, codec);
  const messages = joined.subscriber(named(options, { history: "history" }));
  return {
    receive: async (ms) => {
      const { value, tag, lane, number, missed } = await messages.receive({ timeout: ms });
      const facts = { tag, lane, number, missed };
      return [
        codec.encode(value),
        ...Object.entries(facts).map(([name, fact]) => `${name}=${fact}`),
      ];
    },
    close: () => void joined.close(),
  };
}

/** Leaves what was joined if its role cannot be taken. */
function closingOnFailure<T>(joined: { close(): void }, take: () => T): T {
  try {
    return take();
  } catch (error) {
    joined.close();
    throw error;
  }
}

const ROLES = { client, server, producer, consumer, writer, reader, publisher, subscriber };

const handles = new Map<string, Handle>();

const payload = (word: string): Bytes =>
  word === "-" ? new Uint8Array() : new Uint8Array(Buffer.from(word, "hex"));

async function receive(handle: Handle, ms: number, count: number): Promise<string[]> {
  const words: string[] = [];
  while (words.length < count) {
    try {
      const received = await handle.receive!(ms);
      if (received === undefined) return [...words, "end"];
      const [bytes, ...facts] = received;
      words.push([Buffer.from(bytes).toString("hex") || "-", ...facts].join(","));
    } catch (error) {
      if (ShmError.is(error, "ETIMEDOUT")) return [...words, "none"];
      throw error;
    }
  }
  return words;
}

async function send(handle: Handle, ms: number, tag: number, words: string[]): Promise<string[]> {
  const answer: string[] = [];
  try {
    for await (const word of handle.send!(words.map(payload), ms, tag)) answer.push(`${word}`);
  } catch (error) {
    if (!ShmError.is(error, "ETIMEDOUT")) throw error;
    answer.push("unsent");
  }
  const unsent = answer.indexOf("unsent");
  return unsent === -1 ? answer : answer.slice(0, unsent + 1);
}

/** Does what a line says, and returns the words of the answer. */
async function answer([verb, name, ...words]: readonly string[]): Promise<readonly string[]> {
  if (verb === "slice") return [];
  if (verb === "open") {
    const [role, key, ...options] = words;
    const given = Object.fromEntries(
      options.map((option) => /^(\w+)=(.*)$/.exec(option)!.slice(1)),
    );
    handles.set(name!, ROLES[role as keyof typeof ROLES](Number(key), given));
    return [];
  }
  const handle = handles.get(name!)!;
  switch (verb) {
    case "send":
      return await send(handle, Number(words[0]), Number(words[1]), words.slice(2));
    case "receive":
      return await receive(handle, Number(words[0]), Number(words[1]));
    case "stage":
      handle.stage!(payload(words[1]!), Number(words[0]));
      return [];
    case "ack":
    case "nack":
      handle[verb]!();
      return [];
    case "close":
      handle.close();
      return [];
  }
  throw new TypeError(`no verb of the line protocol: ${verb}`);
}

let input = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  input += chunk;
  for (let end; (end = input.indexOf("\n")) !== -1; input = input.slice(end + 1)) {
    let line: string;
    try {
      line = ["ok", ...await answer(input.slice(0, end).split(" "))].join(" ");
    } catch (error) {
      line = `error ${error instanceof Error ? error.message : error}`.replaceAll("\n", " ");
    }
    console.log(line);
  }
}
