/** `topic`: what it shows of topics, that reading changes nothing for their users, and what it removes. */

import assert from "node:assert/strict";
import { SemaphoreSet, statSegment } from "../../../mod.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";
import { findSegment } from "../../../src/sysv/mod.ts";
import { Topic } from "../../../src/topic/mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey } from "../../support/peer.ts";
import { assertFailed, objectsAt, printed, run, runHere } from "../command_line.ts";

guardAgainstLeaks();

Deno.test("topic ls, stat: topics and nothing else, lane by lane; reading does not join", async () => {
  const key = freshKey();
  using topic = Topic.openOrCreate({ key, lanes: 3, laneCapacity: 4096 });
  const { id } = topic;
  topic.publisher().publishBatch([new Uint8Array(3), new Uint8Array(5)]);
  topic.publisher().close();
  const before = SemaphoreSet.open(key).values();
  const table = await printed("topic", "ls");
  assert.match(table, /^KEY +ID OWNER +LANES CAPACITY MESSAGES PUBLISHERS USERS KEPT\n/);
  assert.match(table, new RegExp(`^${hexKey(key)} +${id} \\S+ +3 +4K +2 +1 +1 no$`, "m"));
  const listed: { id: number }[] = JSON.parse(await printed("topic", "ls", "--json"));
  assert.partialDeepStrictEqual(listed.find((each) => each.id === id), {
    ...{ lanes: 3, laneCapacity: 4096, messageSize: null, maxMessage: 1008, messages: 2 },
    ...{ publishers: 1, users: 1, kept: false, typeHash: null },
  });
  const lines = await printed("topic", "stat", `${key}`);
  assert.match(
    lines,
    new RegExp(`^topic +segment ${id}, \\d+ bytes \\(13K\\); semaphore set \\d+\n`),
  );
  assert.match(
    lines,
    new RegExp(
      "\nlanes +3 of 4096 bytes \\(4K\\)\nmessages +of at most 1008 bytes\never +2\n" +
        `publishers +1: pid ${Deno.pid}\nusers +1\n\n` +
        "LANE MESSAGES OPENED CLOSED +PID ALIVE\n" +
        ` +0 +2 +1 +0 +${Deno.pid} yes\n +1 +0 +1 +1 +${Deno.pid} no\n1 lane was never used\n$`,
    ),
  );
  const { perLane } = JSON.parse(await printed("topic", "stat", "--json", `id:${id}`));
  assert.deepEqual(perLane[2], {
    lane: 2,
    messages: 0,
    opened: 0,
    closed: 0,
    pid: null,
    alive: false,
  });
  assert.deepEqual(SemaphoreSet.open(key).values(), before);
  assertFailed(await runHere("channel", "stat", `${key}`), /EFORMAT[^\n]*not a channel/);
  assertFailed(await runHere("latest", "get", `${key}`), /EFORMAT/);
  assert.match(await printed("ls"), new RegExp(` ${id} .* topic `));
});

testWith(
  { tools: ["deno"] },
  "topic rm: asks where one is in use; removes segment and set",
  async () => {
    const key = freshKey();
    const args = ["--keep", "--lanes=2", "--capacity=4K"] as const;
    assert.equal((await run("pub", `--key=${key}`, ...args, "one")).code, 0);
    const id = findSegment(key)!;
    {
      using topic = Topic.open(key);
      topic.publisher();
      assertFailed(
        await runHere("topic", "rm", `${key}`),
        new RegExp(
          `^error: topic ${id} [^\n]*it has 1 attach \\(process ${Deno.pid} publishes\\): remove it`,
        ),
      );
    }
    const orphans = await runHere("topic", "rm", "--mine", "--orphans", "--yes");
    assert.match(orphans.stderr, /^left alone: .*it is a topic that is kept; --force takes/m);
    assert.equal(statSegment(id).markedForRemoval, false);
    const text = `topic ${id} (key ${hexKey(key)}, 2 lanes of 4K, 1 message published)`;
    assert.equal(await printed("topic", "rm", `${key}`), `removed ${text}\n`);
    assert.deepEqual(objectsAt(key), []);
    assertFailed(
      await runHere("topic", "rm", `${key}`),
      /no topic has key [^\n]*topic ls` lists all/,
    );
  },
);
