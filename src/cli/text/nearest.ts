/** Finds the word that a user most likely meant. Pure. */

/** How many letters may be wrong, missing or too many. */
const MOST_MISTAKES = 2;

/** The known word that begins as `word` does, or differs from it in few letters; if there is one. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const asked = word.toLowerCase();
  if (asked.length < 2) return undefined;
  const begun = known.find((each) => each.startsWith(asked) || asked.startsWith(each));
  if (begun !== undefined) return begun;
  // Of short words most would be near
  const most = Math.min(MOST_MISTAKES, Math.floor(asked.length / 3));
  return known.map((each) => ({ each, mistakes: mistakesIn(asked, each) }))
    .filter(({ mistakes }) => mistakes <= most)
    .toSorted((a, b) => a.mistakes - b.mistakes)[0]?.each;
}

/** The Levenshtein distance. */
function mistakesIn(word: string, known: string): number {
  if (Math.abs(word.length - known.length) > MOST_MISTAKES) return Infinity;
  let row = Array.from({ length: known.length + 1 }, (_, i) => i);
  for (let i = 0; i < word.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < known.length; j++) {
      const same = row[j]! + Number(word[i] !== known[j]);
      next.push(Math.min(same, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row.at(-1)!;
}
