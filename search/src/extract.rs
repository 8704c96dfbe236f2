//! From a log to the passages in it, in one pass.

use std::collections::HashMap;

use tracewal::{Entry, Event};

use crate::passage::{Field, Passage, Place, span_id};

/// A span's streamed text is searched in stretches of this size,
pub(crate) const STRETCH_BYTES: usize = 64 << 10;
/// of which each begins with so much of the one before, so that what stands across a border is found.
pub(crate) const OVERLAP_BYTES: usize = 4 << 10;
/// When the streams that are open hold more than this together, all of them are passed on as they are.
const HELD_MAX_BYTES: usize = 64 << 20;

/// What of a span has been streamed and not passed on yet.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// Of its pieces, each with its length.
    places: Vec<(Place, usize)>,
    overlap: usize,
}

/// Reads a log event by event. Memory grows with the number of its spans, and not with what is in them.
#[derive(Debug, Default)]
pub(crate) struct Extractor {
    starts: HashMap<Box<str>, Place>,
    streams: HashMap<Box<str>, Stream>,
    held: usize,
}

impl Extractor {
    /// The next event. `emit` is given each passage with its text.
    pub(crate) fn take<E>(
        &mut self,
        entry: &Entry<'_>,
        emit: &mut impl FnMut(Passage, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(Ok(event)) = entry.event() else { return Ok(()) };
        let place = Place::of(entry);
        if let (Event::SessionStarted(_) | Event::SpanStarted(_) | Event::Span(_), Some(id)) =
            (&event, span_id(&event))
        {
            self.starts.entry(id.into()).or_insert(place);
        }
        let start = span_id(&event).and_then(|id| self.starts.get(id)).copied();
        match &event {
            Event::SpanText(piece) => return self.piece(&piece.span_id, place, &piece.text.0.bytes, emit),
            Event::SpanEnded(end) => {
                if let Some(stream) = self.streams.remove(&*end.span_id) {
                    self.held = self.held.saturating_sub(stream.bytes.len());
                    // An output that is given stands for what was streamed.
                    if end.output.is_none() {
                        pass_on(stream, start, emit)?;
                    }
                }
            }
            _ => {}
        }
        for field in Field::of(&event) {
            let text = field.text(&event);
            if !text.is_empty() {
                emit(Passage { field: *field, start, places: vec![place], overlap: 0 }, &text)?;
            }
        }
        Ok(())
    }

    fn piece<E>(
        &mut self,
        id: &str,
        place: Place,
        bytes: &[u8],
        emit: &mut impl FnMut(Passage, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.starts.get(id).copied();
        if !self.streams.contains_key(id) {
            self.streams.insert(id.into(), Stream::default());
        }
        let Some(stream) = self.streams.get_mut(id) else { return Ok(()) };
        stream.bytes.extend_from_slice(bytes);
        stream.places.push((place, bytes.len()));
        self.held += bytes.len();
        if stream.bytes.len() >= STRETCH_BYTES {
            let next = stream.end();
            let full = std::mem::replace(stream, next);
            self.held = (self.held + stream.bytes.len()).saturating_sub(full.bytes.len());
            pass_on(full, start, emit)?;
        }
        if self.held > HELD_MAX_BYTES { self.finish(emit) } else { Ok(()) }
    }

    /// What is still open, at the end of the log.
    pub(crate) fn finish<E>(
        &mut self,
        emit: &mut impl FnMut(Passage, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let starts = &self.starts;
        let mut open: Vec<_> =
            self.streams.drain().map(|(id, stream)| (starts.get(&id).copied(), stream)).collect();
        self.held = 0;
        open.sort_by_key(|(_, stream)| stream.places.first().copied());
        open.into_iter().try_for_each(|(start, stream)| pass_on(stream, start, emit))
    }
}

impl Stream {
    /// What the next stretch begins with: its last pieces.
    fn end(&self) -> Stream {
        let mut from = self.places.len();
        let mut overlap = 0;
        for (at, (_, length)) in self.places.iter().enumerate().rev() {
            if overlap >= OVERLAP_BYTES || overlap + length > STRETCH_BYTES / 2 {
                break;
            }
            (from, overlap) = (at, overlap + length);
        }
        let begin = self.bytes.len().saturating_sub(overlap);
        Stream {
            bytes: self.bytes.get(begin..).unwrap_or_default().to_vec(),
            places: self.places.get(from..).unwrap_or_default().to_vec(),
            overlap,
        }
    }
}

fn pass_on<E>(
    stream: Stream,
    start: Option<Place>,
    emit: &mut impl FnMut(Passage, &str) -> Result<(), E>,
) -> Result<(), E> {
    if stream.bytes.len() <= stream.overlap {
        return Ok(());
    }
    let overlap = String::from_utf8_lossy(stream.bytes.get(..stream.overlap).unwrap_or_default());
    // A character that the border divides belongs to this stretch.
    let overlap = overlap.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
    let places = stream.places.into_iter().map(|(place, _)| place).collect();
    let passage = Passage { field: Field::Text, start, places, overlap };
    emit(passage, &String::from_utf8_lossy(&stream.bytes))
}
