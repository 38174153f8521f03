/** What the front doors export: no property of any class's objects can be assigned. */

import assert from "node:assert/strict";
import {
  AtomicInt32,
  Channel,
  Latest,
  MailboxClient,
  MailboxServer,
  Mutex,
  Role,
  Segment,
  SemaphoreSet,
  ShmEntry,
  ShmError,
  Topic,
} from "../mod.ts";
import { BridgeError } from "../src/nats/mod.ts";
import { SeqlockReader } from "../src/sync/mod.ts";
import { FRONT_DOORS, LIBRARY } from "./support/front_doors.ts";
import { guardAgainstLeaks } from "./support/leaks.ts";
import { testWith } from "./support/needs.ts";
import { freshKey, PROJECT } from "./support/peer.ts";

guardAgainstLeaks();

/** One object of each public class, by the class's name, and what takes them away again. */
function objects(stack: DisposableStack): Readonly<Record<string, object>> {
  const segment = stack.use(Segment.create({ size: 64 }));
  segment.remove();
  const set = SemaphoreSet.create({ count: 1 });
  stack.defer(() => set.remove());
  const mutex = new Mutex(set);
  const lock = stack.use(mutex.lockSync());
  const entry = stack.use(ShmEntry.open(freshKey()));
  entry.segment.remove();
  const key = freshKey();
  const channel = stack.use(Channel.openOrCreate({ key, lanes: 2, laneCapacity: 4096 }));
  const producer = stack.use(channel.producer());
  const mailbox = freshKey();
  const topic = stack.use(Topic.openOrCreate({ key: freshKey(), laneCapacity: 256 }));
  const latest = stack.use(Latest.openOrCreate({ key: freshKey(), size: 8 }));
  return {
    Segment: segment,
    SemaphoreSet: set,
    PreparedOperations: SemaphoreSet.prepare([{ semaphore: 0, add: 0 }]),
    Mutex: mutex,
    MutexLock: lock,
    Role: new Role(set, 0),
    AtomicInt32: new AtomicInt32(segment, 0),
    SeqlockReader: new SeqlockReader(segment, { counter: 0 }),
    ShmEntry: entry,
    ShmError: new ShmError("try", "shmget", 2),
    BridgeError: new BridgeError("ESTREAM", "try", "it failed"),
    Channel: channel,
    Producer: producer,
    Consumer: stack.use(channel.consumer()),
    Reservation: stack.use(producer.claim(4)!),
    Latest: latest,
    LatestReader: stack.use(latest.reader()),
    LatestWriter: stack.use(latest.writer()),
    Topic: topic,
    Publisher: stack.use(topic.publisher()),
    Subscriber: stack.use(topic.subscriber()),
    MailboxServer: stack.use(MailboxServer.open({ key: mailbox })),
    MailboxClient: stack.use(MailboxClient.open({ key: mailbox })),
  };
}

/** The public names of an object and of all it inherits, but for what `base` has. */
function names(object: object, base: object): PropertyKey[] {
  const all = new Set<PropertyKey>();
  for (let at = object; at !== base; at = Object.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) all.add(name);
  }
  return [...all];
}

function hasSetter(object: object, name: PropertyKey): boolean {
  for (let at = object; at !== null; at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, name);
    if (property !== undefined) return property.set !== undefined;
  }
  return false;
}

Deno.test("mod.ts: the objects of every public class refuse to be changed", () => {
  using stack = new DisposableStack();
  for (const [kind, object] of Object.entries(objects(stack))) {
    const base = object instanceof Error ? Error.prototype : Object.prototype;
    for (const name of names(object, base)) {
      if (object instanceof Error && ["stack", "message", "constructor"].includes(String(name))) {
        continue;
      }
      const what = `${kind}.${String(name)}`;
      if (!hasSetter(object, name)) assert(!Reflect.set(object, name, 7), what);
      assert(!Reflect.defineProperty(object, name, { value: 7 }), what);
      assert(!Reflect.defineProperty(object, name, { get: () => 7 }), what);
    }
  }
});

Deno.test("mod.ts: no constant of a public class can be assigned", () => {
  for (const [kind, exported] of Object.entries(LIBRARY)) {
    if (typeof exported !== "function") continue;
    for (const name of Reflect.ownKeys(exported)) {
      const before: unknown = Reflect.get(exported, name);
      if (typeof before === "function" || name === "prototype") continue;
      assert(!Reflect.set(exported, name, before), `${kind}.${String(name)}`);
    }
  }
});

testWith(
  { files: true },
  "mod.ts: the objects tried are of all exported classes",
  () => {
    using stack = new DisposableStack();
    const tried = new Set(Object.values(objects(stack)).map(({ constructor }) => constructor.name));
    const exported = FRONT_DOORS.filter((front) => front.startsWith("src/")).flatMap((front) => {
      const url = new URL(front, `file://${PROJECT}`);
      const exports = Deno.readTextFileSync(url).matchAll(
        /export (?:type )?\{([^}]*)\} from "([^"]+)"/g,
      );
      return exports.flatMap(([, list, file]) => {
        const text = Deno.readTextFileSync(new URL(file!, url));
        return list!.matchAll(/\w+/g).map(([name]) => name!).filter((name) =>
          new RegExp(`^export (abstract )?class ${name}\\b`, "m").test(text)
        );
      }).toArray();
    });
    assert(exported.length > 10);
    assert.deepEqual(exported.filter((name) => !tried.has(name)), []);
  },
);
