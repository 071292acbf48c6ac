//! Whether the peers do what they are measured for. If one leaves rows out, its time means nothing.

use super::{Peer, Work};
use crate::{
    day::Day,
    files::write_parquet,
    measured::{Measured, measured},
    model::{Checksum, Shape},
    products::{Product, TABLE, product},
    servers::{Kind, Server},
};
use std::{fs, path::Path, process::Command};

/// The rows are few: keys that are gone are named one by one.
const ROWS: u64 = 20_000;
const PERCENT: [f64; 2] = [2.0, 5.0];

/// Has every peer load a small model into a table that is not there, and merge two later days into the table that the
/// bench makes, and panics if a table is not as it should be.
pub(crate) fn check(server: &Server, work: &Path, peers: &[Box<dyn Peer>]) {
    let shape = Shape::Standard;
    let product = product(server, shape, work);
    let first = work.join("peers.parquet");
    let expected = write_parquet(&first, shape, Day::first(ROWS));
    for (number, peer) in peers.iter().enumerate() {
        let name = format!("{} into {}", peer.name(), server.kind.name());
        let own = work.join(format!("peer-{number}"));
        let task = |parquet| Work { server, shape, parquet, table: TABLE, folder: &own };
        fs::create_dir(&own).expect("a new folder");
        if let Some(command) = peer.full(&task(&first)) {
            server.clear();
            run(&format!("{name}, full"), command);
            assert_eq!(product.checksum(), expected, "{name}: a full load");
        }
        let merges = peer.merge(&task(&first)).is_some();
        assert!(merges || !peer.cannot(server.kind).is_empty(), "{name}: why not is said");
        if merges {
            server.clear();
            product.create();
            fs::remove_dir_all(&own).expect("our own folder");
            fs::create_dir(&own).expect("a new folder");
            merge(peer.as_ref(), &name, &task, &*product, (&first, expected.clone()), work);
        }
    }
}

/// The first day into the empty table, and each later one into that; those who do not delete are helped afterwards.
fn merge<'a>(
    peer: &dyn Peer,
    name: &str,
    task: &dyn Fn(&'a Path) -> Work<'a>,
    product: &dyn Product,
    (first, expected): (&'a Path, Checksum),
    work: &Path,
) {
    let days = PERCENT.map(|percent| {
        let day = Day::later(ROWS, percent);
        let parquet = work.join(format!("peers-{percent}.parquet"));
        let checksum = write_parquet(&parquet, Shape::Standard, day);
        (day, parquet, checksum)
    });
    let merged = |parquet: &Path| {
        // Only the path is another one.
        let Work { server, shape, table, folder, .. } = task(first);
        let command = peer.merge(&Work { server, shape, parquet, table, folder }).expect("it merges");
        run(&format!("{name}, merge"), command);
    };
    let server = task(first).server;
    merged(first);
    assert_eq!(product.checksum(), expected, "{name}: a merge into an empty table");
    for (day, parquet, checksum) in &days {
        merged(parquet);
        if !peer.deletes(server.kind) {
            let gone: Vec<String> = day.deleted().map(|row| row.number.to_string()).collect();
            // Those of an earlier day are rows again, and those that were new on it may be gone.
            server.sql(&format!("DELETE FROM {TABLE} WHERE id IN ({})", gone.join(", ")));
        }
        assert_eq!(&product.checksum(), checksum, "{name}: a merge");
    }
}

fn run(what: &str, command: Command) {
    let Measured { seconds, cpu_seconds, peak_mb, .. } = measured(command, None);
    eprintln!("{what}: {seconds:.2} s, {cpu_seconds:.2} s of processor, {peak_mb} MB");
}

/// MongoDB has no SQL; what is written there is not checked here.
pub(crate) fn can_check(kind: Kind) -> bool {
    kind != Kind::Mongodb
}
