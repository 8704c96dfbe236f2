//! Names that many spans share.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroU32;

use super::row::nth;
use crate::text::prefix;

/// No more of a name is kept, in bytes.
const NAME_MAX: usize = 1024;

/// Names by their numbers, from 1. They are told apart as a whole, and kept as far as they are shown.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Vec<String>,
    numbers: HashMap<u64, NonZeroU32>,
    hasher: RandomState,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> Option<NonZeroU32> {
        let hash = self.hasher.hash_one(name);
        if let Some(number) = self.numbers.get(&hash) {
            return Some(*number);
        }
        self.texts.push(prefix(name, NAME_MAX).to_owned());
        let number = nth(self.texts.len())?;
        self.numbers.insert(hash, number);
        Some(number)
    }

    /// A name; empty when there is none.
    pub(crate) fn text(&self, number: Option<NonZeroU32>) -> &str {
        let at = number.and_then(|number| usize::try_from(number.get() - 1).ok());
        at.and_then(|at| self.texts.get(at)).map_or("", String::as_str)
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.texts
    }
}
