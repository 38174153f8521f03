/**
 * A topic in Deno; `topic.c` is its twin. ADDRESS is KEY/SUBSCRIBERS. `send` publishes one message after the
 * other, at full speed, when all subscribers are there, and ends with one whose tag is 1; `recv` drains. What a
 * subscriber missed is not among its messages. `look` drains only 50 times a second, what the ring holds then.
 */

import { SemaphoreSet, ShmError, Topic } from "../../mod.ts";
import { DISTINCT, distinct, Meter, type Part, play } from "./peer.ts";

const END = 1;
/** Milliseconds between two looks at whether the sender has ended. */
const LOOK_MS = 20;

interface Met {
  readonly topic: Topic;
  readonly set: SemaphoreSet;
}

/** Opens the topic, and waits until all subscribers have subscribed by `enter`. The sender removes the set. */
async function met<Entered>(
  { address }: Part,
  enter: (topic: Topic) => Entered,
): Promise<Met & { readonly entered: Entered }> {
  const [key, subscribers] = address.split("/").map(Number) as [number, number];
  const topic = Topic.openOrCreate({ key, lanes: 1 });
  const entered = enter(topic);
  const set = SemaphoreSet.openOrCreate({
    key: key + 1,
    count: 1,
    values: [subscribers + 1],
  });
  await set.op([{ semaphore: 0, add: -1 }]);
  try {
    await set.op([{ semaphore: 0, add: 0 }]);
  } catch (error) {
    // The sender removes it at its end, when all were there
    if (!ShmError.is(error, "EIDRM") && !ShmError.is(error, "EINVAL")) throw error;
  }
  return { topic, set, entered };
}

async function send(part: Part): Promise<void> {
  const { topic, set, entered: publisher } = await met(
    part,
    (topic) => topic.publisher(),
  );
  const messages = distinct(() => part.size);
  const run = (count: number): void => {
    for (let i = 0; i < count; i++) publisher.publish(messages[i % DISTINCT]!);
  };
  run(part.warm);
  const meter = new Meter(part);
  meter.begin();
  run(part.count);
  meter.end(part.count);
  publisher.publish(messages[0]!, { tag: END });
  topic.close();
  set.remove();
}

/** Drains until the end. What counts is from the first message that was sent after the warm-up. */
async function recv(part: Part): Promise<void> {
  const { topic, entered: subscriber } = await met(
    part,
    (topic) => topic.subscriber(),
  );
  const meter = new Meter(part);
  let ended = false;
  let received = 0;
  let sum = 0;
  const visit = (bytes: Uint8Array, tag: number): void => {
    received++;
    sum += bytes[0]!;
    ended ||= tag === END;
  };
  while (!ended) {
    if (!meter.running && received + subscriber.missed >= part.warm) {
      received = 0;
      meter.begin();
    }
    if (subscriber.drain(visit) === 0) await subscriber.ready();
  }
  meter.end(received, { sum });
  topic.close();
}

async function look(part: Part): Promise<void> {
  const { topic, entered: subscriber } = await met(
    part,
    (topic) => topic.subscriber(),
  );
  let ended = false;
  while (!ended) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    subscriber.drain((_, tag) => void (ended ||= tag === END));
  }
  topic.close();
}

await play({ send, recv, look });
