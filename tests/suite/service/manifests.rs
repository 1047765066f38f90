//! The manifests for Kubernetes: they can be rendered, and say nothing that the program does not know.

use std::path::Path;
use std::process::Command;

use crate::place::Place;

/// All manifests as one text.
fn rendered() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kubernetes");
    let said = Command::new("kubectl")
        .arg("kustomize")
        .arg(directory)
        .output()
        .expect("kubernetes-client is installed by `cargo xtask test`");
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

#[test]
fn they_are_rendered_and_select_nothing_but_the_service() {
    let rendered = rendered();
    for kind in [
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ] {
        assert!(rendered.contains(&format!("kind: {kind}\n")), "{rendered}");
    }
    // An empty selector selects every pod.
    assert!(!rendered.contains("elector: {}"), "{rendered}");
}

#[test]
fn the_program_knows_their_arguments() {
    let job = include_str!("../../../docs/kubernetes/job.yaml");
    let help = |command: &str| Place::new().run(&[command, "--help"]).ends_with(0).stdout;
    let (serve, migrate) = (help("serve"), help("migrate"));
    assert!(job.contains(r#"args: ["migrate", "--strict"]"#));
    assert!(migrate.contains("--strict"));
    let rendered = rendered();
    let flags = rendered
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- --"));
    let mut count = 0;
    for flag in flags {
        let name = flag.split('=').next().unwrap();
        assert!(serve.contains(&format!("--{name} ")), "--{name}: {serve}");
        count += 1;
    }
    assert_eq!(count, 4);
}
