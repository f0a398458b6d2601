//! One request to one backend: connect or reuse, send, wait for the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::connect::{Connection, connect};
use crate::pool::Pool;
use crate::request_body::{RequestBody, Stage, Upload};
use crate::response_body::Lease;
use crate::{Fault, Limits, Outgoing, ResponseBody, Tunnel, headers};

/// Forwards requests; holds the unused connections to backends. Cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    limits: Limits,
    pool: Arc<Pool>,
    drivers: TaskTracker,
}

/// The backend has answered.
pub struct Forwarded {
    pub response: Response<ResponseBody>,
    /// From the call until a connection was at hand.
    pub connect: Duration,
    /// The response is a 101: give it to the client, then run this.
    pub tunnel: Option<Tunnel>,
}

/// The backend has not answered.
pub struct Unforwarded {
    pub fault: Fault,
    /// From the call until a connection was at hand, or could not be had.
    pub connect: Duration,
    /// The request, if nothing of it has been sent: it may go elsewhere.
    pub outgoing: Option<Outgoing>,
}

/// What came of a request on one connection.
enum Sent {
    Answered(Response<Incoming>, Connection),
    /// Nothing of it left: it can go out by another connection.
    Unsent(Request<RequestBody>),
    Failed(Fault),
}

impl Proxy {
    pub fn new(limits: Limits) -> Self {
        Self { limits, pool: Arc::default(), drivers: TaskTracker::new() }
    }

    /// Sends the request to `backend` by an unused or a new connection and
    /// waits for the head of the answer. Cancel-safe: dropping it closes the
    /// connection that the request was sent by.
    pub async fn forward(&self, backend: SocketAddr, outgoing: Outgoing) -> Result<Forwarded, Box<Unforwarded>> {
        let Outgoing { request, upgrade } = outgoing;
        let outgoing = Outgoing { request, upgrade: None };
        let started = Instant::now();
        let shelf = self.pool.shelf(backend);
        let repeatable = outgoing.is_repeatable() && upgrade.is_none();
        let at_most = if repeatable { self.limits.pooled } else { self.limits.pooled_for_unrepeatable };

        let mut pooled = shelf.take(at_most);
        let mut outgoing = outgoing;
        loop {
            let is_pooled = pooled.is_some();
            let connection = match pooled.take() {
                Some(connection) => connection,
                None => match connect(backend, &self.limits, &self.drivers).await {
                    Ok(connection) => connection,
                    Err(fault) => {
                        let outgoing = Some(Outgoing { upgrade, ..outgoing });
                        return Err(Box::new(Unforwarded { fault, connect: started.elapsed(), outgoing }));
                    }
                },
            };
            let connect = started.elapsed();
            let upload = outgoing.request.body().upload().clone();
            upload.restart();
            let copy = (is_pooled && repeatable).then(|| outgoing.head_only());
            let fault = match self.send(connection, outgoing.request, &upload).await {
                Sent::Answered(response, connection) => {
                    let lease = Lease { connection, shelf, upload, pooled_per_backend: self.limits.pooled_per_backend };
                    return self
                        .answer(response, lease, upgrade)
                        .map(|(response, tunnel)| Forwarded { response, connect, tunnel })
                        .map_err(|fault| Box::new(Unforwarded { fault, connect, outgoing: None }));
                }
                Sent::Unsent(request) if is_pooled => {
                    outgoing = Outgoing { request, upgrade: None };
                    continue;
                }
                Sent::Unsent(_) => Fault::ClosedWithoutResponse,
                Sent::Failed(fault) => fault,
            };
            // The backend closed an unused connection just when it was taken.
            if let (Fault::ClosedWithoutResponse, Some(request)) = (&fault, copy) {
                outgoing = Outgoing { request, upgrade: None };
                continue;
            }
            return Err(Box::new(Unforwarded { fault, connect, outgoing: None }));
        }
    }

    /// Closes the unused connections to a backend now, and the used ones
    /// after their exchange.
    pub fn forget(&self, backend: SocketAddr) {
        self.pool.forget(backend);
    }

    /// Closes connections that were unused for too long. To be called now and
    /// then (every few seconds).
    pub fn sweep(&self) {
        self.pool.sweep(self.limits.pooled);
    }

    /// The backends that it holds, or lately held, connections to.
    pub fn backends(&self) -> Vec<SocketAddr> {
        self.pool.backends()
    }

    async fn send(&self, mut connection: Connection, request: Request<RequestBody>, upload: &Upload) -> Sent {
        let received_before = connection.received.load(Ordering::Relaxed);
        let answer = connection.sender.try_send_request(request);
        tokio::pin!(answer);
        let ended = loop {
            let deadline = match self.deadline(upload) {
                Ok((deadline, fault)) if deadline <= Instant::now() => return Sent::Failed(fault),
                Ok((deadline, _)) => deadline,
                Err(fault) => return Sent::Failed(fault),
            };
            // After each wait the stage is looked at anew: a byte may have
            // moved meanwhile.
            tokio::select! {
                biased;
                ended = &mut answer => break ended,
                () = upload.sent.notified() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        };
        match ended {
            Ok(response) => Sent::Answered(response, connection),
            Err(mut error) => {
                if let Some(request) = error.take_message() {
                    return Sent::Unsent(request);
                }
                if let Stage::Failed(fault) = upload.stage() {
                    return Sent::Failed(fault);
                }
                let received = connection.received.load(Ordering::Relaxed) > received_before;
                tracing::debug!(error = %error.error(), received, "a backend did not answer");
                Sent::Failed(Fault::of_exchange(error.error(), received))
            }
        }
    }

    /// Until when the exchange may stand as it does before the answer begins,
    /// and whose fault it is if it does.
    fn deadline(&self, upload: &Upload) -> Result<(Instant, Fault), Fault> {
        match upload.stage() {
            Stage::Reading(since) => Ok((since + self.limits.idle, Fault::ClientIdle)),
            Stage::Writing(since) => Ok((since + self.limits.idle, Fault::FirstByteTimedOut)),
            Stage::Sent(at) => Ok((at + self.limits.first_byte, Fault::FirstByteTimedOut)),
            Stage::Failed(fault) => Err(fault),
        }
    }

    fn answer(
        &self,
        mut response: Response<Incoming>,
        lease: Lease,
        upgrade: Option<hyper::upgrade::OnUpgrade>,
    ) -> Result<(Response<ResponseBody>, Option<Tunnel>), Fault> {
        self.check(&response)?;
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let Some(client) = upgrade else {
                return Err(Fault::MalformedResponse("101 to a request that asked for no upgrade".to_owned()));
            };
            let protocol = headers::upgrade(response.headers());
            let backend = hyper::upgrade::on(&mut response);
            headers::remove_hop_by_hop(response.headers_mut());
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            if let Some(protocol) = protocol {
                response.headers_mut().insert(UPGRADE, protocol);
            }
            let tunnel = Tunnel { client, backend, idle: self.limits.idle };
            return Ok((response.map(|_| ResponseBody::empty()), Some(tunnel)));
        }
        headers::remove_hop_by_hop(response.headers_mut());
        // What the client sends next may not be HTTP: it expected a switch.
        if upgrade.is_some() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let idle = self.limits.idle;
        Ok((response.map(|body| ResponseBody::new(body, lease, idle)), None))
    }

    /// The limits on a response's head that hyper does not know of.
    fn check(&self, response: &Response<Incoming>) -> Result<(), Fault> {
        const STATUS_LINE_REST_BYTES: usize = "HTTP/1.1 200 ".len();
        let reason = response.extensions().get::<ReasonPhrase>().map_or(0, |reason| reason.as_bytes().len());
        if reason + STATUS_LINE_REST_BYTES > self.limits.status_line_bytes {
            return Err(Fault::Restricted("oversized status line"));
        }
        let line_bytes = |name: &HeaderName, value: &HeaderValue| name.as_str().len() + 2 + value.len();
        let longest = |map: &HeaderMap, cookies: bool| {
            map.iter()
                .filter(|(name, _)| (*name == SET_COOKIE) == cookies)
                .map(|(name, value)| line_bytes(name, value))
                .max()
        };
        if longest(response.headers(), true) > Some(self.limits.cookie_bytes) {
            return Err(Fault::Restricted("oversized cookie"));
        }
        if longest(response.headers(), false) > Some(self.limits.header_line_bytes) {
            return Err(Fault::Restricted("oversized header"));
        }
        Ok(())
    }
}
