//! hydrant.
