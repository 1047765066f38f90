//! A repository of a registry: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>
//!
//! What a registry sends is believed as far as its digest goes, and no further: every answer is bounded, and bytes are compared with
//! what named them. Credentials go to the registry and to where it sends those who sign in, and never along with a redirect.

mod challenge;
mod connection;
mod referrers;
mod session;
mod upload;

use std::io::Read;

use ureq::http::Method;
use url::Url;

use super::content_digest::ContentDigest;
use super::document::{INDEX, MANIFEST};
use super::error::ReleaseError;
use super::limits;
use super::reference::Repository;
use super::settings::RegistryAccess;
use connection::{Answer, Call};
use session::Session;

pub(super) use challenge::reads_challenge;
pub(super) use session::Action;

/// What the registry calls the digest of a manifest.
const DIGEST_HEADER: &str = "docker-content-digest";

/// A repository of a registry.
#[derive(Debug)]
pub(super) struct RegistryClient {
    session: Session,
    repository: Repository,
    /// What manifests are asked for as: some registries hide an index from those who do not name it.
    accepted: String,
}

/// Bytes of a manifest or an index.
#[derive(Clone, Debug)]
pub(super) struct FetchedManifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: ContentDigest,
}

impl RegistryClient {
    /// A client that does nothing yet. `also` is another repository of the same registry from which blobs are taken over.
    pub(super) fn new(
        repository: &Repository,
        action: Action,
        also: Option<&str>,
        access: &RegistryAccess,
    ) -> Result<Self, ReleaseError> {
        Ok(Self {
            session: Session::new(repository, action, also, access)?,
            repository: repository.clone(),
            accepted: format!("{INDEX}, {MANIFEST}"),
        })
    }

    fn url(&self, kind: &str, name: &str) -> Result<Url, ReleaseError> {
        let path = format!("v2/{}/{kind}/{name}", self.repository.path);
        self.session
            .connection
            .base
            .join(&path)
            .map_err(|error| ReleaseError::Reference(format!("`{path}` is no path: {error}")))
    }

    /// The manifest with a tag; none when there is none.
    pub(super) fn tagged(&self, tag: &str) -> Result<Option<FetchedManifest>, ReleaseError> {
        self.fetch_manifest(tag, None)
    }

    /// The manifest with a digest; none when there is none.
    pub(super) fn manifest(
        &self,
        digest: &ContentDigest,
    ) -> Result<Option<FetchedManifest>, ReleaseError> {
        self.fetch_manifest(&digest.to_string(), Some(digest))
    }

    fn fetch_manifest(
        &self,
        name: &str,
        expected: Option<&ContentDigest>,
    ) -> Result<Option<FetchedManifest>, ReleaseError> {
        let url = self.url("manifests", name)?;
        let what = || format!("manifest `{}:{name}`", self.repository);
        let Some(mut answer) = self.get(url, &self.accepted)? else {
            return Ok(None);
        };
        let bytes = self.manifest_bytes(&mut answer, &what)?;
        let digest = ContentDigest::of(&bytes);
        let said = answer.header(DIGEST_HEADER).and_then(ContentDigest::parse);
        for expected in expected.into_iter().chain(&said) {
            if *expected != digest {
                return Err(ReleaseError::OtherBytes {
                    what: what(),
                    expected: expected.clone(),
                    actual: digest,
                });
            }
        }
        Ok(Some(FetchedManifest { bytes, digest }))
    }

    fn manifest_bytes(
        &self,
        answer: &mut Answer,
        what: &dyn Fn() -> String,
    ) -> Result<Vec<u8>, ReleaseError> {
        answer
            .bytes(limits::MANIFEST_BYTES)
            .map_err(|error| match error {
                ureq::Error::BodyExceedsLimit(_) => ReleaseError::OverLimit {
                    what: what(),
                    limit: "the bytes of a manifest",
                    most: limits::MANIFEST_BYTES.to_string(),
                },
                error => self.session.connection.unreachable(&error),
            })
    }

    /// The digest of what has a tag; none when nothing has it.
    pub(super) fn digest_of(&self, tag: &str) -> Result<Option<ContentDigest>, ReleaseError> {
        let url = self.url("manifests", tag)?;
        let call = Call::new(Method::HEAD, url).with_header("accept", &self.accepted);
        let answer = self.session.send(&call)?;
        match answer.status {
            200 => match answer.header(DIGEST_HEADER).and_then(ContentDigest::parse) {
                Some(digest) => Ok(Some(digest)),
                // The header may be left out.
                None => Ok(self.tagged(tag)?.map(|manifest| manifest.digest)),
            },
            404 => Ok(None),
            _ => Err(self.session.connection.unexpected(&call, answer)),
        }
    }

    /// Whether the registry has a blob.
    pub(super) fn has_blob(&self, digest: &ContentDigest) -> Result<bool, ReleaseError> {
        let url = self.url("blobs", &digest.to_string())?;
        let call = Call::new(Method::HEAD, url);
        let answer = self.session.send(&call)?;
        match answer.status {
            // Where it is elsewhere, it is there.
            200 | 301 | 302 | 303 | 307 | 308 => Ok(true),
            404 => Ok(false),
            _ => Err(self.session.connection.unexpected(&call, answer)),
        }
    }

    /// The bytes of a blob, one more of them than it should have at most; none when there is no such blob.
    pub(super) fn blob(
        &self,
        digest: &ContentDigest,
        size: u64,
    ) -> Result<Option<impl Read>, ReleaseError> {
        let url = self.url("blobs", &digest.to_string())?;
        let answer = self.get(url, "*/*")?;
        Ok(answer.map(|answer| {
            let most = size.saturating_add(1);
            answer.body.into_reader().take(most)
        }))
    }

    /// Puts a manifest under a tag, or under its digest. Whether the registry has taken note of what the manifest refers to.
    pub(super) fn put_manifest(
        &self,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<bool, ReleaseError> {
        let call = Call::new(Method::PUT, self.url("manifests", tag)?)
            .with_header("content-type", media_type)
            .with_body(bytes);
        let answer = self.session.send(&call)?;
        if !answer.is_good() {
            return Err(self.session.connection.unexpected(&call, answer));
        }
        let knows_subject = answer.header("oci-subject").is_some();
        let actual = answer.header(DIGEST_HEADER).and_then(ContentDigest::parse);
        let expected = ContentDigest::of(bytes);
        match actual {
            Some(actual) if actual != expected => Err(ReleaseError::OtherBytes {
                what: format!("manifest that `{}:{tag}` has now", self.repository),
                expected,
                actual,
            }),
            _ => Ok(knows_subject),
        }
    }

    /// Gets something, from where the registry says it is; none when it is not there.
    fn get(&self, url: Url, accept: &str) -> Result<Option<Answer>, ReleaseError> {
        let mut call = Call::new(Method::GET, url).with_header("accept", accept);
        let mut answer = self.session.send(&call)?;
        for _ in 0..limits::REDIRECTS {
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                break;
            }
            let location = answer.header("location").map(|to| call.url.join(to));
            let Some(Ok(url)) = location else {
                return Err(self.session.connection.unexpected(&call, answer));
            };
            if url.scheme() != "https"
                && !(self.session.connection.is_plain() && url.scheme() == "http")
            {
                return Err(ReleaseError::Refused(format!(
                    "the registry {} sends {} to a place {}, which is not followed",
                    self.repository.host,
                    match self.session.connection.is_plain() {
                        true => "from http",
                        false => "from https",
                    },
                    match url.scheme() {
                        "http" => "without TLS".to_owned(),
                        scheme => format!("of `{}:`", ReleaseError::said(scheme)),
                    }
                )));
            }
            // Whoever is there now is another one, and gets no credentials.
            call = Call::new(Method::GET, url).with_header("accept", accept);
            answer = self.session.connection.send(&call, None)?;
        }
        if answer
            .header("content-encoding")
            .is_some_and(|encoding| encoding != "identity")
        {
            return Err(ReleaseError::Refused(format!(
                "the registry {} sends compressed bytes, which were not asked for",
                self.repository.host
            )));
        }
        match answer.status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(self.session.connection.unexpected(&call, answer)),
        }
    }
}
