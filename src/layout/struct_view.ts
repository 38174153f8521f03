/**
 * Live views of structs: objects with one accessor per field. Internal: used by structs and unions.
 *
 * A view holds a `DataView` of exactly the struct's bytes in a private field. So a bug in this file cannot
 * access memory outside the struct, and a caller cannot get the memory of a read-only view.
 *
 * The accessors are the view's own and enumerable. Therefore spread, `Object.entries`, deep comparison and
 * `structuredClone` see the fields, as those of a plain object.
 */

import { checkAlive, partView } from "./array_view.ts";
import { readText, writeText } from "./c_string.ts";
import { INSPECT, type Inspect, shown } from "./inspect.ts";
import { jsonValue } from "./json.ts";
import type { AnyStructLayout, ArrayLayout, FlexibleLayout, ScalarLayout } from "./layout.ts";
import { LiveMemory } from "./live_memory.ts";
import { foreign, readOnly } from "./refusal.ts";
import { bytesOf } from "./source_bytes.ts";
import { assign, glimpse, load } from "./value_copy.ts";

type Accessor = PropertyDescriptor & ThisType<object>;

/** Makes a function that returns a view of this struct or union over memory. */
export function viewsOf(layout: AnyStructLayout): (data: DataView, readOnly: boolean) => object {
  let writableView: ((data: DataView) => object) | undefined;
  let readOnlyView: ((data: DataView) => object) | undefined;
  return (data, readOnly) =>
    readOnly
      ? (readOnlyView ??= makeViews(layout, true))(data)
      : (writableView ??= makeViews(layout, false))(data);
}

/**
 * Each struct has a class of its own, and so have its read-only views. So an accessor refuses the view of
 * another class at no cost: that one does not have its private fields. Also, V8 makes two fields of one
 * name in one class slow.
 */
function makeViews(layout: AnyStructLayout, isReadOnly: boolean): (data: DataView) => object {
  class View extends LiveMemory {
    readonly #data: DataView;
    /** The views of fields that are structs or arrays, made at the first access. */
    readonly #parts: object[] = [];

    constructor(data: DataView) {
      super({ data, layout });
      this.#data = data;
    }

    /** The accessor of a field that is a value. V8 inlines `get` and `set`, which are constants of it. */
    static value(
      name: string,
      at: number,
      get: (data: DataView, at: number) => unknown,
      set: ScalarLayout["set"],
    ): Accessor {
      return {
        get(): unknown {
          try {
            return get((this as View).#data, at);
          } catch (error) {
            throw #data in this ? error : foreign(name);
          }
        },
        set(value: unknown): void {
          if (isReadOnly) throw readOnly(name);
          try {
            set((this as View).#data, at, value, name);
          } catch (error) {
            throw #data in this ? error : foreign(name);
          }
        },
      };
    }

    /** The accessor of a field that is a struct or an array. */
    static part(
      name: string,
      at: number,
      part: AnyStructLayout | ArrayLayout | FlexibleLayout,
      index: number,
    ): Accessor {
      return {
        get(): unknown {
          if (!(#data in this)) throw foreign(name);
          checkAlive(this.#data);
          return this.#parts[index] ??= partView(part, this.#data, at, name, isReadOnly);
        },
        set(value: unknown): void {
          if (isReadOnly) throw readOnly(name);
          if (!(#data in this)) throw foreign(name);
          assign(part, bytesOf(this.#data, at, part.size), value, name);
        },
      };
    }

    /** Converts the view for `JSON.stringify`. A field of the same name replaces this method. */
    toJSON(): unknown {
      return jsonValue(load(layout, bytesOf(this.#data, 0, layout.size)));
    }

    [INSPECT](_depth: number, options: object, inspect: Inspect): string {
      return shown(() => glimpse(layout, this.#data), options, inspect);
    }
  }

  const fields = Object.entries(layout.fields).map(([name, field], index) => {
    const { offset: at, layout: part, size } = field;
    const accessor = part.kind === "scalar" || part.kind === "bits"
      ? View.value(name, at, part.get, part.set)
      : part.kind === "cString"
      ? View.value(
        name,
        at,
        (data, at) => readText(data, at, size),
        (data, at, value) => writeText(data, at, part, value, name),
      )
      : View.part(name, at, part, index);
    return { name, accessor: { ...accessor, enumerable: true } };
  });
  return (data) => {
    const view = new View(data);
    // With the same functions each time, all views of the struct share one hidden class
    for (const { name, accessor } of fields) Reflect.defineProperty(view, name, accessor);
    // A misspelt field must throw, and not add a property that is not the memory.
    return Object.preventExtensions(view);
  };
}
