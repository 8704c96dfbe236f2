import { type DiffLine, type Edit, editsOf } from "../edits";
import { number } from "../format";

const SHOWN_LINES = 2000;

export function Edits({ edits }: { edits: Edit[] }) {
  return (
    <>
      {edits.map((edit, place) => (
        <figure class="diff" key={place}>
          <figcaption>
            <span class="mono ellipsis">{edit.file === "" ? "change" : edit.file}</span>
            <span class="added">+{number(edit.added)}</span> <span class="removed">−{number(edit.removed)}</span>
          </figcaption>
          <Lines lines={edit.lines} numbered={edit.lines.some(({ before, after }) => before !== undefined || after !== undefined)} />
        </figure>
      ))}
    </>
  );
}

export function DiffText({ text }: { text: string }) {
  const edit = editsOf(text)[0];
  return edit === undefined ? <pre>{text}</pre> : <Lines lines={edit.lines} numbered={false} />;
}

function Lines({ lines, numbered }: { lines: DiffLine[]; numbered: boolean }) {
  return (
    <div class="diff-lines mono" tabIndex={0} role="group" aria-label="Difference">
      <div class="diff-inner">
        {lines.slice(0, SHOWN_LINES).map(({ sign, text, before, after }, place) => (
          <div key={place} class={sign === "+" ? "line added" : sign === "-" ? "line removed" : sign === "@" ? "line where" : "line"}>
            {numbered && (
              <span class="number" aria-hidden="true">
                {before ?? ""}
              </span>
            )}
            {numbered && (
              <span class="number" aria-hidden="true">
                {after ?? ""}
              </span>
            )}
            <span class="sign">{sign === "@" ? "" : sign}</span>
            <span class="content">{text}</span>
          </div>
        ))}
        {lines.length > SHOWN_LINES && <div class="line where">and {number(lines.length - SHOWN_LINES)} more lines</div>}
      </div>
    </div>
  );
}
