//! Command line programs as the second way into a database.

use crate::Held;
use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
};

/// Runs a program with this input and returns its output.
///
/// # Panics
///
/// If the program cannot be started, or fails; with what it wrote as errors.
pub fn run(command: &mut Command, input: &str) -> String {
    let mut child = start(command.stderr(Stdio::piped()));
    let mut stdin = child.stdin.take().expect("a pipe");
    // From a thread of its own: a program that answers before it has read everything would block both.
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program's output");
    writer.join().expect("the input was written");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{command:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8 from the program")
}

/// Starts a program with this input, waits until it has written the line `until`, and lets it wait for more input until
/// the answer is dropped; then it is killed, and what it held is released.
///
/// # Panics
///
/// If the program cannot be started, or ends without having written that line.
pub fn hold(command: &mut Command, input: &str, until: &str) -> Held {
    let mut child = start(command.stderr(Stdio::inherit()));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).and_then(|()| stdin.flush()).expect("the program reads its input");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while line.trim_end() != until {
        line.clear();
        assert!(lines.read_line(&mut line).expect("UTF-8 from the program") > 0, "{command:?} ended early");
    }
    Box::new(Running { child, _stdin: stdin, _stdout: Box::new(lines) })
}

fn start(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{:?} cannot be started: {e}", command.get_program()))
}

struct Running {
    child: Child,
    _stdin: ChildStdin,
    _stdout: Box<dyn Read + Send>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
