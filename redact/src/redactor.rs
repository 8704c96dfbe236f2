//! Taking the secrets out of a session's events: they are looked at first, all of them, and then replaced one by one.

use std::collections::BTreeMap;

use tracewal::event::{SpanText, Str, Text};
use tracewal::{Event, Payload};

use crate::event::{Strings, visit};
use crate::known::Known;
use crate::marker::{Fingerprint, Key};
use crate::scan::{Hit, Rules};
use crate::texts::{Edit, Looked, ROUNDS_MAX, Texts, applied};

/// How often each rule has found something.
pub type Counts = BTreeMap<String, u64>;

/// Where a secret was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the event; of a crash slot that no event names, `None`.
    pub seq: Option<u64>,
    /// The name of the event.
    pub event: &'static str,
    /// The field of it.
    pub field: &'static str,
    /// The rule.
    pub rule: String,
    /// Where in the field, in bytes.
    pub offset: usize,
    /// How many bytes the secret has.
    pub len: usize,
    /// What stands in front of it, without secrets.
    pub before: String,
}

/// Secrets, and what becomes of them.
///
/// Show it all events of a session with [`look`](Self::look), twice, with [`turn`](Self::turn) in between, because what gives a secret
/// away may come later than the secret; call [`finish`](Self::finish), and have the events replaced with [`replace`](Self::replace).
#[derive(Debug)]
pub struct Redactor<'r> {
    search: Search<'r>,
    texts: Texts,
    found: Found,
}

/// What secrets are found with, and marked.
#[derive(Debug)]
struct Search<'r> {
    rules: &'r Rules,
    key: &'r Key,
    known: Known,
}

#[derive(Debug, Default)]
struct Found {
    counts: Counts,
    /// `None`: nobody asks.
    places: Option<Vec<Place>>,
    secrets: Vec<Hit>,
}

impl<'r> Redactor<'r> {
    /// Finds with these rules, and marks with this key.
    #[must_use]
    pub fn new(rules: &'r Rules, key: &'r Key) -> Self {
        let search = Search { rules, key, known: Known::default() };
        Redactor { search, texts: Texts::default(), found: Found::default() }
    }

    /// Remembers where each secret is.
    #[must_use]
    pub fn with_places(mut self) -> Self {
        self.found.places = Some(Vec::new());
        self
    }

    /// One that knows the same secrets, and has seen none of them.
    #[must_use]
    pub fn again(&self) -> Self {
        let search = Search { known: self.search.known.clone(), ..self.search };
        Redactor { search, texts: Texts::default(), found: Found::default() }
    }

    /// Looks at the next event. `seq` is its number, by which its pieces of text are known.
    pub fn look(&mut self, seq: Option<u64>, event: &mut Event<'_>) {
        let Redactor { search, texts, found } = self;
        let mut looking = Looking { search, found, seq, event: event.name() };
        visit(event, &mut looking);
        match (event, seq) {
            (Event::SpanText(SpanText { span_id, text, .. }), Some(seq)) => {
                texts.add(span_id, seq, &text.0, &mut |text, starts| looking.text_edits(text, starts));
            }
            (Event::SpanEnded(ended), _) => texts.end(&ended.span_id),
            _ => {}
        }
        self.learn();
    }

    /// Looks at an event that cannot be understood.
    pub fn look_at_bytes(&mut self, seq: Option<u64>, bytes: &[u8]) {
        let hits = self.search.rules.find(bytes, &self.search.known);
        let Redactor { search, found, .. } = self;
        Looking { search, found, seq, event: "unknown" }.note("body", bytes, &hits, |at| (seq, at));
        self.learn();
    }

    /// All events have been looked at: what has been found is known from now on, wherever it stands. Returns whether there was anything.
    pub fn turn(&mut self) -> bool {
        self.finish();
        self.search.known.prepare();
        self.texts = Texts::default();
        let places = self.found.places.as_ref().map(|_| Vec::new());
        let found = std::mem::replace(&mut self.found, Found { places, ..Found::default() });
        !found.counts.is_empty()
    }

    /// All events have been looked at.
    pub fn finish(&mut self) {
        let Redactor { search, texts, found } = self;
        let mut looking = Looking { search, found, seq: None, event: "span-text" };
        texts.finish(&mut |text, starts| looking.text_edits(text, starts));
        self.learn();
    }

    fn learn(&mut self) {
        for hit in self.found.secrets.drain(..) {
            self.search.known.add(&hit);
        }
    }

    /// How often each rule has found something since the last turn.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.found.counts
    }

    /// Where, if that was to be remembered.
    #[must_use]
    pub fn places(&self) -> &[Place] {
        self.found.places.as_deref().unwrap_or_default()
    }

    /// The event without its secrets. `None`: it has none.
    #[must_use]
    pub fn replace<'e>(&self, seq: Option<u64>, event: &Event<'e>) -> Option<Event<'e>> {
        let mut event = event.clone();
        let mut replacing = Replacing { search: &self.search, changed: false };
        visit(&mut event, &mut replacing);
        let mut changed = replacing.changed;
        if let Event::SpanText(SpanText { text: Text(text), .. }) = &mut event {
            let looked = seq.map_or(Looked::Never, |seq| self.texts.looked_at(seq, &text.bytes));
            let other = match looked {
                Looked::Stays => None,
                Looked::Became(bytes) => Some(bytes.to_vec()),
                Looked::Never => {
                    self.search.replaced(&text.bytes, text.encoding == Payload::JSON, &mut |_, _| {})
                }
            };
            if let Some(other) = other {
                text.bytes = other.into();
                changed = true;
            }
        }
        changed.then_some(event)
    }

    /// What an id becomes that has a secret in it. `None`: it has none.
    #[must_use]
    pub fn id(&self, id: &str) -> Option<String> {
        self.search.replaced_id(id.as_bytes(), &mut |_, _| {})
    }

    /// The bytes of an event that cannot be understood, with asterisks in place of secrets: it stays as long as it is. `None`: there are
    /// none.
    #[must_use]
    pub fn replace_in_bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let hits = self.search.rules.find(bytes, &self.search.known);
        let mut other = bytes.to_vec();
        for hit in &hits {
            if let Some(secret) = other.get_mut(hit.start..hit.end) {
                secret.fill(b'*');
            }
        }
        (!hits.is_empty()).then_some(other)
    }
}

impl Search<'_> {
    fn hits(&self, text: &[u8], is_json: bool) -> Vec<Hit> {
        if is_json { self.rules.find_in_json(text, &self.known) } else { self.rules.find(text, &self.known) }
    }

    fn edits(&self, hits: &[Hit], takes_quotes: bool) -> Vec<Edit> {
        let edit = |hit: &Hit| {
            let mut with = self.marker(hit);
            if hit.is_number && takes_quotes {
                with = format!("\"{with}\"");
            }
            Edit { start: hit.start, end: hit.end, with }
        };
        hits.iter().map(edit).collect()
    }

    fn marker(&self, hit: &Hit) -> String {
        let name = self.rules.name(hit.rule);
        let (rule, fingerprint) =
            name.map_or(("secret", Fingerprint::Long), |name| (&name.rule, name.fingerprint));
        self.key.marker(rule, &hit.secret, fingerprint)
    }

    /// The text without its secrets; every round's hits are shown. `None`: it has none.
    fn replaced(&self, text: &[u8], is_json: bool, show: &mut dyn FnMut(&[u8], &[Hit])) -> Option<Vec<u8>> {
        let mut other: Option<Vec<u8>> = None;
        for _ in 0..ROUNDS_MAX {
            let text = other.as_deref().unwrap_or(text);
            let hits = self.hits(text, is_json);
            if hits.is_empty() {
                break;
            }
            show(text, &hits);
            other = Some(applied(text, &self.edits(&hits, is_json)));
        }
        other
    }

    /// What an id becomes that has a secret in it: a marker as a whole, so that ids that differ still do.
    fn replaced_id(&self, id: &[u8], show: &mut dyn FnMut(&[u8], &[Hit])) -> Option<String> {
        let hits = self.hits(id, false);
        show(id, &hits);
        let rule = self.rules.name(hits.first()?.rule)?;
        Some(self.key.marker(&rule.rule, id, Fingerprint::Long))
    }
}

/// Looks at one event.
struct Looking<'l, 'r> {
    search: &'l Search<'r>,
    found: &'l mut Found,
    seq: Option<u64>,
    event: &'static str,
}

/// What is shown of what stands in front of a secret, in bytes.
const BEFORE: usize = 48;

impl Looking<'_, '_> {
    /// `place` tells where in which event a position is.
    fn note(
        &mut self,
        field: &'static str,
        text: &[u8],
        hits: &[Hit],
        place: impl Fn(usize) -> (Option<u64>, usize),
    ) {
        for (index, hit) in hits.iter().enumerate() {
            let Some(name) = self.search.rules.name(hit.rule) else { continue };
            *self.found.counts.entry(name.rule.clone()).or_default() += 1;
            self.found.secrets.push(hit.clone());
            if let Some(places) = &mut self.found.places {
                let (seq, offset) = place(hit.start);
                let last = index.checked_sub(1).and_then(|last| hits.get(last)).map_or(0, |last| last.end);
                let from = hit.start.saturating_sub(BEFORE).max(last);
                let before =
                    String::from_utf8_lossy(text.get(from..hit.start).unwrap_or_default()).into_owned();
                let (rule, len) = (name.rule.clone(), hit.end - hit.start);
                places.push(Place { seq, event: self.event, field, rule, offset, len, before });
            }
        }
    }

    fn text_edits(&mut self, text: &[u8], starts: &[(usize, u64)]) -> Vec<Edit> {
        let hits = self.search.hits(text, false);
        self.note("text", text, &hits, |at| {
            let piece = starts.partition_point(|(start, _)| *start <= at).checked_sub(1);
            let piece = piece.and_then(|index| starts.get(index));
            piece.map_or((None, at), |(start, seq)| (Some(*seq), at - start))
        });
        self.search.edits(&hits, false)
    }

    fn look(&mut self, field: &'static str, text: &[u8], is_json: bool) {
        let (search, seq) = (self.search, self.seq);
        let _ =
            search.replaced(text, is_json, &mut |text, hits| self.note(field, text, hits, |at| (seq, at)));
    }
}

impl Strings for Looking<'_, '_> {
    fn text(&mut self, key: &'static str, text: &mut Str<'_>) {
        self.look(key, text.as_bytes(), false);
    }

    fn id(&mut self, key: &'static str, id: &mut Str<'_>) {
        let (search, seq) = (self.search, self.seq);
        let _ = search.replaced_id(id.as_bytes(), &mut |id, hits| self.note(key, id, hits, |at| (seq, at)));
    }

    fn payload(&mut self, key: &'static str, payload: &mut Payload<'_>) {
        self.look(key, &payload.bytes, payload.encoding == Payload::JSON);
    }
}

/// Replaces what is in one event.
struct Replacing<'l, 'r> {
    search: &'l Search<'r>,
    changed: bool,
}

impl Strings for Replacing<'_, '_> {
    fn text(&mut self, _key: &'static str, text: &mut Str<'_>) {
        if let Some(other) = self.search.replaced(text.as_bytes(), false, &mut |_, _| {}) {
            *text = String::from_utf8_lossy(&other).into_owned().into();
            self.changed = true;
        }
    }

    fn id(&mut self, _key: &'static str, id: &mut Str<'_>) {
        if let Some(other) = self.search.replaced_id(id.as_bytes(), &mut |_, _| {}) {
            *id = other.into();
            self.changed = true;
        }
    }

    fn payload(&mut self, _key: &'static str, payload: &mut Payload<'_>) {
        let is_json = payload.encoding == Payload::JSON;
        if let Some(other) = self.search.replaced(&payload.bytes, is_json, &mut |_, _| {}) {
            payload.bytes = other.into();
            self.changed = true;
        }
    }
}
