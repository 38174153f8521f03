/** Whatever text a user writes: what reads it returns a value, or refuses it with the errors for that. */

import assert from "node:assert/strict";
import { ShmError } from "../../mod.ts";
import type { ChannelOptions } from "../../src/channel/channel_options.ts";
import { CHANNEL_OPTIONS, channelSettings } from "../../src/cli/message_options.ts";
import { parseKey } from "../../src/sysv/key.ts";
import { parseOwner } from "../../src/cli/commands/chown_command.ts";
import { structOf } from "../../src/cli/bytes/struct_options.ts";
import { COMMANDS } from "../../src/cli/command_list.ts";
import { CommandFailure, UsageError } from "../../src/cli/errors.ts";
import { parseTarget } from "../../src/cli/objects/target.ts";
import { TABLE_OPTIONS, tableSettings } from "../../src/cli/table_options.ts";
import { parseMode } from "../../src/cli/text/mode.ts";
import { parseSize } from "../../src/cli/text/size.ts";
import {
  choiceOption,
  countOption,
  durationOption,
  keyOption,
  modeOption,
  parse,
  wholeOption,
} from "../../src/cli/usage.ts";
import { random } from "./command_line.ts";

/** How one kind of text is read. */
interface Reading {
  /** Characters, or words, of which most texts are made, so that some have a value. */
  readonly parts: string | readonly string[];
  /** Reads the text, and checks its value; may return a promise. */
  readonly read: (text: string) => unknown;
  readonly refusals: readonly (new (...args: never) => Error)[];
  /** How many texts have a value at least; otherwise they were not worth throwing. */
  readonly least: number;
}

function isWhole(value: number, least: number, most: number): void {
  assert(Number.isInteger(value) && value >= least && value <= most, `${value}`);
}

const NUMBERS = "0123456789-+xXo:.=/\0 kqsmhe\n";
const KEYS = [TypeError, RangeError, ShmError];

function channelOptions(option: string): ChannelOptions {
  return channelSettings(parse([option], CHANNEL_OPTIONS).options).open;
}

const READINGS: Readonly<Record<string, Reading>> = {
  parseKey: { parts: NUMBERS, read: parseKey, refusals: KEYS, least: 200 },
  keyOption: { parts: NUMBERS, read: keyOption, refusals: [UsageError, ShmError], least: 200 },
  modeOption: { parts: NUMBERS, read: modeOption, refusals: [UsageError], least: 200 },
  countOption: {
    parts: NUMBERS,
    read: (text) => countOption("count", text),
    refusals: [UsageError],
    least: 200,
  },
  durationOption: {
    parts: NUMBERS,
    read: (text) => durationOption("timeout", text),
    refusals: [UsageError],
    least: 200,
  },
  parse: {
    parts: ["--", "-", "a", "b", "=", " ", "\n", "1"],
    read: (text) =>
      parse([text, `--${text}`, `-${text}`, text], {
        aa: { short: "a", value: "A", help: "" },
        b: { short: "b", help: "" },
      }),
    refusals: [UsageError],
    least: 20,
  },
  parseSize: {
    parts: "0123456789.xKMGTPiBb -+e",
    read: (text) => isWhole(parseSize(text), 0, Number.MAX_SAFE_INTEGER),
    refusals: [TypeError, RangeError],
    least: 500,
  },
  parseMode: {
    parts: "ugoarwxXst+-=,01678 \n\0é",
    read: (text) => isWhole(parseMode(text)(0o640), 0, 0o777),
    refusals: [TypeError],
    least: 100,
  },
  parseTarget: {
    parts: ["id:", ..."0123456789-+xX./ \0\n"],
    read: (text) => {
      const target = parseTarget(text);
      isWhole(target.kind === "id" ? target.id : target.key, -(2 ** 31), 2 ** 31 - 1);
    },
    refusals: [UsageError, ShmError],
    least: 500,
  },
  parseOwner: {
    parts: "root:+0123456789-_. \n\0é",
    read: (text) => {
      for (const id of Object.values(parseOwner(text))) isWhole(id, 0, 2 ** 32 - 2);
    },
    refusals: [UsageError, CommandFailure],
    least: 10,
  },
  "send, recv --lanes": {
    parts: NUMBERS,
    read: (text) => isWhole(channelOptions(`--lanes=${text}`).lanes!, 1, 256),
    refusals: [UsageError],
    least: 100,
  },
  "send, recv --capacity": {
    parts: "124680xKMG",
    read: (text) => {
      isWhole(Math.log2(channelOptions(`--capacity=${text}`).laneCapacity!), 6, 30);
    },
    refusals: [UsageError],
    least: 100,
  },
  "send --tag": {
    parts: NUMBERS,
    read: (text) => isWhole(wholeOption("tag", text, 0, 0xffffffff)!, 0, 0xffffffff),
    refusals: [UsageError],
    least: 200,
  },
  "dump, watch --struct": {
    parts: [
      "int ",
      "char ",
      "struct { short s; } ",
      "double *",
      "x",
      "y",
      "[4]",
      ":3",
      ";",
      "\0",
      "/*",
    ],
    read: (text) => structOf(parse(["--struct", text], { struct: { value: "", help: "" } })),
    refusals: [UsageError],
    least: 200,
  },
  choiceOption: {
    parts: ["after", "before", " ", "x"],
    read: (text) =>
      assert.match(choiceOption("ack", text, ["after", "before"])!, /^(after|before)$/),
    refusals: [UsageError],
    least: 200,
  },
  tableSettings: {
    parts: ["name", "bytes", "BUSY", "size", ",", " ", ",,", "\n", "\x1b[2J", '"', "\\", "é"],
    read: (text) =>
      tableSettings<{ name: string; bytes: number }>(
        parse([`--columns=${text}`, `--sort=name`], TABLE_OPTIONS).options,
        [{ name: "name", title: "NAME" }, { name: "bytes", title: "SIZE" }],
      ),
    refusals: [UsageError],
    least: 200,
  },
};

for (const [name, { parts, read, refusals, least }] of Object.entries(READINGS)) {
  Deno.test(`${name}: each of 10 000 random texts has a value or is refused`, async () => {
    const pick = random(5);
    let values = 0;
    for (let round = 0; round < 10_000; round++) {
      const wild = pick(3) === 0 ? 0x300 : pick(9) === 0 ? 0x10000 : 0;
      const text = Array.from(
        { length: pick(8) },
        () =>
          wild > 0 && pick(3) === 0 ? String.fromCharCode(pick(wild)) : parts[pick(parts.length)],
      ).join("");
      try {
        await read(text);
        values++;
      } catch (error) {
        const isRefusal = refusals.some((kind) => error instanceof kind);
        assert(isRefusal, `${JSON.stringify(text)} gave ${error}`);
      }
    }
    assert(values > least, `only ${values} had a value`);
  });
}

/** Commands whose options or verbs none of the texts can be, and the command lines that say so. */
const REFUSING: Readonly<Record<string, (text: string) => readonly (readonly string[])[]>> = {
  completions: (text) => [["--", text], ["bash", `--name= ${text}`]],
  doctor: (text) => [[`--skip=,${text}`]],
  channel: (text) => [[`${text}.`, "ls"], ["ls", `--columns= ${text}`], ["stat", `-- ${text}`]],
};

for (const [name, linesOf] of Object.entries(REFUSING)) {
  Deno.test(`${name}: each of 10 000 random texts is refused`, async () => {
    const command = await COMMANDS.find((each) => each.name === name)!.load();
    const pick = random(7);
    for (let round = 0; round < 10_000; round++) {
      const text = String.fromCharCode(...Array.from({ length: pick(9) }, () => pick(0x3000)));
      for (const args of linesOf(text)) {
        await assert.rejects(() => command.run(args), { constructor: UsageError });
      }
    }
  });
}
