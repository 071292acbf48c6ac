// Each of the test binaries uses its part of this.
#![allow(dead_code)]
//! The second way into the server: a program of its official Python driver, kept running, that shares no code with the target.

use serde_json::{Value as Json, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// The variable that names a Python with pymongo.
pub(crate) const PYTHON: &str = "HYDRANT_TEST_PYMONGO";

/// A running program.
pub(crate) struct SecondWay {
    url: String,
    /// Started when it is first asked for something: many a case is over before.
    program: Mutex<Option<Program>>,
}

struct Program {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl SecondWay {
    /// The way to this server.
    pub(crate) fn to(url: &str) -> Self {
        Self { url: url.to_owned(), program: Mutex::default() }
    }

    /// Starts the program; fails with the reason if there is no such Python.
    fn start(&self) -> Result<Program, String> {
        let python = std::env::var(PYTHON)
            .map_err(|_| format!("{PYTHON} is not set: run ./test, or give a Python that has pymongo"))?;
        let mut child = Command::new(&python)
            .args(["tests/second_way/program.py", &self.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{python} cannot be started: {e}"))?;
        let stdin = child.stdin.take().ok_or("no way in")?;
        let stdout = BufReader::new(child.stdout.take().ok_or("no way out")?);
        Ok(Program { child, stdin, stdout })
    }

    /// Asks for one thing.
    pub(crate) fn try_ask(&self, what: &str, with: &[Json]) -> Result<Json, String> {
        let mut started = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        let program = match &mut *started {
            Some(program) => program,
            none => none.insert(self.start()?),
        };
        let request = json!({ "do": what, "with": with });
        writeln!(program.stdin, "{request}")
            .and_then(|()| program.stdin.flush())
            .map_err(|e| e.to_string())?;
        let mut line = String::new();
        program.stdout.read_line(&mut line).map_err(|e| e.to_string())?;
        let mut answer: Json = serde_json::from_str(&line).map_err(|e| format!("{line:?}: {e}"))?;
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// The same for what must succeed.
    pub(crate) fn ask(&self, what: &str, with: &[Json]) -> Json {
        self.try_ask(what, with).unwrap_or_else(|e| panic!("{what} {with:?}: {e}"))
    }
}

impl Drop for SecondWay {
    fn drop(&mut self) {
        if let Some(program) = self.program.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // It may have ended by itself, and then there is nothing to kill.
            let _ = program.child.kill();
            let _ = program.child.wait();
        }
    }
}

/// A document of the form that the program reads.
pub(crate) fn document<'n>(fields: impl IntoIterator<Item = (&'n str, Json)>) -> Json {
    json!({ "document": fields.into_iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>() })
}

/// A field of a document that the program told; `None` if it is not there.
pub(crate) fn field<'j>(document: &'j Json, name: &str) -> Option<&'j Json> {
    let fields = document["document"].as_array().unwrap_or_else(|| panic!("{document} is no document"));
    fields.iter().find(|field| field[0] == name).map(|field| &field[1])
}

/// Makes a document of plain JSON, whose numbers become 32-bit integers.
pub(crate) fn plain(value: &Json) -> Json {
    match value {
        Json::Number(number) => json!({ "int": number.to_string(), "bits": 32 }),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(fields) => document(fields.iter().map(|(name, value)| (name.as_str(), plain(value)))),
        other => other.clone(),
    }
}

/// The URL with another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    let (before, after) =
        url.split_once("/test?").expect("the URL names the database `test` and has options");
    format!("{before}/{database}?{after}")
}
