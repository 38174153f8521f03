/** What ipcs(1) says of one segment, for tests of what our commands made of it. */

import { output } from "../support/foreign_objects.ts";

/** The `name=figure` pairs of `ipcs -m -i`. */
export function ipcsFigures(id: number): Readonly<Record<string, string>> {
  const text = output("ipcs", "-m", "-i", `${id}`);
  return Object.fromEntries(
    [...text.matchAll(/\b(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
  );
}
