//! The compiler, in a process of its own.
//!
//! What a component costs to compile cannot be told from its form: a function of 50 KB can take the compiler minutes and
//! gigabytes. So the host starts itself again for each file, as a process with limits on memory and time that knows no
//! settings and no variables, and gets the compiled code back. Whatever happens to that process, the host goes on.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

use super::error::Error;
use super::limits::Limits;
use super::{cost, engine};
use crate::database::{self, Stop};
use crate::output::cut;

/// The command that makes the host a compiler; nobody else calls it.
pub const COMMAND: &str = "compile-component";

/// This program, also when its file was replaced since it was started.
const PROGRAM: &str = "/proc/self/exe";

/// The exit status of a compiler that has said why it refuses the file. Rust itself ends with 101 after a panic.
const REFUSED: u8 = 65;

/// Threads of one compiler: each has a stack, which counts.
const MOST_THREADS: usize = 16;

/// How much longer than its time on the processor a compiler may take on the clock: others may keep the machine busy.
const SLOWEST: u32 = 10;

/// What is kept of the compiler's words.
const WORDS: usize = 2 << 10;

/// How often to look whether the compiler has ended: soon at first, for most components are small.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LATER_LOOK: Duration = Duration::from_millis(10);

/// What a compiler may use, and the setting that its code depends on.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Its memory in MiB, and the size of the code that it makes.
    pub memory_mib: u64,
    /// How long it may work.
    pub seconds: u64,
    /// The stack of the component, in KiB.
    pub stack_kib: u64,
    /// The number of the process that it works for.
    pub host: u32,
}

/// Compiles a component, until there is a reason to stop.
pub(super) fn compile(bytes: &[u8], limits: &Limits, stop: &Stop) -> Result<Vec<u8>, Error> {
    check(bytes, limits)?;
    let began = Instant::now();
    let failed = |error: io::Error| Error::Host(format!("cannot run the compiler: {error}"));
    let code = memory_file().map_err(failed)?;
    let words = memory_file().map_err(failed)?;
    let mut child = start(bytes, limits, &code, &words).map_err(failed)?;
    let time = Duration::from_secs(limits.compile_seconds).saturating_mul(SLOWEST);
    let mut pause = FIRST_LOOK;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if let Some(reason) = stop.reason() {
            end(&mut child);
            return Err(Error::Stopped(reason));
        }
        if began.elapsed() > time {
            end(&mut child);
            return Err(took_too_long(limits));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LATER_LOOK);
    };
    if status.success() {
        return read(&code, u64::MAX).map_err(failed);
    }
    let words = read(&words, WORDS as u64).map_err(failed)?;
    Err(failure(
        status,
        String::from_utf8_lossy(&words).trim(),
        limits,
    ))
}

/// Refuses what is no component, or can be told to cost too much.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    let refused = |why: String| Err(Error::Load(why));
    if bytes.len() as u64 > limits.component_mib << 20 {
        return refused(format!(
            "the file has {} MiB: the limit `limits.component_mib` is {}",
            bytes.len() >> 20,
            limits.component_mib
        ));
    }
    if bytes.is_empty() {
        return refused("the file is empty".to_owned());
    }
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return refused(
            "the file is compiled code (.cwasm), which the host never accepts: ship the component itself"
                .to_owned(),
        );
    }
    // The preamble tells a core module (version 1, layer 0) from a component (layer 1):
    // https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
    if bytes.starts_with(b"\0asm\x01\0\0\0") {
        return refused(
            "the file is a core WebAssembly module, not a component: build it for wasm32-wasip2, or turn it into a \
             component with `wasm-tools component new`"
                .to_owned(),
        );
    }
    if !bytes.starts_with(b"\0asm") {
        return refused("the file is not WebAssembly: it does not begin with `\\0asm`".to_owned());
    }
    cost::check(bytes)
        .or_else(|why| refused(format!("the file would take too much to compile: {why}")))
}

/// A file without a name, in memory.
fn memory_file() -> io::Result<File> {
    Ok(memfd_create("wasmigrate", MemfdFlags::CLOEXEC)?.into())
}

fn start(bytes: &[u8], limits: &Limits, code: &File, words: &File) -> io::Result<Child> {
    let mut input = memory_file()?;
    input.write_all(bytes)?;
    input.rewind()?;
    let threads = rayon::current_num_threads().min(MOST_THREADS);
    Command::new(PROGRAM)
        .arg(COMMAND)
        .arg(limits.compile_mib.to_string())
        .arg(limits.compile_seconds.to_string())
        .arg(limits.stack_kib.to_string())
        .arg(std::process::id().to_string())
        // What the host was given in variables is nothing to the compiler.
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .current_dir("/")
        // A signal from the terminal is the host's to answer.
        .process_group(0)
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(code.try_clone()?))
        .stderr(Stdio::from(words.try_clone()?))
        .spawn()
}

/// Ends a compiler. It may have ended meanwhile.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What stands in a file from its beginning on.
fn read(mut file: &File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn took_too_long(limits: &Limits) -> Error {
    limit(
        "limits.compile_seconds",
        limits.compile_seconds,
        "the file takes too long to compile",
    )
}

fn limit(name: &str, value: u64, what: &str) -> Error {
    Error::Limit {
        error: database::Error::limit(name, value, what),
        backtrace: Vec::new(),
    }
}

/// What it means that a compiler ended in this way.
fn failure(status: ExitStatus, words: &str, limits: &Limits) -> Error {
    let signal = status.signal().and_then(Signal::from_named_raw);
    if status.code() == Some(REFUSED.into()) {
        return Error::Load(format!(
            "the file cannot be compiled: {}",
            cut(words, WORDS)
        ));
    }
    if signal == Some(Signal::XCPU) {
        return took_too_long(limits);
    }
    // The first are Rust's words where an allocation fails; the system kills where there is no memory at all.
    let wants_memory = words.contains("memory allocation of")
        || words.contains("Cannot allocate memory")
        || words.contains("Resource temporarily unavailable");
    if wants_memory || [Some(Signal::KILL), Some(Signal::XFSZ)].contains(&signal) {
        return limit(
            "limits.compile_mib",
            limits.compile_mib,
            "the file takes too much memory to compile",
        );
    }
    Error::Load(format!(
        "the file cannot be compiled: it makes the compiler crash ({status})"
    ))
}

/// Compiles the component on standard input onto standard output: what the process that [`compile`] starts does.
pub fn run(bounds: Bounds) -> ExitCode {
    match confine(bounds).and_then(|()| work(bounds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Whoever does not listen learns of it by the exit status.
            let _ = write!(io::stderr().lock(), "{why}");
            ExitCode::from(REFUSED)
        }
    }
}

/// Sets the limits of this process, which can only be lowered after that.
fn confine(bounds: Bounds) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| error.to_string())?;
    // It may have ended before that was said.
    let host = rustix::process::getppid().map(|host| host.as_raw_nonzero().get());
    if host != i32::try_from(bounds.host).ok() {
        return Err("the host has ended".to_owned());
    }
    let memory = bounds.memory_mib.saturating_mul(1 << 20);
    for (resource, most) in [
        // Not the address space: what is only reserved costs nothing.
        (Resource::Data, memory),
        (Resource::Fsize, memory),
        // Of all its threads together.
        (Resource::Cpu, bounds.seconds),
        (Resource::Core, 0),
    ] {
        let most = Rlimit {
            current: Some(most),
            // At this one the system ends it without saying why.
            maximum: Some(most.saturating_add(1)),
        };
        setrlimit(resource, most)
            .map_err(|error| format!("the compiler cannot be confined: {error}"))?;
    }
    Ok(())
}

fn work(bounds: Bounds) -> Result<(), String> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let engine = engine(bounds.stack_kib).map_err(|error| error.to_string())?;
    let compiled = catch_unwind(AssertUnwindSafe(|| engine.precompile_component(&bytes)));
    let code = compiled
        .map_err(|_| "it makes the compiler panic".to_owned())?
        .map_err(|error| format!("{error:#}"))?;
    let mut output = io::stdout().lock();
    output
        .write_all(&code)
        .and_then(|()| output.flush())
        .map_err(|error| error.to_string())?;
    // What was allocated need not be given back piece by piece.
    std::process::exit(0)
}
