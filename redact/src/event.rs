//! The strings of an event. Every field is named here, so that a new one cannot be forgotten.

use tracewal::Event;
use tracewal::event::{
    Crashed, ErrorInfo, Evidence, Exception, LifecycleBegun, LifecycleEnded, Metadata, Model, Note, Origin,
    Payload, RunEnded, RunStarted, SessionEnded, SessionStarted, Span, SpanAttributes, SpanEnded,
    SpanStarted, SpanText, Str,
};

/// Is shown every string of an event, and may replace it.
pub(crate) trait Strings {
    /// Words, with the JSON key that they stand under.
    fn text(&mut self, key: &'static str, text: &mut Str<'_>);
    /// What other events refer to.
    fn id(&mut self, key: &'static str, id: &mut Str<'_>);
    /// Free-form JSON, or a string.
    fn payload(&mut self, key: &'static str, payload: &mut Payload<'_>);
}

/// Shows all strings but a piece of streamed text, which means something together with the other pieces alone.
pub(crate) fn visit(event: &mut Event<'_>, to: &mut dyn Strings) {
    match event {
        Event::SessionStarted(SessionStarted {
            trace_id,
            root_span_id,
            name,
            metadata: about,
            scopes,
            lifetime: _,
        }) => {
            id(to, "traceId", trace_id);
            id(to, "rootSpanId", root_span_id);
            text(to, "name", name);
            about.iter_mut().for_each(|about| metadata(to, about));
            scopes.iter_mut().flatten().for_each(|scope| to.text("scopes", scope));
        }
        Event::RunStarted(RunStarted {
            pid: _,
            start_time_ticks: _,
            boot_id,
            pid_namespace: _,
            host,
            exe,
            reason,
            lifetime: _,
        }) => {
            text(to, "bootId", boot_id);
            text(to, "host", host);
            text(to, "exe", exe);
            text(to, "reason", reason);
        }
        Event::RunEnded(RunEnded { reason: _, lifetime: _ }) => {}
        Event::Metadata(about) => metadata(to, about),
        Event::SpanStarted(SpanStarted {
            span_id,
            kind: _,
            name,
            parent_span_id,
            model: of,
            input,
            attributes,
            call_id,
            lifetime: _,
        }) => {
            to.id("spanId", span_id);
            to.text("name", name);
            id(to, "parentSpanId", parent_span_id);
            of.iter_mut().for_each(|of| model(to, of));
            payload(to, "input", input);
            payload(to, "attributes", attributes);
            id(to, "callId", call_id);
        }
        Event::SpanText(SpanText { span_id, text: _, lifetime: _ }) => to.id("spanId", span_id),
        Event::SpanAttributes(SpanAttributes { span_id, attributes, lifetime: _ }) => {
            to.id("spanId", span_id);
            to.payload("attributes", attributes);
        }
        Event::SpanEnded(SpanEnded {
            span_id,
            status: _,
            status_message,
            finish_reason,
            tokens: _,
            cost: _,
            output,
            attributes,
            duration_ms: _,
            lifetime: _,
        }) => {
            to.id("spanId", span_id);
            text(to, "statusMessage", status_message);
            text(to, "finishReason", finish_reason);
            payload(to, "output", output);
            payload(to, "attributes", attributes);
        }
        Event::Span(Span {
            span_id,
            kind: _,
            name,
            start_time: _,
            end_time: _,
            parent_span_id,
            model: of,
            input,
            attributes,
            call_id,
            status: _,
            status_message,
            finish_reason,
            tokens: _,
            cost: _,
            output,
            duration_ms: _,
            lifetime: _,
        }) => {
            to.id("spanId", span_id);
            to.text("name", name);
            id(to, "parentSpanId", parent_span_id);
            of.iter_mut().for_each(|of| model(to, of));
            payload(to, "input", input);
            payload(to, "attributes", attributes);
            id(to, "callId", call_id);
            text(to, "statusMessage", status_message);
            text(to, "finishReason", finish_reason);
            payload(to, "output", output);
        }
        Event::LifecycleBegun(LifecycleBegun {
            action_id,
            kind,
            scopes,
            origin,
            parent_action_id,
            request,
            lifetime: _,
        }) => {
            to.id("actionId", action_id);
            to.text("kind", kind);
            scopes.iter_mut().flatten().for_each(|scope| to.text("scopes", scope));
            if let Some(Origin { source, operation, reason, lifetime: _ }) = origin {
                to.text("origin.source", source);
                text(to, "origin.operation", operation);
                text(to, "origin.reason", reason);
            }
            id(to, "parentActionId", parent_action_id);
            text(to, "request", request);
        }
        Event::LifecycleEnded(LifecycleEnded { action_id, lifetime: _ }) => to.id("actionId", action_id),
        Event::Evidence(Evidence {
            source,
            event,
            attempt_id,
            terminal: _,
            cause,
            phase,
            tool,
            effect,
            output: _,
            http_status: _,
            watchdog: _,
            retryable: _,
            error,
            monotonic: _,
            lifetime: _,
        }) => {
            to.text("source", source);
            to.text("event", event);
            id(to, "attemptId", attempt_id);
            for (key, value) in [("cause", cause), ("phase", phase), ("tool", tool), ("effect", effect)] {
                text(to, key, value);
            }
            if let Some(ErrorInfo { name, code, message, lifetime: _ }) = error {
                text(to, "error.name", name);
                text(to, "error.code", code);
                text(to, "error.message", message);
            }
        }
        Event::Note(Note { name, data, lifetime: _ }) => {
            to.text("name", name);
            payload(to, "data", data);
        }
        Event::SessionEnded(SessionEnded { status: _, error, action_id, lifetime: _ }) => {
            text(to, "error", error);
            id(to, "actionId", action_id);
        }
        Event::Crashed(Crashed {
            reason,
            signal,
            exception,
            pid: _,
            found_by: _,
            found_time: _,
            run: _,
            slot: _,
            action_id,
            lifetime: _,
        }) => {
            to.text("reason", reason);
            text(to, "signal", signal);
            if let Some(Exception { r#type, message, stack, lifetime: _ }) = exception {
                to.text("exception.type", r#type);
                to.text("exception.message", message);
                text(to, "exception.stack", stack);
            }
            id(to, "actionId", action_id);
        }
    }
}

fn metadata(to: &mut dyn Strings, about: &mut Metadata<'_>) {
    let Metadata {
        title,
        model,
        provider_id,
        agent,
        variant,
        prompt,
        user_id,
        environment,
        version,
        tags,
        lifetime: _,
    } = about;
    for (key, value) in [
        ("title", title),
        ("model", model),
        ("providerId", provider_id),
        ("agent", agent),
        ("variant", variant),
        ("prompt", prompt),
        ("userId", user_id),
        ("environment", environment),
        ("version", version),
    ] {
        text(to, key, value);
    }
    tags.iter_mut().flatten().for_each(|tag| to.text("tags", tag));
}

fn model(to: &mut dyn Strings, of: &mut Model<'_>) {
    let Model { model_id, provider_id, variant, lifetime: _ } = of;
    text(to, "model.modelId", model_id);
    text(to, "model.providerId", provider_id);
    text(to, "model.variant", variant);
}

fn text(to: &mut dyn Strings, key: &'static str, text: &mut Option<Str<'_>>) {
    if let Some(text) = text {
        to.text(key, text);
    }
}

fn id(to: &mut dyn Strings, key: &'static str, id: &mut Option<Str<'_>>) {
    if let Some(id) = id {
        to.id(key, id);
    }
}

fn payload(to: &mut dyn Strings, key: &'static str, payload: &mut Option<Payload<'_>>) {
    if let Some(payload) = payload {
        to.payload(key, payload);
    }
}
