/**
 * Lays out the structs of this system's headers and compares them with gcc: `deno task headers`, or
 * `deno task headers FOLDER...`. It prints how many are equal, different and refused:
 *
 * - paste: the text of the struct alone, after the `#pragma pack` lines that count before it
 * - raw: the whole header as it is
 * - preprocessed: the header after `gcc -E`
 *
 * It ends with 1 if a struct differs, or if more than 3 % of those without pointers are refused when
 * preprocessed. `--refused` prints why structs are refused, `--every N` takes only each Nth header. SIGTERM,
 * as of `timeout`, ends it with what it has compared so far.
 */
import { known } from "../../src/cparse/known_struct.ts";
import { parseStruct } from "../../src/cparse/parse_struct.ts";
import { scanAll, type Token } from "../../src/cparse/token.ts";
import { program, type Question, questions } from "./compiler_questions.ts";

const MODES = ["paste", "raw", "preprocessed"] as const;
type Mode = typeof MODES[number];

/** What headers take for granted. */
const INCLUDED = `#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stddef.h>
#include <sys/types.h>
`;

/** A struct or union that a header defines. */
interface Definition {
  /** The tag, or the name of its typedef. */
  readonly name: string;
  /** The type in C. */
  readonly type: string;
  readonly hasPointer: boolean;
  readonly firstLine: number;
  readonly lastLine: number;
}

interface Counts {
  equal: number;
  different: number;
  refused: number;
  refusedWithoutPointers: number;
  withoutPointers: number;
}

/** The most questions about one struct. */
const MOST_QUESTIONS = 400;

const counts = Object.fromEntries(MODES.map((mode) => [mode, {
  equal: 0,
  different: 0,
  refused: 0,
  refusedWithoutPointers: 0,
  withoutPointers: 0,
}])) as Record<Mode, Counts>;
const reasons = new Map<string, number>();
const seen = new Set<string>();
let [headers, skipped] = [0, 0];

const folder = Deno.makeTempDirSync({ prefix: "sysv-shm-headers-" });

async function gcc(args: readonly string[]): Promise<{ out: string; errors: string; ok: boolean }> {
  const { stdout, stderr, success } = await new Deno.Command("gcc", {
    args: [...args],
    env: { LC_ALL: "C" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { out: text(stdout), errors: text(stderr), ok: success };
}

/** The tokens of preprocessed text that come from one file, with their lines in it. */
function tokensOf(text: string, file: string): Token[] {
  const tokens: Token[] = [];
  let line = 0;
  let inside = false;
  for (const each of text.split("\n")) {
    const marker = /^# (\d+) "((?:[^"\\]|\\.)*)"/.exec(each);
    if (marker !== null) {
      line = Number(marker[1]);
      inside = marker[2] === file;
      continue;
    }
    if (inside) { for (const token of scanAll(each)) tokens.push({ ...token, line }); }
    line += 1;
  }
  return tokens;
}

/** The `#pragma pack` lines of one file that count, with their lines in it. */
function pragmasOf(text: string, file: string): { readonly line: number; readonly text: string }[] {
  const pragmas: { readonly line: number; readonly text: string }[] = [];
  let line = 0;
  let inside = false;
  for (const each of text.split("\n")) {
    const marker = /^# (\d+) "((?:[^"\\]|\\.)*)"/.exec(each);
    if (marker !== null) {
      line = Number(marker[1]);
      inside = marker[2] === file;
      continue;
    }
    if (inside && /^#pragma pack/.test(each)) pragmas.push({ line, text: `${each}\n` });
    line += 1;
  }
  return pragmas;
}

/** The index after the bracket that closes the one at `at`. */
function closing(tokens: readonly Token[], at: number): number {
  let open = 0;
  for (let i = at; i < tokens.length; i++) {
    if (/^[([{]$/.test(tokens[i]!.text)) open += 1;
    if (/^[)\]}]$/.test(tokens[i]!.text)) open -= 1;
    if (open === 0) return i + 1;
  }
  return tokens.length;
}

function skipAttributes(tokens: readonly Token[], at: number): number {
  let i = at;
  while (/^__attribute(__)?$/.test(tokens[i]?.text ?? "")) i = closing(tokens, i + 1);
  return i;
}

/** The structs and unions with names in these tokens, those in other structs too. */
function definitionsIn(tokens: readonly Token[]): Definition[] {
  const found: Definition[] = [];
  const walk = (from: number, to: number, outside: boolean): void => {
    let start = from;
    for (let i = from; i < to; i++) {
      const { text } = tokens[i]!;
      if (text === ";") start = i + 1;
      if (text === "{" || text === "(") {
        i = closing(tokens, i) - 1;
        if (text === "{") start = i + 1;
        continue;
      }
      if (text !== "struct" && text !== "union") continue;
      let at = skipAttributes(tokens, i + 1);
      const tag = tokens[at]?.kind === "word" ? tokens[at++] : undefined;
      if (tokens[at]?.text !== "{") continue;
      const end = closing(tokens, at);
      const body = tokens.slice(at, end);
      walk(at + 1, end - 1, false);
      let after = skipAttributes(tokens, end);
      const alias = outside && tokens[start]?.text === "typedef" && tokens[after]?.kind === "word"
        ? tokens[after]!.text
        : undefined;
      while (after < to && tokens[after]!.text !== ";") after += 1;
      const name = tag?.text ?? alias;
      if (name !== undefined) {
        found.push({
          name,
          type: tag === undefined ? name : `${text} ${name}`,
          hasPointer: body.some(({ text }) => text === "*"),
          firstLine: tokens[outside ? start : i]!.line,
          lastLine: tokens[Math.min(after, tokens.length - 1)]!.line,
        });
      }
      i = end - 1;
    }
  };
  walk(0, tokens.length, true);
  return found;
}

/** Asks gcc. What does not compile has the answer `undefined`. */
async function answers(
  header: string,
  asked: readonly Question[],
  id: number,
): Promise<(number | undefined)[] | undefined> {
  const wrong = new Set<number>();
  const include = `${INCLUDED}#include "${header}"`;
  for (let round = 0; round < 4; round++) {
    const left = asked.map((_, i) => i).filter((i) => !wrong.has(i));
    const { source, firstLine } = program(include, left.map((i) => asked[i]!));
    const [file, binary] = [`${folder}/${id}.c`, `${folder}/${id}`];
    Deno.writeTextFileSync(file, source);
    const options = ["-std=gnu17", "-w", "-fmax-errors=0", ...foldersOf(header)];
    const { errors, ok } = await gcc([...options, "-o", binary, file]);
    if (ok) {
      const { stdout } = await new Deno.Command(binary, { stdin: "null" }).output();
      const lines = new TextDecoder().decode(stdout).trim().split("\n");
      const result: (number | undefined)[] = asked.map(() => undefined);
      left.forEach((question, i) => result[question] = Number(lines[i]));
      return result;
    }
    const before = wrong.size;
    for (const [, line] of errors.matchAll(/^[^\s:]*\/\d+\.c:(\d+):\d+: error:/gm)) {
      const question = left[Number(line) - firstLine];
      if (question !== undefined) wrong.add(question);
    }
    if (wrong.size === before) return undefined;
  }
  return undefined;
}

/** Where packages have the headers that others include without a folder. */
const FOLDERS = [
  "/usr/include/pixman-1",
  "/usr/include/libxml2",
  "/usr/include/glib-2.0",
  "/usr/lib/x86_64-linux-gnu/glib-2.0/include",
  "/usr/include/dpdk",
  "/usr/include/x86_64-linux-gnu/dpdk",
];

/** The options that find these, and the other headers of the same package, after those of the system. */
function foldersOf(header: string): string[] {
  const [first = ""] = header.replace(/^\/usr\/include\//, "").split("/");
  const own = header.startsWith("/usr/include/") ? [`/usr/include/${first}`] : [];
  return [...own, ...FOLDERS].flatMap((folder) => ["-idirafter", folder]);
}

async function compare(header: string, id: number): Promise<void> {
  const probe = `${folder}/${id}.probe.c`;
  Deno.writeTextFileSync(probe, `${INCLUDED}#include "${header}"\n`);
  const marked = await gcc(["-std=gnu17", ...foldersOf(header), "-E", probe]);
  const compiled = await gcc(["-std=gnu17", "-w", ...foldersOf(header), "-fsyntax-only", probe]);
  if (!marked.ok || !compiled.ok) {
    skipped += 1;
    return;
  }
  const definitions = definitionsIn(tokensOf(marked.out, header)).filter(({ name }) => {
    const key = `${header} ${name}`;
    return !seen.has(key) && seen.add(key);
  });
  headers += 1;
  if (definitions.length === 0) return;
  const preprocessed = marked.out;
  const raw = Deno.readTextFileSync(header);
  const lines = raw.split("\n");
  const pragmas = pragmasOf(marked.out, header);

  const asked: Question[] = [];
  const parsed: { definition: Definition; mode: Mode; from: number; to: number }[] = [];
  for (const definition of definitions) {
    const texts: Record<Mode, string> = {
      paste: [
        ...pragmas.filter(({ line }) => line < definition.firstLine).map(({ text }) => text),
        ...lines.slice(definition.firstLine - 1, definition.lastLine),
      ].join("\n"),
      raw,
      preprocessed,
    };
    for (const mode of MODES) {
      const count = counts[mode];
      if (!definition.hasPointer) count.withoutPointers += 1;
      try {
        const layout = parseStruct(texts[mode], { name: definition.name });
        const from = asked.length;
        const all = questions(
          layout,
          definition.type,
          (part) =>
            [..."timespec in6_addr sockaddr_storage".split(" ")].some((tag) => known(tag) === part),
        );
        asked.push(...all.slice(0, MOST_QUESTIONS));
        parsed.push({ definition, mode, from, to: asked.length });
      } catch (error) {
        count.refused += 1;
        if (!definition.hasPointer) count.refusedWithoutPointers += 1;
        if (mode === "preprocessed" && !definition.hasPointer) {
          const reason = (error as Error).message.replace(/^line \d+, column \d+, /, "");
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
        }
      }
    }
  }
  const theirs = await answers(header, asked, id);
  if (theirs === undefined) {
    skipped += 1;
    return;
  }
  for (const { definition: { type }, mode, from, to } of parsed) {
    const at = asked.slice(from, to).findIndex(({ answer }, i) => theirs[from + i] !== answer);
    counts[mode][at === -1 ? "equal" : "different"] += 1;
    if (at === -1) continue;
    const { text, answer } = asked[from + at]!;
    console.log(
      `${header}: ${type}, ${mode}: ${text} is ${theirs[from + at] ?? "an error"}, not ${answer}`,
    );
  }
}

/** Folders of C++, and of other C libraries. */
const NOT_C = /^(c\+\+|llvm|clang|node$|boost|.*-linux-musl)/;

function headersIn(path: string): string[] {
  try {
    return [...Deno.readDirSync(path)].flatMap(({ name, isDirectory }) => {
      const inner = `${path}/${name}`;
      if (isDirectory) {
        return NOT_C.test(name) ? [] : headersIn(inner);
      }
      return /\.h$/.test(name) ? [inner] : [];
    }).sort();
  } catch {
    return [];
  }
}

const every = Number(Deno.args[Deno.args.indexOf("--every") + 1] ?? 1) || 1;
const folders = Deno.args.filter((arg) => arg.startsWith("/"));
const all = (folders.length === 0 ? ["/usr/include"] : folders).flatMap(headersIn)
  .filter((_, i) => i % every === 0);
let next = 0;
const end = (): void => {
  console.log(`ended after ${next} of ${all.length} headers`);
  next = all.length;
};
Deno.addSignalListener("SIGTERM", end);
try {
  const work = async (): Promise<void> => {
    while (next < all.length) {
      const id = next++;
      await compare(all[id]!, id);
      for (const suffix of ["", ".c", ".probe.c"]) {
        await Deno.remove(`${folder}/${id}${suffix}`).catch(() => {});
      }
    }
  };
  await Promise.all([work(), work(), work()]);
} finally {
  Deno.removeSignalListener("SIGTERM", end);
  Deno.removeSync(folder, { recursive: true });
}

if (Deno.args.includes("--refused")) {
  for (const [reason, count] of [...reasons].sort(([, a], [, b]) => b - a).slice(0, 60)) {
    console.log(`${String(count).padStart(5)} ${reason}`);
  }
}
console.log(`${headers} headers; ${skipped} more do not compile alone`);
for (const mode of MODES) {
  const { equal, different, refused, refusedWithoutPointers, withoutPointers } = counts[mode];
  const share = 100 * refusedWithoutPointers / Math.max(1, withoutPointers);
  console.log(
    `${mode.padEnd(12)} ${equal} equal, ${different} different, ${refused} refused; ` +
      `of ${withoutPointers} without pointers ${refusedWithoutPointers} (${share.toFixed(1)} %)`,
  );
}
const { refusedWithoutPointers, withoutPointers } = counts.preprocessed;
const differs = MODES.some((mode) => counts[mode].different > 0);
if (differs || refusedWithoutPointers > 0.03 * withoutPointers) Deno.exit(1);
