//! Faults between hydrant and the store.

use super::{Wired, first_day, once_tried_again, second_day, side_by_side, unavailable};
use crate::proxy::{Direction::*, Fault, Rule};
use hydrant::{
    config::Location,
    object_storage,
    secret::Secret,
    store::{Commit, SyncStore},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Two days of a sync, each under the fault; both succeed.
fn rides_out(name: &str, rule: &Rule) {
    let wired = Wired::new();
    for day in [first_day(), second_day()] {
        wired.project.items(&day);
        let hits = wired.s3.hits();
        wired.s3.inject(rule.clone());
        let ran = wired.project.run(&["run"]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.all());
        assert!(wired.s3.hits() > hits, "{name} has struck");
        wired.s3.heal();
        wired.assert_equal(&day);
    }
}

/// Leases, parts, the two manifests: of each the object is there, and hydrant does not know it. To take its own lease or
/// manifest for another process's would end the run.
#[test]
fn a_put_that_does_not_arrive_or_whose_answer_is_lost_is_made_good() {
    let cases = [
        ("a cut before the put", Rule::at(Fault::Cut, Up, "PUT ").every(2)),
        ("a reset instead of the put", Rule::at(Fault::Reset, Up, "PUT ").every(2)),
        ("a lost answer", Rule::at(Fault::LostAnswer, Up, "PUT ").every(2)),
        ("a cut in the answer", Rule::at(Fault::Cut, Down, "Etag: ").every(2)),
        ("a reset in the answer", Rule::at(Fault::Reset, Down, "Etag: ").every(2)),
    ];
    side_by_side(cases, |(name, rule)| rides_out(name, &rule));
}

#[test]
fn a_listing_or_an_object_that_breaks_off_is_read_again() {
    let cases = [
        ("a cut of what is asked", Rule::at(Fault::Cut, Up, "GET ").every(2)),
        ("a cut in a listing", Rule::at(Fault::Cut, Down, "</ListBucketResult>").every(2)),
        ("a reset in a listing", Rule::at(Fault::Reset, Down, "</ListBucketResult>").every(2)),
        ("a cut in a Parquet file or a manifest", Rule::after(Fault::Cut, Down, 3_000).times(6)),
        ("an end of what the server says", Rule::after(Fault::HalfClose, Down, 3_000).times(6)),
    ];
    side_by_side(cases, |(name, rule)| rides_out(name, &rule));
}

#[test]
fn a_store_that_falls_silent_for_one_request_is_asked_again() {
    let cases = [
        ("silence at a put", Rule::at(Fault::Silence, Up, "PUT ").times(2)),
        ("silence in an upload", Rule::after(Fault::Silence, Up, 50_000)),
        ("silence in an answer", Rule::at(Fault::Silence, Down, "</ListBucketResult>")),
    ];
    side_by_side(cases, |(name, rule)| rides_out(name, &rule));
}

#[test]
fn a_store_that_is_gone_for_seconds_is_waited_for() {
    let wired = Wired::new();
    wired.s3.refuse(true);
    let ran = once_tried_again(&wired.project, || wired.s3.refuse(false));
    assert_eq!(ran.code, 0, "{}", ran.all());
    wired.assert_equal(&first_day());
}

/// At the start, at either commit point, and while the export is uploaded; for good or by losing every answer.
///
/// Contract: C12
#[test]
fn what_lasts_ends_the_run_in_time_and_the_next_one_goes_on() {
    #[derive(Clone, Copy)]
    enum At {
        Start,
        Lease,
        Part,
        Sealed,
        Published,
    }
    let faults = [Fault::Cut, Fault::LostAnswer, Fault::Silence];
    let places = [At::Start, At::Lease, At::Part, At::Sealed, At::Published];
    let cases = places.iter().flat_map(|at| faults.iter().map(move |fault| (*at, *fault)));
    side_by_side(cases, |(at, fault)| {
        let wired = Wired::new();
        wired.project.ok(&["run"]);
        wired.project.items(&second_day());
        let folder = format!("/{}/items", wired.folder);
        let text = match at {
            At::Start => "GET ".to_owned(),
            At::Lease => format!("PUT {folder}/leases/"),
            At::Part => format!("PUT {folder}/runs/00000002/export/"),
            At::Sealed => format!("PUT {folder}/manifests/00000002.sealed.json"),
            At::Published => format!("PUT {folder}/manifests/00000002.published.json"),
        };
        wired.s3.inject(Rule::at(fault, Up, &text).always());
        let begun = Instant::now();
        let ran = wired.project.run(&["run"]);
        let took = begun.elapsed();
        let object = text.rsplit_once("items/").map_or("items/leases", |(_, object)| object);
        unavailable(&ran, &[object]);
        assert!(took < Duration::from_secs(60), "{text}: {took:?}");
        wired.s3.heal();
        wired.project.ok(&["run"]);
        wired.assert_equal(&second_day());
    });
}

/// Amazon's S3 answers so while another put of the same name is under way: neither is there yet.
#[tokio::test]
async fn a_put_that_is_refused_for_another_that_never_comes_is_made_again() {
    let (asked, server) = (Arc::new(Mutex::new(Vec::new())), TcpListener::bind("127.0.0.1:0").unwrap());
    let endpoint = format!("http://{}", server.local_addr().unwrap());
    thread::spawn({
        let asked = asked.clone();
        move || {
            for stream in server.incoming() {
                answer_undecided(stream.unwrap(), &asked);
            }
        }
    });
    let options = [
        ("endpoint", endpoint.as_str()),
        ("access_key_id", "test"),
        ("secret_access_key", "test"),
        ("region", "us-east-1"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), Secret::new(value))).into_iter().collect();
    let storage = object_storage::connect(&Location::Url("s3://bucket/a".into()), &options).unwrap();
    let store = SyncStore::new(storage.store, &storage.root, "items");
    let path = store.names().manifest(1, Commit::Sealed);
    store.create(&path, &serde_json::json!({ "format": 1 })).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["PUT", "GET", "PUT"]);
}

/// Conflict, then nothing there, then well.
fn answer_undecided(stream: TcpStream, asked: &Mutex<Vec<String>>) {
    let (mut head, mut length) = (BufReader::new(&stream), 0);
    let mut line = String::new();
    let mut method = String::new();
    while line != "\r\n" {
        line.clear();
        head.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if method.is_empty() {
            method = line.split(' ').next().unwrap_or_default().to_owned();
        }
    }
    head.read_exact(&mut vec![0; length]).unwrap();
    let mut asked = asked.lock().unwrap();
    asked.push(method);
    let status = match asked.len() {
        1 => "409 Conflict",
        2 => "404 Not Found",
        _ => "200 OK\r\netag: \"a\"",
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    (&stream).write_all(answer.as_bytes()).unwrap();
}

/// Contract: C2
#[test]
fn a_process_killed_while_it_uploads_loses_and_doubles_nothing() {
    let wired = Wired::new();
    wired.project.ok(&["run"]);
    wired.project.items(&second_day());
    // In the middle of the export: everything before it is small.
    wired.s3.inject(Rule::after(Fault::Silence, Up, 50_000));
    let mut child = wired.project.start(&["run"]);
    wired.s3.await_hits(1);
    child.kill().expect("SIGKILL");
    child.wait().expect("it ends");
    wired.s3.heal();
    let report = wired.project.report();
    assert!(report["rolled_forward"].is_null(), "nothing was sealed: {report}");
    wired.assert_equal(&second_day());
}
