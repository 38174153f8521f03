/** docs/past_one_machine.md: with its configuration, users and files, a message goes from one machine to the other. */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";
import { NatsServer, selfSigned, testWithNats } from "./nats_server.ts";

guardAgainstLeaks();

/** The file that the page names, as it shows it. */
function saved(page: string, name: string): string {
  const [, text] = new RegExp(`\`${name}\`[^]*?\n\`\`\`\\w+\n([^]*?)\`\`\``).exec(page)!;
  return text!;
}

/** The arguments of the page's command for one direction, at another key and server. */
function command(page: string, verb: string, key: number, server: string, file: string): string[] {
  const [, line] = new RegExp(`cli\\.ts (bridge ${verb} [^]*?)\n\`\`\``).exec(page)!;
  return line!.replaceAll("\\\n", " ")
    .replace("0xcafe", String(key))
    .replace("tls://nats.example.com", server)
    .replace(/\w+\.json/, file)
    .split(/ +/);
}

testWithNats(
  "docs/past_one_machine.md: its server, users and commands pass a message on",
  async () => {
    const page = Deno.readTextFileSync(`${PROJECT}docs/past_one_machine.md`);
    await using server = await NatsServer.start((folder) => {
      selfSigned(folder);
      // The address and the folder of the store are this test's
      return saved(page, "nats.conf").replace(/^(listen|jetstream).*$/gm, "")
        .replaceAll("/etc/nats", folder.path);
    });
    const run = (verb: string, user: string, key: number): Peer => {
      const json = saved(page, `${user}.json`).replace(
        "/etc/nats/ca",
        `${server.folder.path}/cert`,
      );
      const file = server.folder.file(`${user}.json`, json);
      const args = command(page, verb, key, server.url.replace("nats:", "tls:"), file);
      const allowed = ["--allow-ffi", "--allow-net=127.0.0.1"];
      return Peer.start(Deno.execPath(), ["run", ...allowed, `${PROJECT}cli.ts`, ...args]);
    };
    using near = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    using far = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    using producer = near.producer();
    using consumer = far.consumer();
    producer.trySend(new TextEncoder().encode("hello"));
    await using out = run("out", "plant", near.key);
    while (near.stats().lanes[0]!.depth > 0) {
      assert.doesNotMatch(out.printed.stderr, /^error/m);
      await new Promise((go) => setTimeout(go, 20));
    }
    await using into = run("in", "office", far.key);
    const arrived = consumer.receive();
    const failed = into.stderr(/^error.*/m).then(([error]) => assert.fail(error), () => {});
    assert.equal((await Promise.race([arrived, failed]))?.text, "hello");
    consumer.ack();
  },
  { tools: ["deno", "openssl"] },
);
