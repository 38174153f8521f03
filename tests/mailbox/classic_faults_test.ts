/**
 * The faults of the classic C++ pair, by the numbers of the list they were found for, and what our
 * pair does instead within the same 2049 bytes. Most need one process: a server and its clients are
 * peers there as anywhere. What is about processes, signals or C starts some.
 */

import assert from "node:assert/strict";
import {
  MAILBOX_KEY,
  MailboxClient,
  MailboxServer,
  parseKey,
  Segment,
  ShmEntry,
  ShmError,
} from "../../mod.ts";
import { printable } from "../../src/cli/output.ts";
import { LAYOUT } from "../../src/mailbox/descriptor.ts";
import { WaitSchedule } from "../../src/sync/wait_schedule.ts";
import { destroy, semaphore, until, waitersFor } from "../interop/observe.ts";
import {
  assertEnds,
  assertNothingAt,
  LANGUAGES,
  listening,
  NEEDS,
  PAIRINGS,
  Programs,
  received,
  waitingAlone,
} from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { Deadline } from "../../src/sync/deadline.ts";

guardAgainstLeaks();
const programs = new Programs();

/** A server and a client of one mailbox in this process, which is gone afterwards. */
async function withPair(
  body: (server: MailboxServer, client: MailboxClient) => void | Promise<void>,
): Promise<void> {
  const key = freshKey();
  {
    using server = MailboxServer.open({ key });
    using client = MailboxClient.open({ key });
    await body(server, client);
  }
  assertNothingAt(key);
}

/** Takes `count` messages and says that each is done with. */
async function receiveAll(server: MailboxServer, count: number): Promise<string[]> {
  const texts: string[] = [];
  while (texts.length < count) texts.push((await server.receive()).text);
  server.ack();
  return texts;
}

function fails(code: string, message = /./): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ShmError, `${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

testWith(
  NEEDS,
  "server and client (classic fault 1): an optimised C++ pair sees every change of the flag",
  async () => {
    // The Makefile compiles with -O2, at which the classic client hung after its first message
    const key = freshKey();
    await using server = programs.server("C++", key, "--count", "3");
    await using client = programs.client("C++", key, "one", "two", "three");
    await assertEnds(client, 0);
    assert.equal(await assertEnds(server, 0), received(["one", "two", "three"]));
  },
);

testWith(
  NEEDS,
  "server and client (classic fault 2): no text is seen before it is whole (on this processor)",
  async () => {
    // Neighbours differ in every byte and in length, so that a mixture of two would show
    const lines = Array.from(
      { length: 1000 },
      (_, i) => String.fromCharCode(97 + i % 26).repeat(1 + i * 619 % 2047),
    );
    for (const language of LANGUAGES) {
      const key = freshKey();
      using server = MailboxServer.open({ key });
      await using client = programs.client(language, key);
      // More than a pipe holds: it is written while we read
      const written = client.write(lines.join("\n")).then(() => client.endInput());
      assert.deepEqual(await receiveAll(server, lines.length), lines);
      await written;
      await assertEnds(client, 0);
    }
  },
);

Deno.test("MailboxServer.open and MailboxClient.open (classic fault 3): an unread message is not reset", () => {
  const key = freshKey();
  using early = MailboxClient.open({ key });
  assert(early.trySend("early"));
  using _late = MailboxClient.open({ key });
  using _entry = ShmEntry.open(key);
  using server = MailboxServer.open({ key });
  assert.equal(server.tryReceive()?.text, "early");
  server.ack();
});

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `client (classic fault 4): the end of its input ends the ${language} client`,
    async () => {
      const key = freshKey();
      using server = MailboxServer.open({ key });
      await using client = programs.client(language, key);
      await client.write("once\n");
      await client.endInput();
      assert.deepEqual(await receiveAll(server, 1), ["once"]);
      await assertEnds(client, 0);
      assert.equal(server.tryReceive(), undefined, "and not twice");
    },
  );
}

Deno.test("MailboxClient (classic fault 5): several wait for their turns, and none overwrites another", async () => {
  await withPair(async (server, first) => {
    using second = MailboxClient.open({ key: server.segment.key });
    const sendAll = async (client: MailboxClient, name: string): Promise<void> => {
      for (let i = 0; i < 5; i++) await client.send(`${name}${i}`);
    };
    const sent = Promise.all([sendAll(first, "a"), sendAll(second, "b")]);
    const texts = await receiveAll(server, 10);
    await sent;
    assert.equal(texts.filter((text) => text[0] === "a").join(""), "a0a1a2a3a4");
    assert.equal(texts.filter((text) => text[0] === "b").join(""), "b0b1b2b3b4");

    // A turn lasts until its sender knows that its message was taken, not only until it was
    const last = first.send("last");
    assert.equal(server.tryReceive()?.text, "last");
    server.ack();
    assert(!second.trySend("too early"));
    await last;
    assert.equal(server.tryReceive(), undefined);
  });
});

Deno.test("MailboxServer.open (classic fault 6): a second server is refused, with the pid of the first", async () => {
  await withPair((server, client) => {
    const { key } = server.segment;
    assert.throws(
      () => MailboxServer.open({ key }),
      fails("EBUSY", new RegExp(`process ${Deno.pid} `)),
    );
    assert.equal(client.serverPid, Deno.pid);
  });
});

for (const [serverIn, clientIn] of PAIRINGS) {
  testWith(
    NEEDS,
    `client (classic fault 7): one line in, one line out, from ${clientIn} to ${serverIn}`,
    async () => {
      const key = freshKey();
      await using server = programs.server(serverIn, key, "--count", "4");
      await using client = programs.client(clientIn, key);
      await client.write("one\nfrom Windows\r\nno newline at the end");
      await client.endInput();
      await assertEnds(client, 0);
      // What the classic client sends
      await using classic = programs.client(clientIn, key, "fgets\n");
      await assertEnds(classic, 0);
      const lines = ["one", "from Windows", "no newline at the end", "fgets"];
      assert.equal(await assertEnds(server, 0), received(lines));
    },
  );
}

Deno.test("MailboxClient (classic fault 8): a text too long is refused whole, never split or cut", async () => {
  await withPair(async (server, client) => {
    for (const tooLong of ["x".repeat(2048), "é".repeat(1024), "水".repeat(683), "x".repeat(1e6)]) {
      await assert.rejects(client.send(tooLong), RangeError);
      await assert.rejects(client.post(tooLong), RangeError);
      assert.throws(() => client.sendSync(tooLong), RangeError);
      assert.throws(() => client.trySend(tooLong), RangeError);
      assert.equal(server.tryReceive(), undefined);
    }
    assert(client.trySend("é".repeat(1023) + "x"));
    assert.equal(server.tryReceive()?.text, "é".repeat(1023) + "x");
    server.ack();
  });
});

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `client (classic fault 8): the ${language} client refuses a long line and sends the others`,
    async () => {
      const key = freshKey();
      using server = MailboxServer.open({ key });
      await using client = programs.client(language, key);
      await client.write(`before\n${"x".repeat(5000)}\n${"é".repeat(1024)}\nafter\n`);
      await client.endInput();
      assert.deepEqual(await receiveAll(server, 2), ["before", "after"]);
      await assertEnds(client, 1);
      assert.match(client.printed.stderr, /line 2\b.*5000 bytes[^]*line 3\b.*2048 bytes/);
    },
  );
}

Deno.test("MailboxServer (classic fault 9): a text without NUL ends with the memory", async () => {
  await withPair((server) => {
    const { bytes } = server.segment;
    bytes.fill(0x78, LAYOUT.fields.msg.offset);
    bytes[0] = 1;
    assert.equal(server.tryReceive()?.text, "x".repeat(2048));
    server.ack();
  });
  assert.equal(printable("\x1b[2J\x07"), "\\x1b[2J\\x07");
});

Deno.test("MailboxClient (classic fault 10): an empty message arrives, one with a NUL is refused", async () => {
  await withPair((server, client) => {
    assert(client.trySend(""));
    assert.equal(server.tryReceive()?.text, "");
    server.ack();
    assert.throws(() => client.trySend("cut\0here"), RangeError);
    assert.equal(server.tryReceive(), undefined);
  });
});

Deno.test("MailboxServer.receive (classic fault 11): it sleeps, checks a few times a second, and can abort", async () => {
  const schedule = new WaitSchedule(Deadline.never, () => assert.fail());
  let looks = 0;
  for (let ms = 0; ms < 1000; looks++) ms += schedule.next();
  assert(looks < 20, `${looks} looks in the first second`);
  // That a change wakes the sleeper, so that it need not look, is tests/interop/wake_test.ts
  await withPair(async (server) => {
    const controller = new AbortController();
    const receiving = server.receive({ signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(receiving, reason);
  });
});

Deno.test("MailboxServer.close (classic fault 12): the last peer removes the mailbox, in either order", () => {
  for (const serverFirst of [true, false]) {
    const key = freshKey();
    const server = MailboxServer.open({ key });
    const client = MailboxClient.open({ key });
    const [first, last] = serverFirst ? [server, client] : [client, server];
    assert.equal(first.close(), "in use");
    assert.equal(last.close(), "removed");
    assertNothingAt(key);
  }
});

for (const language of LANGUAGES) {
  for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15]] as const) {
    testWith(
      NEEDS,
      `server and client (classic fault 12): ${signal} ends a ${language} pair that leaves nothing`,
      async () => {
        const key = freshKey();
        await using server = programs.server(language, key);
        await listening(server);
        await using client = programs.client(language, key);
        await client.write("hello\n");
        await server.stdout(/hello\n/);
        client.kill(signal);
        await assertEnds(client, 128 + number);
        server.kill(signal);
        // The command tells by its exit code that SIGTERM ended it; the C program ends as asked to
        await assertEnds(server, language === "TypeScript" && signal === "SIGTERM" ? 143 : 0);
        assertNothingAt(key);
      },
    );
  }
}

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `client (classic fault 13): a ${language} client killed in its turn delays no other`,
    async () => {
      const key = freshKey();
      await using dead = programs.client(language, key, "last words");
      await waitingAlone(dead);
      assert.equal(semaphore(key, "SENDER"), 2);
      await destroy(dead);
      using client = MailboxClient.open({ key });
      const sent = client.send("next");
      using server = MailboxServer.open({ key });
      assert.deepEqual(await receiveAll(server, 2), ["last words", "next"]);
      await sent;
    },
  );
}

for (const [number, size] of [[14, 100], [15, 4096]] as const) {
  Deno.test(`MailboxServer.open (classic fault ${number}): a segment of ${size} bytes is refused`, () => {
    const key = freshKey();
    const stale = Segment.create({ key, size });
    const facts = fails("EINVAL", new RegExp(`\\b${size} bytes`));
    assert.throws(() => MailboxServer.open({ key }), facts);
    assert.throws(() => MailboxClient.open({ key }), facts);
    assert.throws(() => ShmEntry.open(key), facts);
    // Replaced only with recreate, and never while a process is attached
    assert.throws(
      () => MailboxServer.open({ key, recreate: true }),
      fails("EINVAL", /nattch is 1/),
    );
    stale.detach();
    using server = MailboxServer.open({ key, recreate: true });
    assert.equal(server.segment.size, LAYOUT.size);
    assert.notEqual(server.segment.id, stale.id);
  });
}

Deno.test("MailboxServer.open (classic fault 16): mode 0600 by default, and it is known when others may write", () => {
  const key = freshKey();
  {
    using server = MailboxServer.open({ key });
    assert.equal(server.segment.stat().mode, 0o600);
    assert(!server.segment.othersMayWrite);
  }
  using open = Segment.create({ key, size: LAYOUT.size, mode: 0o666 });
  {
    using server = MailboxServer.open({ key });
    assert(server.segment.othersMayWrite);
  }
  open.remove();
});

for (const language of LANGUAGES) {
  testWith(
    NEEDS,
    `server and client (classic fault 16): the ${language} pair warns when others may write`,
    async () => {
      const key = freshKey();
      using open = Segment.create({ key, size: LAYOUT.size, mode: 0o666 });
      await using server = programs.server(language, key, "--count", "1");
      await using client = programs.client(language, key, "hello");
      for (const peer of [client, server]) {
        await assertEnds(peer, 0);
        assert.match(peer.printed.stderr, /warning: .*\bmode 0?666\b/);
      }
      open.remove();
    },
  );
}

Deno.test("MailboxServer.open (classic fault 17): any key, in any notation; different keys do not meet", async () => {
  assert.equal(MAILBOX_KEY, 1111);
  assert.deepEqual(["1111", "0x457", "02127"].map(parseKey), [1111, 1111, 1111]);
  await withPair(async (server, client) => {
    await withPair((other) => {
      assert(client.trySend("for one"));
      assert.equal(other.tryReceive(), undefined);
      assert.equal(server.tryReceive()?.text, "for one");
      server.ack();
    });
  });
});

Deno.test("Segment.attach (classic fault 18): a failure is an error, not an address", () => {
  assert.throws(() => Segment.attach(0x7fffffff), (error) => {
    assert(error instanceof ShmError);
    assert.deepEqual([error.call, error.code], ["shmat", "EINVAL"]);
    return true;
  });
});

Deno.test("ShmError (classic fault 19): names the call, the errno, the key and the remedy", () => {
  const key = freshKey();
  assert.throws(() => Segment.open(key), (error) => {
    assert(error instanceof ShmError);
    const { call, code, errno } = error;
    assert.deepEqual({ call, code, errno }, { call: "shmget", code: "ENOENT", errno: 2 });
    assert.match(error.message, new RegExp(`key ${key} \\(0x.*start the program that creates it`));
    return true;
  });
});

Deno.test("MailboxClient.send (classic fault 20): fulfils only when the server has acknowledged", async () => {
  await withPair(async (server, client) => {
    let taken = false;
    const sent = client.send("hello").then(() => taken = true);
    assert.equal((await server.receive()).text, "hello");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert(!taken);
    server.ack();
    await sent;

    // No server takes it: withdrawn. Received and not acknowledged for too long: unknown
    const hasty = client.send("hasty", { timeout: 5 });
    await assert.rejects(hasty, fails("ETIMEDOUT"));
    assert.equal(server.tryReceive(), undefined);
    const unknown = client.send("unknown", { timeout: 5 });
    await server.receive();
    await assert.rejects(unknown, fails("EBUSY", new RegExp(`process ${Deno.pid} has it and may`)));
    server.ack();
  });
});

Deno.test("MailboxClient.send (classic fault 21): a client without a server is told, and can abort", async () => {
  using client = MailboxClient.open({ key: freshKey() });
  assert.equal(client.serverPid, undefined);
  const controller = new AbortController();
  const reason = new Error("then not");
  const onNoServer = (): void => controller.abort(reason);
  await assert.rejects(client.send("no server", { signal: controller.signal, onNoServer }), reason);
  const timeout = 5;
  await assert.rejects(
    client.send("no?", { timeout }),
    fails("ETIMEDOUT", /no server is attached/),
  );
});

Deno.test("ShmEntry (classic fault 22): can_read is byte 0, msg bytes 1 to 2048, of 2049", async () => {
  await withPair((server, client) => {
    assert(client.trySend("é!"));
    const expected = new Uint8Array(2049);
    expected.set([1, 0xc3, 0xa9, 0x21]);
    assert.deepEqual(server.segment.read(), expected);
    server.tryReceive();
    server.ack();
    assert.equal(server.segment.read(0, 1)[0], 0);
  });
  // That C agrees is tests/interop/header_test.ts
});

Deno.test("MailboxServer.receive (classic fault 23): a message is copied whole before its slot is free", async () => {
  await withPair((server, client) => {
    assert(client.trySend("first"));
    const message = server.tryReceive();
    assert(!client.trySend("second"), "it is in hand: its place is not free");
    server.segment.bytes.fill(0x78, LAYOUT.fields.msg.offset);
    assert.equal(message?.text, "first");
    server.ack();
    assert(client.trySend("second"));
    assert.equal(server.tryReceive()?.text, "second");
    server.ack();
  });
});

Deno.test("MailboxServer.close (classic fault 24): every use after it throws or does nothing, and never crashes", () => {
  const server = MailboxServer.open({ key: freshKey() });
  const { segment } = server;
  const { bytes } = segment;
  const view = segment.view(LAYOUT);
  assert.equal(server.close(), "removed");
  assert.deepEqual([bytes.length, bytes[0]], [0, undefined]);
  assert.throws(() => Atomics.load(bytes, 0));
  assert.throws(() => view.msg);
  assert.throws(() => segment.read(), fails("EDETACHED"));
  assert.throws(() => server.tryReceive(), fails("EDETACHED"));
  assert.equal(server.close(), "removed", "twice is once");
});

Deno.test("MailboxClient.close (classic fault 24): a send that waits for its turn fails with the reason", async () => {
  const key = freshKey();
  const [first, second] = [MailboxClient.open({ key }), MailboxClient.open({ key })];
  const failures = [first, second].map((client) =>
    assert.rejects(client.send("no server"), fails("EDETACHED"))
  );
  await until("the second waits for its turn", () => waitersFor(key, "SENDER") === 1);
  // The first leaves its turn to the second, which has closed before it learns of that
  first.close();
  second.close();
  await Promise.all(failures);
  assertNothingAt(key);
});
