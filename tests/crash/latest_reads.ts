/**
 * Reads of a Latest beside a writer that never pauses, each checked for being whole, in TypeScript and C on
 * either side. `latest_reads.ts write KEY 0` and `latest_reads.ts read KEY READS` are the sides in TypeScript;
 * `latest_reads.c` has the same in C.
 */

import { Latest, ShmError } from "../../mod.ts";
import { freshKey, Peer, PROJECT, type TestFolder } from "../support/peer.ts";
import { figures } from "./hostile_program.ts";

const WORDS = 16;
const SIZE = WORDS * Uint32Array.BYTES_PER_ELEMENT;
const THIS = new URL(import.meta.url).pathname;
const SAFETY_MS = 60_000;
/** A read takes less than 1 us on an idle machine. */
const MOST_MS_A_READ = 0.02;

type Language = "TypeScript" | "C";

/** Which sides meet: two in TypeScript, and each language with the other. */
export const SIDES: readonly (readonly [writer: Language, reader: Language])[] = [
  ["TypeScript", "TypeScript"],
  ["C", "TypeScript"],
  ["TypeScript", "C"],
  ["C", "C"],
];

/** The program in C. */
export function readsProgram(folder: TestFolder): string {
  const source = new URL("latest_reads.c", import.meta.url).pathname;
  return folder.compile("gcc", "latest_reads", [
    ...["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`, source],
  ]);
}

/** Reads so often, and tells how many were torn, and how many different values there were. */
export async function readBesideWriter(
  program: string,
  [writer, reader]: readonly [Language, Language],
  reads: number,
): Promise<{ readonly torn: number; readonly values: number }> {
  const key = freshKey();
  // Two cells: the one that is not the newest is always being written
  using _latest = Latest.openOrCreate({ key, size: SIZE, cells: 2 });
  const start = (language: Language, role: string): Peer => {
    const words = [role, `${key}`, `${reads}`];
    const [command, args]: [string, string[]] = language === "C"
      ? [program, words]
      : [Deno.execPath(), ["run", "--quiet", "--no-check", "--allow-ffi", THIS, ...words]];
    return Peer.start(command, args, {}, SAFETY_MS + reads * MOST_MS_A_READ);
  };
  await using writing = start(writer, "write");
  await writing.line();
  await using reading = start(reader, "read");
  const { torn, values } = figures(`${writer} to ${reader}`, await reading.ended());
  return { torn: torn!, values: values! };
}

function write(latest: Latest): never {
  const writer = latest.writer();
  const value = new Uint32Array(WORDS);
  console.log("ready");
  for (;;) {
    value.fill(writer.version + 1);
    writer.write(value);
  }
}

function read(latest: Latest, reads: number): void {
  const reader = latest.reader();
  let torn = 0;
  let values = 0;
  let last = 0;
  for (let n = 0; n < reads; n++) {
    let newest: ReturnType<typeof reader.read>;
    try {
      newest = reader.read();
    } catch (error) {
      // The writer overtook a thousand copies: none of them is handed out
      if (error instanceof ShmError && error.code === "EAGAIN") continue;
      throw error;
    }
    if (newest === undefined) continue;
    const { value, version } = newest;
    const words = new Uint32Array(value.buffer, value.byteOffset, WORDS);
    const low = version % 2 ** 32;
    let whole = version >= last && value.length === SIZE;
    for (let i = 0; i < WORDS; i++) whole &&= words[i] === low;
    if (!whole) torn++;
    if (version !== last) values++;
    last = version;
  }
  console.log(`torn=${torn} values=${values}`);
}

if (import.meta.main) {
  const [role, key, reads] = Deno.args;
  using latest = Latest.open(Number(key));
  if (role === "write") write(latest);
  read(latest, Number(reads));
}
