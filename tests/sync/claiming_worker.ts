/** A Worker that takes a claim in the way it is told, for tests that end it. */

import { workerUndoes } from "../../ffi/libc.ts";
import { Claim, SemaphoreSet } from "../../mod.ts";

/** What the Worker is to do. */
export interface Errand {
  readonly id: number;
  readonly how: "tryTake" | "take" | "takeSync";
  /** Ends itself as soon as it has it. */
  readonly close?: boolean;
}

/** This Worker, which the compiler takes for a main program. */
const worker = self as unknown as {
  onmessage: (event: MessageEvent<Errand>) => void;
  postMessage(message: string): void;
};

worker.onmessage = async ({ data }) => {
  const claim = new Claim(SemaphoreSet.attach(data.id), 0);
  worker.postMessage(workerUndoes() ? "undoes" : "keeps");
  await claim[data.how]();
  worker.postMessage("has it");
  if (data.close === true) self.close();
};
