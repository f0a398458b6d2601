//! The renga binary: reads configuration, builds the parts, runs them
