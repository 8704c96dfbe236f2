//! Random paths of the model, walked by the real store: each process of the model is a process, each actor a thread of it, and each stops
//! at the door to the file system before every step until the path takes it. Killing is `SIGKILL`.
//!
//! Some steps of the model are stores into memory, without a door: they are taken together with the step before them. (That leaves out
//! some paths; the model itself has all of them.) After every stop the store's files are compared with the model's state, and when a path is
//! at its end everybody is killed, one process opens the store, and the files are compared with what the model says of that.

mod gate;
mod observed;
mod path;
mod process;

pub use path::{Failure, Report, replay};
