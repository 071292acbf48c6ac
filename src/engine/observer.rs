//! How those who wait learn where a run stands.

use super::Step;
use crate::point::Point;

/// Is told how a run proceeds.
pub trait Observer: Send + Sync {
    /// A step begins.
    fn step(&self, sync: &str, step: Step);
    /// So many rows are exported.
    fn exported(&self, sync: &str, rows: u64);
    /// So many of so many buckets are compared.
    fn compared(&self, sync: &str, done: u64, of: u64);
    /// So many of so many changes are written.
    fn applied(&self, sync: &str, done: u64, of: u64);
    /// A run has come to this point.
    fn reached(&self, sync: &str, point: Point);
}

/// Does not care.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn step(&self, _: &str, _: Step) {}
    fn exported(&self, _: &str, _: u64) {}
    fn compared(&self, _: &str, _: u64, _: u64) {}
    fn applied(&self, _: &str, _: u64, _: u64) {}
    fn reached(&self, _: &str, _: Point) {}
}
