/**
 * A terminal as one sees it: carries out what a program writes, as far as our commands write such
 * things, and says what stands where. Whatever else comes is an error, and so that it can be asserted
 * that nothing wraps or scrolls, it counts when something does.
 */

import assert from "node:assert/strict";

/** Characters of no width and of two columns, as far as tests use such. */
const ZERO_WIDTH = /^\p{M}$/u;
const DOUBLE_WIDTH =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60\p{Emoji_Presentation}]$/u;

/** Stands in the second column of a wide character. */
const COVERED = "";

// deno-lint-ignore no-control-regex
const CONTROL = /^\x1b(?:\[([?0-9;]*)([A-Za-z])|\](?:[^\x07]*)\x07)/;
/** The beginning of one whose end has not come. */
// deno-lint-ignore no-control-regex
const UNFINISHED = /^\x1b(?:\[[?0-9;]*)?$/;

/** One character on the screen, and how it stands out: the numbers of its SGR sequences. */
export interface Cell {
  readonly text: string;
  readonly style: string;
}

const EMPTY: Cell = { text: " ", style: "" };

/** A terminal's screen, or rather both: the usual one and the alternate one. */
export class TerminalScreen {
  columns: number;
  rows: number;
  /** What is shown: the alternate screen, or the usual one. */
  alternate = false;
  cursorVisible = true;
  /** Whether what is written at the end of a line goes on in the next, as it does at first. */
  wraps = true;
  bracketedPaste = false;
  /** How often a line was wrapped, and how often the screen was scrolled, on the alternate screen. */
  wrapped = 0;
  scrolled = 0;
  #cells: Cell[][];
  /** While the alternate screen is shown: what the usual one shows, and where its cursor is. */
  #usual: { cells: Cell[][]; row: number; column: number } | undefined;
  #row = 0;
  #column = 0;
  #style: readonly string[] = [];
  #rest = "";

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    this.#cells = this.#blank();
  }

  #blank(): Cell[][] {
    return Array.from({ length: this.rows }, () => Array(this.columns).fill(EMPTY));
  }

  /** What stands on the screen, line for line, without spaces at the ends. */
  get lines(): string[] {
    return this.#cells.map((row) => row.map(({ text }) => text).join("").trimEnd());
  }

  /** The characters and their styles, row by row. */
  get cells(): readonly (readonly Cell[])[] {
    return this.#cells;
  }

  /** All of it as one text. */
  get text(): string {
    return this.lines.join("\n");
  }

  /** The texts that stand out in this way, such as `"7"` for inverse: one for each run on a line. */
  styled(style: string): string[] {
    return this.#cells.flatMap((row) =>
      row.map((cell) => cell.style.split(";").includes(style) ? cell.text : "\n").join("")
        .split(/\n+/).filter((run) => run !== "")
    );
  }

  /** Gives it another size; what no longer fits is lost. */
  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    const fitted = (cells: Cell[][]): Cell[][] =>
      this.#blank().map((row, y) => row.map((cell, x) => cells[y]?.[x] ?? cell));
    this.#cells = fitted(this.#cells);
    if (this.#usual !== undefined) this.#usual.cells = fitted(this.#usual.cells);
    this.#moveTo(this.#row, this.#column);
  }

  /** Carries out what a program has written. */
  write(text: string): void {
    let rest = this.#rest + text;
    while (rest !== "" && !UNFINISHED.test(rest)) {
      const control = CONTROL.exec(rest);
      const character = String.fromCodePoint(rest.codePointAt(0)!);
      if (control !== null) this.#control(control[1] ?? "", control[2] ?? "");
      else this.#character(character);
      rest = rest.slice(control === null ? character.length : control[0].length);
    }
    this.#rest = rest;
  }

  #character(character: string): void {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#lineFeed();
    else if (character === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (!ZERO_WIDTH.test(character)) {
      assert(character >= " " && character !== "\x7f", `wrote ${JSON.stringify(character)}`);
      this.#put(character, DOUBLE_WIDTH.test(character) ? 2 : 1);
    }
  }

  #put(character: string, width: number): void {
    if (this.#column + width > this.columns) {
      // Without wrapping the cursor stays in the last column
      if (!this.wraps) this.#column = this.columns - width;
      else {
        this.wrapped += Number(this.alternate);
        this.#column = 0;
        this.#lineFeed();
      }
    }
    const style = this.#style.join(";");
    const row = this.#cells[this.#row]!;
    row[this.#column] = { text: character, style };
    if (width === 2) row[this.#column + 1] = { text: COVERED, style };
    this.#column += width;
  }

  #lineFeed(): void {
    if (++this.#row < this.rows) return;
    this.#row = this.rows - 1;
    this.scrolled += Number(this.alternate);
    this.#cells.push(Array(this.columns).fill(EMPTY));
    this.#cells.shift();
  }

  #control(parameters: string, final: string): void {
    const [first = 0, second = 0] = parameters.split(";").map(Number);
    switch (final) {
      case "": // a title
        return;
      case "H":
        // A frame may still have been drawn for a larger terminal: the cursor stays on this one
        return this.#moveTo(Math.max(1, first) - 1, Math.max(1, second) - 1);
      case "G":
        this.#column = Math.max(1, first) - 1;
        return;
      case "J":
        return this.#clearScreen(first);
      case "K":
        return this.#clearLine(first);
      case "m":
        this.#style = parameters === "" || parameters === "0"
          ? []
          : styleAfter(this.#style, parameters);
        return;
      case "h":
      case "l":
        return this.#mode(parameters, final === "h");
      default:
        assert.fail(`wrote ESC [ ${parameters} ${final}`);
    }
  }

  #moveTo(row: number, column: number): void {
    this.#row = Math.min(row, this.rows - 1);
    this.#column = Math.min(column, this.columns - 1);
  }

  #enter(): void {
    this.#usual ??= { cells: this.#cells, row: this.#row, column: this.#column };
    this.#cells = this.#blank();
    this.alternate = true;
  }

  #leave(): void {
    if (this.#usual === undefined) return;
    this.#cells = this.#usual.cells;
    this.#moveTo(this.#usual.row, this.#usual.column);
    this.#usual = undefined;
    this.alternate = false;
  }

  #clearScreen(how: number): void {
    if (how === 2) this.#cells = this.#blank();
    else {
      assert.equal(how, 0);
      this.#clearLine(0);
      for (let y = this.#row + 1; y < this.rows; y++) this.#cells[y]!.fill(EMPTY);
    }
  }

  #clearLine(how: number): void {
    // At the end of a full line the cursor stands on the last character, and that goes
    if (how === 2) this.#cells[this.#row]!.fill(EMPTY);
    else this.#cells[this.#row]!.fill(EMPTY, Math.min(this.#column, this.columns - 1));
  }

  #mode(parameters: string, on: boolean): void {
    switch (parameters) {
      case "?7":
        this.wraps = on;
        return;
      case "?25":
        this.cursorVisible = on;
        return;
      case "?2004":
        this.bracketedPaste = on;
        return;
      case "?1049":
        return on ? this.#enter() : this.#leave();
      default:
        assert.fail(`set mode ${parameters}`);
    }
  }
}

/** Which SGR number ends which. Source: ECMA-48, 8.3.117. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  "22": ["1", "2"],
  "24": ["4"],
  "27": ["7"],
  "39": ["30", "31", "32", "33", "34", "35", "36", "37"],
};

function styleAfter(style: readonly string[], parameters: string): string[] {
  return parameters.split(";").reduce<string[]>(
    (now, number) =>
      number in ENDS ? now.filter((each) => !ENDS[number]!.includes(each)) : [...now, number],
    [...style],
  );
}
