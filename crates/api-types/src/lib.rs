//! Requests, responses and problems of the public API
