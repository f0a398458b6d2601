//! Listener, router and proxy over real sockets: a client on one side, a
//! scripted dyno on the other, and bytes compared in between.

#![expect(clippy::unwrap_used, reason = "a scenario that can't go on has failed")]

mod connections;
mod exchange;
mod framing;
mod limits;
mod routing;
mod site;
mod tls;
mod tunnel;
mod wire;
