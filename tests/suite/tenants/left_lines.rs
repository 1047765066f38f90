//! The lines of what a tenant's file did are kept with it: a host that dies takes none of them along.

use super::{Tenants as _, counting};
use crate::application::{self, Kind};
use crate::hostile::component::Component;
use crate::hosts::host::{Host, until};
use crate::place::{Place, Said};
use crate::route::steps::says;

/// A file for tenants that says something and is done, and one that never is.
fn place() -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    let speaks = Component::migrating(says("done here")).build();
    place.write_step("tenants/002_speaks.wasm", &speaks);
    place
}

fn endless(place: &Place) {
    let endless = Component::migrating("(loop $again (br $again))").build();
    place.write_step("tenants/003_endless.wasm", &endless);
}

/// Kills a host that has committed the file that speaks for so many tenants, and is at the endless one.
fn kill(place: &Place, how: &[&str], tenants: usize) {
    let mut host = Host::start(place, how);
    for _ in 0..tenants {
        until("a file that is done", || {
            let ended = host.until("step_ended");
            ended["step"].as_str().unwrap().contains("002_speaks")
        });
    }
    host.kill();
}

fn told(said: &Said) -> usize {
    said.stdout.matches("done here").count()
}

fn kept(place: &Place) -> Vec<String> {
    place.texts(
        "SELECT tenant || ' ' || line FROM wasmigrate_output WHERE line = 'done here' ORDER BY tenant",
    )
}

#[test]
fn of_a_host_that_was_killed_none_is_lost_and_none_is_there_twice() {
    for (workers, tenants) in [("1", 1), ("2", 2)] {
        let place = place();
        endless(&place);
        kill(&place, &["migrate", "--parallel", workers], tenants);
        let shown = place.run(&["history", "--output"]).ends_with(0);
        assert_eq!(told(&shown), tenants, "{shown:#?}");
        place.write_step(
            "tenants/003_endless.wasm",
            &Component::migrating("").build(),
        );
        for _ in 0..2 {
            place.run(&["migrate", "--parallel", workers]).ends_with(0);
            assert_eq!(kept(&place), ["acme done here", "beta done here"]);
        }
        let shown = place.run(&["history", "--output"]).ends_with(0);
        assert_eq!(told(&shown), 2, "{shown:#?}");
    }
}

/// A host that slept may commit in a tenant's file when the lines of others were gathered already.
#[test]
fn one_that_comes_late_is_gathered_after_the_others() {
    if application::kind() == Kind::Postgres {
        // The lines are in the target.
        return;
    }
    let place = place();
    endless(&place);
    kill(&place, &["migrate", "--parallel", "2"], 2);
    place.write_step(
        "tenants/003_endless.wasm",
        &Component::migrating("").build(),
    );
    place.run(&["migrate"]).ends_with(0);
    place.of_tenant("acme").run(
        "INSERT INTO wasmigrate_output SELECT run, sequence + 100, step_index, phase, written_at, level, 'late', tenant, file_key,
         writer, 0 FROM wasmigrate_output WHERE line = 'done here'",
    );
    for command in ["finalize", "migrate"] {
        place.write_step(&format!("tenants/004_{command}.sql"), b"SELECT 1;");
        place.run(&[command]).ends_with(0);
        let late = "SELECT count(*) FROM wasmigrate_output WHERE line = 'late'";
        assert_eq!(place.one::<i64>(late), 1);
    }
    assert_eq!(kept(&place), ["acme done here", "beta done here"]);
}

#[test]
fn they_are_gathered_when_nothing_is_left_to_do_and_when_a_tenant_goes() {
    for then in [&["migrate"][..], &["tenants", "remove", "acme"]] {
        let place = place();
        endless(&place);
        kill(&place, &["migrate", "--parallel", "2"], 2);
        std::fs::remove_file(place.step("tenants/003_endless.wasm")).unwrap();
        place.run(then).ends_with(0);
        assert!(
            kept(&place).contains(&"acme done here".to_owned()),
            "{then:?}"
        );
        place.run(&["migrate"]).ends_with(0);
    }
}

#[test]
fn what_failed_for_a_tenant_is_known_although_the_host_is_killed() {
    let place = place();
    place.write_step(
        "tenants/002_speaks.wasm",
        &Component::migrating(crate::hostile::component::sql(
            "INSERT INTO counted SELECT 1, CASE who WHEN 'acme' THEN NULL ELSE 'x' END FROM counted",
        ))
        .build(),
    );
    endless(&place);
    let mut host = Host::start(&place, &["migrate", "--parallel", "1"]);
    for _ in 0..2 {
        host.until("step_ended");
    }
    host.kill();
    place.run(&["status"]).ends_with(0).and_says("1 failed");
}

#[test]
fn of_transactions_that_are_committed_together_none_is_lost_either() {
    if application::kind() == Kind::Postgres {
        // It is one.
        return;
    }
    let mut in_part = 0;
    for write in 1.. {
        let place = place();
        let file = place.path().join("wasmigrate.db.tenants/acme.db-wal");
        let inject = format!("inject=pwrite64:signal=SIGKILL:when={write}");
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
        let mut command = place.command_under_strace(&options, &["finalize", "--atomic"]);
        let is_over = Said::from(command.output().unwrap()).status == Some(0);
        let mut beta = place.of_tenant("beta");
        let applied = "SELECT count(*) FROM wasmigrate_applied WHERE state = 'finalized'";
        in_part += usize::from(!is_over && super::first(&mut beta, applied) == "2");
        drop(beta);
        place.run(&["finalize", "--atomic"]).ends_with(0);
        assert_eq!(
            kept(&place),
            ["acme done here", "beta done here"],
            "{write}"
        );
        if is_over {
            break;
        }
    }
    assert!(in_part > 0);
}
