// Documents that come in pieces of fixed size: fetched when looked at, the least recently seen dropped, fetched again when they have changed.
import { Changes } from "./changes";

const KEPT = 96;
/** Whoever scrolls past everything asks for everything: only what is still in sight when its turn comes is fetched. */
const AT_ONCE = 3;

interface Held<T> {
  data: T | undefined;
  stale: boolean;
  loading: Promise<T> | undefined;
  error: string | undefined;
}

export class Chunks<T> extends Changes {
  private readonly held = new Map<number, Held<T>>();

  private loading = 0;

  constructor(private readonly load: (chunk: number) => Promise<T>) {
    super();
  }

  /** What is there now; asks for it when it is not, or no longer true. */
  peek(chunk: number): T | undefined {
    const entry = this.touch(chunk);
    if (this.loading < AT_ONCE && entry.loading === undefined && entry.error === undefined && (entry.data === undefined || entry.stale)) {
      void this.fetch(chunk, entry).catch(() => undefined);
    }
    return entry.data;
  }

  error(chunk: number): string | undefined {
    return this.held.get(chunk)?.error;
  }

  async get(chunk: number): Promise<T> {
    const entry = this.touch(chunk);
    if (entry.data !== undefined && !entry.stale) {
      return entry.data;
    }
    return entry.loading ?? this.fetch(chunk, entry);
  }

  /** The old data stay in sight until the new ones are here. */
  outdate(chunk: number): void {
    const entry = this.held.get(chunk);
    if (entry !== undefined) {
      entry.stale = true;
      entry.error = undefined;
      this.changed();
    }
  }

  outdateFrom(chunk: number): void {
    for (const known of this.held.keys()) {
      if (known >= chunk) {
        this.outdate(known);
      }
    }
  }

  private async fetch(chunk: number, entry: Held<T>): Promise<T> {
    entry.stale = false;
    this.loading += 1;
    entry.loading = this.load(chunk);
    try {
      const data = await entry.loading;
      entry.data = data;
      entry.error = undefined;
      return data;
    } catch (error) {
      entry.error = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      entry.loading = undefined;
      this.loading -= 1;
      this.changed();
    }
  }

  private touch(chunk: number): Held<T> {
    const entry = this.held.get(chunk) ?? { data: undefined, stale: false, loading: undefined, error: undefined };
    this.held.delete(chunk);
    this.held.set(chunk, entry);
    if (this.held.size > KEPT) {
      for (const [oldest, candidate] of this.held) {
        if (candidate.loading === undefined) {
          this.held.delete(oldest);
          break;
        }
      }
    }
    return entry;
  }
}
