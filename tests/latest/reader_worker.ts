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

worker.onmessage = async ({ data: { key, last } }) => {
  using latest = Latest.of(Twins, { key, readOnly: true });
  using reader = latest.reader();
  worker.postMessage("ready");
  let sum = 0;
  let torn = 0;
  for await (const { value, version, skipped } of reader.changes()) {
    sum = sum === 0 ? version : sum + 1 + skipped;
    if (value.a !== value.b || value.a !== value.c || value.a !== value.d) torn++;
    if (sum !== version) torn++;
    if (version === last) break;
  }
  worker.postMessage(`${sum} ${torn}`);
};
