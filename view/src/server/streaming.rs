//! Documents of any length, sent as they are made.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::error::{Result, ViewError};

/// So much is sent at once.
const PIECE: usize = 64 << 10;
/// So many pieces may wait to be sent.
const WAITING: usize = 4;
/// Who does not take a piece for so long is given up: the session is locked meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes to a response.
struct Pieces {
    buffer: Vec<u8>,
    to: Sender<Result<Bytes>>,
    runtime: Handle,
}

impl Pieces {
    fn send(&mut self, piece: Result<Bytes>) -> io::Result<()> {
        let sent = self.runtime.block_on(tokio::time::timeout(PATIENCE, self.to.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }

    fn send_buffer(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.buffer);
        self.send(Ok(piece.into()))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send_buffer()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body that `write` writes on a thread of its own. What goes wrong before anything was sent is the error; later, the body breaks off.
pub(super) async fn body(write: impl FnOnce(&mut dyn Write) -> Result<()> + Send + 'static) -> Result<Body> {
    let (to, mut from) = channel(WAITING);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { buffer: Vec::new(), to, runtime };
        // Nobody listens any more when this fails.
        let _ = match write(&mut pieces) {
            Ok(()) => pieces.send_buffer(),
            Err(error) => pieces.send(Err(error)),
        };
    });
    let first = from.recv().await.unwrap_or(Err(ViewError::LogChanged))?;
    let rest = |(first, mut from): (Option<Bytes>, Receiver<Result<Bytes>>)| async move {
        let piece = match first {
            Some(first) => Ok(first),
            None => from.recv().await?,
        };
        Some((piece, (None, from)))
    };
    Ok(Body::from_stream(stream::unfold((Some(first), from), rest)))
}
