// The places of the log's entries that match a filter. They are looked for chunk by chunk, and the chunks are not kept.
import type { LogChunk, LogEntry } from "../api";
import type { Session } from "../session";
import { sessionPath } from "../transport";

export class LogScan {
  readonly found: number[] = [];
  scanned = 0;
  done = false;
  private total = 0;
  private running = false;
  private stopped = false;

  constructor(
    private readonly session: Session,
    private readonly size: number,
    private readonly matches: (entry: LogEntry) => boolean,
    private readonly progress: () => void,
  ) {}

  /** Goes on until this many entries have been read. */
  reach(total: number): void {
    this.total = Math.max(this.total, total);
    this.done = this.scanned >= this.total;
    if (!this.running && !this.done) {
      void this.run();
    }
  }

  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.scanned < this.total && !this.stopped) {
        const chunk = Math.floor(this.scanned / this.size);
        const { from, entries } = await this.session.transport.json<LogChunk>(`${sessionPath(this.session.id)}/log/${chunk}`);
        const before = this.scanned;
        for (const [offset, entry] of entries.entries()) {
          if (from + offset >= before && this.matches(entry)) {
            this.found.push(from + offset);
          }
        }
        this.scanned = Math.max(before, from + entries.length);
        this.progress();
        if (this.scanned === before) {
          break;
        }
      }
    } finally {
      this.running = false;
      this.done = true;
      this.progress();
    }
  }
}
