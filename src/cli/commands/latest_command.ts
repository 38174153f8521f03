/** `cli.ts latest`: reads, writes and follows a latest value; lists, shows and removes latest values. */

import { ShmError } from "../../../ffi/shm_error.ts";
import { CELLS, isCells, VALUE_SIZE } from "../../latest/cells.ts";
import { Latest } from "../../latest/latest.ts";
import type { LatestOfOptions } from "../../latest/latest_options.ts";
import { jsonValue } from "../../layout/json.ts";
import type { Fields, StructLayout, StructView } from "../../layout/layout.ts";
import { formatMode } from "../../sysv/object_stat.ts";
import { statSegment } from "../../sysv/segment_stat.ts";
import { hexLines } from "../bytes/hex.ts";
import { structFromJson } from "../bytes/struct_json.ts";
import { messageStructOf, STRUCT_OPTIONS } from "../bytes/struct_options.ts";
import { readInput } from "../bytes/whole_input.ts";
import { type Command, command, verbCommand } from "../command.ts";
import { CommandFailure, UsageError } from "../errors.ts";
import { libraryVerbs } from "../library_command.ts";
import { given, SHARED_OPTIONS, sharedSettings } from "../message_options.ts";
import { LATEST } from "../objects/latest_facts.ts";
import {
  findSegment,
  parseTarget,
  type Target,
  TARGET_HELP,
  TARGET_OPTIONS,
  targetOf,
} from "../objects/target.ts";
import { print, report } from "../output.ts";
import { programName } from "../program_name.ts";
import { Gathering, type MessageFacts, type MessageForm } from "../received_messages.ts";
import { type End, endBy, tellExposure } from "../session.ts";
import { Interruption } from "../terminal/interruption.ts";
import { hexKey, keyText, plural, sizeInWords } from "../text/wording.ts";
import { countOption, durationOption, type Parsed, sizeOption, wholeOption } from "../usage.ts";

/** The most bytes of a value, if the user does not say it: enough for text, and little memory. */
const DEFAULT_SIZE = 1024;

const help = (options: string): string =>
  `Read, write and follow a latest value: one value, always the newest.

Usage: cli.ts latest get [--json|--hex|--raw] [--struct DECL] KEY|ID
       cli.ts latest set [options] KEY|ID [VALUE]
       cli.ts latest watch [options] KEY|ID
       cli.ts latest ls [options]
       cli.ts latest stat [--json] KEY|ID
       cli.ts latest rm [options] KEY|ID...
       cli.ts latest rm [options] --mine|--orphans|--older-than AGE

get prints the newest value as a line of text; with --raw its bytes and nothing
else, with --hex as hexdump -C prints them. On a terminal, characters that could
control it are printed as escapes. If nothing was written yet, the exit code is
1. set writes VALUE, or all of stdin as it is, and creates the latest value if
there is none; it is kept until \`latest rm\`. watch prints the newest value and
each later one as it is written. If values come faster than they are printed,
watch skips some: the others are always whole.

With --struct or --struct-file, values are structs: get and watch print JSON,
and set takes it, as dump prints it with --json. If the latest value has another
struct, they fail and name the first field that differs. DECL and FILE are as
for dump.

get and watch attach read-only, need only read permission, and are not seen by
the writer. set fails while another process is the writer; with --timeout it
waits for that.

ls shows KEY, ID (of the segment), OWNER, the most bytes of a VALUE, CELLS (how
many values are in memory, so that a slow reader still reads a whole one), the
VERSION (the number of the newest value) and its LENGTH, the pid of the WRITER,
USERS (how many have it open) and KEPT (it stays when all users are gone). stat
shows one. rm removes it, as \`channel rm\` removes a channel.

${TARGET_HELP}

Options:
${options}

JSON of get and watch: version; watch: skipped (values that were not printed
before this one); length (in bytes) and text, or if it is not UTF-8, bytes (in
base64); with --struct: value. JSON of ls and stat: owner and mode as in
\`ls --json\`, and size, nattch, setId, valueSize, cells, version, length,
writer, writers (how many there were), typeHash (of its struct, or null), users,
kept.

Exit codes: 0 done; 1 there is none, nothing was written yet, or it failed, or
watch timed out; 2 wrong usage; 129, 131, 143 watch was ended by SIGHUP,
SIGQUIT, SIGTERM; 130 by Ctrl-C before --count, and 0 without --count.

Examples:
  deno run --allow-ffi cli.ts latest set 0xcafe "hello"
  deno run --allow-ffi cli.ts latest set 0xcaff --struct 'double x, y;' \\
    '{"x": 1.5, "y": -2}'
  deno run --allow-ffi cli.ts latest watch 0xcaff --struct 'double x, y;' --json
`;

const VALUE_OPTIONS = {
  struct: { value: "DECL", help: "values are structs of these fields in C" },
  ...STRUCT_OPTIONS,
} as const;

const JSON_OPTION = { json: { help: "as JSON; the stable form" } } as const;

/** A latest value of bytes or of structs. */
type AnyLatest = Latest | ReturnType<typeof Latest.of<Fields>>;

/** The key of a latest value that there is. */
function keyOf(target: Target): number {
  const { id, key } = findSegment(target);
  // Says what else it is; a segment without a key is none
  LATEST.look(id);
  return key;
}

/** Opens a latest value to read it. Reading is harmless, as in `dump`. */
function openToRead(
  parsed: Parsed<"id">,
  layout: StructLayout<Fields> | undefined,
): AnyLatest {
  const key = keyOf(targetOf(parsed));
  const options = { readOnly: true, trust: true } as const;
  return layout === undefined ? Latest.open(key, options) : Latest.of(layout, { key, ...options });
}

/** Adds a value to what will be printed. */
function add(gathering: Gathering, facts: MessageFacts, value: unknown): void {
  if (value instanceof Uint8Array) gathering.add(facts, value);
  else gathering.addValue(facts, jsonValue(value));
}

const GET = command({
  options: {
    hex: { help: "with get: bytes in hexadecimal, as hexdump -C" },
    raw: { help: "with get: the bytes, and nothing else" },
    ...VALUE_OPTIONS,
    ...JSON_OPTION,
    ...TARGET_OPTIONS,
  },
  async run(parsed): Promise<void> {
    const { hex, raw, json } = parsed.options;
    const layout = await messageStructOf(parsed);
    const forms = [hex, raw, json ?? layout].filter((each) => each !== undefined);
    if (forms.length > 1) throw new UsageError("--hex, --raw, or --json and --struct: one of them");
    using latest = openToRead(parsed, layout);
    const newest = latest.reader().read();
    if (newest === undefined) {
      throw new CommandFailure(`nothing was written yet to latest value ${latest.id}`);
    }
    const { value, version } = newest;
    if (hex === true) return await print([...hexLines([value as Uint8Array], {})].join("\n"));
    const form: MessageForm = raw === true ? "binary" : json === true ? "json" : "lines";
    const gathering = new Gathering(form, Deno.stdout.isTerminal());
    add(gathering, { version }, value);
    await gathering.write();
  },
});

const SET_OPTIONS = {
  size: {
    value: "SIZE",
    help: "most bytes, if created: 1K, or what VALUE has",
  },
  cells: { value: "N", help: "values in memory, if created; a power of two: 16" },
  timeout: {
    short: "t",
    value: "DURATION",
    help: "wait for the writer's turn, or watch for a change: 5s",
  },
  ...SHARED_OPTIONS,
  ...VALUE_OPTIONS,
} as const;

const SET = command({
  options: SET_OPTIONS,
  async run(parsed): Promise<void> {
    const { options, positionals: [name, text, extra] } = parsed;
    if (name === undefined) throw new UsageError("Missing latest value: KEY or id:ID");
    if (extra !== undefined) {
      throw new UsageError(`unexpected argument ${extra}: VALUE is one word`);
    }
    const common = sharedSettings(options);
    const { tell, wait } = common;
    const layout = await messageStructOf(parsed);
    const size = sizeOption("size", options.size, VALUE_SIZE.MIN);
    if (layout !== undefined && size !== undefined) {
      throw new UsageError("--struct says how long a value is: give no --size");
    }
    const cells = wholeOption("cells", options.cells, CELLS.MIN, CELLS.MAX);
    if (cells !== undefined && !isCells(cells)) {
      throw new UsageError(`option --cells: ${cells} is not a power of two`);
    }
    const target = parseTarget(name);
    const key = target.kind === "key" ? target.key : keyOf(target);
    const bytes = text === undefined ? await input() : new TextEncoder().encode(text);
    // A value that the struct does not have must not leave a latest value without one
    const value = layout === undefined ? bytes : structOfBytes(layout, bytes);
    const open = { key, persistent: true, ...common.open, ...given({ cells }) };
    using latest: AnyLatest = layout === undefined
      ? openBytes({ ...open, size }, bytes)
      : Latest.of(layout, open);
    const { id, created } = latest;
    tellExposure(latest, common);
    if (created) {
      tell(
        `created segment ${id} (${keyText(key)}), ${latest.cells} values of at most ` +
          `${sizeInWords(latest.size)}, mode ${formatMode(statSegment(id).mode)}; it is kept: ` +
          `\`${programName()} latest rm ${hexKey(key)}\` removes it`,
      );
    }
    if (layout === undefined) checkUntyped(latest, bytes);
    using writer = wait.timeout === undefined ? latest.writer() : await latest.acquireWriter(wait);
    const version = writer.write(value as never);
    tell(`wrote version ${version} to segment ${id}`);
  },
});

async function input(): Promise<Uint8Array> {
  return await new Blob(await readInput(VALUE_SIZE.MAX)).bytes();
}

function structOfBytes(layout: StructLayout<Fields>, bytes: Uint8Array): StructView<Fields> {
  try {
    return structFromJson(layout, new TextDecoder().decode(bytes));
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new CommandFailure(`VALUE: ${error.message}: nothing written`);
  }
}

interface BytesOptions extends LatestOfOptions {
  readonly size: number | undefined;
}

/** Opens the latest value with that key as it is, or creates one in which the value has room. */
function openBytes({ size, ...open }: BytesOptions, { length }: Uint8Array): Latest {
  const { key, cells, trust = false, timeout } = open;
  if (size === undefined && cells === undefined) {
    try {
      return Latest.open(key, { trust, ...given({ timeout }) });
    } catch (error) {
      if (!ShmError.is(error, "ENOENT")) throw error;
    }
  }
  const most = size ?? Math.max(DEFAULT_SIZE, length);
  checkRoom(length, most);
  return Latest.openOrCreate({ ...open, size: most });
}

function checkRoom(length: number, most: number): void {
  if (length <= most) return;
  throw new CommandFailure(
    `VALUE has ${plural(length, "byte")}, and a value at most ${most}: nothing written`,
  );
}

/** Bytes that are no value of the struct that it has must not become one. */
function checkUntyped({ id, size }: AnyLatest, { length }: Uint8Array): void {
  checkRoom(length, size);
  if (length === size || LATEST.look(id).typeHash === 0) return;
  throw new CommandFailure(
    `the values of segment ${id} are structs of ${
      plural(size, "byte")
    }, and VALUE has ${length}: ` +
      "nothing written; --struct writes one from JSON",
  );
}

const WATCH = command({
  options: {
    count: { short: "c", value: "N", help: "with watch: end after N values" },
    timeout: SET_OPTIONS.timeout,
    quiet: SHARED_OPTIONS.quiet,
    ...VALUE_OPTIONS,
    ...JSON_OPTION,
    ...TARGET_OPTIONS,
  },
  async run(parsed): Promise<number> {
    const { options } = parsed;
    const count = countOption("count", options.count);
    const wait = given({ timeout: durationOption("timeout", options.timeout) });
    const tell = options.quiet === true ? (): void => {} : report;
    const layout = await messageStructOf(parsed);
    using interruption = new Interruption();
    using latest = openToRead(parsed, layout);
    tell(`watching latest value ${latest.id} (${keyText(latest.key)})`);
    const gathering = new Gathering(
      options.json === true ? "json" : "lines",
      Deno.stdout.isTerminal(),
    );
    const reader = latest.reader();
    const { signal } = interruption;
    const { why, code } = await watch();
    interruption.leaveLine(tell);
    tell(why);
    return code;

    async function watch(): Promise<End> {
      try {
        for (let seen = 0; seen !== count; seen++) {
          const { value, version, skipped } = await reader.wait({ ...wait, signal });
          add(gathering, { version, skipped }, value);
          if (skipped > 0 && options.json !== true) {
            report(`${plural(skipped, "value")} skipped before version ${version}`);
          }
          await gathering.write();
        }
        return { why: plural(count!, "value"), code: 0 };
      } catch (error) {
        return endBy(error, { goal: count !== undefined, ...wait, what: "value" });
      }
    }
  },
});

const { ls, stat, rm } = libraryVerbs("latest", LATEST);

export const latestCommand: Command = verbCommand({
  verbs: { get: GET, set: SET, watch: WATCH, ls, stat, rm },
  noun: "a latest value",
  help,
});
