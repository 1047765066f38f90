//! A proxy before a server that counts what is said through it, and breaks it off at a chosen place.
//!
//! An *exchange* is all that a client asks up to a `Sync`, a simple query or the start of its session, and the answer up to
//! `ReadyForQuery`. They are numbered from 1 over all connections, so that a [`Fault`] meets the same one in each repetition
//! of a run that goes its way step by step. Requests to cancel a statement pass.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::frames::{Asked, Frames, Message};

/// How long something late is kept back at most, while nothing else is said.
const LATEST: Duration = Duration::from_millis(200);

/// How long a server may take to hang up.
const HANGING_UP: Duration = Duration::from_secs(2);

/// Where an exchange is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing of it reaches the server.
    Unheard,
    /// All but its last message reaches the server, which does what it was asked and then finds itself alone.
    WithoutSync,
    /// The server has answered, the client hears nothing.
    Unanswered,
    /// The client hears the answer but for its last message.
    HalfAnswered,
    /// The client is cut off at once, while the server is at work on it, to the end.
    Orphaned,
    /// The client is cut off, and the server hears of it only when so many further exchanges have begun.
    Late(usize),
    /// Nobody is cut off; the answer takes long.
    Slow(Duration),
}

/// What is broken off, and what happens besides.
pub struct Fault {
    /// The number of the exchange.
    pub exchange: usize,
    /// Where in it.
    pub kind: Kind,
    /// What is done at that moment, such as killing somebody.
    pub deed: Option<Box<dyn FnOnce() + Send>>,
}

/// What was said since the faults were set.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// What each exchange was about.
    pub exchanges: Vec<String>,
    /// The faults that came to pass.
    pub faults: Vec<(usize, Kind)>,
}

/// A running proxy.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    has_ended: AtomicBool,
    state: Mutex<State>,
    /// Something was said.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    account: Account,
    faults: Vec<Fault>,
}

impl Proxy {
    /// Listens on a free port of loopback, for a server that listens on another.
    pub fn start(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            has_ended: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.has_ended.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // A client whose server is not there is hung up on.
                let _ = client.and_then(|client| Link::open(shared, client));
            }
        });
        Ok(Self { address, shared })
    }

    /// The URL of a database through it, for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "postgres://{user}@{}/{database}?sslmode=disable",
            self.address
        )
    }

    /// Begins to count anew, with other faults.
    pub fn expect(&self, faults: Vec<Fault>) {
        let account = Account::default();
        *self.shared.lock() = State { account, faults };
    }

    /// What was said since.
    pub fn account(&self) -> Account {
        self.shared.lock().account.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::Relaxed);
        // So that the one who accepts looks up.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an exchange that begins.
    fn begin(&self) -> Exchange {
        let mut state = self.lock();
        state.account.exchanges.push(String::new());
        let number = state.account.exchanges.len();
        let is_it = |fault: &Fault| fault.exchange == number;
        let position = state.faults.iter().position(is_it);
        let fault = position.map(|position| state.faults.swap_remove(position));
        if let Some(fault) = &fault {
            state.account.faults.push((number, fault.kind));
        }
        self.changed.notify_all();
        Exchange {
            number,
            fault,
            is_asked: false,
        }
    }

    fn describe(&self, number: usize, what: &str) {
        let mut state = self.lock();
        // The faults may have been set anew meanwhile.
        if let Some(words) = state.account.exchanges.get_mut(number - 1) {
            let is_new = words.rsplit("; ").next() != Some(what);
            if is_new && !what.is_empty() {
                *words = format!("{words}{}{what}", if words.is_empty() { "" } else { "; " });
            }
        }
    }

    /// Waits until so many exchanges have begun, or nothing is likely to be said any more.
    fn wait_for(&self, exchanges: usize) {
        let is_early = |state: &mut State| state.account.exchanges.len() < exchanges;
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), LATEST, is_early);
        drop(waited);
    }
}

/// What was begun and not answered yet.
struct Exchange {
    number: usize,
    fault: Option<Fault>,
    /// Whether the client has asked everything.
    is_asked: bool,
}

impl Exchange {
    fn kind(&self) -> Option<Kind> {
        self.fault.as_ref().map(|fault| fault.kind)
    }

    /// Whether what the server says is kept back.
    fn is_kept_back(&self) -> bool {
        self.is_asked && matches!(self.kind(), Some(Kind::Unanswered | Kind::HalfAnswered))
    }
}

/// A client and the server's process that works for it.
struct Link {
    shared: Arc<Shared>,
    client: TcpStream,
    server: TcpStream,
    /// Exchanges in their order.
    begun: Mutex<VecDeque<Exchange>>,
    /// Whether the client is cut off, and the server is to come to its end all the same.
    is_orphaned: AtomicBool,
    has_hung_up: (Mutex<bool>, Condvar),
}

impl Link {
    fn open(shared: Arc<Shared>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(shared.server)?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        let link = Arc::new(Self {
            shared,
            client,
            server,
            begun: Mutex::default(),
            is_orphaned: AtomicBool::new(false),
            has_hung_up: Default::default(),
        });
        let answering = Arc::clone(&link);
        std::thread::spawn(move || {
            let _ = answering.pass_answers();
            let _ = answering.client.shutdown(Shutdown::Both);
            *answering
                .has_hung_up
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = true;
            answering.has_hung_up.1.notify_all();
        });
        std::thread::spawn(move || {
            let _ = link.pass_requests();
            if !link.is_orphaned.load(Ordering::Relaxed) {
                let _ = link.server.shutdown(Shutdown::Write);
            }
        });
        Ok(())
    }

    fn begun(&self) -> MutexGuard<'_, VecDeque<Exchange>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_requests(&self) -> io::Result<()> {
        let mut frames = Frames::of_client(&self.client);
        let mut names = HashMap::new();
        // The exchange that is being asked, and what of it was not passed on yet.
        let mut current: Option<(usize, Option<Kind>)> = None;
        let mut unsent = Vec::new();
        while let Some(message) = frames.next()? {
            if message.is_cancel_request() || (message.is_goodbye() && current.is_none()) {
                (&self.server).write_all(&message.bytes)?;
                continue;
            }
            let (number, kind) = *current.get_or_insert_with(|| {
                let exchange = self.shared.begin();
                let begun = (exchange.number, exchange.kind());
                self.begun().push_back(exchange);
                begun
            });
            self.shared.describe(number, &words(&message, &mut names));
            let without_last = unsent.len();
            unsent.extend_from_slice(&message.bytes);
            let is_all = message.asks_for_all();
            if frames.has_more() && !is_all {
                continue;
            }
            match kind {
                Some(Kind::Unheard) => return self.break_off(number),
                Some(Kind::WithoutSync) if is_all => {
                    (&self.server).write_all(unsent.get(..without_last).unwrap_or_default())?;
                    let _ = self.server.shutdown(Shutdown::Write);
                    self.wait_for_hanging_up();
                    return self.break_off(number);
                }
                Some(Kind::Orphaned) if is_all => self.orphan(),
                Some(Kind::Late(further)) if is_all => {
                    self.orphan();
                    self.shared.wait_for(number + further);
                }
                _ => {}
            }
            if is_all {
                let mut begun = self.begun();
                let asked = begun.iter_mut().find(|exchange| exchange.number == number);
                if let Some(exchange) = asked {
                    exchange.is_asked = true;
                }
                current = None;
            }
            (&self.server).write_all(&unsent)?;
            unsent.clear();
        }
        Ok(())
    }

    fn pass_answers(&self) -> io::Result<()> {
        let mut frames = Frames::of_server(&self.server);
        let mut unsent = Vec::new();
        while let Some(message) = frames.next()? {
            let is_ready = message.is_ready();
            let (is_kept_back, exchange) = {
                let mut begun = self.begun();
                let is_kept_back = begun.front().is_some_and(Exchange::is_kept_back);
                let exchange = if is_ready { begun.pop_front() } else { None };
                (is_kept_back, exchange)
            };
            let kind = exchange.as_ref().and_then(Exchange::kind);
            match kind {
                Some(Kind::Unanswered) => unsent.clear(),
                Some(Kind::HalfAnswered) => {}
                _ => unsent.extend_from_slice(&message.bytes),
            }
            let mut exchange = exchange;
            if let Some(Kind::Slow(pause)) = kind {
                let fault = exchange.as_mut().and_then(|exchange| exchange.fault.take());
                if let Some(deed) = fault.and_then(|fault| fault.deed) {
                    deed();
                }
                std::thread::sleep(pause);
            }
            let is_over = matches!(kind, Some(Kind::Unanswered | Kind::HalfAnswered));
            if is_over || (!is_kept_back && !frames.has_more()) {
                let sent = (&self.client).write_all(&unsent);
                unsent.clear();
                if !self.is_orphaned.load(Ordering::Relaxed) {
                    sent?;
                }
            }
            if is_over {
                return self.act(exchange.and_then(|exchange| exchange.fault));
            }
            if is_ready && self.is_orphaned.load(Ordering::Relaxed) {
                let _ = self.server.shutdown(Shutdown::Both);
            }
        }
        Ok(())
    }

    /// Cuts the client off, and lets the server come to its end.
    fn orphan(&self) {
        self.is_orphaned.store(true, Ordering::Relaxed);
        let _ = self.client.shutdown(Shutdown::Both);
    }

    /// Ends an exchange before it is answered.
    fn break_off(&self, number: usize) -> io::Result<()> {
        let mut begun = self.begun();
        let exchange = begun.iter_mut().find(|exchange| exchange.number == number);
        let fault = exchange.and_then(|exchange| exchange.fault.take());
        drop(begun);
        self.act(fault)
    }

    /// Does what a fault is for, and cuts both sides off.
    fn act(&self, fault: Option<Fault>) -> io::Result<()> {
        if let Some(deed) = fault.and_then(|fault| fault.deed) {
            deed();
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Write);
        Ok(())
    }

    fn wait_for_hanging_up(&self) {
        let (has, changed) = &self.has_hung_up;
        let has = has.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_timeout_while(has, HANGING_UP, |has| !*has));
    }
}

/// What a message is about, in a few words.
fn words(message: &Message, names: &mut HashMap<String, String>) -> String {
    match message.asked() {
        Asked::Start => "start".to_owned(),
        Asked::Run(text) | Asked::Parse("", text) => shorten(text),
        Asked::Parse(name, text) => {
            names.insert(name.to_owned(), shorten(text));
            String::new()
        }
        Asked::Bind(name) => names.get(name).cloned().unwrap_or_default(),
        Asked::Copy => "copy".to_owned(),
        Asked::Other => String::new(),
    }
}

/// What a statement does, and to which table when it says so at its beginning.
fn shorten(statement: &str) -> String {
    let mut words = statement.split_ascii_whitespace();
    let count = match statement.split_ascii_whitespace().next() {
        Some("INSERT" | "DELETE" | "CREATE" | "ALTER" | "DROP") => 3,
        Some("UPDATE" | "SELECT" | "BEGIN" | "SET") => 2,
        // What every transaction begins and ends with.
        Some("RESET" | "CLOSE" | "DISCARD" | "UNLISTEN") => return String::new(),
        _ => 1,
    };
    let words: Vec<&str> = words.by_ref().take(count).collect();
    let words = words.join(" ");
    words.chars().take(40).collect()
}
