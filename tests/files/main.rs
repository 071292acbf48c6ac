//! The files source against real files, and against a real server of object storage.
#![allow(clippy::unwrap_used, reason = "also helpers of tests may panic")]

mod errors;
mod fixture;
mod formats;
mod order;
mod running;
mod s3;
mod tables;
