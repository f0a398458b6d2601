//! Makes the default stack, or says that it is there:
//! `cargo run -p stack --example make_stack [FOLDER]`.

use stack::{DEFAULT_STACK_DIR, Stack, StackDir};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_STACK_DIR.to_owned());
    let stacks = StackDir::new(folder).with_mirror(std::env::var("RENGA_DEBIAN_MIRROR").ok());
    let image = stacks.ensure(Stack::DEFAULT, |line| println!("{line}")).await?;
    println!("{image:?}");
    Ok(())
}
