// Medians and quantiles of samples. Knows nothing of what was measured.

/** The q-quantile (0…1) of `values`, by nearest rank; NaN for an empty list. Does not change `values`. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** The median; the mean of the middle two for an even count; NaN for an empty list. */
export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/**
 * The median over rounds of `combine(a, b)`, where a and b were measured in the same round.
 * Pairing within a round cancels the slow drift of a shared machine, which a ratio of two medians would keep.
 */
export function paired(a: number[], b: number[], combine: (a: number, b: number) => number): number {
  return median(a.map((value, round) => combine(value, b[round] ?? Number.NaN)));
}
