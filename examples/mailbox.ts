/**
 * Messages between processes through the library, as `cli.ts server` and `cli.ts client` do.
 *
 *     deno run --allow-ffi examples/mailbox.ts serve              prints what comes, until "bye"
 *     deno run --allow-ffi examples/mailbox.ts send hello world   each resolves once it was printed
 */

import { MailboxClient, MailboxServer } from "../mod.ts";

const KEY = 0x5eed1004;
const [role, ...texts] = Deno.args;

if (role === "serve") {
  using server = MailboxServer.open({ key: KEY });
  const stop = new AbortController();
  await server.serve(({ text, sender }) => {
    if (text === "bye") stop.abort();
    else console.log(`${text} (from process ${sender === null ? "unknown" : "known"})`);
  }, { signal: stop.signal });
} else {
  using client = MailboxClient.open({ key: KEY });
  for (const text of texts) await client.send(text);
}
