//! The ways of proving who a client is, and which of them a server may ask for.

/// How a server lets a client prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Not at all.
    None,
    /// The password in clear.
    Password,
    /// A hash of it that somebody who listens can use again.
    Md5,
    /// A proof by both sides, after which nobody else knows more than before.
    Scram,
}

impl Method {
    /// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-REQUIRE-AUTH>
    const ALL: [(Self, &str); 4] = [
        (Self::None, "none"),
        (Self::Password, "password"),
        (Self::Md5, "md5"),
        (Self::Scram, "scram-sha-256"),
    ];

    fn as_str(self) -> &'static str {
        let name = Self::ALL.iter().find(|(method, _)| *method == self);
        name.map_or("", |(_, name)| name)
    }
}

/// What `require_auth` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Required {
    /// The ways that the server may ask for; none for all.
    methods: Option<Vec<Method>>,
    /// Whether they are named, rather than what is left of all.
    is_named: bool,
}

impl Required {
    /// Reads a list of ways, or a list of those that are not to be taken, each with an exclamation mark.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text.split(',').map(str::trim).collect();
        let is_negated = names.iter().all(|name| name.starts_with('!'));
        if !is_negated && names.iter().any(|name| name.starts_with('!')) {
            return Err(format!(
                "require_auth: `{text}` names both ways and ways not to be taken"
            ));
        }
        let mut methods = Vec::new();
        for name in names {
            let name = name.trim_start_matches('!');
            match Method::ALL.iter().find(|(_, known)| *known == name) {
                Some((method, _)) => methods.push(*method),
                // Those are never taken.
                None if ["gss", "sspi", "oauth"].contains(&name) => {}
                None => {
                    return Err(format!(
                        "require_auth: `{name}` is not known; there are none, password, md5 and scram-sha-256"
                    ));
                }
            }
        }
        let all = Method::ALL.iter().map(|(method, _)| *method);
        let methods = match is_negated {
            false => methods,
            true => all.filter(|method| !methods.contains(method)).collect(),
        };
        Ok(Self {
            methods: Some(methods),
            is_named: !is_negated,
        })
    }

    /// Refuses a way that the server is not to ask for.
    pub(super) fn allow(&self, method: Method) -> Result<(), String> {
        match &self.methods {
            Some(methods) if !methods.contains(&method) => Err(format!(
                "the server asks for the proof `{}`, which `require_auth` does not let it",
                method.as_str()
            )),
            _ => Ok(()),
        }
    }

    /// Whether it says in so many words that the server may ask for it.
    pub(super) fn names(&self, method: Method) -> bool {
        let methods = self.methods.as_ref().filter(|_| self.is_named);
        methods.is_some_and(|methods| methods.contains(&method))
    }

    /// The same for a program that uses libpq; none for all ways.
    pub(super) fn text(&self) -> Option<String> {
        let names = self.methods.as_ref()?.iter().map(|method| method.as_str());
        Some(names.collect::<Vec<_>>().join(","))
    }

    /// Whether the server may ask for this way alone.
    pub(super) fn is_only(&self, method: Method) -> bool {
        self.methods.as_deref() == Some(&[method])
    }
}
