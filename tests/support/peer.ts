/**
 * Other processes for tests to talk to: our own command, and C and C++ programs compiled on the spot.
 * All need `--allow-run`, compiling needs files too: register such tests with `testWith`.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { CROSS } from "./needs.ts";
import { addOwnProcess } from "./own_objects.ts";

export { freshKey } from "./own_objects.ts";

/** A safety net only: no test passes or fails by how fast something is. */
const SAFETY_MS = 60_000;

/** The variable that names a folder in which programs are kept for all files of a run. */
export const PROGRAMS = "SHM_TEST_PROGRAMS";

/** The root of the project, as a path. */
export const PROJECT: string = new URL("../..", import.meta.url).pathname;

/** How a process ended and what it printed. */
export interface Ended {
  /** The exit code; 128 + n after signal n. */
  readonly code: number;
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One output stream, collected as it comes. */
class Collected {
  text = "";
  #waiters: (() => void)[] = [];
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  #over = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.ended = this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      this.text += chunk;
      this.#wake();
    }
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  /** Resolves when `found` gives a result, fails when the stream ends before. */
  async until<Result>(found: (text: string) => Result | undefined): Promise<Result> {
    for (;;) {
      const result = found(this.text);
      if (result !== undefined) return result;
      assert(!this.#over, `the process ended its output without what was waited for: ${this.text}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }
}

/** A process under test. Disposing kills it if it still runs. */
export class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stdout: Collected;
  readonly #stderr: Collected;
  readonly #net: ReturnType<typeof setTimeout>;
  #linesTaken = 0;

  private constructor(
    command: string,
    args: readonly string[],
    env: Record<string, string>,
    safetyMs = Deno.env.get(CROSS) === undefined ? SAFETY_MS : 10 * SAFETY_MS,
  ) {
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...env },
    }).spawn();
    addOwnProcess(this.#child.pid);
    this.#input = this.#child.stdin.getWriter();
    this.#stdout = new Collected(this.#child.stdout);
    this.#stderr = new Collected(this.#child.stderr);
    this.#net = setTimeout(() => this.kill("SIGKILL"), safetyMs);
  }

  /** Starts any program. */
  static start(
    command: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
    safetyMs?: number,
  ): Peer {
    return new Peer(command, args, env, safetyMs);
  }

  /** Starts our command with the one permission it may have. */
  static cli(...args: readonly string[]): Peer {
    return new Peer(Deno.execPath(), ["run", "--allow-ffi", `${PROJECT}cli.ts`, ...args], {});
  }

  /** Starts a TypeScript program, given as text, that may import `@sysv/shm`. */
  static typescript(program: string, ...flags: readonly string[]): Peer {
    const source = withLocalImports(program);
    return new Peer(Deno.execPath(), ["eval", "--ext=ts", ...flags, source], {});
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has printed so far. */
  get printed(): { readonly stdout: string; readonly stderr: string } {
    return { stdout: this.#stdout.text, stderr: this.#stderr.text };
  }

  /** The next line it prints on stdout. */
  async line(): Promise<string> {
    const index = this.#linesTaken++;
    return await this.#stdout.until((text) => {
      const lines = text.split("\n");
      return lines.length > index + 1 ? lines[index] : undefined;
    });
  }

  /** Resolves when stdout has printed something that matches. */
  async stdout(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.#stdout.until((text) => pattern.exec(text) ?? undefined);
  }

  /** Resolves when stderr has said something that matches. */
  async stderr(pattern: RegExp): Promise<RegExpExecArray> {
    return await this.#stderr.until((text) => pattern.exec(text) ?? undefined);
  }

  /** Writes to its stdin. */
  async write(text: string | Uint8Array): Promise<void> {
    await this.#input.write(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  /** Ends its stdin. */
  async endInput(): Promise<void> {
    await this.#input.close();
  }

  /** Sends it a signal. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Waits for its end. */
  async ended(): Promise<Ended> {
    const { code, signal } = await this.#child.status;
    clearTimeout(this.#net);
    await Promise.all([this.#stdout.ended, this.#stderr.ended]);
    // Nobody may have closed its input, and closing it twice is an error
    await this.#input.close().catch(() => {});
    return { code, signal, stdout: this.#stdout.text, stderr: this.#stderr.text };
  }

  /** Kills it if it still runs, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.ended();
  }
}

/** Runs a compiler, and fails the test with what it says. */
function build(compiler: string, args: readonly string[]): void {
  const { success, stderr } = new Deno.Command(compiler, {
    args: [...args, ...(compiler.endsWith("gcc") ? ["-lm"] : [])],
    env: { LC_ALL: "C" },
  }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** A folder for the files of a test; removed with all in it when disposed. */
export class TestFolder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "sysv-shm-test-" });

  /** Writes a file and gives its path. */
  file(name: string, text: string): string {
    const path = `${this.path}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Compiles C that asserts what it is about at compile time. */
  compileOnly(compiler: string, source: string): void {
    const { success, stderr } = new Deno.Command(compiler, {
      args: [
        "-std=gnu11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fsyntax-only",
        this.file("check.c", source),
      ],
      env: { LC_ALL: "C" },
    }).outputSync();
    assert(success, new TextDecoder().decode(stderr));
  }

  /**
   * Compiles sources and gives the program's path; once for all files of a run. Fails the test with what
   * the compiler said.
   */
  compile(compiler: "gcc" | "g++", name: string, args: readonly string[]): string {
    const path = `${this.path}/${name}`;
    const target = Deno.env.get(CROSS);
    if (target !== undefined) return this.#crossCompile(target, compiler, path, args);
    const kept = Deno.env.get(PROGRAMS);
    const cached = kept === undefined ? undefined : `${kept}/${this.#fingerprint(compiler, args)}`;
    if (cached !== undefined && existsSync(cached)) {
      rmSync(path, { force: true });
      Deno.symlinkSync(cached, path);
      return path;
    }
    build(compiler, ["-o", path, ...args]);
    if (cached !== undefined) {
      Deno.copyFileSync(path, `${path}.kept`);
      Deno.renameSync(`${path}.kept`, cached);
    }
    return path;
  }

  /**
   * Compiles for another processor. The path is that of a script that runs the program. Its waits have
   * slices even where a test asks for none: under the emulator a wake can be lost (docs/memory_model.md).
   */
  #crossCompile(target: string, compiler: string, path: string, args: readonly string[]): string {
    const program = `${path}.${target}`;
    const isLibrary = (arg: string): boolean => arg.startsWith("-l");
    const flags = args.filter((arg) => !isLibrary(arg) && !arg.startsWith("-DSHM_SLICE_MS="));
    // A static library must come after what needs it
    const libraries = args.filter(isLibrary);
    build(`${target}-${compiler}`, ["-static", "-o", program, ...flags, ...libraries]);
    const qemu = `qemu-${target.split("-")[0]}-static`;
    Deno.writeTextFileSync(path, `#!/bin/sh\nexec ${qemu} ${program} "$@"\n`, { mode: 0o700 });
    return path;
  }

  /** Equal for equal sources, headers and arguments. */
  #fingerprint(compiler: string, args: readonly string[]): string {
    const hash = createHash("sha256").update(compiler);
    for (const arg of args) {
      const isSource = existsSync(arg) && Deno.statSync(arg).isFile;
      hash.update("\0").update(isSource ? Deno.readFileSync(arg) : arg);
    }
    for (const { name } of Deno.readDirSync(`${PROJECT}c`)) {
      if (/\.h(pp)?$/.test(name)) hash.update(Deno.readFileSync(`${PROJECT}c/${name}`));
    }
    return hash.digest("hex");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** The program with the imports of `@sysv/shm` and its subpaths led to the files of this project. */
export function withLocalImports(program: string): string {
  return program.replaceAll(
    /@sysv\/shm(?:\/(\w+))?/g,
    (_, subpath?: string) =>
      `file://${PROJECT}${subpath === undefined ? "" : `src/${subpath}/`}mod.ts`,
  );
}
