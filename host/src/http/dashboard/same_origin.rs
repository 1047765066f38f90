//! Whether a request comes from the page itself, and not from another site in the same browser.
//!
//! A cookie is sent whoever makes the browser ask; `SameSite=Strict` keeps other sites away, but not other ports of this
//! machine. So a request that changes something must also say where it comes from, in a header that no script can set:
//! <https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>

use axum::http::{HeaderMap, header};

pub(in crate::http) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    // Browsers send it to hosts that they trust: over TLS, or on loopback.
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
    match (origin, text(header::HOST.as_str())) {
        (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        is_same_origin(&headers.collect())
    }

    #[test]
    fn only_the_page_itself_is_believed() {
        let host = ("host", "db.example:9002");
        assert!(judge(&[host, ("sec-fetch-site", "same-origin")]));
        assert!(judge(&[host, ("origin", "http://db.example:9002")]));
        assert!(judge(&[host, ("origin", "http://DB.example:9002")]));
        for other in ["same-site", "cross-site", "none"] {
            let origin = ("origin", "http://db.example:9002");
            assert!(!judge(&[host, origin, ("sec-fetch-site", other)]));
        }
        for other in [
            "http://db.example",
            "http://db.example:9003",
            "http://elsewhere:9002",
            "null",
            "",
        ] {
            assert!(!judge(&[host, ("origin", other)]), "{other}");
        }
        assert!(!judge(&[host]));
        assert!(!judge(&[("origin", "http://db.example:9002")]));
    }
}
