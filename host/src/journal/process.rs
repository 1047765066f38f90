//! Who this process is, so that another one on the same machine can tell that it died.

use std::fs;

/// The name shown to operators: machine and process id.
pub fn holder() -> String {
    format!("{}:{}", machine(), std::process::id())
}

/// The machine, or the pod.
pub(super) fn machine() -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .unwrap_or_else(|_| "localhost".to_owned());
    machine.trim().to_owned()
}

/// The user in whose name this process runs, by the system's list of them; its number where that does not have it.
pub(super) fn user() -> String {
    let number = rustix::process::getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_number = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    of_number.unwrap_or(number)
}

/// Identifies this process for ever: boot, process namespace, process id and start time. Empty where the system does not
/// tell (anything but Linux); then only the lease's time decides.
pub(super) fn identity() -> String {
    let pid = std::process::id();
    match (namespace(), start_time(pid)) {
        (Some(namespace), Some(started)) => format!("{namespace} {pid} {started}"),
        _ => String::new(),
    }
}

/// Whether the process with this identity is known to have ended. False when that cannot be told from here.
pub(super) fn has_ended(identity: &str) -> bool {
    living(identity) == Some(false)
}

/// Whether the process with this identity is known to live. False when that cannot be told from here.
pub(super) fn is_living(identity: &str) -> bool {
    living(identity) == Some(true)
}

/// Whether a process lives; none when it is not one of this machine, or hidden, as far as this process sees it.
fn living(identity: &str) -> Option<bool> {
    let (rest, started) = identity.rsplit_once(' ')?;
    let (its_namespace, pid) = rest.rsplit_once(' ')?;
    let pid = pid.parse().ok()?;
    if namespace()? != its_namespace {
        return None;
    }
    judge(look(pid), started)
}

/// What is seen of a process.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// It lives, and began at this time.
    Living(String),
    /// It has ended, and only its parent has not noticed.
    Zombie,
    /// There is one with this number, of which nothing else is shown: `/proc` may hide those of other users (`hidepid`).
    Hidden,
    /// There is none.
    Gone,
}

/// Whether a process that began at this time lives.
fn judge(seen: Seen, started: &str) -> Option<bool> {
    match seen {
        Seen::Living(now) => Some(now == started),
        Seen::Zombie | Seen::Gone => Some(false),
        Seen::Hidden => None,
    }
}

fn look(pid: u32) -> Seen {
    if let Some(seen) = stat(pid) {
        return seen;
    }
    let number = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let Some(number) = number else {
        return Seen::Gone;
    };
    match rustix::process::test_kill_process(number) {
        Err(rustix::io::Errno::SRCH) => Seen::Gone,
        // It may have begun since the look before.
        Ok(()) | Err(_) => stat(pid).unwrap_or(Seen::Hidden),
    }
}

/// The namespaces that process numbers and start times are counted in. None where `/proc` is that of others, as in a container
/// that was given its host's.
fn namespace() -> Option<String> {
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()? != std::process::id().to_string() {
        return None;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = fs::read_link("/proc/self/ns/pid").ok()?;
    // Older kernels have one time for all.
    let times = fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!(
        "{} {} {}",
        boot.trim(),
        processes.display(),
        times.display()
    ))
}

/// What `/proc/PID/stat` shows of a process (proc(5)): its state is field 3, its start time in clock ticks since boot field 22,
/// counted after the command's name, which is in parentheses and may hold anything.
fn stat(pid: u32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return Some(Seen::Zombie);
    }
    fields
        .nth(18)
        .map(|started| Seen::Living(started.to_owned()))
}

fn start_time(pid: u32) -> Option<String> {
    match stat(pid)? {
        Seen::Living(started) => Some(started),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        assert!(!has_ended(&identity()) && is_living(&identity()));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = child.id();
        let its_identity = format!(
            "{} {pid} {}",
            namespace().unwrap(),
            start_time(pid).unwrap()
        );
        assert!(!has_ended(&its_identity));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(has_ended(&its_identity) && !is_living(&its_identity));
    }

    #[test]
    fn a_process_that_is_hidden_is_not_taken_for_dead() {
        assert_eq!(judge(Seen::Hidden, "1"), None);
        assert_eq!(judge(Seen::Living("1".to_owned()), "1"), Some(true));
        assert_eq!(judge(Seen::Living("2".to_owned()), "1"), Some(false));
        assert_eq!(judge(Seen::Gone, "1"), Some(false));
        assert!(matches!(look(std::process::id()), Seen::Living(_)));
        // No process has so high a number.
        assert_eq!(look(i32::MAX as u32), Seen::Gone);
    }

    #[test]
    fn nothing_is_said_of_a_process_elsewhere() {
        assert!(!has_ended("") && !is_living(""));
        assert!(!has_ended("another-boot pid:[1] 1 1"));
    }
}
