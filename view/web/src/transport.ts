// Where documents come from: the server, or the script elements of a single file. The rest of the page does not know which.
import { type FoundEntries, type Hit, isGap, type LogChunk, type LogFilter, type SearchResult, type SpanDetail } from "./api";
import type { Span } from "./trace";

export interface Transport {
  readonly mode: "served" | "file";
  json<T>(path: string): Promise<T>;
  text(path: string): Promise<string>;
  search(session: string, query: string, signal: AbortSignal): Promise<SearchResult>;
  /** The log's entries that a filter lets through, from a position on, as far as can be looked in a moment. */
  find(session: string, filter: LogFilter, from: number): Promise<FoundEntries>;
  /** Calls back for each message until the returned function is called. */
  follow<T>(path: string, event: string, told: Told<T>): () => void;
}

export interface Told<T> {
  message(data: T): void;
  /** Whether the page hears the server. */
  connected(yes: boolean): void;
  /** There is nothing to follow any more. */
  gone(): void;
}

export class NotThere extends Error {}

/** A session's path. The `~` keeps the ids `.` and `..` from being taken for folders. */
export function sessionPath(id: string): string {
  return `api/s/~${encodeURIComponent(id)}`;
}

export function transportOf(document: Document): Transport {
  return document.body.dataset["mode"] === "file" ? new SingleFile(document) : new Served();
}

class Served implements Transport {
  readonly mode = "served";

  async json<T>(path: string): Promise<T> {
    return (await this.get(path)).json() as Promise<T>;
  }

  async text(path: string): Promise<string> {
    return (await this.get(path)).text();
  }

  async search(session: string, query: string, signal: AbortSignal): Promise<SearchResult> {
    return (await this.get(`${sessionPath(session)}/search?q=${encodeURIComponent(query)}`, signal)).json() as Promise<SearchResult>;
  }

  async find(session: string, { text, type, span }: LogFilter, from: number): Promise<FoundEntries> {
    const asked = new URLSearchParams({ q: text, type, from: String(from), ...(span === null ? {} : { span: String(span) }) });
    return (await this.get(`${sessionPath(session)}/find?${asked}`)).json() as Promise<FoundEntries>;
  }

  follow<T>(path: string, event: string, told: Told<T>): () => void {
    const source = new EventSource(path);
    source.addEventListener(event, (received) => told.message(JSON.parse((received as MessageEvent<string>).data) as T));
    source.addEventListener("gone", () => {
      source.close();
      told.gone();
    });
    source.addEventListener("open", () => told.connected(true));
    source.addEventListener("error", () => told.connected(false));
    return () => source.close();
  }

  private async get(path: string, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(path, { credentials: "omit", ...(signal === undefined ? {} : { signal }) });
    if (response.status === 404) {
      throw new NotThere(await reason(response));
    }
    if (!response.ok) {
      throw new Error(await reason(response));
    }
    return response;
  }
}

/** The server says in JSON what went wrong. */
async function reason(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { error: string }).error;
  } catch {
    return `${response.status}: ${text.slice(0, 300)}`;
  }
}

const SPANS_IN_CHUNK = 64;
const ENTRIES_IN_CHUNK = 256;
const CHILDREN = 1000;

class SingleFile implements Transport {
  readonly mode = "file";

  private parents: number[] | null = null;

  constructor(private readonly document: Document) {}

  async json<T>(path: string): Promise<T> {
    const span = /^(.*)\/span\/(\d+)$/.exec(path);
    if (span !== null) {
      return this.detail(span[1] ?? "", Number(span[2])) as T;
    }
    const event = /^(.*)\/event\/(\d+)$/.exec(path);
    if (event !== null) {
      return this.rawEvent<T>(event[1] ?? "", Number(event[2]));
    }
    return JSON.parse(this.held(path)) as T;
  }

  async text(path: string): Promise<string> {
    return this.held(path);
  }

  async search(session: string, query: string, signal: AbortSignal): Promise<SearchResult> {
    const wanted = query.toLowerCase();
    const hits: Hit[] = [];
    for (let chunk = 0; ; chunk += 1) {
      const element = this.element(`${sessionPath(session)}/spans/${chunk}`);
      if (element === null || signal.aborted) {
        return { hits, more: false };
      }
      const { from, spans } = JSON.parse(element.textContent ?? "") as { from: number; spans: Span[] };
      for (const [offset, span] of spans.entries()) {
        searchSpan(span, from + offset, wanted, hits);
        if (hits.length >= 500) {
          return { hits: hits.slice(0, 500), more: true };
        }
      }
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  async find(session: string, { text, type, span }: LogFilter, from: number): Promise<FoundEntries> {
    const base = sessionPath(session);
    const chunk = Math.floor(from / ENTRIES_IN_CHUNK);
    const { from: first, entries } = JSON.parse(this.held(`${base}/log/${chunk}`)) as LogChunk;
    const events = text === "" ? [] : (JSON.parse(this.held(`${base}/raw/${chunk}`)) as { events: unknown[] }).events;
    const wanted = [text.toLowerCase(), JSON.stringify(text).slice(1, -1).toLowerCase()];
    const found: number[] = [];
    for (const [offset, entry] of entries.entries()) {
      const isType = type === "" || (isGap(entry) ? type === "gap" : entry.type === type);
      const isOfSpan = span === null || (!isGap(entry) && entry.span === span);
      if (first + offset >= from && isType && isOfSpan) {
        const json = text === "" ? "" : JSON.stringify(events[offset]).toLowerCase();
        if (text === "" || wanted.some((each) => json.includes(each))) {
          found.push(first + offset);
        }
      }
    }
    await new Promise((resolve) => setTimeout(resolve));
    return { found, to: first + entries.length };
  }

  follow(): () => void {
    return () => undefined;
  }

  /** What the server answers for one span, put together from the chunks. */
  private detail(base: string, index: number): SpanDetail {
    const { from, spans } = JSON.parse(this.held(`${base}/spans/${Math.floor(index / SPANS_IN_CHUNK)}`)) as { from: number; spans: Span[] };
    const span = spans[index - from];
    if (span === undefined) {
      throw new NotThere(`span ${index} is not in this file`);
    }
    const parents = this.parentsOf(base);
    const parent = parents[index] ?? -1;
    const children: number[] = [];
    const siblings: { previous: number | null; next: number | null } = { previous: null, next: null };
    for (const [other, above] of parents.entries()) {
      if (above === index) {
        children.push(other);
      } else if (above === parent && other < index && parent >= 0) {
        siblings.previous = other;
      } else if (above === parent && other > index && siblings.next === null && parent >= 0) {
        siblings.next = other;
      }
    }
    return { index, span, parent, children: children.slice(0, CHILDREN), siblings };
  }

  private parentsOf(base: string): number[] {
    if (this.parents === null) {
      this.parents = [];
      for (
        let chunk = 0, element = this.element(`${base}/skeleton/0`);
        element !== null;
        chunk += 1, element = this.element(`${base}/skeleton/${chunk}`)
      ) {
        this.parents.push(...(JSON.parse(element.textContent ?? "") as { parent: number[] }).parent);
      }
    }
    return this.parents;
  }

  private rawEvent<T>(base: string, seq: number): T {
    for (let chunk = 0; ; chunk += 1) {
      const element = this.element(`${base}/raw/${chunk}`);
      if (element === null) {
        throw new NotThere(`event ${seq} is not in this file`);
      }
      const { events } = JSON.parse(element.textContent ?? "") as { events: { seq?: number }[] };
      const found = events.find((event) => event.seq === seq);
      if (found !== undefined) {
        return found as T;
      }
    }
  }

  private held(path: string): string {
    const element = this.element(path);
    if (element === null) {
      throw new NotThere(`${path} is not in this file`);
    }
    return element.textContent ?? "";
  }

  private element(path: string): HTMLElement | null {
    return this.document.getElementById(`d:${path}`);
  }
}

const AROUND = 60;

function searchSpan(span: Span, index: number, wanted: string, hits: Hit[]): void {
  for (const field of ["name", "spanId", "statusMessage", "input", "output", "attributes"] as const) {
    const value = span[field];
    if (value === undefined) {
      continue;
    }
    const text = typeof value === "string" ? value : JSON.stringify(value);
    const at = text.toLowerCase().indexOf(wanted);
    if (at >= 0) {
      hits.push({
        span: index,
        field,
        before: text.slice(Math.max(0, at - AROUND), at),
        match: text.slice(at, at + wanted.length),
        after: text.slice(at + wanted.length, at + wanted.length + AROUND),
      });
    }
  }
}
