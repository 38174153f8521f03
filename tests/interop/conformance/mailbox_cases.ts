/** What must hold between a client and a server of a mailbox, whatever languages they are in. */

import assert from "node:assert/strict";
import { Segment, SemaphoreSet } from "../../../mod.ts";
import { SEMAPHORE } from "../../../src/mailbox/descriptor.ts";
import { type Case, type Scene, withEndlessSleeps } from "./scene.ts";
import { type Handle, refused } from "./line_peer.ts";

/** Texts that a mailbox must carry, the empty and the longest one among them. */
const TEXTS = [
  "hello",
  "",
  " spaces\tand\nlines ",
  "grüße, 水, 🦉",
  "x".repeat(2047),
  "水".repeat(682) + "x",
];

/** A client and a server; the server creates. */
async function pair({ sender, receiver, key }: Scene): Promise<readonly [Handle, Handle]> {
  const server = await receiver.open("server", key);
  return [await sender.open("client", key), server];
}

/** Sends a text, which the server receives and acknowledges. */
async function passes(client: Handle, server: Handle, text: string): Promise<void> {
  const sent = client.send(text);
  assert.deepEqual(await server.texts(1), [text]);
  await server.ack();
  assert.deepEqual(await sent, ["taken"]);
}

/** The cases of the mailbox. */
export const MAILBOX_CASES: readonly Case[] = [
  {
    name: "every text arrives, from the empty to the longest one, with its sender",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      const sent = client.send(TEXTS);
      const sender = scene.sender.pid;
      assert.deepEqual(
        await server.messages(TEXTS.length),
        TEXTS.map((text) => ({ text, sender })),
      );
      await server.ack();
      assert.deepEqual(await sent, TEXTS.map(() => "taken"));
    },
  },
  {
    name: "a text that is too long, or has a NUL, is refused and not sent",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      for (const text of ["x".repeat(2048), "a\0b"]) await refused(client.send(text));
      await server.none();
      await passes(client, server, "next");
    },
  },
  {
    name: "the message of a client that created the mailbox and is gone waits for the server",
    play: async ({ sender, receiver, key }) => {
      const client = await sender.open("client", key);
      assert.deepEqual(await client.send("left behind", { timeout: 0 }), ["left"]);
      assert.deepEqual(await client.send("no room", { timeout: 0 }), ["unsent"]);
      await client.close();
      const server = await receiver.open("server", key);
      assert.deepEqual(await server.messages(1), [{ text: "left behind", sender: 0 }]);
      await server.ack();
    },
  },
  {
    name: "a message that is put back is received again",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      const sent = client.send("again");
      assert.deepEqual(await server.texts(1), ["again"]);
      await server.nack();
      assert.deepEqual(await server.texts(1), ["again"]);
      await server.close();
      const next = await scene.receiver.open("server", scene.key);
      assert.deepEqual(await next.texts(1), ["again"]);
      await next.ack();
      assert.deepEqual(await sent, ["taken"]);
    },
  },
  {
    name: "a message that no server takes in time is withdrawn",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      assert.deepEqual(await client.send("too late", { timeout: 5 }), ["unsent"]);
      await server.none();
      await passes(client, server, "in time");
    },
  },
  {
    name: "of a message that is received and not acknowledged in time, the client does not know",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      const received = server.texts(1);
      let outcome: readonly string[];
      do outcome = await client.send("slow", { timeout: 50 }); while (outcome[0] === "unsent");
      assert.deepEqual([outcome, await received], [["unknown"], ["slow"]]);
      await server.ack();
      await passes(client, server, "next");
    },
  },
  {
    name: "a server that is killed leaves its message to the next one, in the client's language",
    kills: "receiver",
    play: async ({ sender, receiver, key }, kill) => {
      const server = await receiver.open("server", key);
      const client = await sender.open("client", key);
      assert.deepEqual(await client.send("twice", { timeout: 0 }), ["left"]);
      assert.deepEqual(await server.texts(1), ["twice"]);
      await refused(sender.open("server", key), new RegExp(`process ${receiver.pid}\\b`));
      await kill();
      const next = await sender.open("server", key);
      assert.deepEqual(await next.texts(1), ["twice"]);
      await next.ack();
    },
  },
  {
    name: "a client that is killed leaves its message and its turn",
    kills: "sender",
    play: async (scene, kill) => {
      const { receiver, key } = scene;
      const [killed, server] = await pair(scene);
      const lost = assert.rejects(killed.send("first"));
      assert.deepEqual(await server.texts(1), ["first"]);
      await server.nack();
      await kill();
      await lost;
      assert.equal(scene.semaphores()[SEMAPHORE.SENDER], 0);
      const client = await receiver.open("client", key);
      assert.deepEqual(await client.send("second", { timeout: 0 }), ["unsent"]);
      assert.deepEqual(await server.texts(1), ["first"]);
      await server.ack();
      assert.deepEqual(await client.send("second", { timeout: 0 }), ["left"]);
      assert.deepEqual(await server.texts(1), ["second"]);
      await server.ack();
    },
  },
  {
    name: "each side that sleeps is woken by the other",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      await withEndlessSleeps(scene, async () => {
        for (let n = 0; n < 5; n++) await passes(client, server, `message ${n}`);
        const received = server.texts(1);
        assert.deepEqual(await client.send("left", { timeout: 0 }), ["left"]);
        assert.deepEqual(await received, ["left"]);
        await server.ack();
      });
    },
  },
  {
    name: "there is one server at a time, and it is named",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      const named = new RegExp(`process ${scene.receiver.pid}\\b`);
      await refused(scene.sender.open("server", scene.key), named);
      await server.close();
      const next = await scene.sender.open("server", scene.key);
      const sent = await scene.receiver.open("client", scene.key);
      await client.close();
      assert.deepEqual(await sent.send("to the next", { timeout: 0 }), ["left"]);
      assert.deepEqual(await next.texts(1), ["to the next"]);
      await next.ack();
    },
  },
  {
    name: "both sides notice that the mailbox was removed, and leave",
    play: async (scene) => {
      const [client, server] = await pair(scene);
      const sent = refused(client.send(["taken", "never taken"]), /removed/);
      assert.deepEqual(await server.texts(1), ["taken"]);
      await server.ack();
      assert.deepEqual(await server.texts(1), ["never taken"]);
      scene.remove();
      await sent;
      await refused(server.receive(), /removed/);
    },
  },
  {
    name: "a server decides whether the mailbox stays, whichever side created it",
    play: async (scene) => {
      const { sender, receiver, key } = scene;
      const keeping = await receiver.open("server", key, { keep: 1 });
      await keeping.close();
      assert(scene.exists);
      const client = await sender.open("client", key);
      await client.close();
      assert(scene.exists);
      await (await sender.open("server", key)).close();
      assert(!scene.exists);
    },
  },
  {
    name: "a set of zeros that is left over is used",
    play: async (scene) => {
      const { id } = SemaphoreSet.create({ key: scene.key, count: 6 });
      const [client, server] = await pair(scene);
      assert.equal(SemaphoreSet.open(scene.key).id, id);
      await passes(client, server, "hello");
    },
  },
  {
    name: "a segment of another size is refused and not changed",
    play: async ({ sender, receiver, key }) => {
      const segment = Segment.create({ key, size: 1000 });
      try {
        segment.write(new Uint8Array(1000).fill(7));
        await refused(sender.open("client", key), /1000 bytes/);
        await refused(receiver.open("server", key), /1000 bytes/);
        assert(segment.read(0, 1000).every((byte) => byte === 7));
      } finally {
        segment.remove();
        segment.detach();
      }
    },
  },
  {
    name: "a semaphore set in another program's use is refused and not changed",
    play: async ({ sender, receiver, key }) => {
      const values = [0, 0, 0, 5, 0, 0];
      const set = SemaphoreSet.create({ key, count: values.length, values });
      try {
        await refused(sender.open("client", key));
        await refused(receiver.open("server", key));
        assert.deepEqual(set.values(), values);
      } finally {
        set.remove();
      }
    },
  },
];
