//! Hosts that sleep, servers that forget and commits that fail: each tenant is finalized once.

use super::{Tenants as _, counting};
use crate::place::Place;

/// Two tenants that are migrated; their finalize shows how often it was run.
fn migrated(finalize: &str) -> Place {
    let place = counting().with_tenants(&["acme", "beta"]);
    let sql = format!(
        "-- wasmigrate:migrate
         INSERT INTO {{schema}}.counted VALUES (10, 'migrate');
         -- wasmigrate:finalize
         INSERT INTO {{schema}}.counted VALUES (100, 'finalize');
         {finalize}"
    );
    place.write_step("tenants/002_phases.sql", sql.as_bytes());
    place.run(&["migrate", "--parallel", "2"]).ends_with(0);
    place
}

fn sums(place: &Place) -> [String; 2] {
    ["acme", "beta"].map(|tenant| place.sum(tenant))
}

mod sqlite {
    use super::*;
    use crate::hosts::host::{Host, until};
    use crate::service::process::Service;

    /// A host sleeps in the transaction of a tenant, whose file no other host has entered; it may still commit there.
    #[test]
    fn a_tenant_is_read_after_whoever_slept_in_its_file_has_ended() {
        let place = migrated(
            "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 6000000) SELECT count(*) FROM n;",
        );
        // Its heartbeat does not notice that the lease is gone.
        let place = place.with_variable("WASMIGRATE_LEASE_SECONDS", "600");
        let finalize = ["finalize", "--parallel", "1"];
        let mut asleep = Host::start(&place, &finalize);
        asleep.until("step_started");
        asleep.stop();
        let expire = "UPDATE wasmigrate_lease SET expires_at = 0 WHERE holder IS NOT NULL";
        assert_eq!(place.connect().change(expire), 1);
        let mut next = Host::start(&place, &finalize);
        next.until("run_started");
        asleep.go_on();
        asleep
            .end()
            .ends_with(1)
            .and_says("its lease was taken or broken");
        next.end().ends_with(0);
        assert_eq!(sums(&place), ["111", "111"]);
    }

    /// The files of all tenants are committed one after the other; each flush to the disk fails once.
    #[test]
    fn wherever_a_flush_fails_every_tenant_is_finalized_once() {
        let before = migrated("")
            .with_variable("WASMIGRATE_RETRY_ATTEMPTS", "9")
            .with_variable("WASMIGRATE_RETRY_DELAY_MILLISECONDS", "1");
        // Makes the secrets.
        Service::start(&before).terminate();
        let mut failed = 0;
        for number in 1.. {
            let place = before.copy_with_tenants();
            let trace = place.path().join("trace");
            let inject = format!("inject=fsync,fdatasync:error=EIO:when={number}");
            let options = [
                "-D",
                "-f",
                "-qq",
                "-o",
                trace.to_str().unwrap(),
                "-e",
                "trace=fsync,fdatasync",
                "-e",
                &inject,
            ];
            let serve = "serve --listen 127.0.0.1:0 --token-file token --password-file password";
            let serve: Vec<&str> = serve.split(' ').collect();
            let service = Service::spawn(place.command_under_strace(&options, &serve));
            // Its beginning may be what fails.
            service.command("finalize");
            until("it has ended", || {
                let state = service.state();
                !state.ends_with("running") && !state.ends_with("preparing")
            });
            service.kill();
            place.run(&["finalize"]).ends_with(0);
            assert_eq!(sums(&place), ["111", "111"], "{number}");
            let trace = std::fs::read_to_string(&trace).unwrap();
            if !trace.contains("INJECTED") {
                break;
            }
            failed += 1;
        }
        println!("{failed} flushes failed");
        assert!(failed > 2, "{failed}");
    }
}

mod postgres {
    use wasmigrate_test_server::{Cluster, Durability};

    use super::*;
    use crate::hosts::host::until;
    use crate::service::process::Service;

    /// Commits wait for no disk but the last of a run; so a server that is killed forgets the newest ones.
    fn forgetful() -> Cluster {
        let mut cluster = Cluster::start(Durability::None).unwrap();
        for setting in ["wal_writer_delay = '10s'", "wal_writer_flush_after = '1GB'"] {
            let set = format!("ALTER SYSTEM SET {setting}");
            cluster.run_sql("postgres", &set).unwrap();
        }
        cluster.stop().unwrap();
        cluster.start_again().unwrap();
        cluster
    }

    /// Kills the server in the second file of the last tenant, when what was committed for the one before is not on the disk.
    fn kills_the_server(attempts: &str) {
        let mut cluster = forgetful();
        let place = crate::tenants::at(Place::on(&cluster))
            .with_variable("WASMIGRATE_TENANTS_PARALLEL", "1")
            .with_variable("WASMIGRATE_RETRY_ATTEMPTS", attempts)
            // Its renewals flush nothing meanwhile.
            .with_variable("WASMIGRATE_LEASE_SECONDS", "60")
            .with_sql(
                "tenants/000_begin.sql",
                "CREATE TABLE {schema}.counted (value INTEGER NOT NULL, who TEXT NOT NULL);
                 INSERT INTO {schema}.counted VALUES (1, '{schema}');",
            )
            .with_tenants(&["acme", "beta", "gamma"]);
        place.write_step(
            "tenants/001_both.sql",
            b"-- wasmigrate:migrate
              INSERT INTO {schema}.counted VALUES (10, 'migrate');
              -- wasmigrate:finalize
              INSERT INTO {schema}.counted VALUES (100, 'finalize');",
        );
        place.write_step("tenants/002_sleep.sql", b"SELECT pg_sleep(2);");
        // What is behind it would go on with what a worker remembers.
        place.write_step("single/003.sql", b"SELECT 1;");
        let service = Service::start(&place);
        service.run("finalize");
        let asleep = |count: i64| {
            let asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
            until("a file sleeps", || place.one::<i64>(asleep) == count);
        };
        // The beginning of the run and the first tenant are not forgotten.
        asleep(1);
        place.connect_as_superuser().run("CHECKPOINT");
        until("the last tenant is at work", || place.sum("gamma") == "11");
        asleep(1);
        cluster.kill().unwrap();
        cluster.start_again().unwrap();
        until("the run has ended", || {
            !service.state().ends_with("running") && !service.state().ends_with("preparing")
        });
        if service.state() != "finalized" {
            service.does("finalize");
        }
        let sums = ["acme", "beta", "gamma"].map(|tenant| place.sum(tenant));
        assert_eq!(sums, ["111"; 3], "{:#?}", service.logs());
        assert_eq!(service.state(), "finalized");
    }

    #[test]
    fn a_tenant_is_not_finalized_without_the_migrate_that_the_server_has_forgotten() {
        kills_the_server("9");
    }

    #[test]
    fn neither_is_it_in_a_run_that_tries_nothing_again() {
        kills_the_server("1");
    }
}
