//! Typed ids: an app's id can't be passed where a release's is wanted.

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

id! {
    /// An account: a person or a machine that calls the API.
    AccountId,
    /// An API key (an OAuth authorization in Heroku's terms).
    ApiKeyId,
    AppId,
    BuildId,
    /// A running or ended dyno. Its name (`web.1`) may be borne by two dynos
    /// for the moment of a release; its id is borne by one.
    DynoId,
    CollaboratorId,
    DomainId,
    DrainId,
    /// A row of the formation: one process type of one app.
    FormationId,
    LogSessionId,
    ReleaseId,
    SlugId,
    SourceId,
    SshKeyId,
    /// One run of a workflow in the journal.
    WorkflowId,
}
