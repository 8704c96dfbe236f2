// How it ended and why: derived from the log, with what that rests on.
import type { SessionSummary, ToldIncident } from "../api";
import { dateTime, duration, number, plural } from "../format";
import { endingTone } from "../parts/banner";
import { Card } from "../parts/card";
import { EventLink } from "../parts/tools";
import type { Close } from "../trace";

export function Ending({ summary }: { summary: SessionSummary }) {
  const { incidents, close, sentences } = summary;
  const terminal = incidents?.terminal;
  return (
    <Card title="How it ended, and why" class_={`ending ${endingTone(summary)}`}>
      <p class="lead">
        {sentences?.ending ?? (summary.status === "running" ? "It is running." : (summary.summary.narrative ?? summary.status))}
      </p>
      {summary.summary.narrative && summary.summary.narrative !== sentences?.ending && <p class="muted">{summary.summary.narrative}</p>}
      {summary.summary.error && <p class="message error">{summary.summary.error}</p>}
      {sentences?.advice && (
        <p class="advice">
          <b>What to do:</b> {sentences.advice}
        </p>
      )}
      {terminal && <Incident incident={terminal} title="Cause" open />}
      {(incidents?.laterIncidents ?? []).map((incident, place) => (
        <Incident key={place} incident={incident} title="After that" />
      ))}
      {(incidents?.recoveredIncidents ?? []).map((incident, place) => (
        <Incident key={place} incident={incident} title="Got over" />
      ))}
      {incidents?.recoveredOmitted && <p class="muted">and {number(incidents.recoveredOmitted)} more that it got over</p>}
      {close && <CloseLine close={close} />}
      {summary.runs && summary.runs.length > 1 && (
        <details>
          <summary>{plural(summary.runs.length, "run")}</summary>
          <ul class="rows">
            {summary.runs.map((run) => (
              <li key={run.run}>
                Run {run.run}, {dateTime(Date.parse(run.startedAt))}, {duration(Date.parse(run.endedAt) - Date.parse(run.startedAt))},{" "}
                {plural(run.events, "event")}: {run.ending ?? "no ending"}
                {run.status && ` (${run.status})`}
                {run.reason && ` – ${run.reason}`}
              </li>
            ))}
          </ul>
        </details>
      )}
    </Card>
  );
}

/** Under which action it was closed, and what that was a part of. */
function CloseLine({ close }: { close: Close }) {
  const { action, actionId } = close;
  const origin = [action?.origin?.source, action?.origin?.operation, action?.origin?.reason].filter(Boolean).join(", ");
  return (
    <div class="small-text close-line">
      <p>
        <b>Close:</b> {close.kind}, {close.provenance === "lifecycle-action" ? `under ${action?.kind ?? "an action"}` : close.provenance}
        {origin !== "" && ` by ${origin}`}
        {actionId && <span class="mono break"> {actionId}</span>}
        {action && (
          <>
            {" "}
            <EventLink seq={action.seq} />
          </>
        )}
      </p>
      {action?.parentActionId && (
        <p>
          Part of <span class="mono break">{action.parentActionId}</span>
        </p>
      )}
      {close.missing && <p class="muted">Not known: {close.missing.join(", ")}</p>}
    </div>
  );
}

function Incident({ incident, title, open = false }: { incident: ToldIncident; title: string; open?: boolean }) {
  const facts = [
    ["cause", [incident.cause, incident.kind].filter(Boolean).join(": ")],
    ["phase", incident.phase],
    ["tool", [incident.tool, incident.effect].filter(Boolean).join(", ")],
    ["error", [incident.error, incident.httpStatus].filter(Boolean).join(" ")],
    ["signal", incident.signal],
    ["confidence", incident.complete ? incident.confidence : `${incident.confidence}, facts incomplete`],
    ["visible output", incident.facts.visibleOutput],
    ["tool execution", incident.facts.toolExecution],
    ["side effect", incident.facts.sideEffect],
    ["recovery", incident.recovery && `${incident.recovery.advice} (${incident.recovery.reason})`],
    ["not known", incident.missing?.join(", ")],
  ].filter(([, value]) => value !== undefined && value !== "");
  return (
    <details class="incident" open={open}>
      <summary>
        <b>{title}:</b> {incident.sentence ?? [incident.cause, incident.kind].filter(Boolean).join(": ")}
      </summary>
      {incident.advice && !open && <p class="advice">{incident.advice}</p>}
      <dl class="facts-grid">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="small-text muted">
        Rests on{" "}
        {incident.evidence.map((each, place) => (
          <span key={place}>
            {place > 0 && ", "}
            {each.seq !== undefined && <EventLink seq={each.seq} />}{" "}
            <span class="mono">
              {each.event}
              {each.tool && ` ${each.tool}`}
            </span>
          </span>
        ))}
        {incident.evidenceOmitted && `, and ${number(incident.evidenceOmitted)} more`}
      </p>
    </details>
  );
}
