//! Parts and their shutdown, and back-off: what std and tokio lack
