//! The way to a registry: over proxies, and never from TLS to none.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::hosts::host::until;
use crate::place::Place;
use crate::releases::hostile::{Answer, Hostile};
use crate::releases::registry::certificate;
use crate::releases::shop;

/// A server that speaks TLS and answers with the files of a directory, to the letter.
struct Files {
    process: Child,
    host: String,
}

impl Files {
    fn serve(place: &Place) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let host = format!("127.0.0.1:{port}");
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-HTTP", "-accept", &host])
            .args(["-cert", "tls/ca.crt", "-key", "tls/key.pem"])
            .current_dir(place.path())
            // It ends with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let files = Self { process, host };
        // A connection that is gone before it is accepted would end the server: the kernel is asked who listens.
        let listens = format!("0100007F:{port:04X} 00000000:0000 0A");
        until("it listens", || {
            std::fs::read_to_string("/proc/net/tcp").is_ok_and(|sockets| sockets.contains(&listens))
        });
        files
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_redirect_from_tls_to_none_is_not_followed() {
    let place = shop();
    certificate(&place.path().join("tls"));
    let elsewhere = Hostile::serve(|_, _| Answer::new(200, "{}"));
    let manifests = place.path().join("v2/a/b/manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    let answer = format!(
        "HTTP/1.0 307 Elsewhere\r\nLocation: http://{}/v2/a/b/manifests/1.4.0\r\n\r\n",
        elsewhere.host
    );
    std::fs::write(manifests.join("1.4.0"), answer).unwrap();
    let files = Files::serve(&place);
    let settings = format!("[registry.\"{}\"]\nca_file = \"tls/ca.crt\"\n", files.host);
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place
        .run(&[
            "release",
            "pull",
            &format!("oci://{}/a/b:1.4.0", files.host),
        ])
        .ends_with(2)
        .and_says("from https to a place without TLS");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn the_proxy_of_the_environment_is_asked_unless_it_is_told_to_be_left_out() {
    let proxy = Hostile::serve(|_, _| Answer::new(502, ""));
    let place = shop()
        .with_variable("HTTP_PROXY", &format!("http://{}", proxy.host))
        .with_variable("http_proxy", &format!("http://{}", proxy.host));
    let settings = "[registry.\"registry.invalid:5000\"]\nplain_http = true\n";
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    let pull = ["release", "pull", "oci://registry.invalid:5000/a/b:1.4.0"];
    place.run(&pull).ends_with(2);
    let asked = proxy.requests();
    assert!(
        asked
            .iter()
            .any(|request| request.path.contains("registry.invalid:5000")),
        "{asked:?}"
    );
    let place = place
        .with_variable("NO_PROXY", "registry.invalid")
        .with_variable("no_proxy", "registry.invalid");
    place
        .run(&pull)
        .ends_with(2)
        .and_says("cannot reach the registry registry.invalid:5000");
    assert_eq!(proxy.requests().len(), asked.len());
}
