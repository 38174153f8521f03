/** Fields of a C struct as printable text of one line, and as values for JSON. Pure. */

import { jsonNumber } from "../../layout/json.ts";
import type { AnyStructLayout, Layout, ScalarLayout } from "../../layout/layout.ts";
import { printable } from "../output.ts";

/** A layout without a struct in it. */
export type Leaf = Exclude<Layout, AnyStructLayout>;

/** A field in JSON. */
export type FieldValue = boolean | number | string | readonly FieldValue[];

/** The most characters of a string, and elements of an array, in a shortened text. */
export const SHOWN = { characters: 64, elements: 8 } as const;

/** The number of digits that distinguishes any two floats. */
const FLOAT_DIGITS = 9;

/** The type as C writes it, the outermost dimension first. */
export function typeText(layout: Layout): string {
  let element = layout;
  let dimensions = "";
  for (; element.kind === "array"; element = element.element) dimensions += `[${element.length}]`;
  switch (element.kind) {
    case "cString":
      return `char${dimensions}[${element.size}]`;
    case "scalar":
      return element.cType + dimensions;
    case "bits":
      return `${element.type.cType}:${element.width}`;
    case "flexible":
      return `${typeText(element.element)}[]`;
    default:
      return element.kind + dimensions;
  }
}

function stringBytes(data: DataView, at: number, size: number): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset + at, size);
  const nul = bytes.indexOf(0);
  return nul === -1 ? bytes : bytes.subarray(0, nul);
}

/**
 * The value of a field in JSON, as {@linkcode jsonNumber} says for numbers. A bool byte other than 0 and 1
 * is its number. Invalid UTF-8 is U+FFFD.
 */
export function fieldValue(layout: Leaf, data: DataView, at: number): FieldValue {
  switch (layout.kind) {
    case "cString":
      return new TextDecoder("utf-8", { ignoreBOM: true })
        .decode(stringBytes(data, at, layout.size));
    case "array": {
      const element = layout.element as Leaf;
      return Array.from(
        { length: layout.length },
        (_, i) => fieldValue(element, data, at + i * element.size),
      );
    }
    case "flexible":
      return [];
    case "bits":
    case "scalar": {
      if (layout.kind === "scalar" && layout.name === "bool") {
        const byte = data.getUint8(at);
        if (byte > 1) return byte;
      }
      const value = layout.get(data, at);
      return typeof value === "bigint" || typeof value === "number" ? jsonNumber(value) : value;
    }
  }
}

/** The text of a field for people; `full` shows all of a long string or array. */
export function fieldText(layout: Leaf, data: DataView, at: number, full: boolean): string {
  switch (layout.kind) {
    case "scalar":
      return scalarText(layout, data, at);
    case "bits":
      return String(layout.get(data, at));
    case "flexible":
      return "not shown";
    case "cString":
      return stringText(stringBytes(data, at, layout.size), layout.size, full);
    case "array": {
      const element = layout.element as Leaf;
      const count = full ? layout.length : Math.min(layout.length, SHOWN.elements);
      const texts = Array.from(
        { length: count },
        (_, i) => fieldText(element, data, at + i * element.size, full),
      );
      if (count < layout.length) texts.push(`... ${layout.length - count} more`);
      return `{${texts.join(", ")}}`;
    }
  }
}

function scalarText(layout: ScalarLayout, data: DataView, at: number): string {
  const byte = data.getUint8(at);
  switch (layout.name) {
    case "bool":
      return byte > 1 ? `true (byte 0x${byte.toString(16).padStart(2, "0")})` : String(byte === 1);
    case "char":
      return `'${escaped(Uint8Array.of(byte), "'").next().value}'`;
    case "f32":
      return floatText(data.getFloat32(at, true));
    case "f64":
      return numberText(data.getFloat64(at, true));
    default:
      return String(layout.get(data, at));
  }
}

/** The shortest decimal of a float: 0.1, not the double 0.10000000149011612. */
function floatText(value: number): string {
  if (Number.isSafeInteger(value) || !Number.isFinite(value)) return numberText(value);
  for (let digits = 1;; digits++) {
    const short = Number(value.toPrecision(digits));
    if (digits === FLOAT_DIGITS || Math.fround(short) === value) return numberText(short);
  }
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** A string as a C literal, with its length if it is cut, and a note if it has no NUL. */
function stringText(bytes: Uint8Array, size: number, full: boolean): string {
  const limit = full ? Infinity : SHOWN.characters;
  const parts: string[] = [];
  const notes: string[] = [];
  let cut = "";
  for (const part of escaped(bytes, '"')) {
    if (parts.length === limit) {
      cut = "...";
      notes.push(`${bytes.length} bytes`);
      break;
    }
    parts.push(part);
  }
  if (bytes.length === size) notes.push("no NUL");
  return `"${parts.join("")}"${cut}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
}

const STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The characters one by one, escaped as in C; a byte that is not part of one as its number. */
function* escaped(bytes: Uint8Array, quote: string): Generator<string, void, void> {
  for (let at = 0; at < bytes.length;) {
    const byte = bytes[at]!;
    const length = sequenceLength(byte);
    const character = length === 1
      ? String.fromCharCode(byte)
      : decoded(bytes.subarray(at, at + length));
    yield character === undefined ? hexEscape(byte) : escapedCharacter(character, quote);
    at += character === undefined ? 1 : length;
  }
}

/** The number of bytes of the UTF-8 character that begins with this byte; 0 if there is none. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function decoded(sequence: Uint8Array): string | undefined {
  if (sequence.length === 0) return undefined;
  try {
    const character = STRICT.decode(sequence);
    return character.length === 0 ? undefined : character;
  } catch {
    return undefined;
  }
}

function escapedCharacter(character: string, quote: string): string {
  if (character === quote || character === "\\") return `\\${character}`;
  const shown = printable(character);
  // Format, private and unassigned characters: their effect on a terminal is unknown
  return shown === character && /[\p{C}\p{Zl}\p{Zp}]/u.test(character)
    ? `\\u{${character.codePointAt(0)!.toString(16)}}`
    : shown;
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}
