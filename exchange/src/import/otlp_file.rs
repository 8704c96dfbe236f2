//! A file of OTLP, one span at a time.
//!
//! JSON is one document or several, as a collector writes them, one a line. Protobuf is one message, `TracesData` or
//! `ExportTraceServiceRequest`, which are the same on the wire; it is read one `ResourceSpans` at a time.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ImportError;
use crate::otlp::foreign::Group;

/// Takes a span, and the number of what it has in common with others.
pub(super) type Each<'a, E> = &'a mut dyn FnMut(usize, Span) -> Result<(), E>;

/// A field of type message with the number 1.
const TAG: u8 = 0x0A;
/// No message is longer.
const MESSAGE_LIMIT_BYTES: u64 = (1 << 31) - 1;

/// Reads the file. Returns what spans have in common, by number: in JSON a part of it stands behind the spans.
pub(super) fn read<E>(path: &Path, each: Each<'_, E>) -> Result<Vec<Group>, ImportError<E>> {
    let mut file = BufReader::with_capacity(256 << 10, File::open(path).map_err(ImportError::Read)?);
    let begins = file.fill_buf().map_err(ImportError::Read)?;
    if is_json(begins) { json(file, each) } else { protobuf(file, each) }
}

/// A message that begins like JSON would have a first field of 123 bytes, and in it a resource of 32 to 34.
fn is_json(begins: &[u8]) -> bool {
    let mut text = begins.iter().filter(|byte| !byte.is_ascii_whitespace());
    text.next() == Some(&b'{') && matches!(text.next(), Some(b'"' | b'}'))
}

fn protobuf<E>(mut file: impl Read, each: Each<'_, E>) -> Result<Vec<Group>, ImportError<E>> {
    let wrong = |what: &str| ImportError::Format(format!("not OTLP in protobuf: {what}"));
    let (mut at, mut groups) = (0_u64, Vec::new());
    loop {
        let mut tag = [0];
        if file.read(&mut tag).map_err(ImportError::Read)? == 0 {
            return Ok(groups);
        }
        if tag != [TAG] {
            return Err(wrong(&format!("there is no list of resource spans at byte {at}")));
        }
        let (length, length_len) = varint(&mut file).map_err(ImportError::Read)?;
        if length > MESSAGE_LIMIT_BYTES {
            return Err(wrong(&format!("a message of {length} bytes at byte {at}")));
        }
        let mut message = Vec::new();
        let read = (&mut file).take(length).read_to_end(&mut message).map_err(ImportError::Read)?;
        if u64::try_from(read).ok() != Some(length) {
            return Err(wrong(&format!("the file ends in the message at byte {at}")));
        }
        let spans = ResourceSpans::decode(message.as_slice()).map_err(|error| wrong(&error.to_string()))?;
        drop(message);
        hand_on(spans, &mut groups, each)?;
        at += 1 + length_len + length;
    }
}

fn varint(file: &mut impl Read) -> io::Result<(u64, u64)> {
    let (mut value, mut length) = (0_u64, 0_u64);
    loop {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        let [byte] = byte;
        value |= u64::from(byte & 0x7F).checked_shl(u32::try_from(length * 7).unwrap_or(64)).unwrap_or(0);
        length += 1;
        if byte & 0x80 == 0 || length == 10 {
            return Ok((value, length));
        }
    }
}

fn hand_on<E>(of: ResourceSpans, groups: &mut Vec<Group>, each: Each<'_, E>) -> Result<(), E> {
    for scope in of.scope_spans {
        let number = groups.len();
        groups.push(Group {
            resource: of.resource.clone(),
            scope: scope.scope,
            resource_schema_url: of.schema_url.clone(),
            scope_schema_url: scope.schema_url,
        });
        for span in scope.spans {
            each(number, span)?;
        }
    }
    Ok(())
}

fn json<E>(file: impl Read, each: Each<'_, E>) -> Result<Vec<Group>, ImportError<E>> {
    let mut documents = serde_json::Deserializer::from_reader(file);
    let mut state = State { each, failed: None, groups: Vec::new(), resource_from: 0 };
    loop {
        // At the end of the file there is no further document.
        match documents.end() {
            Ok(()) => return Ok(state.groups),
            Err(error) if error.is_io() => return Err(ImportError::Read(error.into())),
            Err(_) => {}
        }
        let read = Part { level: Level::Request, state: &mut state }.deserialize(&mut documents);
        if let Some(error) = state.failed {
            return Err(ImportError::Sink(error));
        }
        read.map_err(|error| {
            if error.is_io() {
                ImportError::Read(error.into())
            } else {
                ImportError::Format(format!("not OTLP in JSON: {error}"))
            }
        })?;
    }
}

struct State<'a, E> {
    each: Each<'a, E>,
    /// What stopped it.
    failed: Option<E>,
    groups: Vec<Group>,
    /// The first group of the resource that is being read.
    resource_from: usize,
}

/// Where in the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Request,
    Resources,
    Resource,
    Scopes,
    Scope,
    Spans,
}

struct Part<'s, 'a, E> {
    level: Level,
    state: &'s mut State<'a, E>,
}

impl<'a, E> Part<'_, 'a, E> {
    fn at(&mut self, level: Level) -> Part<'_, 'a, E> {
        Part { level, state: self.state }
    }

    fn of_resource(&mut self, set: impl Fn(&mut Group)) {
        let from = self.state.resource_from;
        self.state.groups.iter_mut().skip(from).for_each(set);
    }

    fn of_scope(&mut self, set: impl FnOnce(&mut Group)) {
        if let Some(group) = self.state.groups.last_mut() {
            set(group);
        }
    }
}

impl<'de, E> DeserializeSeed<'de> for Part<'_, '_, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.level {
            Level::Request | Level::Resource | Level::Scope => from.deserialize_map(self),
            Level::Resources | Level::Scopes | Level::Spans => from.deserialize_seq(self),
        }
    }
}

impl<'de, E> Visitor<'de> for Part<'_, '_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Request => "an export request",
            Level::Resources => "a list of resource spans",
            Level::Resource => "resource spans",
            Level::Scopes => "a list of scope spans",
            Level::Scope => "scope spans",
            Level::Spans => "a list of spans",
        })
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        // A resource without a scope still has to be put somewhere.
        let (mut resource, mut schema_url) = (None::<Resource>, String::new());
        match self.level {
            Level::Resource => self.state.resource_from = self.state.groups.len(),
            Level::Scope => self.state.groups.push(Group::default()),
            _ => {}
        }
        while let Some(key) = map.next_key::<String>()? {
            match (self.level, key.as_str()) {
                (Level::Request, "resourceSpans") => map.next_value_seed(self.at(Level::Resources))?,
                (Level::Resource, "scopeSpans") => map.next_value_seed(self.at(Level::Scopes))?,
                (Level::Resource, "resource") => resource = map.next_value()?,
                (Level::Resource, "schemaUrl") => schema_url = map.next_value()?,
                (Level::Scope, "spans") => map.next_value_seed(self.at(Level::Spans))?,
                (Level::Scope, "scope") => {
                    let scope: Option<InstrumentationScope> = map.next_value()?;
                    self.of_scope(|group| group.scope = scope);
                }
                (Level::Scope, "schemaUrl") => {
                    let url = map.next_value()?;
                    self.of_scope(|group| group.scope_schema_url = url);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if self.level == Level::Resource {
            self.of_resource(|group| {
                group.resource.clone_from(&resource);
                group.resource_schema_url.clone_from(&schema_url);
            });
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        match self.level {
            Level::Resources => while seq.next_element_seed(self.at(Level::Resource))?.is_some() {},
            Level::Scopes => while seq.next_element_seed(self.at(Level::Scope))?.is_some() {},
            _ => {
                while let Some(span) = seq.next_element::<Span>()? {
                    let number = self.state.groups.len().saturating_sub(1);
                    if let Err(error) = (self.state.each)(number, span) {
                        self.state.failed = Some(error);
                        return Err(A::Error::custom("stopped"));
                    }
                }
            }
        }
        Ok(())
    }
}
