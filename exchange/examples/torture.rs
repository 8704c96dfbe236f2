//! Makes the session that exports are checked with: `torture FOLDER SPANS PAYLOAD-BYTES`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "../tests/support/torture.rs"]
mod torture;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    torture::make(args[1].as_ref(), args[2].parse().unwrap(), args[3].parse().unwrap());
}
