//! HTTP/1.1 and WebSocket forwarding, timeouts and the access record
