//! The proxy does what the other tests take for granted.

use crate::proxy::{Direction::*, Fault, Proxy, Rule};
use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// A server that sends back what it gets, and tells what it got until the end of each connection.
fn echo() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    all.extend_from_slice(&buffer[..length]);
                    if stream.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                }
                // The test may have ended.
                let _ = tell.send(all);
            });
        }
    });
    (address, told)
}

fn client(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

/// Sends and reads until the end.
fn exchange(proxy: &Proxy, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut client = client(proxy);
    client.write_all(text)?;
    // Where the connection ends first, reading tells how.
    let _ = client.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).map(|_| answer)
}

#[test]
fn without_faults_everything_passes_and_is_counted() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    let long = vec![7; 300_000];
    assert_eq!(exchange(&proxy, &long).unwrap(), long);
    assert_eq!(exchange(&proxy, b"again").unwrap(), b"again");
    assert_eq!((proxy.connections(), proxy.hits()), (2, 0));
    assert_eq!((proxy.bytes(Up), proxy.bytes(Down)), (300_005, 300_005));
}

#[test]
fn a_cut_comes_after_so_many_bytes_of_the_chosen_connection_and_direction() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    proxy.inject(Rule::after(Fault::Cut, Up, 100_000).on(1..2));
    let long = vec![7; 300_000];
    assert_eq!(exchange(&proxy, &long).unwrap().len(), 300_000);
    assert!(exchange(&proxy, &long).map_or(true, |answer| answer.len() <= 100_000));
    assert_eq!((proxy.bytes(Up), proxy.hits()), (400_000, 1));
    proxy.inject(Rule::after(Fault::Cut, Down, 10));
    assert!(exchange(&proxy, &long).map_or(true, |answer| answer.len() <= 10));
    assert_eq!(exchange(&proxy, &long).unwrap().len(), 300_000, "a rule strikes once");
    assert_eq!(proxy.hits(), 2);
}

#[test]
fn a_reset_is_seen_as_one() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    proxy.inject(Rule::at(Fault::Reset, Up, "now"));
    let error = exchange(&proxy, b"here and now").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(proxy.bytes(Up), 9, "what stands before the text has passed");
}

#[test]
fn an_answer_is_lost_although_the_server_got_everything() {
    let (server, told) = echo();
    let proxy = Proxy::before(&server);
    proxy.inject(Rule::at(Fault::LostAnswer, Up, "COMMIT"));
    let mut client = client(&proxy);
    client.write_all(b"BEGIN").unwrap();
    let mut begun = [0; 5];
    client.read_exact(&mut begun).unwrap();
    // The text lies across two chunks.
    client.write_all(b"COM").unwrap();
    client.read_exact(&mut begun[..3]).unwrap();
    client.write_all(b"MIT").unwrap();
    assert_eq!(client.read(&mut begun).unwrap(), 0, "the connection ends");
    assert_eq!(told.recv().unwrap(), b"BEGINCOMMIT");
}

#[test]
fn a_half_close_ends_one_direction_only() {
    let (server, told) = echo();
    let proxy = Proxy::before(&server);
    proxy.inject(Rule::after(Fault::HalfClose, Up, 4));
    let mut client = client(&proxy);
    client.write_all(b"half and more").unwrap();
    let mut answer = Vec::new();
    // The server answers what it got, and ends then.
    client.read_to_end(&mut answer).unwrap();
    assert_eq!((answer.as_slice(), told.recv().unwrap().as_slice()), (&b"half"[..], &b"half"[..]));
}

#[test]
fn a_black_hole_takes_everything_says_nothing_and_closes_nothing() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    proxy.inject(Rule::after(Fault::Silence, Up, 0).always());
    let mut lost = client(&proxy);
    lost.write_all(&vec![7; 10_000_000]).unwrap();
    lost.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(lost.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.heal();
    assert_eq!(exchange(&proxy, b"well").unwrap(), b"well", "a new connection is well");
    assert_eq!(lost.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock, "an old one is not");
}

#[test]
fn a_server_that_refuses_comes_back_on_the_same_port_and_connections_are_struck_on_command() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    let mut client = client(&proxy);
    proxy.refuse(true);
    let refused = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.write_all(b"still here").unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    proxy.strike(Fault::Cut);
    assert_eq!(client.read(&mut [0; 10]).unwrap_or(0), 0);
    proxy.heal();
    assert_eq!(exchange(&proxy, b"back").unwrap(), b"back");
}

#[test]
fn a_slow_line_takes_its_time() {
    let (server, _told) = echo();
    let proxy = Proxy::before(&server);
    proxy.slow(Duration::from_millis(50), Some(1_000_000));
    let begun = Instant::now();
    assert_eq!(exchange(&proxy, &[7; 100_000]).unwrap().len(), 100_000);
    // 50 ms there and back, and 0.1 s for the bytes.
    assert!(begun.elapsed() > Duration::from_millis(200), "{:?}", begun.elapsed());
}
