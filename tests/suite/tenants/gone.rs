//! Tenants whose files were there and are gone, as where a volume is not mounted: nobody makes new ones in silence.

mod sqlite {
    use std::path::PathBuf;

    use super::super::{ADD, Tenants as _, counting, target};
    use crate::place::Place;
    use crate::service::process::Service;

    /// Files are made only for who is new from now on.
    fn without_create(place: Place) -> Place {
        place.with_variable("WASMIGRATE_CREATE", "false")
    }

    fn file(place: &Place, tenant: &str) -> PathBuf {
        let directory = place.path().join("wasmigrate.db.tenants");
        directory.join(format!("{tenant}.db"))
    }

    fn remove(place: &Place, tenant: &str) {
        std::fs::remove_file(file(place, tenant)).unwrap();
    }

    #[test]
    fn every_command_names_the_file_that_is_gone() {
        let place = without_create(counting().with_tenants(&["acme", "beta"]));
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        place.run(&["migrate", "--parallel", "2"]).ends_with(0);
        place.write_step("tenants/003_add.sql", ADD.as_bytes());
        remove(&place, "beta");
        for command in [
            &["status"][..],
            &["plan"],
            &["plan", "--dry-run"],
            &["migrate", "--atomic"],
            &["migrate", "--parallel", "2"],
            &["finalize"],
            &["reset"],
            &["history"],
            &["verify"],
            &["tenants"],
            &["tenants", "add", "gamma"],
        ] {
            let said = place.run(command);
            assert_ne!(said.status, Some(0), "{command:?}: {said:#?}");
            said.and_says("beta.db: the file of the tenant `beta` is gone")
                .and_says("--create");
            assert!(!file(&place, "beta").exists(), "{command:?}");
        }
        assert_eq!(place.sum("acme"), "11");
        let service = Service::start(&place);
        let answer = service.command("finalize");
        assert!(
            answer
                .body
                .contains("the file of the tenant `beta` is gone"),
            "{}",
            answer.body
        );
        service.terminate();
        assert!(!file(&place, "beta").exists());
        place.run(&["finalize", "--create"]).ends_with(0);
        assert_eq!(
            (place.sum("acme"), place.sum("beta")),
            ("21".to_owned(), "21".to_owned())
        );
        place.run(&["status"]).ends_with(0);
    }

    #[test]
    fn a_list_of_the_application_s_own_has_new_tenants_and_such_as_are_gone() {
        for how in ["--atomic", "--parallel=2"] {
            let place = counting()
                .with_data(
                    "CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme');",
                )
                .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
            let place = without_create(place);
            place.run(&["finalize", how]).ends_with(0);
            let add = |name: &str| {
                place
                    .connect()
                    .run(&format!("INSERT INTO customer VALUES ('{name}')"))
            };
            add("beta");
            place.run(&["status"]).ends_with(0).and_says("1 behind");
            place.run(&["finalize", how]).ends_with(0);
            assert_eq!(place.sum("beta"), "1");
            for tenant in ["beta", "acme"] {
                remove(&place, tenant);
                place.write_step(&format!("tenants/002_{tenant}.sql"), ADD.as_bytes());
                let said = place.run(&["finalize", how]);
                assert_ne!(said.status, Some(0), "{said:#?}");
                said.and_says(&format!("the file of the tenant `{tenant}` is gone"));
                place.run(&["finalize", how, "--create"]).ends_with(0);
            }
        }
    }

    /// It was made in a run that did not come to its end, so that the target did not hear of it.
    #[test]
    fn a_tenant_of_an_earlier_run_is_known_from_the_next_one_on() {
        let place = counting()
            .with_data("CREATE TABLE customer (name TEXT); INSERT INTO customer VALUES ('acme'), ('beta');")
            .with_variable("WASMIGRATE_TENANTS_SELECT", "SELECT name FROM customer");
        place.run(&["finalize"]).ends_with(0);
        place.connect().run("DELETE FROM wasmigrate_tenant");
        let place = without_create(place);
        place.write_step("single/002.sql", b"SELECT 1;");
        place.run(&["finalize"]).ends_with(0);
        remove(&place, "beta");
        place
            .run(&["finalize"])
            .and_says("the file of the tenant `beta` is gone");
    }

    #[test]
    fn a_tenant_has_its_file_before_there_are_files_for_tenants() {
        let place = without_create(target().with_tenants(&["acme"]));
        assert!(file(&place, "acme").exists());
        place.run(&["status"]).ends_with(0);
        place.write_step("tenants/001.sql", b"CREATE TABLE counted (value INTEGER);");
        place.run(&["finalize"]).ends_with(0);
        // One that was added by an earlier version has none.
        let place = without_create(target().with_tenants(&["acme"]));
        remove(&place, "acme");
        place.run(&["status"]).ends_with(0);
        place.write_step("tenants/001.sql", b"CREATE TABLE counted (value INTEGER);");
        place.run(&["finalize"]).ends_with(0);
        assert!(file(&place, "acme").exists());
    }

    const BROKEN: &[u8] = b"INSERT INTO {schema}.nosuch VALUES (1);";

    #[test]
    fn a_tenant_that_could_not_be_added_leaves_nothing() {
        for how in [&[][..], &["--create"]] {
            let place = without_create(counting().with_tenants(&["acme"]));
            place.write_step("tenants/002_v.sql", BROKEN);
            let add = [&["tenants", "add", "beta"], how].concat();
            place.run(&add).ends_with(1).and_says("nosuch");
            assert!(!file(&place, "beta").exists());
            assert!(file(&place, "acme").exists());
            place.write_step("tenants/002_v.sql", ADD.as_bytes());
            place.run(&["tenants", "add", "beta"]).ends_with(0);
            assert_eq!(place.sum("beta"), "11");
        }
    }

    #[test]
    fn a_file_that_a_failed_run_has_begun_anew_is_not_taken_for_the_tenant_s() {
        for (how, name, mended, sum) in [
            ("--atomic", "tenants/002_v.sql", ADD, "11"),
            ("--parallel=2", "tenants/000_v.sql", "SELECT 1;", "1"),
        ] {
            let place = without_create(counting().with_tenants(&["acme", "beta"]));
            remove(&place, "beta");
            place.write_step(name, BROKEN);
            let gone = "the file of the tenant `beta` is gone";
            place.run(&["migrate", how]).and_says(gone);
            place
                .run(&["migrate", how, "--create"])
                .ends_with(1)
                .and_says("nosuch");
            place.run(&["migrate", how]).and_says(gone);
            assert!(!file(&place, "beta").exists());
            place.write_step(name, mended.as_bytes());
            place.run(&["migrate", how, "--create"]).ends_with(0);
            assert_eq!(place.sum("beta"), sum);
        }
    }

    #[test]
    fn an_empty_file_in_its_place_is_not_taken_for_the_tenant_s() {
        let place = without_create(counting().with_tenants(&["acme", "beta"]));
        remove(&place, "beta");
        std::fs::write(file(&place, "beta"), "").unwrap();
        place.write_step("tenants/002_add.sql", ADD.as_bytes());
        for command in ["status", "plan", "migrate"] {
            place
                .run(&[command])
                .and_says("the file of the tenant `beta` is another one");
        }
        place.run(&["migrate", "--create"]).ends_with(0);
        assert_eq!(place.sum("beta"), "11");
    }

    #[test]
    fn a_tenant_that_comes_back_without_its_data_is_told_so() {
        let place = without_create(counting().with_tenants(&["acme", "beta"]));
        remove(&place, "beta");
        place.run(&["tenants", "remove", "beta"]).ends_with(0);
        let said = place.run(&["tenants", "add", "beta"]).ends_with(0);
        assert!(!said.stderr.contains("is still there"), "{said:#?}");
        place.run(&["tenants", "remove", "beta"]).ends_with(0);
        place
            .run(&["tenants", "add", "beta"])
            .ends_with(0)
            .and_says("its data is still there");
    }
}
