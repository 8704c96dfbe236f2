import type { Status } from "../api";
import { STATUS_NAMES } from "../skeleton";

const SIGNS: Record<string, string> = {
  completed: "✓",
  ok: "✓",
  error: "✕",
  crashed: "⚡",
  running: "●",
  interrupted: "◐",
  unreadable: "?",
};

/** The documents number the states of spans; what is on the page is named. */
export function stateName(state: number | string): string {
  return typeof state === "number" ? (STATUS_NAMES[state] ?? "ok") : state;
}

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
