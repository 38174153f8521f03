/** A Worker that takes a role in the way it is told, for tests that end it. */

import { workerUndoes } from "../../ffi/libc.ts";
import { Role, SemaphoreSet } from "../../mod.ts";

/** What the Worker is to do. */
export interface Errand {
  readonly id: number;
  readonly how: "tryAcquire" | "acquire" | "acquireSync";
  /** Ends itself as soon as it has it. */
  readonly close?: boolean;
}

/** This Worker, which the compiler takes for a main program. */
const worker = self as unknown as {
  onmessage: (event: MessageEvent<Errand>) => void;
  postMessage(message: string): void;
};

worker.onmessage = async ({ data }) => {
  const role = new Role(SemaphoreSet.attach(data.id), 0);
  worker.postMessage(workerUndoes() ? "undoes" : "keeps");
  await role[data.how]();
  worker.postMessage("has it");
  if (data.close === true) self.close();
};
