//! Who asks: what a registry wants to see, and the tokens that are bought for it. They stay in memory.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::Method;
use url::Url;

use super::challenge::Challenge;
use super::connection::{Answer, Call, Connection, said};
use crate::releases::credentials::{self, Login, RegistryLogin, Secret};
use crate::releases::error::ReleaseError;
use crate::releases::limits;
use crate::releases::reference::Repository;
use crate::releases::settings::RegistryAccess;

/// How long before its end a token is not used any more.
const BEFORE_END: Duration = Duration::from_secs(30);

/// How long a token holds that does not say it: <https://distribution.github.io/distribution/spec/auth/token/>
const LIFE_SECONDS: u64 = 60;

/// What is done with a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::releases) enum Action {
    Pull,
    Push,
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Self::Pull => "pull from",
            Self::Push => "push to",
        }
    }

    fn scope(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
        }
    }
}

/// Requests in the name of somebody.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    repository: Repository,
    action: Action,
    /// Another repository from which blobs are taken over.
    also: Option<String>,
    access: RegistryAccess,
    shown: Mutex<Option<Shown>>,
}

/// What is shown to the registry.
#[derive(Clone, Debug)]
enum Shown {
    Password(Secret),
    Token { token: Secret, until: Instant },
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl Session {
    pub(super) fn new(
        repository: &Repository,
        action: Action,
        also: Option<&str>,
        access: &RegistryAccess,
    ) -> Result<Self, ReleaseError> {
        let config = access.of(&repository.host);
        Ok(Self {
            connection: Connection::new(&repository.host, &config)?,
            repository: repository.clone(),
            action,
            also: also.map(str::to_owned),
            access: access.clone(),
            shown: Mutex::default(),
        })
    }

    /// Sends a request; when the registry asks who somebody is, once more with an answer to that.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Answer, ReleaseError> {
        let known = self.known();
        let answer = self.connection.send(call, known.as_ref())?;
        match answer.status {
            401 => {}
            403 => return Err(self.denied(answer)),
            _ => return Ok(answer),
        }
        let headers = answer.headers.get_all("www-authenticate");
        let challenge = Challenge::of(headers.iter().filter_map(|header| header.to_str().ok()));
        let login = credentials::find(&self.access, &self.repository)?;
        let shown = match challenge {
            Some(Challenge::Basic) => self.password(login.as_ref())?,
            Some(Challenge::Bearer { realm, service }) => {
                self.token(&realm, service.as_deref(), login.as_ref())?
            }
            None => return Err(self.unauthorized(login.as_ref())),
        };
        let authorization = authorization(&shown);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        let answer = self.connection.send(call, Some(&authorization))?;
        match answer.status {
            401 => Err(self.unauthorized(login.as_ref())),
            403 => Err(self.denied(answer)),
            _ => Ok(answer),
        }
    }

    /// What was shown before, while it holds.
    fn known(&self) -> Option<Secret> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shown {
            Some(Shown::Token { until, .. }) if *until <= Instant::now() => None,
            shown => shown.as_ref().map(authorization),
        }
    }

    fn password(&self, login: Option<&RegistryLogin>) -> Result<Shown, ReleaseError> {
        match login.map(|found| &found.login) {
            Some(login @ Login::Password { .. }) => Ok(Shown::Password(basic(login))),
            _ => Err(self.unauthorized(login)),
        }
    }

    /// Buys a token of the realm.
    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        login: Option<&RegistryLogin>,
    ) -> Result<Shown, ReleaseError> {
        let mut url = self.realm(realm)?;
        let Repository { path, .. } = &self.repository;
        let mut scopes = vec![format!("repository:{path}:{}", self.action.scope())];
        scopes.extend(
            self.also
                .iter()
                .map(|also| format!("repository:{also}:pull")),
        );
        let form;
        let mut password = None;
        let call = match login.map(|found| &found.login) {
            Some(Login::IdentityToken(token)) => {
                let mut fields = url::form_urlencoded::Serializer::new(String::new());
                fields
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("client_id", "wasmigrate")
                    .append_pair("service", service.unwrap_or_default())
                    .append_pair("scope", &scopes.join(" "))
                    .append_pair("refresh_token", token.reveal());
                form = fields.finish();
                Call::new(Method::POST, url)
                    .with_header("content-type", "application/x-www-form-urlencoded")
                    .with_body(form.as_bytes())
            }
            login => {
                let mut query = url.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                for scope in &scopes {
                    query.append_pair("scope", scope);
                }
                drop(query);
                password = login.map(basic);
                Call::new(Method::GET, url)
            }
        };
        let mut answer = self.connection.send(&call, password.as_ref())?;
        if matches!(answer.status, 400 | 401 | 403) {
            return Err(self.unauthorized(login));
        }
        let status = answer.status;
        let no_token = |why: &str| ReleaseError::Answered {
            host: self.connection.host().to_owned(),
            method: call.method.to_string(),
            path: ReleaseError::said(call.url.path()),
            status,
            said: format!(", where a token is to be had: {why}"),
        };
        if !answer.is_good() {
            return Err(no_token("none is given"));
        }
        let refused = no_token("it is no token, or one of more than 64 KiB");
        let Ok(bytes) = answer.bytes(limits::TOKEN_BYTES) else {
            return Err(refused);
        };
        let Ok(given) = serde_json::from_slice::<TokenAnswer>(&bytes) else {
            return Err(refused);
        };
        let token = match given.token.is_empty() {
            true => given.access_token,
            false => given.token,
        };
        if token.is_empty() || token.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(refused);
        }
        let life = Duration::from_secs(given.expires_in.unwrap_or(LIFE_SECONDS));
        let until = Instant::now().checked_add(life.saturating_sub(BEFORE_END));
        Ok(Shown::Token {
            token: Secret::new(token),
            until: until.unwrap_or_else(Instant::now),
        })
    }

    /// Where tokens are to be had. Credentials go there: so it is https, or on the host of a registry that is plain itself.
    fn realm(&self, realm: &str) -> Result<Url, ReleaseError> {
        let base = &self.connection.base;
        let refused = || {
            ReleaseError::Refused(format!(
                "the registry {} sends those who sign in to a place without TLS or to none at all, which gets no credentials",
                self.connection.host()
            ))
        };
        let url = Url::parse(realm).map_err(|_| refused())?;
        let is_allowed = match url.scheme() {
            "https" => true,
            "http" => base.scheme() == "http" && base.host() == url.host(),
            _ => false,
        };
        match is_allowed && url.username().is_empty() && url.password().is_none() {
            true => Ok(url),
            false => Err(refused()),
        }
    }

    fn unauthorized(&self, login: Option<&RegistryLogin>) -> ReleaseError {
        let tried = match login {
            Some(login) => format!("and does not take the login of {}", login.origin),
            None => "and there is no login for it: sign in with `docker login`, or set WASMIGRATE_REGISTRY_HOST, \
                     WASMIGRATE_REGISTRY_USERNAME and WASMIGRATE_REGISTRY_PASSWORD_FILE"
                .to_owned(),
        };
        ReleaseError::Unauthorized {
            host: self.connection.host().to_owned(),
            repository: self.repository.path.clone(),
            action: self.action.verb(),
            tried,
        }
    }

    fn denied(&self, mut answer: Answer) -> ReleaseError {
        let said = said(&mut answer);
        ReleaseError::Denied {
            host: self.connection.host().to_owned(),
            repository: self.repository.path.clone(),
            action: self.action.verb(),
            said: match said.is_empty() {
                true => "it says no more".to_owned(),
                false => said,
            },
        }
    }
}

/// The header that shows it.
fn authorization(shown: &Shown) -> Secret {
    match shown {
        Shown::Password(basic) => basic.clone(),
        Shown::Token { token, .. } => Secret::new(format!("Bearer {}", token.reveal())),
    }
}

/// The header of a user name and a password.
fn basic(login: &Login) -> Secret {
    let pair = match login {
        Login::Password { username, password } => {
            format!("{}:{}", username.reveal(), password.reveal())
        }
        Login::IdentityToken(token) => format!("<token>:{}", token.reveal()),
    };
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}
