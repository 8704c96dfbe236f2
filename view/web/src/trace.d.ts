// Made from docs/trace.schema.json by scripts/types.mjs.

export type Date = string;
export type Child = Span & {
  kind?: unknown;
  parentSpanId?: string;
};
/**
 * Milliseconds, with a fraction where there is one.
 */
export type Ms = number;
export type Count = number;
/**
 * A name that may be shown to anybody (SPEC.md section 11.10), or `redacted`.
 */
export type Label = string;
/**
 * A sequence number of the log.
 */
export type Seq = number;

/**
 * The JSON file that tracewal writes for each session. What the members mean is in SPEC.md, section 11.
 */
export interface Trace {
  version: 2;
  traceId: string;
  sessionId: string;
  startedAt: Date;
  metadata: Metadata;
  spans: Child[];
  endedAt: Date;
  summary: Summary;
  runs: Run[];
  crash?: Crash;
  close?: Close;
  incidents?: Incidents;
  wal: Wal;
}
export interface Metadata {
  title?: string;
  model?: string;
  providerId?: string;
  agent?: string;
  variant?: string;
  prompt?: string;
  userId?: string;
  environment?: string;
  version?: string;
  tags?: string[];
}
export interface Span {
  spanId: string;
  parentSpanId: string | null;
  name: string;
  kind: "session" | "generation" | "tool" | "text" | "span" | "user-message";
  startTime: Ms;
  model?: Model;
  input?: unknown;
  tool?: {
    callId?: string;
    durationMs?: Ms;
  };
  attributes?: {};
  endTime?: Ms;
  status: "ok" | "error";
  statusMessage?: string;
  interrupted?: true;
  finishReason?: string;
  tokens?: Classes & {
    total: Count;
  };
  cost?: number;
  output?: unknown;
}
export interface Model {
  modelId?: string;
  providerId?: string;
  variant?: string;
}
export interface Classes {
  input: Count;
  output: Count;
  reasoning: Count;
  cacheRead: Count;
  cacheWrite: Count;
}
export interface Summary {
  totalTokens: Count;
  totalCost: number;
  totalToolCalls: Count;
  totalGenerations: Count;
  duration: number;
  status: "completed" | "error" | "running" | "crashed";
  error?: string;
  tokens: Classes;
  loops?: {
    tool: string;
    inputHash: string;
    count: number;
    description: string;
  }[];
  narrative?: string;
  topTools?: {
    name: string;
    count: number;
    totalDuration: Ms;
  }[];
}
export interface Run {
  run: Count;
  startedAt: Date;
  endedAt: Date;
  ending?: "crashed" | "session-ended" | "run-ended";
  status?: "completed" | "error";
  reason?: string;
  pid?: Count;
  host?: string;
  events: Count;
}
export interface Crash {
  reason: string;
  signal?: string;
  exception?: {
    type: string;
    message: string;
    stack?: string;
  };
  pid?: Count;
  time: Ms;
  foundBy?: "handler" | "panic-hook" | "exit-hook" | "recovery" | "caller";
  foundTime?: Ms;
  run: Count;
  slot?: Count;
  count?: number;
}
/**
 * Under which lifecycle action the session ended (SPEC.md section 11.8).
 */
export interface Close {
  kind: "crashed" | "session-ended" | "run-ended";
  actionId?: Label;
  provenance: "lifecycle-action" | "incident" | "unknown_scope_close";
  action?: {
    kind: Label;
    origin?: {
      source: "server-handler" | "config" | "cli" | "runtime" | "unknown";
      operation?: Label;
      reason?: Label;
    };
    parentActionId?: Label;
    seq: Seq;
  };
  missing?: ("lifecycle.begunMissing" | "lifecycle.originMissing" | "lifecycle.parentMissing")[];
}
/**
 * Why the session stopped (SPEC.md section 11.9).
 */
export interface Incidents {
  terminal?: Incident;
  laterIncidents?: Incident[];
  recoveredIncidents?: Incident[];
  recoveredOmitted?: number;
}
export interface Incident {
  cause:
    | "provider-transport-disconnect"
    | "provider-api-error"
    | "request-setup-failure"
    | "watchdog-timeout"
    | "user-cancel"
    | "tool-execution-failure"
    | "tool-execution-interrupted"
    | "local-lifecycle-close"
    | "crash"
    | "unknown-interruption";
  kind?: Label;
  phase?:
    | "during-tool-execution"
    | "during-tool-input"
    | "after-tool-call"
    | "after-tool-result"
    | "during-text"
    | "before-first-progress"
    | "unknown";
  confidence: "high" | "medium" | "low";
  complete: boolean;
  run: Count;
  attempt?: number;
  seq?: Seq;
  tool?: Label;
  effect?: "read-only" | "local-file-write" | "local-process" | "unknown";
  httpStatus?: number;
  error?:
    "rate-limit" | "quota" | "auth" | "overloaded" | "context" | "connection-lost" | "timeout" | "aborted" | "redacted";
  signal?: string;
  actionId?: Label;
  facts: {
    visibleOutput: "none" | "unknown" | "text" | "reasoning" | "text-and-reasoning";
    toolExecution: "none" | "unknown" | "started" | "ended";
    sideEffect: "none" | "unknown" | "safe" | "unsafe";
  };
  recovery?: {
    advice: "auto-retry" | "offer-continue" | "ask-before-retry" | "do-not-retry" | "unknown";
    reason:
      | "terminal-rejection"
      | "unsafe-effect-begun"
      | "effect-unknown"
      | "cause-unknown"
      | "facts-incomplete"
      | "user-cancelled"
      | "visible-output"
      | "safe-tools-ran"
      | "local-close"
      | "process-crashed"
      | "nothing-shown-no-tool-ran";
  };
  evidence: {
    seq?: Seq;
    event:
      | "attempt-started"
      | "attempt-completed"
      | "provider-progress"
      | "visible-output"
      | "tool-input-started"
      | "tool-input-completed"
      | "tool-call-materialised"
      | "tool-execution-started"
      | "tool-execution-completed"
      | "tool-execution-failed"
      | "tool-execution-interrupted"
      | "transport-failure"
      | "provider-api-error"
      | "setup-failure"
      | "watchdog"
      | "user-cancel"
      | "retry"
      | "recovery"
      | "clean-up"
      | "other"
      | "span-started"
      | "span-text"
      | "span-ended"
      | "span"
      | "lifecycle-begun"
      | "lifecycle-ended"
      | "session-ended"
      | "run-ended"
      | "crashed";
    tool?: Label;
  }[];
  evidenceOmitted?: number;
  missing?: (
    | "attempt.startMissing"
    | "evidence.spansOnly"
    | "tool.materialisationMissing"
    | "tool.executionStartMissing"
    | "sideEffect.boundaryUnknown"
    | "provider.kindMissing"
    | "crash.signalMissing"
    | "lifecycle.begunMissing"
    | "evidence.orderingMissing"
    | "attempts.omitted"
    | "tools.omitted"
  )[];
}
export interface Wal {
  lastSeq: Count;
  events: Count;
  generation: Count;
  foldVersion: 2;
  damage?: {
    file: string;
    offset: Count;
    length: Count;
    kind: "damage" | "torn" | "unsynced" | "repaired" | "too-new";
    was?: string;
    first?: Count;
    last?: Count;
  }[];
}
