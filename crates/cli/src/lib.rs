//! Commands of the renga binary that talk to a server
