//! From a request's `Host` to the platform's service or to the router.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use proxy::{Client, Scheme};
use router::{Host, Router};
use tower::{Service, ServiceExt as _};

use crate::Names;
use crate::turn::{Answering, Turn};

/// What all connections share.
pub(crate) struct Dispatch<P> {
    pub(crate) names: Arc<Names>,
    pub(crate) router: Arc<Router>,
    pub(crate) platform: P,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<P, B> Dispatch<P>
where
    P: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
{
    /// The platform's service finds, as request extensions, the [`Client`],
    /// its address as a plain `SocketAddr`, and the `http::uri::Scheme`.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: &Client,
        reached: IpAddr,
        turn: &Arc<Turn>,
    ) -> Result<Response<Answer<B>>, Infallible> {
        let answering = turn.begin(!request.body().is_end_stream());
        let is_platform = Host::of(&request).is_ok_and(|host| self.names.is_platform(&host, reached));
        let response = if is_platform {
            request.extensions_mut().insert(client.clone());
            request.extensions_mut().insert(client.peer);
            request.extensions_mut().insert(match client.scheme {
                Scheme::Http => http::uri::Scheme::HTTP,
                Scheme::Https => http::uri::Scheme::HTTPS,
            });
            self.platform.clone().oneshot(request).await?.map(Source::Platform)
        } else {
            self.router.handle(request, client).await.map(Source::Router)
        };
        let answering = if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            answering.forever();
            None
        } else {
            Some(answering)
        };
        Ok(response.map(|source| Answer { source, _answering: answering }))
    }
}

/// An answer's body from either side.
pub(crate) struct Answer<B> {
    source: Source<B>,
    _answering: Option<Answering>,
}

enum Source<B> {
    Platform(B),
    Router(router::Body),
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().source {
            Source::Platform(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Source::Router(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Platform(body) => body.is_end_stream(),
            Source::Router(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Platform(body) => body.size_hint(),
            Source::Router(body) => body.size_hint(),
        }
    }
}
