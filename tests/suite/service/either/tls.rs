//! A service behind something that speaks TLS, with a certificate of a private authority.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::hosts::host::until;
use crate::place::{Place, Said};
use crate::service::gated;
use crate::service::process::Service;

/// A root, and a certificate of it for `localhost`.
const CERTIFICATES: &str = "set -e
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=root -keyout root.key -out root.crt
    openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
    printf 'subjectAltName=DNS:localhost' > server.ext
    openssl x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile server.ext -out server.crt";

/// Serves the files of its directory over TLS until it is dropped.
struct Files(Child, u16);

impl Files {
    fn serve(place: &Place) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let server = Command::new("openssl")
            .args(["s_server", "-quiet", "-WWW", "-cert", "server.crt"])
            .args([
                "-key",
                "server.key",
                "-accept",
                &format!("127.0.0.1:{port}"),
            ])
            .current_dir(place.path())
            // It ends with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let files = Self(server, port);
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
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_authorities_of_the_system_are_trusted() {
    let place = Place::new();
    let made = Command::new("sh")
        .args(["-c", CERTIFICATES])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let answers = place.path().join("api/v1");
    std::fs::create_dir_all(&answers).unwrap();
    let served = gated();
    let service = Service::start(&served);
    for answer in ["status", "tenants"] {
        let body = service.get(&format!("/api/v1/{answer}")).body;
        std::fs::write(answers.join(answer), body).unwrap();
    }
    let files = Files::serve(&place);
    let ask = |authorities: &str| {
        let mut command = place.command(&["status"]);
        command.args(["--host", &format!("https://localhost:{}", files.1)]);
        let authorities = place.path().join(authorities);
        Said::from(command.env("SSL_CERT_FILE", authorities).output().unwrap())
    };
    std::fs::write(place.path().join("none.crt"), "").unwrap();
    let refused = ask("none.crt");
    assert_eq!(refused.status, Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("certificate"), "{refused:#?}");
    ask("root.crt").and_says("migration_required");
}
