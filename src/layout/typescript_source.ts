/**
 * Writes a struct as the TypeScript text that makes the same layout, so that its fields have types.
 * Internal: used by the command `struct`.
 */

import type { AnyStructLayout, Layout, Member } from "./layout.ts";
import { membersOf } from "./members.ts";

/** What only `@sysv/shm/layout` exports; `@sysv/shm` exports the others. */
const NOT_AT_ROOT = new Set(["anonymous", "bits", "flexible", "u16be", "u32be", "u64be"]);

/** What a constant of a module cannot be called, and what the text may import. */
const TAKEN = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export
  extends false finally for function globalThis if implements import in instanceof interface let new null
  package private protected public return static super switch this throw true try typeof undefined var void
  while with yield
  aligned anonymous array bits bool cString char f32 f64 flexible i16 i32 i64 i8 struct u16 u16be u32 u32be
  u64 u64be u8 union`.split(/\s+/),
);

/** All structs, each once and before its use. */
class Source {
  readonly #names: ReadonlyMap<AnyStructLayout, string>;
  readonly #constants = new Map<AnyStructLayout, string>();
  readonly #taken = new Set(TAKEN);
  readonly #imports = new Set<string>();
  readonly #lines: string[] = [];

  constructor(layout: AnyStructLayout, names: ReadonlyMap<AnyStructLayout, string>, name: string) {
    this.#names = names;
    // The others must not get its name, though they are written before it
    this.#name(layout, name);
    this.#define(layout);
  }

  #name(layout: AnyStructLayout, wanted: string): string {
    let name = wanted;
    while (this.#taken.has(name)) name += "_";
    this.#taken.add(name);
    this.#constants.set(layout, name);
    return name;
  }

  #define(layout: AnyStructLayout): void {
    const name = this.#constants.get(layout)!;
    this.#lines.push(`\nexport const ${name} = ${this.#record(layout, name, "")};`);
  }

  #use(name: string): string {
    this.#imports.add(name);
    return name;
  }

  #record(layout: AnyStructLayout, name: string, indent: string): string {
    const { kind, fields, pack, align } = layout;
    const options = Object.entries({ pack, align }).filter(([, value]) => value !== undefined)
      .map(([option, value]) => `${option}: ${value}`);
    const lines = membersOf(layout).map((member, index) => {
      // The key of an anonymous member is only there to differ from the others
      let key = member.name ?? `_anonymous${index}`;
      while (member.name === undefined && Object.hasOwn(fields, key)) key += "_";
      return `${indent}  ${key}: ${this.#member(member, name, `${indent}  `)},\n`;
    });
    const body = lines.length === 0 ? "{}" : `{\n${lines.join("")}${indent}}`;
    const more = options.length === 0 ? "" : `, { ${options.join(", ")} }`;
    return `${this.#use(kind)}(${body}${more})`;
  }

  #member({ name, layout, align }: Member, struct: string, indent: string): string {
    if (name === undefined) {
      const inner = "fields" in layout
        ? this.#record(layout, struct, indent)
        : this.#layout(layout, struct);
      return `${this.#use("anonymous")}(${inner})`;
    }
    const inner = this.#layout(layout, `${struct}_${name}`);
    return align === undefined ? inner : `${this.#use("aligned")}(${inner}, ${align})`;
  }

  /** The text of a layout. A struct without a name in C gets the name `wanted`. */
  #layout(layout: Layout, wanted: string): string {
    switch (layout.kind) {
      case "scalar":
        return this.#use(layout.name);
      case "cString": {
        const options = layout.full === true ? ", { full: true }" : "";
        return `${this.#use("cString")}(${layout.size}${options})`;
      }
      case "bits":
        return `${this.#use("bits")}(${this.#use(layout.type.name)}, ${layout.width})`;
      case "flexible":
        return `${this.#use("flexible")}(${this.#layout(layout.element, wanted)})`;
      case "array": {
        const element = this.#layout(layout.element, wanted);
        return `${this.#use("array")}(${element}, ${layout.length})`;
      }
    }
    const known = this.#constants.get(layout);
    if (known !== undefined) return known;
    const name = this.#name(layout, this.#names.get(layout) ?? wanted);
    this.#define(layout);
    return name;
  }

  toString(): string {
    const names = [...this.#imports].sort();
    const from = (module: string, imported: readonly string[]): string[] =>
      imported.length === 0 ? [] : [`import { ${imported.join(", ")} } from "${module}";`];
    return [
      ...from("@sysv/shm", names.filter((name) => !NOT_AT_ROOT.has(name))),
      ...from("@sysv/shm/layout", names.filter((name) => NOT_AT_ROOT.has(name))),
      ...this.#lines,
    ].join("\n") + "\n";
  }
}

/**
 * Returns a module that exports this struct under `name`, and each struct in it under its name in C, or
 * after the struct around it and the field. A `_` is added to a name that is taken.
 */
export function typescriptSource(
  layout: AnyStructLayout,
  names: ReadonlyMap<AnyStructLayout, string>,
  name: string,
): string {
  return new Source(layout, names, name).toString();
}
