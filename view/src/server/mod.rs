//! The local server: HTTP on the loopback interface, for whoever knows the token in its address.
//!
//! It is axum on hyper and tokio: kept by many, and with server-sent events that end when the browser goes. A smaller server that takes a
//! thread for each request would have to write those by hand. One thread serves; what reads a log does so on a few others, so that no page
//! waits for another session's. Nothing here is part of what an embedder builds.
//!
//! | module | holds |
//! |---|---|
//! | `gate` | who is let in, and what every answer says to the browser |
//! | `routes` | which address is which document |
//! | `streaming` | documents of any length |
//! | `live` | what changes while somebody looks |
//! | `shelf` | the sessions that are looked at, and the list of all |

mod gate;
mod live;
mod routes;
mod shelf;
mod streaming;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use tracewal::{SessionName, Store};
use tracewal_prices::Prices;

use crate::error::{Result, ViewError};
use gate::Gate;
use shelf::Shelf;

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    gate: Gate,
    shelf: Shelf,
    /// The session that was asked for.
    session: Option<SessionName>,
}

/// So many documents are made at once.
const THREADS: usize = 6;

impl Server {
    /// Listens on the loopback interface, for this machine alone. Port 0: any that is free. Costs are estimated by these prices.
    ///
    /// # Errors
    /// When the port is taken, or nothing random can be had.
    pub fn bind(store: &Store, session: Option<SessionName>, prices: Arc<Prices>, port: u16) -> Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let listener = listener.map_err(ViewError::Listen)?;
        listener.set_nonblocking(true).map_err(ViewError::Listen)?;
        let port = listener.local_addr().map_err(ViewError::Listen)?.port();
        let gate = Gate::new(port).map_err(ViewError::Listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(THREADS)
            .build()
            .map_err(ViewError::Listen)?;
        let shared = Arc::new(Shared { gate, shelf: Shelf::new(store.clone(), prices), session });
        Ok(Server { listener, shared, runtime })
    }

    /// The address to look at. Whoever knows it can read every session of the store, as long as the server runs.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.gate.url()
    }

    /// Serves until the process is asked to end, by Ctrl-C or SIGTERM. Whoever looks then is not waited for.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn run(self) -> io::Result<()> {
        let Server { listener, shared, runtime } = self;
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                served = axum::serve(listener, routes::router(shared)).into_future() => served,
                asked = asked_to_end() => asked,
            }
        })
    }
}

async fn asked_to_end() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            asked = tokio::signal::ctrl_c() => asked,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
