//! Domains: host names that an app answers to.

use domain::{DomainId, Hostname};
use serde::{Deserialize, Serialize};

use crate::{AppRef, NamedRef, Time};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub acm_status: Option<String>,
    pub acm_status_reason: Option<String>,
    pub app: AppRef,
    /// What the DNS is to point to; `None` for the app's own name.
    pub cname: Option<String>,
    pub created_at: Time,
    pub hostname: String,
    pub id: DomainId,
    /// `heroku` for the app's own name, `custom` for others.
    pub kind: String,
    pub sni_endpoint: Option<NamedRef>,
    pub status: String,
    pub updated_at: Time,
}

/// `POST /apps/:app/domains`. The schema wants `sni_endpoint` present; older
/// clients leave it out, and `null` is all that can be had here yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateDomain {
    pub hostname: Hostname,
    #[serde(default)]
    pub sni_endpoint: Option<String>,
}

/// `PATCH /apps/:app/domains/:domain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateDomain {
    #[serde(default)]
    pub sni_endpoint: Option<String>,
}
