/**
 * Writes a struct as C and C++ text, with assertions that make a compiler with another layout reject it.
 * Internal: used by `struct` and `union`.
 */

import { checkName, isMacro, isTaken } from "./check.ts";
import type { AnyStructLayout, Layout } from "./layout.ts";
import { membersOf } from "./members.ts";
import { isMessageLayout, messageText } from "./message_text.ts";

function attribute(align: number | undefined): string {
  return align === undefined ? "" : `__attribute__((aligned(${align})))`;
}

/** A struct or union in C, with the attributes between the keyword and its name. */
function head({ kind, align }: AnyStructLayout, packed: boolean): string {
  return [kind, packed ? "__attribute__((packed))" : "", attribute(align)].filter(Boolean).join(
    " ",
  );
}

/** All anonymous structs and unions in a struct, and those in them. */
function* anonymousIn(layout: AnyStructLayout): Generator<AnyStructLayout, void, void> {
  for (const { name, layout: part } of layout.members ?? []) {
    if (name !== undefined || !("fields" in part)) continue;
    yield part;
    yield* anonymousIn(part);
  }
}

/** Whether a struct is packed by its attribute, so that its anonymous members are not. */
function isPackedByAttribute(layout: AnyStructLayout, name: string): boolean {
  const packs = new Set([...anonymousIn(layout)].map(({ pack }) => pack));
  const attributes = packs.has(undefined) && layout.pack !== undefined;
  const isOther = (pack: number | undefined): boolean =>
    pack !== 1 && pack !== (attributes ? undefined : layout.pack);
  const hasAligned = layout.pack === 1 &&
    membersOf(layout).some(({ align }) => align !== undefined);
  if ([...packs].some(isOther) || (attributes && (layout.pack !== 1 || hasAligned))) {
    throw new TypeError(
      `struct "${name}" has an anonymous member with another pack: C cannot declare that`,
    );
  }
  return attributes;
}

/** All structs, each once, in the order that C needs: inner structs first. */
class Declaration {
  readonly #tags: ReadonlyMap<AnyStructLayout, string>;
  readonly #names = new Map<AnyStructLayout, string>();
  readonly #structs: string[] = [];
  readonly #headers = new Set(["stddef.h"]);

  constructor(layout: AnyStructLayout, name: string, tags: ReadonlyMap<AnyStructLayout, string>) {
    this.#tags = tags;
    this.#add(layout, name);
  }

  /** Declares a struct or union unless it is already declared. Returns its name. */
  #add(layout: AnyStructLayout, wanted: string): string {
    const known = this.#names.get(layout);
    if (known !== undefined) return known;
    const taken = new Set(this.#names.values());
    let name = wanted;
    while (taken.has(name) || isTaken(name)) name += "_";
    this.#names.set(layout, name);

    const { kind, fields, size, pack } = layout;
    const byAttribute = isPackedByAttribute(layout, name);
    const members = this.#members(layout, name, "  ", byAttribute ? undefined : pack);
    const pragma = pack !== undefined && !byAttribute;
    const type = `${kind} ${name}`;
    const lines = [
      ...(pragma ? [`#pragma pack(push, ${pack})`] : []),
      `typedef ${head(layout, byAttribute)} ${name} {`,
      ...members,
      `} ${name};`,
      ...(pragma ? ["#pragma pack(pop)"] : []),
      `_Static_assert(sizeof(${type}) == ${size}, "size of ${name}");`,
    ];
    for (const [key, { layout, offset }] of Object.entries(fields)) {
      // C has no offset of a bit-field
      if (layout.kind === "bits") continue;
      lines.push(
        `_Static_assert(offsetof(${type}, ${key}) == ${offset}, "offset of ${name}.${key}");`,
      );
    }
    this.#structs.push(lines.join("\n"));
    return name;
  }

  #members(
    layout: AnyStructLayout,
    name: string,
    indent: string,
    pragma: number | undefined,
  ): string[] {
    const members = membersOf(layout);
    return members.flatMap(({ name: key, layout: part, align }, index) => {
      if (key === undefined && "fields" in part) {
        const packed = part.pack !== undefined && part.pack !== pragma;
        const inner = this.#members(part, name, `${indent}  `, pragma);
        return [`${indent}${head(part, packed)} {`, ...inner, `${indent}};`];
      }
      if (key !== undefined && isMacro(key)) {
        throw new TypeError(`field "${key}" cannot be declared: compilers or headers define it`);
      }
      // Only the last field of a struct with others can be without a length
      const last = layout.kind === "struct" && index > 0 && index === members.length - 1;
      return [`${indent}${this.#member(name, key, part, last)}${attributeAfter(align)};`];
    });
  }

  #member(struct: string, name: string | undefined, layout: Layout, last: boolean): string {
    // In C the dimensions follow the name, the outermost first.
    let element: Layout = layout;
    let dimensions = "";
    if (element.kind === "bits") {
      const type = this.#type(element.type, "");
      return `${type} ${name === undefined ? "" : `${name} `}: ${element.width}`;
    }
    if (element.kind === "flexible") {
      dimensions = last ? "[]" : "[0]";
      element = element.element;
    }
    for (; element.kind === "array"; element = element.element) dimensions += `[${element.length}]`;
    if (element.kind === "cString") dimensions += `[${element.size}]`;
    return `${this.#type(element, `${struct}_${name}`)} ${name}${dimensions}`;
  }

  #type(layout: Layout, wanted: string): string {
    if (layout.kind === "cString") return "char";
    if (layout.kind === "scalar") {
      const { cType } = layout;
      if (cType === "bool") this.#headers.add("stdbool.h");
      if (cType.endsWith("_t")) this.#headers.add("stdint.h");
      if (cType.startsWith("__be")) this.#headers.add("linux/types.h");
      return cType;
    }
    const record = layout as AnyStructLayout;
    return `${record.kind} ${this.#add(record, this.#tags.get(record) ?? wanted)}`;
  }

  toString(): string {
    return [
      [...this.#headers].sort().map((header) => `#include <${header}>`).join("\n"),
      "#ifdef __cplusplus\n#define _Static_assert static_assert\n#endif",
      ...this.#structs,
    ].join("\n\n") + "\n";
  }
}

function attributeAfter(align: number | undefined): string {
  return align === undefined ? "" : ` ${attribute(align)}`;
}

/**
 * Returns the declaration of a struct with this name. A struct in it has its name in `tags`, or else is named
 * after the struct around it and the field. A struct that messages can be of has its message type with it, as
 * C peers state it.
 */
export function declare(
  layout: AnyStructLayout,
  name: string,
  tags: ReadonlyMap<AnyStructLayout, string> = new Map(),
): string {
  checkName(name, "the name of a struct");
  if (isTaken(name)) {
    throw new TypeError(
      `the name of a struct cannot be "${name}": it means something in C, in C++ or in a header`,
    );
  }
  const declaration = new Declaration(layout, name, tags).toString();
  return isMessageLayout(layout)
    ? `${declaration}\n#define ${name}_MESSAGE_TYPE "${messageText(layout)}"\n`
    : declaration;
}
