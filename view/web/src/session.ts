// One session as the page knows it: what has been fetched, and what the server says has changed since.
import type { ChatChunk, LogChunk, RowsChunk, Row, SessionChanged, SessionSummary, SkeletonChunk, SpanDetail, Status, Writer } from "./api";
import { Changes } from "./changes";
import { Chunks } from "./chunks";
import { Skeleton } from "./skeleton";
import { sessionPath, type Transport } from "./transport";

const SUMMARY_EVERY_MS = 700;
const SKELETONS_AT_ONCE = 4;

export class Session extends Changes {
  readonly skeleton = new Skeleton();
  readonly rows: Chunks<RowsChunk>;
  readonly chat: Chunks<ChatChunk>;
  readonly log: Chunks<LogChunk>;
  summary: SessionSummary | null = null;
  error: string | null = null;
  status: Status = "running";
  writer: Writer = "none";
  /** Not known before the first answer. */
  connected: boolean | null = null;
  spans = 0;
  logEntries = 0;
  chatMessages = 0;
  /** Grows whenever the skeleton does, so that layouts know. */
  skeletonVersion = 0;
  skeletonLoaded = false;
  private readonly path: string;
  private readonly details = new Map<number, SpanDetail>();
  private stopFollowing: (() => void) | null = null;
  private summaryTimer: ReturnType<typeof setTimeout> | null = null;
  private summaryAt = 0;
  private skeletonAsked = false;
  private closed = false;
  private readonly cameMeanwhile: SessionChanged["skeleton"] = [];

  constructor(
    readonly id: string,
    readonly transport: Transport,
  ) {
    super();
    this.path = sessionPath(id);
    this.rows = new Chunks((chunk) => transport.json(`${this.path}/rows/${chunk}`));
    this.chat = new Chunks((chunk) => transport.json(`${this.path}/chat/${chunk}`));
    this.log = new Chunks((chunk) => transport.json(`${this.path}/log/${chunk}`));
  }

  async open(): Promise<void> {
    try {
      await this.fetchSummary();
      this.follow(this.need().version);
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      this.changed();
    }
  }

  /** The server sends what has changed since `version`, also after the connection was lost for a while. */
  private follow(version: number): void {
    if (this.closed) {
      return;
    }
    this.stopFollowing = this.transport.follow<SessionChanged>(`${this.path}/live?version=${version}`, "changed", {
      message: (change) => this.take(change),
      connected: (yes) => {
        this.connected = yes;
        this.changed();
      },
      gone: () => {
        this.error = "The session has been removed from the store.";
        this.changed();
      },
    });
  }

  close(): void {
    this.closed = true;
    this.stopFollowing?.();
    if (this.summaryTimer !== null) {
      clearTimeout(this.summaryTimer);
    }
  }

  /** All of the skeleton; asked for when a view first needs it. */
  async loadSkeleton(): Promise<void> {
    if (this.skeletonAsked || this.summary === null) {
      return;
    }
    this.skeletonAsked = true;
    const chunks = Math.max(this.summary.chunks.skeleton, Math.ceil(this.spans / this.summary.sizes.skeleton));
    let next = 0;
    const worker = async () => {
      while (next < chunks) {
        const chunk = next;
        next += 1;
        this.skeleton.add(await this.transport.json<SkeletonChunk>(`${this.path}/skeleton/${chunk}`));
        this.skeletonVersion += 1;
        if (chunk === 0) {
          this.changed();
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: SKELETONS_AT_ONCE }, worker));
      // What came live while the chunks were on their way is newer than they are.
      this.cameMeanwhile.forEach((span) => this.skeleton.set(...span));
      this.cameMeanwhile.length = 0;
      this.skeletonVersion += 1;
      this.skeletonLoaded = true;
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.changed();
  }

  row(index: number): Row | undefined {
    const size = this.summary?.sizes.rows ?? 256;
    const chunk = this.rows.peek(Math.floor(index / size));
    return chunk?.rows[index - chunk.from];
  }

  heldDetail(index: number): SpanDetail | undefined {
    return this.details.get(index);
  }

  async detail(index: number): Promise<SpanDetail> {
    const detail = await this.transport.json<SpanDetail>(`${this.path}/span/${index}`);
    this.details.set(index, detail);
    if (this.details.size > 200) {
      this.details.delete(this.details.keys().next().value ?? -1);
    }
    return detail;
  }

  wholeText(index: number, field: string): Promise<string> {
    return this.transport.text(`${this.path}/text/${index}/${encodeURIComponent(field)}`);
  }

  textAddress(index: number, field: string): string {
    return `${this.path}/text/${index}/${encodeURIComponent(field)}`;
  }

  rawEvent(seq: number): Promise<unknown> {
    return this.transport.json(`${this.path}/event/${seq}`);
  }

  /** Where the time axis ends, in milliseconds from the session's start. */
  extent(): number {
    const { last, lastInterrupted } = this.skeleton;
    const ended = this.summary === null ? 0 : (this.summary.endedAt ?? this.summary.startedAt) - this.summary.startedAt;
    return Math.max(last, Math.min(lastInterrupted, ended));
  }

  /** Now, in milliseconds from the session's start: where open spans end. */
  now(): number {
    const summary = this.summary;
    if (summary === null) {
      return 0;
    }
    if (this.status === "running" && this.transport.mode === "served" && this.writer !== "dead") {
      return Math.max(this.extent(), Date.now() - summary.startedAt);
    }
    return Math.max(this.extent(), (summary.endedAt ?? summary.startedAt) - summary.startedAt);
  }

  private loadSkeletonAgain(): void {
    if (this.skeletonLoaded) {
      this.skeletonAsked = false;
      this.skeletonLoaded = false;
      void this.loadSkeleton();
    }
  }

  private startAgain(): void {
    this.rows.outdateFrom(0);
    this.chat.outdateFrom(0);
    this.log.outdateFrom(0);
    this.details.clear();
    this.spans = 0;
    this.logEntries = 0;
    this.chatMessages = 0;
    this.summary = null;
    const shown = this.skeletonAsked;
    this.skeletonAsked = false;
    this.skeletonLoaded = false;
    this.skeleton.clear();
    this.skeletonVersion += 1;
    this.stopFollowing?.();
    void this.open().then(() => (shown ? this.loadSkeleton() : undefined));
  }

  private take(change: SessionChanged): void {
    if (change.reset === true) {
      this.startAgain();
      return;
    }
    const summary = this.summary;
    const before = this.spans;
    const died = change.writer === "dead" && this.writer !== "dead";
    const ended = change.status !== this.status;
    this.writer = change.writer;
    this.status = change.status;
    if (summary !== null) {
      const touched = new Set<number>();
      for (const span of change.skeleton) {
        const [index] = span;
        if (this.skeletonAsked) {
          this.skeleton.set(...span);
          if (!this.skeletonLoaded) {
            this.cameMeanwhile.push(span);
          }
        }
        touched.add(Math.floor(index / summary.sizes.rows));
        this.details.delete(index);
      }
      if (change.skeleton.length > 0) {
        this.skeletonVersion += 1;
      }
      if (change.many === true) {
        this.rows.outdateFrom(0);
        this.loadSkeletonAgain();
      }
      if (change.spans > before) {
        touched.add(Math.floor(before / summary.sizes.rows));
      }
      touched.forEach((chunk) => this.rows.outdate(chunk));
      if (change.logEntries !== this.logEntries) {
        this.log.outdateFrom(Math.floor(this.logEntries / summary.sizes.log));
      }
      // A message shows the state of its tools, so an earlier one may have changed too.
      if (change.chatMessages !== this.chatMessages || change.skeleton.length > 0 || change.many === true) {
        this.chat.outdateFrom(0);
      }
    }
    this.spans = Math.max(this.spans, change.spans);
    this.logEntries = Math.max(this.logEntries, change.logEntries);
    this.chatMessages = Math.max(this.chatMessages, change.chatMessages);
    this.refreshSummary(died || ended);
    this.changed();
  }

  private refreshSummary(atOnce = false): void {
    if (this.summaryTimer !== null) {
      if (!atOnce) {
        return;
      }
      clearTimeout(this.summaryTimer);
    }
    const wait = atOnce ? 0 : Math.max(0, this.summaryAt + SUMMARY_EVERY_MS - Date.now());
    this.summaryTimer = setTimeout(() => {
      this.summaryTimer = null;
      this.fetchSummary().catch((error: unknown) => {
        this.error = error instanceof Error ? error.message : String(error);
        this.changed();
      });
    }, wait);
  }

  private async fetchSummary(): Promise<void> {
    this.summaryAt = Date.now();
    const summary = await this.transport.json<SessionSummary>(`${this.path}/summary`);
    // An answer that overtook a later one says nothing new.
    if (this.summary !== null && summary.version < this.summary.version) {
      return;
    }
    this.summary = summary;
    this.status = summary.status;
    this.writer = summary.writer ?? this.writer;
    this.spans = Math.max(this.spans, summary.counts.spans);
    this.chatMessages = Math.max(this.chatMessages, summary.chatMessages ?? 0);
    this.logEntries = Math.max(this.logEntries, summary.logEntries ?? 0);
    this.error = null;
    this.changed();
  }

  private need(): SessionSummary {
    if (this.summary === null) {
      throw new Error("the session has not been fetched");
    }
    return this.summary;
  }
}
