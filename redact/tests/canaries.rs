//! Secrets of every rule, in every place where a secret may be: after a redaction not one is left in any byte of the store.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{Canary, canaries, escaped, files_with};
use tracewal::event::*;
use tracewal::{Compaction, Event, Item, Original, Reading, Store, Time};
use tracewal_redact::{Act, Key, Rules, redact, redacted_copy};

/// Appends events in which a canary stands in every field.
fn plant(store: &Store, id: &str, canary: &Canary) {
    let text = canary.text.as_str();
    let around = format!("before {text}\nbehind");
    let quoted = serde_json::to_string(text).unwrap();
    let own = || Str::from(text.to_owned());
    let about = || Metadata {
        title: Some(around.clone().into()),
        model: Some(own()),
        provider_id: Some(own()),
        agent: Some(own()),
        variant: Some(own()),
        prompt: Some(around.clone().into()),
        user_id: Some(own()),
        environment: Some(around.clone().into()),
        version: Some(own()),
        tags: Some(vec![own(), "tag".into()]),
        ..Metadata::new()
    };
    let first = SessionStarted {
        trace_id: Some(format!("trace {text}").into()),
        root_span_id: Some(format!("root {text}").into()),
        name: Some(around.clone().into()),
        metadata: Some(about()),
        scopes: Some(vec![around.clone().into()]),
        ..SessionStarted::new()
    };
    let session = store.session(id).first_event(first).start().unwrap();
    let append = |event: Event<'_>| {
        session.append(event).unwrap();
    };
    append(about().into());
    let model = || Model {
        model_id: Some(text.into()),
        provider_id: Some(text.into()),
        variant: Some(text.into()),
        ..Model::new()
    };
    let within = serde_json::to_string(&json!({ "inner": text, "list": [text] }).to_string()).unwrap();
    let input = format!(
        r#"{{"plain":{quoted},"escaped":{},"within":{within},"list":[1,{quoted}],{quoted}:true,"n":1e400}}"#,
        escaped(text)
    );
    let span = format!("span {text}");
    append(Event::SpanStarted(SpanStarted {
        parent_span_id: Some(format!("parent {text}").into()),
        model: Some(model()),
        input: Some(Payload::owned_json(input.clone())),
        attributes: Some(Payload::owned_json(input.clone())),
        call_id: Some(format!("call {text}").into()),
        ..SpanStarted::new(span.clone(), SpanKind::Tool, around.clone())
    }));
    append(SpanAttributes::new(span.clone(), Payload::owned_json(input.clone())).into());
    append(Event::SpanEnded(SpanEnded {
        status_message: Some(around.clone().into()),
        finish_reason: Some(text.into()),
        output: Some(Payload::owned_string(around.clone())),
        attributes: Some(Payload::owned_json(input.clone())),
        ..SpanEnded::new(span.clone())
    }));
    append(Event::Span(Span {
        parent_span_id: Some(span.clone().into()),
        model: Some(model()),
        // Not JSON, as it came in.
        input: Some(Payload::owned_json(format!("{{\"cut off\": {quoted}, \"x\": "))),
        attributes: Some(Payload::owned_json(input.clone())),
        output: Some(Payload::owned_json(escaped(&around))),
        status_message: Some(around.clone().into()),
        finish_reason: Some(text.into()),
        call_id: Some(text.into()),
        ..Span::new(
            format!("whole {text}"),
            SpanKind::Tool,
            around.clone(),
            Time::from_ms(1),
            Time::from_ms(2),
        )
    }));
    append(Event::LifecycleBegun(LifecycleBegun {
        scopes: Some(vec![around.clone().into()]),
        origin: Some(Origin {
            operation: Some(text.into()),
            reason: Some(around.clone().into()),
            ..Origin::new(text)
        }),
        parent_action_id: Some(text.into()),
        request: Some(around.clone().into()),
        ..LifecycleBegun::new(format!("action {text}"), text)
    }));
    append(LifecycleEnded::new(format!("action {text}")).into());
    append(Event::Evidence(Evidence {
        attempt_id: Some(text.into()),
        cause: Some(text.into()),
        phase: Some(text.into()),
        tool: Some(text.into()),
        effect: Some(text.into()),
        error: Some(ErrorInfo {
            name: Some(text.into()),
            code: Some(text.into()),
            message: Some(around.clone().into()),
            ..ErrorInfo::new()
        }),
        ..Evidence::new(text, around.clone())
    }));
    append(Event::Note(Note { data: Some(Payload::owned_json(input)), ..Note::new(around.clone()) }));
    // Split in two, at every position if asked for; and in single bytes. As strings, and as strings of JSON.
    let step = if std::env::var_os("TRACEWAL_CANARIES").is_some() { 1 } else { 1 + text.len() / 40 };
    for split in (0..=text.len()).step_by(step) {
        let span = format!("split {split}");
        for piece in [&text[..split], &text[split..]] {
            append(SpanText::new(span.clone(), Text::new(piece)).into());
            append(Note::new("between").into());
        }
        let span = format!("spelled {split}");
        for piece in [&text[..split], &text[split..]] {
            append(SpanText::new(span.clone(), Text(Payload::owned_json(escaped(piece)))).into());
        }
    }
    for byte in around.as_bytes().chunks(1) {
        append(SpanText::new("bytes", Text::new(byte)).into());
    }
    append(Event::Crashed(Crashed {
        signal: Some(text.into()),
        exception: Some(Exception {
            stack: Some(around.clone().into()),
            ..Exception::new(text, around.clone())
        }),
        action_id: Some(format!("action {text}").into()),
        ..Crashed::new(around.clone())
    }));
    append(Event::SessionEnded(SessionEnded {
        error: Some(around.clone().into()),
        action_id: Some(format!("action {text}").into()),
        ..SessionEnded::new(EndStatus::Error)
    }));
    session.close(RunEndReason::Closed).unwrap();
}

/// The events of a session without what they say.
fn outline(store: &Store, id: &str) -> Vec<(u64, Time, u8)> {
    outline_of(store, id, Reading::Whole)
}

fn outline_of(store: &Store, id: &str, reading: Reading) -> Vec<(u64, Time, u8)> {
    let mut log = store.read(&store.find(id).unwrap(), reading).unwrap();
    let mut outline = Vec::new();
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Event(entry) => outline.push((entry.seq, entry.time, entry.kind)),
            Item::Loss(loss) => panic!("{loss:?}"),
            _ => {}
        }
    }
    outline
}

#[test]
fn every_rule_has_a_canary() {
    let rules = Rules::new(false, None).unwrap();
    let canaries = canaries();
    let without = |rule: &&str| *rule != "email" && !canaries.iter().any(|canary| canary.rule == *rule);
    let without: Vec<&str> = rules.names().filter(without).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn not_one_is_left_in_any_byte_of_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = tracewal::options_with(Compaction::OnDemand).open(folder.path()).unwrap();
    let rules = Rules::new(false, None).unwrap();
    let key = Key::of_store(store.path()).unwrap();
    let mut wrong = Vec::new();
    for (number, canary) in canaries().iter().enumerate() {
        let id = format!("s{number}");
        plant(&store, &id, canary);
        let secrets = [canary.secret.clone()];
        assert!(!files_with(folder.path(), &secrets).is_empty(), "it was never there: {canary:?}");
        let session = store.find(&id).unwrap();
        let before = outline(&store, &id);
        // First kept, then removed.
        let kept = redact(&store, &session, &rules, &key, Act::Rewrite(Original::Keep), false);
        let done = kept.and_then(|kept| {
            assert!(
                kept.changed && kept.kept.is_some() && kept.counts.contains_key(canary.rule),
                "{canary:?} {kept:?}"
            );
            redact(&store, &session, &rules, &key, Act::Rewrite(Original::Delete), false)
        });
        store.index().purge().unwrap();
        match done {
            Ok(done) if !done.changed && done.removed == 1 && done.counts.is_empty() => {}
            other => wrong.push(format!("{}: {other:?}", canary.rule)),
        }
        let left = files_with(folder.path(), &secrets);
        if !left.is_empty() {
            wrong.push(format!("{} {}: {left:?}", canary.rule, canary.text));
        }
        assert_eq!(before, outline(&store, &id), "{canary:?}");
        assert_eq!(store.verify(&session).unwrap(), []);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An id cannot be replaced in place: the session gets another one.
#[test]
fn a_session_whose_id_holds_a_secret_gets_another_id() {
    let folder = tempfile::tempdir().unwrap();
    let store = tracewal::options_with(Compaction::OnDemand).open(folder.path()).unwrap();
    let rules = Rules::new(false, None).unwrap();
    let key = Key::of_store(store.path()).unwrap();
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let secrets = [canary.secret.clone()];
    let id = format!("run-{}", canary.secret);
    let session = store.session(id.as_str()).title(canary.text.clone()).start().unwrap();
    session.append(Note::new(canary.text.clone())).unwrap();
    let name = session.name().clone();
    let busy = redact(&store, &name, &rules, &key, Act::Rewrite(Original::Delete), false);
    assert!(matches!(busy, Err(tracewal::Error::Busy { .. })), "{busy:?}");
    session.complete().unwrap();
    let before = outline(&store, &id);
    let kept = redact(&store, &name, &rules, &key, Act::Rewrite(Original::Keep), false).unwrap();
    let renamed = kept.renamed.unwrap();
    assert!(renamed.id().starts_with("[redacted:github-token:"), "{renamed:?}");
    assert_eq!(outline(&store, renamed.id()), before);
    assert!(store.find(&id).is_ok(), "the original stays until it is asked to go");
    // What was killed between the two is finished.
    let gone = redact(&store, &name, &rules, &key, Act::Rewrite(Original::Delete), false).unwrap();
    assert_eq!(gone.renamed.as_ref(), Some(&renamed));
    store.index().purge().unwrap();
    assert_eq!(files_with(folder.path(), &secrets), [""; 0]);
    assert_eq!(outline(&store, renamed.id()), before);
    let view = std::fs::read_to_string(store.view(&renamed)).unwrap();
    assert!(view.contains(&format!("\"sessionId\":\"{}\"", renamed.id())), "{view}");
}

/// A copy for an export: of a session that is being written too, and as it stands.
#[test]
fn a_copy_has_all_events_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let store = tracewal::options_with(Compaction::OnDemand).open(folder.path()).unwrap();
    let other = tempfile::tempdir().unwrap();
    let to = tracewal::options_with(Compaction::OnDemand).open(other.path()).unwrap();
    let rules = Rules::new(false, None).unwrap();
    let key = Key::fresh().unwrap();
    let canary = canaries().into_iter().find(|canary| canary.rule == "github-token").unwrap();
    let session = store.session("s").title(canary.text.clone()).start().unwrap();
    for piece in [&canary.text[..9], &canary.text[9..]] {
        session.append(SpanText::new("a", Text::new(piece))).unwrap();
    }
    let (copy, counts) = redacted_copy(&store, session.name(), &rules, &key, &to).unwrap();
    assert_eq!(counts.get("github-token"), Some(&2), "{counts:?}");
    assert_eq!(outline(&to, copy.id()), outline_of(&store, "s", Reading::Live));
    assert_eq!(files_with(other.path(), &[canary.secret]), [""; 0]);
    session.complete().unwrap();
}
