/** Structs that a user writes as JSON. Pure. */

import type { Fields, Layout, StructInput, StructLayout, StructView } from "../../layout/layout.ts";

/**
 * The struct that a text in JSON gives, as a view of memory of its own. The text has the form in which the
 * commands print structs: an integer of 64 bits is a number or a string of its digits, and the numbers
 * that JSON lacks are their names.
 *
 * @throws {TypeError | RangeError} the text is not JSON, or not a value of the struct
 */
export function structFromJson(layout: StructLayout<Fields>, text: string): StructView<Fields> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TypeError(`not JSON: ${(error as Error).message}`);
  }
  const memory = new ArrayBuffer(layout.size);
  layout.write(memory, valueFor(layout, value, "") as StructInput<Fields>);
  return layout.view(memory);
}

/** The numbers without a form of their own in JSON. */
const NAMED: readonly unknown[] = ["NaN", "Infinity", "-Infinity", "-0"];

/** The value as the layout takes it, which checks everything else. */
function valueFor(layout: Layout, value: unknown, path: string): unknown {
  switch (layout.kind) {
    case "struct":
    case "union": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
      const fields = Object.entries(value).map(([name, part]) => {
        const field = Object.hasOwn(layout.fields, name) ? layout.fields[name] : undefined;
        const place = path === "" ? name : `${path}.${name}`;
        return [name, field === undefined ? part : valueFor(field.layout, part, place)];
      });
      return Object.fromEntries(fields);
    }
    case "array":
      return Array.isArray(value)
        ? value.map((part, i) => valueFor(layout.element, part, `${path}[${i}]`))
        : value;
    case "scalar":
    case "bits": {
      const sample = layout.get(new DataView(new ArrayBuffer(layout.size)), 0);
      if (typeof sample === "number") return NAMED.includes(value) ? Number(value) : value;
      return typeof sample === "bigint" ? wholeOf(value, path) : value;
    }
    default:
      return value;
  }
}

/** The integer as a `bigint`, if it is one. */
function wholeOf(value: unknown, path: string): unknown {
  if (typeof value === "string" && /^-?[0-9]+$/.test(value)) return BigInt(value);
  if (typeof value !== "number" || !Number.isInteger(value)) return value;
  if (Number.isSafeInteger(value)) return BigInt(value);
  throw new RangeError(`"${path}": write an integer beyond 2^53 - 1 as a string of its digits`);
}
