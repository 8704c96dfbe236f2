//! Why a session stopped: a row for each cause and phase, each omission, each order. The answers are written by hand from SPEC.md section
//! 11.9. Every row is derived four times, with times that run forward, backward, stand still, and are absurd: they say nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
use support::short::{Times, derived};

/// A name, a log in shorthand, and what is derived from it.
type Row = (&'static str, &'static str, &'static str);

const TRANSPORT: &[Row] = &[
    (
        "before anything came",
        "start; drop; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the stream had begun, and nothing was shown",
        "start; progress; drop; error",
        "provider-transport-disconnect #3 @during-text high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "during text",
        "start; text; drop; error",
        "provider-transport-disconnect #3 @during-text high offer-continue(visible-output)",
    ),
    (
        "during reasoning",
        "start; reasoning; drop; error",
        "provider-transport-disconnect #3 @during-text high offer-continue(visible-output)",
    ),
    (
        "during tool input",
        "start; input bash; drop; error",
        "provider-transport-disconnect #3 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "during tool input behind text",
        "start; text; input bash; drop; error",
        "provider-transport-disconnect #4 @during-tool-input high offer-continue(visible-output)",
    ),
    (
        "after the input, before the call is known",
        "start; input bash; whole bash; drop; error",
        "provider-transport-disconnect #4 @after-tool-call high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "after the call, before it ran",
        "start; input bash; whole bash; call bash; drop; error",
        "provider-transport-disconnect #5 @after-tool-call high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "while a tool ran that only reads",
        "start; call grep; exec grep read-only; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high offer-continue(safe-tools-ran)",
    ),
    (
        "while a tool ran that writes",
        "start; call edit; exec edit local-file-write; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "while a tool ran that runs a process",
        "start; call bash; exec bash local-process; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "while a tool ran of which nothing is known",
        "start; call x; exec x unknown; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high ask-before-retry(effect-unknown) \
         ![sideEffect.boundaryUnknown]",
    ),
    (
        "while a process ran that may run twice",
        "start; call ls; exec ls local-process+safe; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high offer-continue(safe-tools-ran)",
    ),
    (
        "while a read ran that may not",
        "start; call pop; exec pop read-only+unsafe; drop; error",
        "provider-transport-disconnect #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "after a result",
        "start; call grep; exec grep read-only; ok grep; drop; error",
        "provider-transport-disconnect #5 @after-tool-result high offer-continue(safe-tools-ran)",
    ),
    (
        "during the text behind a result",
        "start; call grep; exec grep read-only; ok grep; text; drop; error",
        "provider-transport-disconnect #6 @during-text high offer-continue(visible-output)",
    ),
    (
        "during the input of the next tool",
        "start; call grep; exec grep read-only; ok grep; input edit; drop; error",
        "provider-transport-disconnect #6 @during-tool-input high offer-continue(safe-tools-ran)",
    ),
    (
        "in a phase that nobody knows",
        "drop; error",
        "provider-transport-disconnect #1 @unknown high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "in a phase that only the embedder knows",
        "drop-in during-tool-input; error",
        "provider-transport-disconnect #1 @during-tool-input high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "facts are believed rather than a phase that is said",
        "start; drop-in during-text; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "one that is not terminal",
        "start; drop?; error",
        "unknown-interruption #3 @before-first-progress low unknown(cause-unknown)",
    ),
];

/// The report from the field: the connection broke while a tool's input was streaming, and clean-up said that a tool was interrupted.
const CLEAN_UP: &[Row] = &[
    (
        "clean-up says interrupted",
        "start; input bash; drop; clean-cut bash; clean; error",
        "provider-transport-disconnect #3 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "clean-up says failed, and that it is terminal",
        "start; input bash; drop; clean-fail bash; clean; error tool execution failed",
        "provider-transport-disconnect #3 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "text had been shown",
        "start; text; input bash; drop; clean-cut bash; clean; error",
        "provider-transport-disconnect #4 @during-tool-input high offer-continue(visible-output)",
    ),
    (
        "another tool had run",
        "start; call edit; exec edit local-file-write; ok edit; input bash; drop; clean-cut bash; error",
        "provider-transport-disconnect #6 @during-tool-input high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "the tool's interruption is not said by clean-up",
        "start; input bash; drop; cut bash; clean; error",
        "provider-transport-disconnect #3 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the process was killed while it cleaned up",
        "start; input bash; drop; clean-cut bash; crash gone",
        "provider-transport-disconnect #3 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the start of the attempt is missing",
        "input bash; drop; clean-cut bash; clean; error",
        "provider-transport-disconnect #2 @during-tool-input high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "the break itself is missing: no tool ran, and none failed",
        "start; input bash; clean-cut bash; clean; error",
        "unknown-interruption #5 @during-tool-input low unknown(cause-unknown) ![tool.executionStartMissing]",
    ),
    (
        "the break itself is missing, and the tool ran",
        "start; input bash; whole bash; exec bash local-process; clean-cut bash; error",
        "tool-execution-interrupted #5 @during-tool-execution medium ask-before-retry(unsafe-effect-begun) tool=bash",
    ),
    (
        "the break comes behind what clean-up says of it",
        "start; input bash; clean-drop; drop; error",
        "provider-transport-disconnect #4 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "only clean-up speaks of the break",
        "start; text; clean-drop; error",
        "provider-transport-disconnect #3 @during-text medium offer-continue(visible-output)",
    ),
    (
        "a tool began all the same, behind the break",
        "start; call bash; drop; exec bash local-process; error",
        "provider-transport-disconnect #3 @after-tool-call high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "text was shown all the same, behind the break",
        "start a; drop a; text a; error",
        "provider-transport-disconnect #2 @before-first-progress high offer-continue(visible-output)",
    ),
];

const PROVIDER: &[Row] = &[
    (
        "rate limit, by name",
        "start; api rate-limit; error",
        "provider-api-error/rate-limit #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "rate limit, by status",
        "start; api 429; error",
        "provider-api-error/rate-limit #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "rate limit that will not pass",
        "start; api 429 final; error",
        "provider-api-error/rate-limit #2 @before-first-progress high do-not-retry(terminal-rejection)",
    ),
    (
        "quota",
        "start; api 402; error",
        "provider-api-error/quota #2 @before-first-progress high do-not-retry(terminal-rejection)",
    ),
    (
        "credentials",
        "start; api 401; error",
        "provider-api-error/auth #2 @before-first-progress high do-not-retry(terminal-rejection)",
    ),
    (
        "not allowed, behind text",
        "start; text; api 403; error",
        "provider-api-error/auth #3 @during-text high do-not-retry(terminal-rejection)",
    ),
    (
        "overloaded",
        "start; api 529; error",
        "provider-api-error/overloaded #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "unavailable, behind text",
        "start; text; api 503; error",
        "provider-api-error/overloaded #3 @during-text high offer-continue(visible-output)",
    ),
    (
        "too long",
        "start; api 413; error",
        "provider-api-error/context #2 @before-first-progress high do-not-retry(terminal-rejection)",
    ),
    (
        "too long, by name",
        "start; api context; error",
        "provider-api-error/context #2 @before-first-progress high do-not-retry(terminal-rejection)",
    ),
    (
        "another one",
        "start; api 500; error",
        "provider-api-error/other #2 @before-first-progress high unknown(facts-incomplete) ![provider.kindMissing]",
    ),
    (
        "another one that may pass",
        "start; api 500 retryable; error",
        "provider-api-error/other #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the request could not be made",
        "start; setup; error",
        "request-setup-failure #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "no connection in time",
        "start; dog connect; error",
        "watchdog-timeout/connect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "a silent stream",
        "start; text; dog silent; error",
        "watchdog-timeout/silent-stream #3 @during-text high offer-continue(visible-output)",
    ),
    (
        "a watchdog that does not say which",
        "start; dog; error",
        "watchdog-timeout/connect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "another event that names its cause",
        "start; other request-setup-failure; error",
        "request-setup-failure #2 @before-first-progress medium auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "another event that names none that is known",
        "start; other gremlins; error",
        "unknown-interruption #2 @before-first-progress low unknown(cause-unknown)",
    ),
];

const PEOPLE_AND_TOOLS: &[Row] = &[
    (
        "the user cancels",
        "start; text; cancel; error",
        "user-cancel #3 @during-text high offer-continue(user-cancelled)",
    ),
    (
        "the user cancels a tool that writes",
        "start; call edit; exec edit local-file-write; cancel; error",
        "user-cancel #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "the user cancels, and the tool says that it was interrupted",
        "start; call bash; exec bash local-process; cancel; cut bash; error",
        "user-cancel #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "a tool fails, terminally",
        "start; call bash; exec bash local-process; fail! bash; error",
        "tool-execution-failure #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun) tool=bash",
    ),
    (
        "a tool fails, and then the session",
        "start; call grep; exec grep read-only; fail grep; error",
        "tool-execution-failure #4 @during-tool-execution high offer-continue(safe-tools-ran) tool=grep",
    ),
    (
        "a tool fails, the model goes on, and then the session fails",
        "start; call bash; exec bash local-process; fail bash; text; error",
        "unknown-interruption #6 @during-text low ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "a tool fails, the model goes on: no incident",
        "start a; call bash@a; exec bash@a local-process; fail bash@a; start b; text b; done b; completed",
        "none",
    ),
    (
        "a tool fails, and then the connection breaks",
        "start; call grep; exec grep read-only; fail grep; drop; error",
        "provider-transport-disconnect #5 @after-tool-result high offer-continue(safe-tools-ran)",
    ),
    (
        "a failure without a beginning is none",
        "start; input bash; fail bash; error",
        "unknown-interruption #4 @during-tool-input low unknown(cause-unknown) ![tool.executionStartMissing]",
    ),
    (
        "an interruption",
        "start; call bash; exec bash local-process; cut bash; error",
        "tool-execution-interrupted #4 @during-tool-execution high ask-before-retry(unsafe-effect-begun) tool=bash",
    ),
    (
        "an interruption without a beginning is none",
        "start; call bash; cut bash; error",
        "unknown-interruption #4 @after-tool-call low unknown(cause-unknown) ![tool.executionStartMissing]",
    ),
    (
        "one of two calls of a tool has ended",
        "start; call b#1; call b#2; exec b#1 read-only; exec b#2 read-only; ok b#1; drop; error",
        "provider-transport-disconnect #7 @during-tool-execution high offer-continue(safe-tools-ran)",
    ),
    (
        "a tool with a private name",
        "start; call /bin/x; exec /bin/x read-only; fail! /bin/x; error",
        "tool-execution-failure #4 @during-tool-execution high offer-continue(safe-tools-ran) tool=redacted",
    ),
    (
        "a session fails while a tool runs",
        "start; call bash; exec bash local-process; error",
        "tool-execution-interrupted #4 @during-tool-execution medium ask-before-retry(unsafe-effect-begun) tool=bash",
    ),
];

const LIFECYCLE: &[Row] = &[
    (
        "an action during text",
        "start; text; begin A instance-reload; error",
        "local-lifecycle-close/instance-reload #3 @during-text high offer-continue(visible-output) by=A",
    ),
    (
        "an action during tool input, and clean-up",
        "start; input bash; begin A instance-dispose; clean-cut bash; closed",
        "local-lifecycle-close/instance-dispose #3 @during-tool-input high offer-continue(local-close) by=A",
    ),
    (
        "an action while a tool ran",
        "start; call bash; exec bash local-process; begin A instance-dispose-directory; cut bash; error",
        "local-lifecycle-close/instance-dispose-directory #4 @during-tool-execution high \
         ask-before-retry(unsafe-effect-begun) by=A",
    ),
    (
        "it counts from when it was begun: text came behind it",
        "start; begin A shutdown; text; closed",
        "local-lifecycle-close/shutdown #2 @before-first-progress high offer-continue(visible-output) by=A",
    ),
    (
        "it counts from when it was begun: a tool began behind it",
        "start; begin A shutdown; call bash; exec bash local-process; closed",
        "local-lifecycle-close/shutdown #2 @before-first-progress high ask-before-retry(unsafe-effect-begun) by=A",
    ),
    (
        "of two that nest, the inner one",
        "start; begin A instance-dispose-all; begin B instance-dispose; error",
        "local-lifecycle-close/instance-dispose #3 @before-first-progress high offer-continue(local-close) by=B",
    ),
    (
        "of two that nest, the outer one, when the inner one is over",
        "start; begin A instance-dispose-all; begin B instance-dispose; end B; error",
        "local-lifecycle-close/instance-dispose-all #2 @before-first-progress high offer-continue(local-close) by=A",
    ),
    (
        "the outer one, as things stood when it began",
        "start; begin A shutdown; text; begin B timeout; end B; input bash; closed",
        "local-lifecycle-close/shutdown #2 @before-first-progress high offer-continue(visible-output) by=A",
    ),
    (
        "of two that overlap, the one that is left",
        "start; begin A instance-reload; begin B timeout; end A; closed",
        "local-lifecycle-close/timeout #3 @before-first-progress high offer-continue(local-close) by=B",
    ),
    (
        "one that is over does not count",
        "start; begin A instance-reload; end A; error",
        "unknown-interruption #4 @before-first-progress low unknown(cause-unknown)",
    ),
    (
        "one that is over does not count, and closing is not explained",
        "start; text; begin A instance-reload; end A; closed",
        "local-lifecycle-close/unknown #5 @during-text low offer-continue(visible-output) ![lifecycle.begunMissing]",
    ),
    (
        "the user's",
        "start; text; begin A user-cancel; closed",
        "user-cancel #3 @during-text high offer-continue(user-cancelled) by=A",
    ),
    (
        "of a kind of its own",
        "start; begin A hibernation; closed",
        "local-lifecycle-close/hibernation #2 @before-first-progress high offer-continue(local-close) by=A",
    ),
    (
        "behind what broke first",
        "start; drop; begin A shutdown; closed",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "in front of what broke by it",
        "start; begin A shutdown; drop; closed",
        "local-lifecycle-close/shutdown #2 @before-first-progress high offer-continue(local-close) by=A",
    ),
    (
        "what broke by it is explained by it, also when it is over",
        "start; text; begin A instance-reload; drop; end A; error",
        "local-lifecycle-close/instance-reload #3 @during-text high offer-continue(visible-output) by=A",
    ),
    (
        "what broke under the inner one is explained by that, whatever covers the ending",
        "start; begin A shutdown; begin B timeout; drop; end B; error",
        "local-lifecycle-close/timeout #3 @before-first-progress high offer-continue(local-close) by=B",
    ),
    (
        "one that came before the attempt",
        "begin A shutdown; start; text; closed",
        "local-lifecycle-close/shutdown #1 @- high unknown(facts-incomplete) by=A ![attempt.startMissing]",
    ),
    (
        "one that the ending names, and that was never begun",
        "start; error-under Z",
        "local-lifecycle-close/unknown #2 @before-first-progress medium offer-continue(local-close) by=Z \
         ![lifecycle.begunMissing]",
    ),
    (
        "one of an earlier process",
        "start; begin A shutdown; closed; run; start; text; done; completed",
        "none | recovered: local-lifecycle-close/shutdown #2 @before-first-progress high by=A",
    ),
    (
        "the process was killed under it",
        "start; text; begin A shutdown; crash gone",
        "local-lifecycle-close/shutdown #3 @during-text high offer-continue(visible-output) by=A",
    ),
    (
        "the process left a crash slot under it",
        "start; text; begin A shutdown; slot",
        "local-lifecycle-close/shutdown #3 @during-text high offer-continue(visible-output) by=A",
    ),
    (
        "the process was killed when it was over",
        "start; text; begin A instance-reload; end A; crash gone",
        "crash/vanished #5 @during-text medium offer-continue(visible-output) ![crash.signalMissing]",
    ),
    ("an action under which everything went well", "start; text; done; begin A shutdown; completed", "none"),
];

const CRASHES: &[Row] = &[
    (
        "a signal before anything came",
        "start; crash signal",
        "crash/signal #2 @before-first-progress high offer-continue(process-crashed)",
    ),
    (
        "a signal during text",
        "start; text; crash signal",
        "crash/signal #3 @during-text high offer-continue(visible-output)",
    ),
    (
        "a panic",
        "start; crash panic",
        "crash/panic #2 @before-first-progress high offer-continue(process-crashed)",
    ),
    (
        "gone",
        "start; crash gone",
        "crash/vanished #2 @before-first-progress medium offer-continue(process-crashed) ![crash.signalMissing]",
    ),
    (
        "out of memory",
        "start; crash memory",
        "crash/out-of-memory #2 @before-first-progress high offer-continue(process-crashed)",
    ),
    (
        "as the program says",
        "start; crash said",
        "crash/reported #2 @before-first-progress high offer-continue(process-crashed)",
    ),
    ("a slot", "start; text; slot", "crash/signal #- @during-text high offer-continue(visible-output)"),
    (
        "a slot that was claimed and not filled",
        "start; text; claimed",
        "crash/vanished #- @during-text medium offer-continue(visible-output) ![crash.signalMissing]",
    ),
    (
        "gone while a tool ran",
        "start; call bash; exec bash local-process; crash gone",
        "crash/vanished #4 @during-tool-execution medium ask-before-retry(unsafe-effect-begun) ![crash.signalMissing]",
    ),
    (
        "of nothing that is known",
        "crash gone",
        "crash/vanished #1 @- medium unknown(facts-incomplete) ![attempt.startMissing crash.signalMissing]",
    ),
    (
        "behind what broke first",
        "start; drop; crash signal",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "behind a tool that failed as tools do",
        "start; call grep; exec grep read-only; fail grep; crash signal",
        "crash/signal #5 @after-tool-result high offer-continue(safe-tools-ran)",
    ),
    (
        "behind completion",
        "start; text; done; completed; crash signal",
        "crash/signal #5 @during-text high offer-continue(visible-output)",
    ),
    (
        "in front of everything",
        "crash said; start; drop; error",
        "crash/reported #1 @- high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "of two, the first",
        "start; crash panic; crash gone",
        "crash/panic #2 @before-first-progress high offer-continue(process-crashed)",
    ),
    (
        "of an earlier run, found later",
        "start; text; run; crash gone of 1",
        "crash/vanished #3 @during-text medium offer-continue(visible-output) ![crash.signalMissing]",
    ),
    (
        "of a run of which nothing is left",
        "crash panic of 7",
        "crash/panic #1 @- high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "and what broke in a later run",
        "start; crash panic; run; start; drop; error",
        "crash/panic #2 @before-first-progress high offer-continue(process-crashed) | \
         later: provider-transport-disconnect #4 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
];

const RECOVERED: &[Row] = &[
    (
        "the next attempt makes progress",
        "start a; drop a; start b; text b; done b; completed",
        "none | recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "the next attempt breaks too: the first is the cause",
        "start a; drop a; start b; setup b; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the next attempt makes progress and breaks",
        "start a; drop a; start b; text b; drop b; error",
        "provider-transport-disconnect #5 @during-text high offer-continue(visible-output) | \
         recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "the same attempt is tried again",
        "start a; drop a; retry a; start a; text a; done a; completed",
        "none | recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "the same attempt is tried again without a start",
        "start a; drop a; retry a; text a; error",
        "unknown-interruption #5 @during-text low unknown(cause-unknown) | \
         recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "what breaks behind the retry breaks the next attempt, and what comes late makes nothing good",
        "start a; retry a; drop a; text a; error",
        "provider-transport-disconnect #3 @before-first-progress high offer-continue(visible-output)",
    ),
    (
        "a retry alone makes nothing good",
        "start a; drop a; retry a; start a; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "recovery is said",
        "start a; text a; drop a; recover a; error",
        "unknown-interruption #5 @during-text low unknown(cause-unknown) | \
         recovered: provider-transport-disconnect #3 @during-text high",
    ),
    (
        "completed in spite of it",
        "start a; drop a; completed",
        "none | recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "resumed in spite of it",
        "start a; drop a; closed; run; start b; text b; done b; completed",
        "none | recovered: provider-transport-disconnect #2 @before-first-progress high",
    ),
    (
        "agents side by side: the one's progress is not the other's",
        "gen g1 under p1; start g1; drop g1; gen g2 under p2; start g2; text g2; done g2; error",
        "provider-transport-disconnect #3 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "one agent: its next call is",
        "gen g1 under p; start g1; drop g1; gerr g1 x; gen g2 under p; start g2; text g2; done g2; completed",
        "none | recovered: provider-transport-disconnect #3 @before-first-progress high",
    ),
    (
        "two attempts within one generation",
        "gen g; start a; drop a; start b; gtext g; drop b; error",
        "provider-transport-disconnect #6 @during-text high offer-continue(visible-output) | \
         recovered: provider-transport-disconnect #3 @before-first-progress high",
    ),
    (
        "what comes too late for an attempt that is over says nothing about the next",
        "start a; done a; start b; text b; drop a; error",
        "unknown-interruption #6 @during-text low unknown(cause-unknown)",
    ),
    (
        "what comes behind the ending says nothing",
        "start; text; error; drop; api 429; cancel",
        "unknown-interruption #3 @during-text low unknown(cause-unknown)",
    ),
];

const SPANS: &[Row] = &[
    ("all went well", "gen g; gtext g; gend g; completed", "none"),
    (
        "gone during text",
        "gen g; gtext g; crash gone",
        "crash/vanished #3 @during-text medium unknown(facts-incomplete) ![evidence.spansOnly crash.signalMissing]",
    ),
    (
        "a model call that says its connection broke",
        "gen g; gerr g read ECONNRESET at /home/alice; error",
        "provider-transport-disconnect #2 @before-first-progress low unknown(facts-incomplete) ![evidence.spansOnly]",
    ),
    (
        "a model call that says that there were too many",
        "gen g; gerr g 429 Too Many Requests; error",
        "provider-api-error/rate-limit #2 @before-first-progress low unknown(facts-incomplete) ![evidence.spansOnly]",
    ),
    (
        "a model call that says nothing that is known",
        "gen g; gerr g oh no; error",
        "unknown-interruption #2 @before-first-progress low unknown(cause-unknown) ![evidence.spansOnly]",
    ),
    (
        "a model call that failed, and the next one",
        "gen g; gerr g socket hang up; gen h; gtext h; gend h; completed",
        "none | recovered: provider-transport-disconnect #2 @before-first-progress low ![evidence.spansOnly]",
    ),
    (
        "a tool failed, and then the session",
        "gen g; gtext g; tool t bash under g; terr t exit 1; error",
        "tool-execution-failure #4 @during-tool-execution medium ask-before-retry(effect-unknown) tool=bash \
         ![evidence.spansOnly sideEffect.boundaryUnknown]",
    ),
    (
        "a tool failed, and the next call was made",
        "gen g; tool t bash under g; terr t exit 1; gend g; gen h; gtext h; gend h; completed",
        "none",
    ),
    (
        "a signal while a tool ran",
        "gen g; tool t bash under g; crash signal",
        "crash/signal #3 @during-tool-execution high ask-before-retry(effect-unknown) \
         ![evidence.spansOnly sideEffect.boundaryUnknown]",
    ),
    (
        "an error while a tool ran",
        "gen g; tool t bash under g; error",
        "tool-execution-interrupted #3 @during-tool-execution medium ask-before-retry(effect-unknown) tool=bash \
         ![evidence.spansOnly sideEffect.boundaryUnknown]",
    ),
    (
        "closed while a tool ran",
        "gen g; tool t bash under g; closed",
        "local-lifecycle-close/unknown #3 @during-tool-execution low ask-before-retry(effect-unknown) \
         ![evidence.spansOnly sideEffect.boundaryUnknown lifecycle.begunMissing]",
    ),
    (
        "spans that were let go of, and closed",
        "gen g; tool t bash under g; terr t interrupted: dropped; gerr g interrupted: dropped; closed",
        "local-lifecycle-close/unknown #5 @during-tool-execution low ask-before-retry(effect-unknown) \
         ![evidence.spansOnly sideEffect.boundaryUnknown lifecycle.begunMissing]",
    ),
    ("closed when nothing went on", "gen g; gtext g; gend g; closed", "none"),
    (
        "an action while a tool ran",
        "gen g; tool t bash under g; begin A instance-dispose; terr t aborted; closed",
        "local-lifecycle-close/instance-dispose #3 @during-tool-execution high ask-before-retry(effect-unknown) by=A \
         ![evidence.spansOnly sideEffect.boundaryUnknown]",
    ),
    (
        "a tool's span begins with its input, and evidence knows better",
        "gen g; start g; tool t bash under g; input bash@g; drop g; terr t aborted; gerr g aborted; error",
        "provider-transport-disconnect #5 @during-tool-input high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "evidence without an id is about the call that goes on",
        "gen g; start; gtext g; drop; gerr g oh no; error",
        "provider-transport-disconnect #4 @during-text high offer-continue(visible-output)",
    ),
    (
        "a call that begins behind its evidence",
        "start a; gen g; gtext g; drop a; error",
        "provider-transport-disconnect #4 @during-text high offer-continue(visible-output)",
    ),
    (
        "a tool's span where evidence tells of no tool",
        "gen g; start g; tool t bash under g; drop g; error",
        "provider-transport-disconnect #4 @during-tool-execution high ask-before-retry(effect-unknown) \
         ![sideEffect.boundaryUnknown]",
    ),
];

/// Each piece missing, twice, or lost.
const OMISSIONS: &[Row] = &[
    (
        "the start",
        "text; drop; error",
        "provider-transport-disconnect #2 @during-text high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "the call of a tool",
        "start; exec grep read-only; drop; error",
        "provider-transport-disconnect #3 @during-tool-execution high unknown(facts-incomplete) \
         ![tool.materialisationMissing]",
    ),
    (
        "the call of a tool that writes",
        "start; exec edit local-file-write; drop; error",
        "provider-transport-disconnect #3 @during-tool-execution high ask-before-retry(unsafe-effect-begun) \
         ![tool.materialisationMissing]",
    ),
    (
        "the beginning of a tool",
        "start; call grep; ok grep; drop; error",
        "provider-transport-disconnect #4 @after-tool-call high unknown(facts-incomplete) ![tool.executionStartMissing]",
    ),
    (
        "the end of a tool",
        "start; call grep; exec grep read-only; text; drop; error",
        "provider-transport-disconnect #5 @during-tool-execution high offer-continue(visible-output)",
    ),
    (
        "the input's beginning",
        "start; whole bash; drop; error",
        "provider-transport-disconnect #3 @after-tool-call high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the effect",
        "start; call x; exec x; ok x; drop; error",
        "provider-transport-disconnect #5 @after-tool-result high ask-before-retry(effect-unknown) \
         ![sideEffect.boundaryUnknown]",
    ),
    ("the cause", "start; text; error", "unknown-interruption #3 @during-text low unknown(cause-unknown)"),
    (
        "the cause, but for a text",
        "start; error quota exceeded for alice@example.org",
        "provider-api-error/quota #2 @before-first-progress low do-not-retry(terminal-rejection)",
    ),
    ("everything", "error", "unknown-interruption #1 @- low unknown(cause-unknown) ![attempt.startMissing]"),
    ("the ending", "start; text; drop", "none"),
    (
        "the completion of the attempt",
        "start; text; closed",
        "local-lifecycle-close/unknown #3 @during-text low offer-continue(visible-output) ![lifecycle.begunMissing]",
    ),
    ("nothing", "start; text; done; closed", "none"),
    (
        "an event of the attempt is lost",
        "start; text; lost; drop; error",
        "provider-transport-disconnect #4 @during-text medium unknown(facts-incomplete) ![evidence.orderingMissing]",
    ),
    (
        "an event of the attempt is lost in front of an action",
        "start; text; lost; begin A shutdown; closed",
        "local-lifecycle-close/shutdown #4 @during-text medium unknown(facts-incomplete) by=A \
         ![evidence.orderingMissing]",
    ),
    (
        "an event of the attempt is lost in front of a crash",
        "start; text; lost; crash signal",
        "crash/signal #4 @during-text medium unknown(facts-incomplete) ![evidence.orderingMissing]",
    ),
    (
        "an event from before the attempt is lost",
        "note; lost; start; drop; error",
        "provider-transport-disconnect #4 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "an event from behind the cause is lost",
        "start; drop; lost; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the start, the break: twice",
        "start a; start a; text a; text a; drop a; drop a; error; error",
        "provider-transport-disconnect #5 @during-text high offer-continue(visible-output)",
    ),
    (
        "the input: twice",
        "start; input bash; input bash; whole bash; whole bash; drop; error",
        "provider-transport-disconnect #6 @after-tool-call high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "a tool: everything twice",
        "start; call bash; call bash; exec bash local-process; exec bash local-process; ok bash; ok bash; drop; error",
        "provider-transport-disconnect #8 @after-tool-result high ask-before-retry(unsafe-effect-begun)",
    ),
    (
        "a failing tool: twice",
        "start; call grep; exec grep read-only; fail! grep; fail! grep; error",
        "tool-execution-failure #4 @during-tool-execution high offer-continue(safe-tools-ran) tool=grep",
    ),
    (
        "an action: begun twice, and ended once",
        "start; begin A shutdown; begin A shutdown; end A; error",
        "unknown-interruption #5 @before-first-progress low unknown(cause-unknown)",
    ),
    (
        "the ids: a start behind progress is another attempt",
        "start; text; call bash; exec bash local-process; ok bash; start; drop; error",
        "provider-transport-disconnect #7 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the ids: a start behind completion is another attempt",
        "start; text; done; start; drop; error",
        "provider-transport-disconnect #5 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the ids: a start twice is one, and one in an open call is of that",
        "gen g; gtext g; start; start; drop; error",
        "provider-transport-disconnect #5 @during-text high offer-continue(visible-output)",
    ),
    (
        "an id that is used again behind completion is another attempt",
        "start a; text a; done a; start a; drop a; error",
        "provider-transport-disconnect #5 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "a start behind the break is another attempt, and makes nothing good",
        "start a; drop a; start a; error",
        "provider-transport-disconnect #2 @before-first-progress high auto-retry(nothing-shown-no-tool-ran)",
    ),
    (
        "the break in front of the start",
        "drop a; start a; error",
        "provider-transport-disconnect #1 @unknown high unknown(facts-incomplete) ![attempt.startMissing]",
    ),
    (
        "the result in front of the beginning",
        "start; call grep; ok grep; exec grep read-only; drop; error",
        "provider-transport-disconnect #5 @during-tool-execution high unknown(facts-incomplete) \
         ![tool.executionStartMissing]",
    ),
];

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, log, expected) in rows {
        for times in Times::ALL {
            let found = derived(log, times);
            if found != *expected {
                wrong.push(format!("{name} ({times:?}): {log}\n  expected {expected}\n  found    {found}"));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn the_connection_to_the_provider_breaks() {
    check(TRANSPORT);
}

#[test]
fn clean_up_replaces_nothing() {
    check(CLEAN_UP);
}

#[test]
fn the_provider_refuses_or_is_silent() {
    check(PROVIDER);
}

#[test]
fn people_and_tools() {
    check(PEOPLE_AND_TOOLS);
}

#[test]
fn something_closes_it_locally() {
    check(LIFECYCLE);
}

#[test]
fn the_process_crashes() {
    check(CRASHES);
}

#[test]
fn what_it_got_over() {
    check(RECOVERED);
}

#[test]
fn spans_alone_give_an_answer_too() {
    check(SPANS);
}

#[test]
fn what_is_missing_twice_or_lost() {
    check(OMISSIONS);
}

/// A table that shrinks is no table.
#[test]
fn there_are_enough_rows() {
    let all =
        [TRANSPORT, CLEAN_UP, PROVIDER, PEOPLE_AND_TOOLS, LIFECYCLE, CRASHES, RECOVERED, SPANS, OMISSIONS];
    let rows: usize = all.iter().map(|rows| rows.len()).sum();
    assert!(rows >= 160, "{rows}");
}
