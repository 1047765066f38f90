//! The server has no room left.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::cluster;
use crate::place::Place;
use crate::small_disk::SmallDisk;

/// The second step writes about as many KiB as this.
fn filling(place: Place, kib: usize, tablespace: &str) -> Place {
    place
        .with_sql("0001_begin.sql", "CREATE TABLE before (a INTEGER); INSERT INTO before VALUES (1);")
        .with_sql(
            "0002_fill.sql",
            &format!(
                "UPDATE before SET a = a + 1;
                 CREATE TABLE filled (id INTEGER, padding TEXT) {tablespace};
                 INSERT INTO filled SELECT n, repeat('x', 1000) FROM generate_series(1, {kib}) AS n;"
            ),
        )
}

#[test]
fn a_disk_that_fills_up_leaves_nothing_of_the_step_and_a_larger_one_lets_it_through() {
    let mut cluster = cluster();
    let at = cluster.directory().join("small");
    let Some(disk) = SmallDisk::mount(&at, "8m") else {
        return;
    };
    let inner = at.join("space");
    std::fs::create_dir(&inner).unwrap();
    std::fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o777)).unwrap();
    let owned = Command::new("chown")
        .arg("--reference")
        .arg(cluster.directory())
        .arg(&inner)
        .status();
    assert!(owned.unwrap().success());
    cluster
        .run_sql(
            "postgres",
            &format!(
                "CREATE TABLESPACE small OWNER app LOCATION '{}'",
                inner.display()
            ),
        )
        .unwrap();
    let place = filling(Place::on(&cluster), 20_000, "TABLESPACE small");
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("0001_begin migrated")
        .and_says("0002_fill, migrate: could not extend file")
        .and_says("No space left on device")
        .and_says("53100");
    assert_eq!(place.one::<i64>("SELECT a FROM before"), 1);
    assert!(!place.has_table("filled"));
    disk.grow("80m");
    place.run(&["finalize"]).ends_with(0);

    let undisturbed = filling(Place::on(&cluster), 20_000, "TABLESPACE small");
    undisturbed.run(&["finalize"]).ends_with(0);
    assert!(place.content() == undisturbed.content());
    drop(disk);
    cluster.kill().unwrap();
}

#[test]
fn a_disk_without_room_for_the_log_stops_the_server_and_the_next_run_goes_on() {
    let mut cluster = cluster();
    let place = filling(Place::on(&cluster), 150_000, "");

    // The log of changes alone moves to a disk that is too small for what the step writes.
    cluster.run_sql("postgres", "CHECKPOINT").unwrap();
    cluster.stop().unwrap();
    let at = cluster.directory().join("small");
    let Some(disk) = SmallDisk::mount(&at, "300m") else {
        return;
    };
    let log = cluster.directory().join("data/pg_wal");
    let moved = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "cp -a {0} {1}/log && rm -rf {0} && ln -s {1}/log {0}",
            log.display(),
            at.display()
        ))
        .status();
    assert!(moved.unwrap().success());
    let fill = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "head -c $(($(df --output=avail -B1 {0} | tail -1) - 4000000)) /dev/zero > {0}/ballast",
            at.display()
        ))
        .status();
    assert!(fill.unwrap().success());
    cluster.start_again().unwrap();
    place
        .run(&["finalize"])
        .ends_with(1)
        .and_says("0001_begin migrated");
    // The server has given up, or goes up and down.
    cluster.kill().unwrap();
    std::fs::remove_file(at.join("ballast")).unwrap();
    disk.grow("600m");
    cluster.start_again().unwrap();
    place.run(&["finalize"]).ends_with(0);

    let undisturbed = filling(Place::on(&cluster), 150_000, "");
    undisturbed.run(&["finalize"]).ends_with(0);
    assert!(place.content() == undisturbed.content());
    cluster.kill().unwrap();
}

#[test]
fn a_step_that_sorts_more_than_it_may_is_told_so() {
    let place = Place::new().with_sql(
        "0001_sort.sql",
        "CREATE TABLE sorted AS SELECT n FROM generate_series(1, 300000) AS n ORDER BY md5(n::text);",
    );
    let database = place.server_database().to_owned();
    let mut superuser = place.connect_as_superuser();
    superuser.run(&format!(
        "ALTER ROLE app IN DATABASE {database} SET temp_file_limit = '1MB'"
    ));
    place
        .run(&["migrate"])
        .ends_with(1)
        .and_says("temporary file size exceeds temp_file_limit (1024kB)")
        .and_says("53400");
    assert_eq!(place.content(), "");
    superuser.run(&format!(
        "ALTER ROLE app IN DATABASE {database} RESET temp_file_limit"
    ));
    place.run(&["migrate"]).ends_with(0);
}
