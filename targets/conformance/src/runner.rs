//! From cases to named tests.

use crate::{Case, Need, Rig, cases};
use libtest_mimic::{Arguments, Trial};
use std::{future::Future, process::ExitCode, time::Duration};

/// The environment variable that lists, parted by commas, the targets that must be there (`postgres,s3`). Where the server
/// of a listed target is absent its cases fail; elsewhere they show as ignored.
pub const REQUIRE: &str = "HYDRANT_TEST_REQUIRE";

/// No case takes a tenth of this on a slow machine: what takes longer hangs.
const CASE_SECONDS_MAX: u64 = 120;

/// Runs the suite with the arguments of the command line (as `cargo test` and nextest give them) against rigs that
/// `start` makes, one for each case. `start` fails with the reason when the server is absent.
pub fn run<S, F>(target: &str, start: S) -> ExitCode
where
    S: Fn() -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Box<dyn Rig>, String>>,
{
    run_all([suite(target, target, start)])
}

/// Every case against one rig; see [`run_all`].
pub struct Suite {
    target: String,
    /// Made only if one of them is asked for: it takes a look at the server.
    trials: Box<dyn FnOnce() -> Vec<Trial>>,
}

/// Every case against rigs that `start` makes, under the name of the target. They must be there where [`REQUIRE`] lists the
/// server: one server may serve several rigs.
pub fn suite<S, F>(target: &str, server: &str, start: S) -> Suite
where
    S: Fn() -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Box<dyn Rig>, String>>,
{
    let required = std::env::var(REQUIRE).unwrap_or_default();
    let required = required.split(',').any(|name| name.trim() == server);
    let target = target.to_owned();
    Suite { target: target.clone(), trials: Box::new(move || trials(&target, &cases(), required, start)) }
}

/// Runs several suites as [`run`] runs one: where a target writes in different ways, each way has a rig.
pub fn run_all(suites: impl IntoIterator<Item = Suite>) -> ExitCode {
    let arguments = Arguments::from_args();
    // A runner that starts a process for each case names the case.
    let one = arguments.filter.clone().filter(|_| arguments.exact);
    let is_asked =
        |suite: &Suite| one.as_ref().is_none_or(|one| one.starts_with(&format!("{}::", suite.target)));
    let trials = suites.into_iter().filter(is_asked).flat_map(|suite| (suite.trials)()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials<S, F>(target: &str, cases: &[Case], required: bool, start: S) -> Vec<Trial>
where
    S: Fn() -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Box<dyn Rig>, String>>,
{
    let lacks = block_on(async { lacks(start().await?.as_ref()).await })
        .map_err(|reason: String| reason.lines().next().unwrap_or("absent, without a reason").to_owned());
    let ignored = |case: &Case| match &lacks {
        Ok(lacks) => case.needs.iter().find(|need| lacks.contains(need)).map(|need| need.reason().to_owned()),
        // The rig is started again in the case, and the case fails with the reason.
        Err(_) if required => None,
        Err(reason) => Some(reason.clone()),
    };
    let mut trials: Vec<Trial> = cases
        .iter()
        .map(|case| {
            let Case { name, body, .. } = *case;
            let name = format!("{target}::{name}");
            match ignored(case) {
                // Runners that do not run ignored tests do not show a message for them either: the name says it.
                Some(reason) => {
                    Trial::test(format!("{name} (ignored: {reason})"), || Err("cannot run here".into()))
                        .with_ignored_flag(true)
                }
                None => Trial::test(name, move || {
                    block_on(async {
                        let rig =
                            start().await.map_err(|reason| format!("required, but absent: {reason}"))?;
                        let limit = Duration::from_secs(CASE_SECONDS_MAX);
                        tokio::time::timeout(limit, body(rig.as_ref()))
                            .await
                            .map_err(|_| format!("hung for {CASE_SECONDS_MAX} seconds").into())
                    })
                }),
            }
        })
        .collect();
    let runnable = trials.iter().filter(|t| !t.has_ignored_flag()).count();
    if runnable == 0 && (lacks.is_ok() || required) {
        trials.push(Trial::test(format!("{target}::some_case_can_run"), || {
            Err("the suite has no case that can run against this target".into())
        }));
    }
    trials
}

async fn lacks(rig: &dyn Rig) -> Result<Vec<Need>, String> {
    let can = rig.target().capabilities().await.map_err(|e| e.to_string())?;
    let of_target = [
        (can.transactions, Need::Transactions),
        (can.schemas, Need::Schemas),
        (can.unique_columns, Need::UniqueColumns),
        (can.rebuild, Need::Rebuild),
        (can.ahead, Need::Ahead),
    ];
    let of_target = of_target.into_iter().filter(|(can, _)| !can).map(|(_, need)| need);
    Ok(rig.lacks().iter().copied().chain(of_target).collect())
}

/// On threads, so that writers that a case starts really race.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system starts two threads")
        .block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clause, Fixture, Held, Value};
    use hydrant_contract::{
        Applied, Batch, Begun, Capabilities, Changes, Checkpoint, Column, Cursor, Freshness, Inspection,
        Rebuildable, Scanned, ServerInfo, TableName, TableSpec, Target, ValueType,
    };
    use std::sync::Arc;

    /// A rig whose target has transactions and nothing else, and does nothing.
    struct Poor;

    #[async_trait::async_trait]
    impl Rig for Poor {
        fn target(&self) -> Arc<dyn Target> {
            Arc::new(Self)
        }

        fn lacks(&self) -> &'static [Need] {
            &[Need::Locks]
        }

        fn holds(&self, _: &ValueType) -> bool {
            false
        }

        fn table(&self, stem: &str) -> TableName {
            TableName { schema: None, name: stem.to_owned() }
        }

        async fn make(&self, _: &TableName, _: &Fixture) {}

        async fn insert(&self, _: &TableName, _: &[&str], _: &[Vec<Value>]) {}

        async fn rows(&self, _: &TableName, _: &[Column]) -> Vec<Vec<Value>> {
            Vec::new()
        }

        async fn checkpoint(&self, _: &str) -> Option<Checkpoint> {
            None
        }

        async fn freshness(&self, _: &str) -> Option<(u64, Freshness)> {
            None
        }

        async fn execute(&self, _: &str) {}

        async fn lock(&self, _: &TableName) -> Held {
            Box::new(())
        }

        async fn reader(&self, _: &TableName, _: &[&str]) -> Arc<dyn Target> {
            Arc::new(Self)
        }
    }

    #[async_trait::async_trait]
    impl Target for Poor {
        async fn capabilities(&self) -> hydrant_contract::Result<Capabilities> {
            Ok(Capabilities {
                transactions: true,
                schemas: false,
                unique_columns: false,
                rebuild: false,
                ahead: false,
            })
        }

        async fn probe(&self) -> hydrant_contract::Result<ServerInfo> {
            Ok(ServerInfo { product: String::new(), place: String::new() })
        }

        async fn inspect(&self, _: &TableSpec) -> hydrant_contract::Result<Inspection> {
            Ok(Inspection::Absent { statements: Vec::new(), limits: Vec::new() })
        }

        async fn create(&self, _: &TableSpec) -> hydrant_contract::Result<()> {
            Ok(())
        }

        async fn claim(&self, _: &str, _: u64) -> hydrant_contract::Result<Option<Checkpoint>> {
            Ok(None)
        }

        async fn apply(&self, _: &Batch) -> hydrant_contract::Result<Applied> {
            Ok(Applied::default())
        }

        async fn begin<'a>(&'a self, _: &'a Batch) -> hydrant_contract::Result<Option<Box<dyn Begun + 'a>>> {
            Ok(None)
        }

        async fn rebuildable(&self, _: &TableSpec) -> hydrant_contract::Result<Rebuildable> {
            Ok(Rebuildable::default())
        }

        async fn rebuild(&self, _: &Batch, _: &mut dyn Changes) -> hydrant_contract::Result<()> {
            Ok(())
        }

        async fn read(
            &self,
            spec: &TableSpec,
            _: &arrow::record_batch::RecordBatch,
        ) -> hydrant_contract::Result<arrow::record_batch::RecordBatch> {
            Ok(arrow::record_batch::RecordBatch::new_empty(spec.shape.schema()))
        }

        async fn scan(
            &self,
            spec: &TableSpec,
            _: Option<&Cursor>,
            _: usize,
        ) -> hydrant_contract::Result<Scanned> {
            Ok(Scanned::sort(&spec.shape, 0, None, |_, _| None).expect("no row"))
        }
    }

    async fn poor() -> Result<Box<dyn Rig>, String> {
        Ok(Box::new(Poor))
    }

    async fn absent() -> Result<Box<dyn Rig>, String> {
        Err("no server at port 1\nwith a second line".to_owned())
    }

    fn case(name: &'static str, needs: &'static [Need]) -> Case {
        Case { name, proves: Clause::Apply, needs, body: |_| Box::pin(async {}) }
    }

    fn names(trials: &[Trial], ignored: bool) -> Vec<&str> {
        trials.iter().filter(|t| t.has_ignored_flag() == ignored).map(Trial::name).collect()
    }

    fn failed(trials: Vec<Trial>) -> u64 {
        let arguments = Arguments { quiet: true, test_threads: Some(1), ..Arguments::default() };
        libtest_mimic::run(&arguments, trials).num_failed
    }

    #[test]
    fn what_the_target_or_the_rig_lacks_is_ignored_with_the_reason() {
        let all = [
            case("plain", &[]),
            case("units", &[Need::Transactions]),
            case("moves", &[Need::Transactions, Need::UniqueColumns]),
            case("waits", &[Need::Locks]),
        ];
        let trials = trials("poor", &all, true, poor);
        assert_eq!(names(&trials, false), ["poor::plain", "poor::units"]);
        let ignored = [
            "poor::moves (ignored: the target enforces no unique columns)",
            "poor::waits (ignored: the target has no locks to wait for)",
        ];
        assert_eq!(names(&trials, true), ignored);
        assert_eq!(failed(trials), 0);
    }

    #[test]
    fn an_absent_server_is_ignored_unless_it_is_required() {
        let all = [case("plain", &[])];
        let optional = trials("gone", &all, false, absent);
        assert_eq!(names(&optional, true), ["gone::plain (ignored: no server at port 1)"]);
        assert_eq!(names(&optional, false), [""; 0]);
        let required = trials("gone", &all, true, absent);
        assert_eq!(names(&required, false), ["gone::plain"]);
        assert_eq!(failed(required), 1);
    }

    #[test]
    fn no_case_that_can_run_is_a_failure() {
        assert_eq!(failed(trials("poor", &[], false, poor)), 1);
        assert_eq!(failed(trials("poor", &[case("waits", &[Need::Locks])], false, poor)), 1);
    }

    #[test]
    fn a_case_that_panics_fails() {
        let wrong =
            Case { body: |_| Box::pin(async { panic!("the target is wrong") }), ..case("wrong", &[]) };
        assert_eq!(failed(trials("poor", &[wrong], false, poor)), 1);
    }
}
