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
    let required = std::env::var(REQUIRE).unwrap_or_default();
    let required = required.split(',').any(|name| name.trim() == target);
    libtest_mimic::run(&Arguments::from_args(), trials(target, &cases(), required, start)).exit_code()
}

fn trials<S, F>(target: &str, cases: &[Case], required: bool, start: S) -> Vec<Trial>
where
    S: Fn() -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Result<Box<dyn Rig>, String>>,
{
    let lacks = match block_on(start()) {
        Ok(rig) => Ok(lacks(rig.as_ref())),
        Err(reason) => Err(reason.lines().next().unwrap_or("absent, without a reason").to_owned()),
    };
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

fn lacks(rig: &dyn Rig) -> Vec<Need> {
    let can = rig.target().capabilities();
    let of_target = [
        (can.transactions, Need::Transactions),
        (can.schemas, Need::Schemas),
        (can.unique_columns, Need::UniqueColumns),
    ];
    let of_target = of_target.into_iter().filter(|(can, _)| !can).map(|(_, need)| need);
    rig.lacks().iter().copied().chain(of_target).collect()
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
