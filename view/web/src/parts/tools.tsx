import type { ComponentChildren } from "preact";
import { copyText } from "../copy";
import { number } from "../format";
import { usePage } from "../page";

export function CopyButton({ text, label, small = false }: { text: () => string | Promise<string>; label: string; small?: boolean }) {
  const { say } = usePage();
  const copy = async () => {
    const done = await copyText(await text());
    say(done ? "Copied" : "The clipboard cannot be used here");
  };
  return (
    <button
      type="button"
      class={small ? "small quiet" : "quiet"}
      aria-label={`Copy ${label}`}
      title={`Copy ${label}`}
      onClick={() => void copy()}
    >
      {small ? "Copy" : `Copy ${label}`}
    </button>
  );
}

export function SpanLink({ span, children, title }: { span: number; children: ComponentChildren; title?: string }) {
  const { go } = usePage();
  return (
    <button type="button" class="link" title={title} onClick={() => go({ span })}>
      {children}
    </button>
  );
}

/** To an event, in the log. */
export function EventLink({ seq }: { seq: number }) {
  const { go } = usePage();
  return (
    <button type="button" class="link mono" title="Show the event in the log" onClick={() => go({ tab: "log", event: seq })}>
      #{number(seq)}
    </button>
  );
}

export function Brand({ store, onList }: { store: string | undefined; onList: (() => void) | null }) {
  return onList === null ? (
    <span class="brand" title={store}>
      <Mark />
      tracewal
    </span>
  ) : (
    <button type="button" class="brand" title="All sessions (u)" onClick={onList}>
      <Mark />
      tracewal
    </button>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <rect x="1" y="2" width="14" height="3" rx="1" />
      <rect x="4" y="6.5" width="8" height="3" rx="1" />
      <rect x="7" y="11" width="4" height="3" rx="1" />
    </svg>
  );
}

export function ChromeButtons({ help, theme }: { help: () => void; theme: () => void }) {
  return (
    <div class="chrome-buttons">
      <button type="button" class="quiet" onClick={theme} aria-label="Switch theme" title="Switch theme (T)">
        ◐
      </button>
      <button type="button" class="quiet" onClick={help} aria-label="Show the keys" title="Keys (?)">
        ?
      </button>
    </div>
  );
}
