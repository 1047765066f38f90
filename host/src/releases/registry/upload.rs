//! Sending blobs.

use ureq::http::Method;
use url::Url;

use super::RegistryClient;
use super::connection::{Answer, Call};
use crate::releases::content_digest::ContentDigest;
use crate::releases::error::ReleaseError;
use crate::releases::limits;

impl RegistryClient {
    /// Sends a blob that the registry does not have; `from` is another repository from which it may take it. Whether it was sent.
    pub(in crate::releases) fn put_blob(
        &self,
        digest: &ContentDigest,
        bytes: &[u8],
        from: Option<&str>,
    ) -> Result<bool, ReleaseError> {
        if self.has_blob(digest)? {
            return Ok(false);
        }
        let mut tries = 1;
        loop {
            let call = self.beginning(digest, from)?;
            let answer = self.session.send(&call)?;
            if answer.status == 201 {
                return Ok(false);
            }
            if answer.status != 202 {
                return Err(self.session.connection.unexpected(&call, answer));
            }
            let (mut url, is_elsewhere) = self.location(&call, &answer)?;
            url.query_pairs_mut()
                .append_pair("digest", &digest.to_string());
            let call = Call::new(Method::PUT, url)
                .with_header("content-type", "application/octet-stream")
                .with_body(bytes);
            let answer = match is_elsewhere {
                true => self.session.connection.send(&call, None)?,
                false => self.session.send(&call)?,
            };
            match answer.status {
                201 | 204 => return Ok(true),
                // What was begun is not known any more: the answer to it was lost.
                404 if tries < limits::TRIES => tries += 1,
                _ => return Err(self.session.connection.unexpected(&call, answer)),
            }
        }
    }

    fn beginning(
        &self,
        digest: &ContentDigest,
        from: Option<&str>,
    ) -> Result<Call<'static>, ReleaseError> {
        let mut url = self.url("blobs", "uploads/")?;
        if let Some(from) = from {
            url.query_pairs_mut()
                .append_pair("mount", &digest.to_string())
                .append_pair("from", from);
        }
        Ok(Call::new(Method::POST, url).with_body(&[]))
    }

    /// Where the bytes are to be sent, and whether that is another place, which gets no credentials: another host, or another port.
    fn location(&self, call: &Call<'_>, answer: &Answer) -> Result<(Url, bool), ReleaseError> {
        let base = &self.session.connection.base;
        let refused = |why: &str| {
            ReleaseError::Refused(format!("the registry {} {why}", self.repository.host))
        };
        let location = answer.header("location").map(|to| call.url.join(to));
        let Some(Ok(mut url)) = location else {
            return Err(refused("does not say where to send a blob"));
        };
        if base.scheme() == "https" && url.scheme() == "http" {
            // A proxy before it speaks TLS, of which it knows nothing.
            if url.host() != base.host() || url.set_scheme("https").is_err() {
                return Err(refused(
                    "sends from https to a place without TLS, which is not followed",
                ));
            }
        }
        let is_elsewhere = url.origin() != base.origin();
        Ok((url, is_elsewhere))
    }
}
