/** `bridge out` and `bridge in`: credentials, certificates and keys from files, and one line where they are wrong. */

import assert from "node:assert/strict";
import { Channel } from "../../../mod.ts";
import { natsClient, NatsServer, selfSigned, testWithNats } from "../../nats/nats_server.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { runHere } from "../command_line.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../../support/peer.ts";

guardAgainstLeaks();

const NEEDS = { tools: ["deno", "openssl"] };

/** The part of the client that makes keys of users. */
interface Nkeys {
  readonly nkeys: {
    createUser(): { getPublicKey(): string; getSeed(): Uint8Array };
  };
}

/** A credentials file, as the tools of NATS write it, for a new user. Returns the user's public key too. */
function newUser(
  folder: TestFolder,
  name: string,
): { readonly file: string; readonly nkey: string } {
  const user = (natsClient() as unknown as Nkeys).nkeys.createUser();
  const seed = new TextDecoder().decode(user.getSeed());
  const text = `-----BEGIN NATS USER JWT-----
eyJ0eXAiOiJKV1QifQ.e30.c2ln
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
  return { file: folder.file(name, text), nkey: user.getPublicKey() };
}

/** A server that takes only clients with a certificate of its own authority, and these users. */
function secured(folder: TestFolder, users: string): string {
  selfSigned(folder);
  const { path } = folder;
  return `tls { cert_file: "${path}/cert.pem", key_file: "${path}/key.pem", ca_file: "${path}/cert.pem",
    verify: true }
    authorization { users = [ ${users} ] }`;
}

/** The command for one direction. */
function words(
  server: NatsServer,
  verb: "out" | "in",
  key: number,
  connect: string,
): readonly string[] {
  const own = verb === "out" ? ["--subject=s", "--create"] : ["--durable=d"];
  const args = [`--key=${key}`, `--server=${server.url}`, "--stream=S", ...own];
  return ["bridge", verb, ...args, `--connect=${connect}`];
}

function bridge(...command: Parameters<typeof words>): Peer {
  const deno = ["run", "--allow-ffi", "--allow-net=127.0.0.1", `${PROJECT}cli.ts`];
  return Peer.start(Deno.execPath(), [...deno, ...words(...command)]);
}

/** Writes the options of the client, and returns the file. */
function connectFile(folder: TestFolder, options: object): string {
  return folder.file(`${crypto.randomUUID()}.json`, JSON.stringify(options));
}

testWithNats(
  "bridge out, in: by a credentials file, a password, and a client's certificate",
  async () => {
    using keys = new TestFolder();
    const { file, nkey } = newUser(keys, "user.creds");
    await using server = await NatsServer.start((folder) =>
      secured(folder, `{ nkey: ${nkey} }, { user: me, password: secret }`)
    );
    const { path } = server.folder;
    const tls = {
      caFile: `${path}/cert.pem`,
      certFile: `${path}/cert.pem`,
      keyFile: `${path}/key.pem`,
    };
    using near = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    using far = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
    using producer = near.producer();
    using consumer = far.consumer();
    producer.trySend(new TextEncoder().encode("hello"));
    await using out = bridge(server, "out", near.key, connectFile(keys, { creds: file, tls }));
    while (near.stats().lanes[0]!.depth > 0) {
      assert.doesNotMatch(out.printed.stderr, /^error/m);
      await new Promise((go) => setTimeout(go, 20));
    }
    const password = connectFile(keys, { user: "me", pass: "secret", tls });
    await using into = bridge(server, "in", far.key, password);
    const failed = into.stderr(/^error.*/m).then(([error]) => assert.fail(error), () => {});
    assert.equal((await Promise.race([consumer.receive(), failed]))?.text, "hello");
    consumer.ack();
  },
  NEEDS,
);

testWithNats("bridge: one line says which file or secret is wrong, and shows none", async () => {
  using keys = new TestFolder();
  const known = newUser(keys, "known.creds");
  const stranger = newUser(keys, "stranger.creds");
  await using server = await NatsServer.start((folder) =>
    secured(folder, `{ nkey: ${known.nkey} }, { user: me, password: secret }`)
  );
  const { path } = server.folder;
  const own = { certFile: `${path}/cert.pem`, keyFile: `${path}/key.pem` };
  const tls = { ...own, caFile: `${path}/cert.pem` };
  const text = keys.file("text", "no secret at all\n");
  const none = `${keys.path}/none`;
  const refused = `cannot connect to ${server.url}: ECONNECT, `;
  const rows: readonly [options: Readonly<Record<string, unknown>>, error: string][] = [
    [{ creds: none, tls }, `cannot read ${none}: ENOENT`],
    [{ creds: text, tls }, refused],
    [{ creds: stranger.file, tls }, refused],
    [{ user: "me", pass: "secre", tls }, refused],
    [{ user: "me", pass: "secret", tls: { ...tls, caFile: none } }, `cannot read ${none}: ENOENT`],
    [{ user: "me", pass: "secret", tls: { ...tls, keyFile: none } }, `cannot read ${none}: ENOENT`],
    [{ user: "me", pass: "secret", tls: { ...tls, caFile: text } }, refused],
    [{ user: "me", pass: "secret", tls: { ...tls, certFile: text } }, refused],
    [{ user: "me", pass: "secret", tls: own }, `${refused}self-signed certificate`],
    [{ timeout: 2_000, tls: { caFile: tls.caFile } }, refused],
  ];
  using channel = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  for (const [row, [options, error]] of rows.entries()) {
    const verb = row % 2 === 0 ? "out" : "in";
    const connect = connectFile(keys, options);
    const command = [server, verb, channel.key, connect] as const;
    // What becomes of a refused certificate may reach no promise, and would end this process
    const ended = options.timeout === undefined
      ? runHere(...words(...command))
      : bridge(...command).ended();
    const { code, stdout, stderr } = await ended;
    const [line, ...rest] = stderr.split("\n").filter((each) => !each.startsWith("bridge "));
    assert(line!.startsWith(`error: ${error}`), `${JSON.stringify(options)}: ${stderr}`);
    assert.deepEqual([rest, code, stdout], [[""], 1, ""], stderr);
    assert.doesNotMatch(stderr, /secre|BEGIN|SU[A-Z0-9]{20}/);
  }
}, NEEDS);
