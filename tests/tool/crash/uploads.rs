//! Killed in the middle of a write to the store.

use super::{
    order::{End, Order},
    world::{Churn, Place, World, s3},
};
use crate::harness::{Project, Ran, required, signal};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::process::ExitStatusExt,
    sync::mpsc::{Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// Every kind of object that a run writes, by a part of its name. The manifests are those of the run under test: it is the
/// second one, or the third after one that was killed.
const OBJECTS: [&str; 7] = [
    "leases/0",
    "export/part-00000",
    "index/bucket-0000",
    "changes/inserts",
    "changes/deletes-00000",
    "sealed.json",
    "published.json",
];

/// Contract: C2
#[test]
fn half_of_an_object_is_in_the_folder() {
    let worlds = [
        World::new(Project::sqlite(), Place::Folder, 21),
        World::new(Project::postgres(), Place::Folder, 21),
        World::new(Project::sqlite(), Place::Folder, 24).keeping_changes(),
    ];
    for mut world in worlds {
        world.begin(300);
        world.run("before any kill");
        for object in OBJECTS {
            let before = world.rows().clone();
            let wanted = world.changed(Churn::LIGHT);
            world.set(wanted);
            let end = End::HalfPut { name: object.to_owned() };
            world.killed(&Order::run(&world.name(), end));
            let now = world.moved_on(&before);
            world.set(now);
            world.run(object);
        }
    }
}

/// Contract: C2
#[test]
fn half_of_an_object_is_on_its_way_to_s3() {
    for project in [Project::sqlite(), Project::postgres()] {
        let mut world = World::new(project, Place::S3, 22);
        let direct = s3(&required("HYDRANT_TEST_S3"));
        world.store_at(direct.clone());
        world.begin(300);
        world.run("before any kill");
        for object in OBJECTS {
            let before = world.rows().clone();
            let wanted = world.changed(Churn::LIGHT);
            world.set(wanted);
            let (send, halfway) = channel();
            let endpoint = halting_at(object, send);
            world.store_at(direct.replace(&required("HYDRANT_TEST_S3"), &endpoint));
            let mut child = world.start(&Order::run(&world.name(), End::Natural));
            let stuck = halfway.recv_timeout(Duration::from_secs(60));
            child.kill().expect("SIGKILL");
            let ended = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            let stuck = stuck.unwrap_or_else(|_| panic!("{object} was never written: {said}"));
            assert_eq!(ended.status.signal(), Some(9), "{object}: {said}");
            // Now the store sees the end of the connection, in the middle of the object.
            stuck.shutdown(Shutdown::Both).expect("a connection");
            world.store_at(direct.clone());
            let now = world.moved_on(&before);
            world.set(now);
            world.run(object);
        }
    }
}

/// Before the seal nothing is worth waiting for.
///
/// Contract: C11
#[test]
fn that_does_not_end_is_not_waited_for_by_one_who_is_asked_to_stop() {
    for object in ["export/part-00000", "index/bucket-0000"] {
        let mut world = World::new(Project::sqlite(), Place::S3, 23);
        world.begin(300);
        let (send, halfway) = channel();
        let direct = s3(&required("HYDRANT_TEST_S3"));
        world.store_at(direct.replace(&required("HYDRANT_TEST_S3"), &halting_at(object, send)));
        let child = world.project.start(&["run"]);
        let stuck = halfway.recv_timeout(Duration::from_secs(60)).expect("half of the object");
        let asked = Instant::now();
        signal(&child, "TERM");
        let ended = Ran::of(&child.wait_with_output().expect("it ends"));
        assert_eq!(ended.code, 6, "{object}: {}", ended.all());
        // An upload that gets no answer is tried again for half a minute.
        assert!(asked.elapsed() < Duration::from_secs(20), "{object}: {:?}", asked.elapsed());
        stuck.shutdown(Shutdown::Both).expect("a connection");
        world.store_at(direct);
        world.run(object);
    }
}

/// A way to the S3 store on which half of the named object gets through, and then nothing more. Says so when it has, by
/// handing out the connection to the store. Returns its own address.
fn halting_at(object: &'static str, halfway: Sender<TcpStream>) -> String {
    let store = required("HYDRANT_TEST_S3").trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            let server = TcpStream::connect(&store).expect("the S3 store");
            let (mut answers, mut to_client) =
                (server.try_clone().expect("a socket"), client.try_clone().expect("a socket"));
            thread::spawn(move || {
                // Either end may go at any time; then this connection is over.
                let _ = std::io::copy(&mut answers, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
            let halfway = halfway.clone();
            thread::spawn(move || forward(client, server, object, &halfway));
        }
    });
    format!("http://{address}")
}

/// Passes requests on, up to the middle of the one that writes the object.
fn forward(mut client: TcpStream, mut server: TcpStream, object: &str, halfway: &Sender<TcpStream>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = client.read(&mut buffer) else {
            let _ = server.shutdown(Shutdown::Both);
            return;
        };
        let chunk = &buffer[..read];
        let head = String::from_utf8_lossy(&chunk[..read.min(2048)]).into_owned();
        let line = head.lines().next().unwrap_or_default();
        if line.starts_with("PUT ") && line.contains(object) {
            // The head and a part of the body, if it came with it; the store waits for the rest.
            let body = head.find("\r\n\r\n").map_or(read, |at| at + 4);
            let _ = server.write_all(&chunk[..body + (read - body) / 2]);
            let _ = server.flush();
            let _ = halfway.send(server.try_clone().expect("a socket"));
            // The child waits for an answer until it is killed.
            let _ = client.read(&mut buffer);
            return;
        }
        if server.write_all(chunk).is_err() {
            return;
        }
    }
}
