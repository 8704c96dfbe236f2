import type { Status } from "../api";

const SIGNS: Record<string, string> = { completed: "✓", ok: "✓", error: "✕", crashed: "⚡", running: "●", interrupted: "◐", unreadable: "?" };

/** A state is never told by its colour alone. */
export function StatusBadge({ status }: { status: Status | string }) {
  return (
    <span class={`badge status-${status}`}>
      <span aria-hidden="true">{SIGNS[status] ?? "·"}</span> {status}
    </span>
  );
}

export function statusSign(status: string): string {
  return SIGNS[status] ?? "·";
}
