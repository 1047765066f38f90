//! The history of migrator, with its tenants: PostgreSQL alone.

mod postgres {
    use crate::place::Place;

    const FILES: [(&str, &str); 4] = [
        (
            "ref/202001010900_roles.sql",
            include_str!("histories/migrator/ref/202001010900_roles.sql"),
        ),
        (
            "tenants/202001011000_users.sql",
            include_str!("histories/migrator/tenants/202001011000_users.sql"),
        ),
        (
            "tenants/202001011100_first_user.sql",
            include_str!("histories/migrator/tenants/202001011100_first_user.sql"),
        ),
        (
            "tenants/202001021000_notes.sql",
            "CREATE TABLE {schema}.notes (id BIGINT);\n",
        ),
    ];

    fn shop() -> Place {
        let place = Place::new().with_data(include_str!("histories/migrator.postgres.sql")).with_data(
            "CREATE SCHEMA ref; CREATE TABLE ref.roles (id BIGINT PRIMARY KEY); INSERT INTO ref.roles VALUES (1);
             CREATE SCHEMA abc; CREATE TABLE abc.users (id BIGINT PRIMARY KEY); INSERT INTO abc.users VALUES (1);
             CREATE SCHEMA def; CREATE TABLE def.users (id BIGINT PRIMARY KEY);",
        );
        for (path, text) in FILES {
            let path = place.path().join("db").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let settings = "[sources]\nbase = \"db\"\nsingle_migrations = [\"ref\"]\ntenant_migrations = [\"tenants\"]\n";
        std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
        place
    }

    /// Whoever comes with that tool's own settings changes one binary, and nothing else.
    #[test]
    fn its_own_settings_take_its_history_over_by_themselves() {
        let place = shop();
        std::fs::remove_file(place.path().join("wasmigrate.toml")).unwrap();
        let settings = format!(
            "baseLocation: db\ndriver: postgres\ndataSource: {}\nsingleMigrations: [ref]\ntenantMigrations: [tenants]\n",
            place.url()
        );
        std::fs::write(place.path().join("migrator.yaml"), settings).unwrap();
        place
            .run(&["plan", "--dry-run"])
            .ends_with(2)
            .and_says("`migrator.migrator_migrations` says that migrator has migrated this target");
        place
            .run(&["finalize"])
            .ends_with(0)
            .and_says("migrator.migrator_migrations");
        assert_eq!(place.one::<i64>("SELECT count(*) FROM abc.users"), 1);
        assert_eq!(
            place.texts("SELECT command FROM wasmigrate_run ORDER BY id"),
            ["import", "finalize"]
        );
        place.run(&["finalize"]).ends_with(0).and_says("nothing");
    }

    #[test]
    fn each_tenant_gets_what_it_lacks() {
        let place = shop();
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("`migrator.migrator_migrations` says that migrator has migrated this target");
        place
            .run(&["import", "--from", "migrator"])
            .ends_with(0)
            .and_says("not written down: 1 run of scripts")
            .and_says("ref/202001010900_roles.sql  applied 2020-01-01 09:00:00")
            .and_says("tenants/202001011000_users.sql  def")
            .and_says("run 1 wrote down 4 as applied");
        assert_eq!(
            place.texts("SELECT name FROM wasmigrate_tenant ORDER BY name"),
            ["abc", "def"]
        );
        place.run(&["finalize"]).ends_with(0);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM abc.users"), 1);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM def.users"), 1);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM abc.notes"), 0);
        assert_eq!(place.one::<i64>("SELECT count(*) FROM def.notes"), 0);
        place
            .run(&["import", "--from", "migrator"])
            .ends_with(0)
            .and_says("nothing to do");
    }

    #[test]
    fn a_changed_and_a_missing_file_are_named() {
        let place = shop();
        std::fs::write(
            place.path().join("db/tenants/202001011000_users.sql"),
            "SELECT 1;",
        )
        .unwrap();
        std::fs::remove_file(place.path().join("db/ref/202001010900_roles.sql")).unwrap();
        let before = place.everything();
        place
            .run(&["import", "--from", "migrator"])
            .ends_with(2)
            .and_says("`tenants/202001011000_users.sql` has changed since migrator applied it")
            .and_says(
                "`/srv/shop/db/ref/202001010900_roles.sql` was applied, but there is no such file",
            );
        assert!(place.everything() == before);
    }

    #[test]
    fn a_name_that_no_tenant_can_have_is_refused() {
        shop()
            .with_data("INSERT INTO migrator.migrator_tenants (name) VALUES ('x; DROP TABLE y')")
            .run(&["import", "--from", "migrator"])
            .ends_with(2)
            .and_says("cannot be a tenant's name");
    }
}
