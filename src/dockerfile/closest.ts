/** The word that was most likely meant: at most two letters away; undefined when none is so close. */
export function closest(word: string, known: readonly string[]): string | undefined {
  const [near] = known
    .filter((name) => distance(word, name) <= 2)
    .sort((a, b) => distance(word, a) - distance(word, b));
  return near;
}

/** Letters to change, insert, take away or swap with their neighbour between two words (optimal string alignment). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  let before: number[] = [];
  for (let i = 1; i <= Math.min(a.length, 32); i++) {
    const above = row;
    const twoAbove = before;
    before = above;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (above[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (above[j - 1] ?? 0) + cost,
        swapped ? (twoAbove[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
  }
  return a.length > 32 ? Number.POSITIVE_INFINITY : (row[b.length] ?? 0);
}
