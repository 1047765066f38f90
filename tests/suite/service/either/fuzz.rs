//! Whatever is sent, the service answers in its own words and lives.

use crate::crash::point::Seed;
use crate::service::client::{self, Answer, Request};
use crate::service::gated;
use crate::service::process::Service;

/// How many requests are sent, over four connections at a time: 3,000, or as many as `WASMIGRATE_FUZZ_REQUESTS` says.
fn requests() -> usize {
    let told = std::env::var("WASMIGRATE_FUZZ_REQUESTS").ok();
    told.map_or(3_000, |told| told.parse().unwrap())
}

/// What a service may need in memory beyond what it needed after the first tenth of the requests, in KiB.
const GROWTH: usize = 64 << 10;

/// The memory that a service has now, in KiB: proc(5).
fn memory(service: &Service) -> usize {
    let status = format!("/proc/{}/status", service.process_id());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

/// Sends so many requests, and demands that the service's memory does not grow with them.
fn send_all(service: &Service, send: impl Fn() + Sync) {
    let send = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..count / 4).for_each(|_| send()));
            }
        });
    };
    send(requests() / 10);
    let warm = memory(service);
    send(requests() - requests() / 10);
    let after = memory(service);
    println!("{} requests: {warm} KiB, then {after} KiB", requests());
    assert!(after < warm + GROWTH, "{warm} KiB became {after} KiB");
}

impl Seed {
    fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<'t>(&self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// Any bytes, a few of them.
    fn noise(&self, most: usize) -> Vec<u8> {
        (0..self.below(most))
            .map(|_| u8::try_from(self.below(256)).unwrap())
            .collect()
    }
}

const METHODS: [&str; 12] = [
    "GET", "POST", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW",
    "post",
];

const PATHS: [&str; 24] = [
    "/internal/migrations",
    "/internal/migrations/",
    "/internal/migrations//",
    "/internal/migrations/dialects/current",
    "/internal/migrations/dialects/full-output/",
    "/internal/migrations/dialects/progress/",
    "/internal/migrations/dialects/CURRENT",
    "/internal/migrations/dialects/%ff%00",
    "/internal/./migrations/../migrations",
    "/api/v1/status",
    "/api/v1/steps",
    "/api/v1/runs",
    "/api/v1/runs/1",
    "/api/v1/runs/1/output",
    "/api/v1/runs/1/cancel",
    "/api/v1/runs/%00",
    "/api/v2/",
    "/healthz",
    "/readyz",
    "/metrics",
    "*",
    "/",
    "//",
    "http://elsewhere/internal/migrations",
];

const QUERIES: [&str; 8] = [
    "",
    "",
    "",
    "?",
    "?before=1&most=2",
    "?most=99999999999999999999",
    "?after=%ff&output=",
    "?a=b=c&&&=",
];

const BODIES: [&str; 18] = [
    "",
    r#"{"cmd":"stats"}"#,
    r#"{"cmd":"progress","verbose":[1,{}]}"#,
    r#"{"cmd":"migrate"}"#,
    r#"{"cmd":"finalize","verbose":true}"#,
    r#"{"cmd":"reset"}"#,
    r#"{"cmd":"clear-collectionfield-tables"}"#,
    r#"{"cmd":"<script>alert(1)</script>"}"#,
    r#"{"cmd":"\u0000\ud800"}"#,
    r#"{"cmd":"\u0000\u202e"}"#,
    r#"{"cmd":null,"cmd":"stats"}"#,
    r#"{"command":"migrate"}"#,
    r#"{"command":"reset","verbose":true}"#,
    "null",
    "[]",
    "\"stats\"",
    "1e999",
    "{\"cmd\":\"stats\"}\n\n garbage",
];

const TYPES: [&str; 9] = [
    "application/json",
    "application/json",
    "application/json; charset=\"utf-8\"",
    "application/vnd.api+json",
    "text/html",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "",
    ";;;",
];

const AUTHORIZATIONS: [&str; 9] = [
    "Bearer let-me-in",
    "Bearer let-me-in",
    "b3BlbnNsaWRlcw==",
    "b3BlbnNsaWRlcw",
    "Bearer ",
    "Bearer",
    "Basic !!!",
    "====",
    "",
];

const NAMES: [&str; 12] = [
    "Accept",
    "Origin",
    "Cookie",
    "Expect",
    "Range",
    "If-Match",
    "X-Request-Id",
    "Idempotency-Key",
    "Upgrade",
    "TE",
    "X-HTTP-Method-Override",
    "Last-Event-ID",
];

const VALUES: [&str; 8] = [
    "",
    "*/*",
    "100-continue",
    "h2c",
    "../../etc/passwd",
    "'; DROP TABLE wasmigrate_run; --",
    "\u{e9}\u{202e}",
    "1",
];

fn request(seed: &Seed) -> Request {
    let path = seed.one(&PATHS).to_owned() + seed.one(&QUERIES);
    let mut request = Request::get(&path);
    if seed.below(8) == 0 {
        let noise = seed.noise(40);
        let noise = noise
            .iter()
            .filter(|byte| byte.is_ascii_graphic() && **byte != b'#');
        request.path = String::from("/") + &noise.map(|byte| char::from(*byte)).collect::<String>();
    }
    request.method = seed.one(&METHODS).to_owned();
    request = request
        .with("Content-Type", seed.one(&TYPES))
        .with("Authorization", seed.one(&AUTHORIZATIONS));
    for _ in 0..seed.below(4) {
        request = request.with(seed.one(&NAMES), seed.one(&VALUES));
    }
    if seed.below(10) == 0 {
        // Whatever a header may hold.
        let noise = seed.noise(100).into_iter();
        let noise = noise
            .filter(|byte| *byte >= b' ' && *byte != 0x7f)
            .collect();
        request.headers.push(("X-Noise".to_owned(), noise));
    }
    request.body = seed.one(&BODIES).as_bytes().to_vec();
    match seed.below(4) {
        0 => request.body = seed.noise(300),
        1 if !request.body.is_empty() => {
            let position = seed.below(request.body.len());
            request.body[position] = u8::try_from(seed.below(256)).unwrap();
        }
        _ => {}
    }
    request
}

/// Whether it is the page for people, which is the only answer that is none for programs.
fn is_page(answer: &Answer) -> bool {
    answer.media_type() == "text/html" && answer.header("content-security-policy").is_some()
}

/// Demands an answer that a client can read.
#[track_caller]
fn is_civil(request: &Request, answer: &Answer) {
    let context = || format!("{}\n{answer:#?}", String::from_utf8_lossy(&request.bytes()));
    assert!((200..500).contains(&answer.status), "{}", context());
    if is_page(answer) {
        return;
    }
    if request.method == "HEAD" || answer.media_type() == "application/openmetrics-text" {
        return;
    }
    let body: serde_json::Value =
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", context()));
    match answer.media_type() {
        "application/json" => {
            let is_native = request.path.starts_with("/api/v1/")
                || request.path.starts_with("/healthz")
                || request.path.starts_with("/readyz");
            let succeeded = answer.status == 200;
            assert!(is_native || body["success"] == succeeded, "{}", context());
        }
        "application/problem+json" => assert_eq!(body["status"], answer.status, "{}", context()),
        _ => panic!("{}", context()),
    }
}

#[test]
fn every_request_is_answered_civilly() {
    let seed = Seed::new();
    let place = gated();
    let mut service = Service::start(&place);
    send_all(&service, || {
        let request = request(&seed);
        is_civil(&request, &request.send(service.address()));
    });
    service.is_well();
    service.command("stats").json();
}

/// What is not even HTTP: broken lines, lengths, and anything else.
fn broken(seed: &Seed) -> Vec<u8> {
    let mut bytes = request(seed).bytes();
    let head = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    match seed.below(7) {
        0 => return seed.noise(2_000),
        1 => bytes.truncate(seed.below(head)),
        2 => {
            let position = seed.below(head);
            bytes.splice(position..position, seed.noise(20));
        }
        3 => return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        4 => {
            let lengths = ["-1", "99999999999999999999", "0x10", "1, 2", "900"];
            let line = format!("\r\nContent-Length: {}", seed.one(&lengths));
            bytes.splice(head..head, line.into_bytes());
        }
        5 => {
            bytes.splice(head..head, b"\r\nTransfer-Encoding: chunked".to_vec());
        }
        _ => {
            let many =
                format!("\r\nX-Many: {}", "x".repeat(seed.below(3_000))).repeat(seed.below(150));
            bytes.splice(head..head, many.into_bytes());
        }
    }
    bytes
}

#[test]
fn what_is_not_http_is_answered_civilly_or_not_at_all() {
    let seed = Seed::new();
    let place = gated();
    let mut service = Service::start(&place);
    send_all(&service, || {
        let bytes = broken(&seed);
        let mut connection = client::connect(service.address()).unwrap();
        // Both may fail: it may have heard enough.
        let _ = std::io::Write::write_all(&mut connection, &bytes);
        let _ = connection.shutdown(std::net::Shutdown::Write);
        let Some(answer) = client::read_answer(connection).unwrap() else {
            return;
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!((200..500).contains(&answer.status), "{text}\n{answer:#?}");
        let is_json = answer.media_type().ends_with("json");
        let is_metrics = answer.media_type() == "application/openmetrics-text";
        let is_known = is_json || is_metrics || is_page(&answer);
        assert!(is_known, "{text}\n{answer:#?}");
    });
    service.is_well();
}

#[test]
fn what_cannot_be_parsed_is_answered_in_json() {
    let place = gated();
    let mut service = Service::start(&place);
    for (bytes, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nbroken header\r\n\r\n".to_owned(), 400),
        (
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)), 414),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(200)),
            431,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n",
                "x".repeat(1_000_000)
            ),
            431,
        ),
    ] {
        let answer = client::exchange(service.address(), bytes.as_bytes()).unwrap();
        answer.unwrap().is_refusal(status, "request");
    }
    service.is_well();
}
