/** Layouts as plain data, which tests compare. */
import type { FieldLayout } from "../../src/layout/layout.ts";
import { char } from "../../src/layout/scalar.ts";

/** A layout as plain data. An array of `char` and a text are the same C, so they are the same here. */
export function plain(layout: FieldLayout): unknown {
  switch (layout.kind) {
    case "scalar":
      return layout.name;
    case "cString":
      return ["text", layout.size, layout.full];
    case "array":
      return layout.element === char
        ? ["text", layout.length, undefined]
        : [plain(layout.element), layout.length];
    case "aligned":
      return [plain(layout.layout), layout.align];
    case "bits":
      return [layout.type.name, layout.width, layout.bitOffset];
    case "flexible":
      return ["flexible", plain(layout.element)];
    case "anonymous":
      return ["anonymous", plain(layout.layout)];
    default:
      return {
        ...layout,
        members: layout.members?.map((
          member,
        ) => [member.name, { ...member, layout: plain(member.layout) }]),
        fields: Object.entries(layout.fields).map(([name, field]) => [
          name,
          { ...field, layout: plain(field.layout) },
        ]),
        // Each layout has methods of its own.
        ...{ view: 0, read: 0, write: 0, declare: 0 },
      };
  }
}
