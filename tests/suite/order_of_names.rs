//! Names of one tool, of two ages: they are in its order, or refused.

use crate::place::Place;

fn with_steps(names: &[&str]) -> Place {
    let place = Place::new();
    for name in names {
        let directory = place.step(name);
        std::fs::create_dir(&directory).unwrap();
        let table = name.rsplit_once('_').unwrap().1;
        let sql = format!("CREATE TABLE {table} (b INTEGER);\n");
        std::fs::write(directory.join("up.sql"), sql).unwrap();
    }
    place
}

/// Diesel's programs write a number after the time since version 2.2.
#[test]
fn a_time_with_a_number_comes_after_times_without_one() {
    let place = with_steps(&[
        "00000000000000_first",
        "2024-01-01-090000_second",
        "2024-01-01-090000-0000_third",
        "2024-01-01-090000-0001_fourth",
    ]);
    let said = place.run(&["finalize"]).ends_with(0);
    let order = ["first", "second", "third", "fourth"].map(|name| said.stdout.find(name).unwrap());
    assert!(order.is_sorted(), "{said:#?}");
    let place = with_steps(&["2024-01-01-090000-0000_third", "2024-02-01-090000_second"]);
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`2024-02-01-090000_second/up.sql` comes after `2024-01-01-090000-0000_third/up.sql` for Diesel");
    assert!(!place.has_table("third"));
}
