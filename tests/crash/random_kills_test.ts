/**
 * Servers and clients in both languages, killed at random moments, round after round: whatever a
 * client reported as taken was printed by some server, nothing that was printed is corrupt, and what
 * the dead leave stops no other peer.
 *
 * The seed decides who is started and who is killed after which time; the machine's timing adds its
 * own. SYSV_SHM_TEST_SEED (with --allow-env) repeats the decisions of the run that printed it.
 */

import assert from "node:assert/strict";
import { assertEnds, assertNothingAt, LANGUAGES, NEEDS, Programs } from "../interop/programs.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { type Ended, freshKey, type Peer } from "../support/peer.ts";
import { Random, seed } from "./random.ts";

guardAgainstLeaks();
const programs = new Programs();

const ROUNDS = 36;
const CLIENTS = 3;
const MESSAGES = { "TypeScript": 40, "C++": 150 } as const;
const PREFIX = "Received message: ";

/** A client's messages, some of them as long as can be. */
function messagesOf(client: string, count: number, random: Random): string[] {
  return Array.from({ length: count }, (_, i) => {
    const name = `${client} message ${i} `;
    return name + "·".repeat(random.below(random.below(4) === 0 ? 1000 : 10));
  });
}

/** What was printed, without the second time of a message that was in hand when its server died. */
function withoutRepeats(lines: readonly string[]): string[] {
  return lines.filter((line, i) => line !== lines[i - 1]);
}

testWith(
  NEEDS,
  `MailboxServer and MailboxClient: ${ROUNDS} rounds of random SIGKILLs`,
  async () => {
    const start = seed();
    const random = new Random(start);
    const key = freshKey();
    const sent = new Map<string, readonly string[]>();
    const succeeded: string[] = [];
    const printed: string[] = [];
    const note = ({ stdout }: Ended): void => {
      assert(stdout === "" || stdout.endsWith("\n"), `a line was cut short: ${stdout.slice(-80)}`);
      printed.push(...stdout.split("\n").slice(0, -1));
    };
    const killLater = async (peer: Peer, ms: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      peer.kill("SIGKILL");
    };

    try {
      let killed = 0;
      await using peers = new AsyncDisposableStack();
      let server = peers.use(programs.server(random.of(LANGUAGES), key));
      for (let round = 0; round < ROUNDS; round++) {
        const kills: Promise<void>[] = [];
        const ends: Promise<void>[] = [];
        for (let c = 0; c < CLIENTS; c++) {
          const language = random.of(LANGUAGES);
          const name = `round ${round} client ${c}`;
          const messages = messagesOf(name, MESSAGES[language], random);
          sent.set(name, messages);
          const client = peers.use(programs.client(language, key, ...messages));
          if (random.below(2) === 0) kills.push(killLater(client, random.below(120)));
          ends.push(
            client.ended().then(({ code, signal, stderr }) => {
              if (signal === "SIGKILL") killed++;
              else assert.equal(code, 0, stderr);
              if (code === 0) succeeded.push(name);
            }),
          );
        }
        while (random.below(3) > 0) {
          await killLater(server, random.below(120));
          note(await server.ended());
          killed++;
          server = peers.use(programs.server(random.of(LANGUAGES), key));
        }
        await Promise.all([...kills, ...ends]);
      }

      // A fresh client beside all that: its message comes through and the server ends as asked
      await using fresh = programs.client(random.of(LANGUAGES), key, "fresh");
      await assertEnds(fresh, 0);
      server.kill("SIGINT");
      const last = await server.ended();
      assert.equal(last.code, 0, last.stderr);
      note(last);
      assert.equal(printed.pop(), `${PREFIX}fresh`);

      const byClient = new Map<string, string[]>();
      for (const line of withoutRepeats(printed)) {
        const name = /^Received message: (round \d+ client \d+) message /.exec(line)?.[1] ?? line;
        byClient.set(name, [...byClient.get(name) ?? [], line.slice(PREFIX.length)]);
      }
      for (const [name, lines] of byClient) {
        // In order, unchanged, and without a gap: a killed client's stop somewhere
        assert.deepEqual(lines, sent.get(name)?.slice(0, lines.length), `corrupt: ${name}`);
      }
      for (const name of succeeded) {
        assert.equal(byClient.get(name)?.length, sent.get(name)!.length, `lost: ${name}`);
      }
      assert(killed > 0 && succeeded.length > 0, `${killed} killed, ${succeeded.length} succeeded`);
      assertNothingAt(key);
    } catch (error) {
      throw new Error(`with SYSV_SHM_TEST_SEED=${start}`, { cause: error });
    }
  },
);
