/**
 * The canonical text of a struct as a message: the input of its message type, and what programs in C state as
 * theirs. `docs/wire_format.md` defines it. Internal: used by `message_type.ts` and `declare.ts`.
 */

import type { AnyStructLayout, Field, Layout } from "./layout.ts";

/** The text: every leaf field with its kind and place, each with a semicolon, then the size. */
export function messageText(layout: AnyStructLayout): string {
  return [...leavesOf(layout, "", 0, ""), layout.size].join("");
}

/** Whether messages can be of this struct or union. */
export function isMessageLayout({ kind, fields }: AnyStructLayout): boolean {
  return kind === "struct" &&
    Object.values(fields).every(({ layout }: Field) => layout.kind !== "flexible");
}

/** The leaves of a struct or union whose own path ends in `path`. */
function* leavesOf(
  { fields }: AnyStructLayout,
  path: string,
  base: number,
  strides: string,
): Generator<string, void, void> {
  for (const [name, { layout, offset }] of Object.entries(fields)) {
    yield* leavesIn(layout, path + name, base + offset, strides);
  }
}

/** The leaves of one field. An array of structs has those of its first element, with its stride. */
function* leavesIn(
  layout: Layout,
  path: string,
  offset: number,
  strides: string,
): Generator<string, void, void> {
  let element = layout;
  let dimensions = "";
  let inner = strides;
  if (element.kind === "flexible") {
    element = element.element;
    dimensions = "[]";
    inner += `+${element.size}`;
  }
  for (; element.kind === "array"; element = element.element) {
    dimensions += `[${element.length}]`;
    inner += `+${element.element.size}`;
  }
  switch (element.kind) {
    case "scalar":
      yield `${path}:${element.name}${dimensions}@${offset}${strides};`;
      return;
    case "cString":
      yield `${path}:char${dimensions}[${element.size}]@${offset}${strides};`;
      return;
    case "bits": {
      const { type, width, bitOffset } = element;
      yield `${path}:${type.name}:${width}@${offset}.${bitOffset}${strides};`;
      return;
    }
    case "struct":
    case "union":
      yield* leavesOf(element, `${path}${dimensions}.`, offset, inner);
  }
}
