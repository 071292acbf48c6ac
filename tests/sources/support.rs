//! What the tests of every source need.

/// The value of an environment variable that says where a server of the tests is. Without it the test fails: a server that
/// is not there is no reason to pass.
pub(crate) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: start the servers with `scripts/servers start`, then `eval \"$(scripts/servers env)\"`")
    })
}
