/** Makes every test of `emulator_limits.ts` ignored, with the reason in its name: loaded by `--preload`. */

import { LIMITS } from "./emulator_limits.ts";

function limitOf(name: string): string | undefined {
  return LIMITS.find(({ tests }) => tests.some((begin) => name.startsWith(begin)))?.reason;
}

const test = new Proxy(Deno.test, {
  apply(register, self, args: readonly unknown[]): unknown {
    const [first] = args;
    const name = typeof first === "string" ? first : (first as Deno.TestDefinition).name;
    const reason = limitOf(name);
    if (reason === undefined) return Reflect.apply(register, self, args);
    return register({ name: `${name} [the emulator: ${reason}]`, ignore: true, fn: () => {} });
  },
});
Object.defineProperty(Deno, "test", { value: test });
