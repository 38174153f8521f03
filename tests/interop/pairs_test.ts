/**
 * Our command and the C++ programs of `c/` are the same pair: any server with any client, whichever
 * starts first, and what arrives is what was sent.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer } from "../support/peer.ts";
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
} from "./programs.ts";

guardAgainstLeaks();
const programs = new Programs();

const LINES = [
  "hello",
  "",
  "  spaces and a tab\tstay ",
  "grüße, 水, 🦉 and a \u{feff}byte order mark",
  "x".repeat(2047),
  "水".repeat(682) + "x", // 2047 bytes too
  "",
  "--not-an-option",
  "last",
];

async function sendLines(client: Peer): Promise<void> {
  await client.write(LINES.join("\n") + "\n");
  await client.endInput();
}

for (const [serverIn, clientIn] of PAIRINGS) {
  const pair = `client (${clientIn}) to server (${serverIn})`;

  testWith(NEEDS, `${pair}, server first: every line arrives, in order, unchanged`, async () => {
    const key = freshKey();
    await using server = programs.server(serverIn, key, "--count", `${LINES.length}`);
    await listening(server);
    await using client = programs.client(clientIn, key);
    await sendLines(client);
    await assertEnds(client, 0);
    assert.equal(await assertEnds(server, 0), received(LINES));
    assertNothingAt(key);
  });

  testWith(NEEDS, `${pair}, client first: it waits for the server`, async () => {
    const key = freshKey();
    await using client = programs.client(clientIn, key);
    await sendLines(client);
    await waitingAlone(client);
    await using server = programs.server(serverIn, key, "--count", `${LINES.length}`);
    await assertEnds(client, 0);
    assert.equal(await assertEnds(server, 0), received(LINES));
    assertNothingAt(key);
  });

  testWith(NEEDS, `${pair}, client gone before: its message waits for the server`, async () => {
    const key = freshKey();
    await using client = programs.client(clientIn, key, "--no-wait", "left behind");
    await assertEnds(client, 0);
    await using server = programs.server(serverIn, key, "--count", "1");
    assert.equal(await assertEnds(server, 0), received(["left behind"]));
    assertNothingAt(key);
  });
}

for (const language of LANGUAGES) {
  testWith(NEEDS, `server: knows the process id of a ${language} client`, async () => {
    const key = freshKey();
    await using server = programs.server("TypeScript", key, "--count", "1", "--json");
    await using client = programs.client(language, key, "hello");
    await assertEnds(client, 0);
    const { text, sender } = JSON.parse(await assertEnds(server, 0));
    assert.deepEqual({ text, sender }, { text: "hello", sender: client.pid });
  });
}

testWith(
  NEEDS,
  "server.cpp: names the sender of a message that it could not print, and leaves the message",
  async () => {
    const key = freshKey();
    await using client = programs.client("C++", key, "hello");
    {
      const full = ["-c", 'exec "$@" > /dev/full', "sh"];
      await using server = Peer.start("sh", [
        ...full,
        ...programs.command("C++", "server"),
        ...["--key", `${key}`],
      ]);
      const { code, stderr } = await server.ended();
      assert.equal(code, 1);
      assert(stderr.includes(`cannot print the message of process ${client.pid}: write:`), stderr);
    }
    await using next = programs.server("C++", key, "--count", "1");
    assert.equal(await assertEnds(next, 0), received(["hello"]));
    await assertEnds(client, 0);
    assertNothingAt(key);
  },
);
