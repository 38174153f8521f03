/**
 * The packages from npm that the bench uses, in one list. They are loaded when they are needed, and only
 * the lock file of this folder names them: checking, testing and using this project downloads nothing.
 */

/** Versions, exact: figures are compared over time. */
export const PACKAGES = {
  "restructure": "3.0.2",
  "shm-typed-array": "0.1.1",
  "vega": "6.4.0",
  "vega-lite": "6.5.0",
  "zeromq": "6.8.0",
} as const;

/** A package of the list. */
export type PackageName = keyof typeof PACKAGES;

/** The module, for Deno; from the cache once it was downloaded. */
export async function load<Module>(name: PackageName): Promise<Module> {
  return await import(`npm:${name}@${PACKAGES[name]}`) as Module;
}
