//! Whatever the events are: without a secret they stay as they are, with one nothing is left of it, and their structure stays.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, Value};
use support::canaries;
use tracewal::Event;
use tracewal::event::*;
use tracewal_redact::{Key, Redactor, Rules};

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(false, None).unwrap());
static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(&[7; 32]));

/// Text in which nothing is secret: nothing in it has a digit and eight letters in one piece.
fn innocent() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z]{1,7}",
        "[A-Z]{1,6}",
        "[0-9]{1,4}",
        Just("password".to_owned()),
        Just("token:".to_owned()),
        Just("api_key".to_owned()),
        Just("https://example.org/path".to_owned()),
        Just("\"quoted\"".to_owned()),
        Just("\\n\\u0041\\".to_owned()),
        Just("\u{1f980}".to_owned()),
        Just("-----BEGIN ".to_owned()),
        Just("[redacted:github-token:0123456789ab]".to_owned()),
        Just("{\"a\":".to_owned()),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

/// JSON of strings from `text`, and everything else.
fn json_of(text: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text.clone().prop_map(Value::String),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        // JSON in a string.
        (text.clone(), "[a-z]{1,5}")
            .prop_map(|(text, key)| Value::String(serde_json::json!({ key: [text] }).to_string())),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,6}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A session's events, with these texts in them; the last are pieces of one text.
fn events(input: &Value, words: &str, pieces: &[Vec<u8>]) -> Vec<Event<'static>> {
    let started = SpanStarted {
        input: Some(Payload::owned_json(input.to_string())),
        model: Some(Model { model_id: Some(words.to_owned().into()), ..Model::new() }),
        ..SpanStarted::new("a", SpanKind::Tool, words.to_owned())
    };
    let ended = SpanEnded {
        output: Some(Payload::owned_string(words.to_owned())),
        attributes: Some(Payload::owned_json(format!("{{\"x\":{input}}}"))),
        ..SpanEnded::new("a")
    };
    let note = Note { data: Some(Payload::owned_json(words.to_owned())), ..Note::new("not JSON") };
    let mut events: Vec<Event<'static>> = vec![started.into(), ended.into(), note.into()];
    for piece in pieces {
        events.push(SpanText::new("a", Text(Payload::owned_string(piece.clone()))).into());
    }
    events
}

/// The events without their secrets, and whether any changed.
fn redacted(events: &[Event<'static>]) -> (Vec<Event<'static>>, bool) {
    let mut redactor = Redactor::new(&RULES, &KEY);
    let look = |redactor: &mut Redactor<'_>| {
        for (seq, event) in (1..).zip(events) {
            redactor.look(Some(seq), &mut event.clone());
        }
    };
    look(&mut redactor);
    redactor.turn();
    look(&mut redactor);
    redactor.finish();
    let mut changed = false;
    let others = (1..).zip(events).map(|(seq, event)| {
        let other = redactor.replace(Some(seq), event);
        changed |= other.is_some();
        other.unwrap_or_else(|| event.clone())
    });
    (others.collect(), changed)
}

fn cut(text: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|place| text[place[0]..place[1]].to_vec()).collect()
}

/// The same JSON but for strings and keys; a number may have become a marker.
fn has_shape_of(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            new.len() == old.len()
                && new.iter().all(|(key, new)| old.get(key).is_some_and(|old| has_shape_of(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && std::iter::zip(new, old).all(|(new, old)| has_shape_of(new, old))
        }
        (Value::String(_), Value::String(_)) => true,
        (Value::String(new), Value::Number(_)) => new.starts_with("[redacted:"),
        (new, old) => new == old,
    }
}

fn json(payload: &Payload<'_>) -> Value {
    serde_json::from_slice(&payload.bytes).unwrap()
}

fn all_bytes(events: &[Event<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut text = Vec::new();
    for event in events {
        let mut body = vec![0; event.encoded_len()];
        event.encode_into(&mut body).unwrap();
        bytes.extend(body);
        if let Event::SpanText(piece) = event {
            text.extend_from_slice(&piece.text.0.bytes);
        }
    }
    bytes.extend(text);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn what_has_no_secret_stays_as_it_is(
        input in json_of(innocent().boxed()),
        words in innocent(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let events = events(&input, &words, &cut(words.as_bytes(), &cuts));
        let (others, changed) = redacted(&events);
        prop_assert!(!changed, "{others:?}");
    }

    #[test]
    fn nothing_is_left_of_a_secret_and_the_structure_stays(
        which in any::<prop::sample::Index>(),
        input in json_of(innocent().boxed()),
        (before, behind) in (innocent(), innocent()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let all = canaries();
        let canary = &all[which.index(all.len())];
        let words = format!("{before}\n{}\n{behind}", canary.text);
        let input = serde_json::json!({ "z": input, "s": words, "t": [1, { "u": canary.text }] });
        let events = events(&input, &words, &cut(words.as_bytes(), &cuts));
        let (others, changed) = redacted(&events);
        prop_assert!(changed);
        let left = all_bytes(&others);
        prop_assert!(memchr::memmem::find(&left, canary.secret.as_bytes()).is_none(), "{}", String::from_utf8_lossy(&left));
        prop_assert_eq!(events.len(), others.len());
        for (old, new) in std::iter::zip(&events, &others) {
            prop_assert_eq!(old.kind(), new.kind());
            if let (Event::SpanStarted(old), Event::SpanStarted(new)) = (old, new) {
                let (old, new) = (json(old.input.as_ref().unwrap()), json(new.input.as_ref().unwrap()));
                prop_assert!(has_shape_of(&new, &old), "{old} {new}");
            }
        }
        // A second time changes nothing.
        let (_, changed) = redacted(&others);
        prop_assert!(!changed, "{others:?}");
    }

    #[test]
    fn any_bytes_are_read_to_their_end(text in prop::collection::vec(any::<u8>(), 0..300), words in ".{0,60}") {
        let mut redactor = Redactor::new(&RULES, &KEY);
        let payload = |bytes: &[u8]| Note { data: Some(Payload::owned_json(bytes.to_vec())), ..Note::new(words.clone()) };
        redactor.look(Some(1), &mut payload(&text).into());
        redactor.look_at_bytes(Some(2), &text);
        let _ = redactor.replace(Some(1), &payload(&text).into());
    }
}

fn cases() -> u32 {
    std::env::var("REDACT_CASES").map_or(256, |cases| cases.parse().unwrap())
}
