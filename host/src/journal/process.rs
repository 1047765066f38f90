//! Who this process is, so that another one on the same machine can tell that it died.

use std::fs;

/// The name shown to operators: machine and process id.
pub fn holder() -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| fs::read_to_string("/etc/hostname"))
        .unwrap_or_else(|_| "localhost".to_owned());
    format!("{}:{}", machine.trim(), std::process::id())
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

/// Whether a process lives; none when it is not one of this machine, as far as this process sees it.
fn living(identity: &str) -> Option<bool> {
    let (rest, started) = identity.rsplit_once(' ')?;
    let (its_namespace, pid) = rest.rsplit_once(' ')?;
    let pid = pid.parse().ok()?;
    (namespace()? == its_namespace).then(|| start_time(pid).is_some_and(|now| now == started))
}

fn namespace() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The start time of a living process in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)), counted behind
/// the command's name, which is in parentheses and may hold anything. None for a process that is gone or a zombie.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    // The state is field 3.
    fields.nth(18).map(str::to_owned)
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
    fn nothing_is_said_of_a_process_elsewhere() {
        assert!(!has_ended("") && !is_living(""));
        assert!(!has_ended("another-boot pid:[1] 1 1"));
    }
}
