//! Host to app to dyno, error pages and codes
