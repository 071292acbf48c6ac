//! The suite that every hydrant target must pass.
//!
//! The cases are data ([`cases`]) and know a target only through [`hydrant_contract::Target`] and a [`Rig`]: the small
//! piece that each target supplies, which looks at the database through a path that shares no code with the target.
//! A target's whole test file is an implementation of [`Rig`] and
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     hydrant_conformance::run("sqlite", SqliteRig::start)
//! }
//! ```
//!
//! in a test with `harness = false`. Every case is a test of its own, `sqlite::a_smaller_epoch_is_fenced`. A case that
//! needs what a target has not shows as ignored, with the reason in its name. So do all cases of a target whose server
//! is absent, unless the environment variable [`REQUIRE`] names it: then they fail.

mod carriers;
mod case;
mod cases;
mod fixture;
pub mod program;
mod rig;
mod runner;
mod scene;
mod value;

pub use carriers::{from_batch, to_batch};
pub use case::{Body, Case, Clause};
pub use cases::cases;
pub use rig::{Fixture, FixtureColumn, ForeignKey, Held, Kind, Need, Rig};
pub use runner::{REQUIRE, Suite, run, run_all, suite};
pub use scene::{Scene, Whole};
pub use value::Value;
