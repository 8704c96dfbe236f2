//! `find?q=TEXT&type=TYPE&span=INDEX&from=POSITION`: which entries of the log a filter lets through.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::search::Wanted;
use crate::error::Result;
use crate::trace::Trace;

/// So long is looked before what was found until then is sent: others want to see the session too.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is let through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// Entries in which this text occurs, whatever its case; anywhere in them, as `tracewal events` prints them.
    pub(crate) q: String,
    /// Entries of this type; `gap` for losses.
    pub(crate) r#type: String,
    /// Entries about the span at this position.
    pub(crate) span: Option<usize>,
    /// From this position of the log on.
    pub(crate) from: usize,
}

#[derive(Serialize)]
struct Document {
    /// The positions of those that are let through,
    found: Vec<usize>,
    /// among those before this position.
    to: usize,
}

impl Trace {
    /// The positions of the entries that a filter lets through, as far as could be looked in a moment.
    ///
    /// # Errors
    /// What reading the log met.
    pub(crate) fn find(&mut self, filter: &Filter) -> Result<Vec<u8>> {
        let begun = Instant::now();
        let (mut found, mut to, mut json) = (Vec::new(), filter.from, Vec::new());
        let wanted = Wanted::of(&filter.q);
        let end = if wanted.is_none() && !filter.q.is_empty() { 0 } else { self.index.entries.len() };
        while to < end {
            if self.lets_through(to, filter, wanted.as_ref(), &mut json)? {
                found.push(to);
            }
            to += 1;
            if begun.elapsed() > PATIENCE {
                break;
            }
        }
        let to = if end == 0 { self.index.entries.len() } else { to };
        Ok(serde_json::to_vec(&Document { found, to })?)
    }

    fn lets_through(
        &mut self,
        at: usize,
        filter: &Filter,
        wanted: Option<&Wanted>,
        json: &mut Vec<u8>,
    ) -> Result<bool> {
        if !filter.r#type.is_empty() || filter.span.is_some() {
            let (r#type, span) = self.entry_told(at)?;
            let is_type = filter.r#type.is_empty() || filter.r#type == r#type;
            if !is_type || (filter.span.is_some() && filter.span != span) {
                return Ok(false);
            }
        }
        let Some(wanted) = wanted else { return Ok(true) };
        json.clear();
        self.write_entry(at, json)?;
        Ok(wanted.is_in(json))
    }
}
