//! Which paths are git's.

use domain::AppName;
use http::{Method, Request};

use crate::repositories::Access;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// Fetch and clone.
    UploadPack,
    /// Push.
    ReceivePack,
}

impl Service {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }

    pub(crate) const fn command(self) -> &'static str {
        match self {
            Self::UploadPack => "upload-pack",
            Self::ReceivePack => "receive-pack",
        }
    }

    pub(crate) const fn access(self) -> Access {
        match self {
            Self::UploadPack => Access::Read,
            Self::ReceivePack => Access::Push,
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::UploadPack, Self::ReceivePack].into_iter().find(|service| service.name() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// What refs there are.
    Refs,
    /// The exchange itself.
    Exchange,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) app: AppName,
    pub(crate) service: Service,
    pub(crate) call: Call,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    NotFound,
    MethodNotAllowed,
    /// A client that only knows how to fetch files.
    DumbProtocol,
}

/// Whether a request to this path is for the git server: `/<name>.git/…`.
pub fn is_git_path(path: &str) -> bool {
    repository_path(path).is_some()
}

fn repository_path(path: &str) -> Option<(&str, &str)> {
    let (repository, rest) = path.strip_prefix('/')?.split_once('/')?;
    Some((repository.strip_suffix(".git")?, rest))
}

impl Route {
    pub(crate) fn of<B>(request: &Request<B>) -> Result<Self, NoRoute> {
        let (app, rest) = repository_path(request.uri().path()).ok_or(NoRoute::NotFound)?;
        let app = app.parse().map_err(|_| NoRoute::NotFound)?;
        let (call, method, service) = match rest {
            "info/refs" => {
                let query = request.uri().query().unwrap_or_default();
                let asked = query.split('&').find_map(|pair| pair.strip_prefix("service="));
                let service = asked.and_then(Service::of).ok_or(NoRoute::DumbProtocol)?;
                (Call::Refs, Method::GET, service)
            }
            name => (Call::Exchange, Method::POST, Service::of(name).ok_or(NoRoute::NotFound)?),
        };
        if request.method() != method {
            return Err(NoRoute::MethodNotAllowed);
        }
        Ok(Self { app, service, call })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, uri: &str) -> Result<(Service, Call), NoRoute> {
        let request = Request::builder().method(method).uri(uri).body(()).unwrap();
        Route::of(&request).map(|route| (route.service, route.call))
    }

    #[test]
    fn the_paths_of_smart_http_are_known_and_no_others() {
        let refs = |service: &str| route(Method::GET, &format!("/my-app.git/info/refs?service={service}"));
        assert_eq!(refs("git-upload-pack"), Ok((Service::UploadPack, Call::Refs)));
        assert_eq!(refs("git-receive-pack"), Ok((Service::ReceivePack, Call::Refs)));
        assert_eq!(refs("git-upload-archive"), Err(NoRoute::DumbProtocol));
        assert_eq!(route(Method::GET, "/my-app.git/info/refs"), Err(NoRoute::DumbProtocol));
        assert_eq!(route(Method::POST, "/my-app.git/git-receive-pack"), Ok((Service::ReceivePack, Call::Exchange)));
        assert_eq!(route(Method::GET, "/my-app.git/git-receive-pack"), Err(NoRoute::MethodNotAllowed));
        for uri in ["/my-app.git/HEAD", "/my-app/git-upload-pack", "/../x.git/HEAD", "/My_App.git/git-upload-pack", "/"]
        {
            assert_eq!(route(Method::POST, uri), Err(NoRoute::NotFound), "{uri}");
        }
        assert!(
            is_git_path("/my-app.git/info/refs") && !is_git_path("/apps/my-app.git") && !is_git_path("/my-app.git")
        );
    }
}
