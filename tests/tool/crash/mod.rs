//! Killed at every moment: whatever a run was doing when it got SIGKILL, the next one leaves the table equal to the source.
//!
//! A test starts itself once more as another process ([`child`]), and that process runs the real engine under an observer that
//! kills its own process. So no production code knows that it is being killed, and what dies is a process, with all its
//! threads, connections and half-written files.

mod again;
mod child;
mod cursor;
mod fencing;
mod moments;
mod order;
mod rewrite;
mod uploads;
mod walk;
mod world;
