//! A target in memory, for tests of the engine.
