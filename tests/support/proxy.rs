//! A TCP proxy that does to connections what networks do: it slows them down, breaks them, and keeps silent.
//!
//! It knows no protocol. Faults are chosen by connection, by direction, by the number of bytes that have passed or by bytes
//! that are about to pass, and can be changed while it runs. Each direction of a connection has a thread, so there can be
//! dozens of connections and not thousands.

use socket2::{Domain, SockRef, Socket, Type};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How soon a thread that waits for bytes notices that something else was decided.
const TICK: Duration = Duration::from_millis(10);
const CHUNK: usize = 64 << 10;
/// So many bytes of the last chunk are looked at again, for texts that lie across two.
const TAIL: usize = 256;
/// Until the client of a [`Fault::LostAnswer`] is cut off, its answer has surely left the server.
const ANSWERED: Duration = Duration::from_millis(20);

/// The way that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What befalls a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both sides see an orderly end, in the middle of whatever they were doing.
    Cut,
    /// Both sides see a reset.
    Reset,
    /// The receiver of this direction sees its end; the other direction goes on.
    HalfClose,
    /// Everything is taken and nothing is passed on, either way, and nothing is closed: a black hole.
    Silence,
    /// The server gets everything; of what it answers, the client gets nothing, and then both are cut off.
    LostAnswer,
}

/// When a fault strikes.
#[derive(Clone, Debug)]
enum Trigger {
    /// So many bytes have passed on the connection this way. Zero: as soon as the first arrives.
    After(Direction, u64),
    /// These bytes are about to pass this way. They do not pass, unless it is the answer that is lost.
    Seen(Direction, Vec<u8>),
}

/// A fault, when it strikes and how often.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    fault: Fault,
    trigger: Trigger,
    connections: Range<usize>,
    times: usize,
    every: usize,
    met: usize,
}

impl Rule {
    /// Strikes when so many bytes have passed this way on a connection.
    pub(crate) fn after(fault: Fault, direction: Direction, bytes: u64) -> Self {
        Self::new(fault, Trigger::After(direction, bytes))
    }

    /// Strikes when this text is about to pass this way.
    pub(crate) fn at(fault: Fault, direction: Direction, text: &str) -> Self {
        Self::new(fault, Trigger::Seen(direction, text.as_bytes().to_vec()))
    }

    fn new(fault: Fault, trigger: Trigger) -> Self {
        Self { fault, trigger, connections: 0..usize::MAX, times: 1, every: 1, met: 0 }
    }

    /// Only on the connections with these numbers, counted from 0.
    pub(crate) fn on(self, connections: Range<usize>) -> Self {
        Self { connections, ..self }
    }

    /// Strikes so often; once if nothing is said.
    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Strikes the first time, and then again and again after it was let pass so often less one: whoever tries everything
    /// twice gets through.
    pub(crate) fn every(self, every: usize) -> Self {
        Self { every, times: usize::MAX, ..self }
    }

    /// Strikes every time.
    pub(crate) fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// How many bytes of the chunk still pass, if it strikes.
    fn strikes(&self, direction: Direction, passed: u64, tail: &[u8], chunk: &[u8]) -> Option<usize> {
        match &self.trigger {
            Trigger::After(way, bytes) if *way == direction && passed + chunk.len() as u64 >= *bytes => {
                Some(usize::try_from(bytes.saturating_sub(passed)).unwrap_or(0))
            }
            Trigger::Seen(way, text) if *way == direction => {
                let seen = [tail, chunk].concat();
                let at = seen.windows(text.len()).position(|window| window == text)?;
                // What lies in the tail alone was seen before.
                (at + text.len() > tail.len()).then(|| at.saturating_sub(tail.len()))
            }
            Trigger::After(..) | Trigger::Seen(..) => None,
        }
    }
}

/// The proxy. Its end is the end of all its connections.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    links: Mutex<Vec<Weak<Link>>>,
    latency_us: AtomicU64,
    /// 0: unlimited.
    bytes_per_second: AtomicU64,
    refusing: AtomicBool,
    stop: AtomicBool,
    connections: AtomicUsize,
    hits: AtomicUsize,
    bytes: [AtomicU64; 2],
}

/// One connection: a socket on each side.
struct Link {
    number: usize,
    client: TcpStream,
    server: TcpStream,
    ended: AtomicBool,
    silent: AtomicBool,
    swallowing: AtomicBool,
}

impl Proxy {
    /// A proxy on a port of its own in front of a server, without faults.
    pub(crate) fn before(server: &str) -> Self {
        let shared = Arc::new(Shared {
            server: server.parse().unwrap_or_else(|e| panic!("{server} is no address and port: {e}")),
            rules: Mutex::default(),
            links: Mutex::default(),
            latency_us: AtomicU64::new(0),
            bytes_per_second: AtomicU64::new(0),
            refusing: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            hits: AtomicUsize::new(0),
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
        });
        let kept = bound(0);
        let listener = listening(port(&kept));
        let address = listener.local_addr().expect("an address");
        let accepting = thread::spawn({
            let shared = shared.clone();
            move || accept(&shared, listener, &kept)
        });
        Self { shared, address, accepting: Some(accepting) }
    }

    /// Host and port for the client.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a fault.
    pub(crate) fn inject(&self, rule: Rule) -> &Self {
        lock(&self.shared.rules).push(rule);
        self
    }

    /// From now on no fault strikes, and connections are accepted. A connection that was struck stays as it is.
    pub(crate) fn heal(&self) {
        lock(&self.shared.rules).clear();
        self.slow(Duration::ZERO, None);
        self.refuse(false);
    }

    /// Every chunk of up to 64 KiB comes later by this, and all of a direction's bytes no faster than this.
    pub(crate) fn slow(&self, latency: Duration, bytes_per_second: Option<u64>) {
        self.shared.latency_us.store(u64::try_from(latency.as_micros()).expect("a short time"), SeqCst);
        self.shared.bytes_per_second.store(bytes_per_second.unwrap_or(0), SeqCst);
    }

    /// Whether new connections are refused, as by a machine on which no server runs.
    pub(crate) fn refuse(&self, refuse: bool) {
        if self.shared.refusing.swap(refuse, SeqCst) == refuse {
            return;
        }
        // The accepting thread has changed its socket when a connection goes as it shall.
        let begun = Instant::now();
        while TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).is_err() != refuse {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the proxy accepts or refuses as it did before"
            );
            thread::sleep(TICK);
        }
    }

    /// Strikes all connections that there are, now.
    pub(crate) fn strike(&self, fault: Fault) {
        for link in lock(&self.shared.links).iter().filter_map(Weak::upgrade) {
            link.suffer(fault, Direction::Up);
        }
    }

    /// Connections that were accepted until now.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// Bytes that were passed on this way until now, on all connections.
    pub(crate) fn bytes(&self, direction: Direction) -> u64 {
        self.shared.bytes[direction as usize].load(SeqCst)
    }

    /// How often a fault has struck.
    pub(crate) fn hits(&self) -> usize {
        self.shared.hits.load(SeqCst)
    }

    /// Waits until faults have struck so often.
    pub(crate) fn await_hits(&self, hits: usize) {
        let begun = Instant::now();
        while self.hits() < hits {
            assert!(begun.elapsed() < Duration::from_secs(60), "{} of {hits} faults struck", self.hits());
            thread::sleep(TICK);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.strike(Fault::Cut);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().expect("the proxy does not panic");
        }
    }
}

/// A socket on a port, or on any, that does not listen.
fn bound(port: u16) -> Socket {
    let bind = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
        std::io::Result::Ok(socket)
    };
    bind().expect("a port of this machine")
}

fn port(socket: &Socket) -> u16 {
    socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port()
}

/// A socket that takes connections on a port that a [`bound`] one keeps.
fn listening(port: u16) -> TcpListener {
    let socket = bound(port);
    socket.listen(128).and_then(|()| socket.set_nonblocking(true)).expect("the port is ours");
    socket.into()
}

/// Takes connections on the port that is kept, or refuses them. The port is kept all the time: otherwise somebody else may get it
/// between two sockets.
fn accept(shared: &Arc<Shared>, listener: TcpListener, kept: &Socket) {
    let mut listener = Some(listener);
    while !shared.stop.load(SeqCst) {
        match (shared.refusing.load(SeqCst), listener.is_some()) {
            (true, true) => {
                // Who has connected already is let in.
                while let Some(Ok((client, _))) = listener.as_ref().map(TcpListener::accept) {
                    connect(shared, client);
                }
                listener = None;
            }
            (false, false) => listener = Some(listening(port(kept))),
            _ => {}
        }
        match listener.as_ref().map(TcpListener::accept) {
            Some(Ok((client, _))) => connect(shared, client),
            _ => thread::sleep(TICK / 5),
        }
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream) {
    let number = shared.connections.fetch_add(1, SeqCst);
    // Where there is no server, the client sees that its connection ends at once.
    let Ok(server) = TcpStream::connect(shared.server) else { return };
    for side in [&client, &server] {
        let set = side
            .set_nonblocking(false)
            .and_then(|()| side.set_nodelay(true))
            .and_then(|()| side.set_read_timeout(Some(TICK)))
            .and_then(|()| side.set_write_timeout(Some(TICK)));
        set.expect("options of a socket");
    }
    let flag = || AtomicBool::new(false);
    let link = Arc::new(Link { number, client, server, ended: flag(), silent: flag(), swallowing: flag() });
    let mut links = lock(&shared.links);
    links.retain(|link| link.strong_count() > 0);
    links.push(Arc::downgrade(&link));
    for direction in [Direction::Up, Direction::Down] {
        let (shared, link) = (shared.clone(), link.clone());
        thread::spawn(move || pump(&shared, &link, direction));
    }
}

impl Link {
    /// Where bytes of this direction come from, and where they go.
    fn sides(&self, direction: Direction) -> (&TcpStream, &TcpStream) {
        match direction {
            Direction::Up => (&self.client, &self.server),
            Direction::Down => (&self.server, &self.client),
        }
    }

    fn suffer(&self, fault: Fault, direction: Direction) {
        // What ended by a reset must not end by an orderly close as well.
        if self.ended.load(SeqCst) {
            return;
        }
        match fault {
            Fault::Cut => {
                self.ended.store(true, SeqCst);
                for side in [&self.client, &self.server] {
                    // It may have been closed already.
                    let _ = side.shutdown(Shutdown::Both);
                }
            }
            Fault::Reset => {
                for side in [&self.client, &self.server] {
                    // Without lingering, the close that follows when both threads have ended is a reset.
                    SockRef::from(side).set_linger(Some(Duration::ZERO)).expect("an option of a socket");
                }
                self.ended.store(true, SeqCst);
            }
            Fault::HalfClose => drop(self.sides(direction).1.shutdown(Shutdown::Write)),
            Fault::Silence => self.silent.store(true, SeqCst),
            Fault::LostAnswer => self.swallowing.store(true, SeqCst),
        }
    }

    /// Writes all of it, unless the connection ends meanwhile.
    fn write(&self, mut to: &TcpStream, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.ended.load(SeqCst) {
                return false;
            }
            match to.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Carries one direction of a connection until it ends.
fn pump(shared: &Shared, link: &Link, direction: Direction) {
    let (mut from, to) = link.sides(direction);
    let mut buffer = vec![0; CHUNK];
    let (mut passed, mut tail) = (0, Vec::new());
    while !link.ended.load(SeqCst) {
        let chunk = match from.read(&mut buffer) {
            Ok(0) if link.silent.load(SeqCst) => return link.suffer(Fault::Cut, direction),
            Ok(0) => return link.suffer(Fault::HalfClose, direction),
            Ok(length) => &buffer[..length],
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return link.suffer(Fault::Cut, direction),
        };
        if link.silent.load(SeqCst) {
            continue;
        }
        if direction == Direction::Down && link.swallowing.load(SeqCst) {
            thread::sleep(ANSWERED);
            return link.suffer(Fault::Cut, direction);
        }
        let struck = shared.struck(link, direction, passed, &tail, chunk);
        let passing = match struck {
            Some((Fault::LostAnswer, _)) | None => chunk.len(),
            Some((_, passing)) => passing,
        };
        // Before the bytes are on their way, so that the answer to them is surely swallowed.
        if let Some((Fault::LostAnswer, _)) = struck {
            link.suffer(Fault::LostAnswer, direction);
        }
        shared.dawdle(passing);
        if !link.write(to, &chunk[..passing]) {
            return link.suffer(Fault::Cut, direction);
        }
        passed += passing as u64;
        shared.bytes[direction as usize].fetch_add(passing as u64, SeqCst);
        tail.extend_from_slice(&chunk[..passing]);
        tail.drain(..tail.len().saturating_sub(TAIL));
        if struck.is_some() {
            shared.hits.fetch_add(1, SeqCst);
        }
        if let Some((fault, _)) = struck.filter(|(fault, _)| *fault != Fault::LostAnswer) {
            link.suffer(fault, direction);
        }
        if let Some((Fault::HalfClose, _)) = struck {
            return;
        }
    }
}

impl Shared {
    /// The fault that strikes now, and how many bytes of the chunk still pass.
    fn struck(
        &self,
        link: &Link,
        direction: Direction,
        passed: u64,
        tail: &[u8],
        chunk: &[u8],
    ) -> Option<(Fault, usize)> {
        let mut rules = lock(&self.rules);
        // What a connection that has ended still carried must not use up a rule that is meant for the next.
        if link.ended.load(SeqCst) {
            return None;
        }
        let here = |rule: &&mut Rule| rule.times > 0 && rule.connections.contains(&link.number);
        rules.iter_mut().filter(here).find_map(|rule| {
            let passing = rule.strikes(direction, passed, tail, chunk)?;
            rule.met += 1;
            if (rule.met - 1) % rule.every > 0 {
                return None;
            }
            rule.times -= 1;
            Some((rule.fault, passing))
        })
    }

    fn dawdle(&self, bytes: usize) {
        let mut wait = Duration::from_micros(self.latency_us.load(SeqCst));
        if let Some(micros) = (bytes as u64 * 1_000_000).checked_div(self.bytes_per_second.load(SeqCst)) {
            wait += Duration::from_micros(micros);
        }
        if !wait.is_zero() {
            thread::sleep(wait);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
