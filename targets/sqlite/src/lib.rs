//! SQLite as a hydrant target.
