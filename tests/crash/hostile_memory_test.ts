/**
 * Memory that says what no honest peer would write: any flag, no NUL, no UTF-8, and bytes that change
 * under the reader. The worst that comes of it is a strange text or an exception.
 */

import assert from "node:assert/strict";
import { MailboxClient, MailboxServer, Segment, ShmError } from "../../mod.ts";
import { LAYOUT } from "../../src/mailbox/descriptor.ts";
import { assertEnds, assertNothingAt, LANGUAGES, NEEDS, Programs } from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";
import { Random } from "./random.ts";

guardAgainstLeaks();
const programs = new Programs();

const TEXT = LAYOUT.fields.msg;
/** A safety net. */
const SOON = 30_000;

/** Runs `body` with a server, and with the bytes as anybody attached sees them. */
function withServer(body: (server: MailboxServer, bytes: Uint8Array<ArrayBuffer>) => void): void {
  const key = freshKey();
  using server = MailboxServer.open({ key });
  using intruder = Segment.open(key);
  body(server, intruder.bytes);
}

Deno.test("ShmEntry.canRead: any flag but 0 is true, and is cleared by one store", () => {
  withServer((server, bytes) => {
    for (const flag of [1, 2, 0x7f, 0x80, 0xff]) {
      bytes.set(new TextEncoder().encode("hello\0"), TEXT.offset);
      bytes[0] = flag;
      assert.equal(server.tryReceive()?.text, "hello");
      server.ack();
      assert.equal(bytes[0], 0);
    }
    assert.equal(server.tryReceive(), undefined);
  });
});

Deno.test("MailboxClient.send: a flag of 0xff that no server reads times out, and nothing is withdrawn", () => {
  const key = freshKey();
  using client = MailboxClient.open({ key });
  client.segment.bytes.fill(0xff);
  assert.equal(client.trySend("text"), false);
  assert.throws(
    () => client.sendSync("text", { timeout: 20 }),
    (error) => error instanceof ShmError && error.code === "ETIMEDOUT",
  );
  assert.deepEqual(client.segment.read(), new Uint8Array(LAYOUT.size).fill(0xff));
  client.segment.bytes.fill(0);
});

Deno.test("ShmEntry.msg: a text without NUL ends with the memory", () => {
  withServer((server, bytes) => {
    bytes.fill("x".charCodeAt(0), TEXT.offset);
    bytes[0] = 1;
    assert.equal(server.receiveSync().text, "x".repeat(TEXT.size));
    server.ack();
  });
});

Deno.test("ShmEntry.msg: invalid UTF-8 becomes U+FFFD", () => {
  withServer((server, bytes) => {
    // A lone continuation, an overlong NUL, half a surrogate pair, a sequence that the NUL cuts off
    const wrong = [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9f]];
    for (const bad of wrong) {
      bytes.set([0x61, ...bad, 0], TEXT.offset);
      bytes[0] = 1;
      assert.match(server.receiveSync().text, /^a\ufffd+$/);
      server.ack();
    }
  });
});

Deno.test("MailboxServer.tryReceive: random bytes in all of the memory are a text or nothing, 2000 times", () => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
  const random = new Random(seed);
  withServer((server, bytes) => {
    for (let round = 0; round < 2000; round++) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = random.bits();
      // Long texts too: a random byte is NUL every 256
      if (random.below(2) === 0) bytes.forEach((byte, i) => bytes[i] = byte | 1);
      const end = bytes.indexOf(0, TEXT.offset);
      const text = new TextDecoder("utf-8", { ignoreBOM: true })
        .decode(bytes.slice(TEXT.offset, end === -1 ? undefined : end));
      assert.equal(server.tryReceive()?.text, bytes[0] === 0 ? undefined : text, `seed ${seed}`);
      server.ack();
    }
  });
});

/** Fills the segment at the key in its argument with random bytes, again and again. */
const HAMMER = `
#include <cstdio>
#include <cstdlib>
#include <sys/shm.h>
int main(int, char **argv) {
  volatile unsigned char *memory = static_cast<unsigned char *>(
      shmat(shmget(atoi(argv[1]), 0, 0), nullptr, 0));
  if (memory == reinterpret_cast<unsigned char *>(-1)) return 1;
  puts("hammering");
  fflush(stdout);
  for (unsigned long state = 1;; ) {
    for (int i = 0; i < ${LAYOUT.size}; i++) {
      state = state * 6364136223846793005UL + 1442695040888963407UL;
      memory[i] = static_cast<unsigned char>(state >> 56);
    }
  }
}
`;

testWith(
  NEEDS,
  "ShmEntry.msg: bytes that change all the time are texts or refusals, and crash no process",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const program = folder.compile("g++", "hammer", ["-O2", folder.file("hammer.cpp", HAMMER)]);
    {
      // Attached, so that the segment is there all the time
      using segment = Segment.create({ key, size: LAYOUT.size });
      await using hammer = Peer.start(program, [`${key}`]);
      assert.equal(await hammer.line(), "hammering");
      {
        using server = MailboxServer.open({ key, persistent: true });
        for (let i = 0; i < 2000; i++) {
          const { text } = server.receiveSync({ timeout: SOON });
          assert(text.length <= TEXT.size && !text.includes("\0"));
        }
        using client = MailboxClient.open({ key });
        for (let i = 0; i < 10; i++) {
          try {
            await client.send("hello", { timeout: 10 });
          } catch (error) {
            assert(error instanceof ShmError && /^(ETIMEDOUT|EBUSY)$/.test(error.code), `${error}`);
          }
        }
      }
      for (const language of LANGUAGES) {
        await using server = programs.server(language, key, "--count", "500", "--keep");
        await using client = programs.client(language, key, "--timeout", "0.05", "hello");
        await assertEnds(server, 0);
        const { code, signal, stderr } = await client.ended();
        assert(signal === null && (code === 0 || code === 1), stderr);
      }
      await hammer[Symbol.asyncDispose]();
      segment.bytes.fill(0);

      // Whatever was written there, the next pair finds the mailbox as good as new
      await using server = programs.server("TypeScript", key, "--count", "1");
      await using client = programs.client("C++", key, "hello");
      await assertEnds(client, 0);
      assert.equal(await assertEnds(server, 0), "Received message: hello\n");
      segment.remove();
    }
    assertNothingAt(key);
  },
);
