//! A disk that is full: one message says so, whichever of SQLite's files it is, and nothing is lost.

use crate::place::{Place, Said};
use crate::small_disk::SmallDisk;

/// Steps that write more than fits into SQLite's memory, the second much more.
fn place() -> Place {
    Place::new()
        .with_sql("0001_first.sql", "CREATE TABLE first (id INTEGER);")
        .with_sql(
            "0002_much.sql",
            "CREATE TABLE much (text TEXT);
             INSERT INTO much WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             SELECT hex(randomblob(200)) FROM n;
             CREATE INDEX sorted ON much (text);",
        )
}

/// Runs a command in which no write to a file with this ending succeeds any more, from the one with this number on.
fn with_a_full_disk(
    place: &Place,
    ending: &str,
    call: &str,
    from: u32,
    arguments: &[&str],
) -> Said {
    let path = place.path().join(format!("wasmigrate.db{ending}"));
    let inject = format!("inject={call}:error=ENOSPC:when={from}+");
    let options = [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        path.to_str().unwrap(),
        "-e",
        &inject,
    ];
    let mut command = place.command_under_strace(&options, arguments);
    Said::from(command.output().unwrap())
}

#[test]
fn every_file_that_cannot_grow_is_told_of_alike_and_nothing_is_lost() {
    for (ending, call, from) in [
        ("", "pwrite64", 1),
        ("-wal", "pwrite64", 1),
        ("-wal", "pwrite64", 40),
        ("-wal", "pwrite64", 400),
        ("-shm", "pwrite64", 1),
    ] {
        let place = place();
        let said = with_a_full_disk(&place, ending, call, from, &["migrate"]);
        let case = format!("{ending} {call} {from}: {said:#?}");
        assert_ne!(said.status, Some(0), "{case}");
        assert!(
            said.stderr.contains("SQLite cannot") && said.stderr.contains("are left in"),
            "{case}"
        );
        place.run(&["migrate"]).ends_with(0);
        assert_eq!(
            place.one::<i64>("SELECT count(*) FROM much"),
            20_000,
            "{case}"
        );
        place.is_whole();
    }
}

#[test]
fn a_tenant_whose_file_cannot_be_committed_is_not_told_of_like_those_that_were() {
    let place = crate::tenants::counting();
    for tenant in ["acme", "beta", "gamma"] {
        place.run(&["tenants", "add", tenant]).ends_with(0);
    }
    place.write_step(
        "tenants/002_add.sql",
        b"INSERT INTO {schema}.counted VALUES (10, '{schema}');",
    );
    let file = place.path().join("wasmigrate.db.tenants/beta.db-wal");
    // The first that commits is the last.
    let mut kept = 0;
    for from in 1..40 {
        let inject = format!("inject=pwrite64:error=ENOSPC:when={from}+");
        let options = [
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-P",
            file.to_str().unwrap(),
            "-e",
            &inject,
        ];
        let mut command = place.command_under_strace(&options, &["migrate", "--atomic"]);
        let said = Said::from(command.output().unwrap());
        if said.status == Some(0) {
            break;
        }
        let sum = |tenant: &str| crate::tenants::Tenants::sum(&place, tenant);
        assert_eq!(sum("beta"), "1");
        match &*sum("gamma") {
            "1" => assert!(said.stdout.contains("rolled back"), "{said:#?}"),
            _ => {
                kept += 1;
                assert!(
                    said.stderr.contains("were committed and stay so: `gamma`")
                        && said
                            .stdout
                            .contains("what was committed stays, and the rest was rolled back"),
                    "{said:#?}"
                );
                break;
            }
        }
    }
    assert_eq!(kept, 1);
    place.run(&["migrate", "--atomic"]).ends_with(0);
    for tenant in ["acme", "beta", "gamma"] {
        assert_eq!(
            crate::tenants::Tenants::sum(&place, tenant),
            "11",
            "{tenant}"
        );
    }
}

/// The last words of a run name the state that everybody else sees after it, whether its end could be written down or not.
#[test]
fn a_disk_without_room_for_the_end_of_the_run_leaves_the_state_that_is_told() {
    let place = Place::new();
    for number in 1..=6 {
        place.write_step(
            &format!("000{number}_x.sql"),
            format!("CREATE TABLE t{number} (a); INSERT INTO t{number} SELECT randomblob(15000);")
                .as_bytes(),
        );
    }
    let at = place.path().join("small");
    let Some(disk) = SmallDisk::mount(&at, "300k") else {
        return;
    };
    let target = ["--database", "sqlite:small/app.db"];
    let run = |arguments: &[&str]| place.run(&[arguments, &target].concat());
    let mut unwritten = 0;
    for filler in (16_000..80_000).step_by(8_000) {
        for command in ["migrate", "finalize"] {
            for file in ["app.db", "app.db-wal", "app.db-shm"] {
                _ = std::fs::remove_file(at.join(file));
            }
            std::fs::write(at.join("filler"), vec![0; filler]).unwrap();
            let said = run(&[command, "--create"]).ends_with(1);
            let status = run(&["status", "--json"]).ends_with(0).json();
            let state = status["state"].as_str().unwrap();
            let told = said.stdout.lines().last().unwrap();
            assert!(
                told.ends_with(&format!("the state is {state}")),
                "{command} {filler} {state}: {said:#?}"
            );
            if told.starts_with("interrupted") {
                unwritten += 1;
                assert!(
                    said.stderr.contains("could not be written down"),
                    "{said:#?}"
                );
            }
        }
    }
    assert_ne!(unwritten, 0);
    drop(disk);
}
