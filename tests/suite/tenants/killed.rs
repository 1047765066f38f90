//! Hosts that are killed over many tenants, and hosts that meet.

use super::{ADD, Tenants as _, counting, names, register};
use crate::hosts::host::Host;
use crate::place::Place;

fn many(tenants: usize) -> (Place, Vec<String>) {
    let place = counting();
    let names = names(tenants);
    register(&place, &names);
    for number in 2..=4 {
        place.write_step(&format!("tenants/00{number}_add.sql"), ADD.as_bytes());
    }
    (place, names)
}

/// Kills the host behind ever more of its events, until it comes to its end.
fn survives(how: &[&str], tenants: usize, step: usize) {
    let (place, names) = many(tenants);
    let mut kills = 0;
    for events in (0..).step_by(step) {
        let mut host = Host::start(&place, how);
        for _ in 0..events {
            if !host.tells("step_started") {
                break;
            }
        }
        let has_ended = host.has_ended();
        host.kill();
        if has_ended {
            break;
        }
        kills += 1;
    }
    assert!(kills > 3, "{kills}");
    place.run(how).ends_with(0);
    for name in &names {
        assert_eq!(place.sum(name), "31", "{name}");
    }
    place.run(how).ends_with(0).and_says("nothing to do");
}

#[test]
fn every_tenant_is_complete_after_kills_among_workers() {
    survives(&["finalize", "--parallel", "3"], 200, 23);
}

#[test]
fn every_tenant_is_complete_after_kills_in_one_transaction() {
    survives(&["finalize", "--atomic"], 60, 1);
}

#[test]
fn ten_hosts_apply_once() {
    for how in [
        &["finalize", "--atomic"][..],
        &["finalize", "--parallel", "2"],
    ] {
        let (place, names) = many(6);
        let hosts: Vec<_> = (0..10).map(|_| place.start(how)).collect();
        for host in hosts {
            let output = host.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        for name in &names {
            assert_eq!(place.sum(name), "31", "{name}");
        }
    }
}
