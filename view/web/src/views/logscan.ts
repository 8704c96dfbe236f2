// The places of the log's entries that match a filter: looked for where the log is, and a part at a time.
import type { LogFilter } from "../api";
import type { Session } from "../session";

export class LogScan {
  readonly found: number[] = [];
  scanned = 0;
  done = false;
  private total = 0;
  private running = false;
  private stopped = false;

  constructor(
    private readonly session: Session,
    private readonly filter: LogFilter,
    private readonly progress: () => void,
  ) {}

  /** Goes on until this many entries have been looked at. */
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
        const { found, to } = await this.session.transport.find(this.session.id, this.filter, this.scanned);
        found.forEach((place) => this.found.push(place));
        const before = this.scanned;
        this.scanned = Math.max(before, to);
        this.progress();
        if (this.scanned === before) {
          break;
        }
      }
    } catch {
      // What was found until then is shown; the page says elsewhere that the server is gone.
    } finally {
      this.running = false;
      this.done = true;
      this.progress();
    }
  }
}
