//! The server proves who it is by TLS, and the host by a password.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmigrate_test_server::Cluster;

use super::cluster;
use crate::place::{Place, Said};

/// Never to be seen in what the host says.
const PASSWORD: &str = "correct horse battery staple";

/// A server whose certificate is made out to `localhost`.
struct Proving {
    cluster: Cluster,
    place: Place,
}

impl Proving {
    /// One that asks `app` for what `rule` says: a line of `pg_hba.conf` without its first and last word.
    fn start(connection: &str, method: &str) -> Self {
        let cluster = cluster();
        let place = Place::on(&cluster).with_sql(
            "0001_look.sql",
            "CREATE TABLE seen AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid();",
        );
        let data = cluster.directory().join("data");
        make_certificates(&data, "server", "localhost");
        make_certificates(&data, "other", "elsewhere.example");
        std::fs::write(
            data.join("pg_hba.conf"),
            format!(
                "{connection} all app 127.0.0.1/32 {method}\nhost all postgres 127.0.0.1/32 trust\n"
            ),
        )
        .unwrap();
        let quoted = PASSWORD.replace('\'', "''");
        for sql in [
            &format!("ALTER ROLE app PASSWORD '{quoted}'"),
            "ALTER SYSTEM SET ssl = on",
            "ALTER SYSTEM SET ssl_cert_file = 'server.crt'",
            "ALTER SYSTEM SET ssl_key_file = 'server.key'",
        ] {
            cluster.run_sql("postgres", sql).unwrap();
        }
        let mut proving = Self { cluster, place };
        proving.cluster.stop().unwrap();
        proving.cluster.start_again().unwrap();
        proving
    }

    fn root(&self, name: &str) -> PathBuf {
        self.cluster
            .directory()
            .join("data")
            .join(format!("{name}-root.crt"))
    }

    fn url(&self, host: &str, more: &str) -> String {
        format!(
            "postgres://app@{host}:{}/{}?{more}",
            self.cluster.port(),
            self.place.server_database()
        )
    }

    fn migrate(&self, url: &str, variables: &[(&str, &str)]) -> Said {
        let mut command = self.place.command(&["migrate", "--database", url]);
        let said = Said::from(command.envs(variables.iter().copied()).output().unwrap());
        assert!(
            !said.stdout.contains(PASSWORD) && !said.stderr.contains(PASSWORD),
            "{said:#?}"
        );
        said
    }

    fn was_encrypted(&self) -> String {
        self.place
            .connect_as_superuser()
            .rows("SELECT ssl FROM seen")
            .remove(0)
            .remove(0)
            .unwrap()
    }
}

/// A root, and a server's certificate of that root, in a directory of the server's.
fn make_certificates(directory: &Path, name: &str, host: &str) {
    let script = format!(
        "set -e
         openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=root of {name}' -keyout {name}-root.key -out {name}-root.crt
         openssl req -newkey rsa:2048 -nodes -subj /CN={host} -keyout {name}.key -out {name}.csr
         printf 'subjectAltName=DNS:{host}' > {name}.ext
         openssl x509 -req -in {name}.csr -CA {name}-root.crt -CAkey {name}-root.key -CAcreateserial -days 2 -extfile {name}.ext -out {name}.crt
         chmod 600 {name}.key
         chown --reference=. {name}.key {name}.crt"
    );
    let output = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The server's directory is its own: whoever tests must be able to read the root.
    std::fs::set_permissions(
        directory.join(format!("{name}-root.crt")),
        std::fs::Permissions::from_mode(0o644),
    )
    .unwrap();
}

#[test]
fn tls_is_spoken_as_sslmode_says() {
    let server = Proving::start("host", "trust");
    let cases = [
        ("sslmode=disable", "f"),
        ("", "t"),
        ("sslmode=prefer", "t"),
        ("sslmode=require", "t"),
    ];
    for (mode, encrypted) in cases {
        server
            .migrate(&server.url("127.0.0.1", mode), &[])
            .ends_with(0);
        assert_eq!(server.was_encrypted(), encrypted, "{mode}");
        server.place.run(&["status"]).ends_with(0);
        server.place.connect_as_superuser().run(
            "DO $$ DECLARE it text; BEGIN
                 FOR it IN SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relname ~ '^(seen$|wasmigrate_)' LOOP
                     EXECUTE 'DROP TABLE ' || it;
                 END LOOP;
             END $$",
        );
    }
}

#[test]
fn a_server_is_only_trusted_with_the_right_root_and_the_right_name() {
    let server = Proving::start("hostssl", "trust");
    let with_root = |mode: &str, name: &str| {
        format!("sslmode={mode}&sslrootcert={}", server.root(name).display())
    };
    for (host, more, why) in [
        (
            "127.0.0.1",
            with_root("verify-full", "server"),
            "certificate not valid for name",
        ),
        (
            "localhost",
            with_root("verify-full", "other"),
            "UnknownIssuer",
        ),
        (
            "localhost",
            with_root("verify-ca", "other"),
            "UnknownIssuer",
        ),
        ("localhost", with_root("require", "other"), "UnknownIssuer"),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "UnknownIssuer",
        ),
        (
            "localhost",
            with_root("verify-full", "no-such"),
            "cannot read the root certificates in",
        ),
        ("localhost", "sslmode=disable".to_owned(), "no encryption"),
    ] {
        server
            .migrate(&server.url(host, &more), &[])
            .ends_with(2)
            .and_says("cannot connect to postgres://app@")
            .and_says(why);
    }
    server
        .migrate(
            &server.url("127.0.0.1", &with_root("verify-ca", "server")),
            &[],
        )
        .ends_with(0);
    server
        .migrate(
            &server.url("localhost", &with_root("verify-full", "server")),
            &[],
        )
        .ends_with(0)
        .and_says("nothing to do");
    assert_eq!(server.was_encrypted(), "t");
}

#[test]
fn a_server_without_tls_is_refused_when_it_is_asked_for() {
    let place = Place::new().with_sql("0001_a.sql", "CREATE TABLE a (b INTEGER);");
    for mode in ["require", "verify-ca", "verify-full"] {
        place
            .run(&[
                "migrate",
                "--database",
                &format!("{}?sslmode={mode}", place.url()),
            ])
            .ends_with(2)
            .and_says("the server does not speak TLS, which `sslmode` asks for");
    }
    assert!(place.is_untouched());
}

#[test]
fn a_password_is_proved_from_wherever_it_is_given_and_never_shown() {
    let server = Proving::start("host", "scram-sha-256");
    let url = server.url("127.0.0.1", "");
    let home = server.place.path();
    let refused = server.migrate(&url, &[]);
    refused.ends_with(2).and_says("the server asks for a password: put it into PGPASSWORD, `postgres.password_file` or ~/.pgpass");
    server
        .migrate(&url, &[("PGPASSWORD", "not the password")])
        .ends_with(2)
        .and_says("password authentication failed for user \"app\"")
        .and_says("cannot connect to postgres://app@127.0.0.1:");
    let said = server
        .migrate(&url.replace("app@", "app:not%20the%20password@"), &[])
        .ends_with(2);
    assert!(
        !said.stderr.contains("not the password") && !said.stderr.contains("not%20the"),
        "{said:#?}"
    );

    server
        .migrate(&url, &[("PGPASSWORD", PASSWORD)])
        .ends_with(0)
        .and_says("0001_look migrated");
    let file = home.join("database-password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let named = [("WASMIGRATE_POSTGRES_PASSWORD_FILE", file.to_str().unwrap())];
    server
        .migrate(&url, &named)
        .ends_with(0)
        .and_says("nothing to do");
    let in_url = url.replace("app@", &format!("app:{}@", PASSWORD.replace(' ', "%20")));
    server
        .migrate(&in_url, &[])
        .ends_with(0)
        .and_says("nothing to do");

    let passwords = home.join(".pgpass");
    let line = format!("127.0.0.1:{}:*:app:{PASSWORD}\n", server.cluster.port());
    std::fs::write(
        &passwords,
        format!("# comment\nelsewhere:*:*:app:wrong\n{line}"),
    )
    .unwrap();
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o644)).unwrap();
    server
        .migrate(&url, &[])
        .ends_with(2)
        .and_says(".pgpass can be read by others, so that it is not used");
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
    server
        .migrate(&url, &[])
        .ends_with(0)
        .and_says("nothing to do");
    std::fs::remove_file(&passwords).unwrap();

    std::fs::remove_file(&file).unwrap();
    server
        .migrate(&url, &named)
        .ends_with(2)
        .and_says("cannot read the database's password from");
}

#[test]
fn a_proof_is_bound_to_the_certificate_of_the_server() {
    let server = Proving::start("host", "scram-sha-256");
    let password = [("PGPASSWORD", PASSWORD)];
    // The server breaks off when it is bound to another one.
    for more in ["channel_binding=require", "", "channel_binding=disable"] {
        server
            .migrate(&server.url("127.0.0.1", more), &password)
            .ends_with(0);
    }
    for more in [
        "channel_binding=require&sslmode=disable",
        "channel_binding=require&sslmode=disable&require_auth=scram-sha-256",
    ] {
        server
            .migrate(&server.url("127.0.0.1", more), &password)
            .ends_with(2)
            .and_says("the proof cannot be bound to the server's certificate");
    }
    server
        .migrate(&server.url("127.0.0.1", "channel_binding=maybe"), &password)
        .ends_with(2)
        .and_says("there are disable, prefer and require");
    let trusting = Proving::start("host", "trust");
    trusting
        .migrate(&trusting.url("127.0.0.1", "channel_binding=require"), &[])
        .ends_with(2)
        .and_says("the server asks for no proof that can be bound to its certificate");
}

/// What the program may do with the password is what the host may do with it.
#[test]
fn a_dump_is_connected_as_the_host_is() {
    let server = Proving::start("host", "scram-sha-256");
    let dump = |url: &str| {
        let mut command = server.place.command(&["schema", "dump", "--database", url]);
        Said::from(command.env("PGPASSWORD", PASSWORD).output().unwrap())
    };
    let root = server.root("server");
    let proven = format!(
        "sslmode=verify-full&sslrootcert={}&channel_binding=require&require_auth=scram-sha-256",
        root.display()
    );
    dump(&server.url("localhost", &proven)).ends_with(0);
    dump(&server.url("127.0.0.1", "require_auth=scram-sha-256")).ends_with(0);
    dump(&server.url("127.0.0.1", "sslmode=disable")).ends_with(0);
    let version = Command::new("pg_dump").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let major = version.split(|letter: char| !letter.is_ascii_digit());
    let major: u32 = major.filter_map(|word| word.parse().ok()).next().unwrap();
    let in_clear = dump(&server.url("127.0.0.1", "sslmode=disable&require_auth=scram-sha-256"));
    match major {
        16.. => in_clear.ends_with(0),
        _ => in_clear.and_says(
            "cannot be kept from sending the password in a way that `require_auth` does not let it",
        ),
    };
}

/// Somebody in between who says that there is no TLS gets no password.
#[test]
fn a_dump_asks_for_what_the_host_was_given() {
    let server = Proving::start("host", "scram-sha-256");
    let programs = server.place.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    let fake = programs.join("pg_dump");
    let told = server.place.path().join("told");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'pg_dump (PostgreSQL) 17.2'; exit; }}\necho \"$@\" \"$PGPASSFILE\" > {}\n",
        told.display()
    );
    std::fs::write(&fake, script).unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for (more, words) in [
        (
            "sslmode=prefer",
            "sslmode='require' channel_binding='prefer'",
        ),
        (
            "sslmode=disable",
            "channel_binding='prefer' require_auth='!password'",
        ),
        (
            "require_auth=scram-sha-256&channel_binding=require",
            "sslmode='require' channel_binding='require' require_auth='scram-sha-256'",
        ),
    ] {
        let url = server.url("127.0.0.1", more);
        let mut command = server
            .place
            .command(&["schema", "dump", "--database", &url]);
        command.env("PGPASSWORD", PASSWORD).env("PATH", &path);
        Said::from(command.output().unwrap()).ends_with(0);
        let told = std::fs::read_to_string(&told).unwrap();
        assert!(told.contains(words), "{more}: {told}");
        assert!(
            told.contains("/dev/null") && !told.contains(PASSWORD),
            "{told}"
        );
    }
}
