//! The use cases: one file per noun, one per workflow
