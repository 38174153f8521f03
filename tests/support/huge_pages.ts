/**
 * Tests that need real huge pages. The pool they come from is the whole system's: it is filled for the
 * test and has its old size again afterwards. One test at a time does that, whichever files run at once.
 */

import assert from "node:assert/strict";
import { missing, type Needs, testWith } from "./needs.ts";

/** How many huge pages of the usual size a test finds free: enough for a few small segments. */
const PAGES = 8;

function shell(script: string): string {
  const { stdout } = new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).outputSync();
  return new TextDecoder().decode(stdout).trim();
}

/** The lines of `/proc/meminfo` about huge pages: counts of pages, and bytes of a page. */
export function hugePagePool(): {
  readonly total: number;
  readonly free: number;
  readonly reserved: number;
  readonly pageSize: number;
} {
  const text = shell("grep -i huge /proc/meminfo");
  const figure = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(text)?.[1]);
  return {
    total: figure("HugePages_Total"),
    free: figure("HugePages_Free"),
    reserved: figure("HugePages_Rsvd"),
    pageSize: figure("Hugepagesize") * 1024,
  };
}

/** Changes the size of the pool as far as the system can, and gives what it is then. */
function resize(pages: number): number {
  return Number(shell(`echo ${pages} > /proc/sys/vm/nr_hugepages; cat /proc/sys/vm/nr_hugepages`));
}

/** Waits until no other test uses the pool. Closing the file lets the next one use it. */
function lockPool(): Deno.FsFile {
  // A file that all test processes have. Deno opens none of /proc
  const file = Deno.openSync(Deno.execPath());
  file.lockSync(true);
  return file;
}

let fillable: boolean | undefined;

function canFill(): boolean {
  if (fillable !== undefined) return fillable;
  using _lock = lockPool();
  const { total } = hugePagePool();
  const grown = resize(total + PAGES);
  resize(total);
  return fillable = grown === total + PAGES;
}

/** As `testWith`, with huge pages in the pool; ignored where they cannot be had. */
export function testWithHugePages(
  needs: Needs,
  name: string,
  body: () => void | Promise<void>,
): void {
  const all: Needs = { ...needs, tools: [...needs.tools ?? [], "sh"], files: true, root: true };
  if (missing(all) === undefined && !canFill()) {
    Deno.test({ name: `${name} [no huge pages to be had]`, ignore: true, fn: body });
    return;
  }
  testWith(all, name, async () => {
    using _lock = lockPool();
    const { total } = hugePagePool();
    try {
      assert.equal(resize(total + PAGES), total + PAGES);
      await body();
    } finally {
      resize(total);
    }
  });
}
