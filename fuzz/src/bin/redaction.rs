//! Any bytes as JSON, as a string and as pieces of text: what was JSON is JSON afterwards, and what is redacted a second time stays.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tracewal_format::event::{Event, Note, Payload, SpanText, Text};
use tracewal_redact::{Key, Redactor, Rules};

static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new(true, None).expect("the built-in rules"));
static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(&[7; 32]));

fn redacted<'e>(events: &[Event<'e>]) -> (Vec<Event<'e>>, bool) {
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

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fuzz_target!(|bytes: &[u8]| {
    // A byte that is in no UTF-8 cuts the text into pieces.
    let joined: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0xFF).collect();
    let note = |payload| Event::from(Note { data: Some(payload), ..Note::new("n") });
    let mut events = vec![note(Payload::json(&joined)), note(Payload::string(&joined))];
    events.extend(bytes.split(|byte| *byte == 0xFF).map(|piece| SpanText::new("a", Text::new(piece)).into()));
    let (others, changed) = redacted(&events);
    assert_eq!(others.len(), events.len());
    let Event::Note(Note { data: Some(data), .. }) = &others[0] else { panic!("it was a note with data") };
    // What was none may become JSON: what made it none may have stood in a secret.
    assert!(!is_json(&joined) || is_json(&data.bytes), "JSON stays JSON");
    if changed {
        let (again, _) = redacted(&others);
        assert_eq!(again, others, "a second time changes nothing");
    }
});
