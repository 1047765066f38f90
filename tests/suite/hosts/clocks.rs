//! Hosts whose clocks differ.

use std::path::PathBuf;
use std::process::Command;

use crate::place::Place;

/// A library that a program loads before all others, and by which its clock is so many seconds ahead.
const OTHER_TIME: &str = r#"
    #[repr(C)]
    pub struct Time { seconds: i64, nanoseconds: i64 }

    unsafe extern "C" { fn syscall(number: i64, ...) -> i64; }

    #[unsafe(no_mangle)]
    pub unsafe extern "C" fn clock_gettime(clock: i32, time: *mut Time) -> i32 {
        let failed = unsafe { syscall(NUMBER, clock, time) } as i32;
        if failed == 0 && clock == 0 {
            unsafe { (*time).seconds += SECONDS };
        }
        failed
    }
"#;

/// The number of the system call `clock_gettime`.
const NUMBER: &str = if cfg!(target_arch = "x86_64") {
    "228"
} else {
    "113"
};

/// Where the clock is so many seconds ahead of this machine's.
fn with_clock_ahead(place: &Place, seconds: i64, arguments: &[&str]) -> Command {
    let library: PathBuf = place.path().join(format!("ahead{seconds}.so"));
    let source = library.with_extension("rs");
    let text = OTHER_TIME
        .replace("NUMBER", NUMBER)
        .replace("SECONDS", &seconds.to_string());
    std::fs::write(&source, text).unwrap();
    let compiled = Command::new("rustc")
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "-Cpanic=abort",
            "-o",
        ])
        .args([&library, &source])
        .status();
    assert!(compiled.unwrap().success());
    let mut command = place.command(arguments);
    command.env("LD_PRELOAD", library);
    command
}

mod postgres {
    use super::super::host::{Host, until};
    use super::super::{has_worked, outcomes, waiting_for_locks};
    use super::with_clock_ahead;
    use crate::place::Place;

    /// The database's clock writes the times of a lease and judges them.
    #[test]
    fn a_host_whose_clock_is_ahead_leaves_a_living_host_its_lease() {
        for (at_work, next) in [(0, 3_600), (-3_600, 0)] {
            let place = Place::new()
                .with_variable("WASMIGRATE_POSTGRES_LOCK_TIMEOUT_MILLISECONDS", "60000")
                .with_data("CREATE TABLE counter (value INTEGER); INSERT INTO counter VALUES (1)")
                .with_sql("0001_add.sql", "UPDATE counter SET value = value + 1;");
            let mut application = place.connect();
            application.run("BEGIN; LOCK TABLE counter");
            let at_work = Host::spawn(with_clock_ahead(&place, at_work, &["migrate"]));
            until("it is at work", || waiting_for_locks(&place) == 1);
            let mut next = Host::spawn(with_clock_ahead(&place, next, &["migrate"]));
            assert_eq!(next.until("waiting")["holder"], at_work.name());
            application.run("COMMIT");
            at_work.end().ends_with(0);
            assert!(!has_worked(&next.end().ends_with(0)));
            assert_eq!(place.one::<i64>("SELECT value FROM counter"), 2);
            assert_eq!(outcomes(&place), ["done"]);
        }
    }
}
