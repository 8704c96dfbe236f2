// The conversation: what was asked, said and done, tools folded in.
import { useEffect, useRef, useState } from "preact/hooks";
import type { ChatTool, Message } from "../api";
import { brief } from "../brief";
import { useChanges } from "../changes";
import { editsOf } from "../edits";
import { clock, duration, number, plural } from "../format";
import { useKeys } from "../keys";
import { Markdown } from "../markdown";
import { usePage } from "../page";
import { Edits } from "../parts/diff";
import { stateName, statusSign } from "../parts/status";
import { SpanLink } from "../parts/tools";
import { Value } from "../parts/value";
import type { Session } from "../session";
import { useVirtual } from "../virtual";
import { useAtEnd } from "./atend";
import { useSpan } from "./span";

const NAMES: Record<Message["role"], string> = {
  user: "User",
  assistant: "Assistant",
  tool: "Tool",
  system: "System",
  note: "Note",
  gap: "Lost",
  crash: "Crash",
};

export function Chat({ session }: { session: Session }) {
  useChanges(session, session.chat);
  const { route } = usePage();
  const scroller = useRef<HTMLDivElement>(null);
  const size = session.summary?.sizes.chat ?? 64;
  const count = session.chatMessages;
  const virtual = useVirtual({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => 120,
    overscan: 6,
    getItemKey: (index) => index,
  });
  const { atEnd, toEnd } = useAtEnd(scroller, count, () => virtual.scrollToIndex(count - 1, { align: "end" }));
  const message = (index: number): Message | undefined => {
    const chunk = session.chat.peek(Math.floor(index / size));
    return chunk?.messages[index - chunk.from];
  };
  useShownSpan(session, route.span, size, (index) => virtual.scrollToIndex(index, { align: "center" }));

  const [cursor, setCursor] = useState(-1);
  const move = (by: number) => {
    const next = Math.max(0, Math.min(count - 1, cursor < 0 ? (virtual.getVirtualItems()[0]?.index ?? 0) : cursor + by));
    setCursor(next);
    virtual.scrollToIndex(next, { align: "start" });
  };
  useKeys("Chat", [
    { keys: ["j"], help: "next message", run: () => move(1) },
    { keys: ["k"], help: "previous message", run: () => move(-1) },
    { keys: ["End"], help: "the last message", run: toEnd },
    { keys: ["Home"], help: "the first message", run: () => virtual.scrollToIndex(0) },
  ]);

  return (
    <div class="chat">
      <div class="scroll" ref={scroller} role="feed" aria-label="Conversation" aria-busy={session.status === "running"} tabIndex={0}>
        <div class="spacer" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map((item) => {
            const shown = message(item.index);
            return (
              <div
                key={item.key}
                data-index={item.index}
                ref={virtual.measureElement}
                class="chat-item"
                style={{ transform: `translateY(${item.start}px)` }}
              >
                {shown === undefined ? (
                  <article class="message-box waiting" aria-posinset={item.index + 1} aria-setsize={count}>
                    {session.chat.error(Math.floor(item.index / size)) ?? "…"}
                  </article>
                ) : (
                  <MessageBox session={session} message={shown} position={item.index} total={count} current={item.index === cursor} />
                )}
              </div>
            );
          })}
        </div>
        {count === 0 && <p class="empty">Nothing has been said yet.</p>}
      </div>
      {!atEnd && session.status === "running" && (
        <button type="button" class="to-end" onClick={toEnd}>
          Latest ↓
        </button>
      )}
    </div>
  );
}

function MessageBox({
  session,
  message,
  position,
  total,
  current,
}: {
  session: Session;
  message: Message;
  position: number;
  total: number;
  current: boolean;
}) {
  const { role, span, time, text, reasoning, tools, toolsTotal, cut } = message;
  const special = role === "gap" || role === "crash";
  return (
    <article
      class={`message-box role-${role}${current ? " current" : ""}`}
      aria-posinset={position + 1}
      aria-setsize={total}
      aria-label={`${NAMES[role]}, message ${position + 1} of ${total}`}
    >
      <header>
        <b>{NAMES[role] ?? role}</b>
        {time !== null && time !== undefined && <time class="muted">{clock(time)}</time>}
        {span !== null && span !== undefined && (
          <SpanLink span={span} title="Show the span">
            span
          </SpanLink>
        )}
      </header>
      {reasoning && (
        <details class="reasoning">
          <summary>Reasoning</summary>
          <Markdown text={reasoning} />
        </details>
      )}
      {text &&
        text.trim() !== "" &&
        (special || role === "note" || role === "tool" ? <p class="plain">{text}</p> : <Markdown text={text} />)}
      {Boolean(cut) && span !== null && span !== undefined && (
        <p class="muted small-text">
          Shown in part. <SpanLink span={span}>All of it</SpanLink>
        </p>
      )}
      {tools !== undefined && tools.length > 0 && (
        <div class="chat-tools" role="group" aria-label={plural(tools.length, "tool call")}>
          {tools.map((tool) => (
            <Tool key={tool.span} session={session} tool={tool} />
          ))}
          {(toolsTotal ?? 0) > tools.length && (
            <p class="muted small-text">and {number((toolsTotal ?? 0) - tools.length)} more calls, in the tree</p>
          )}
        </div>
      )}
    </article>
  );
}

/** Which tools are unfolded is kept while the message is out of sight. */
const unfolded = new WeakMap<Session, Set<number>>();

function Tool({ session, tool }: { session: Session; tool: ChatTool }) {
  const kept = unfolded.get(session) ?? new Set<number>();
  unfolded.set(session, kept);
  const [open, setOpen] = useState(kept.has(tool.span));
  const toggle = (event: Event) => {
    const now = (event.currentTarget as HTMLDetailsElement).open;
    setOpen(now);
    if (now) {
      kept.add(tool.span);
    } else {
      kept.delete(tool.span);
    }
  };
  const state = stateName(tool.status);
  return (
    <details class={`chat-tool is-${state}`} open={open} onToggle={toggle}>
      <summary>
        <span class={`sign ${state}`} title={state}>
          {statusSign(state)}
          <span class="visually-hidden"> {state}</span>
        </span>
        <b class="tool-name">{tool.name || "(no name)"}</b>
        <span class="mono preview">{brief(tool.inputPreview ?? "")}</span>
        {!open && tool.outputPreview && <span class="mono preview result muted">{brief(tool.outputPreview)}</span>}
      </summary>
      {open && <ToolBody session={session} span={tool.span} />}
    </details>
  );
}

function ToolBody({ session, span }: { session: Session; span: number }) {
  const { detail, error } = useSpan(session, span);
  if (detail === undefined) {
    return (
      <p class="muted" role="status">
        {error ?? "Reading …"}
      </p>
    );
  }
  const { input, output, statusMessage, interrupted, startTime, endTime } = detail.span;
  const edits = editsOf(input);
  return (
    <div class="tool-body">
      <p class="muted small-text">
        {endTime === undefined ? "open" : duration(endTime - startTime)} · <SpanLink span={span}>all of the span</SpanLink>
      </p>
      {statusMessage !== undefined && <p class={`message ${interrupted ? "interrupted" : detail.span.status}`}>{statusMessage}</p>}
      {edits.length > 0 ? (
        <Edits edits={edits} />
      ) : (
        input !== undefined && (
          <>
            <h4>Input</h4>
            <Value value={input} />
          </>
        )
      )}
      {output !== undefined && (
        <>
          <h4>Output</h4>
          <Value value={output} />
        </>
      )}
    </div>
  );
}

/** Goes to the message of the span that is in the address, once it is known which that is. */
function useShownSpan(session: Session, span: number | null, size: number, show: (index: number) => void): void {
  const wanted = useRef<number | null>(null);
  useEffect(() => {
    if (span === null || wanted.current === span) {
      return;
    }
    wanted.current = span;
    let going = true;
    const find = async () => {
      const chunks = Math.ceil(session.chatMessages / size);
      let best: number | null = null;
      for (let chunk = 0; chunk < chunks && going; chunk += 1) {
        const { from, messages } = await session.chat.get(chunk);
        for (const [offset, message] of messages.entries()) {
          if (message.span === span || message.tools?.some((tool) => tool.span === span) === true) {
            show(from + offset);
            return;
          }
          if (message.span !== null && message.span !== undefined && message.span < span) {
            best = from + offset;
          }
        }
      }
      if (best !== null && going) {
        show(best);
      }
    };
    find().catch(() => undefined);
    return () => {
      going = false;
    };
  }, [session, span, size]);
}
