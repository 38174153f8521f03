/**
 * Segments and semaphore sets made by programs that are not ours: ipcmk(1), ipcrm(1) and core Perl.
 * For tests of what we say about other people's objects; register them with `testWith`.
 */

import assert from "node:assert/strict";
import { Peer } from "./peer.ts";

/** Runs a program to its end and gives what it printed; the test fails if it fails. */
export function output(program: string, ...args: readonly string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, {
    args: [...args],
    env: { LC_ALL: "C" },
  }).outputSync();
  assert(success, `${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** What ipcmk(1) made, which is orphaned at once; removed when disposed. */
export class ForeignObject implements Disposable {
  /** The kernel's handle. */
  readonly id: number;
  readonly #option: "-m" | "-s";

  private constructor(id: number, option: "-m" | "-s") {
    this.id = id;
    this.#option = option;
  }

  /** A segment of ipcmk's, at a key of its choice. */
  static segment(size: number, mode = "0600"): ForeignObject {
    return new ForeignObject(idIn(output("ipcmk", "-M", `${size}`, "-p", mode)), "-m");
  }

  /** A semaphore set of ipcmk's, at a key of its choice. */
  static semaphores(count: number, mode = "0600"): ForeignObject {
    return new ForeignObject(idIn(output("ipcmk", "-S", `${count}`, "-p", mode)), "-s");
  }

  [Symbol.dispose](): void {
    removeWithIpcrm(this.#option, this.id);
  }
}

/** What the kernel's own table says of a segment, by the names of its columns. */
export function kernelRow(id: number): Readonly<Record<string, number>> {
  const rows = output("cat", "/proc/sysvipc/shm").trimEnd().split("\n")
    .map((row) => row.trim().split(/\s+/));
  const row = rows.find((cells) => cells[1] === `${id}`);
  assert(row !== undefined, `no segment ${id} in /proc/sysvipc/shm`);
  return Object.fromEntries(rows[0]!.map((name, i) => [name, Number(row[i])]));
}

function removeWithIpcrm(option: "-m" | "-s", id: number): void {
  // It may be gone, which was then what the test was about
  new Deno.Command("ipcrm", { args: [option, `${id}`], stderr: "null" }).outputSync();
}

function idIn(text: string): number {
  return Number(/id: (\d+)/.exec(text)?.[1]);
}

/** A Perl program that made a segment by itself; disposing ends it, and removes the segment. */
export interface PerlSegment extends AsyncDisposable {
  readonly perl: Peer;
  readonly id: number;
}

/** Starts Perl to make a segment with `shmget` and hold it attached, `times` over. */
export async function perlSegment(
  { key, size, mode = 0o600, times = 1 }: {
    readonly key: number;
    readonly size: number;
    readonly mode?: number;
    readonly times?: number;
  },
): Promise<PerlSegment> {
  const perl = Peer.start("perl", [
    "-e",
    `use IPC::SysV qw(IPC_CREAT IPC_EXCL shmat); $| = 1;
    my $id = shmget(${key | 0}, ${size}, IPC_CREAT | IPC_EXCL | ${mode});
    defined $id or die "shmget: $!";
    for (1 .. ${times}) { defined shmat($id, undef, 0) or die "shmat: $!" }
    print "$id\\n";
    <STDIN>;`,
  ]);
  const id = Number(await perl.line());
  return {
    perl,
    id,
    async [Symbol.asyncDispose](): Promise<void> {
      await perl[Symbol.asyncDispose]();
      removeWithIpcrm("-m", id);
    },
  };
}
