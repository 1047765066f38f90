//! What the holders of secrets may do.

use serde::{Deserialize, Serialize};

use crate::engine::Command;

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look.
    #[default]
    Read,
    /// Look, migrate, pause, resume and cancel: nothing that cannot be taken back.
    Operate,
    /// Everything.
    Finalize,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::http) enum Access {
    /// Look and give commands.
    Full,
    /// Look, and give commands that can be taken back.
    Operate,
    /// Look.
    ReadOnly,
}

/// What may be done by those who operate, of what changes something. Whether a run that is begun there can be taken back is seen
/// when its command is known.
const OPERATED: [&str; 5] = [
    "/api/v1/runs",
    "/api/v1/runs/{run}/cancel",
    "/api/v1/pause",
    "/api/v1/resume",
    "/api/v1/rehearsal",
];

impl Access {
    pub(in crate::http) fn of(role: Role) -> Self {
        match role {
            Role::Read => Self::ReadOnly,
            Role::Operate => Self::Operate,
            Role::Finalize => Self::Full,
        }
    }

    pub(in crate::http) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Operate => "operate",
            Self::ReadOnly => "read-only",
        }
    }

    /// Why a request that changes something at this path is refused.
    pub(in crate::http) fn refuse(self, path: &str) -> Result<(), &'static str> {
        match self {
            Self::Full => Ok(()),
            Self::Operate if OPERATED.contains(&path) => Ok(()),
            Self::Operate => Err(OF_OPERATORS),
            Self::ReadOnly => Err("who has this token may look and give no commands"),
        }
    }

    /// Why a command is refused.
    pub(in crate::http) fn refuse_command(self, command: Command) -> Result<(), &'static str> {
        match (self, command) {
            (Self::ReadOnly, _) => Err("who has this token may look and give no commands"),
            (Self::Operate, Command::Finalize | Command::Reset) => Err(OF_OPERATORS),
            (Self::Full | Self::Operate, _) => Ok(()),
        }
    }
}

const OF_OPERATORS: &str = "who has this token may migrate, pause, resume and cancel: for anything else it takes one with the \
                            role `finalize`";
