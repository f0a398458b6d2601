//! Durable step-by-step work with undo, its journal as a trait
