/** Our commands that draw on a terminal, driven as by a person: keys, a size, and what is to be seen. */

import assert from "node:assert/strict";
import { type Ended, type Peer, PROJECT, type TestFolder } from "../support/peer.ts";
import type { Size } from "../../src/cli/terminal/spans.ts";
import { cliInShellOnTerminal } from "../support/terminal.ts";
import { TerminalScreen } from "../support/terminal_screen.ts";
import { output } from "../support/foreign_objects.ts";
import { until } from "./command_line.ts";

/**
 * Around the command: which terminal it is, its size, how it is set before and after, which process
 * the command is, and how that ended.
 */
const SESSION = `tty; stty cols $COLUMNS rows $LINES; echo "before $(stty -g)"
sh -c 'echo "process $$"; exec "$@"' sh "$@"; code=$?
echo $code > "$CODE"; printf '\\nexit %d\\n' $code; echo "after $(stty -g)"`;

/** How every frame begins. */
const FRAME = "\x1b[1;1H";

/** How a session is started. */
export interface SessionOptions extends Partial<Size> {
  /** Runs the command with `-A`, so that it may read /proc. */
  readonly all?: boolean;
  /** Lets it use colours. */
  readonly colours?: boolean;
  /** Lets it ignore SIGHUP, as nohup(1) does. */
  readonly nohup?: boolean;
}

/** The command on a terminal of its own. */
export class Session implements AsyncDisposable {
  readonly screen: TerminalScreen;
  readonly #peer: Peer;
  readonly #codeFile: string;
  #written = 0;

  private constructor(peer: Peer, codeFile: string, { columns, rows }: Size) {
    this.#peer = peer;
    this.#codeFile = codeFile;
    this.screen = new TerminalScreen(columns, rows);
  }

  /** Starts `args` of our command; 24 lines of 80 if not said otherwise. */
  static start(folder: TestFolder, options: SessionOptions, ...args: readonly string[]): Session {
    const allowed = options.all === true ? 'deno=$1; shift 3; set -- "$deno" run -A "$@"' : "";
    return Session.#start(folder, options, allowed, args);
  }

  static #start(
    folder: TestFolder,
    { columns = 80, rows = 24, colours = false, nohup = false }: SessionOptions,
    command: string,
    args: readonly string[],
  ): Session {
    const codeFile = folder.file("code", "");
    const setup = [
      `COLUMNS=${columns} LINES=${rows} CODE=${codeFile}`,
      colours ? "unset NO_COLOR" : "",
      nohup ? 'trap "" HUP' : "",
      command,
      SESSION,
    ];
    const peer = cliInShellOnTerminal(folder, setup.join("\n"), ...args);
    return new Session(peer, codeFile, { columns, rows });
  }

  /** Starts a TypeScript program, given as text, that may import `Screen`. */
  static program(folder: TestFolder, options: SessionOptions, program: string): Session {
    const source =
      `import { Screen } from "file://${PROJECT}src/cli/terminal/screen.ts";\n${program}`;
    return Session.#start(folder, options, 'set -- "$1" eval --ext=ts "$5"', [source]);
  }

  /** All that was written, as it came. */
  get written(): string {
    return this.#peer.printed.stdout;
  }

  /** Waits until `condition` holds for what is on the screen, be it for a single frame. */
  async until(condition: (screen: TerminalScreen) => boolean): Promise<void> {
    try {
      await until(() => {
        while (!condition(this.screen)) if (!this.#showNext()) return false;
        return true;
      });
    } catch (error) {
      throw new Error(`on the screen is\n${this.screen.text}`, { cause: error });
    }
  }

  /** Shows what was written up to the next frame, if there is something. */
  #showNext(): boolean {
    const rest = this.written.slice(this.#written);
    const next = rest.indexOf(FRAME, 1);
    const text = next === -1 ? rest : rest.slice(0, next);
    this.screen.write(text);
    this.#written += text.length;
    return text !== "";
  }

  /** Waits until this is on the screen. */
  async sees(what: string | RegExp): Promise<void> {
    await this.until(({ text }) =>
      typeof what === "string" ? text.includes(what) : what.test(text)
    );
  }

  /** Types. */
  async type(keys: string): Promise<void> {
    await this.#peer.write(keys);
  }

  /** Gives the terminal another size, which the kernel tells the command. */
  resize(columns: number, rows: number): void {
    const [path] = /^\/dev\/\S+/m.exec(this.written)!;
    this.screen.resize(columns, rows);
    output("stty", "-F", path, "cols", `${columns}`, "rows", `${rows}`);
  }

  /** The process id of the command. */
  get pid(): number {
    return Number(/^process (\d+)/m.exec(this.written)![1]);
  }

  /** Ends the terminal, as closing its window does. */
  close(): void {
    this.#peer.kill("SIGKILL");
  }

  /** How the command ended on a terminal that was closed, if the shell has lived to see it. */
  async codeAfterClose(): Promise<number> {
    let code = "";
    await until(() => (code = Deno.readTextFileSync(this.#codeFile).trim()) !== "");
    return Number(code);
  }

  /** Waits for the end, sees to it that the terminal is as it was, and gives the exit code. */
  async ended(): Promise<number> {
    const { stdout }: Ended = await this.#peer.ended();
    while (this.#showNext());
    const said = (what: string): string | undefined =>
      new RegExp(`^${what} (\\S+)\r?$`, "m").exec(stdout)?.[1];
    assert.notEqual(said("before"), undefined);
    assert.equal(said("after"), said("before"));
    const { alternate, cursorVisible, wraps, bracketedPaste, wrapped, scrolled } = this.screen;
    assert.deepEqual(
      { alternate, cursorVisible, wraps, bracketedPaste, wrapped, scrolled },
      {
        alternate: false,
        cursorVisible: true,
        wraps: true,
        bracketedPaste: false,
        wrapped: 0,
        scrolled: 0,
      },
    );
    return Number(said("exit"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
  }
}
