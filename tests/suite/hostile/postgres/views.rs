//! Views on the journal: whoever may write through one writes with its owner's rights.

use super::others::Guest;
use super::{Target, hidden};

const FOUND: &str = "it made or changed a view on tables that belong to the host";

#[test]
fn a_step_makes_no_view_on_the_journal() {
    let target = Target::new();
    for statement in [
        "CREATE VIEW public.seen AS SELECT * FROM JOURNAL_step",
        "CREATE VIEW public.seen AS SELECT * FROM JOURNAL_lease; GRANT ALL ON public.seen TO PUBLIC",
        "CREATE VIEW public.seen AS SELECT * FROM JOURNAL_step; CREATE VIEW public.more AS SELECT * FROM public.seen; DROP VIEW public.seen CASCADE;
         CREATE VIEW public.seen AS SELECT * FROM JOURNAL_run",
        "CREATE TABLE public.ruled (i INTEGER); CREATE RULE seen AS ON INSERT TO public.ruled DO ALSO SELECT * FROM JOURNAL_step",
    ] {
        target.repels(&[&hidden(statement)], FOUND);
    }
    target.and_works_on();
}

#[test]
fn a_step_makes_no_view_on_another_targets_journal() {
    let mut target = Target::new();
    target.place.connect().run("CREATE SCHEMA shop");
    let url = format!("{}?options=-csearch_path%3Dshop", target.place.url());
    target
        .place
        .run(&["migrate", "--database", &url])
        .ends_with(0);
    target.data = target.place.content();
    target.repels(
        &[&hidden(
            "CREATE VIEW public.seen AS SELECT * FROM BARE_shop.BARE_step",
        )],
        FOUND,
    );
    target.and_works_on();
}

/// One that only reads is allowed, and a step does not make more of it.
#[test]
fn a_step_leaves_a_view_of_the_operators_alone() {
    let mut target = Target::new();
    target.place.connect().run(
        "CREATE VIEW shown AS SELECT * FROM wasmigrate.wasmigrate_step; CREATE VIEW more AS SELECT * FROM shown;
         GRANT SELECT ON shown, more TO PUBLIC",
    );
    target.data = target.place.content();
    for statement in [
        "GRANT UPDATE ON public.shown TO PUBLIC",
        "GRANT UPDATE (name) ON public.more TO PUBLIC",
        "CREATE VIEW public.other AS SELECT * FROM public.more",
    ] {
        target.repels(&[&hidden(statement)], FOUND);
    }
    let place = target.permits(&["SELECT * FROM more", "ANALYZE"]);
    place.run(&["verify"]).ends_with(0);
}

#[test]
fn a_view_through_which_others_write_stops_every_command() {
    let guest = Guest::called("sees");
    guest.place.run(&["migrate"]).ends_with(0);
    let mut owner = guest.place.connect();
    owner.run(&format!(
        "CREATE VIEW shown AS SELECT * FROM wasmigrate.wasmigrate_step; CREATE VIEW more AS SELECT * FROM shown;
         GRANT SELECT ON shown, more TO PUBLIC; GRANT USAGE ON SCHEMA wasmigrate TO {0};
         GRANT SELECT ON wasmigrate.wasmigrate_step TO {0}",
        guest.name
    ));
    guest.place.run(&["status"]).ends_with(0);
    // One of somebody else's own has their rights.
    guest.runs(
        "CREATE VIEW own AS SELECT * FROM wasmigrate.wasmigrate_step; GRANT ALL ON own TO PUBLIC",
    );
    guest.place.run(&["status"]).ends_with(0);
    for (rights, view) in [
        ("UPDATE ON shown", "public.shown"),
        ("DELETE ON more", "public.more"),
        ("INSERT (name) ON more", "public.more"),
    ] {
        owner.run(&format!("GRANT {rights} TO {}", guest.name));
        guest.is_refused(
            &["status", "plan", "migrate"],
            &[&format!(
                "may write to the journal in wasmigrate through {view}"
            )],
        );
        owner.run(&format!("REVOKE {rights} FROM {}", guest.name));
        guest.place.run(&["status"]).ends_with(0);
    }
    owner.run("DROP VIEW more, shown CASCADE");
}
