//! A connection that is cut in the middle of a result: an error, and nothing is sealed.

use super::{
    fixture::{error, library, postgres_at},
    project::Project,
};
use crate::{
    proxy::{Direction, Fault, Proxy, Rule},
    support::required,
};
use hydrant::source::SourceErrorKind as Kind;

const ROWS: u32 = 200_000;

fn sql() -> String {
    format!("select n as id, 'name ' || n as name from generate_series(1, {ROWS}) n")
}

/// The test server behind a proxy.
fn behind_a_proxy() -> (Proxy, String) {
    let url = required("HYDRANT_TEST_POSTGRES");
    let (before, rest) = url.split_once('@').unwrap();
    let (server, database) = rest.split_once('/').unwrap();
    let proxy = Proxy::before(server);
    let url = format!("{before}@{}/{}?sslmode=disable", proxy.address(), database.split('?').next().unwrap());
    (proxy, url)
}

#[tokio::test]
async fn a_cut_is_unreachable_never_fewer_rows() {
    for fault in [Fault::Cut, Fault::Reset] {
        let (proxy, url) = behind_a_proxy();
        proxy.inject(Rule::after(fault, Direction::Down, 1 << 20));
        let error = error(&postgres_at(&url), &sql()).await;
        assert_eq!(error.kind, Kind::Unreachable, "{fault:?}: {error}");
        assert_eq!(proxy.hits(), 1);
    }
}

#[test]
fn a_run_whose_source_is_cut_seals_nothing_and_the_next_one_does_it_all() {
    let (proxy, url) = behind_a_proxy();
    let block = format!(
        "{{ type: adbc, driver: {}, dialect: postgres, options: {{ uri: \"{url}\" }} }}",
        library("adbc_driver_postgresql")
    );
    let project = Project::new(&block, &sql());
    proxy.inject(Rule::after(Fault::Cut, Direction::Down, 2 << 20));
    let (code, said) = project.run(&["run"]);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("check that the source is reachable; nothing was written"), "{said}");
    assert_eq!(proxy.hits(), 1, "{said}");
    assert_eq!(project.sealed(), 0, "a part of the rows was sealed");
    proxy.heal();
    project.ok(&["run"]);
    assert_eq!(project.query("select count(*), min(id), max(id) from items"), [format!("{ROWS}|1|{ROWS}")]);
    assert_eq!(project.sealed(), 1);
}
