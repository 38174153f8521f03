/** Starts the processes of a case, waits for their lines of JSON, and lets none of them live on. */

/** A process to start. */
export interface Start {
  readonly command: readonly string[];
  /** The cores it may use. Defaults to all. */
  readonly cores?: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A line of JSON that a peer ends with. */
export interface Line {
  readonly role: string;
  readonly messages?: number;
  readonly seconds?: number;
  readonly cpuSeconds?: number;
  readonly rssBytes?: number;
  readonly heapGrownBytes?: number;
  /** The figures of a program that measures several things. */
  readonly figures?: Readonly<Record<string, number>>;
  /** Why there is no figure, by what there would be one of. */
  readonly notRun?: Readonly<Record<string, string>>;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** All processes of the bench that run. */
export class Processes {
  readonly #running = new Set<Deno.ChildProcess>();

  /** Ends all, at once, and whatever they started themselves. */
  killAll(): void {
    for (const { pid } of this.#running) {
      try {
        Deno.kill(-pid, "SIGKILL");
      } catch (error) {
        // It ended by itself
        if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  async #run({ command, cores, env = {} }: Start): Promise<Ended> {
    const [program, ...args] = cores === undefined || cores.length === 0
      ? command
      : ["taskset", "-c", cores.join(","), ...command];
    const child = new Deno.Command(program!, {
      args,
      env,
      // In a process group of its own, which is killed as a whole
      detached: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#running.add(child);
    try {
      const { code, stdout, stderr } = await child.output();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    } finally {
      this.#running.delete(child);
    }
  }

  /**
   * Runs them together to their end.
   *
   * @returns the lines all of them printed
   * @throws {Error} one of them failed, or they did not end in time; all are dead then
   */
  async together(starts: readonly Start[], timeoutMs: number): Promise<Line[]> {
    let failure: string | undefined;
    const fail = (reason: string): void => {
      failure ??= reason;
      this.killAll();
    };
    const timer = setTimeout(() => fail(`no end after ${timeoutMs / 1000} s`), timeoutMs);
    try {
      const outputs = await Promise.all(starts.map(async (start) => {
        try {
          const ended = await this.#run(start);
          if (ended.code !== 0) fail(complaint(ended));
          return ended.stdout;
        } catch (error) {
          // It could not be started: the others would wait for it
          fail((error as Error).message);
          return "";
        }
      }));
      if (failure !== undefined) throw new Error(failure);
      return outputs.flatMap(parseLines);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What went wrong, in a line. */
function complaint({ code, stderr }: Ended): string {
  const lines = stderr.trim().split("\n");
  const told = lines.find((line) => /error/i.test(line)) ?? lines[0];
  return told ? told.trim().slice(0, 200) : `it ended with code ${code}`;
}

/** The lines of JSON among what was printed: a pipe's data may come before. */
export function parseLines(stdout: string): Line[] {
  return stdout.split("\n").flatMap((line) => {
    const at = line.indexOf('{"role":');
    return at === -1 ? [] : [JSON.parse(line.slice(at))];
  });
}
