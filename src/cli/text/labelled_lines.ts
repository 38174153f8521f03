/** Labelled lines: the facts about one object, one fact a line. */

import { print, printable } from "../output.ts";
import { ageInWords, localTime } from "./wording.ts";

/** A fact as text, and its label. */
export type LabelledLine = readonly [label: string, text: string];

/** A time in the reader's time zone, and how long ago it is. */
export function timeText(iso: string | null): string {
  if (iso === null) return "never";
  return `${localTime(iso)} (${ageInWords(new Date(iso))} ago)`;
}

/** Prints the lines with aligned texts. */
export async function printLabelled(lines: readonly LabelledLine[]): Promise<void> {
  const width = Math.max(...lines.map(([label]) => label.length));
  await print(
    lines.map(([label, text]) => `${label.padEnd(width)}  ${printable(text)}`).join("\n"),
  );
}
