//! Real git against the service, over loopback.

mod client;
mod fetches;
mod hostile;
mod leaving;
mod pushes;
mod server;
