// Where what is lost stands among the rows of the waterfall and the tree.
import type { Lost } from "./api";
import type { Laid } from "./skeleton";

/** A row that is no span has the number of its loss, below zero. */
export function lossOf(row: number): number {
  return -row - 1;
}

/** The rows with one more for each loss that has a place: behind the span that was the last to begin before it, or what that is folded into. */
export function withLosses(laid: Laid, parent: Int32Array, lost: Lost[]): Laid {
  const behind = new Map<number, number[]>();
  for (const [loss, { afterSpan }] of lost.entries()) {
    if (afterSpan !== null && afterSpan !== undefined) {
      const row = shownRow(laid, parent, afterSpan);
      behind.set(row, [...(behind.get(row) ?? []), loss]);
    }
  }
  if (behind.size === 0 || laid.order.length === 0) {
    return laid;
  }
  const count = laid.order.length + [...behind.values()].reduce((sum, { length }) => sum + length, 0);
  const order = new Int32Array(count);
  const depth = new Uint16Array(count);
  const place = new Int32Array(laid.place.length).fill(-1);
  let filled = 0;
  const put = (row: number, level: number) => {
    order[filled] = row;
    depth[filled] = level;
    filled += 1;
  };
  for (const [row, index] of laid.order.entries()) {
    const level = laid.depth[row] ?? 0;
    place[index] = filled;
    put(index, level);
    behind.get(row)?.forEach((loss) => put(-loss - 1, level));
  }
  return { ...laid, order, depth, place };
}

/** Where the event with this number stands among the entries of the log: each loss is one entry, in place of the events that it took. */
export function entryOf(seq: number, lost: Lost[]): number {
  return lost
    .filter(({ afterSeq }) => (afterSeq ?? 0) < seq)
    .reduce((at, { first, last }) => at + 1 - (first && last ? last - first + 1 : 0), seq - 1);
}

function shownRow(laid: Laid, parent: Int32Array, span: number): number {
  for (let at = span, steps = 0; at > 0 && steps < parent.length; at = parent[at] ?? 0, steps += 1) {
    const row = laid.place[at] ?? -1;
    if (row >= 0) {
      return row;
    }
  }
  return 0;
}
