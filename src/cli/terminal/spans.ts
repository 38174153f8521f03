/**
 * Lines of a screen: pieces of styled text, measured in the columns that they take on a terminal, so
 * that any line can be cut to a width. Pure. Internal: used by the views of `top` and `watch`, and by
 * `screen.ts`, which draws them.
 */

import type { Format } from "../output.ts";

/** A piece of a line. Text from other programs must be made `printable` before. */
export interface Span {
  readonly text: string;
  readonly format?: Format;
}

export type Line = readonly Span[];

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** The mark at the end of a text that is cut. */
const CUT = "~";

/** Characters without a column of their own: they combine with the one before. */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

/**
 * Characters that take two columns: those of East Asian Width W and F, by block, and emoji. Source:
 * Unicode UAX #11; terminals differ in rare cases, which only misaligns a row.
 */
const DOUBLE_WIDTH =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

function characterWidth(character: string): number {
  if (character >= " " && character <= "~") return 1;
  if (ZERO_WIDTH.test(character)) return 0;
  return DOUBLE_WIDTH.test(character) ? 2 : 1;
}

export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

export function lineWidth(line: Line): number {
  return line.reduce((width, { text }) => width + textWidth(text), 0);
}

/** As much of the text as fits into `columns`. */
function beginning(text: string, columns: number): string {
  let width = 0;
  let end = 0;
  for (const character of text) {
    width += characterWidth(character);
    if (width > columns) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** The text if it takes at most `columns`; otherwise its beginning with the mark of a cut. */
export function cropText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  return columns < 1 ? "" : beginning(text, columns - CUT.length) + CUT;
}

/** The line if it takes at most `columns`; otherwise its beginning. */
export function cropLine(line: Line, columns: number): Line {
  const cropped: Span[] = [];
  let left = columns;
  for (const span of line) {
    const text = beginning(span.text, left);
    cropped.push({ ...span, text });
    if (text.length < span.text.length) break;
    left -= textWidth(text);
  }
  return cropped;
}

/** The text in exactly `columns`: cut, or padded with spaces. */
export function fitText(text: string, columns: number, side: "left" | "right" = "left"): string {
  const cropped = cropText(text, columns);
  const space = " ".repeat(Math.max(0, columns - textWidth(cropped)));
  return side === "right" ? space + cropped : cropped + space;
}

/** As many parts as fit beside each other; if even the first does not fit, it is cut. */
export function joinFitting(parts: readonly Line[], columns: number, separator = "  "): Line {
  const [first = [], ...rest] = parts;
  const joined: Span[] = [...cropLine(first, columns)];
  for (const part of rest) {
    if (lineWidth(joined) + separator.length + lineWidth(part) > columns) break;
    joined.push({ text: separator }, ...part);
  }
  return joined;
}

/** The parts that fit, and `right` at the end of the line if it fits beside the first part. */
export function joinWithRight(parts: readonly Line[], right: string, columns: number): Line {
  const room = columns - textWidth(right) - 2;
  if (room < lineWidth(parts[0] ?? [])) return joinFitting(parts, columns);
  const left = joinFitting(parts, room);
  return [...left, { text: fitText(right, columns - lineWidth(left), "right") }];
}

/** The text in at most `most` lines of at most `columns`, broken between words if possible. */
export function wrapText(text: string, columns: number, most = Infinity): string[] {
  const lines: string[] = [];
  let rest = text;
  while (textWidth(rest) > columns && lines.length < most - 1) {
    const full = beginning(rest, Math.max(1, columns)) ||
      String.fromCodePoint(rest.codePointAt(0)!);
    const space = rest[full.length] === " " ? full.length : full.lastIndexOf(" ");
    const line = space > 0 ? rest.slice(0, space) : full;
    lines.push(line.trimEnd());
    rest = rest.slice(line.length).trimStart();
  }
  if (rest !== "" || lines.length === 0) lines.push(cropText(rest, columns));
  return lines;
}
