// All spans of a session as bare numbers: what the waterfall and the tree are laid out from, however many there are.
import type { SkeletonChunk } from "./api";

export const KIND = { agent: 0, generation: 1, tool: 2, other: 3 } as const;
export const STATUS = { ok: 0, error: 1, interrupted: 2, running: 3 } as const;
export const KIND_NAMES = ["agent", "generation", "tool", "other"] as const;
export const STATUS_NAMES = ["ok", "error", "interrupted", "running"] as const;

export class Skeleton {
  count = 0;
  parent = new Int32Array(0);
  start = new Float64Array(0);
  end = new Float64Array(0);
  kind = new Uint8Array(0);
  status = new Uint8Array(0);
  /** Where the trace begins and ends, in milliseconds from the session's start. */
  first = 0;
  last = 0;
  /** The same for spans that were closed by recovery: that is the end of their run, which need not be near anything that happened. */
  lastInterrupted = 0;

  clear(): void {
    this.count = 0;
    this.first = 0;
    this.last = 0;
    this.lastInterrupted = 0;
  }

  set(index: number, parent: number, start: number, end: number, kind: number, status: number): void {
    this.reserve(index + 1);
    this.count = Math.max(this.count, index + 1);
    this.parent[index] = index === 0 ? -1 : parent === index ? 0 : parent;
    this.start[index] = start;
    this.end[index] = end;
    this.kind[index] = kind;
    this.status[index] = status;
    this.first = Math.min(this.first, start);
    if (status === STATUS.interrupted) {
      this.last = Math.max(this.last, start);
      this.lastInterrupted = Math.max(this.lastInterrupted, end);
    } else {
      this.last = Math.max(this.last, start, end);
    }
  }

  add(chunk: SkeletonChunk): void {
    this.reserve(chunk.from + chunk.parent.length);
    for (const [offset, parent] of chunk.parent.entries()) {
      this.set(
        chunk.from + offset,
        parent,
        chunk.start[offset] ?? 0,
        chunk.end[offset] ?? -1,
        chunk.kind[offset] ?? KIND.other,
        chunk.status[offset] ?? STATUS.ok,
      );
    }
  }

  isOpen(index: number): boolean {
    return this.status[index] === STATUS.running;
  }

  /** Where a bar ends: now, while its span is open. */
  endOf(index: number, now: number): number {
    const start = this.start[index] ?? 0;
    return this.isOpen(index) ? Math.max(start, now) : Math.max(start, this.end[index] ?? start);
  }

  private reserve(count: number): void {
    if (count <= this.parent.length) {
      return;
    }
    const room = Math.max(count, this.parent.length * 2, 1024);
    this.parent = grown(this.parent, new Int32Array(room));
    this.start = grown(this.start, new Float64Array(room));
    this.end = grown(this.end, new Float64Array(room));
    this.kind = grown(this.kind, new Uint8Array(room));
    this.status = grown(this.status, new Uint8Array(room));
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The spans in the order of a tree, each with its depth; what lies below a closed span is left out. */
export interface Laid {
  order: Int32Array;
  depth: Uint16Array;
  /** Where a span stands in `order`, or -1. */
  place: Int32Array;
  /** How many children each span has. */
  children: Int32Array;
}

export function layOut(skeleton: Skeleton, closed: ReadonlySet<number>, keep: ((index: number) => boolean) | null): Laid {
  const { count, parent } = skeleton;
  const firstChild = new Int32Array(count).fill(-1);
  const nextSibling = new Int32Array(count).fill(-1);
  const children = new Int32Array(count);
  for (let index = count - 1; index > 0; index -= 1) {
    // A parent may first appear after its child, and need not have been loaded yet.
    const named = parent[index] ?? 0;
    const above = named >= 0 && named < count ? named : 0;
    nextSibling[index] = firstChild[above] ?? -1;
    firstChild[above] = index;
    children[above] = (children[above] ?? 0) + 1;
  }
  const kept = keep === null ? null : keptWithAncestors(skeleton, keep);
  const order = new Int32Array(count);
  const depth = new Uint16Array(count);
  const place = new Int32Array(count).fill(-1);
  let filled = 0;
  let at = count > 0 ? 0 : -1;
  let level = 0;
  while (at >= 0) {
    const shown = kept === null || kept[at] === 1;
    if (shown) {
      place[at] = filled;
      order[filled] = at;
      depth[filled] = Math.min(level, 65_535);
      filled += 1;
    }
    const below = firstChild[at] ?? -1;
    if (below >= 0 && shown && !closed.has(at)) {
      at = below;
      level += 1;
      continue;
    }
    while (at > 0 && (nextSibling[at] ?? -1) < 0) {
      const named = parent[at] ?? 0;
      at = named >= 0 && named < count ? named : 0;
      level -= 1;
    }
    at = at > 0 ? (nextSibling[at] ?? -1) : -1;
  }
  return { order: order.subarray(0, filled), depth: depth.subarray(0, filled), place, children };
}

function keptWithAncestors(skeleton: Skeleton, keep: (index: number) => boolean): Uint8Array {
  const kept = new Uint8Array(skeleton.count);
  for (let index = 0; index < skeleton.count; index += 1) {
    if (keep(index)) {
      for (let at = index; at >= 0 && kept[at] === 0; at = skeleton.parent[at] ?? -1) {
        kept[at] = 1;
      }
    }
  }
  kept[0] = 1;
  return kept;
}
