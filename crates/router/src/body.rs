//! The body of the router's answers: a dyno's, or a page of our own.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use proxy::{Fault, ResponseBody};

pub enum Body {
    Dyno(ResponseBody),
    /// `None` once it is given out.
    Page(Option<Bytes>),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.get_mut() {
            Self::Dyno(body) => Pin::new(body).poll_frame(cx),
            Self::Page(page) => Poll::Ready(page.take().map(|page| Ok(Frame::data(page)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Dyno(body) => body.is_end_stream(),
            Self::Page(page) => page.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Dyno(body) => body.size_hint(),
            Self::Page(page) => SizeHint::with_exact(page.as_ref().map_or(0, |page| page.len() as u64)),
        }
    }
}
