//! The truth: all SQL, behind verbs of the platform
