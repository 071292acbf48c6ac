//! A session of the application: it can hold locks while hydrant runs.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// What the session prints when it has come so far.
const DONE: &str = "session-has-done-this";

/// `psql`, which reads statements one by one. Dropped, it is killed, and its transaction is rolled back.
pub(super) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(super) fn new(url: &str) -> Self {
        let mut child = Command::new("psql")
            .args(["-XAtq", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql starts; ./test installs it");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { child, input, output: BufReader::new(output) }
    }

    /// Begins statements and does not wait for them.
    pub(super) fn begin(&mut self, sql: &str) {
        writeln!(self.input, "{sql};").and_then(|()| self.input.flush()).expect("psql reads");
    }

    /// Executes statements, after those that were begun.
    pub(super) fn execute(&mut self, sql: &str) {
        self.begin(sql);
        writeln!(self.input, "\\echo {DONE}").and_then(|()| self.input.flush()).expect("psql reads");
        let mut line = String::new();
        while line.trim_end() != DONE {
            line.clear();
            assert!(self.output.read_line(&mut line).expect("psql prints") > 0, "psql ended early");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
