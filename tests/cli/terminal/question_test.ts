/** Asking yes or no, as `rm` does, on a real terminal: what is yes, and what happens without an answer. */

import assert from "node:assert/strict";
import { Segment } from "../../../mod.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";
import { cliInShellOnTerminal, cliOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";

guardAgainstLeaks();

/** Segments that are attached, by us, so that `rm` asks about them. */
class Attached implements Disposable {
  readonly #segments: readonly Segment[];

  constructor(count: number) {
    this.#segments = Array.from({ length: count }, () => Segment.create({ size: 100 }));
  }

  /** How they are named on the command line. */
  get names(): string[] {
    return this.#segments.map(({ id }) => `id:${id}`);
  }

  /** Which of them are marked for removal. */
  get marked(): boolean[] {
    return this.#segments.map((segment) => segment.stat().markedForRemoval);
  }

  [Symbol.dispose](): void {
    for (const segment of this.#segments) {
      segment.remove();
      segment.detach();
    }
  }
}

const ENTER = "\n";
const CTRL_C = "\x03";
const CTRL_D = "\x04";

const ANSWERS: readonly (readonly [string, boolean])[] = [
  ["y" + ENTER, true],
  ["n" + ENTER, false],
  [" YES " + ENTER, true],
  [ENTER, false],
  ["yes please" + ENTER, false],
  // All of a long line is one answer, and its end not the next
  ["x".repeat(1024) + "y" + ENTER, false],
  ["no" + ENTER, false],
  // A line whose end never came
  ["y" + CTRL_D + CTRL_D, false],
  ["Y" + ENTER, true],
  [CTRL_D, false],
];

testWith(ON_TERMINAL, "confirm: only y and yes are yes, each to its own question", async () => {
  using folder = new TestFolder();
  using attached = new Attached(ANSWERS.length);
  await using rm = cliOnTerminal(folder, "rm", ...attached.names);
  for (const [answer] of ANSWERS) await rm.write(answer);
  const { code, stdout } = await rm.ended();
  assert.equal(code, 0);
  assert.deepEqual(attached.marked, ANSWERS.map(([, yes]) => yes));
  assert.equal(stdout.match(/\[y\/N\] /g)?.length, ANSWERS.length);
  assert.equal(stdout.match(/^marked segment \d+ .* when its attach does\r$/gm)?.length, 3);
  assert.equal(stdout.match(/^kept segment \d+ \(no key, 100 bytes\)\r$/gm)?.length, 7);
});

testWith(ON_TERMINAL, "confirm: Ctrl-D is no, and the next output is on a new line", async () => {
  using folder = new TestFolder();
  using attached = new Attached(1);
  await using rm = cliOnTerminal(folder, "rm", ...attached.names);
  await rm.stdout(/ of \S+: it has 1 attach: remove it all the same\? \[y\/N\] $/);
  await rm.write(CTRL_D);
  const { code, stdout } = await rm.ended();
  assert.equal(code, 0);
  assert.match(stdout, /\[y\/N\] \r\nkept segment \d+ \(no key, 100 bytes\)\r\n$/);
  assert.deepEqual(attached.marked, [false]);
});

testWith(ON_TERMINAL, "confirm: after Ctrl-C at a later question nothing was done", async () => {
  using folder = new TestFolder();
  using attached = new Attached(2);
  await using rm = cliOnTerminal(folder, "rm", ...attached.names);
  await rm.write("y" + ENTER);
  await rm.stdout(/\[y\/N\] [^]*\[y\/N\] $/);
  await rm.write(CTRL_C);
  const { code, stdout } = await rm.ended();
  assert.equal(code, 130);
  assert.doesNotMatch(stdout, /marked|removed|kept|error/);
  assert.deepEqual(attached.marked, [false, false]);
});

testWith(ON_TERMINAL, "confirm: without two terminals it asks and does nothing", async () => {
  using folder = new TestFolder();
  for (const redirection of ["</dev/null", "2>/dev/null", "<&- 2>&1 | cat"]) {
    using attached = new Attached(1);
    await using rm = cliInShellOnTerminal(
      folder,
      `"$@" ${redirection}; echo "exit $?"`,
      "rm",
      ...attached.names,
    );
    const { stdout } = await rm.ended();
    assert.doesNotMatch(stdout, /\[y\/N\]/, redirection);
    if (!redirection.includes("cat")) assert.match(stdout, /exit 1\r\n$/, redirection);
    if (redirection !== "2>/dev/null") {
      assert.match(
        stdout,
        /error: .*: remove it all the same\? There is no terminal to ask on: --force does without\r$/m,
        redirection,
      );
    }
    assert.deepEqual(attached.marked, [false], redirection);
  }
});

/** Starts the command where the terminal gives it nothing but EIO: its parent and its job are gone. */
const ABANDONED = `
  exec perl -e '
    pipe my $over, my $running;
    if (fork) { close $running; <$over>; exit }
    setpgrp(0, 0);
    my $parent = getppid;
    if (fork) { exit }
    select undef, undef, undef, 0.01 while getppid == $parent;
    system @ARGV;
    print "exit ", $? >> 8, "\n";
  ' "$@"
`;

testWith(
  { ...ON_TERMINAL, tools: [...ON_TERMINAL.tools!, "perl"] },
  "confirm: a terminal that is gone is one line of error",
  async () => {
    using folder = new TestFolder();
    using attached = new Attached(1);
    await using rm = cliInShellOnTerminal(folder, ABANDONED, "rm", ...attached.names);
    const { stdout } = await rm.ended();
    assert.match(
      stdout,
      /\[y\/N\] \r\nerror: cannot read the answer: [^\n]*os error 5\)\r\nexit 1/,
    );
    assert.deepEqual(attached.marked, [false]);
  },
);
