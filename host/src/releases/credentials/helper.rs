//! Programs that keep logins: <https://github.com/docker/docker-credential-helpers#development>

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Login;
use crate::releases::error::ReleaseError;
use crate::releases::limits;

/// How often a helper is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// How long after its end the answer of a helper is waited for.
const AFTER_END: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks the helper that `file` names for the login of a host; none when it knows none. What it says is never shown.
pub(super) fn ask(helper: &str, host: &str, file: &Path) -> Result<Option<Login>, ReleaseError> {
    let program = format!("docker-credential-{helper}");
    let refused = |why: &str| {
        ReleaseError::Refused(format!(
            "{program}, which `{}` names, {why}",
            file.display()
        ))
    };
    // It is a part of a name, and no path.
    if helper.contains('/') {
        return Err(ReleaseError::Refused(format!(
            "`{}` names a helper for logins that is a path",
            file.display()
        )));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| refused(&format!("cannot be started: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // One that reads nothing may know the answer all the same.
        let _ = input.write_all(host.as_bytes());
    }
    let output = child.stdout.take();
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = Vec::new();
        let read = output.map(|output| output.take(limits::TOKEN_BYTES).read_to_end(&mut answer));
        // Nobody waits any more where it took too long.
        let _ = sender.send(match read {
            Some(Ok(_)) => answer,
            _ => Vec::new(),
        });
    });
    let has_ended = ended_well(&mut child);
    // What it has started may hold its output open.
    let answer = answer.recv_timeout(AFTER_END).ok();
    match (has_ended, answer) {
        (Some(true), Some(answer)) => {
            let answer: Answer = serde_json::from_slice(&answer)
                .map_err(|_| refused("does not answer as a helper for logins does"))?;
            Ok(Some(Login::of(&answer.username, &answer.secret)))
        }
        // As all of them say it: https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go
        (Some(false), Some(answer)) => {
            match String::from_utf8_lossy(&answer).contains("credentials not found") {
                true => Ok(None),
                false => Err(refused("fails; run it by hand to see why")),
            }
        }
        _ => Err(refused(&format!(
            "does not answer within {} seconds",
            limits::HELPER.as_secs()
        ))),
    }
}

/// Whether it ended well; none when it did not end in time, and was ended.
fn ended_well(child: &mut Child) -> Option<bool> {
    let give_up = Instant::now() + limits::HELPER;
    while Instant::now() < give_up {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.success());
        }
        std::thread::sleep(PAUSE);
    }
    // It may have ended by now.
    let _ = child.kill();
    let _ = child.wait();
    None
}
