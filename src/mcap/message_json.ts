/**
 * A message as the JSON of a recording, which viewers show and plot, and back. The exact bytes are in it: as
 * `text` if they are UTF-8, else as `bytes` in base64. The `value` of a struct is for viewers alone. Internal.
 */

import type { Layout } from "../layout/layout.ts";
import { load } from "../layout/value_copy.ts";
import type { Schema } from "./mcap_writer.ts";

/** The encoding of messages in the file. */
export const ENCODING = "json";

/** What is known of a message beside its bytes. */
export interface MessageFacts {
  readonly tag: number;
  /** How many messages of its lane were missed before it. */
  readonly missed: number;
}

/** A message that was recorded. */
export interface MessageBytes extends MessageFacts {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The JSON of a message. Its bytes must be a private copy: decoding memory that changes is unsafe. */
export function messageJson(
  { tag, missed, bytes }: MessageBytes,
  layout: Layout | undefined,
): string {
  // Put together by hand: in most messages only the text needs JSON.stringify
  const gap = missed === 0 ? "" : `,"missed":${missed}`;
  const value = layout === undefined
    ? ""
    : `,"value":${JSON.stringify(viewerValue(layout, load(layout, bytes)))}`;
  return `{"tag":${tag}${gap},${content(bytes, layout)}${value}}`;
}

function content(bytes: Uint8Array, layout: Layout | undefined): string {
  try {
    if (layout === undefined) return `"text":${JSON.stringify(strict.decode(bytes))}`;
  } catch {
    // Not UTF-8
  }
  return `"bytes":"${bytes.toBase64()}"`;
}

/**
 * The message in a JSON.
 *
 * @throws {SyntaxError | TypeError} it is none
 */
export function messageIn(json: Uint8Array): MessageBytes {
  const { tag, missed = 0, text, bytes }: Readonly<Record<string, unknown>> = Object(
    JSON.parse(strict.decode(json)),
  );
  if (!isCount(tag) || !isCount(missed)) throw new TypeError("its tag is no number of 32 bits");
  if (typeof text === "string") return { tag, missed, bytes: encoder.encode(text) };
  if (typeof bytes === "string") return { tag, missed, bytes: Uint8Array.fromBase64(bytes) };
  throw new TypeError("it has neither text nor bytes");
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >>> 0 === value;
}

/** The value as viewers plot it: numbers that JSON has, and arrays in one dimension. */
function viewerValue(layout: Layout, value: unknown): unknown {
  switch (layout.kind) {
    case "struct":
    case "union": {
      const fields = value as Readonly<Record<string, unknown>>;
      const entries = Object.entries(layout.fields).map(([name, field]) => [
        name,
        viewerValue(field.layout, fields[name]),
      ]);
      return Object.fromEntries(entries);
    }
    case "array": {
      const { element } = layout;
      const elements = Array.from(
        value as ArrayLike<unknown>,
        (each) => viewerValue(element, each),
      );
      return element.kind === "array" ? elements.flat() : elements;
    }
    default:
      return typeof value === "bigint" ? Number(value) : value;
  }
}

/** The schema of messages, of structs if there is a layout: a JSON Schema as viewers understand it. */
export function messageSchema(layout: Layout | undefined): Schema {
  const value = layout === undefined ? {} : { value: schemaOf(layout) };
  const properties = {
    tag: { type: "integer" },
    missed: { type: "integer" },
    ...(layout === undefined ? { text: { type: "string" } } : {}),
    bytes: { type: "string", contentEncoding: "base64" },
    ...value,
  };
  return {
    name: "sysv_shm.Message",
    encoding: "jsonschema",
    text: JSON.stringify({ type: "object", properties }),
  };
}

function schemaOf(layout: Layout): object {
  switch (layout.kind) {
    case "struct":
    case "union": {
      const fields = Object.entries(layout.fields).map(([name, field]) => [
        name,
        schemaOf(field.layout),
      ]);
      return { type: "object", properties: Object.fromEntries(fields) };
    }
    case "array": {
      const items = schemaOf(layout.element);
      return layout.element.kind === "array" ? items : { type: "array", items };
    }
    case "scalar":
      return { type: typeOf(layout.name) };
    case "bits":
      return { type: typeOf(layout.type.name) };
    default:
      return { type: "string" };
  }
}

function typeOf(scalar: string): string {
  if (scalar === "bool") return "boolean";
  if (scalar === "char") return "string";
  return scalar.startsWith("f") ? "number" : "integer";
}
