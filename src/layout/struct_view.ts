/**
 * Live views of structs: one class per struct, with one accessor per field. Internal: used by `struct`.
 *
 * A view holds a `DataView` of exactly the struct's bytes in a private field. So a bug in this file cannot
 * access memory outside the struct, and a caller cannot get the memory of a read-only view.
 */

import { checkAlive, partView } from "./array_view.ts";
import { readText, writeText } from "./c_string.ts";
import { glimpse, load, store } from "./codec.ts";
import { INSPECT, type Inspect, shown } from "./inspect.ts";
import type { AnyStructLayout, BitsLayout, Field, ScalarLayout } from "./layout.ts";
import { readOnly } from "./refusal.ts";
import { bool, char, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./scalar.ts";

type Accessor = PropertyDescriptor & ThisType<View>;

/** The base class of the views of all structs. */
class View {
  readonly #data: DataView;
  readonly #layout: AnyStructLayout;
  readonly #readOnly: boolean;
  /** The views of fields that are structs or arrays, made at the first access. */
  readonly #parts: object[] = [];

  constructor(data: DataView, layout: AnyStructLayout, readOnly: boolean) {
    this.#data = data;
    this.#layout = layout;
    this.#readOnly = readOnly;
    // A misspelt field must throw, and not add a property that is not the memory.
    Object.preventExtensions(this);
  }

  #writable(name: string): DataView {
    if (this.#readOnly) throw readOnly(name);
    return this.#data;
  }

  /** One literal for each scalar: V8 optimises per place in the source, see `scalar.ts`. */
  static readonly #scalars: Readonly<Record<string, (name: string, at: number) => Accessor>> = {
    bool: (name, at) => ({
      get(): unknown {
        return bool.get(this.#data, at);
      },
      set(value: unknown): void {
        bool.set(this.#writable(name), at, value, name);
      },
    }),
    char: (name, at) => ({
      get(): unknown {
        return char.get(this.#data, at);
      },
      set(value: unknown): void {
        char.set(this.#writable(name), at, value, name);
      },
    }),
    i8: (name, at) => ({
      get(): unknown {
        return i8.get(this.#data, at);
      },
      set(value: unknown): void {
        i8.set(this.#writable(name), at, value, name);
      },
    }),
    u8: (name, at) => ({
      get(): unknown {
        return u8.get(this.#data, at);
      },
      set(value: unknown): void {
        u8.set(this.#writable(name), at, value, name);
      },
    }),
    i16: (name, at) => ({
      get(): unknown {
        return i16.get(this.#data, at);
      },
      set(value: unknown): void {
        i16.set(this.#writable(name), at, value, name);
      },
    }),
    u16: (name, at) => ({
      get(): unknown {
        return u16.get(this.#data, at);
      },
      set(value: unknown): void {
        u16.set(this.#writable(name), at, value, name);
      },
    }),
    i32: (name, at) => ({
      get(): unknown {
        return i32.get(this.#data, at);
      },
      set(value: unknown): void {
        i32.set(this.#writable(name), at, value, name);
      },
    }),
    u32: (name, at) => ({
      get(): unknown {
        return u32.get(this.#data, at);
      },
      set(value: unknown): void {
        u32.set(this.#writable(name), at, value, name);
      },
    }),
    i64: (name, at) => ({
      get(): unknown {
        return i64.get(this.#data, at);
      },
      set(value: unknown): void {
        i64.set(this.#writable(name), at, value, name);
      },
    }),
    u64: (name, at) => ({
      get(): unknown {
        return u64.get(this.#data, at);
      },
      set(value: unknown): void {
        u64.set(this.#writable(name), at, value, name);
      },
    }),
    f32: (name, at) => ({
      get(): unknown {
        return f32.get(this.#data, at);
      },
      set(value: unknown): void {
        f32.set(this.#writable(name), at, value, name);
      },
    }),
    f64: (name, at) => ({
      get(): unknown {
        return f64.get(this.#data, at);
      },
      set(value: unknown): void {
        f64.set(this.#writable(name), at, value, name);
      },
    }),
  };

  /** The accessor of a big-endian scalar or a bit-field. */
  static #other(layout: ScalarLayout | BitsLayout, name: string, at: number): Accessor {
    return {
      get(): unknown {
        return layout.get(this.#data, at);
      },
      set(value: unknown): void {
        layout.set(this.#writable(name), at, value, name);
      },
    };
  }

  static #accessor(name: string, { layout, offset, size }: Field, index: number): Accessor {
    switch (layout.kind) {
      case "scalar":
        return View.#scalars[layout.name]?.(name, offset) ?? View.#other(layout, name, offset);
      case "bits":
        return View.#other(layout, name, offset);
      case "cString":
        return {
          get(): unknown {
            return readText(this.#data, offset, size);
          },
          set(value: unknown): void {
            writeText(this.#writable(name), offset, size, value, name);
          },
        };
      default:
        return {
          get(): unknown {
            checkAlive(this.#data);
            return this.#parts[index] ??= partView(
              layout,
              this.#data,
              offset,
              name,
              this.#readOnly,
            );
          },
          set(value: unknown): void {
            store(layout, this.#writable(name), offset, value, name);
          },
        };
    }
  }

  /** Returns the class of the views of one struct. */
  static of(layout: AnyStructLayout): typeof View {
    const StructView = class extends View {};
    Object.entries(layout.fields).forEach(([name, field], index) => {
      const accessor = View.#accessor(name, field, index);
      Object.defineProperty(StructView.prototype, name, { ...accessor, enumerable: true });
    });
    return StructView;
  }

  /** Converts the view for `JSON.stringify`. A field of the same name replaces this method. */
  toJSON(): unknown {
    return load(this.#layout, this.#data, 0);
  }

  [INSPECT](_depth: number, options: object, inspect: Inspect): string {
    return shown(() => glimpse(this.#layout, this.#data), options, inspect);
  }
}

/** Makes a function that returns a view of this struct over memory. */
export function viewsOf(layout: AnyStructLayout): (data: DataView, readOnly: boolean) => object {
  const StructView = View.of(layout);
  return (data, readOnly) => new StructView(data, layout, readOnly);
}
