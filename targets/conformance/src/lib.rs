//! The suite that every hydrant target must pass.
