//! Where a log's bytes come from.

/// Where the segments of one session are read from.
pub trait LogSource {
    /// What can go wrong.
    type Error;

    /// The numbers of the segments that are there, ascending.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn segments(&mut self) -> Result<Vec<u64>, Self::Error>;

    /// Makes segment `number` the one that is read, and returns its size in bytes. `None`: it is gone.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn select(&mut self, number: u64) -> Result<Option<u64>, Self::Error>;

    /// The bytes at `offset`: `len` of them, or fewer at the end of the file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Self::Error>;

    /// Whether this segment is the one that is read, so that it need not be selected again.
    fn has_selected(&self, _number: u64) -> bool {
        false
    }

    /// Bytes at `offset` of the segment that is read, as far as they are at hand without reading; maybe as they were a while ago.
    fn at_hand(&self, _offset: u64) -> &[u8] {
        &[]
    }

    /// The first offset at or behind `offset` at which there may be bytes other than zero.
    ///
    /// # Errors
    /// When the source cannot tell.
    fn next_data(&mut self, offset: u64) -> Result<u64, Self::Error> {
        Ok(offset)
    }
}

/// Segments in memory, as numbers and bytes.
#[derive(Clone, Debug, Default)]
pub struct Memory<'a> {
    segments: Vec<(u64, &'a [u8])>,
    selected: &'a [u8],
}

impl<'a> Memory<'a> {
    /// Of these segments.
    #[must_use]
    pub fn new(mut segments: Vec<(u64, &'a [u8])>) -> Self {
        segments.sort_by_key(|(number, _)| *number);
        Memory { segments, selected: &[] }
    }
}

impl LogSource for Memory<'_> {
    type Error = std::convert::Infallible;

    fn segments(&mut self) -> Result<Vec<u64>, Self::Error> {
        Ok(self.segments.iter().map(|(number, _)| *number).collect())
    }

    fn select(&mut self, number: u64) -> Result<Option<u64>, Self::Error> {
        let found = self.segments.iter().find(|(n, _)| *n == number);
        self.selected = found.map_or(&[], |(_, bytes)| bytes);
        Ok(found.and_then(|(_, bytes)| u64::try_from(bytes.len()).ok()))
    }

    fn read(&mut self, offset: u64, len: usize) -> Result<&[u8], Self::Error> {
        let rest = self.at_hand(offset);
        Ok(rest.get(..len).unwrap_or(rest))
    }

    fn at_hand(&self, offset: u64) -> &[u8] {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        self.selected.get(from..).unwrap_or_default()
    }
}
