/**
 * Recordings as others read them: the package `@mcap/core`, which is that of the format's authors, and a few
 * lines of Python that follow the specification. Where npm cannot be reached, a test is ignored with the reason.
 */

import assert from "node:assert/strict";
import { missing, type Needs } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

/** Deno must not find the package before a test needs it. */
const PACKAGE = "npm:@mcap/core@2.2.2";

/** What the package reads a file through. */
interface Readable {
  size(): Promise<bigint>;
  read(offset: bigint, size: bigint): Promise<Uint8Array>;
}

interface McapCore {
  readonly McapIndexedReader: {
    Initialize(options: { readonly readable: Readable }): Promise<{
      readonly schemasById: ReadonlyMap<
        number,
        { readonly encoding: string; readonly data: Uint8Array }
      >;
      readonly channelsById: ReadonlyMap<
        number,
        {
          readonly topic: string;
          readonly messageEncoding: string;
          readonly metadata: ReadonlyMap<string, string>;
        }
      >;
      readonly statistics: { readonly messageCount: bigint; readonly chunkCount: number };
      readMessages(): AsyncIterable<{
        readonly channelId: number;
        readonly sequence: number;
        readonly logTime: bigint;
        readonly data: Uint8Array;
      }>;
      readMetadata(): AsyncIterable<
        { readonly name: string; readonly metadata: ReadonlyMap<string, string> }
      >;
    }>;
  };
}

const NEEDS: Needs = { files: true };

let reason = missing(NEEDS);
let loaded: McapCore | undefined;
if (reason === undefined) {
  try {
    loaded = await import(PACKAGE);
  } catch {
    reason = "no packages from npm";
  }
}

/** Registers a test that reads files with the package, and perhaps needs more. */
export function testWithMcapCore(
  name: string,
  body: () => void | Promise<void>,
  needs: Needs = {},
): void {
  const why = reason ?? missing(needs);
  if (why === undefined) Deno.test(name, body);
  else Deno.test({ name: `${name} [${why}]`, ignore: true, fn: body });
}

/** A message as a viewer sees it. */
export interface Viewed {
  readonly topic: string;
  readonly sequence: number;
  /** In nanoseconds. */
  readonly time: string;
  /** The JSON of the message. */
  readonly message: Readonly<Record<string, unknown>>;
}

/** A file as a viewer sees it. */
export interface ViewedFile {
  readonly messages: readonly Viewed[];
  readonly metadata: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The schemas, which are JSON. */
  readonly schemas: readonly unknown[];
  /** The texts about each channel, by its topic. */
  readonly channels: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly chunks: number;
}

/** Reads a file by its index. Only for tests of {@linkcode testWithMcapCore}. */
export async function viewed(path: string): Promise<ViewedFile> {
  const bytes = Deno.readFileSync(path);
  const readable: Readable = {
    size: () => Promise.resolve(BigInt(bytes.length)),
    read: (offset, size) =>
      Promise.resolve(bytes.subarray(Number(offset), Number(offset) + Number(size))),
  };
  const reader = await loaded!.McapIndexedReader.Initialize({ readable });
  const { channelsById, schemasById, statistics } = reader;
  const decoder = new TextDecoder();
  const messages: Viewed[] = [];
  for await (const { channelId, sequence, logTime, data } of reader.readMessages()) {
    const { topic, messageEncoding } = channelsById.get(channelId)!;
    assert.equal(messageEncoding, "json");
    const message = JSON.parse(decoder.decode(data));
    messages.push({ topic, sequence, time: String(logTime), message });
  }
  assert.equal(Number(statistics.messageCount), messages.length);
  const metadata: Record<string, Record<string, string>> = {};
  for await (const { name, metadata: texts } of reader.readMetadata()) {
    metadata[name] = Object.fromEntries(texts);
  }
  const schemas = schemasById.values().map(({ encoding, data }) => {
    assert.equal(encoding, "jsonschema");
    return JSON.parse(decoder.decode(data));
  }).toArray();
  const channels = Object.fromEntries(
    channelsById.values().map(({ topic, metadata }) => [topic, Object.fromEntries(metadata)]),
  );
  return { messages, metadata, schemas, channels, chunks: statistics.chunkCount };
}

/** Reads a file from its beginning with Python's standard library. */
export function readByPython(path: string): readonly Viewed[] {
  const { success, stdout, stderr } = new Deno.Command("python3", {
    args: [`${PROJECT}tests/mcap/read_mcap.py`, path],
  }).outputSync();
  const decoder = new TextDecoder();
  assert(success, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}
