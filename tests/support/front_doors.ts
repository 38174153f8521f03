/** What the package exports, by deno.json's `exports`: each front door's path, and all values together. */

import * as channel from "../../src/channel/mod.ts";
import * as cparse from "../../src/cparse/mod.ts";
import * as latest from "../../src/latest/mod.ts";
import * as layout from "../../src/layout/mod.ts";
import * as mailbox from "../../src/mailbox/mod.ts";
import * as mcap from "../../src/mcap/mod.ts";
import * as nats from "../../src/nats/mod.ts";
import * as sync from "../../src/sync/mod.ts";
import * as sysv from "../../src/sysv/mod.ts";
import * as topic from "../../src/topic/mod.ts";
import config from "../../deno.json" with { type: "json" };

/** The files named by `exports`: `mod.ts`, `src/layout/mod.ts` and so on, and `cli.ts`. */
export const FRONT_DOORS: readonly string[] = Object.values(config.exports).map((path) =>
  path.replace("./", "")
);

/** All values that the library's front doors export, by name. */
export const LIBRARY: Readonly<Record<string, unknown>> = {
  ...layout,
  ...cparse,
  ...sysv,
  ...sync,
  ...mailbox,
  ...channel,
  ...latest,
  ...topic,
  ...mcap,
  ...nats,
};
