//! Registries of the test's own: Debian's `docker-registry`, on this machine alone.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);

/// Who may enter a registry that asks.
pub(super) const USER: &str = "pusher";
pub(super) const PASSWORD: &str = "geheimes-wort";

/// A running registry.
pub(super) struct Registry {
    directory: TempDir,
    /// Its host and port.
    pub(super) host: String,
    process: Child,
}

impl Registry {
    /// One that lets everybody do everything, without TLS.
    pub(super) fn plain() -> Self {
        Self::start(tempfile::tempdir().unwrap(), "", "")
    }

    /// One with TLS that lets one user in.
    pub(super) fn with_password() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (http, at) = (
            tls(directory.path()),
            directory.path().display().to_string(),
        );
        let users = Command::new("htpasswd")
            .args(["-Bbn", USER, PASSWORD])
            .output()
            .unwrap();
        std::fs::write(directory.path().join("users"), users.stdout).unwrap();
        let auth = format!("auth:\n  htpasswd:\n    realm: here\n    path: {at}/users\n");
        Self::start(directory, &http, &auth)
    }

    /// One with TLS that lets in who has a token of the issuer at this address, whose certificate is in the file.
    pub(super) fn with_tokens(realm: &str, certificate: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let auth = format!(
            "auth:\n  token:\n    realm: {realm}\n    service: here\n    issuer: tests\n    rootcertbundle: {}\n",
            certificate.display()
        );
        Self::start(directory, "", &auth)
    }

    fn start(directory: TempDir, http: &str, auth: &str) -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = format!("127.0.0.1:{}", free.local_addr().unwrap().port());
        drop(free);
        let at = directory.path().display().to_string();
        let settings = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {at}/storage\n  \
             delete:\n    enabled: true\nhttp:\n  addr: {host}\n{http}{auth}"
        );
        let path = directory.path().join("config.yml");
        std::fs::write(&path, settings).unwrap();
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = begin(directory.path(), &host, log);
        Self {
            directory,
            host,
            process,
        }
    }

    /// Starts one that was stopped, with all that it had.
    pub(super) fn start_again(&mut self) {
        let log = std::fs::File::options()
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        self.process = begin(self.directory.path(), &self.host, log);
    }

    /// A reference to something in it.
    pub(super) fn at(&self, rest: &str) -> String {
        format!("oci://{}/{rest}", self.host)
    }

    /// The certificate of one with TLS.
    pub(super) fn certificate(&self) -> PathBuf {
        self.directory.path().join("tls/ca.crt")
    }

    /// How many requests of this method it has had.
    pub(super) fn requests(&self, method: &str) -> usize {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.matches(&format!("\"{method} /v2/")).count()
    }

    /// Removes what no tag leads to, as its operators do at night.
    pub(super) fn collect_garbage(&self) {
        let output = Command::new("docker-registry")
            .args(["garbage-collect", "--delete-untagged"])
            .arg(self.directory.path().join("config.yml"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Stops it, so that nobody answers any more.
    pub(super) fn stop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the process with the settings in a directory, and waits until it answers.
fn begin(directory: &Path, host: &str, log: std::fs::File) -> Child {
    let mut process = Command::new("docker-registry")
        .arg("serve")
        .arg(directory.join("config.yml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("docker-registry is installed by `cargo xtask test`");
    let give_up = Instant::now() + START;
    while TcpStream::connect(host).is_err() {
        let log = || std::fs::read_to_string(directory.join("log")).unwrap();
        assert!(process.try_wait().unwrap().is_none(), "{}", log());
        assert!(Instant::now() < give_up, "it does not start: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
    process
}

/// Makes a certificate for this machine, and says where it is.
fn tls(directory: &Path) -> String {
    let tls = directory.join("tls");
    certificate(&tls);
    let at = tls.display();
    format!("  tls:\n    certificate: {at}/ca.crt\n    key: {at}/key.pem\n")
}

/// Makes a key and its certificate in a directory, as `key.pem` and `ca.crt`.
pub(super) fn certificate(directory: &Path) {
    std::fs::create_dir(directory).unwrap();
    let output = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=tests"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(directory.join("key.pem"))
        .arg("-out")
        .arg(directory.join("ca.crt"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Runs skopeo, which knows nothing of releases.
pub(super) fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo")
        .arg("--insecure-policy")
        .args(arguments)
        .output()
        .expect("skopeo is installed by `cargo xtask test`");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
