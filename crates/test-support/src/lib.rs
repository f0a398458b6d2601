//! For tests of other crates: a whole platform in one call, with a real store
//! in a folder of its own, on a runtime whose dynos do what the test says.

mod platform_for_tests;
mod scripted_runtime;

pub use platform_for_tests::TestPlatform;
pub use scripted_runtime::{Script, ScriptedRuntime};
