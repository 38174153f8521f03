/** Receiving: each message once, in order, acknowledged when it is dealt with. */

import assert from "node:assert/strict";
import { Deadline, MailboxClient, MailboxServer, SemaphoreSet } from "../../mod.ts";
import { SEMAPHORE, SEMAPHORE_COUNT } from "../../src/mailbox/descriptor.ts";
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
      server.close();
    },
  };
}

Deno.test("no message is no message", () => {
  using box = pair();
  assert.equal(box.server.tryReceive(), undefined);
  box.server.ack();
});

Deno.test("the slot is free, and the sender goes on, when the message is acknowledged", () => {
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

Deno.test("a message put back is there for the next receive, and for the next server", () => {
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
});

Deno.test("closing acknowledges what is in hand", async () => {
  using box = pair();
  const sending = box.client.send("the last");
  assert.equal((await box.server.receive()).text, "the last");
  box.server.close();
  await sending;
});

Deno.test("for await takes message after message; leaving the loop acknowledges", async () => {
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

Deno.test("receiving ends with its deadline, its timeout, its signal", async () => {
  using box = pair();
  const { server } = box;
  assert.throws(() => server.receiveSync({ deadline: Deadline.after(5) }), { code: "ETIMEDOUT" });
  await assert.rejects(server.receive({ deadline: Deadline.after(5) }), {
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

Deno.test("a message that is there beats a deadline that has passed", () => {
  using box = pair();
  assert(box.client.trySend("in time"));
  assert.equal(box.server.receiveSync({ deadline: Deadline.after(0) }).text, "in time");
});

Deno.test("a closed server says so", () => {
  using box = pair();
  box.server.close();
  assert.throws(() => box.server.tryReceive(), {
    code: "EDETACHED",
    message: /closed: open it again/,
  });
  assert.throws(() => box.server.receiveSync(), { code: "EDETACHED" });
});

Deno.test("closing ends a receive under way", async () => {
  using box = pair();
  const receiving = box.server.receive();
  box.server.close();
  await assert.rejects(receiving, { code: "EDETACHED" });
});

Deno.test("garbage is received as what it is, and the slot is free after it", () => {
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

Deno.test("a message that is being withdrawn is not taken", () => {
  using box = pair();
  const { key } = box.server.segment;
  const set = SemaphoreSet.openOrCreate({ key, count: SEMAPHORE_COUNT });
  const hand = (add: number) =>
    set.tryOp(SemaphoreSet.prepare([{ semaphore: SEMAPHORE.HAND, add, undo: true }]));
  assert(box.client.trySend("wavering"));
  hand(1);
  assert.equal(box.server.tryReceive(), undefined);
  hand(-1);
  assert.equal(box.server.tryReceive()?.text, "wavering");
});
