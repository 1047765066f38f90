//! WASI is there, because language runtimes insist on it, and grants nothing.

use crate::hostile::attack;
use crate::hostile::component::{Component, writes};

const CLI: &str = "package wasi:cli@0.2.0;
    interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
        initial-cwd: func() -> option<string>;
    }
    interface exit { exit: func(status: result); }";

const FILES: &str = "package wasi:filesystem@0.2.0;
    interface types { resource descriptor; }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }";

const SOCKETS: &str = "package wasi:sockets@0.2.0;
    interface network {
        resource network;
        enum error-code {
            unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
            not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
            remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
            name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
        }
        enum ip-address-family { ipv4, ipv6 }
    }
    interface instance-network {
        use network.{network};
        instance-network: func() -> network;
    }
    interface ip-name-lookup {
        use network.{network, error-code};
        resource resolve-address-stream;
        resolve-addresses: func(network: borrow<network>, name: string) -> result<resolve-address-stream, error-code>;
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code, ip-address-family};
        use tcp.{tcp-socket};
        create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
    }
    interface udp { resource udp-socket; }
    interface udp-create-socket {
        use network.{error-code, ip-address-family};
        use udp.{udp-socket};
        create-udp-socket: func(address-family: ip-address-family) -> result<udp-socket, error-code>;
    }";

const IO: &str = "package wasi:io@0.2.0;
    interface error { resource error; }
    interface poll { resource pollable { block: func(); } }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }";

const CLOCKS: &str = "package wasi:clocks@0.2.0;
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        subscribe-duration: func(when: u64) -> pollable;
    }";

const STDOUT: &str = "package wasi:cli@0.2.0;
    interface stdout {
        use wasi:io/streams@0.2.0.{output-stream};
        get-stdout: func() -> output-stream;
    }";

/// Writes a number down for the test to read.
fn tell(number: &str) -> String {
    format!(
        "(if (call $sql_with {{{{INSERT INTO audit VALUES ($1)}}}} (i64.extend_i32_u {number}))
           (then (return (call $give_up))))"
    )
}

#[track_caller]
fn tells(component: Component, expected: &[&str]) {
    let place = attack(component).succeeds().place;
    assert_eq!(place.texts("SELECT note FROM audit"), expected);
}

#[test]
fn there_are_no_variables_arguments_or_directories() {
    let length = tell("(i32.load (i32.const 1028))");
    let is_there = tell("(i32.load8_u (i32.const 1024))");
    let body = format!(
        "(call $environment (i32.const 1024)) {length}
         (call $arguments (i32.const 1024)) {length}
         (call $directories (i32.const 1024)) {length}
         (call $cwd (i32.const 1024)) {is_there}"
    );
    let component = Component::migrating(body)
        .importing(
            CLI,
            r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
               (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
               (import "wasi:cli/environment@0.2.0" "initial-cwd" (func $cwd (param i32)))"#,
        )
        .importing(
            FILES,
            r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))"#,
        );
    tells(component, &["0", "0", "0", "0"]);
}

#[test]
fn there_is_no_network() {
    let is_error = tell("(i32.load8_u (i32.const 1024))");
    let code = tell("(i32.load8_u (i32.const 1028))");
    let body = format!(
        "(call $resolve (call $network) {{{{localhost}}}} (i32.const 1024)) {is_error} {code}
         (call $tcp (i32.const 0) (i32.const 1024)) {is_error} {code}
         (call $udp (i32.const 0) (i32.const 1024)) {is_error} {code}"
    );
    let component = Component::migrating(body).importing(
        SOCKETS,
        r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
           (import "wasi:sockets/ip-name-lookup@0.2.0" "resolve-addresses" (func $resolve (param i32 i32 i32 i32)))
           (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))
           (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $udp (param i32 i32)))"#,
    );
    // `permanent-resolver-failure`, and `access-denied` twice.
    tells(component, &["1", "20", "1", "1", "1", "1"]);
}

#[test]
fn leaving_is_not_returning() {
    for status in [0, 1] {
        let body = writes() + &format!("(call $exit (i32.const {status}))");
        let component = Component::migrating(body).importing(
            CLI,
            r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        );
        attack(component)
            .fails()
            .saying(&format!(
                "the component exited with status {status} instead of returning"
            ))
            .and_the_host_works_on();
    }
}

#[test]
fn sleeping_counts_as_time() {
    let hour = 3_600_000_000_000_u64;
    let body = writes() + &format!("(call $block (call $sleep (i64.const {hour})))");
    let component = Component::migrating(body)
        .importing(
            IO,
            r#"(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#,
        )
        .importing(
            CLOCKS,
            r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $sleep (param i64) (result i32)))"#,
        );
    attack(component)
        .under("limits.deadline_seconds", 1)
        .fails()
        .saying("the limit `limits.deadline_seconds` is 1")
        .and_the_host_works_on();
}

#[test]
fn the_standard_streams_are_output_and_limited_like_it() {
    let fields = r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#;
    let writing = |body: &str| {
        Component::migrating(format!("(local.set $handle (call $stdout)) {body}"))
            .importing(IO, "")
            .importing(STDOUT, fields)
    };
    let write = "(call $write (local.get $handle) {{said \u{1b}[2Jplainly\n}} (i32.const 1024))";
    attack(writing(write))
        .succeeds()
        .saying("0001_hostile │ said [2Jplainly\n");
    attack(writing(
        &(writes() + &format!("(loop $again {write} (br $again))")),
    ))
    .under("limits.output_lines", 100)
    .fails()
    .saying("the limit `limits.output_lines` is 100")
    .and_the_host_works_on();
}

#[test]
fn streams_are_handles_too() {
    let body = writes() + "(loop $again (drop (call $network)) (br $again))";
    let component = Component::migrating(body).importing(
        SOCKETS,
        r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))"#,
    );
    attack(component)
        .under("limits.handles", 100)
        .fails()
        .saying("the component holds too many handles: the limit `limits.handles` is 100")
        .and_the_host_works_on();
}

#[test]
fn what_is_not_offered_is_refused_by_its_name() {
    for (package, import) in [
        (
            "package wasi:http@0.2.0; interface types { reach: func(); }",
            "wasi:http/types@0.2.0",
        ),
        (
            "package wasi:keyvalue@0.2.0; interface store { reach: func(); }",
            "wasi:keyvalue/store@0.2.0",
        ),
        (
            "package wasi:cli@0.3.0; interface environment { reach: func(); }",
            "wasi:cli/environment@0.3.0",
        ),
        (
            "package somebody:elses@7.0.0; interface things { reach: func(); }",
            "somebody:elses/things@7.0.0",
        ),
    ] {
        let field = format!(r#"(import "{import}" "reach" (func $reach))"#);
        attack(Component::new().importing(package, &field))
            .gets_refused()
            .saying(&format!(
                "it imports what this host does not offer: {import}"
            ))
            .and_the_host_works_on();
    }
}

#[test]
fn a_function_that_is_not_offered_is_refused_by_its_name() {
    let component = Component::new().importing(
        "package wasi:cli@0.2.0; interface environment { get-secrets: func(); }",
        r#"(import "wasi:cli/environment@0.2.0" "get-secrets" (func $secrets))"#,
    );
    attack(component)
        .gets_refused()
        .saying("it does not fit the contract")
        .saying("get-secrets")
        .and_the_host_works_on();
}
