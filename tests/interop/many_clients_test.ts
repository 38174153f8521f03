/**
 * Many clients at once, in both languages, to one server: each waits for its turn, so that nothing is
 * lost or doubled, order is kept, and no client waits without end.
 */

import assert from "node:assert/strict";
import { MailboxServer } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";
import { semaphore, until } from "./observe.ts";
import { assertEnds, assertNothingAt, LANGUAGES, NEEDS, Programs, received } from "./programs.ts";

guardAgainstLeaks();
const programs = new Programs();

const CLIENTS = 8;
const LINES = 200;

for (const serverIn of LANGUAGES) {
  testWith(
    NEEDS,
    `server and client: ${CLIENTS} clients x ${LINES} lines to one ${serverIn} server`,
    async () => {
      const key = freshKey();
      await using peers = new AsyncDisposableStack();
      const server = peers.use(programs.server(serverIn, key, "--count", `${CLIENTS * LINES}`));
      const clients: { readonly peer: Peer; readonly lines: readonly string[] }[] = [];
      for (let c = 0; c < CLIENTS; c++) {
        const peer = peers.use(programs.client(LANGUAGES[c % 2]!, key));
        const lines = Array.from({ length: LINES }, (_, i) => `client ${c} line ${i}`);
        clients.push({ peer, lines });
      }
      // None begins before all are there
      await until("all have joined", () => semaphore(key, "USERS") === CLIENTS + 1);
      await Promise.all(clients.map(async ({ peer, lines }) => {
        await peer.write(lines.join("\n") + "\n");
        await peer.endInput();
        await assertEnds(peer, 0);
      }));
      const printed = (await assertEnds(server, 0)).split("\n");
      assert.equal(printed.pop(), "");
      assert.equal(printed.length, CLIENTS * LINES);
      for (const [c, { lines }] of clients.entries()) {
        const own = printed.filter((line) => line.startsWith(`Received message: client ${c} `));
        assert.equal(own.join("\n") + "\n", received(lines));
      }
      assertNothingAt(key);
    },
  );
}

/** Sends its argument without a pause, until SIGTERM. */
const BUSY_CLIENT = (key: number): string => `
  #include "common.h"
  static volatile sig_atomic_t over = 0;
  int main(int, char **arguments) {
    const char *const text = arguments[1];
    signal(SIGTERM, [](int) { over = 1; });
    const ShmMailboxOptions options = {${key}, 0600, false, false};
    ShmMailbox box;
    ShmMailboxStatus status = shm_mailbox_join(&box, &options, nullptr);
    ShmMailboxOutcome outcome;
    while (!over && status == SHM_MAILBOX_OK) {
      status = shm_mailbox_send(&box, text, strlen(text), true, nullptr, &outcome);
    }
    shm_mailbox_leave(&box);
    return status;
  }
`;

const SENT = 20;
const CALM_CLIENT = (key: number, send: string): string => `
  import { MailboxClient } from "@sysv/shm";
  using client = MailboxClient.open({ key: ${key} });
  for (let i = 0; i < ${SENT}; i++) ${send}("calm " + i);
`;

for (const send of ["client.sendSync", "await client.send"]) {
  testWith(
    NEEDS,
    `MailboxClient: ${send} gets its turn among clients that never pause`,
    async () => {
      const key = freshKey();
      using folder = new TestFolder();
      const source = folder.file("busy.cpp", BUSY_CLIENT(key));
      const busyClient = folder.compile("g++", "busy", ["-O2", `-I${PROJECT}c`, source]);
      await using peers = new AsyncDisposableStack();
      const server = peers.use(programs.server("C++", key));
      const busy = [1, 2].map(() => peers.use(Peer.start(busyClient, ["busy"])));
      await server.stdout(/busy\n/);
      await assertEnds(peers.use(Peer.typescript(CALM_CLIENT(key, send))), 0);
      for (const peer of [...busy, server]) {
        peer.kill("SIGTERM");
        await assertEnds(peer, 0);
      }
      const printed = server.printed.stdout;
      const meanwhile = printed.slice(printed.indexOf("calm 0\n"), printed.lastIndexOf("calm"));
      // Tens of thousands where waiting gives no place in a queue; a busy machine costs hundreds
      const overtaken = meanwhile.split("busy\n").length / SENT;
      assert(overtaken < 1000, `overtaken ${overtaken} times a message`);
      assertNothingAt(key);
    },
  );
}

testWith(
  NEEDS,
  "common.h: two clients with many messages take turns in bursts",
  async () => {
    const key = freshKey();
    using folder = new TestFolder();
    const source = folder.file("busy.cpp", BUSY_CLIENT(key));
    const busyClient = folder.compile("g++", "busy", ["-O2", `-I${PROJECT}c`, source]);
    let order = "";
    {
      using server = MailboxServer.open({ key });
      await using peers = new AsyncDisposableStack();
      const clients = ["a", "b"].map((text) => peers.use(Peer.start(busyClient, [text])));
      while (!order.includes("ab") || !order.includes("ba")) order += (await server.receive()).text;
      order = "";
      while (order.length < 1000) order += (await server.receive()).text;
      const over = new AbortController();
      for (const client of clients) client.kill("SIGTERM");
      const ends = Promise.all(clients.map((client) => assertEnds(client, 0)))
        .finally(() => over.abort());
      await server.serve(() => {}, { signal: over.signal });
      await ends;
    }
    assert(order.match(/a+|b+/g)!.length < order.length / 2, order);
    assertNothingAt(key);
  },
);
