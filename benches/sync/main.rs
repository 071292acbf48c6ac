//! The whole of a run, against what people would do without hydrant: `cargo bench --bench sync`.
//!
//! It starts durable servers of its own, makes its rows, and compares, in turns and from the same state, hydrant with what the
//! database's own tools and a hand-written merge do with the same rows. After each of them the table is compared with the
//! model. `--small` is the same with few rows, as `./test` does it; `--help` tells of the rest.
//!
//! hydrant and the others are processes of their own, which are measured from outside: wall and processor time, the peak of
//! resident memory, the server's processor time, and what it wrote to its logs.

// A bench prints what it measured, and ends where something is wrong.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]

mod application;
mod beside;
mod day;
mod duckdb;
mod files;
mod hydrant;
mod interrupted;
mod machine;
mod measured;
mod mix;
mod model;
mod options;
mod peers;
mod plain_loop;
mod processes;
mod products;
mod report;
mod results;
mod servers;
mod works;

use clap::Parser;
use machine::Machine;
use model::Shape;
use options::{Options, Work};
use peers::Peer;
use report::Style;
use results::Results;
use servers::Server;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use works::{Bench, Beside};

/// How much of the table changes where other tools are compared, and while the application works on it.
const COMPARED_PERCENT: f64 = 1.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, from, to] = arguments.as_slice()
        && mode == works::PLAIN_LOOP
    {
        return plain_loop::rewrite(Path::new(from), Path::new(to));
    }
    if arguments.get(1).is_some_and(|mode| mode == application::ARGUMENT) {
        return application::serve().expect("the application");
    }
    if let [_, mode, rest @ ..] = arguments.as_slice()
        && mode == products::bulk::ARGUMENT
    {
        return products::bulk::run(rest);
    }
    let options = Options::parse();
    let folder = options.folder();
    // Postgres does not run as root, and passes through.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    let at = folder.path().join("server");
    interrupted::watch(folder.path().to_owned(), at.clone());
    let asked_for_peers = options.wants(Work::Peers) || options.wants(Work::Beside);
    let peers = if asked_for_peers { peers::chosen(&options.peers) } else { Vec::new() };
    let mut results = Results::new(&options, Machine::here(folder.path()));
    for target in &options.target {
        let server = Server::start(*target, &at);
        results.servers.push(server.version());
        for shape in &options.shape {
            let work = folder.path().join(format!("{}-{}", target.name(), shape.name()));
            fs::create_dir(&work).expect("a folder");
            works(&options, &server, &peers, *shape, &work, &mut results);
            fs::remove_dir_all(&work).expect("our own folder");
        }
    }
    results.show(if options.markdown { Style::Markdown } else { Style::Terminal });
    results.complete();
}

fn works(
    options: &Options,
    server: &Server,
    peers: &[Box<dyn Peer>],
    shape: Shape,
    folder: &Path,
    results: &mut Results,
) {
    for rows in options.rows() {
        if !options.wants_rows() {
            break;
        }
        let bench = Bench::new(server, shape, rows, options.rounds(), &options.sync, folder);
        if options.compares() {
            bench.prepare();
        }
        let (hydrant, first) = bench.first_load(options.wants(Work::FirstLoad) && options.compares());
        if options.wants(Work::FirstLoad) {
            results.add(first);
        }
        if options.wants(Work::NoChange) {
            results.add(bench.no_change(&hydrant, options.compares()));
        }
        if options.wants(Work::Changed) || options.wants(Work::Apply) {
            for percent in options.changed() {
                results.add(bench.changed(&hydrant, percent, options.wants(Work::Apply)));
            }
        }
        if options.wants(Work::Peers) {
            if shape == Shape::Standard && peers::check::can_check(server.kind) {
                peers::check::check(server, folder, peers);
            }
            results.add(bench.peers(peers, COMPARED_PERCENT));
        }
    }
    if options.wants(Work::Beside) {
        let memory = options.folder_in_memory();
        let bench = Bench::new(server, shape, options.rows_beside(), 1, &options.sync, memory.path());
        bench.prepare();
        let (hydrant, _) = bench.first_load(false);
        application::check::check(server);
        let beside = Beside { percent: COMPARED_PERCENT, idle: options.idle(), rounds: options.rounds() };
        results.add(bench.beside(&hydrant, beside));
        results.add(bench.peers_beside(peers, beside));
    }
}
