//! What names a release: `oci://HOST/REPOSITORY:TAG@sha256:…` in a registry, `oci-layout:PATH:TAG@sha256:…` on this machine.
//!
//! There is no default registry and no default tag. With a tag and a digest the digest decides, and the tag is a label.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use super::content_digest::ContentDigest;
use super::error::ReleaseError;

const REGISTRY: &str = "oci://";
const LAYOUT: &str = "oci-layout:";

/// The most letters of a repository's name: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>
const MOST_REPOSITORY: usize = 255;

/// The most letters of a tag.
const MOST_TAG: usize = 128;

/// A reference to a release, or to anything else of the same kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseReference {
    /// Where it is.
    pub place: Place,
    /// What it is called there.
    pub tag: Option<String>,
    /// What it is.
    pub digest: Option<ContentDigest>,
}

/// Where releases are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A repository of a registry.
    Registry(Repository),
    /// A directory or an archive in the layout of the OCI.
    Layout(PathBuf),
}

/// A repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The host, in small letters, with its port when one is named.
    pub host: String,
    /// The repository's name.
    pub path: String,
}

/// Whether a text names a release, and no directory.
pub fn is_reference(text: &str) -> bool {
    text.starts_with(REGISTRY) || text.starts_with(LAYOUT)
}

impl ReleaseReference {
    /// Reads a reference. What may be a password is not quoted.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        let wrong = |why: &str| Err(ReleaseError::Reference(why.to_owned()));
        let (scheme, rest) = match (text.strip_prefix(REGISTRY), text.strip_prefix(LAYOUT)) {
            (Some(rest), _) => (REGISTRY, rest),
            (_, Some(rest)) => (LAYOUT, rest),
            _ => {
                return wrong(
                    "a release is named as oci://HOST/REPOSITORY:TAG, oci://HOST/REPOSITORY@sha256:… or oci-layout:PATH:TAG",
                );
            }
        };
        if text.contains(|letter: char| letter.is_control()) {
            return wrong(
                "the reference of the release has characters in it that steer a terminal",
            );
        }
        let (rest, digest) = match rest.rsplit_once('@') {
            None => (rest, None),
            Some((rest, digest)) => match ContentDigest::parse(digest) {
                Some(digest) => (rest, Some(digest)),
                // It may be a host after a password.
                None if scheme == LAYOUT && !digest.starts_with("sha") => {
                    (rest_with_at(text), None)
                }
                None if !digest.starts_with("sha") => {
                    return wrong(
                        "the reference of the release has a user name in it: leave it out, and sign in as docs/releases.md says",
                    );
                }
                None => {
                    return wrong(
                        "the digest in the reference of the release is not `@sha256:` with 64 digits of 0-9 and a-f",
                    );
                }
            },
        };
        match scheme {
            REGISTRY => Self::in_registry(rest, digest),
            _ => Self::in_layout(rest, digest),
        }
    }

    fn in_registry(rest: &str, digest: Option<ContentDigest>) -> Result<Self, ReleaseError> {
        let wrong = |why: String| Err(ReleaseError::Reference(why));
        if rest.contains(['@', '?', '#', '\\', ' ']) {
            return wrong(
                "the reference of the release has a user name, a query or a fragment in it: a reference is \
                 oci://HOST/REPOSITORY:TAG@sha256:… and no more"
                    .to_owned(),
            );
        }
        let Some((host, rest)) = rest.split_once('/') else {
            return wrong(format!(
                "`{REGISTRY}{rest}` names no repository: write oci://HOST/REPOSITORY:TAG"
            ));
        };
        let Some(host) = registry_name(host) else {
            return wrong(format!(
                "`{host}` is no host of a registry, such as registry.example:5000"
            ));
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        if !is_repository(path) {
            return wrong(format!(
                "`{path}` is no name of a repository: small letters and digits, with `.`, `_`, `-` between them and `/` between parts, \
                 at most {MOST_REPOSITORY} letters"
            ));
        }
        Ok(Self {
            place: Place::Registry(Repository {
                host,
                path: path.to_owned(),
            }),
            tag: tag.map(checked_tag).transpose()?,
            digest,
        })
    }

    fn in_layout(rest: &str, digest: Option<ContentDigest>) -> Result<Self, ReleaseError> {
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
            _ => (rest, None),
        };
        if path.is_empty() {
            return Err(ReleaseError::Reference(format!(
                "`{LAYOUT}{rest}` names no directory and no archive: write oci-layout:PATH:TAG"
            )));
        }
        Ok(Self {
            place: Place::Layout(PathBuf::from(path)),
            tag: tag.map(checked_tag).transpose()?,
            digest,
        })
    }

    /// Whether it leads to another machine, so that what it names may change.
    pub fn is_remote(&self) -> bool {
        matches!(self.place, Place::Registry(_))
    }

    /// The same with another digest.
    pub fn pinned(&self, digest: ContentDigest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The place alone, as it is written.
    pub fn place(&self) -> String {
        match &self.place {
            Place::Registry(repository) => format!("{REGISTRY}{repository}"),
            Place::Layout(path) => format!("{LAYOUT}{}", path.display()),
        }
    }
}

/// The path of a layout in whose name there is an `@`.
fn rest_with_at(text: &str) -> &str {
    text.strip_prefix(LAYOUT).unwrap_or(text)
}

/// The tag, or what is wrong with it.
fn checked_tag(tag: &str) -> Result<String, ReleaseError> {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_tag = tag.len() <= MOST_TAG
        && !tag.starts_with(['.', '-'])
        && !tag.is_empty()
        && tag.bytes().all(is_inner);
    match is_tag {
        true => Ok(tag.to_owned()),
        false => Err(ReleaseError::Reference(format!(
            "`{tag}` is no tag: letters, digits and `_`, then also `.` and `-`, at most {MOST_TAG}; the version 1.4.0+b7 has the tag \
             1.4.0_b7"
        ))),
    }
}

/// Whether a host of a registry, with or without its port, is this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A registry's one name, of all the ways to write it: rules and logins go by names. None for what is no host.
pub(super) fn registry_name(host: &str) -> Option<String> {
    if !is_host(host) {
        return None;
    }
    // It reads addresses as everybody does who connects to them: `127.1` is 127.0.0.1.
    let url = Url::parse(&format!("https://{host}/")).ok()?;
    let name = url.host_str()?.trim_end_matches('.');
    if name.is_empty() {
        return None;
    }
    let usual = match is_this_machine(name) {
        true => 80,
        false => 443,
    };
    // The port of https is left out by the parser, whoever it is.
    let port = match host.ends_with(":443") {
        true => Some(443),
        false => url.port(),
    };
    let name = match name {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        name => name,
    };
    Some(match port.filter(|port| *port != usual) {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    })
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (
                "v6",
                port.strip_prefix(':')
                    .or((!port.is_empty()).then_some("none")),
            ),
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_inner)
        && !name.starts_with(['.', '-'])
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Whether a text is `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` in parts with `/` between them.
fn is_repository(path: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_part = |part: &str| {
        let is_separator = |between: &str| {
            matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
        };
        part.starts_with(is_letter)
            && part.ends_with(is_letter)
            && part.split(is_letter).all(is_separator)
    };
    path.len() <= MOST_REPOSITORY && path.split('/').all(is_part)
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)
    }
}

impl fmt::Display for ReleaseReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.place())?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_one_name_however_it_is_written() {
        for (written, name) in [
            ("Registry.Example", "registry.example"),
            ("registry.example:443", "registry.example"),
            ("registry.example.", "registry.example"),
            ("registry.example.:5000", "registry.example:5000"),
            ("registry.example:80", "registry.example:80"),
            ("registry-1.docker.io", "docker.io"),
            ("127.1", "127.0.0.1"),
            ("0x7f.1:5000", "127.0.0.1:5000"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("localhost:443", "localhost:443"),
            ("[0:0:0:0:0:0:0:1]:80", "[::1]"),
        ] {
            assert_eq!(registry_name(written).as_deref(), Some(name), "{written}");
        }
        for written in ["", ".", "a_b", "a:0", "a:b", "[::1"] {
            assert_eq!(registry_name(written), None, "{written}");
        }
    }

    fn said(text: &str) -> String {
        match ReleaseReference::parse(text) {
            Ok(reference) => reference.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn a_reference_is_read_as_it_is_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "oci://registry.example/shop/migrations:1.4.0",
            "oci://127.0.0.1:5000/a",
            "oci://[::1]:5000/a:b",
            "oci-layout:some/bundle.tar:1.4.0",
            "oci-layout:/tmp/a:b/c",
            "oci-layout:/tmp/a@b/c:1",
            &format!("oci://h/a-b/c__d.e:t@{digest}"),
            &format!("oci-layout:d@{digest}"),
        ] {
            assert_eq!(said(text), text);
        }
        assert_eq!(
            said("oci://Registry.EXAMPLE/a:T"),
            "oci://registry.example/a:T"
        );
    }

    #[test]
    fn what_is_no_reference_says_why() {
        for (text, why) in [
            ("migrations", "is named as"),
            ("oci://registry.example", "no repository"),
            ("oci://h/A:1", "no name of a repository"),
            ("oci://h/a//b:1", "no name of a repository"),
            ("oci://h/a_-b:1", "no name of a repository"),
            ("oci://h/a:-1", "is no tag"),
            ("oci://h/a:1.0+b", "1.4.0_b7"),
            ("oci://h:99999/a:1", "no host"),
            ("oci://h/a@sha512:00", "64 digits"),
            ("oci://h/a@sha256:00", "64 digits"),
            ("oci-layout::1", "names no directory"),
        ] {
            assert!(said(text).contains(why), "{text}: {}", said(text));
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_said_again() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "oci://user:geheim@h/a:1",
            "oci://h/a:1?geheim=1",
            "oci://h/a:1#geheim",
            &format!("oci://user:geheim@h/a:1@{digest}"),
        ] {
            let said = said(text);
            assert!(said.starts_with('!') && !said.contains("geheim"), "{said}");
        }
    }
}
