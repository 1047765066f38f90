//! Names of files of `[sources]`: their versions are the order, and what nobody meant to run is told.

use crate::place::Place;

fn place(names: &[&str], more: &str) -> Place {
    let place = Place::new();
    for name in names {
        std::fs::write(place.step(name), "SELECT 1;").unwrap();
    }
    let settings = format!("[sources]\nbase = \".\"\nsingle_migrations = [\"migrations\"]\n{more}");
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place
}

#[test]
fn versions_with_points_are_compared_number_by_number() {
    let names = ["1.0.0_a.sql", "1.10.0_c.sql", "1.2.0_b.sql"];
    for more in ["", "order = \"versions\"\n"] {
        let said = place(&names, more).run(&["migrate"]).ends_with(0);
        let order = ["_a.sql", "_b.sql", "_c.sql"].map(|name| said.stdout.find(name).unwrap());
        assert!(order.is_sorted(), "{said:#?}");
    }
}

#[test]
fn numbers_in_names_that_are_in_another_order_are_refused() {
    for names in [
        ["v2.sql", "v10.sql"],
        ["release-2.sql", "release-10.sql"],
        ["1_b2.sql", "1_b10.sql"],
    ] {
        let [second, first] = names;
        place(&names, "").run(&["migrate"]).ends_with(2).and_says(&format!(
            "`migrations/{first}` comes before `migrations/{second}` in the order of their names, and after it by the numbers in them"
        ));
        let said = place(&names, "order = \"names\"\n")
            .run(&["migrate"])
            .ends_with(0);
        let order = [first, second].map(|name| said.stdout.find(name).unwrap());
        assert!(order.is_sorted(), "{said:#?}");
    }
    place(&["v02.sql", "v10.sql", "x1.sql", "y.sql"], "")
        .run(&["migrate"])
        .ends_with(0);
}

#[test]
fn what_holds_nothing_that_could_run_is_an_error() {
    for (names, found) in [
        (&["readme.md", "x.rb"][..], "`readme.md`, `x.rb`"),
        (&["readme.md"], "`readme.md`"),
    ] {
        place(names, "").run(&["migrate"]).ends_with(2).and_says(&format!(
            "of `sources.single_migrations` holds no file .sql, .wasm or .js that could run, only {found}"
        ));
    }
    place(&["x.sql.txt"], "")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`x.sql.txt` ends in .txt");
    place(&[".gitkeep"], "")
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do");
    // A directory beside one that has files may be one that begins.
    let place = place(&["readme.md"], "tenant_scripts = [\"scripts\"]\n");
    std::fs::create_dir(place.path().join("scripts")).unwrap();
    std::fs::write(place.path().join("scripts/a.sql"), "SELECT 1;").unwrap();
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn what_undoes_by_its_name_does_not_run() {
    for (names, said) in [
        (
            &["a.sql", "down.sql"][..],
            "`down.sql` is called `down`, and would run to migrate",
        ),
        (
            &["a.sql", "a_down.sql"],
            "`a_down.sql` undoes `a` by its name, and would run to migrate: call it `a.down.sql`",
        ),
        (
            &["a_up.sql", "a_down.sql"],
            "`a_down.sql` undoes `a_up` by its name",
        ),
        (
            &["a.sql", "a-revert.sql"],
            "`a-revert.sql` undoes `a` by its name",
        ),
        (
            &["a.sql", "down_a.sql"],
            "`down_a.sql` undoes `a` by its name",
        ),
        (&["a.sql", "a.dn.sql"], "`a.dn.sql` undoes `a` by its name"),
        (
            &["aUp.sql", "aDown.sql"],
            "`aDown.sql` undoes `aUp` by its name",
        ),
        (
            &["1_createUsers.sql", "2_undoCreateUsers.sql"],
            "`2_undoCreateUsers.sql` undoes `1_createUsers` by its name",
        ),
        (
            &["a.sql", "a (down).sql"],
            "`a (down).sql` undoes `a` by its name",
        ),
        (
            &["a.sql", "a_uninstall.sql"],
            "`a_uninstall.sql` undoes `a` by its name",
        ),
        (
            &["a.sql", "a.bak.sql"],
            "`a.bak.sql` is a copy of `a` by its name",
        ),
    ] {
        let place = place(names, "");
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(place.is_untouched());
    }
    for (name, said) in [
        (
            "0002_a_rollback.sql",
            "`0002_a_rollback.sql` undoes `0001_a` by its name",
        ),
        ("0002_undo.sql", "`0002_undo.sql` is called `undo`"),
        (
            "0002_downgrade.sql",
            "`0002_downgrade.sql` is called `downgrade`",
        ),
        (
            "0002_teardown.sql",
            "`0002_teardown.sql` is called `teardown`",
        ),
        (
            "0002_a_downgrade.sql",
            "`0002_a_downgrade.sql` undoes `0001_a` by its name",
        ),
        (
            "0002_rollback_a.sql",
            "`0002_rollback_a.sql` undoes `0001_a` by its name",
        ),
        (
            "0001_revert_a.sql",
            "`0001_revert_a.sql` undoes `0001_a` by its name",
        ),
        ("2_a.dn.sql", "`2_a.dn.sql` undoes `0001_a` by its name"),
        (
            "0001_down_a.sql",
            "`0001_down_a.sql` undoes `0001_a` by its name",
        ),
        (
            "V2__b.sql.conf",
            "`V2__b.sql.conf` says how `V2__b.sql` runs, which is not there",
        ),
        (
            "0001_a_down.sql",
            "`0001_a_down.sql` undoes `0001_a` by its name",
        ),
        (
            "0002_aDown.js",
            "`0002_aDown.js` undoes `0001_a` by its name, and would run to migrate: put that into the `reset`",
        ),
        ("0002_down.ts", "`0002_down.ts` is called `down`"),
        (
            "0002_rollback_a.py",
            "`0002_rollback_a.py` undoes `0001_a` by its name",
        ),
        (
            "0002_a_teardown.wasm",
            "`0002_a_teardown.wasm` undoes `0001_a` by its name",
        ),
    ] {
        let place = Place::new()
            .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
            .with_sql(name, "DROP TABLE a;");
        place.run(&["migrate"]).ends_with(2).and_says(said);
        assert!(place.is_untouched());
    }
    // A step may revert an earlier one, and be called after what it is for.
    let place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("0002_a_revert.sql", "DROP TABLE a;")
        .with_sql("0003_scroll_down.sql", "SELECT 1;")
        .with_sql("0004_markdown.sql", "SELECT 1;")
        .with_sql("0005_revert_a.sql", "SELECT 1;")
        .with_sql("0006_payment.sql", "SELECT 1;")
        .with_sql("0007_down_payment.sql", "SELECT 1;");
    place.run(&["migrate"]).ends_with(0);
}

#[test]
fn files_for_other_databases_do_not_run() {
    let (own, other) = Place::in_sql_of("sqlite3 postgresql", "pg sqlite3")
        .split_once(' ')
        .unwrap();
    let mut place = Place::new()
        .with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql(
            &format!("0002_b.{own}.up.sql"),
            "CREATE TABLE b (b INTEGER);",
        )
        .with_sql(&format!("0002_b.{own}.down.sql"), "DROP TABLE b;")
        .with_sql(&format!("0002_b.{other}.up.sql"), "nothing that could run");
    for database in ["mysql", "cockroach", "MariaDB", "mssql", "oracle"] {
        for word in ["up", "down"] {
            let name = format!("0002_b.{database}.{word}.sql");
            place = place.with_sql(&name, "nothing that could run");
        }
    }
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("0002_b migrated");
    place
        .run(&["plan", "-v"])
        .ends_with(0)
        .and_says("ignored 0002_b.mysql.up.sql: meant for mysql");
    place.run(&["reset"]).ends_with(2);
    Place::new()
        .with_sql("0001_a.mysql.sql", "nothing that could run")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("holds no step, only `0001_a.mysql.sql`");
    Place::new()
        .with_sql("0001_a_mysql.sql", "SELECT 1;")
        .with_sql("0001_a_postgres.sql", "SELECT 1;")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("two steps have the index 1")
        .and_says("for different databases, write `.sqlite.sql` or `.postgres.sql`");
    // Times with six digits after the second, as Ory's have.
    Place::new()
        .with_sql("20201110175414000000_a.sql", "CREATE TABLE a (b INTEGER);")
        .with_sql("20201110175414000001_b.sql", "DROP TABLE a;")
        .run(&["migrate"])
        .ends_with(0);
}

#[test]
fn a_script_needs_no_number_where_names_are_free() {
    let place = crate::tenants::counting();
    let write = |name: &str, value: u32| {
        let script = format!(
            "export function migrate(db) {{ db.execute(\"INSERT INTO counted VALUES ({value}, 'x')\"); }}"
        );
        place.write_step(name, script.as_bytes());
    };
    write("tenants/b.js", 10);
    write("tenants/c.ts", 100);
    write("views/v.js", 1000);
    place.write_step("tenants/c.d.ts", b"export {};");
    place.run(&["tenants", "add", "acme"]).ends_with(0);
    assert_eq!(crate::tenants::Tenants::sum(&place, "acme"), "1111");
    place.write_step("views/w.py", b"def migrate(db):\n    pass\n");
    let status = place.run(&["status"]).ends_with(0);
    status.and_says("views/w.py");
    std::fs::create_dir(place.step("views/more")).unwrap();
    std::fs::rename(place.step("views/v.js"), place.step("views/more/v.js")).unwrap();
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`v.js` in it");
}

#[test]
fn a_seed_that_is_a_script_needs_no_number() {
    let place = Place::new().with_sql("0001_item.sql", "CREATE TABLE item (name TEXT NOT NULL);");
    std::fs::create_dir(place.step("seeds")).unwrap();
    place.write_step(
        "seeds/s.js",
        b"export function migrate(db) { db.execute(\"INSERT INTO item VALUES ('s')\"); }",
    );
    std::fs::write(
        place.path().join("wasmigrate.toml"),
        "seeds = \"migrations/seeds\"\n",
    )
    .unwrap();
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.texts("SELECT name FROM item"), ["s"]);
}
