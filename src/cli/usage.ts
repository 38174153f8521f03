/** Parses a command line: options by a table, values by their kind; a mistake is a `UsageError`. */

import { parseKey } from "../sysv/key.ts";
import { UsageError } from "./errors.ts";
import { parseSize } from "./text/size.ts";
import { parseOctalMode } from "./text/mode.ts";

/** One option: `--name`, with an optional short form `-s` and an optional value. */
export interface OptionSpec {
  /** The letter of its short form. */
  readonly short?: string;
  /** The name of its value in the help; if it is missing, the option takes no value. */
  readonly value?: string;
  /** Whether the option may repeat and every value counts; otherwise the last one counts. */
  readonly multiple?: true;
  /** The possible values, for completion; with `list`, several of them separated by commas. */
  readonly choices?: readonly string[];
  readonly list?: true;
  /** The description of the option in the help. */
  readonly help: string;
}

/** A command's options by name. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** A parsed command line: flags are `true`, options with a value are its text. */
export interface Parsed<Name extends string> {
  readonly options: { readonly [K in Name]?: string | true };
  /** All values of the options that may repeat, in order. */
  readonly repeated: { readonly [K in Name]?: readonly string[] };
  readonly positionals: readonly string[];
}

type Token =
  | { readonly kind: "positional"; readonly value: string }
  | {
    readonly kind: "option";
    /** Its long name, or the letter that no option has. */
    readonly name: string;
    /** As it is on the command line: `--key`, `-k`. */
    readonly rawName: string;
    readonly value: string | undefined;
    /** Whether the value is part of the same argument: `--key=1`, `-k1`. */
    readonly inline: boolean;
  };

/**
 * Splits `args` into tokens by `table`, unknown options included. Does the same as `parseArgs` of
 * `node:util`, which takes longer to load than most commands run.
 */
function* tokensOf(args: readonly string[], table: OptionTable): Generator<Token, void, void> {
  const longNames = new Map(Object.entries(table).map(([name, { short }]) => [short, name]));
  const takesValue = (name: string): boolean =>
    Object.hasOwn(table, name) && table[name]!.value !== undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      for (const value of args.slice(i + 1)) yield { kind: "positional", value };
      return;
    }
    if (arg.startsWith("--")) {
      const equals = arg.indexOf("=", 3);
      const rawName = equals < 0 ? arg : arg.slice(0, equals);
      const name = rawName.slice(2);
      if (equals >= 0) {
        yield { kind: "option", name, rawName, value: arg.slice(equals + 1), inline: true };
      } else {
        const value = takesValue(name) ? args[++i] : undefined;
        yield { kind: "option", name, rawName, value, inline: false };
      }
    } else if (arg.startsWith("-") && arg !== "-") {
      // Letters without a value may be combined, with one letter that takes a value as the last
      for (let at = 1; at < arg.length; at++) {
        const letter = arg[at]!;
        const name = longNames.get(letter) ?? letter;
        const rawName = `-${letter}`;
        const rest = takesValue(name) ? arg.slice(at + 1) : "";
        if (rest !== "") {
          yield { kind: "option", name, rawName, value: rest, inline: true };
          break;
        }
        const value = takesValue(name) ? args[++i] : undefined;
        yield { kind: "option", name, rawName, value, inline: false };
      }
    } else {
      yield { kind: "positional", value: arg };
    }
  }
}

/**
 * Parses `args` by `table`. The last of several equal options counts; `--` ends the options.
 *
 * @throws {UsageError} an unknown option, a missing value, a value for an option without one
 */
export function parse<Table extends OptionTable>(
  args: readonly string[],
  table: Table,
): Parsed<string & keyof Table> {
  const options: { [name: string]: string | true } = {};
  const repeated: { [name: string]: string[] } = {};
  const positionals: string[] = [];
  for (const token of tokensOf(args, table)) {
    if (token.kind === "positional") {
      positionals.push(token.value);
      continue;
    }
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) {
      const hint = /^-[0-9]/.test(token.rawName) ? ": write a negative number after --" : "";
      throw new UsageError(`unknown option ${token.rawName}${hint}`);
    }
    if (spec.value === undefined) {
      if (token.value !== undefined) throw new UsageError(`option ${token.rawName} takes no value`);
      options[token.name] = true;
    } else {
      // Text that looks like an option is not taken as a value; a negative number is
      if (token.value === undefined || (!token.inline && /^-[^0-9]/.test(token.value))) {
        throw new UsageError(`option ${token.rawName} needs a value: ${spec.value}`);
      }
      options[token.name] = token.value;
      if (spec.multiple === true) (repeated[token.name] ??= []).push(token.value);
    }
  }
  return { options, repeated, positionals } as Parsed<string> as Parsed<string & keyof Table>;
}

/** Whether the command line asks for help, even if it has mistakes. */
export function asksForHelp(args: readonly string[], table: OptionTable): boolean {
  return tokensOf(args, table).some((token) =>
    token.kind === "option" && token.name === "help" && token.value === undefined
  );
}

/**
 * The value of the option `name`, if it is given: what `read` makes of its text. What that throws becomes
 * a mistake in the option.
 */
export function valueOf<Value>(
  name: string,
  text: string | true | undefined,
  read: (text: string) => Value,
): Value | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new UsageError(`option --${name}: ${error.message}`);
  }
}

/** `--key`: decimal, 0x, 0-octal or `path:project`. */
export function keyOption(text: string | true | undefined): number | undefined {
  return valueOf("key", text, (each) => {
    const key = parseKey(each);
    if (key === 0) throw new RangeError("key 0 is IPC_PRIVATE, which no other process can find");
    return key;
  });
}

/** `--mode`: octal, as in chmod(1). */
export function modeOption(text: string | true | undefined): number | undefined {
  return valueOf("mode", text, parseOctalMode);
}

/** A whole number of at least 1. */
export function countOption(name: string, text: string | true | undefined): number | undefined {
  return wholeOption(name, text, 1);
}

/** A whole number of at least `least`, and at most `most` if that is given. */
export function wholeOption(
  name: string,
  text: string | true | undefined,
  least: number,
  most = Number.MAX_SAFE_INTEGER,
): number | undefined {
  return valueOf(name, text, (each) => {
    const whole = /^[0-9]+$/.test(each) ? Number(each) : NaN;
    if (!(whole >= least && whole <= most)) {
      const range = most === Number.MAX_SAFE_INTEGER
        ? `of at least ${least}`
        : `from ${least} to ${most}`;
      throw new TypeError(`"${each}" is not a whole number ${range}`);
    }
    return whole;
  });
}

/** One of several words. */
export function choiceOption<Choice extends string>(
  name: string,
  text: string | true | undefined,
  choices: readonly Choice[],
): Choice | undefined {
  if (typeof text !== "string") return undefined;
  const choice = choices.find((each) => each === text);
  if (choice !== undefined) return choice;
  throw new UsageError(
    `option --${name}: ${JSON.stringify(text)} is none of ${choices.join(", ")}`,
  );
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1e3,
  "": 1e3,
  m: 60e3,
  h: 3600e3,
  d: 86400e3,
};

/** A duration in milliseconds from `500ms`, `1.5s`, `2m`, `1h`, `7d`; a bare number is in seconds. */
export function durationOption(name: string, text: string | true | undefined): number | undefined {
  return valueOf(name, text, (each) => {
    const [, digits, unit] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|)$/.exec(each) ?? [];
    // Rounded to the microsecond: 1.001 s is 1001 ms in spite of binary fractions
    const ms = Math.round(Number(digits) * (UNIT_MS[unit ?? ""] ?? NaN) * 1e3) / 1e3;
    if (!Number.isFinite(ms)) {
      throw new TypeError(`"${each}" is not a duration such as 500ms, 1.5s, 2m, 1h or 7d`);
    }
    return ms;
  });
}

/** A number of bytes, such as `64K` or `0x1000`, of at least `least`. */
export function sizeOption(
  name: string,
  text: string | true | undefined,
  least = 0,
): number | undefined {
  return valueOf(name, text, (each) => {
    const bytes = parseSize(each);
    if (bytes < least) throw new RangeError(`${each} is less than ${least}`);
    return bytes;
  });
}

/** The options part of a command's help. */
export function optionsHelp(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, { short, value, help }]) => ({
    left: `${short === undefined ? "    " : `-${short}, `}--${name}${value ? ` ${value}` : ""}`,
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`).join("\n");
}
