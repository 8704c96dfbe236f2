// Inputs, outputs and attributes: whatever JSON they are, as readable text.
import { useState } from "preact/hooks";
import { looksLikePatch } from "../edits";
import { number } from "../format";
import { Markdown } from "../markdown";
import { DiffText } from "./diff";

const SHOWN_CHARACTERS = 20_000;
const SHOWN_FIELDS = 100;

export function Value({ value, markdown = false }: { value: unknown; markdown?: boolean }) {
  const parsed = typeof value === "string" ? parsedJson(value) : value;
  if (typeof parsed === "string") {
    return <TextValue text={parsed} markdown={markdown} />;
  }
  if (parsed === null || typeof parsed !== "object") {
    return <code class="scalar">{String(parsed)}</code>;
  }
  if (Array.isArray(parsed)) {
    return <TextValue text={JSON.stringify(parsed, null, 2)} markdown={false} />;
  }
  return <Fields fields={parsed as Record<string, unknown>} />;
}

function Fields({ fields }: { fields: Record<string, unknown> }) {
  const entries = Object.entries(fields);
  if (entries.length === 0) {
    return <span class="muted">{"{ }"}</span>;
  }
  return (
    <dl class="fields">
      {entries.slice(0, SHOWN_FIELDS).map(([key, value]) => (
        <div key={key}>
          <dt class="mono">{key}</dt>
          <dd>
            {typeof value === "string" ? (
              <TextValue text={value} markdown={false} />
            ) : value !== null && typeof value === "object" ? (
              <TextValue text={JSON.stringify(value, null, 2)} markdown={false} />
            ) : (
              <code class="scalar">{String(value)}</code>
            )}
          </dd>
        </div>
      ))}
      {entries.length > SHOWN_FIELDS && <p class="muted">and {number(entries.length - SHOWN_FIELDS)} more fields, in the JSON</p>}
    </dl>
  );
}

export function TextValue({ text, markdown }: { text: string; markdown: boolean }) {
  const [all, setAll] = useState(false);
  const [plain, setPlain] = useState(false);
  if (text === "") {
    return <span class="muted">(empty)</span>;
  }
  const cut = !all && text.length > SHOWN_CHARACTERS;
  const shown = cut ? text.slice(0, SHOWN_CHARACTERS) : text;
  return (
    <div class="text-value">
      {markdown && (
        <button type="button" class="small quiet corner" aria-pressed={plain} onClick={() => setPlain(!plain)}>
          {plain ? "Rendered" : "As text"}
        </button>
      )}
      {markdown && !plain ? (
        <Markdown text={shown} />
      ) : looksLikePatch(shown) ? (
        <DiffText text={shown} />
      ) : (
        <pre tabIndex={shown.includes("\n") || shown.length > 80 ? 0 : undefined}>{shown}</pre>
      )}
      {cut && (
        <button type="button" class="small" onClick={() => setAll(true)}>
          Show all {number(text.length)} characters
        </button>
      )}
    </div>
  );
}

export function parsedJson(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) {
    return text;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
