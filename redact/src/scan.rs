//! Looking for secrets in a text: in one pass for what may give one away, and a look at each place where that is.

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use crate::assignment::{assigned, name_around};
use crate::bytes::{begins_at, entropy, is_token, run_end};
use crate::custom::Custom;
use crate::error::RulesError;
use crate::json;
use crate::known::Known;
use crate::marker::{self, Fingerprint};
use crate::places::{self, Place};
use crate::unescape::unescape;
use crate::values::{NAME_ANCHORS, Promise, is_placeholder, promise, secret_in};
use crate::vendors::{FORMS, Form};

/// No secret is longer: a JSON web token, a private key in base64.
const WINDOW: usize = 16 << 10;
/// Texts within texts are looked into so deep: JSON in a string of JSON, escapes of escapes.
const DEPTH_MAX: u32 = 4;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The number of the rule; of two that overlap the lower one names both.
    pub(crate) rule: usize,
    /// Its bytes, as they are without escapes.
    pub(crate) secret: Vec<u8>,
    /// It is a number: what replaces it needs quotes.
    pub(crate) is_number: bool,
}

/// What a rule is called, and how much of a fingerprint its markers have.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) rule: String,
    pub(crate) fingerprint: Fingerprint,
}

/// What an anchor leads to.
#[derive(Clone, Copy, Debug)]
enum Lead {
    Form(usize),
    Place(Place),
    Name,
}

/// Rules that have been made ready.
#[derive(Debug)]
pub struct Rules {
    names: Vec<Name>,
    anchors: AhoCorasick,
    leads: Vec<Lead>,
    forms: Vec<(Regex, usize)>,
    custom: Vec<(Custom, usize)>,
    markers: AhoCorasick,
}

/// Which rules there are to be.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) email: bool,
    pub(crate) custom: Vec<Custom>,
}

impl Rules {
    pub(crate) fn prepare(wanted: Wanted) -> Result<Self, RulesError> {
        let (mut names, mut anchors, mut leads): (Vec<Name>, Vec<String>, Vec<Lead>) = Default::default();
        let mut forms = Vec::new();
        // The user's own come first: they know better what it is.
        let mut custom = Vec::new();
        for rule in wanted.custom {
            custom.push((rule.clone(), name(&mut names, &rule.id, Fingerprint::Long)));
        }
        for form in FORMS {
            let pattern = format!(r"\A(?:{})", form.pattern);
            let regex = RegexBuilder::new(&pattern).unicode(false).build()?;
            let rule = name(&mut names, form.rule, Fingerprint::Long);
            for anchor in form.anchors {
                anchors.push((*anchor).to_owned());
                leads.push(Lead::Form(forms.len()));
            }
            forms.push((regex, rule));
        }
        for (place, place_anchors) in places::ANCHORS {
            if *place != Place::Email || wanted.email {
                for anchor in *place_anchors {
                    anchors.push((*anchor).to_owned());
                    leads.push(Lead::Place(*place));
                }
            }
        }
        for anchor in NAME_ANCHORS {
            anchors.push((*anchor).to_owned());
            leads.push(Lead::Name);
        }
        for (rule, fingerprint) in [
            (PRIVATE_KEY, Fingerprint::Long),
            (BEARER, Fingerprint::Long),
            (URL, Fingerprint::Short),
            (SECRET, Fingerprint::Long),
            (PASSWORD, Fingerprint::Short),
            (EMAIL, Fingerprint::Short),
        ] {
            name(&mut names, rule, fingerprint);
        }
        let anchors = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(aho_corasick::AhoCorasickKind::DFA))
            .build(&anchors)?;
        Ok(Rules { names, anchors, leads, forms, custom, markers: marker::finder()? })
    }

    pub(crate) fn name(&self, rule: usize) -> Option<&Name> {
        self.names.get(rule)
    }

    pub(crate) fn all_names(&self) -> &[Name] {
        &self.names
    }

    fn number(&self, rule: &str) -> usize {
        self.names.iter().position(|name| name.rule == rule).unwrap_or(usize::MAX)
    }

    /// The secrets in a text, in order, none of which overlap.
    pub(crate) fn find(&self, text: &[u8], known: &Known) -> Vec<Hit> {
        let mut hits = Vec::new();
        self.collect(text, known, 0, &mut hits);
        merge(hits)
    }

    /// The secrets in a JSON text; and in its strings alone, so that it stays JSON.
    pub(crate) fn find_in_json(&self, text: &[u8], known: &Known) -> Vec<Hit> {
        let mut hits = Vec::new();
        if !self.collect_json(text, known, 0, &mut hits) {
            hits.clear();
            self.collect(text, known, 0, &mut hits);
        }
        merge(hits)
    }

    fn collect(&self, text: &[u8], known: &Known, depth: u32, hits: &mut Vec<Hit>) {
        if depth < DEPTH_MAX && json::looks_like(text) {
            let before = hits.len();
            if self.collect_json(text, known, depth, hits) {
                return;
            }
            hits.truncate(before);
        }
        self.plain(text, known, hits);
        if depth < DEPTH_MAX
            && let Some((plain, origin)) = unescape(text)
        {
            let before = hits.len();
            self.collect(&plain, known, depth + 1, hits);
            for hit in hits.iter_mut().skip(before) {
                (hit.start, hit.end) = origin.range(hit.start, hit.end);
            }
        }
    }

    fn collect_json(&self, text: &[u8], known: &Known, depth: u32, hits: &mut Vec<Hit>) -> bool {
        json::values(text, &mut |value| {
            let Some(spelled) = text.get(value.start..value.end) else { return };
            let unescaped = unescape(spelled);
            let plain = unescaped.as_ref().map_or(spelled, |(plain, _)| plain);
            let before = hits.len();
            if value.is_string {
                self.collect(plain, known, depth + 1, hits);
            }
            let name = value.name.and_then(|(start, end)| text.get(start..end));
            if let Some((promise, (start, end))) = name.and_then(|name| promised(name, plain)) {
                let secret = plain.get(start..end).unwrap_or_default().to_vec();
                // A number is a password at most: `"maxToken": 4096`.
                if value.is_string || (promise == Promise::Password && value.start + 4 <= value.end) {
                    // Deeper down quotes would have to be escaped.
                    let is_number = !value.is_string && depth == 0;
                    hits.push(Hit { start, end, rule: self.promised(promise), secret, is_number });
                }
            }
            for hit in hits.iter_mut().skip(before) {
                if let Some((_, origin)) = &unescaped {
                    (hit.start, hit.end) = origin.range(hit.start, hit.end);
                }
                hit.start += value.start;
                hit.end += value.start;
            }
        })
    }

    fn promised(&self, promise: Promise) -> usize {
        self.number(match promise {
            Promise::Password => PASSWORD,
            Promise::Secret => SECRET,
            Promise::Authorization => BEARER,
        })
    }

    /// The text as it stands, without a look at what its escapes spell.
    fn plain(&self, text: &[u8], known: &Known, hits: &mut Vec<Hit>) {
        let before = hits.len();
        let mut push = |start: usize, end: usize, rule: usize| {
            let secret = text.get(start..end).unwrap_or_default().to_vec();
            hits.push(Hit { start, end, rule, secret, is_number: false });
        };
        // A name may hold several anchors.
        let mut last_name = None;
        for found in self.anchors.find_overlapping_iter(text) {
            match self.leads.get(found.pattern().as_usize()) {
                Some(Lead::Form(form)) => {
                    if let Some((start, end, rule)) = self.form_at(text, found.start(), *form) {
                        push(start, end, rule);
                    }
                }
                Some(Lead::Place(place)) => {
                    if let Some((start, end)) = places::secret_at(*place, text, found.start()) {
                        push(start, end, self.number(place.rule()));
                    }
                }
                Some(Lead::Name) => {
                    let name = name_around(text, found.start(), found.end());
                    if last_name.replace(name) != Some(name)
                        && let Some(found) = assigned(text, name)
                    {
                        push(found.start, found.end, self.promised(found.promise));
                    }
                }
                None => {}
            }
        }
        for (custom, rule) in &self.custom {
            custom.find(text, &mut |start, end| push(start, end, *rule));
        }
        known.find(text, &mut |start, end, rule| push(start, end, rule));
        let mut cut = Vec::new();
        known.find_cut(text, &mut |start, end, rule| cut.push((start, end, rule)));
        if !cut.is_empty() {
            // Where one that is whole stands, that is what it is. By their beginnings, each with the furthest end so far.
            let mut whole: Vec<_> = hits.iter().skip(before).map(|hit| (hit.start, hit.end)).collect();
            whole.sort_unstable();
            let mut furthest = 0;
            for (_, end) in &mut whole {
                furthest = furthest.max(*end);
                *end = furthest;
            }
            cut.retain(|(start, end, _)| {
                let behind = whole.partition_point(|(from, _)| from < end);
                behind.checked_sub(1).and_then(|last| whole.get(last)).is_none_or(|(_, to)| to <= start)
            });
            for (start, end, rule) in cut {
                let secret = text.get(start..end).unwrap_or_default().to_vec();
                hits.push(Hit { start, end, rule, secret, is_number: false });
            }
        }
        if hits.len() > before {
            let markers = marker::markers(text, &self.markers);
            let is_free =
                |hit: &Hit| !markers.iter().any(|(start, end)| hit.start < *end && *start < hit.end);
            let mut index = 0;
            hits.retain(|hit| {
                index += 1;
                index <= before || is_free(hit)
            });
        }
    }

    fn form_at(&self, text: &[u8], at: usize, number: usize) -> Option<(usize, usize, usize)> {
        let (form, (regex, rule)): (&Form, _) = (FORMS.get(number)?, self.forms.get(number)?);
        let (least, most) = form.before;
        (least..=most).rev().find_map(|before| {
            let start = at.checked_sub(before)?;
            if form.edges && !begins_at(text, start) {
                return None;
            }
            let window = text.get(start..text.len().min(start + WINDOW))?;
            let end = start + regex.find(window)?.end();
            let secret = text.get(start..end)?;
            let ends = !form.edges || run_end(text, end, 1, is_token) == end;
            (ends && entropy(secret) >= form.entropy && !is_placeholder(secret))
                .then_some((start, end, *rule))
        })
    }
}

const PRIVATE_KEY: &str = "private-key";
const BEARER: &str = "bearer-token";
const URL: &str = "url-password";
const SECRET: &str = "secret";
const PASSWORD: &str = "password";
const EMAIL: &str = "email";

fn name(names: &mut Vec<Name>, rule: &str, fingerprint: Fingerprint) -> usize {
    names.iter().position(|name| name.rule == rule).unwrap_or_else(|| {
        names.push(Name { rule: rule.to_owned(), fingerprint });
        names.len() - 1
    })
}

/// What of a JSON value is secret because of its name.
fn promised(name: &[u8], value: &[u8]) -> Option<(Promise, (usize, usize))> {
    let promise = promise(name)?;
    Some((promise, secret_in(promise, crate::values::Given::AsData, value)?))
}

/// Overlapping hits become one, named by the lowest rule.
fn merge(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.retain(|hit| hit.start < hit.end);
    hits.sort_by_key(|hit| (hit.start, hit.rule));
    let mut merged: Vec<Hit> = Vec::with_capacity(hits.len());
    for hit in hits {
        match merged.last_mut() {
            Some(last) if hit.start < last.end => {
                last.end = last.end.max(hit.end);
                last.is_number &= hit.is_number;
                if hit.rule < last.rule {
                    (last.rule, last.secret) = (hit.rule, hit.secret);
                }
            }
            _ => merged.push(hit),
        }
    }
    merged
}
