//! nginx with its default settings, before several services.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::hosts::host::until;
use crate::service::process::Service;

/// A running nginx. It is killed when it is dropped.
pub(super) struct Balancer {
    directory: TempDir,
    address: SocketAddr,
    process: Child,
}

impl Balancer {
    pub(super) fn before(services: &[&Service]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let servers: String = services
            .iter()
            .map(|service| format!("server {};\n", service.address()))
            .collect();
        // Without a master, so that nothing is left when it is killed.
        let settings = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;
             events {{}}
             http {{
                 access_log access.log;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 upstream replicas {{ {servers} }}
                 server {{
                     listen {address};
                     location / {{ proxy_pass http://replicas; proxy_set_header Host $http_host; }}
                 }}
             }}"
        );
        std::fs::write(directory.path().join("nginx.conf"), settings).unwrap();
        let process = Command::new("/usr/sbin/nginx")
            .args(["-c", "nginx.conf", "-e", "stderr", "-p"])
            .arg(directory.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx-light is installed by `cargo xtask test`");
        until("nginx listens", || {
            std::net::TcpStream::connect(address).is_ok()
        });
        Self {
            directory,
            address,
            process,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests were answered so far.
    pub(super) fn requests(&self) -> usize {
        let log = std::fs::read_to_string(self.directory.path().join("access.log"));
        log.unwrap_or_default().lines().count()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
