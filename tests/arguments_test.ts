/**
 * What every exported function and method does with wrong arguments: it refuses them by name, with nothing
 * done, or works. Never the engine's own words, never a crash, never a write.
 */

import assert from "node:assert/strict";
import {
  array,
  AtomicInt32,
  bool,
  Channel,
  cString,
  i32,
  Latest,
  MailboxClient,
  MailboxServer,
  Mutex,
  parseStruct,
  Role,
  Segment,
  SemaphoreSet,
  ShmEntry,
  ShmError,
  struct,
  Topic,
  u8,
} from "../mod.ts";
import { SeqlockReader } from "../src/sync/mod.ts";
import { statTopic } from "../src/topic/mod.ts";
import { LIBRARY } from "./support/front_doors.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { freshKey } from "./support/peer.ts";

guardAgainstLeaks();

const Pair = struct({ n: i32, name: cString(4) });

/** One object of everything, and messages that wait, so that no call that works has to. */
class World implements Disposable {
  readonly #stack = new DisposableStack();
  readonly segment = this.#stack.use(Segment.create({ size: 64 }));
  readonly set = SemaphoreSet.create({ count: 3, values: [3, 0, 0] });
  readonly word = new AtomicInt32(this.segment, 0);
  readonly reader = new SeqlockReader(this.segment, { counter: 8 });
  readonly role = new Role(this.set, 1);
  readonly mutex = new Mutex(this.set, 1);
  readonly lock = new Mutex(this.set, 2).lockSync();
  readonly entry = this.#stack.use(ShmEntry.open(freshKey()));
  readonly channel = this.#stack.use(
    Channel.openOrCreate({ key: freshKey(), lanes: 4, laneCapacity: 256 }),
  );
  readonly producer = this.#stack.use(this.channel.producer());
  readonly consumer = this.#stack.use(this.channel.consumer());
  readonly reserving = this.#stack.use(this.channel.producer());
  readonly reservation = this.reserving.claim(4)!;
  readonly typed = this.#stack.use(
    Channel.of(Pair, { key: freshKey(), lanes: 2, laneCapacity: 256 }),
  );
  readonly typedProducer = this.#stack.use(this.typed.producer());
  readonly typedConsumer = this.#stack.use(this.typed.consumer());
  readonly latest = this.#stack.use(Latest.openOrCreate({ key: freshKey(), size: 8, cells: 2 }));
  readonly latestWriter = this.#stack.use(this.latest.writer());
  readonly latestReader = this.#stack.use(this.latest.reader());
  readonly pose = this.#stack.use(Latest.of(Pair, { key: freshKey(), cells: 2 }));
  readonly poseWriter = this.#stack.use(this.pose.writer());
  readonly free = this.#stack.use(Latest.openOrCreate({ key: freshKey(), size: 8, cells: 2 }));
  readonly topic = this.#stack.use(
    Topic.openOrCreate({ key: freshKey(), lanes: 4, laneCapacity: 256 }),
  );
  readonly publisher = this.#stack.use(this.topic.publisher());
  readonly subscriber = this.#stack.use(this.topic.subscriber());
  readonly structs = this.#stack.use(
    Topic.of(Pair, { key: freshKey(), lanes: 2, laneCapacity: 256 }),
  );
  readonly structPublisher = this.#stack.use(this.structs.publisher());
  readonly mailboxKey = freshKey();
  readonly server = this.#stack.use(MailboxServer.open({ key: this.mailboxKey }));
  readonly client = this.#stack.use(MailboxClient.open({ key: this.mailboxKey }));
  readonly buffer = new ArrayBuffer(16);
  readonly view = Pair.view(this.buffer);

  constructor() {
    this.#stack.defer(() => this.set.remove());
    this.segment.remove();
    this.entry.segment.remove();
    this.word.store(7);
    this.producer.trySend(new Uint8Array(8));
    this.typedProducer.trySend({ n: 1, name: "one" });
    this.client.trySend("hello");
    this.latestWriter.write(new Uint8Array(8));
    this.publisher.publish(new Uint8Array(8));
  }

  /** All that a call that is refused must leave as it is. */
  shot(): unknown {
    return [
      this.segment.read(),
      this.set.values(),
      this.entry.segment.read(),
      this.channel.stats(),
      this.typed.stats(),
      this.server.segment.read(),
      this.latest.isOpen && this.latest.reader().read(),
      this.pose.isOpen && this.pose.reader().read(),
      this.free.isOpen && this.free.writerPid,
      this.topic.isOpen && statTopic(this.topic.id).lanes,
      this.structs.isOpen && statTopic(this.structs.id).lanes,
      new Uint8Array(this.buffer).slice(),
    ];
  }

  /** What a getter does in the middle of a call. */
  close(): void {
    this[Symbol.dispose]();
    if (!this.buffer.detached) this.buffer.transfer();
  }

  [Symbol.dispose](): void {
    // What was in the mailbox and the channels would keep them there; closing publishes what is staged
    for (const producer of [this.producer, this.reserving, this.typedProducer]) producer.close();
    if (this.channel.isOpen) this.consumer.drain(() => {});
    if (this.typed.isOpen) this.typedConsumer.drain(() => {});
    if (this.server.segment.attached) {
      this.server.tryReceive();
      this.server.ack();
    }
    this.#stack.dispose();
  }
}

/** Gives a value in a world. */
type In<T> = (world: World) => T;

/** An argument: what it is called in errors, and a right value. */
interface Parameter {
  readonly name: RegExp;
  readonly value: In<unknown>;
  /** The names of options that may be absent; the value holds those that may not. */
  readonly options?: readonly string[];
  /** Whether the call would wait for ever without what the value says. */
  readonly waits?: boolean;
  /** Values that act while the call reads them. */
  readonly hostile?: readonly In<unknown>[];
}

/** The names of an argument in errors, and a right value. */
function arg(name: string, value: In<unknown>, more: Partial<Parameter> = {}): Parameter {
  return { name: new RegExp(`\\b(${name})\\b`), value, ...more };
}

/** An object of options, `needed` among them. */
function opts(
  options: string,
  needed: In<object> = () => ({}),
  more: Partial<Parameter> & { readonly as?: string } = {},
): Parameter {
  const names = options === "" ? [] : options.split(" ");
  const known = [...new Set(names)].join("|");
  return arg(`${more.as ?? "options"}|${known}`, needed, { options: names, ...more });
}

const bytes = (): Uint8Array => new Uint8Array(8);
const key: In<number> = () => freshKey();
const placement = "execute address round";
const wait = "timeout signal";
const operations: Parameter = arg(
  "operations?|semaphore|add|undo|noWait",
  () => [{ semaphore: 0, add: -1 }],
  {
    hostile: [
      (world) => [{
        semaphore: 0,
        get add(): number {
          world.close();
          return -1;
        },
      }],
      () => [null],
      () => [{ semaphore: 0, add: -1, und: true }],
      () => ({ operations: 5 }),
      () => [{ semaphore: 5n, add: -1 }],
      () => [{ semaphore: 0, add: Symbol("s") }],
    ],
  },
);
const payload = arg("message", bytes, {
  hostile: [gone, () => Object.create(Uint8Array.prototype)],
});
const message = arg("value|n|name|field", () => ({ n: 1, name: "a" }), {
  hostile: [
    (world) => ({
      name: "a",
      get n(): number {
        world.close();
        return 1;
      },
    }),
    () => ({ n: "1", name: "a" }),
    () => ({ n: 1, name: "a", m: 2 }),
  ],
});
const tag = opts("tag");
const semaphore = arg("semaphore", () => 0);
/** Over before it begins. */
const consuming = opts("timeout signal until", () => ({ signal: AbortSignal.abort() }), {
  waits: true,
});
const soon = (): object => ({ timeout: 0 });
const text = arg("text", () => "hello");
const memory = arg("ArrayBuffer", ({ buffer }) => buffer);
const at = arg("offset", () => 0);

/** A payload whose memory is somewhere else by now. */
function gone(): Uint8Array {
  const away = new Uint8Array(8);
  away.buffer.transfer();
  return away;
}

/** The arguments of every function and method, in order. */
const PARAMETERS: Readonly<Record<string, readonly Parameter[]>> = {
  aligned: [arg("layout|align", () => i32), arg("align", () => 8)],
  anonymous: [arg("layout", () => Pair)],
  array: [arg("element", () => i32), arg("length", () => 2)],
  bits: [arg("type|bits", () => i32), arg("width", () => 3)],
  bytesOf: [
    arg("view", ({ view }) => view),
    arg("name|field", () => "name", { hostile: [() => "toString"] }),
  ],
  cString: [arg("size", () => 8), opts("full")],
  flexible: [arg("element", () => i32)],
  parseStruct: [arg("text|line", () => "struct P { int x; };")],
  struct: [
    arg("fields|field|plain object", () => ({ n: i32 })),
    opts("pack align", undefined, {
      as: "options|pack|alignment",
    }),
  ],
  union: [
    arg("fields|field|plain object", () => ({ n: i32 })),
    opts("pack align", undefined, {
      as: "options|pack|alignment",
    }),
  ],
  ftok: [arg("path", () => "/"), arg("projectId|project id", () => 1)],
  parseKey: [arg("text|key", () => "0x457")],
  segmentLimits: [],
  segmentUsage: [],
  semaphoreLimits: [],
  semaphoreUsage: [],
  listSegments: [],
  listSemaphoreSets: [],
  findSegment: [arg("key", key)],
  findSemaphoreSet: [arg("key", key)],
  removeSegment: [arg("id", ({ segment }) => segment.id)],
  removeSemaphoreSet: [arg("id", ({ set }) => set.id)],
  statSegment: [arg("id", ({ segment }) => segment.id)],
  statSemaphoreSet: [arg("id", ({ set }) => set.id)],
  setSegmentPermissions: [
    arg("id", ({ segment }) => segment.id),
    opts("mode uid gid", undefined, { as: "change|user id|group id" }),
  ],
  setSemaphoreSetPermissions: [
    arg("id", ({ set }) => set.id),
    opts("mode uid gid", undefined, { as: "change|user id|group id" }),
  ],
  listChannels: [opts("trust")],
  statChannel: [arg("id", ({ channel }) => channel.id), opts("trust")],
  listLatests: [opts("trust")],
  statLatest: [arg("id", ({ latest }) => latest.id), opts("trust")],

  record: [
    arg("source", ({ consumer }) => consumer),
    opts(
      "file count signal onProgress",
      () => ({ file: "/nowhere/at.all", signal: AbortSignal.abort() }),
      { waits: true },
    ),
  ],
  replay: [
    arg("target", ({ channel }) => channel),
    opts(
      "file fast signal onProgress",
      () => ({ file: "/nowhere/at.all", signal: AbortSignal.abort() }),
      { waits: true },
    ),
  ],
  bridgeOut: [
    arg("source", ({ consumer }) => consumer),
    opts(
      "server connection stream subject create signal onProgress maxInFlight",
      () => ({ stream: "S", subject: "s.x", signal: AbortSignal.abort() }),
      { waits: true },
    ),
  ],
  bridgeIn: [
    arg("target", ({ producer }) => producer),
    opts(
      "server connection stream subject durable signal onProgress maxInFlight",
      () => ({ stream: "S", durable: "d", signal: AbortSignal.abort() }),
      { waits: true },
    ),
  ],
  "new BridgeError": [
    arg("code", () => "ESTREAM"),
    arg("action", () => "try"),
    arg("reason", () => "it failed"),
  ],

  listTopics: [opts("trust")],
  statTopic: [arg("id", ({ topic }) => topic.id), opts("trust")],

  "new Role": [arg("set", ({ set }) => set), semaphore],
  "new Mutex": [arg("set", ({ set }) => set), semaphore],
  "new AtomicInt32": [arg("segment", ({ segment }) => segment), at],
  "new SeqlockReader": [
    arg("segment", ({ segment }) => segment),
    opts("counter begun finished offset length", () => ({ counter: 0 })),
  ],
  "new ShmError": [
    arg("action", () => "try"),
    arg("call", () => "shmget"),
    arg("reason", () => 2),
    arg("details", () => ({})),
  ],
  // Any value at all is an error that is not ours
  "ShmError.is": [],
  "Segment.create": [
    opts(`key size mode noReserve hugePages ${placement}`, () => ({ size: 8 })),
  ],
  "Segment.open": [arg("key", key), opts(`minSize readOnly trust ${placement}`)],
  "Segment.openOrCreate": [
    opts(`key size mode noReserve hugePages trust ${placement}`, (world) => ({
      key: key(world),
      size: 8,
    })),
  ],
  "Segment.attach": [arg("id", ({ segment }) => segment.id), opts(`readOnly trust ${placement}`)],
  "SemaphoreSet.create": [opts("key count mode values", () => ({ count: 2 }))],
  "SemaphoreSet.open": [arg("key", key), opts("count minCount trust")],
  "SemaphoreSet.openOrCreate": [
    opts("key count mode values trust", (world) => ({ key: key(world), count: 2 })),
  ],
  "SemaphoreSet.attach": [arg("id", ({ set }) => set.id), opts("trust")],
  "SemaphoreSet.prepare": [operations],
  "Mutex.openOrCreate": [opts("key mode trust", (world) => ({ key: key(world) }))],
  "Channel.openOrCreate": [
    opts("key lanes laneCapacity messageSize mode persistent trust timeout", (world) => ({
      key: key(world),
    })),
  ],
  "Channel.open": [arg("key", ({ channel }) => channel.key), opts("trust timeout")],
  "Channel.of": [
    arg("layout", () => Pair),
    opts("key lanes laneCapacity mode persistent trust timeout", (world) => ({ key: key(world) })),
  ],
  "Latest.openOrCreate": [
    opts("key size cells mode persistent trust timeout", (world) => ({ key: key(world), size: 8 })),
  ],
  "Latest.open": [arg("key", ({ latest }) => latest.key), opts("readOnly trust timeout")],
  "Latest.of": [
    arg("layout", () => Pair),
    opts("key cells mode persistent readOnly trust timeout", (world) => ({ key: key(world) })),
  ],
  "Topic.openOrCreate": [
    opts("key lanes laneCapacity messageSize mode persistent trust timeout", (world) => ({
      key: key(world),
    })),
  ],
  "Topic.open": [arg("key", ({ topic }) => topic.key), opts("readOnly trust timeout")],
  "Topic.of": [
    arg("layout", () => Pair),
    opts("key lanes laneCapacity mode persistent readOnly trust timeout", (world) => ({
      key: key(world),
    })),
  ],
  "MailboxServer.open": [
    opts("key mode trust recreate timeout persistent", (world) => ({ key: key(world) })),
  ],
  "MailboxClient.open": [opts("key mode trust recreate timeout", (world) => ({ key: key(world) }))],
  "ShmEntry.open": [arg("key", key), opts("mode trust")],
  "ShmEntry.over": [arg("segment", ({ entry }) => Segment.attach(entry.segment.id))],

  "Segment#read": [at, arg("length|bytes", () => 4)],
  "Segment#text": [at, arg("length|bytes", () => 4)],
  "Segment#write": [arg("data", bytes, { hostile: [gone] }), at],
  "Segment#view": [
    arg("layout|size|view", () => Pair, {
      hostile: [
        (world) => ({
          get size(): number {
            world.close();
            return 4;
          },
          view: () => 1,
        }),
        () => ({ size: 4 }),
        () => ({ size: Symbol("s"), view: () => 1 }),
      ],
    }),
    at,
  ],
  "Segment#setPermissions": [opts("mode uid gid", undefined, { as: "change|user id|group id" })],
  "Segment#stat": [],
  "Segment#lockMemory": [],
  "Segment#unlockMemory": [],
  "Segment#remove": [],
  "Segment#detach": [],
  "SemaphoreSet#tryOp": [operations],
  "SemaphoreSet#op": [operations, opts(wait)],
  "SemaphoreSet#opSync": [operations, opts("timeout")],
  "SemaphoreSet#values": [],
  "SemaphoreSet#setValues": [
    arg("values?", () => [1, 2, 3], {
      hostile: [
        () => [1],
        () => [1, "2"],
        () => [1, 2n],
        (world) => {
          const values = [1, 2, 3];
          Object.defineProperty(values, 1, { get: () => (world.close(), 2) });
          return values;
        },
        () => new Array(2 ** 32 - 1),
      ],
    }),
  ],
  "SemaphoreSet#value": [semaphore],
  "SemaphoreSet#setValue": [semaphore, arg("value", () => 1)],
  "SemaphoreSet#waitingForIncrease": [semaphore],
  "SemaphoreSet#waitingForZero": [semaphore],
  "SemaphoreSet#lastPid": [semaphore],
  "SemaphoreSet#stat": [],
  "SemaphoreSet#setPermissions": [
    opts("mode uid gid", undefined, { as: "change|user id|group id" }),
  ],
  "SemaphoreSet#remove": [],
  "AtomicInt32#load": [],
  "AtomicInt32#store": [arg("value", () => 5)],
  "AtomicInt32#add": [arg("summand", () => 5)],
  "AtomicInt32#compareExchange": [arg("expected", () => 5), arg("replacement", () => 6)],
  "AtomicInt32#wait": [arg("value", () => 5), opts(wait)],
  "AtomicInt32#waitSync": [arg("value", () => 5), opts("timeout")],
  "AtomicInt32#notify": [arg("count", () => 5)],
  "SeqlockReader#tryRead": [],
  "SeqlockReader#read": [opts(wait)],
  "SeqlockReader#readSync": [opts("timeout")],
  "Role#tryAcquire": [],
  "Role#acquire": [opts(wait)],
  "Role#acquireSync": [opts("timeout")],
  "Role#release": [],
  "Mutex#lock": [opts(wait)],
  "Mutex#withLock": [arg("body", () => () => {}), opts(wait)],
  "Mutex#lockSync": [opts("timeout")],
  "Mutex#tryLock": [],
  "Mutex#remove": [],
  "MutexLock#release": [],
  "Channel#producer": [opts("withoutConsumer spin")],
  "Channel#consumer": [opts("spin")],
  "Channel#stats": [],
  "Channel#remove": [],
  "Channel#close": [],
  "Producer#trySend": [payload, tag],
  "Producer#stage": [payload, tag],
  "Producer#publish": [],
  "Producer#sendBatch": [
    arg("messages", () => [bytes(), bytes()], {
      hostile: [
        (world) => [bytes(), {
          get length(): number {
            world.close();
            return 8;
          },
        }],
        () => [bytes(), "abc"],
        () => [bytes(), gone()],
        () => [bytes(), null],
        () => new Array(3),
      ],
    }),
    tag,
  ],
  "Producer#sendSync": [payload, opts("tag timeout")],
  "Producer#send": [payload, opts(`tag ${wait}`)],
  "Producer#claim": [arg("length|bytes", () => 8), tag],
  "Producer#scratch": [arg("length", () => 8)],
  "Producer#close": [],
  "Producer of structs#trySend": [message, tag],
  "Producer of structs#stage": [message, tag],
  "Producer of structs#publish": [],
  "Producer of structs#sendBatch": [
    arg("messages|value|n|name|field", () => [{ n: 1, name: "a" }, { n: 2, name: "b" }], {
      hostile: [() => [{ n: 1, name: "a" }, null], () => new Array(3)],
    }),
    tag,
  ],
  "Producer of structs#sendSync": [message, opts("tag timeout")],
  "Producer of structs#send": [message, opts(`tag ${wait}`)],
  "Producer of structs#claim": [arg("length|bytes", () => Pair.size), tag],
  "Producer of structs#scratch": [arg("length", () => 8)],
  "Producer of structs#close": [],
  "Reservation#commit": [],
  "Reservation#abort": [],
  "Consumer#tryReceive": [opts("ack")],
  "Consumer#receive": [opts(`ack until ${wait}`)],
  "Consumer#receiveSync": [opts("ack until timeout")],
  "Consumer#ready": [opts(`ack until ${wait}`)],
  "Consumer#readySync": [opts("ack until timeout")],
  "Consumer#consume": [arg("handler", () => () => {}), consuming],
  "Consumer#messages": [opts(`ack until ${wait}`)],
  "Consumer#drain": [arg("visit", () => () => {}), opts("max ack")],
  "Consumer#drainText": [arg("visit", () => () => {}), opts("max ack")],
  "Consumer#discard": [arg("lane", () => 0)],
  "Consumer#ack": [],
  "Consumer#nack": [],
  "Consumer#close": [],
  "Latest#writer": [],
  "Latest#acquireWriter": [opts(wait)],
  "Latest#reader": [opts("spin")],
  "Latest#remove": [],
  "Latest#close": [],
  "LatestWriter#write": [
    arg("value", bytes, { hostile: [gone, () => Object.create(Uint8Array.prototype)] }),
  ],
  "LatestWriter#update": [arg("edit", () => () => {})],
  "LatestWriter#close": [],
  "LatestWriter of structs#write": [message],
  "LatestWriter of structs#update": [arg("edit", () => () => {})],
  "LatestWriter of structs#close": [],
  "LatestReader#read": [],
  "LatestReader#view": [arg("show", () => () => {})],
  "LatestReader#wait": [opts(wait)],
  "LatestReader#waitSync": [opts("timeout")],
  "LatestReader#changes": [opts(wait)],
  "LatestReader#close": [],
  "Topic#publisher": [],
  "Topic#subscriber": [opts("history spin")],
  "Topic#remove": [],
  "Topic#close": [],
  "Publisher#publish": [payload, tag],
  "Publisher#publishBatch": [
    arg("messages", () => [bytes(), bytes()], {
      hostile: [
        (world) => [bytes(), {
          get length(): number {
            world.close();
            return 8;
          },
        }],
        () => [bytes(), "abc"],
        () => [bytes(), gone()],
        () => [bytes(), null],
        () => new Array(3),
      ],
    }),
    tag,
  ],
  "Publisher#scratch": [arg("length", () => 8)],
  "Publisher#close": [],
  "Publisher of structs#publish": [message, tag],
  "Publisher of structs#publishBatch": [
    arg("messages|value|n|name|field", () => [{ n: 1, name: "a" }, { n: 2, name: "b" }], {
      hostile: [() => [{ n: 1, name: "a" }, null], () => new Array(3)],
    }),
    tag,
  ],
  "Publisher of structs#scratch": [arg("length", () => 8)],
  "Publisher of structs#close": [],
  "Subscriber#tryReceive": [],
  "Subscriber#receive": [opts(wait)],
  "Subscriber#receiveSync": [opts("timeout")],
  "Subscriber#ready": [opts(wait)],
  "Subscriber#readySync": [opts("timeout")],
  "Subscriber#messages": [opts(wait)],
  "Subscriber#drain": [arg("visit", () => () => {}), opts("max")],
  "Subscriber#close": [],
  "MailboxServer#tryReceive": [],
  "MailboxServer#receive": [opts(wait)],
  "MailboxServer#receiveSync": [opts("timeout")],
  "MailboxServer#serve": [
    arg("handler", () => () => {}),
    opts("timeout signal", () => ({ signal: AbortSignal.abort() }), { waits: true }),
  ],
  "MailboxServer#messages": [opts("timeout signal")],
  "MailboxServer#ack": [],
  "MailboxServer#nack": [],
  "MailboxServer#close": [],
  "MailboxClient#send": [text, opts(`${wait} onNoServer`, soon, { waits: true })],
  "MailboxClient#sendSync": [text, opts("timeout onNoServer", soon, { waits: true })],
  "MailboxClient#post": [text, opts(`${wait} onNoServer`, soon, { waits: true })],
  "MailboxClient#trySend": [text],
  "MailboxClient#close": [],
  "ShmEntry#tryClear": [],
  "ShmEntry#canRead=": [arg("canRead", () => true)],
  "ShmEntry#msg=": [arg("msg", () => "hello")],

  "ScalarLayout#get": [arg("data", ({ buffer }) => new DataView(buffer)), arg("at", () => 0)],
  "ScalarLayout#set": [
    arg("data", ({ buffer }) => new DataView(buffer)),
    arg("at", () => 0),
    arg("field", () => 5),
    arg("", () => "field"),
  ],
  "StructLayout#view": [memory, at, opts("readOnly")],
  "StructLayout#read": [memory, at],
  "StructLayout#write": [memory, message, at],
  "StructLayout#declare": [arg("name", () => "P")],
  "ParsedStruct#view": [memory, at, opts("readOnly")],
  "ParsedStruct#read": [memory, at],
  "ParsedStruct#write": [memory, arg("value|n|field", () => ({ n: 1 })), at],
  "ParsedStruct#declare": [arg("name", () => "P")],
  "ArrayView#at": [arg("index", () => 0)],
  "ArrayView#set": [
    arg("flags|array", () => [true], { hostile: [() => ({ length: -1 }), () => ({ length: 2n })] }),
    arg("offset", () => 0),
  ],
  "ArrayView#sort": [arg("compare", () => () => 0)],
  "ArrayView#reverse": [],
  "ArrayView#copyWithin": [
    arg("target", () => 0),
    arg("start", () => 1),
    arg("end", () => 2),
  ],
  "ArrayView#fill": [arg("flags", () => true), arg("start", () => 0), arg("end", () => 1)],
  // They only throw
  "ArrayView#push": [],
  "ArrayView#pop": [],
  "ArrayView#shift": [],
  "ArrayView#unshift": [],
  "ArrayView#splice": [],
  "ArrayView#toJSON": [],
  "StructView#toJSON": [],
  "StructView#n=": [arg("n", () => 5)],
  "StructView#name=": [arg("name", () => "a")],
};

/** What is no business of callers: its constructor is private, or it is for other rooms only. */
const NOT_CALLED = [
  "new Segment",
  "new SemaphoreSet",
  "new Channel",
  "new Latest",
  "new Topic",
  "new MailboxServer",
  "new MailboxClient",
  "new ShmEntry",
];

/** The object that the methods of a class are called on. */
const RECEIVERS: Readonly<Record<string, In<object>>> = {
  Segment: ({ segment }) => segment,
  SemaphoreSet: ({ set }) => set,
  AtomicInt32: ({ word }) => word,
  SeqlockReader: ({ reader }) => reader,
  Role: ({ role }) => role,
  Mutex: ({ mutex }) => mutex,
  MutexLock: ({ lock }) => lock,
  Channel: ({ channel }) => channel,
  Producer: ({ producer }) => producer,
  "Producer of structs": ({ typedProducer }) => typedProducer,
  Reservation: ({ reservation }) => reservation,
  Consumer: ({ consumer }) => consumer,
  Latest: ({ free }) => free,
  LatestWriter: ({ latestWriter }) => latestWriter,
  "LatestWriter of structs": ({ poseWriter }) => poseWriter,
  LatestReader: ({ latestReader }) => latestReader,
  Topic: ({ topic }) => topic,
  Publisher: ({ publisher }) => publisher,
  "Publisher of structs": ({ structPublisher }) => structPublisher,
  Subscriber: ({ subscriber }) => subscriber,
  MailboxServer: ({ server }) => server,
  MailboxClient: ({ client }) => client,
  ShmEntry: ({ entry }) => entry,
  ScalarLayout: () => i32,
  StructLayout: () => Pair,
  ParsedStruct: () => parseStruct("struct P { int n; };"),
  ArrayView: ({ buffer }) => struct({ flags: array(bool, 2), x: u8 }).view(buffer).flags,
  StructView: ({ view }) => view,
};

/** What is called under each name of {@linkcode PARAMETERS}. */
function* exportedCalls(
  world: World,
): Generator<readonly [string, (...args: unknown[]) => unknown]> {
  for (const [name, value] of Object.entries(LIBRARY)) {
    if (typeof value !== "function") continue;
    if (!/^[A-Z]/.test(name)) {
      yield [name, value as () => unknown];
      continue;
    }
    yield [`new ${name}`, (...args) => Reflect.construct(value, args)];
    for (
      const [own, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(value))
    ) {
      if (typeof method === "function") yield [`${name}.${own}`, method.bind(value)];
    }
  }
  for (const [name, receiver] of Object.entries(RECEIVERS)) {
    const object = receiver(world);
    const seen = new Set<string>(["constructor"]);
    const engine: object[] = [Object.prototype, Array.prototype];
    for (let of: object = object; !engine.includes(of); of = Object.getPrototypeOf(of)) {
      for (const [own, property] of Object.entries(Object.getOwnPropertyDescriptors(of))) {
        // The elements of an array view
        if (seen.has(own) || /^\d+$/.test(own)) continue;
        seen.add(own);
        if (typeof property.value === "function") {
          yield [`${name}#${own}`, property.value.bind(object)];
        }
        if (property.set !== undefined) yield [`${name}#${own}=`, property.set.bind(object)];
      }
    }
  }
}

/** Values that are wrong in most places. */
const ODD: Readonly<Record<string, In<unknown>>> = {
  undefined: () => undefined,
  null: () => null,
  NaN: () => NaN,
  "-0": () => -0,
  "2^53": () => 2 ** 53,
  "1e308": () => 1e308,
  "-1": () => -1,
  bigint: () => 5n,
  string: () => "abc",
  symbol: () => Symbol("s"),
  array: () => [1],
  "plain object": () => ({ odd: 1 }),
  "empty proxy": () => new Proxy({}, {}),
  "proxy of a segment": ({ segment }) => new Proxy(segment, {}),
  "proxy of bytes": () => new Proxy(new Uint8Array(8), {}),
  Date: () => new Date(0),
  AbortSignal: () => AbortSignal.timeout(1e6),
  function: () => () => 1,
  valueOf: (world: World) => ({ valueOf: () => (world.close(), 0) }),
};

/** What only the engine says, or Deno: whoever reads it learns nothing of the argument. */
const ENGINE =
  /expected external|Cannot (?!write|read \d)[a-z]+ |is not (a function|iterable|an object|a constructor|a typed array|a DataView)|private member|Invalid (array|typed|DataView)|Illegal invocation|Receiver|Method .* called|incompatible|out of bounds|of (undefined|null)\b/;

type Outcome = "works" | "refused" | "failed";

/** Calls, and looks at what becomes of it. */
async function outcome(what: string, name: RegExp, call: () => unknown): Promise<Outcome> {
  let result: unknown;
  try {
    result = await call();
    if (typeof result === "object" && result !== null && "next" in result) {
      result = await (result as AsyncIterator<unknown>).next();
    }
  } catch (error) {
    if (error instanceof ShmError) return "failed";
    const { name: kind, message } = error as Error;
    // The reason of the signal that was given
    if (kind === "AbortError") return "failed";
    assert(error instanceof TypeError || error instanceof RangeError, `${what}: ${kind}`);
    const said = `${what}: ${message}`;
    assert.doesNotMatch(message, ENGINE, said);
    if (!/the memory under this view is gone/.test(message)) assert.match(message, name, said);
    return "refused";
  }
  if (typeof result === "object" && result !== null) {
    const made = result as Partial<Segment & Mutex>;
    const set = made.set instanceof SemaphoreSet ? made.set : made;
    if (set.created === true) made.remove?.();
    if (result instanceof ShmEntry && result.segment.created) result.segment.remove();
    (result as Partial<Disposable>)[Symbol.dispose]?.();
  }
  return "works";
}

/** What to try in the place of one argument, with what the errors are to name. */
function* trials(
  parameter: Parameter,
): Generator<readonly [string, RegExp, In<unknown>]> {
  const { name, value, options, waits = false, hostile = [] } = parameter;
  // An id or a key that is somebody else's object is a right argument
  const others = /\b(id|key)\b/.test(name.source) && options === undefined;
  for (const [kind, odd] of Object.entries(ODD)) {
    if (others && ["-0", "-1", "undefined"].includes(kind)) continue;
    if (waits && ["undefined", "empty proxy"].includes(kind)) continue;
    // Where an object of any class may be, its getters are the caller's, and throw the engine's errors
    if (kind === "proxy of bytes" && !/bytes|data|Buffer/.test(name.source)) continue;
    if (kind === "proxy of a segment" && !/segment|set\b/.test(name.source)) continue;
    yield [kind, name, odd];
  }
  for (const [i, act] of hostile.entries()) yield [`hostile ${i}`, name, act];
  if (options === undefined) return;
  for (const option of options) {
    const one = new RegExp(`${name.source}|${option}`, "i");
    for (const [kind, odd] of Object.entries(ODD)) {
      if (option === "key" && kind === "-1") continue;
      // It would be waited for
      if (option === "timeout" && ["2^53", "1e308"].includes(kind)) continue;
      if (waits && ["undefined", "AbortSignal"].includes(kind)) continue;
      yield [`{ ${option}: ${kind} }`, one, (world) => ({
        ...value(world) as object,
        [option]: odd(world),
      })];
    }
    yield [`{ ${option}x }`, new RegExp(`"${option}x"`), (world) => ({
      ...value(world) as object,
      [`${option}x`]: 1,
    })];
    yield [`{ get ${option} } that closes`, one, (world) => {
      const needed = value(world) as Record<string, unknown>;
      return {
        ...needed,
        get [option](): unknown {
          world.close();
          return needed[option];
        },
      };
    }];
  }
}

Deno.test("mod.ts: every exported function and method is tried", () => {
  using world = new World();
  const names = exportedCalls(world).map(([name]) => name).toArray().sort();
  assert.deepEqual(names, [...Object.keys(PARAMETERS), ...NOT_CALLED].sort());
});

for (const [what, parameters] of Object.entries(PARAMETERS)) {
  if (parameters.length === 0) continue;
  Deno.test(`${what}: wrong arguments are refused by name, or work`, async () => {
    let world = new World();
    try {
      for (const [place, parameter] of parameters.entries()) {
        for (const [kind, name, odd] of trials(parameter)) {
          const label = `${what}, argument ${place} ${kind}`;
          const shot = world.shot();
          const args = parameters.map(({ value }) => value(world));
          args[place] = odd(world);
          const [, call] = exportedCalls(world).find(([each]) => each === what)!;
          const came = await outcome(label, name, () => call(...args));
          if (came === "refused" && !/closes|hostile|valueOf/.test(kind)) {
            assert.deepEqual(world.shot(), shot, `${label}: something was done`);
            continue;
          }
          world[Symbol.dispose]();
          world = new World();
        }
      }
    } finally {
      world[Symbol.dispose]();
    }
  });
}
