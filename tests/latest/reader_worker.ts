/** A Worker that reads a latest value until it has seen the last version, for tests. */

import { Latest, struct, u32 } from "../../mod.ts";

/** A struct whose fields are equal in each value that is whole. */
export const Twins = struct({ a: u32, b: u32, c: u32, d: u32 });

/** What the Worker is to do. */
export interface Errand {
  readonly key: number;
  readonly last: number;
}

/** This Worker, which the compiler takes for a main program. */
const worker = self as unknown as {
  onmessage: (event: MessageEvent<Errand>) => void;
  postMessage(message: string): void;
};

worker.onmessage = async ({ data }) => {
  // Closed before the last message: a Worker that is terminated would stay attached
  const seen = await follow(data);
  worker.postMessage(seen);
};

/** Reads until the last version; returns what the versions add up to, and how many values were wrong. */
async function follow({ key, last }: Errand): Promise<string> {
  using latest = Latest.of(Twins, { key, readOnly: true });
  using reader = latest.reader();
  worker.postMessage("ready");
  let sum = 0;
  let wrong = 0;
  for await (const { value: { a, b, c, d }, version, skipped } of reader.changes()) {
    sum = sum === 0 ? version : sum + 1 + skipped;
    if (a !== b || a !== c || a !== d || sum !== version) wrong++;
    if (version === last) break;
  }
  return `${sum} ${wrong}`;
}
