//! Which models were built and passed their tests.

use super::{
    artifact::ArtifactError,
    manifest::{Manifest, Test},
    relation::{Kind, Node},
    results::{Outcome, Results},
};

/// The tests that a reason names; the others it counts.
const NAMED: usize = 3;

/// Some invocations of dbt, and the project that they ran in.
pub struct Invocations<'a> {
    manifest: &'a Manifest,
    /// In the order of their ends.
    results: Vec<Results>,
    untested_pass: bool,
}

/// What the invocations say of one model. Reasons are half sentences: `it was skipped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was built, and its tests passed afterwards.
    Built,
    /// It was not built, because nobody asked for it.
    NotBuilt(String),
    /// It should have been built and was not, or one of its tests did not pass.
    Refused(String),
}

impl<'a> Invocations<'a> {
    /// `untested_pass`: tests that were not run count as passed.
    ///
    /// # Errors
    ///
    /// The manifest is older than the results: what they are about may have changed since.
    pub fn new(
        manifest: &'a Manifest,
        mut results: Vec<Results>,
        untested_pass: bool,
    ) -> Result<Self, ArtifactError> {
        results.sort_by_key(|results| results.generated_at);
        if let Some(last) = results.last() {
            let is_same = last.invocation.is_some() && last.invocation == manifest.invocation;
            // A later one (of `dbt compile`, say) has all that was there to be built and tested.
            if !is_same && manifest.generated_at < last.generated_at {
                return Err(ArtifactError {
                    message: format!(
                        "the manifest of dbt is from another invocation than the results, and older: {} is of {}, {} of {}",
                        manifest.file.display(),
                        manifest.generated_at.format("%F %T UTC"),
                        last.file.display(),
                        last.generated_at.format("%F %T UTC"),
                    ),
                    help: "dbt writes both into its target folder: let `dbt.target_path` name the one of that invocation, and \
                           keep both together where they are copied"
                        .to_owned(),
                });
            }
        }
        Ok(Self { manifest, results, untested_pass })
    }

    /// What the invocations say of a model.
    pub fn verdict(&self, node: &Node) -> Verdict {
        if node.kind == Kind::Source {
            return Verdict::NotBuilt("it is a table of a source, which dbt does not build".to_owned());
        }
        let id = node.unique_id.as_str();
        let found = |(_, results): &(usize, &Results)| results.builds() && results.of(id).is_some();
        let Some((at, results)) = self.results.iter().enumerate().rfind(found) else {
            return Verdict::NotBuilt(self.why_not_built(id));
        };
        let built = results.of(id).map_or(Ok(()), |outcome| well_built(outcome, results, node));
        match built.and_then(|()| self.well_tested(id, at)) {
            Ok(()) => Verdict::Built,
            Err(reason) => Verdict::Refused(reason),
        }
    }

    fn why_not_built(&self, id: &str) -> String {
        match self.results.iter().rfind(|results| results.of(id).is_some()) {
            Some(results) => format!("`dbt {}` does not build models", results.command),
            None => {
                let commands: Vec<String> =
                    self.results.iter().map(|results| format!("`dbt {}`", results.command)).collect();
                format!("it was not part of that {}", commands.join(" or "))
            }
        }
    }

    /// Whether all tests of a model passed after it was built, which it was by the results at this position.
    fn well_tested(&self, id: &str, built_at: usize) -> Result<(), String> {
        let mut not_run = Vec::new();
        for test in self.manifest.tests.iter().filter(|test| test.of.iter().any(|of| of == id)) {
            let since = self.results.iter().skip(built_at).filter(|results| results.tests());
            match since.filter_map(|results| results.of(&test.unique_id)).next_back() {
                Some(outcome) => passed(test, outcome)?,
                // Unit tests are about the code, and commonly left to development.
                None if test.is_unit || self.untested_pass => {}
                None => not_run.push(test.name.as_str()),
            }
        }
        not_run.sort_unstable();
        match not_run.len() {
            0 => Ok(()),
            1 => Err(format!("its test {} was not run", not_run[0])),
            all => {
                let more = if all > NAMED { format!(" and {} more", all - NAMED) } else { String::new() };
                not_run.truncate(NAMED);
                Err(format!("its tests were not run: {}{more}", not_run.join(", ")))
            }
        }
    }
}

fn well_built(outcome: &Outcome, results: &Results, node: &Node) -> Result<(), String> {
    let because = || outcome.message().map_or_else(String::new, |message| format!(": {message}"));
    match outcome.status.as_str() {
        "success" => {}
        "error" => return Err(format!("it failed{}", because())),
        "skipped" => return Err("it was skipped, because something before it failed".to_owned()),
        "partial success" => return Err(format!("some of its batches failed{}", because())),
        other => return Err(format!("dbt calls it `{other}`{}", because())),
    }
    if let Some(flag) = results.partial {
        return Err(format!("it was built with `{flag}`, so it does not have all of its rows"));
    }
    match outcome.relation() {
        Some(relation) if relation != node.relation => Err(format!(
            "it was built as {relation}, and the manifest has it as {}: is that of another target of dbt's?",
            node.relation
        )),
        _ => Ok(()),
    }
}

fn passed(test: &Test, outcome: &Outcome) -> Result<(), String> {
    let (kind, name) = (if test.is_unit { "unit test" } else { "test" }, &test.name);
    let because = || outcome.message().map_or_else(String::new, |message| format!(": {message}"));
    match outcome.status.as_str() {
        "pass" | "warn" | "success" => Ok(()),
        "fail" => Err(format!("its {kind} {name} failed{}", because())),
        "error" => Err(format!("its {kind} {name} had an error{}", because())),
        "skipped" => Err(format!("its {kind} {name} was skipped")),
        other => Err(format!("dbt calls its {kind} {name} `{other}`{}", because())),
    }
}
