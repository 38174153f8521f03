/**
 * Sessions at a shell as pages show them: fenced `console` blocks, in which `$ ` begins a command and
 * the lines after it are what it printed. So a page can be compared with what the commands print now.
 */

/** A command of a page and what the page says it prints. */
export interface Step {
  readonly command: string;
  readonly output: string;
}

/** All steps of a page in order. A line that ends with a backslash goes on in the next. */
export function steps(page: string): Step[] {
  const found: { command: string; output: string }[] = [];
  for (const [, block] of page.matchAll(/^```console\n([^]*?)^```$/gm)) {
    for (const line of block!.trimEnd().split("\n")) {
      const last = found.at(-1);
      if (line.startsWith("$ ")) found.push({ command: line.slice(2), output: "" });
      else if (last !== undefined && last.output === "" && last.command.endsWith("\\")) {
        last.command += `\n${line}`;
      } else if (last !== undefined) last.output += `${line}\n`;
    }
  }
  return found;
}

/**
 * Output without what differs from run to run: numbers, times, keys drawn at random, and how many
 * spaces stand between.
 */
export function withoutChance(output: string): string {
  return output
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?/g, "TIME")
    .replace(/\b0x[0-9a-f]{8}\b/g, (key) => key.startsWith("0x5eed") ? key : "KEY")
    .replace(/(?<![0-9a-fx])\d+(\.\d+)?(?![0-9a-f])/g, "N")
    .split("\n").map((line) => line.trim().replace(/ +/g, " ")).join("\n").trim();
}
