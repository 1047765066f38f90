//! A database that is not there.

use super::{APPLY, Fleet, apply, get, post};
use crate::place::Place;
use wasmigrate_test_server::{Cluster, Durability};

#[test]
fn what_needs_no_database_answers_and_the_rest_says_why_not() {
    let cluster = Cluster::start(Durability::None).unwrap();
    let fleet = Fleet::at(Place::on(&cluster)).with_files();
    let service = fleet.serve();
    apply(&service);
    drop(cluster);
    for path in ["/", "/v1/config"] {
        assert_eq!(get(&service, path).status, 200, "{path}");
    }
    let tenant = r#"{"name":"one","mode":"apply","response":"full"}"#;
    let answers = [
        get(&service, "/v1/migrations/source"),
        get(&service, "/v1/migrations/applied"),
        get(&service, "/v1/tenants"),
        post(&service, "/v1/migrations", APPLY),
        post(&service, "/v1/tenants", tenant),
    ];
    for answer in answers {
        assert_eq!(answer.status, 500, "{answer:?}");
        let head = r#"{"error":"Failed to connect to database: "#;
        assert!(answer.body.starts_with(head), "{answer:?}");
        assert!(answer.header("deprecation").is_some());
    }
    // The body is looked at first.
    assert_eq!(post(&service, "/v1/migrations", "{}").status, 400);
    assert_eq!(post(&service, "/v1/tenants", APPLY).status, 400);
}
