//! With whose name a registry is asked, and that nobody sees the password.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::place::{Place, Said};
use crate::releases::hostile::{Answer, Hostile, Request};
use crate::releases::registry::{PASSWORD, Registry, USER, certificate};
use crate::releases::{push, shop};

/// A place that trusts the registry and has no login for it.
fn trusting(registry: &Registry) -> Place {
    let place = shop();
    let settings = format!(
        "[registry.\"{}\"]\nca_file = \"{}\"\n",
        registry.host,
        registry.certificate().display()
    );
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    place
}

fn pushed(place: &Place, registry: &Registry) -> Said {
    let said = place.run(&push(&registry.at("shop/migrations:1.0.0")));
    let all = format!("{said:?}");
    assert!(!all.contains(PASSWORD) && !all.contains(USER), "{all}");
    said
}

/// A file of logins.
fn logins(host: &str, password: &str) -> String {
    let pair = STANDARD.encode(format!("{USER}:{password}"));
    json!({"auths": {host: {"auth": pair}}}).to_string()
}

#[test]
fn a_login_is_found_where_other_tools_keep_it() {
    let registry = Registry::with_password();
    let place = trusting(&registry);
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("docker login");

    std::fs::create_dir(place.path().join(".docker")).unwrap();
    let docker = place.path().join(".docker/config.json");
    std::fs::write(&docker, logins(&registry.host, "wrong")).unwrap();
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("does not take the login of")
        .and_says(".docker/config.json");
    std::fs::write(&docker, logins(&registry.host, PASSWORD)).unwrap();
    pushed(&place, &registry).ends_with(0);
    std::fs::write(&docker, "{\"auths\": \"geheimes-wort\"").unwrap();
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("is no file of logins");
    std::fs::remove_file(&docker).unwrap();

    let other = place.path().join("auth.json");
    std::fs::write(&other, logins(&registry.host, PASSWORD)).unwrap();
    let place = place.with_variable("REGISTRY_AUTH_FILE", other.to_str().unwrap());
    pushed(&place, &registry).ends_with(0);
}

#[test]
fn a_login_in_variables_goes_to_the_registry_that_they_name() {
    let registry = Registry::with_password();
    let place = trusting(&registry).with_variable("WASMIGRATE_REGISTRY_USERNAME", USER);
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("WASMIGRATE_REGISTRY_HOST is not");
    let place = place
        .with_variable("WASMIGRATE_REGISTRY_HOST", "registry.example")
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD", PASSWORD);
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("there is no login");
    let place = place.with_variable("WASMIGRATE_REGISTRY_HOST", &registry.host);
    pushed(&place, &registry).ends_with(0);
    let place = place.with_variable("WASMIGRATE_REGISTRY_PASSWORD", "wrong");
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("does not take the login of the variable");
    std::fs::write(place.path().join("word"), format!("{PASSWORD}\n")).unwrap();
    let place = place
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD", "")
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD_FILE", "word");
    pushed(&place, &registry).ends_with(0);
}

#[test]
fn a_helper_for_logins_is_asked_and_what_it_says_is_not_shown() {
    let registry = Registry::with_password();
    let place = trusting(&registry);
    let write = |script: &str| {
        let helper = place.path().join("docker-credential-mine");
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    std::fs::create_dir(place.path().join(".docker")).unwrap();
    let settings = json!({"credHelpers": {&registry.host: "mine"}}).to_string();
    std::fs::write(place.path().join(".docker/config.json"), settings).unwrap();
    let path = format!(
        "{}:{}",
        place.path().display(),
        std::env::var("PATH").unwrap()
    );
    let path: &'static str = Box::leak(path.into_boxed_str());
    write(&format!(
        "read host; test \"$host\" = {} && echo '{{\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}'",
        registry.host
    ));
    let said = |place: &Place| {
        let mut command = place.command(&push("-"));
        command.env("PATH", path);
        let to = registry.at("shop/migrations:1.0.0");
        let arguments: Vec<_> = command.get_args().map(|it| it.to_owned()).collect();
        let mut again = Command::new(command.get_program());
        again.args(arguments.iter().map(|it| match it.to_str() {
            Some("-") => to.clone().into(),
            _ => it.clone(),
        }));
        again.env_clear().envs(
            command
                .get_envs()
                .filter_map(|(name, text)| Some((name, text?))),
        );
        again.current_dir(place.path()).stdin(Stdio::null());
        let said = Said::from(again.output().unwrap());
        assert!(!format!("{said:?}").contains(PASSWORD), "{said:?}");
        said
    };
    said(&place).ends_with(0);
    write(&format!("echo {PASSWORD}; echo {PASSWORD} >&2; exit 1"));
    said(&place).ends_with(2).and_says("docker-credential-mine");
    write("echo credentials not found in native keychain; exit 1");
    said(&place).ends_with(2).and_says("there is no login");
    std::fs::remove_file(place.path().join("docker-credential-mine")).unwrap();
    said(&place).ends_with(2).and_says("cannot be started");
}

#[test]
fn a_certificate_of_nobody_known_is_not_trusted() {
    let registry = Registry::with_password();
    let place = shop();
    let settings = format!("[registry.\"{}\"]\nplain_http = false\n", registry.host);
    std::fs::write(place.path().join("wasmigrate.toml"), settings).unwrap();
    pushed(&place, &registry).ends_with(2).and_says("ca_file");
}

/// Gives tokens to those who know the password, and for what they ask alone.
fn issuer(directory: &Path) -> Hostile {
    let directory = directory.to_owned();
    Hostile::serve(move |request: &Request, _| {
        let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        if request.authorization != Some(format!("Basic {pair}")) {
            return Answer::new(401, "");
        }
        let url = url::Url::parse("http://x")
            .unwrap()
            .join(&request.path)
            .unwrap();
        let access: Vec<_> = url
            .query_pairs()
            .filter(|(name, _)| name == "scope")
            .map(|(_, scope)| {
                let mut parts = scope.split(':');
                let (kind, name) = (parts.next().unwrap(), parts.next().unwrap());
                let actions: Vec<&str> = parts.next().unwrap().split(',').collect();
                json!({"type": kind, "name": name, "actions": actions})
            })
            .collect();
        let token = token(&directory, &json!(access));
        Answer::new(200, json!({"token": token, "expires_in": 300}).to_string())
    })
}

/// A token as the registry wants it: <https://distribution.github.io/distribution/spec/auth/jwt/>
fn token(directory: &Path, access: &serde_json::Value) -> String {
    let certificate = std::fs::read_to_string(directory.join("ca.crt")).unwrap();
    let certificate: String = certificate
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let head = json!({"typ": "JWT", "alg": "ES256", "x5c": [certificate]});
    let claims = json!({
        "iss": "tests", "sub": USER, "aud": "here", "exp": now + 300, "nbf": now - 10, "iat": now,
        "jti": "1", "access": access,
    });
    let signed = [head, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part.to_string()))
        .join(".");
    let file = directory.join("signed");
    std::fs::write(&file, &signed).unwrap();
    let signature = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign"])
        .arg(directory.join("key.pem"))
        .arg(&file)
        .output()
        .unwrap()
        .stdout;
    // Two numbers in a sequence, each with a zero before it where it would be negative.
    let mut raw = Vec::new();
    let mut rest = &signature[2..];
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = &number[number.len().saturating_sub(32)..];
        raw.extend(vec![0; 32 - number.len()]);
        raw.extend(number);
        rest = after;
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(raw))
}

#[test]
fn a_registry_that_wants_tokens_gets_them() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys");
    certificate(&keys);
    let issuer = issuer(&keys);
    let realm = format!("http://{}/token", issuer.host);
    let registry = Registry::with_tokens(&realm, &keys.join("ca.crt"));
    let place = shop();
    pushed(&place, &registry)
        .ends_with(2)
        .and_says("there is no login");
    let place = place
        .with_variable("WASMIGRATE_REGISTRY_HOST", &registry.host)
        .with_variable("WASMIGRATE_REGISTRY_USERNAME", USER)
        .with_variable("WASMIGRATE_REGISTRY_PASSWORD", PASSWORD);
    pushed(&place, &registry).ends_with(0);
    let bought = issuer.count("GET", "/token") - 1;
    assert!((1..=4).contains(&bought), "{bought} tokens for one push");
    place
        .run(&[
            "release",
            "pull",
            &registry.at("shop/migrations:1.0.0"),
            "-o",
            "back",
        ])
        .ends_with(0);
}
