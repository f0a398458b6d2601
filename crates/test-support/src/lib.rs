//! For tests of other crates: a whole platform in one call, with a real store
//! in a folder of its own, on a runtime whose dynos do what the test says.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let test = test_support::TestPlatform::start().await;
//! let (ada, key) = test.account("ada@example.com").await;
//! let caller = test.platform.accounts().authenticate(&key).await.expect("her key");
//! assert_eq!(caller.account.id, ada.id);
//! test.stop().await;
//! # }
//! ```

mod platform_for_tests;
mod scripted_runtime;

pub use platform_for_tests::TestPlatform;
pub use scripted_runtime::{Script, ScriptedRuntime};
