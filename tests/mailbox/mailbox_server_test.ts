/** MailboxServer: it receives each message once, in order, and acknowledges it when it is handled. */

import assert from "node:assert/strict";
import { MailboxClient, MailboxServer, type Message, SemaphoreSet } from "../../mod.ts";
import { SEMAPHORE, SEMAPHORE_COUNT } from "../../src/mailbox/descriptor.ts";
import { yieldBudget } from "../../src/sysv/yield_budget.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey } from "../support/peer.ts";

guardAgainstLeaks();

/** A server and a client of a new mailbox. */
function pair(): { server: MailboxServer; client: MailboxClient } & Disposable {
  const key = freshKey();
  const server = MailboxServer.open({ key });
  const client = MailboxClient.open({ key });
  return {
    server,
    client,
    [Symbol.dispose](): void {
      client.close();
      if (server.segment.attached) server.ack();
      server.close();
    },
  };
}

/** A turn of the event loop. */
function turn(): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve("turned"), 0));
}

Deno.test("MailboxServer.tryReceive: undefined without a message", () => {
  using box = pair();
  assert.equal(box.server.tryReceive(), undefined);
  box.server.ack();
});

Deno.test("MailboxServer.ack: the slot is free, and the sender continues", () => {
  using box = pair();
  assert(box.client.trySend("one"));
  const message = box.server.tryReceive();
  assert.deepEqual([message?.text, message?.sender], ["one", null]);
  assert(message!.time instanceof Date);
  assert.equal(box.client.trySend("two"), false);
  box.server.ack();
  assert(box.client.trySend("two"));
  assert.equal(box.server.tryReceive()?.text, "two");
  assert.equal(box.server.tryReceive(), undefined, "receiving acknowledges the one before");
  assert(box.client.trySend("three"));
  assert.equal(box.server.receiveSync().text, "three");
});

Deno.test("MailboxServer.nack: the message stays for the next receive, and for the next server", () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  {
    using server = MailboxServer.open({ key });
    assert(client.trySend("not dealt with"));
    for (let i = 0; i < 2; i++) {
      assert.equal(server.tryReceive()?.text, "not dealt with");
      server.nack();
      server.nack();
    }
  }
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive()?.text, "not dealt with");
  server.ack();
});

Deno.test("MailboxServer.close acknowledges nothing: the next server receives the message", async () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  const sending = client.send("not dealt with");
  {
    using server = MailboxServer.open({ key });
    assert.equal((await server.receive()).text, "not dealt with");
  }
  using server = MailboxServer.open({ key });
  assert.equal((await server.receive()).text, "not dealt with");
  server.ack();
  await sending;
});

Deno.test("MailboxServer.serve acknowledges when the handler succeeds, and not when it throws", async () => {
  using box = pair();
  const { server, client } = box;
  const seen: string[] = [];
  const refusal = new Error("not now");
  const sent = (async () => {
    for (const text of ["one", "two", "three"]) await client.send(text);
  })();
  let failing = true;
  const handler = async ({ text, sender }: Message): Promise<void> => {
    await Promise.resolve();
    assert.equal(sender, Deno.pid);
    seen.push(text);
    if (text === "two" && failing) throw refusal;
  };
  await assert.rejects(server.serve(handler), refusal);
  assert.deepEqual(seen, ["one", "two"]);
  failing = false;
  const stop = new AbortController();
  const served = server.serve(handler, { signal: stop.signal });
  await sent;
  stop.abort();
  await served;
  assert.deepEqual(seen, ["one", "two", "two", "three"]);
});

Deno.test("MailboxServer.serve: a handler that throws at once loses no message either", async () => {
  using box = pair();
  const sending = box.client.send("kept");
  await assert.rejects(
    box.server.serve(() => {
      throw new Error("at once");
    }),
    /at once/,
  );
  assert.equal(box.server.tryReceive()?.text, "kept");
  box.server.ack();
  await sending;
});

Deno.test("MailboxServer.serve ends by the signal only after the handler under way, whose message it acknowledges", async () => {
  using box = pair();
  const stop = new AbortController();
  const sending = box.client.send("finished");
  const served = box.server.serve(async () => {
    stop.abort();
    await Promise.resolve();
  }, { signal: stop.signal });
  await served;
  await sending;
});

Deno.test("MailboxServer.receive: several at once are served in order and do not acknowledge each other's message", async () => {
  using box = pair();
  const { server, client } = box;
  const received: string[] = [];
  const receives = [1, 2, 3].map(async (n) => {
    received.push(`${n} ${(await server.receive()).text}`);
  });
  const first = client.send("a");
  await receives[0];
  // The second receive waits, and the first one's message is still in hand
  assert.equal(await Promise.race([first.then(() => "taken"), receives[1], turn()]), "turned");
  server.ack();
  await first;
  const second = client.send("b");
  await receives[1];
  server.nack();
  await receives[2];
  server.ack();
  await second;
  assert.deepEqual(received, ["1 a", "2 b", "3 b"]);
});

for (const budget of ["full", "spent"] as const) {
  Deno.test(`MailboxServer.receive: two at once with a message there, budget ${budget}`, async () => {
    using box = pair();
    const { server, client } = box;
    for (let round = 0; round < 20; round++) {
      assert(client.trySend("a"));
      if (budget === "spent") { while (yieldBudget.pause() === undefined); }
      const received: string[] = [];
      const receives = [1, 2].map(async (n) => {
        received.push(`${n} ${(await server.receive()).text}`);
      });
      assert.equal(server.tryReceive(), undefined, "earlier receives are first");
      await receives[0];
      assert.equal(client.trySend("b"), false, "the first one's message is in hand");
      server.ack();
      assert(client.trySend("b"));
      await receives[1];
      server.ack();
      assert.deepEqual(received, ["1 a", "2 b"]);
    }
  });
}

Deno.test("MailboxServer.receiveSync: a receive whose caller has not run yet causes no endless wait", async () => {
  using box = pair();
  const { server, client } = box;
  assert(client.trySend("a"));
  const first = server.receive();
  assert.throws(() => server.receiveSync(), { code: "EBUSY", message: /await it first/ });
  assert.equal((await first).text, "a");
  server.nack();
  assert.equal(server.receiveSync().text, "a");
  server.ack();
});

Deno.test("MailboxServer: messages with equal first bytes are all received, each as itself", async () => {
  using box = pair();
  const texts = Array.from({ length: 200 }, (_, i) => `abc ${i}`);
  const sent = (async () => {
    for (const text of texts) await box.client.send(text);
  })();
  const received: string[] = [];
  for await (const { text } of box.server) {
    if (received.push(text) === texts.length) break;
  }
  await sent;
  assert.deepEqual(received, texts);
});

Deno.test("MailboxServer.receive acknowledges before it looks at the word it sleeps on", async () => {
  using box = pair();
  const { server, client } = box;
  assert(client.trySend("abc 1"));
  assert.equal((await server.receive()).text, "abc 1");
  // The acknowledgement changes the word. With the word of before it, an equal one would be slept on
  const next = server.receive({ timeout: 60_000 });
  const flag = server.segment.read(0, 1)[0];
  assert.equal(flag, 0, "asking acknowledges at once");
  assert(client.trySend("abc 2"));
  assert.equal((await next).text, "abc 2");
});

Deno.test("MailboxServer: for await takes message after message; leaving the loop acknowledges", async () => {
  using box = pair();
  const texts = ["a", "", "ü", "x".repeat(2047)];
  const sent = (async () => {
    for (const text of texts) await box.client.send(text);
  })();
  const received: string[] = [];
  for await (const { text, sender } of box.server) {
    received.push(text);
    assert.equal(sender, Deno.pid, "the sender waits, so it is known");
    if (received.length === texts.length) break;
  }
  await sent;
  assert.deepEqual(received, texts);
});

Deno.test("MailboxServer.receive ends by its timeout and its signal", async () => {
  using box = pair();
  const { server } = box;
  assert.throws(() => server.receiveSync({ timeout: 5 }), { code: "ETIMEDOUT" });
  await assert.rejects(server.receive({ timeout: 5 }), {
    code: "ETIMEDOUT",
    message: /receive a message/,
  });
  await assert.rejects(async () => {
    for await (const _ of server.messages({ timeout: 5 }));
  }, { code: "ETIMEDOUT" });
  const controller = new AbortController();
  const receiving = server.receive({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(receiving, /enough/);
  assert(box.client.trySend("still works"));
  assert.equal(server.tryReceive()?.text, "still works");
});

Deno.test("MailboxServer.receiveSync: a message that is there comes before a timeout of 0", () => {
  using box = pair();
  assert(box.client.trySend("in time"));
  assert.equal(box.server.receiveSync({ timeout: 0 }).text, "in time");
});

Deno.test("MailboxServer.close: every use after it throws EDETACHED", () => {
  using box = pair();
  assert(box.server.isOpen);
  box.server.close();
  assert(!box.server.isOpen);
  assert.throws(() => box.server.tryReceive(), {
    code: "EDETACHED",
    message: /closed: open it again/,
  });
  assert.throws(() => box.server.receiveSync(), { code: "EDETACHED" });
});

Deno.test("MailboxServer.close ends a receive under way", async () => {
  using box = pair();
  const receiving = box.server.receive();
  box.server.close();
  await assert.rejects(receiving, { code: "EDETACHED" });
});

Deno.test("MailboxServer.receive: any bytes are received as text, and the slot is free afterwards", () => {
  using box = pair();
  const { server } = box;
  server.segment.write(new Uint8Array(2049).fill(0xff));
  const message = server.tryReceive();
  assert.equal(message?.text, "\ufffd".repeat(2048));
  server.ack();
  assert.equal(server.segment.read(0, 1)[0], 0);
  assert(box.client.trySend("and on"));
  assert.equal(server.tryReceive()?.text, "and on");
});

Deno.test("MailboxServer.tryReceive does not take a message that is being withdrawn", () => {
  using box = pair();
  const { key } = box.server.segment;
  const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT });
  const hand = (add: number) =>
    set.tryOp(SemaphoreSet.prepare([{ semaphore: SEMAPHORE.IN_FLIGHT, add, undo: true }]));
  assert(box.client.trySend("wavering"));
  hand(1);
  assert.equal(box.server.tryReceive(), undefined);
  hand(-1);
  assert.equal(box.server.tryReceive()?.text, "wavering");
});
