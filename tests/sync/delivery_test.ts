/** Loops over the messages of every protocol: how they are left, and that nothing is lost by it. */

import assert from "node:assert/strict";
import { Channel, Latest, MailboxClient, MailboxServer, Topic } from "../../mod.ts";
import { freshKey } from "../support/own_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";

guardAgainstLeaks();

/** A protocol with a receiver, numbers to give to it, and what is in hand. */
interface World extends Disposable {
  /** Iterates over the numbers. */
  iterate(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<unknown, undefined>;
  give(number: number): void;
  /** The next number if there is one, without waiting. */
  take(): number | undefined;
  /** The number of a message. */
  numberOf(message: unknown): number;
  /** Closes the receiver. */
  close(): void;
  /** What the next receiver gets, where a message that was not acknowledged comes again. */
  again?(): number | undefined;
}

interface WithBytes {
  readonly bytes: Uint8Array;
}

function topicWorld(): World {
  const topic = Topic.openOrCreate({ key: freshKey(), laneCapacity: 1024 });
  const [publisher, subscriber] = [topic.publisher(), topic.subscriber()];
  return {
    iterate: (options) => subscriber.messages(options),
    give: (number) => void publisher.publish(Uint8Array.of(number)),
    take: () => subscriber.tryReceive()?.bytes[0],
    numberOf: (message) => (message as WithBytes).bytes[0]!,
    close: () => subscriber.close(),
    [Symbol.dispose]: () => topic.close(),
  };
}

function channelWorld(): World {
  const channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 1024 });
  const [producer, consumer] = [channel.producer(), channel.consumer()];
  return {
    iterate: (options) => consumer.messages(options),
    give: (number) => assert(producer.trySend(Uint8Array.of(number))),
    take: () => consumer.tryReceive()?.bytes[0],
    numberOf: (message) => (message as WithBytes).bytes[0]!,
    close: () => consumer.close(),
    again: () => {
      consumer.close();
      using next = channel.consumer();
      return next.tryReceive()?.bytes[0];
    },
    [Symbol.dispose]: () => {
      consumer.close();
      channel.consumer().drain(() => {});
      channel.close();
    },
  };
}

function mailboxWorld(): World {
  const key = freshKey();
  const [server, client] = [MailboxServer.open({ key }), MailboxClient.open({ key })];
  return {
    iterate: (options) => server.messages(options),
    give: (number) => assert(client.trySend(String(number))),
    take: () => {
      const message = server.tryReceive();
      return message === undefined ? undefined : Number(message.text);
    },
    numberOf: (message) => Number((message as { readonly text: string }).text),
    close: () => server.close(),
    again: () => {
      server.close();
      using next = MailboxServer.open({ key });
      return Number(next.tryReceive()?.text);
    },
    [Symbol.dispose]: () => {
      server.close();
      using last = MailboxServer.open({ key });
      last.tryReceive();
      last.ack();
      client.close();
    },
  };
}

function latestWorld(): World {
  const latest = Latest.openOrCreate({ key: freshKey(), size: 8 });
  const [writer, reader] = [latest.writer(), latest.reader()];
  let seen: number | undefined;
  return {
    iterate: (options) => reader.changes(options),
    give: (number) => void writer.write(Uint8Array.of(number)),
    take: () => {
      const number = reader.read()?.value[0];
      if (number === seen) return undefined;
      return seen = number;
    },
    numberOf: (message) => seen = (message as { readonly value: Uint8Array }).value[0]!,
    close: () => reader.close(),
    [Symbol.dispose]: () => latest.close(),
  };
}

const WORLDS = {
  "Subscriber.messages": topicWorld,
  "Consumer.messages": channelWorld,
  "MailboxServer.messages": mailboxWorld,
  "LatestReader.changes": latestWorld,
} as const;

const DONE = { done: true, value: undefined };

/** Lets what has begun get as far as it can without a message: it sleeps. */
const asleep = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

for (const [name, make] of Object.entries(WORLDS)) {
  Deno.test(`${name}: return ends a next that waits, and frees the waiting`, async () => {
    for (const sleeps of [true, false]) {
      using world = make();
      const loop = world.iterate();
      const waiting = [loop.next(), loop.next(), loop.next()];
      if (sleeps) await asleep();
      assert.deepEqual(await loop.return!(), DONE);
      // It has let go of the receiver: no call is before this one
      world.give(1);
      assert.equal(world.take(), 1);
      assert.deepEqual(await Promise.all(waiting), [DONE, DONE, DONE]);
      assert.deepEqual([await loop.next(), await loop.return!()], [DONE, DONE]);
    }
  });

  Deno.test(`${name}: return loses no message that a next has taken already`, async () => {
    using world = make();
    world.give(1);
    const loop = world.iterate();
    const taken = loop.next();
    const left = loop.return!();
    const { value, done } = await taken;
    assert.deepEqual([done, world.numberOf(value)], [false, 1]);
    assert.deepEqual(await left, DONE);
    // The caller that has left may not use it
    if (world.again !== undefined) assert.equal(world.again(), 1);
  });

  Deno.test(`${name}: break leaves the receiver open, and the next message to others`, async () => {
    using world = make();
    world.give(1);
    for await (const message of world.iterate()) {
      assert.equal(world.numberOf(message), 1);
      break;
    }
    world.give(2);
    assert.equal(world.take(), 2);
    assert.equal(world.take(), undefined);
  });

  Deno.test(`${name}: a signal ends a next that waits with its reason, before and after return`, async () => {
    using world = make();
    const stop = new AbortController();
    const [one, two, three] = [0, 1, 2].map(() => world.iterate({ signal: stop.signal })) as [
      AsyncIterableIterator<unknown>,
      AsyncIterableIterator<unknown>,
      AsyncIterableIterator<unknown>,
    ];
    const [aborted, left] = [one.next(), two.next()];
    await two.return!();
    assert.deepEqual(await left, DONE);
    const reason = new Error("stopped");
    stop.abort(reason);
    await assert.rejects(aborted, (error) => error === reason);
    await assert.rejects(three.next(), (error) => error === reason);
    assert.deepEqual(await two.next(), DONE);
    world.give(1);
    assert.equal(world.take(), 1);
  });

  Deno.test(`${name}: a next that waits fails with EDETACHED when the receiver is closed, and return does not`, async () => {
    for (const sleeps of [false, true]) {
      using world = make();
      const loop = world.iterate();
      const waiting = loop.next();
      if (sleeps) await asleep();
      world.close();
      await assert.rejects(waiting, { code: "EDETACHED" });
      assert.deepEqual([await loop.return!(), await loop.next()], [DONE, DONE]);
    }
  });
}
