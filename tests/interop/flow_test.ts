/**
 * What a message costs while traffic flows: no side asks the kernel about segment, set or sender, in
 * either language. Seen in the system calls of one side, by strace; the other side is
 * played here.
 */

import assert from "node:assert/strict";
import { MailboxClient, MailboxServer } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../support/peer.ts";
import {
  assertEnds,
  assertNothingAt,
  type Language,
  LANGUAGES,
  NEEDS,
  Programs,
} from "./programs.ts";

guardAgainstLeaks();
const programs = new Programs();

const TRACED = { ...NEEDS, traces: true };
const MESSAGES = Array.from({ length: 300 }, (_, i) => `message ${i}`);
/** Those at the beginning and at the end, where one side may wait for the other one for long. */
const MARGIN = 20;
/** A pause of 100 ms of the other side, on a busy machine, costs a look: each may be so long once in a while. */
const FEW = MESSAGES.length / 10;

function traced(log: string, [program, ...args]: readonly [string, ...string[]]): Peer {
  const calls = "trace=semop,semtimedop,semctl,shmctl";
  return Peer.start("strace", ["-f", "-qq", "-o", log, "-e", calls, program, ...args]);
}

/** The calls that only ask, between the first messages' operations on the set and the last ones'. */
function questions(log: string): string[] {
  const calls = [...Deno.readTextFileSync(log).matchAll(/\b(sem\w+|shmctl)\(.*/g)];
  const operations = calls.flatMap(([, name], at) => name!.endsWith("op") ? [at] : []);
  assert(operations.length > MESSAGES.length, "it does operate on the set");
  return calls.slice(operations.at(MARGIN), operations.at(-MARGIN))
    .flatMap(([call, name]) => name!.endsWith("ctl") ? [call] : []);
}

function assertFew(log: string): void {
  const found = questions(log);
  assert(found.length < FEW, `${found.length}: ${found.slice(0, 10).join("\n")}`);
}

function command(
  language: Language,
  role: "server" | "client",
  key: number,
  ...args: readonly string[]
): [string, ...string[]] {
  return [...programs.command(language, role), "--key", `${key}`, ...args];
}

for (const language of LANGUAGES) {
  testWith(
    TRACED,
    `client: in ${language} it makes no control calls while its messages flow`,
    async () => {
      const key = freshKey();
      using folder = new TestFolder();
      const log = `${folder.path}/calls`;
      {
        using server = MailboxServer.open({ key });
        await using client = traced(log, command(language, "client", key, ...MESSAGES));
        for (const expected of MESSAGES) assert.equal((await server.receive()).text, expected);
        server.ack();
        await assertEnds(client, 0);
      }
      assertFew(log);
      assertNothingAt(key);
    },
  );

  testWith(
    TRACED,
    `server: in ${language} it makes no control calls while messages flow`,
    async () => {
      const key = freshKey();
      using folder = new TestFolder();
      const log = `${folder.path}/calls`;
      {
        using client = MailboxClient.open({ key });
        await using server = traced(
          log,
          command(language, "server", key, "--count", `${MESSAGES.length}`),
        );
        for (const message of MESSAGES) await client.send(message);
        await assertEnds(server, 0);
      }
      assertFew(log);
      assertNothingAt(key);
    },
  );
}
