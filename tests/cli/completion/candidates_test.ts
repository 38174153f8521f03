/** What `__complete` offers: every command, option and value, and the keys and ids of the moment. */

import assert from "node:assert/strict";
import { Segment, SemaphoreSet } from "../../../mod.ts";
import { COMMANDS } from "../../../src/cli/command_list.ts";
import { completion } from "../../../src/cli/completion/candidates.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { freshKey } from "../../support/peer.ts";
import { runHere } from "../command_line.ts";

guardAgainstLeaks();

/** What is offered at the end of a line of words. */
async function offered(line: string): Promise<string[]> {
  const { candidates } = await completion(line.split(" "), COMMANDS);
  return candidates.map(({ word }) => word);
}

Deno.test("completion: every command, and every option of each as its help lists it", async () => {
  const names = COMMANDS.map(({ name }) => name);
  assert.deepEqual(await offered(""), names);
  assert.deepEqual(await offered("-"), ["--help", "-h", "--version", "-V"]);
  for (const { name, load } of COMMANDS) {
    const listed = (await load()).help().matchAll(
      /^ {2}(?: {4}|(-\w), )(--[a-z-]+)(?: [A-Z|=]+)? {2}/gm,
    );
    const forms = [...listed].flatMap(([, short, long]) =>
      short === undefined ? long! : [long!, short]
    );
    assert(forms.includes("--help"), name);
    assert.deepEqual((await offered(`${name} -`)).toSorted(), forms.toSorted(), name);
  }
});

Deno.test("completion: values, verbs, and what has been begun", async () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    "completions ": ["bash", "zsh", "fish"],
    "completions z": ["zsh"],
    "completions bash ": [],
    "lim": ["limits"],
    "ls --sem": ["--semaphores"],
    "ls --sort nat": ["nattch"],
    "ls --sort=nat": ["--sort=nattch"],
    "ls --columns creator": ["creator", "creatorGroup", "creatorState"],
    "ls --columns=size,keyH": ["--columns=size,keyHex"],
    "ls --columns size,keyH": ["size,keyHex"],
    "doctor --skip rm": ["rmid-forced"],
    "channel ": ["ls", "stat", "discard", "rm"],
    "channel r": ["rm"],
    "topic ": ["ls", "stat", "rm"],
    "latest ": ["get", "set", "watch", "ls", "stat", "rm"],
    "recv --ack ": ["after", "before"],
    "send --no-consumer e": ["error"],
    "ls ": [],
    "ls -- -": [],
    "ls --older-than ": [],
    "ls --no-such=x": [],
    "no-such-command ": [],
    "no-such-command -": [],
    "client some": [],
  };
  for (const [line, words] of Object.entries(expected)) {
    assert.deepEqual((await offered(line)).toSorted(), words.toSorted(), line);
  }
  const then = async (line: string): Promise<string> =>
    (await completion(line.split(" "), COMMANDS)).then;
  assert.equal(await then("ls --columns size,keyH"), "nospace");
  assert.equal(await then("ls --sort k"), "");
  assert.equal(await then("client some"), "files");
  assert.equal(await then("client -- -some"), "files");
});

Deno.test("completion: keys and ids of segments, or of semaphore sets", async () => {
  const [key, setKey] = [freshKey(), freshKey()];
  using segment = Segment.create({ key, size: 10 });
  using hidden = Segment.create({ size: 10 });
  const set = SemaphoreSet.create({ key: setKey, count: 1 });
  try {
    const hex = hexKey(key);
    const [{ id }, own] = [segment, hexKey(setKey)];
    const has = async (line: string, ...words: readonly string[]): Promise<void> => {
      const all = await offered(line);
      for (const word of words) assert(all.includes(word), `${line}: ${word} is not in ${all}`);
      assert(!all.some((each) => each.endsWith("0x00000000")), line);
    };
    const hasNot = async (line: string, word: string): Promise<void> =>
      assert(!(await offered(line)).includes(word), `${line}: ${word}`);
    await has("stat ", hex, `id:${id}`, `id:${hidden.id}`);
    await has("stat id:", `id:${id}`, `id:${hidden.id}`);
    await has("stat --id ", `${id}`, `${hidden.id}`);
    await has(`stat --id=${id}`, `--id=${id}`);
    await has("ls --key ", hex);
    await has(`ls --key=${hex.slice(0, 5)}`, `--key=${hex}`);
    await has("channel rm id:", `id:${id}`);
    for (const semaphores of ["--semaphores", "-s"]) {
      await has(`stat ${semaphores} 0x`, own);
      await has(`ls ${semaphores} --key=`, `--key=${own}`);
      await hasNot(`stat ${semaphores} `, hex);
    }
    await hasNot("stat ", own);
    await hasNot("channel rm ", own);
    const { candidates } = await completion(["stat", hex], COMMANDS);
    assert.deepEqual(candidates, [{ word: hex, help: `id ${id}` }]);
  } finally {
    segment.remove();
    hidden.remove();
    set.remove();
  }
});

Deno.test("__complete: a candidate and its description a line, then what to do besides", async () => {
  for (
    const [words, stdout] of [
      [["lim"], "limits\tshow limits, their use, and what sets them\n:\n"],
      [["ls", "--columns=i"], "--columns=id\t\n--columns=idleSince\t\n:nospace\n"],
      [["limits", "--h"], "--help\tshow this\n:\n"],
      [["client", "x"], ":files\n"],
      [["no-such-command", "x"], ":\n"],
    ] as const
  ) {
    assert.deepEqual(await runHere("__complete", "--", ...words), {
      code: 0,
      signal: null,
      stdout,
      stderr: "",
    });
  }
  assert(!(await runHere("--help")).stdout.includes("__complete"));
});
