//! Heroku Platform API v3 over HTTP
