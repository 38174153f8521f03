/** Finds where two copies of the same bytes differ. Pure. Internal: used by `watch`. */

/** A run of neighbouring bytes that all differ, from `start` up to but not including `end`. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

const WORD = Uint32Array.BYTES_PER_ELEMENT;

/** The runs in which `now` differs from `before`, in order. Both have the same length and are aligned. */
export function* runs(
  before: Uint8Array<ArrayBuffer>,
  now: Uint8Array<ArrayBuffer>,
): Generator<Run, void, void> {
  // Most of a segment does not change, so words are compared before bytes
  const wordCount = Math.floor(now.length / WORD);
  const oldWords = new Uint32Array(before.buffer, before.byteOffset, wordCount);
  const newWords = new Uint32Array(now.buffer, now.byteOffset, wordCount);
  let at = 0;
  while (at < now.length) {
    if (at % WORD === 0) {
      let word = at / WORD;
      while (word < wordCount && oldWords[word] === newWords[word]) word++;
      at = word * WORD;
    }
    const start = at;
    while (at < now.length && before[at] !== now[at]) at++;
    if (at > start) yield { start, end: at };
    else at++;
  }
}
