//! From a request to an answer: admit, look up, choose, forward, account.

use std::sync::Arc;
use std::time::Duration;

use domain::DynoId;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use proxy::{BodyEnd, Client, Fault, Forwarded, Outgoing, Proxy, Tunnel};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Access, AccessSink, Entry};
use crate::admission::admit;
use crate::choice::{Choice, choose};
use crate::code::Failure;
use crate::in_flight::{AppTicket, DynoTicket, InFlight};
use crate::page::{Format, Page};
use crate::quarantine::Quarantine;
use crate::request_id::request_id;
use crate::{AppRoute, AppState, Body, Code, Host, Limits, Refused, RouteTable, forwarded};

/// Routes requests by the newest table it was given. Shared by all
/// connections; [`Router::run`] must run beside them.
pub struct Router {
    table: watch::Receiver<Arc<RouteTable>>,
    limits: Limits,
    sink: AccessSink,
    proxy: Proxy,
    in_flight: Arc<InFlight>,
    quarantine: Quarantine,
    tunnels: TaskTracker,
    cut_tunnels: CancellationToken,
}

/// What a request holds while a dyno has it.
struct Tickets {
    _app: AppTicket,
    _dyno: DynoTicket,
}

/// How one try to get an answer ended without one.
enum Unanswered {
    /// The dyno can't be reached; the request may go to another.
    Unreachable(Box<(Failure, Outgoing, Access, AppTicket)>),
    Failed(Failure, Box<Access>),
}

impl Router {
    pub fn new(table: watch::Receiver<Arc<RouteTable>>, limits: Limits, sink: AccessSink) -> Self {
        Self {
            table,
            limits,
            sink,
            proxy: Proxy::new(limits.exchange),
            in_flight: Arc::default(),
            quarantine: Quarantine::default(),
            tunnels: TaskTracker::new(),
            cut_tunnels: CancellationToken::new(),
        }
    }

    /// Answers one request; every failure is an answer too. Dropped before it
    /// has answered, it takes the client to be gone.
    pub async fn handle(&self, request: Request<Incoming>, client: &Client) -> Response<Body> {
        let format = Format::wanted(request.headers());
        let host = match Host::of(&request) {
            Ok(host) => host,
            Err(refused) => return refusal(refused, format),
        };
        let admitted = admit(&request, &self.limits);
        let has_body = !request.is_end_stream();
        let route = self.table.borrow().find(host.as_str()).cloned();
        let Some(route) = route else {
            let page = Page::no_such_app(host.as_str());
            return admitted
                .map_or_else(|refused| refusal(refused, format), |()| unless_read(page.response(format), has_body));
        };
        let id = request_id(request.headers());
        let forwarded_for = forwarded::forwarded_for(request.headers(), client.peer.ip());
        let access = Access::new(self.sink.clone(), entry(&route, &request, client, &host, &id, &forwarded_for));
        if let Err(refused) = admitted {
            let failure = Failure { code: Code::H26, cause: Some(refused.cause()) };
            access.failed_as(failure, refused.status(), 0);
            return refusal(refused, format);
        }
        let mut outgoing = Outgoing::new(request);
        forwarded::tell_dyno(outgoing.headers_mut(), client, forwarded_for, id);
        match self.serve(&route, outgoing, access, client).await {
            Ok(response) => response,
            Err((failure, access)) => {
                let page = Page::failure(failure.code, route.name.as_str(), access.request_id());
                access.failed(failure, 0);
                unless_read(page.response(format), has_body)
            }
        }
    }

    /// Resolves once no request and no tunnel is with the dyno; `false`: there
    /// still was one after `at_most`. A dyno that was taken out of the table
    /// before this is called gets no new request.
    pub async fn drained(&self, dyno: DynoId, at_most: Duration) -> bool {
        self.in_flight.drained(dyno, at_most).await
    }

    /// Keeps house until `stop`: closes unused connections to dynos that left
    /// the table, and those unused for too long. Then gives open tunnels
    /// [`Limits::tunnel_grace`] to end, and cuts the rest.
    pub async fn run(&self, stop: CancellationToken) {
        const SWEEP_EVERY: Duration = Duration::from_secs(5);
        let mut table = self.table.clone();
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        let mut fed = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = sweep.tick() => self.proxy.sweep(),
                changed = table.changed(), if fed => {
                    fed = changed.is_ok();
                    let routed = table.borrow_and_update().addresses();
                    for gone in self.proxy.backends().into_iter().filter(|address| !routed.contains(address)) {
                        self.proxy.forget(gone);
                    }
                }
            }
        }
        self.tunnels.close();
        if tokio::time::timeout(self.limits.tunnel_grace, self.tunnels.wait()).await.is_err() {
            self.cut_tunnels.cancel();
            self.tunnels.wait().await;
        }
    }

    /// Tries dynos until one answers.
    async fn serve(
        &self,
        route: &AppRoute,
        mut outgoing: Outgoing,
        mut access: Access,
        client: &Client,
    ) -> Result<Response<Body>, (Failure, Access)> {
        let web_dynos = match &route.state {
            AppState::Serving(backends) => backends.len().max(1),
            _ => 1,
        };
        let room = self.limits.in_flight_per_dyno * web_dynos;
        let Some(mut app_ticket) = self.in_flight.enter_app(route.app, room) else {
            return Err((Code::H11.into(), access));
        };
        let give_up_at = Instant::now() + self.limits.boot_wait;
        let mut table = self.table.clone();
        let mut tried = Vec::new();
        let mut last_failure: Option<Failure> = None;
        loop {
            let choice = {
                let now = table.borrow_and_update();
                match now.app(route.app) {
                    Some(route) => choose(route, &tried, &self.quarantine, &self.in_flight),
                    // Destroyed while the request waited.
                    None => Choice::Fail(Code::H14),
                }
            };
            let (backend, dyno_ticket) = match choice {
                Choice::Dyno(backend, ticket) => (backend, ticket),
                Choice::Fail(code) => return Err((code.into(), access)),
                Choice::Starting => {
                    if !wait(&mut table, give_up_at).await {
                        return Err((Code::H20.into(), access));
                    }
                    continue;
                }
                Choice::Quarantined(_) | Choice::Exhausted if last_failure.is_some() => {
                    return Err((last_failure.unwrap_or(Code::H99.into()), access));
                }
                Choice::Exhausted => return Err((Code::H99.into(), access)),
                Choice::Quarantined(until) => {
                    if until > give_up_at {
                        return Err((Code::H99.into(), access));
                    }
                    wait(&mut table, until).await;
                    continue;
                }
            };
            tried.push(backend.dyno);
            access.tries(&backend.name);
            let dyno = backend.dyno;
            match self.try_dyno(backend, outgoing, access, app_ticket, dyno_ticket, client).await {
                Ok(response) => return Ok(response),
                Err(Unanswered::Failed(failure, access)) => return Err((failure, *access)),
                Err(Unanswered::Unreachable(again)) => {
                    let failure;
                    (failure, outgoing, access, app_ticket) = *again;
                    self.quarantine.put(dyno, Instant::now() + self.limits.quarantine);
                    if tried.len() >= self.limits.attempts {
                        return Err((failure, access));
                    }
                    last_failure = Some(failure);
                }
            }
        }
    }

    async fn try_dyno(
        &self,
        backend: crate::Backend,
        outgoing: Outgoing,
        mut access: Access,
        app_ticket: AppTicket,
        dyno_ticket: DynoTicket,
        client: &Client,
    ) -> Result<Response<Body>, Unanswered> {
        let started = Instant::now();
        match self.proxy.forward(backend.address, outgoing).await {
            Ok(forwarded) => {
                access.connected(forwarded.connect, Some(started + forwarded.connect));
                let tickets = Tickets { _app: app_ticket, _dyno: dyno_ticket };
                Ok(self.account(forwarded, access, tickets, client))
            }
            Err(unforwarded) => {
                let failure = Failure::from(&unforwarded.fault);
                match unforwarded.outgoing {
                    Some(outgoing) => {
                        access.connected(unforwarded.connect, None);
                        tracing::debug!(dyno.id = %backend.dyno, fault = %unforwarded.fault, "quarantined {}", backend.name);
                        Err(Unanswered::Unreachable(Box::new((failure, outgoing, access, app_ticket))))
                    }
                    None => {
                        access.connected(unforwarded.connect, Some(started + unforwarded.connect));
                        Err(Unanswered::Failed(failure, Box::new(access)))
                    }
                }
            }
        }
    }

    /// Sees to it that the end of the answer, or of the tunnel, gives the
    /// tickets back and writes the line.
    fn account(&self, forwarded: Forwarded, access: Access, tickets: Tickets, client: &Client) -> Response<Body> {
        let Forwarded { mut response, tunnel, .. } = forwarded;
        let status = response.status();
        forwarded::tell_client(response.headers_mut());
        if let Some(tunnel) = tunnel {
            self.tunnels.spawn(carry(tunnel, access, tickets, self.cut_tunnels.clone()));
            return response.map(Body::Dyno);
        }
        let client = client.clone();
        response.map(|body| {
            Body::Dyno(body.on_end(move |BodyEnd { bytes, fault }| {
                drop(tickets);
                match fault {
                    None => access.answered(status, bytes),
                    Some(Fault::ClientGone) if client.is_stalled() => access.failed(Code::H28.into(), bytes),
                    Some(fault) => access.failed(Failure::from(&fault), bytes),
                }
            }))
        })
    }
}

/// Whether the table changed before `deadline`.
async fn wait(table: &mut watch::Receiver<Arc<RouteTable>>, deadline: Instant) -> bool {
    let change = async {
        // Nobody feeds the table any more: the server is about to end.
        if table.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::time::timeout_at(deadline, change).await.is_ok()
}

async fn carry(tunnel: Tunnel, access: Access, tickets: Tickets, cut: CancellationToken) {
    tokio::select! {
        end = tunnel.run() => match end.fault {
            None => access.answered(http::StatusCode::SWITCHING_PROTOCOLS, end.bytes_to_client),
            Some(fault) => access.failed(Failure::from(&fault), end.bytes_to_client),
        },
        () = cut.cancelled() => access.failed(Code::H24.into(), 0),
    }
    drop(tickets);
}

fn entry(
    route: &AppRoute,
    request: &Request<Incoming>,
    client: &Client,
    host: &Host,
    id: &HeaderValue,
    forwarded_for: &HeaderValue,
) -> Entry {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Entry {
        app: route.app,
        method: request.method().clone(),
        path: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        host: host.as_str().to_owned(),
        request_id: text(id),
        forwarded_for: text(forwarded_for),
        protocol: client.scheme,
        dyno: None,
        connect: None,
        sent_at: None,
    }
}

fn refusal(refused: Refused, format: Format) -> Response<Body> {
    unless_read(Page::refused(refused).response(format), true)
}

/// Ends the connection after an answer of our own to a request whose body
/// nobody read: what is left of it is not worth reading.
fn unless_read(mut response: Response<Body>, has_body: bool) -> Response<Body> {
    if has_body {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
