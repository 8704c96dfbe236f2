// The list of sessions, as it is now.
import type { SessionRow, SessionsChanged, SessionsList } from "./api";
import { Changes } from "./changes";
import type { Transport } from "./transport";

export class Sessions extends Changes {
  readonly rows = new Map<string, SessionRow>();
  loaded = false;
  error: string | null = null;
  connected = true;
  private closed = false;
  private stop: (() => void) | null = null;

  constructor(private readonly transport: Transport) {
    super();
  }

  async open(): Promise<void> {
    const version = await this.fetch();
    if (this.closed) {
      return;
    }
    this.stop = this.transport.follow<SessionsChanged>(version === undefined ? "api/live" : `api/live?version=${version}`, "sessions", {
      message: (change) => {
        change.changed.forEach((row) => this.rows.set(row.id, row));
        change.gone.forEach((id) => this.rows.delete(id));
        this.changed();
      },
      connected: (yes) => {
        this.connected = yes;
        this.changed();
      },
      gone: () => undefined,
    });
  }

  close(): void {
    this.closed = true;
    this.stop?.();
  }

  private async fetch(): Promise<number | undefined> {
    try {
      const { sessions, version } = await this.transport.json<SessionsList>("api/sessions");
      sessions.forEach((row) => this.rows.set(row.id, row));
      this.loaded = true;
      this.error = null;
      return version;
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
      return undefined;
    } finally {
      this.changed();
    }
  }
}
