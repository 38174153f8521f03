/**
 * Sessions at a shell as pages show them: fenced `console` blocks, in which `$ ` begins a command and
 * the lines after it are what it printed. So a page can be compared with what the commands print now.
 * And a terminal to run them in, as its reader does: one shell for all of a page.
 */

import assert from "node:assert/strict";

/** A fenced block of a page. */
export interface Block {
  /** The first word behind the fence: `sh`. */
  readonly language: string;
  /** The rest of that line: `terminal=2`. */
  readonly info: string;
  readonly text: string;
  /** Of the fence, counted from 1. */
  readonly line: number;
  /** The last heading of the second level before it. */
  readonly section: string;
  /** What to save it as, where the paragraph before ends with "Save this as `NAME`:". */
  readonly file: string | undefined;
}

/** All fenced blocks of a page in order, those within lists too. */
export function blocks(page: string): Block[] {
  const found: Block[] = [];
  const lines = page.split("\n");
  let section = "";
  let paragraph = "";
  for (let i = 0; i < lines.length; i++) {
    const [, indent, fence, language, info] = /^( *)(```+)(\S*) *(.*)$/.exec(lines[i]!) ?? [];
    if (fence === undefined) {
      section = /^## (.*)$/.exec(lines[i]!)?.[1] ?? section;
      if (lines[i]!.trim() !== "") {
        paragraph = (lines[i - 1]?.trim() ?? "") === "" ? lines[i]! : `${paragraph} ${lines[i]}`;
      }
      continue;
    }
    const first = i + 1;
    while (++i < lines.length && lines[i]!.trim() !== fence);
    assert(i < lines.length, `line ${first}: a block without an end`);
    const text = lines.slice(first, i).map((line) => line.slice(indent!.length)).join("\n");
    const file = /\bSave this as `([^`]+)`:$/.exec(paragraph)?.[1];
    found.push({ language: language!, info: info!, text, line: first, section, file });
    paragraph = "";
  }
  return found;
}

/** A command of a page and what the page says it prints. */
export interface Step {
  readonly command: string;
  readonly output: string;
}

/** All steps of a page in order. A line that ends with a backslash goes on in the next. */
export function steps(page: string): Step[] {
  const found: { command: string; output: string }[] = [];
  for (const [, block] of page.matchAll(/^```console\n([^]*?)^```$/gm)) {
    for (const line of block!.trimEnd().split("\n")) {
      const last = found.at(-1);
      if (line.startsWith("$ ")) found.push({ command: line.slice(2), output: "" });
      else if (last !== undefined && last.output === "" && last.command.endsWith("\\")) {
        last.command += `\n${line}`;
      } else if (last !== undefined) last.output += `${line}\n`;
    }
  }
  return found;
}

/**
 * Output without what differs from run to run: numbers, times, keys drawn at random, and how many
 * spaces stand between.
 */
export function withoutChance(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?/g, "TIME")
    .replace(/\b0x[0-9a-f]{8}\b/g, (key) => key.startsWith("0x5eed") ? key : "KEY")
    .replace(/(?<![0-9a-fx])\d+(\.\d+)?(?![0-9a-f])/g, "N")
    .split("\n").map((line) => line.trim().replace(/ +/g, " ")).join("\n").trim();
}

/** A safety net only: how long a page's command may take, in milliseconds. */
const SAFETY_MS = 120_000;

/** The same for what is to appear in a second window. */
const SHOWING_MS = 30_000;

/** How a command ended, and what came of it on the terminal. */
export interface Answer {
  readonly code: number;
  readonly output: string;
}

/** Where the commands of a page run. */
export interface Place {
  /** Where they begin. */
  readonly folder: string;
  /** Files of ours about the session go here. */
  readonly notes: string;
  /** What stands first on the PATH. */
  readonly path: readonly string[];
}

/**
 * One terminal of the reader's: a shell that keeps its folder, aliases and variables from one block to
 * the next, in an IPC namespace of its own, or in that of another terminal.
 */
export class Terminal implements AsyncDisposable {
  readonly #place: Place;
  readonly #shell: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #said: ReadableStreamDefaultReader<string>;
  #count = 0;

  constructor(place: Place) {
    this.#place = place;
    this.#shell = new Deno.Command("unshare", {
      args: ["-i", "bash"],
      cwd: place.folder,
      stdin: "piped",
      stdout: "piped",
      env: environment(place),
    }).spawn();
    this.#input = this.#shell.stdin.getWriter();
    this.#said = this.#shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Runs what a reader types, line by line; with `strictly` the first failure ends it. */
  async run(command: string, strictly = false): Promise<Answer> {
    const name = `${this.#place.notes}/${this.#count++}`;
    Deno.writeTextFileSync(`${name}.in`, command);
    const net = setTimeout(() => this.#shell.kill("SIGKILL"), SAFETY_MS);
    // eval reads line by line, so that an alias counts from the next line on
    await this.#input.write(new TextEncoder().encode(
      `shopt -s expand_aliases; set -uo pipefail ${strictly ? "-e" : "+e"}
      eval "$(cat ${name}.in)" >${name}.out 2>&1 </dev/null; echo $?\n`,
    ));
    let said = "";
    while (!said.includes("\n")) {
      const { value, done } = await this.#said.read();
      if (done) break;
      said += value;
    }
    clearTimeout(net);
    // A shell that is gone has failed
    return { code: Number(said || 1), output: Deno.readTextFileSync(`${name}.out`) };
  }

  /** Starts a command in another window: the same folder and namespace, but none of the aliases. */
  pane(command: string): Pane {
    const { folder, notes } = this.#place;
    const output = `${notes}/pane_${this.#count++}`;
    const script = `exec >${output} 2>&1; ${command}`;
    const child = new Deno.Command("nsenter", {
      args: [`--ipc=/proc/${this.#shell.pid}/ns/ipc`, "bash", "-c", script],
      cwd: folder,
      stdin: "piped",
      env: environment(this.#place),
    }).spawn();
    return new Pane(child, output);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#said.cancel();
    await this.#shell.status;
  }
}

/** A command in a terminal window of its own. Disposing kills it if it still runs. */
export class Pane implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: string;
  #ended = false;

  constructor(child: Deno.ChildProcess, output: string) {
    this.#child = child;
    this.#output = output;
    void child.status.then(() => this.#ended = true);
  }

  /** Whether it has ended by itself. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What it has printed so far. */
  get output(): string {
    try {
      return Deno.readTextFileSync(this.#output);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** Waits until `condition` holds for what it has printed, and says whether it ever did. */
  async shows(condition: (output: string) => boolean): Promise<boolean> {
    let seen: string | undefined;
    for (const end = Date.now() + SHOWING_MS; Date.now() < end;) {
      const over = this.#ended;
      const { output } = this;
      if (output !== seen && condition(seen = output)) return true;
      if (over) return false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return false;
  }

  /** Presses a key. */
  async type(key: string): Promise<void> {
    const input = this.#child.stdin.getWriter();
    await input.write(new TextEncoder().encode(key));
    input.releaseLock();
  }

  /** Presses Ctrl-C. */
  interrupt(): void {
    if (!this.#ended) this.#child.kill("SIGINT");
  }

  /** Waits for its end. */
  async code(): Promise<number> {
    const net = setTimeout(() => this.#child.kill("SIGKILL"), SAFETY_MS);
    const { code } = await this.#child.status;
    clearTimeout(net);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#child.stdin.close().catch(() => {});
  }
}

function environment({ path }: Place): Record<string, string> {
  const before = Deno.env.get("PATH") ?? "/usr/bin:/bin";
  return { NO_COLOR: "1", LC_ALL: "C.UTF-8", PATH: [...path, before].join(":") };
}
