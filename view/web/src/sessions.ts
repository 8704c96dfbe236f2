// The list of sessions, as it is now.
import type { SessionRow, SessionsChanged } from "./api";
import { Changes } from "./changes";
import type { Transport } from "./transport";

export class Sessions extends Changes {
  readonly rows = new Map<string, SessionRow>();
  loaded = false;
  error: string | null = null;
  connected = true;
  private stop: (() => void) | null = null;

  constructor(private readonly transport: Transport) {
    super();
  }

  async open(): Promise<void> {
    this.stop = this.transport.follow<SessionsChanged>(
      "api/live",
      "sessions",
      (change) => {
        change.changed.forEach((row) => this.rows.set(row.id, row));
        change.gone.forEach((id) => this.rows.delete(id));
        this.changed();
      },
      (yes) => {
        if (yes && !this.connected) {
          void this.fetch();
        }
        this.connected = yes;
        this.changed();
      },
    );
    await this.fetch();
  }

  close(): void {
    this.stop?.();
  }

  private async fetch(): Promise<void> {
    try {
      const { sessions } = await this.transport.json<{ sessions: SessionRow[] }>("api/sessions");
      const here = new Set(sessions.map((row) => row.id));
      [...this.rows.keys()].filter((id) => !here.has(id)).forEach((id) => this.rows.delete(id));
      sessions.forEach((row) => this.rows.set(row.id, row));
      this.loaded = true;
      this.error = null;
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    }
    this.changed();
  }
}
