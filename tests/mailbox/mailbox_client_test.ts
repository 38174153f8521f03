/** MailboxClient: it sends in turn, and reports what happened to each message. */

import assert from "node:assert/strict";
import { MailboxClient, MailboxServer, removeSegment, ShmError } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";

guardAgainstLeaks();

Deno.test("MailboxClient.send of many clients at once: each message arrives once, each client's in order", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  const clients = Array.from({ length: 5 }, () => MailboxClient.open({ key }));
  const each = 20;
  const sending = Promise.all(clients.map(async (client, c) => {
    for (let i = 0; i < each; i++) await client.send(`${c}:${i}`);
    client.close();
  }));
  const next = clients.map(() => 0);
  let received = 0;
  for await (const { text } of server) {
    const [c, i] = text.split(":").map(Number);
    assert.equal(i, next[c!]!++, text);
    if (++received === clients.length * each) break;
  }
  await sending;
  assert.equal(server.tryReceive(), undefined);
});

Deno.test("MailboxClient.send: two clients with many messages take turns in bursts", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  const each = 300;
  const sending = ["a", "b"].map(async (name) => {
    using client = MailboxClient.open({ key });
    for (let i = 0; i < each; i++) await client.send(name);
  });
  let order = "";
  for await (const { text } of server) {
    order += text;
    if (order.length === 2 * each) break;
  }
  await Promise.all(sending);
  const bursts = order.match(/a+|b+/g)!;
  assert(bursts.length > 2 && bursts.length < order.length / 2, order);
});

Deno.test("MailboxClient.send: a client that stands back ends by its signal, its timeout and close", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  const ends: readonly (readonly [string, (client: MailboxClient) => Promise<unknown>])[] = [
    ["stop", (client) => client.send("x", { signal: AbortSignal.abort(new Error("stop")) })],
    ["AbortError", (client) => {
      const controller = new AbortController();
      const sending = client.send("x", { signal: controller.signal });
      controller.abort();
      return sending;
    }],
    ["ETIMEDOUT", (client) => client.send("x", { timeout: 1 })],
    ["EDETACHED", (client) => {
      const sending = client.send("x");
      client.close();
      return sending;
    }],
  ];
  for (const [why, send] of ends) {
    using client = MailboxClient.open({ key });
    using other = MailboxClient.open({ key });
    const sent = client.send("first");
    assert.equal((await server.receive()).text, "first");
    server.ack();
    await sent; // a moment ago it had its turn
    const theirs = other.send("theirs");
    const rejected = await send(client).then(
      () => "",
      ({ name, code, message }) => [name, code, message].join(),
    );
    assert.match(rejected, new RegExp(why));
    assert.equal((await server.receive()).text, "theirs");
    server.ack();
    await theirs;
    assert.equal(server.tryReceive(), undefined);
  }
});

Deno.test("MailboxClient.post and trySend: a removed mailbox takes no message", async () => {
  using client = MailboxClient.open({ key: freshKey() });
  removeSegment(client.segment.id);
  const removed = { code: "EIDRM", message: /go on using the mailbox.*its segment was removed/ };
  await assert.rejects(client.post("lost"), removed);
  assert.throws(() => client.trySend("lost"), removed);
});

Deno.test("MailboxClient.send fulfils when the message is acknowledged, not before", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  let done = false;
  const sending = client.send("slow").then(() => done = true);
  const message = await server.receive();
  assert.equal(message.text, "slow");
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(done, false);
  server.ack();
  await sending;
});

Deno.test("MailboxClient.send withdraws a message that was not taken in time", async () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  const late = {
    code: "ETIMEDOUT",
    message: /send the message.*no server is attached.*the message is withdrawn/,
  };
  await assert.rejects(client.send("a", { timeout: 5 }), late);
  assert.throws(() => client.sendSync("b", { timeout: 5 }), late);
  const controller = new AbortController();
  const sending = client.send("c", { signal: controller.signal });
  controller.abort(new Error("stop"));
  await assert.rejects(sending, /stop/);
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive(), undefined);
  await assert.rejects(client.send("d", { timeout: 5 }), {
    message: /server did not take it in time/,
  });
  assert.equal(server.tryReceive(), undefined);
});

Deno.test("MailboxClient.send that aborts while the server has the message: the outcome is unknown", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  const controller = new AbortController();
  const sending = client.send("in hand", { signal: controller.signal });
  await server.receive();
  const reason = new Error("stop");
  controller.abort(reason);
  await assert.rejects(sending, (error) => {
    assert(error instanceof ShmError);
    assert.equal(error.code, "EBUSY");
    assert.equal(error.cause, reason);
    assert.match(error.message, new RegExp(`process ${Deno.pid} has it`));
    return true;
  });
  server.ack();
  assert(client.trySend("the slot is free"));
  assert.equal(server.tryReceive()?.text, "the slot is free");
  server.ack();
  server.ack();
});

Deno.test("MailboxClient.send that aborts just as the message is acknowledged fulfils", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  const controller = new AbortController();
  const sending = client.send("in hand", { signal: controller.signal });
  await server.receive();
  controller.abort(new Error("stop"));
  server.ack();
  await sending;
});

Deno.test("MailboxClient.post leaves the message and waits only for room", async () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  await client.post("left");
  await assert.rejects(client.post("no room", { timeout: 5 }), {
    code: "ETIMEDOUT",
  });
  using server = MailboxServer.open({ key });
  const posting = client.post("next");
  assert.equal((await server.receive()).text, "left");
  assert.equal((await server.receive()).text, "next");
  await posting;
  server.ack();
});

Deno.test("MailboxClient: text that cannot be a message is refused before any wait", async () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  assert(client.trySend("occupied"));
  for (const text of ["x".repeat(2048), "é".repeat(1024), "a\0"]) {
    assert.throws(() => client.trySend(text), RangeError);
    assert.throws(() => client.sendSync(text), RangeError);
    await assert.rejects(client.send(text), RangeError);
    await assert.rejects(client.post(text), RangeError);
  }
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive()?.text, "occupied");
  server.ack();
});

Deno.test("MailboxClient.send: onNoServer is called once, and only after a while", async () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  let said = 0;
  const onNoServer = () => said++;
  await assert.rejects(client.send("x", { timeout: 5, onNoServer }));
  assert.equal(said, 0);
  await assert.rejects(client.send("x", { timeout: 700, onNoServer }));
  assert.equal(said, 1);
  assert.equal(client.serverPid, undefined);
  using server = MailboxServer.open({ key });
  assert.equal(client.serverPid, Deno.pid);
  await assert.rejects(client.send("x", { timeout: 300, onNoServer }));
  assert.equal(said, 1);
  assert.equal(server.tryReceive(), undefined);
});

Deno.test("MailboxClient.send that gives up its turn leaves the turn of another send", async () => {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using client = MailboxClient.open({ key });
  using other = MailboxClient.open({ key });
  const first = client.send("first");
  await assert.rejects(client.send("second", { timeout: 5 }), {
    code: "ETIMEDOUT",
  });
  const message = server.tryReceive();
  assert.deepEqual([message?.text, message?.sender], ["first", Deno.pid]);
  server.ack();
  assert.equal(other.trySend("not yet"), false, "the first does not know yet that it was taken");
  await first;
  assert.equal(other.trySend("now"), true);
  assert.equal(server.tryReceive()?.text, "now");
  server.ack();
});

Deno.test("MailboxClient.close ends the sends under way, and withdraws what was not taken", async () => {
  const key = freshKey();
  const client = MailboxClient.open({ key });
  const other = MailboxClient.open({ key });
  const sending = [client.send("in the slot"), client.send("waits for its turn")];
  assert.equal(client.close(), "in use");
  // Together: which of them ends first is open, and a rejection that is not awaited yet is an error
  await Promise.all(sending.map((each) => assert.rejects(each, { code: "EDETACHED" })));
  assert(other.trySend("the slot and the turn are free"));
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive()?.text, "the slot and the turn are free");
  server.ack();
  other.close();
});

Deno.test("MailboxClient.close: every use after it throws EDETACHED", async () => {
  const client = MailboxClient.open({ key: freshKey() });
  assert(client.isOpen);
  assert.equal(client.close(), "removed");
  assert(!client.isOpen);
  assert.throws(() => client.trySend("x"), { code: "EDETACHED" });
  await assert.rejects(client.send("x"), { code: "EDETACHED" });
});

testWith(
  { tools: ["deno"] },
  "MailboxClient: the message of a killed client is delivered, and its turn is over",
  async () => {
    const key = freshKey();
    using client = MailboxClient.open({ key });
    await using peer = Peer.typescript(`
    import { MailboxClient } from "@sysv/shm";
    const client = MailboxClient.open({ key: ${key} });
    client.send("last words");
    console.log("sent");
    setInterval(() => {}, 1000);
  `);
    assert.equal(await peer.line(), "sent");
    assert.equal(client.trySend("not our turn"), false);
    peer.kill("SIGKILL");
    await peer.ended();
    using server = MailboxServer.open({ key });
    const message = server.tryReceive();
    assert.deepEqual([message?.text, message?.sender], ["last words", null]);
    server.ack();
    assert(client.trySend("our turn"));
    assert.equal(server.tryReceive()?.text, "our turn");
    server.ack();
  },
);
