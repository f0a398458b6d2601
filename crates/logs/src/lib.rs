//! Log lines: intake, per-app rings, tails and filters
