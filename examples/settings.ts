/**
 * Settings that all workers see at once, in a `Latest`: a worker reads the newest ones whenever it needs them.
 *
 *     deno run --allow-ffi examples/settings.ts work          as many as you like, before or after the first `set`
 *     deno run --allow-ffi examples/settings.ts set 4 hello
 *     deno run --allow-ffi examples/settings.ts stop          ends the workers and removes the settings
 *
 * Settings are never half of two: all fields are of one `set`. Reading them makes no system call. They are
 * `persistent`, so they stay while no process has them open.
 */

import { cString, Latest, struct, u32 } from "../mod.ts";

const KEY = 0x5eed1030;
const Settings = struct({ stop: u32, threads: u32, greeting: cString(32) });

const [role, threads = "1", greeting = "hello"] = Deno.args;
using settings = Latest.of(Settings, { key: KEY, persistent: true });

if (role === "work") {
  using reader = settings.reader();
  // A worker that is slow sees the newest settings only, and how many it skipped
  for await (const { value, skipped } of reader.changes()) {
    if (value.stop !== 0) break;
    const late = skipped === 0 ? "" : `, ${skipped} skipped`;
    console.log(`${value.threads} threads say ${value.greeting}${late}`);
  }
} else {
  using writer = settings.writer();
  if (role === "stop") {
    writer.update((view) => {
      view.stop = 1; // the other fields keep their values
    });
    settings.remove(); // workers keep what they have read until they close
  } else writer.write({ stop: 0, threads: Number(threads), greeting });
}
